//! The hash table: buckets that partition the space of hashes, found by the low bits of a hash, split when they are full.
//!
//! # Picture
//!
//! ```text
//!  number   bucket                     covers the hashes that end in
//!  0     ▶  depth 2  [ link ▪▪▪ ]      00
//!  1     ▶  depth 1  [ link ▪▪ ]        1
//!  2     ▶  depth 2  [ link ▪ ]        10
//!  3        unborn: 1 covers it               link = hash, ──▶ Entry { key, TVar<Option<V>> }
//! ```
//!
//! A bucket of depth d and number n covers the hashes whose low d bits are n. Splitting it leaves it, with depth d + 1,
//! those whose next bit is 0, and gives the others to bucket n + 2^d, which is born by that. To find the bucket of a hash,
//! one starts at a depth that is rather too large, with the number that so many low bits make, and clears the highest bit
//! that is set until the bucket is born: it is a parent's parent.
//!
//! # Invariants
//!
//! - H1  In every state that a transaction sees, the born buckets partition the hashes. Number 0 is born, and if a bucket of
//!   number n and depth d is, then so are n + 2^j for every j from n's bit length up to, not including, d.
//! - H2  A key has at most one entry, in the bucket that covers its hash. Both that and the absence of an entry are read
//!   from that bucket, so whoever adds or drops an entry conflicts with whoever rests on it.
//! - H3  A key is in the map if its entry's value is `Some`. An entry holding `None` (a tombstone) is dropped only by a
//!   transaction that has read the `None`.
//! - H4  `live` adds up to the number of entries holding `Some`, `entries` to the number of entries.

use std::cell::Cell;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use smallvec::SmallVec;
use stm_core::{ReadTx, Stm, TVar, Tx, after_attempt, atomically};

use super::directory::{Directory, MAX_BITS};
use crate::tally::Tally;

/// Entries that a bucket holds before it is split: as many as its node has room for.
const ROOM: usize = 4;

/// A lookup starts this many bits deeper than the buckets are on average.
const DEEPER: u32 = 2;

/// Out of so many removals, one looks after the table.
const RARELY: usize = 32;

/// Buckets that the sweeper visits in one transaction.
const ROUND: usize = 32;

/// Transactions of the sweeper at a time. While four entries must go for each removal if no more than three quarters of them
/// are to be tombstones, four buckets are visited, with an average of two or three.
const ROUNDS: usize = 4;

/// Of a transaction that gives back. Whoever was in the way has removed or inserted, and will come as well.
const ATTEMPTS: u32 = 4;

/// A table of fewer entries is not swept, and one of fewer buckets not replaced.
const SMALL: i64 = 64;

/// A key, and whether it is there.
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: TVar<Option<V>>,
    /// Set by whoever removes, before the commit and even without one; so it is worth a look whether `value` is `None`.
    may_be_absent: AtomicBool,
}

pub(super) struct Link<K, V> {
    hash: u64,
    entry: Arc<Entry<K, V>>,
}

impl<K, V> Clone for Link<K, V> {
    fn clone(&self) -> Self {
        Self {
            hash: self.hash,
            entry: Arc::clone(&self.entry),
        }
    }
}

type Links<K, V> = SmallVec<[Link<K, V>; ROOM]>;

/// What the table is made of. Unborn by default.
pub(super) struct Bucket<K, V> {
    /// How many low bits its hashes share; `None` if unborn, and then there are no links either.
    depth: Option<u32>,
    links: Links<K, V>,
}

impl<K, V> Bucket<K, V> {
    /// The entry of the key with this hash for which `is_it` holds.
    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Option<&Entry<K, V>> {
        let mut entries = self.links.iter().filter(|link| link.hash == hash);
        let found = entries.find(|link| is_it(&link.entry.key))?;
        Some(&found.entry)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<K, V>> {
        self.links.iter().map(|link| &*link.entry)
    }
}

impl<K, V> Default for Bucket<K, V> {
    fn default() -> Self {
        Self {
            depth: None,
            links: Links::new(),
        }
    }
}

/// A born bucket as a transaction sees it, and where it is.
pub(super) struct Home<R> {
    number: u32,
    depth: u32,
    pub(super) bucket: R,
}

impl<R> Home<R> {
    /// The hash that comes next to those covered here, in the order of hashes read backwards: there, a bucket's are neighbours.
    fn next_backwards(&self) -> Option<u64> {
        let covered = 1_u64.checked_shl(u64::BITS - self.depth)?; // all of them, at depth 0
        u64::from(self.number).reverse_bits().checked_add(covered)
    }
}

/// See the module. The map has one at a time, and a fresh one after `clear`.
pub(super) struct Table<K, V> {
    directory: Directory<Bucket<K, V>>,
    live: Tally,
    entries: Tally,
    /// Where the sweeper goes on: a hash read backwards.
    cursor: AtomicU64,
    /// Out of so many removals, one looks after this table: fewer as it nears emptiness.
    period: AtomicUsize,
}

impl<K, V> Table<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self {
            directory: Directory::new(Bucket {
                depth: Some(0),
                links: Links::new(),
            }),
            live: Tally::new(),
            entries: Tally::new(),
            cursor: AtomicU64::new(0),
            period: AtomicUsize::new(RARELY),
        }
    }

    /// The bucket that covers `hash` (H1).
    ///
    /// Where it starts is a hint: too deep costs looks at places that are not set, not deep enough a read of a wrong bucket.
    pub(super) fn home<X: ReadTx>(&self, tx: &mut X, hash: u64) -> Stm<Home<X::Ref<Bucket<K, V>>>> {
        let start = self.directory.about().ilog2() + DEEPER;
        let mut number = low_bits(hash, start.min(MAX_BITS));
        loop {
            if let Some(var) = self.directory.find(number) {
                let bucket = var.read_ref(tx)?;
                if let Some(depth) = bucket.depth {
                    let covering = low_bits(hash, depth);
                    if covering == number {
                        return Ok(Home {
                            number,
                            depth,
                            bucket,
                        });
                    }
                    number = covering; // born, by H1, and found, by D2
                    continue;
                }
            }
            number = without_highest_bit(number);
        }
    }

    /// Shows every born bucket, in one order for all states.
    pub(super) fn each_home<X: ReadTx>(
        &self,
        tx: &mut X,
        mut visit: impl FnMut(&mut X, Home<X::Ref<Bucket<K, V>>>) -> Stm<()>,
    ) -> Stm<()> {
        let mut at = Some(0_u64);
        while let Some(backwards) = at {
            let home = self.home(tx, backwards.reverse_bits())?;
            at = home.next_backwards();
            visit(tx, home)?;
        }
        Ok(())
    }

    pub(super) fn len(&self, tx: &mut impl ReadTx) -> Stm<i64> {
        self.live.sum(tx)
    }

    /// Adds a key that has no entry at `home`.
    pub(super) fn add_entry(
        &self,
        tx: &mut Tx<'_>,
        home: &Home<impl Deref<Target = Bucket<K, V>>>,
        hash: u64,
        key: K,
        value: V,
    ) -> Stm<()> {
        let (mut links, dropped) = filter(tx, &home.bucket, |tx, entry| {
            // Relaxed, here and below: a hint. What counts is the read.
            if !entry.may_be_absent.load(Ordering::Relaxed) {
                return Ok(true);
            }
            let present = entry.value.read_ref(tx)?.is_some();
            entry.may_be_absent.store(!present, Ordering::Relaxed);
            Ok(present)
        })?;
        links.push(Link {
            hash,
            entry: Arc::new(Entry {
                key,
                value: TVar::new(Some(value)),
                may_be_absent: AtomicBool::new(false),
            }),
        });
        self.settle(tx, home.number, home.depth, links)?;
        self.entries.add(tx, 1 - dropped)?;
        self.live.add(tx, 1)
    }

    /// Makes `links` the content of what bucket `number` covers at `depth`, splitting it as often as need be.
    fn settle(&self, tx: &mut Tx<'_>, number: u32, depth: u32, links: Links<K, V>) -> Stm<()> {
        let inseparable = || links.iter().all(|link| link.hash == links[0].hash);
        if links.len() <= ROOM || depth == MAX_BITS || inseparable() {
            let bucket = Bucket {
                depth: Some(depth),
                links,
            };
            return self.directory.find_or_make(number).write(tx, bucket);
        }
        let bit = 1_u32 << depth;
        let (ones, zeros) = links
            .into_iter()
            .partition(|link| link.hash & u64::from(bit) != 0);
        self.settle(tx, number, depth + 1, zeros)?;
        self.settle(tx, number | bit, depth + 1, ones)
    }

    /// Makes a key present that has an entry; what it held.
    pub(super) fn overwrite(&self, tx: &mut Tx<'_>, entry: &Entry<K, V>, value: V) -> Stm<Option<V>>
    where
        V: Clone,
    {
        let old = entry.value.replace(tx, Some(value))?;
        if old.is_none() {
            self.count_revived(tx)?;
        }
        Ok(old)
    }

    /// To be called when an entry's value was `None` and is `Some` now.
    pub(super) fn count_revived(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.live.add(tx, 1)
    }

    /// Makes a key absent whose entry holds `Some`, and gives that.
    pub(super) fn bury(&self, tx: &mut Tx<'_>, entry: &Entry<K, V>) -> Stm<Option<V>>
    where
        V: Clone,
    {
        let old = entry.value.replace(tx, None)?;
        entry.may_be_absent.store(true, Ordering::Relaxed);
        self.live.add(tx, -1)?;
        Ok(old)
    }

    /// Drops the entries that hold `None` and those that `keep` refuses. How many of the latter there were.
    pub(super) fn retain(&self, tx: &mut Tx<'_>, mut keep: impl FnMut(&K, &V) -> bool) -> Stm<i64> {
        let (mut refused, mut dropped) = (0, 0);
        self.each_home(tx, |tx, home| {
            dropped += self.thin_out(tx, &home, |entry, value| {
                let Some(value) = value else { return false };
                let kept = keep(&entry.key, value);
                refused += i64::from(!kept);
                kept
            })?;
            Ok(())
        })?;
        self.entries.add(tx, -dropped)?;
        self.live.add(tx, -refused)?;
        Ok(refused)
    }

    /// Drops the entries of a bucket that `keep` refuses, having read them all. How many.
    fn thin_out(
        &self,
        tx: &mut Tx<'_>,
        home: &Home<impl Deref<Target = Bucket<K, V>>>,
        mut keep: impl FnMut(&Entry<K, V>, Option<&V>) -> bool,
    ) -> Stm<i64> {
        let (links, dropped) = filter(tx, &home.bucket, |tx, entry| {
            let value = entry.value.read_ref(tx)?;
            Ok(keep(entry, value.as_ref()))
        })?;
        if dropped > 0 {
            self.settle(tx, home.number, home.depth, links)?;
        }
        Ok(dropped)
    }

    /// A round of the sweeper: drops the tombstones of some buckets.
    fn sweep(&self, tx: &mut Tx<'_>) -> Stm<()> {
        let mut backwards = self.cursor.load(Ordering::Relaxed);
        let mut dropped = 0;
        for _ in 0..ROUND {
            let home = self.home(tx, backwards.reverse_bits())?;
            dropped += self.thin_out(tx, &home, |_, value| value.is_some())?;
            backwards = home.next_backwards().unwrap_or(0);
        }
        // Relaxed: a hint. Two sweepers at one place conflict, and only one of them has been in vain.
        self.cursor.store(backwards, Ordering::Relaxed);
        self.entries.add(tx, -dropped)
    }

    /// Puts a fresh table in this one's place if it is empty; whether it was. Rests on the size, read (M2): whoever inserts
    /// meanwhile is not lost.
    fn replace_if_empty(&self, tx: &mut Tx<'_>, root: &TVar<Self>) -> Stm<bool> {
        let empty = self.len(tx)? == 0;
        if empty {
            root.write(tx, Self::new())?;
        }
        Ok(empty)
    }

    /// Has the table looked after when the attempt is over.
    ///
    /// Not in the attempt: it would rest on other keys' entries then, and could be thrown away for them.
    pub(super) fn look_after(root: &TVar<Self>) {
        let root = root.clone();
        after_attempt(move || give_back(&root));
    }

    /// The same, now and then.
    pub(super) fn look_after_rarely(&self, root: &TVar<Self>) {
        // Relaxed: a hint.
        if one_out_of(self.period.load(Ordering::Relaxed)) {
            Self::look_after(root);
        }
    }
}

/// Gives memory back while there is much to give, up to a bound.
fn give_back<K, V>(root: &TVar<Table<K, V>>)
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
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
fn give_some_back<K, V>(root: &TVar<Table<K, V>>) -> Left
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    atomically(|tx| {
        let table = root.read_ref(tx)?;
        if tx.attempt() > ATTEMPTS {
            return Ok(Left::Nothing);
        }
        let (live, entries) = (table.live.estimate(tx), table.entries.estimate(tx));
        if i64::from(table.directory.about()) > SMALL {
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
        if entries <= SMALL || live >= entries / 4 {
            return Ok(Left::Nothing);
        }
        table.sweep(tx)?;
        Ok(Left::Perhaps)
    })
}

/// The links that `keep` lets stay, and how many others there were.
fn filter<K, V>(
    tx: &mut Tx<'_>,
    bucket: &Bucket<K, V>,
    mut keep: impl FnMut(&mut Tx<'_>, &Entry<K, V>) -> Stm<bool>,
) -> Stm<(Links<K, V>, i64)> {
    let mut kept = Links::new();
    let mut dropped = 0;
    for link in &bucket.links {
        if keep(tx, &link.entry)? {
            kept.push(link.clone());
        } else {
            dropped += 1;
        }
    }
    Ok((kept, dropped))
}

/// The number that the low `bits` of a hash make.
const fn low_bits(hash: u64, bits: u32) -> u32 {
    debug_assert!(bits <= MAX_BITS);
    (hash as u32) & ((1 << bits) - 1)
}

const fn without_highest_bit(number: u32) -> u32 {
    debug_assert!(number != 0, "number 0 is always born");
    number ^ (1 << number.ilog2())
}

/// Spreads a hash over all bits: a hasher that is good enough elsewhere may leave the low ones alike.
///
/// A bijection, so no two hashes become one. Source: the finalizer "Mix13" of David Stafford, "Better Bit Mixing - Improving on
/// MurmurHash3's 64-bit Finalizer", 2011; as in Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
/// 2014, doi:10.1145/2660193.2660195.
pub(super) const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

/// True once in `n` times or so. By chance, so that no regular use of several maps always picks the same one.
fn one_out_of(n: usize) -> bool {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    let state = STATE.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
    STATE.set(state);
    mix(state).is_multiple_of(n as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stm_core::snapshot;

    fn insert(root: &TVar<Table<u64, u64>>, key: u64) {
        atomically(|tx| {
            let (table, hash) = (root.read_ref(tx)?, mix(key));
            let home = table.home(tx, hash)?;
            match home.bucket.find(hash, |&there| there == key) {
                Some(entry) => table.overwrite(tx, entry, key).map(drop),
                None => table.add_entry(tx, &home, hash, key, key),
            }
        });
    }

    fn remove(root: &TVar<Table<u64, u64>>, key: u64) {
        atomically(|tx| {
            let (table, hash) = (root.read_ref(tx)?, mix(key));
            let home = table.home(tx, hash)?;
            let entry = home.bucket.find(hash, |&there| there == key);
            table.bury(tx, entry.expect("it was inserted"))?;
            table.look_after_rarely(root);
            Ok(())
        });
    }

    /// Born buckets and what they hold, having checked H1, H2 and H4.
    fn survey(root: &TVar<Table<u64, u64>>) -> (usize, usize) {
        snapshot(|s| {
            let table = root.read_ref(s)?;
            let (mut buckets, mut entries, mut live) = (0, 0, 0);
            let mut covered = 0_u128;
            table.each_home(s, |s, home| {
                buckets += 1;
                covered += 1 << (u64::BITS - home.depth);
                for link in &home.bucket.links {
                    entries += 1;
                    live += usize::from(link.entry.value.read_ref(s)?.is_some());
                    assert_eq!(low_bits(link.hash, home.depth), home.number);
                    assert_eq!(link.hash, mix(link.entry.key));
                }
                Ok(())
            })?;
            assert_eq!(covered, 1 << u64::BITS, "the buckets partition the hashes");
            assert_eq!(i64::try_from(entries), Ok(table.entries.sum(s)?));
            assert_eq!(i64::try_from(live), Ok(table.len(s)?));
            Ok((buckets, entries))
        })
    }

    #[test]
    fn grows_shrinks_and_begins_anew() {
        const MANY: u64 = 5_000;
        let root = TVar::new(Table::new());
        assert_eq!(survey(&root), (1, 0));
        for key in 0..MANY {
            insert(&root, key);
        }
        let (buckets, entries) = survey(&root);
        assert_eq!(entries, MANY as usize);
        assert!((entries / 4..entries / 2).contains(&buckets), "{buckets}");
        for key in 0..MANY / 2 {
            remove(&root, key);
        }
        assert_eq!(survey(&root), (buckets, entries), "half may be tombstones");
        for key in MANY / 2..MANY - 1 {
            remove(&root, key);
        }
        let (buckets_left, entries_left) = survey(&root);
        assert_eq!(buckets_left, buckets, "buckets stay while there is a key");
        assert!(entries_left < entries / 5, "{entries_left} tombstones");
        remove(&root, MANY - 1);
        assert_eq!(survey(&root), (1, 0), "a fresh table");
    }

    /// M2.
    #[test]
    fn a_table_that_is_filled_is_not_replaced() {
        let root = TVar::new(Table::new());
        let replaced = atomically(|tx| {
            let table = root.read_ref(tx)?;
            let replaced = table.replace_if_empty(tx, &root)?;
            if tx.attempt() == 1 {
                std::thread::scope(|s| s.spawn(|| insert(&root, 1)).join()).expect("it ends");
            }
            Ok(replaced)
        });
        assert!(!replaced);
        assert_eq!(survey(&root), (1, 1));
    }

    /// Where there are too few for the sweeper, insertions drop the tombstones that they find.
    #[test]
    fn new_keys_take_the_room_of_tombstones() {
        let root = TVar::new(Table::new());
        for key in 0..1_000 {
            insert(&root, key);
            remove(&root, key);
        }
        let (buckets, entries) = survey(&root);
        assert_eq!(buckets, 1);
        assert!(entries <= ROOM, "{entries}");
    }

    /// Splitting would not part them.
    #[test]
    fn equal_hashes_share_a_bucket() {
        let root = TVar::new(Table::<u64, u64>::new());
        let add = |hash, key| {
            atomically(|tx| {
                let table = root.read_ref(tx)?;
                let home = table.home(tx, hash)?;
                table.add_entry(tx, &home, hash, key, key)
            });
        };
        let depths = || {
            snapshot(|s| {
                let mut depths = Vec::new();
                root.read_ref(s)?.each_home(s, |_, home| {
                    depths.push((home.depth, home.bucket.links.len()));
                    Ok(())
                })?;
                Ok(depths)
            })
        };
        (0..50).for_each(|key| add(0b0011, key));
        assert_eq!(depths(), [(0, 50)]);
        add(0b0111, 50);
        assert_eq!(depths(), [(1, 0), (2, 0), (3, 50), (3, 1)]);
    }

    /// The start of a lookup is deep enough to seldom read a bucket in vain.
    #[test]
    fn a_lookup_reads_one_bucket() {
        for many in [10, 100, 1_500, 4_000] {
            let root = TVar::new(Table::new());
            (0..many).for_each(|key| insert(&root, key));
            let in_vain: u64 = snapshot(|s| {
                let table = root.read_ref(s)?;
                let start = table.directory.about().ilog2() + DEEPER;
                (0..many)
                    .map(mix)
                    .map(|hash| Ok(u64::from(table.home(s, hash)?.depth > start)))
                    .sum()
            });
            assert!(in_vain <= many / 10, "{in_vain} of {many}");
        }
    }

    #[test]
    fn numbers_and_hashes() {
        assert_eq!(low_bits(0b1101_0110, 0), 0);
        assert_eq!(low_bits(0b1101_0110, 5), 0b1_0110);
        assert_eq!(low_bits(u64::MAX, MAX_BITS), u32::MAX >> 2);
        assert_eq!(without_highest_bit(0b1_0110), 0b110);
        assert_eq!(without_highest_bit(1), 0);
        let one_in_four = (0..4_000).filter(|_| one_out_of(4)).count();
        assert!((700..1_300).contains(&one_in_four), "{one_in_four}");
        assert!(one_out_of(1));
    }
}
