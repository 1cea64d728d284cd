//! The bank on one readers-writer lock around all accounts.
//!
//! Audits do not exclude each other, only transfers. It pays where nearly everything reads, and for long: the readers
//! still write to the lock's word to say that they are there, and a steady stream of one kind can keep the other out.

use std::sync::RwLock;

use crate::bank::{Accounts, Bank};

/// All accounts behind one lock that readers share.
pub(crate) struct OneRwLock(RwLock<Vec<i64>>);

impl Accounts for OneRwLock {
    fn open(accounts: usize, balance: i64) -> Self {
        Self(RwLock::new(vec![balance; accounts]))
    }

    fn balances(&self) -> Vec<i64> {
        self.0
            .read()
            .expect("nobody panicked with the bank locked")
            .clone()
    }
}

impl Bank for OneRwLock {
    // explain: begin
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let mut accounts = self
            .0
            .write()
            .expect("nobody panicked with the bank locked");
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
        let accounts = self.0.read().expect("nobody panicked with the bank locked");
        Some(accounts.iter().sum())
    }
}
