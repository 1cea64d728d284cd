//! The bank on one mutex around all accounts.
//!
//! The first thing to try, and often the last: nothing to order, nothing to forget, all rules in one place. It is the
//! slowest only where several threads have much to do at the same time.

use std::ops::DerefMut;
use std::sync::Mutex;

use crate::bank::{Accounts, Bank, BatchBank, ChoosingBank, CrashingBank, Joint, JointBank, crash};

/// All accounts behind one lock.
pub(crate) struct GlobalMutex<L = Mutex<Vec<i64>>>(L);

/// A mutex around them.
pub(crate) trait Lock: Sync {
    fn around(accounts: Vec<i64>) -> Self;

    fn lock(&self) -> impl DerefMut<Target = Vec<i64>>;
}

impl Lock for Mutex<Vec<i64>> {
    fn around(accounts: Vec<i64>) -> Self {
        Self::new(accounts)
    }

    #[inline]
    fn lock(&self) -> impl DerefMut<Target = Vec<i64>> {
        self.lock().expect("nobody panicked with the bank locked")
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

impl<L: Lock> Accounts for GlobalMutex<L> {
    fn open(accounts: usize, balance: i64) -> Self {
        Self(L::around(vec![balance; accounts]))
    }

    fn balances(&self) -> Vec<i64> {
        self.0.lock().clone()
    }
}

impl<L: Lock> Bank for GlobalMutex<L> {
    // explain: begin
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let mut accounts = self.0.lock();
        transfer(&mut accounts, from, to, amount)
    }
    // explain: end

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some(self.0.lock().iter().sum())
    }
}

impl<L: Lock> ChoosingBank for GlobalMutex<L> {
    fn pay_from_first(
        &self,
        payers: [usize; 2],
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> bool {
        *attempts += 1;
        let mut accounts = self.0.lock();
        payers
            .iter()
            .any(|&payer| transfer(&mut accounts, payer, to, amount))
    }
}

impl<L: Lock> BatchBank for GlobalMutex<L> {
    fn pay_all(&self, from: usize, payees: &[usize], amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let mut accounts = self.0.lock();
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

impl<L: Lock> JointBank for GlobalMutex<L> {
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        *attempts += 1;
        let mut accounts = self.0.lock();
        let answer = Joint::rule(accounts[from] + accounts[partner], amount);
        if answer == Joint::Paid {
            accounts[from] -= amount;
            accounts[to] += amount;
        }
        answer
    }
}

impl<L: Lock> CrashingBank for GlobalMutex<L> {
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        let mut accounts = self.0.lock();
        if accounts[from] >= amount {
            accounts[from] -= amount;
            crash();
        }
    }
}
