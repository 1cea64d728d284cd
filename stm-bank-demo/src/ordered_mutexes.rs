//! The bank on a mutex per account, locked in the order of the account numbers.
//!
//! This is what a careful engineer writes without transactions, and what the figures are relative to. It is fast
//! and right as long as everybody keeps to the order: whoever locks two accounts the other way round deadlocks,
//! some day, with those who do not. That is why the operations here are whole transfers. A `withdraw` that locks
//! its account cannot be combined with a `deposit` that locks another one, since neither knows which of the two
//! must come first.
//!
//! The mutexes lie side by side, four to a cache line, as they do in a plain vector. Where several threads work,
//! the same bank with padding between its mutexes stands beside it. It shows how much of a difference in speed
//! is due to the concurrency model, and how much to threads that want different accounts on one cache line.

use std::sync::{Mutex, MutexGuard};

use crate::bank::{Accounts, Bank};

/// Accounts that are mutexes; audits hold all of them.
pub(crate) struct OrderedMutexes<A = Mutex<i64>>(Vec<A>);

/// A mutex somewhere in memory.
pub(crate) trait Account: Sync {
    fn open(balance: i64) -> Self;

    fn lock(&self) -> MutexGuard<'_, i64>;
}

impl Account for Mutex<i64> {
    fn open(balance: i64) -> Self {
        Self::new(balance)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, i64> {
        self.lock().expect("nothing panics with an account locked")
    }
}

/// Two cache lines, since processors like to fetch them in pairs.
#[repr(align(128))]
pub(crate) struct Padded(Mutex<i64>);

impl Account for Padded {
    fn open(balance: i64) -> Self {
        Self(Mutex::new(balance))
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, i64> {
        Account::lock(&self.0)
    }
}

impl<A: Account> Accounts for OrderedMutexes<A> {
    fn open(accounts: usize, balance: i64) -> Self {
        Self((0..accounts).map(|_| A::open(balance)).collect())
    }

    fn balances(&self) -> Vec<i64> {
        self.0.iter().map(|account| *account.lock()).collect()
    }
}

impl<A: Account> Bank for OrderedMutexes<A> {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let (mut payer, mut payee);
        if from < to {
            payer = self.0[from].lock();
            payee = self.0[to].lock();
        } else {
            payee = self.0[to].lock();
            payer = self.0[from].lock();
        }
        if *payer < amount {
            return false;
        }
        *payer -= amount;
        *payee += amount;
        true
    }

    fn audit(&self, attempts: &mut u64) -> i64 {
        *attempts += 1;
        // All are held before the first is read: locked one at a time, the total would be one that never was.
        let held: Vec<_> = self.0.iter().map(A::lock).collect();
        held.iter().map(|balance| **balance).sum()
    }
}
