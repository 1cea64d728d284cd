//! The bank on one readers-writer lock around all accounts.
//!
//! Audits do not exclude each other, only transfers. It pays where nearly everything reads, and for long: the readers
//! still write to the lock's word to say that they are there, and a steady stream of one kind can keep the other out.

use std::ops::{Deref, DerefMut};
use std::sync::RwLock;

use crate::bank::{Accounts, Bank};

/// All accounts behind one lock that readers share.
pub(crate) struct OneRwLock<L = RwLock<Vec<i64>>>(L);

/// A readers-writer lock around them.
pub(crate) trait SharedLock: Sync {
    fn around(accounts: Vec<i64>) -> Self;

    fn read(&self) -> impl Deref<Target = Vec<i64>>;

    fn write(&self) -> impl DerefMut<Target = Vec<i64>>;
}

impl SharedLock for RwLock<Vec<i64>> {
    fn around(accounts: Vec<i64>) -> Self {
        Self::new(accounts)
    }

    #[inline]
    fn read(&self) -> impl Deref<Target = Vec<i64>> {
        self.read().expect("nobody panicked with the bank locked")
    }

    #[inline]
    fn write(&self) -> impl DerefMut<Target = Vec<i64>> {
        self.write().expect("nobody panicked with the bank locked")
    }
}

impl<L: SharedLock> Accounts for OneRwLock<L> {
    fn open(accounts: usize, balance: i64) -> Self {
        Self(L::around(vec![balance; accounts]))
    }

    fn balances(&self) -> Vec<i64> {
        self.0.read().clone()
    }
}

impl<L: SharedLock> Bank for OneRwLock<L> {
    // explain: begin
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let mut accounts = self.0.write();
        if accounts[from] < amount {
            return false;
        }
        accounts[from] -= amount;
        accounts[to] += amount;
        true
    }
    // explain: end

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some(self.0.read().iter().sum())
    }
}
