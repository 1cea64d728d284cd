//! The bank on a mutex per account, locked in the order of the account numbers.
//!
//! This is what a careful engineer writes without transactions, and what the figures are relative to. It is fast
//! and right as long as everybody keeps to the order: whoever locks two accounts the other way round deadlocks
//! with those who do not, some day. That is why the operations here are whole transfers. A `withdraw` that
//! locks its account cannot be combined with a `deposit` that locks another one, since neither knows which of them must
//! come first.
//!
//! The mutexes lie side by side, not a cache line each: four times the memory would be slower at many
//! accounts, and this is how it is usually done.

use std::sync::{Mutex, MutexGuard};

use crate::bank::{Accounts, Bank};

/// Accounts that are mutexes; audits hold all of them.
pub(crate) struct OrderedMutexes(Vec<Mutex<i64>>);

fn lock(account: &Mutex<i64>) -> MutexGuard<'_, i64> {
    account.lock().expect("nothing panics with an account locked")
}

impl Accounts for OrderedMutexes {
    fn open(accounts: usize, balance: i64) -> Self {
        Self((0..accounts).map(|_| Mutex::new(balance)).collect())
    }

    fn balances(&self) -> Vec<i64> {
        self.0.iter().map(|account| *lock(account)).collect()
    }
}

impl Bank for OrderedMutexes {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let (mut payer, mut payee);
        if from < to {
            payer = lock(&self.0[from]);
            payee = lock(&self.0[to]);
        } else {
            payee = lock(&self.0[to]);
            payer = lock(&self.0[from]);
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
        let held: Vec<_> = self.0.iter().map(lock).collect();
        held.iter().map(|account| **account).sum()
    }
}
