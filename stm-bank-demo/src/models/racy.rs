//! The bank on atomics, checked first and changed later: wrong, and what is written first by everybody once.
//!
//! Each step is atomic and the transfer is not. Between the look at the balance and the new balance another thread can
//! have stored its own, which is overwritten: money is lost or made. And two who both saw enough cover both take it.
//! Replacing load and store by `fetch_sub` would keep the sum and still overdraw, and audits would still be torn.
//!
//! `Relaxed` throughout: there is no order that would repair it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::bank::{Accounts, Bank, CrashingBank, Joint, JointBank, crash};

/// Accounts that are atomics.
pub(crate) struct Racy {
    accounts: Vec<AtomicI64>,
    /// Withdrawals that found less than they had seen just before. Who pays in next covers it up.
    overdrafts: AtomicU64,
}

impl Racy {
    #[inline]
    fn get(&self, account: usize) -> i64 {
        self.accounts[account].load(Ordering::Relaxed)
    }

    #[inline]
    fn set(&self, account: usize, balance: i64) {
        self.accounts[account].store(balance, Ordering::Relaxed);
    }
}

impl Accounts for Racy {
    fn open(accounts: usize, balance: i64) -> Self {
        Self {
            accounts: (0..accounts).map(|_| AtomicI64::new(balance)).collect(),
            overdrafts: AtomicU64::new(0),
        }
    }

    fn balances(&self) -> Vec<i64> {
        (0..self.accounts.len())
            .map(|account| self.get(account))
            .collect()
    }

    fn overdrafts(&self) -> u64 {
        self.overdrafts.load(Ordering::Relaxed)
    }
}

impl Bank for Racy {
    // explain: begin
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        if self.get(from) < amount {
            return false;
        }
        let left = self.get(from) - amount;
        self.set(from, left);
        self.set(to, self.get(to) + amount);
        if left < 0 {
            self.overdrafts.fetch_add(1, Ordering::Relaxed);
        }
        true
    }
    // explain: end

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some(
            (0..self.accounts.len())
                .map(|account| self.get(account))
                .sum(),
        )
    }
}

impl JointBank for Racy {
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        *attempts += 1;
        let answer = Joint::rule(self.get(from) + self.get(partner), amount);
        if answer == Joint::Paid {
            self.set(from, self.get(from) - amount);
            self.set(to, self.get(to) + amount);
        }
        answer
    }
}

impl CrashingBank for Racy {
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        if self.get(from) >= amount {
            self.set(from, self.get(from) - amount);
            crash();
        }
    }
}
