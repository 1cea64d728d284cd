//! The bank on a mutex per account that holds one of them at a time: no deadlock, and nothing that holds together.
//!
//! The answer to deadlocks that everybody finds first. Each balance is right; what spans two of them is not. Between the
//! withdrawal and the deposit the money is nowhere, a report sums up balances of different moments, and a rule over
//! two accounts is checked against one that may be empty by now.

use std::sync::{Mutex, MutexGuard};

use crate::bank::{Accounts, Bank, CrashingBank, Joint, JointBank, crash};

/// Accounts that are mutexes, never two locked at once.
pub(crate) struct OneAtATime(Vec<Mutex<i64>>);

impl OneAtATime {
    #[inline]
    fn lock(&self, account: usize) -> MutexGuard<'_, i64> {
        self.0[account]
            .lock()
            .expect("nobody panicked with an account locked")
    }

    /// Takes `amount` out if there is cover.
    #[inline]
    fn withdraw(&self, from: usize, amount: i64) -> bool {
        let mut balance = self.lock(from);
        let covered = *balance >= amount;
        if covered {
            *balance -= amount;
        }
        covered
    }
}

impl Accounts for OneAtATime {
    fn open(accounts: usize, balance: i64) -> Self {
        Self((0..accounts).map(|_| Mutex::new(balance)).collect())
    }

    fn balances(&self) -> Vec<i64> {
        (0..self.0.len())
            .map(|account| *self.lock(account))
            .collect()
    }
}

impl Bank for OneAtATime {
    // explain: begin
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let covered = self.withdraw(from, amount);
        if covered {
            *self.lock(to) += amount; // until here the money was in no account
        }
        covered
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some((0..self.0.len()).map(|account| *self.lock(account)).sum())
    }
    // explain: end
}

impl JointBank for OneAtATime {
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        *attempts += 1;
        let partner = *self.lock(partner);
        let mut payer = self.lock(from);
        let answer = Joint::rule(*payer + partner, amount);
        if answer == Joint::Paid {
            *payer -= amount;
            drop(payer);
            *self.lock(to) += amount;
        }
        answer
    }
}

impl CrashingBank for OneAtATime {
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        if self.withdraw(from, amount) {
            crash();
        }
    }
}
