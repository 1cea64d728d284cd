//! The bank on a version per account: read, check, swap, and start over by hand.
//!
//! # The problem
//!
//! What a database does with a version column, and a lock-free structure with a compare-and-swap. Look at both accounts
//! and their versions, work out the new balances, and take them over only if neither has changed. Nobody waits for a
//! lock that somebody sleeps with.
//!
//! Two words do not swap at once. So a version that is odd says that its account is being changed: whoever swaps an even
//! one for the next odd one may write. It is the sequence lock (Lameter, "Effective Synchronization on Linux/NUMA
//! Systems", Gelato 2005), taken for two accounts, and given back if the second has moved on.
//!
//! All that transactions do by themselves is here by hand: the order of the two swaps, what to undo, when to start over.
//! And an audit, which must catch a moment in which no account changes, does not catch one while others write. It gives
//! up after [`PATIENCE`] tries, and the program says STARVED.
//!
//! # Invariants
//!
//! - **O1** A balance is written only by who made its version odd, and each change leaves a higher even version.
//! - **O2** Who finds the same even version before and after reading a balance has read what belongs to it.
//!
//! # Memory ordering
//!
//! - `Acquire` when a version is read or made odd: pairs with the `Release` in `unlock`, so the balance is at least as
//!   new as its version.
//! - The `Acquire` fence in `read` keeps the second look at the version behind the look at the balance. It pairs with the
//!   `Release` fence in `try_lock`: who has seen the new balance sees the odd version, too.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering, fence};
use std::thread;

use crate::bank::{Accounts, Bank};

/// How often an audit tries before it gives up.
const PATIENCE: u32 = 200;

/// Tries after which who starts over lets others go first: one of them may sleep with an account that is odd.
const SPINS: u32 = 32;

/// A balance and its version.
struct Account {
    version: AtomicU64,
    balance: AtomicI64,
}

impl Account {
    /// The balance and its version, if it is not being changed (O2).
    #[inline]
    fn read(&self) -> Option<(u64, i64)> {
        // Acquire: pairs with the Release in `unlock`.
        let version = self.version.load(Ordering::Acquire);
        let balance = self.balance.load(Ordering::Relaxed);
        // Acquire: pairs with the Release fence in `try_lock`.
        fence(Ordering::Acquire);
        let same = version.is_multiple_of(2) && self.is_at(version);
        same.then_some((version, balance))
    }

    #[inline]
    fn is_at(&self, version: u64) -> bool {
        self.version.load(Ordering::Relaxed) == version
    }

    /// Makes the version odd, if it is still `version` (O1).
    #[inline]
    fn try_lock(&self, version: u64) -> bool {
        // Acquire: pairs with the Release in `unlock`.
        let swapped = self.version.compare_exchange(
            version,
            version + 1,
            Ordering::Acquire,
            Ordering::Relaxed,
        );
        // Release: pairs with the Acquire fence in `read`.
        fence(Ordering::Release);
        swapped.is_ok()
    }

    /// Writes, and makes the version even again.
    #[inline]
    fn unlock(&self, version: u64, balance: i64) {
        self.balance.store(balance, Ordering::Relaxed);
        // Release: pairs with the Acquire in `read` and in `try_lock`.
        self.version.store(version + 2, Ordering::Release);
    }
}

/// Accounts with versions.
pub(crate) struct Optimistic(Vec<Account>);

/// Waits a little, and longer where it has been in vain.
#[inline]
fn back_off(tries: u32) {
    if tries < SPINS {
        std::hint::spin_loop();
    } else {
        thread::yield_now();
    }
}

impl Optimistic {
    // explain: begin
    /// One try; `None` if somebody was in the way.
    #[inline]
    fn try_once(&self, from: usize, to: usize, amount: i64) -> Option<bool> {
        let (payer, payee) = (&self.0[from], &self.0[to]);
        let (had, has) = (payer.read()?, payee.read()?);
        if had.1 < amount {
            return Some(false);
        }
        let swapped = Self::swap_both(payer, payee, had, has, amount);
        swapped.then_some(true)
    }

    /// Moves `amount`, if both accounts are still as they were seen.
    #[inline]
    fn swap_both(
        payer: &Account,
        payee: &Account,
        (paying, had): (u64, i64),
        (receiving, has): (u64, i64),
        amount: i64,
    ) -> bool {
        if !payer.try_lock(paying) {
            return false;
        }
        if !payee.try_lock(receiving) {
            payer.unlock(paying, had); // undone by hand
            return false;
        }
        payer.unlock(paying, had - amount);
        payee.unlock(receiving, has + amount);
        true
    }
    // explain: end

    /// One try to catch a moment in which no account changes.
    fn try_audit(&self, seen: &mut Vec<u64>) -> Option<i64> {
        seen.clear();
        let mut total = 0;
        for account in &self.0 {
            let (version, balance) = account.read()?;
            seen.push(version);
            total += balance;
        }
        let mut accounts = self.0.iter().zip(seen);
        accounts
            .all(|(account, version)| account.is_at(*version))
            .then_some(total)
    }
}

impl Accounts for Optimistic {
    fn open(accounts: usize, balance: i64) -> Self {
        let account = |_| Account {
            version: AtomicU64::new(0),
            balance: AtomicI64::new(balance),
        };
        Self((0..accounts).map(account).collect())
    }

    fn balances(&self) -> Vec<i64> {
        self.0
            .iter()
            .map(|account| account.balance.load(Ordering::Relaxed))
            .collect()
    }
}

impl Bank for Optimistic {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        let mut tries = 0;
        loop {
            *attempts += 1;
            if let Some(answer) = self.try_once(from, to, amount) {
                return answer;
            }
            tries += 1;
            back_off(tries);
        }
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        let mut seen = Vec::with_capacity(self.0.len());
        for _ in 0..PATIENCE {
            *attempts += 1;
            if let Some(total) = self.try_audit(&mut seen) {
                return Some(total);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audit_that_catches_no_quiet_moment_gives_up() {
        let bank = Optimistic::open(3, 10);
        assert!(bank.0[1].try_lock(0));
        let mut attempts = 0;
        assert_eq!(bank.audit(&mut attempts), None);
        assert_eq!(attempts, u64::from(PATIENCE));
        bank.0[1].unlock(0, 12);
        assert_eq!(bank.audit(&mut attempts), Some(32));
    }

    #[test]
    fn a_transfer_undoes_its_first_swap_if_the_second_fails() {
        let bank = Optimistic::open(2, 10);
        let (payer, payee) = (&bank.0[0], &bank.0[1]);
        let stale = payee.read().expect("nobody writes");
        assert_eq!(bank.try_once(0, 1, 1), Some(true));
        let had = payer.read().expect("nobody writes");
        assert!(!Optimistic::swap_both(payer, payee, had, stale, 5));
        assert_eq!(bank.balances(), [9, 11]);
        assert_eq!(bank.try_once(0, 1, 5), Some(true), "nothing stayed locked");
        assert_eq!(bank.balances(), [4, 16]);
    }
}
