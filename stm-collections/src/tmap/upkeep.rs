//! What a map gives back, and when: transactions of their own, after those of the removals that make them worth while.
//!
//! # The problem, and the idea
//!
//! A tombstone is there for the case that its key comes back. Most do not, and somebody has to look. A removal that looked in
//! its own transaction would rest on other keys' entries, and could be thrown away for them. So now and then a removal has the
//! table looked after when its attempt is over, by a bounded number of small transactions that each visit a few buckets; and
//! a large table that has become empty is replaced by a fresh one.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use stm_core::{Stm, TVar, Tx, after_attempt, atomically};

use super::bucket::{Entry, Rooms};
use super::table::{Table, mix};

/// Out of so many removals, one looks after the table.
pub(super) const RARELY: usize = 32;

/// Buckets that the sweeper visits in one transaction.
const ROUND: usize = 32;

/// Transactions of the sweeper at a time. While four entries must go for each removal if no more than three quarters of them
/// are to be tombstones, four buckets are visited, with an average of two or three.
const ROUNDS: usize = 4;

/// Of a transaction that gives back. Whoever was in the way has removed or inserted, and will come as well.
const ATTEMPTS: u32 = 4;

/// A table of fewer entries is not swept, and one of fewer buckets not replaced.
const SMALL: i64 = 64;

impl<R: Default + Send + Sync + 'static> Table<R> {
    /// A round of the sweeper: drops the tombstones of some buckets.
    fn sweep<K, V>(&self, tx: &mut Tx<'_>) -> Stm<()>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        // Relaxed, here and below: a hint. Two sweepers at one place conflict, and only one of them has been in vain.
        let mut backwards = self.cursor.load(Ordering::Relaxed);
        let mut dropped = 0;
        for _ in 0..ROUND {
            let home = self.home(tx, backwards.reverse_bits())?;
            dropped += self.thin_out(tx, &home, |_: &Entry<K, V>, value| value.is_some())?;
            backwards = home.next_backwards().unwrap_or(0);
        }
        self.cursor.store(backwards, Ordering::Relaxed);
        self.entries.add(tx, -dropped)
    }

    /// Puts a fresh table in this one's place if it is empty; whether it was. Rests on the size, read (M2): whoever inserts
    /// meanwhile is not lost.
    pub(super) fn replace_if_empty(&self, tx: &mut Tx<'_>, root: &TVar<Self>) -> Stm<bool> {
        let empty = self.len(tx)? == 0;
        if empty {
            root.write(tx, self.fresh())?;
        }
        Ok(empty)
    }

    /// Has the table looked after when the attempt is over.
    pub(super) fn look_after<K, V>(root: &TVar<Self>)
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        let root = root.clone();
        after_attempt(move || give_back(&root));
    }

    /// The same, now and then.
    pub(super) fn look_after_rarely<K, V>(&self, root: &TVar<Self>)
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        // Relaxed: a hint.
        if one_out_of(self.period.load(Ordering::Relaxed)) {
            Self::look_after(root);
        }
    }
}

/// Gives memory back while there is much to give, up to a bound.
fn give_back<K, V, R>(root: &TVar<Table<R>>)
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Rooms<K, V>,
{
    let mut rounds = 0..ROUNDS;
    while rounds.next().is_some() && give_some_back(root) == Left::Perhaps {}
}

/// Whether there is more to give back.
#[derive(PartialEq, Eq)]
enum Left {
    Perhaps,
    Nothing,
}

/// A round of the sweeper if most entries are tombstones, a fresh table if a large one has become empty.
fn give_some_back<K, V, R>(root: &TVar<Table<R>>) -> Left
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Rooms<K, V>,
{
    atomically(|tx| {
        let table = root.read_ref(tx)?;
        if tx.attempt() > ATTEMPTS {
            return Ok(Left::Nothing);
        }
        let (live, entries) = (table.live.estimate(tx), table.entries.estimate(tx));
        if i64::from(table.buckets()) > SMALL {
            // So that the last removal of all is hardly ever missed: on the way there, the odds of looking rise to one.
            let period = usize::try_from(live / 8).unwrap_or(0);
            // Relaxed: a hint.
            table
                .period
                .store(period.clamp(1, RARELY), Ordering::Relaxed);
            if live <= 0 && table.replace_if_empty(tx, root)? {
                return Ok(Left::Nothing);
            }
        }
        // Keys that are together are alive and no entries, so where there are many, some tombstones more may stay.
        if entries <= SMALL || live >= entries / 4 {
            return Ok(Left::Nothing);
        }
        table.sweep(tx)?;
        Ok(Left::Perhaps)
    })
}

/// True once in `n` times or so. By chance, so that no regular use of several maps always picks the same one.
fn one_out_of(n: usize) -> bool {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    let state = STATE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    // The high word of the product is evenly spread over 0..n, and takes no division.
    (u128::from(mix(state)) * n as u128) >> u64::BITS == 0
}

#[cfg(test)]
mod tests {
    use super::one_out_of;

    #[test]
    fn one_out_of_so_many() {
        let one_in_four = (0..4_000).filter(|_| one_out_of(4)).count();
        assert!((700..1_300).contains(&one_in_four), "{one_in_four}");
        assert!(one_out_of(1));
    }
}
