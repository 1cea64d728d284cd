//! The bank on one mutex around all accounts.
//!
//! The first thing to try, and often the last: nothing to order, nothing to forget, all rules in one place. It is the
//! slowest only where several threads have much to do at the same time.

use std::sync::{Mutex, MutexGuard};

use crate::bank::{Accounts, Bank, BatchBank, ChoosingBank, CrashingBank, Joint, JointBank, crash};

/// All accounts behind one lock.
pub(crate) struct GlobalMutex(Mutex<Vec<i64>>);

impl GlobalMutex {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Vec<i64>> {
        self.0.lock().expect("nobody panicked with the bank locked")
    }
}

/// Moves money if there is cover.
#[inline]
fn transfer(accounts: &mut [i64], from: usize, to: usize, amount: i64) -> bool {
    if accounts[from] < amount {
        return false;
    }
    accounts[from] -= amount;
    accounts[to] += amount;
    true
}

impl Accounts for GlobalMutex {
    fn open(accounts: usize, balance: i64) -> Self {
        Self(Mutex::new(vec![balance; accounts]))
    }

    fn balances(&self) -> Vec<i64> {
        self.lock().clone()
    }
}

impl Bank for GlobalMutex {
    // explain: begin
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let mut accounts = self.lock();
        transfer(&mut accounts, from, to, amount)
    }
    // explain: end

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some(self.lock().iter().sum())
    }
}

impl ChoosingBank for GlobalMutex {
    fn pay_from_first(
        &self,
        payers: [usize; 2],
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> bool {
        *attempts += 1;
        let mut accounts = self.lock();
        payers
            .iter()
            .any(|&payer| transfer(&mut accounts, payer, to, amount))
    }
}

impl BatchBank for GlobalMutex {
    fn pay_all(&self, from: usize, payees: &[usize], amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let mut accounts = self.lock();
        let total = amount * payees.len() as i64;
        if accounts[from] < total {
            return false;
        }
        accounts[from] -= total;
        for &payee in payees {
            accounts[payee] += amount;
        }
        true
    }
}

impl JointBank for GlobalMutex {
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        *attempts += 1;
        let mut accounts = self.lock();
        let answer = Joint::rule(accounts[from] + accounts[partner], amount);
        if answer == Joint::Paid {
            accounts[from] -= amount;
            accounts[to] += amount;
        }
        answer
    }
}

impl CrashingBank for GlobalMutex {
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        let mut accounts = self.lock();
        if accounts[from] >= amount {
            accounts[from] -= amount;
            crash();
        }
    }
}
