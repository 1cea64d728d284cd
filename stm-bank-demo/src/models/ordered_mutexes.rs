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
//!
//! A worker that panics with accounts locked poisons them: from then on each lock of theirs panics, too, which is
//! better than to go on with money missing, and is not to go on.

use std::ops::DerefMut;
use std::sync::{Mutex, MutexGuard};

use crate::bank::{Accounts, Bank, BatchBank, ChoosingBank, CrashingBank, Joint, JointBank, crash};

/// Accounts that are mutexes; audits hold all of them.
pub(crate) struct OrderedMutexes<A = Mutex<i64>>(Vec<A>);

/// A mutex somewhere in memory.
pub(crate) trait Account: Sync {
    type Guard<'a>: DerefMut<Target = i64>
    where
        Self: 'a;

    fn open(balance: i64) -> Self;

    fn lock(&self) -> Self::Guard<'_>;
}

impl Account for Mutex<i64> {
    type Guard<'a> = MutexGuard<'a, i64>;

    fn open(balance: i64) -> Self {
        Self::new(balance)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, i64> {
        self.lock().expect("nobody panicked with an account locked")
    }
}

/// Two cache lines, since processors like to fetch them in pairs.
#[repr(align(128))]
pub(crate) struct Padded(Mutex<i64>);

impl Account for Padded {
    type Guard<'a> = MutexGuard<'a, i64>;

    fn open(balance: i64) -> Self {
        Self(Mutex::new(balance))
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, i64> {
        Account::lock(&self.0)
    }
}

impl<A: Account> OrderedMutexes<A> {
    /// Locks several accounts in their order, and gives them back in the order in which they were asked for.
    fn lock_three(&self, accounts: [usize; 3]) -> [A::Guard<'_>; 3] {
        let mut order = [0, 1, 2];
        order.sort_by_key(|&at| accounts[at]);
        let mut held = [None, None, None];
        for at in order {
            held[at] = Some(self.0[accounts[at]].lock());
        }
        held.map(|guard| guard.expect("each was locked"))
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
    // explain: begin
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
    // explain: end

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        // All are held before the first is read: locked one at a time, the total would be one that never was.
        let held: Vec<_> = self.0.iter().map(A::lock).collect();
        Some(held.iter().map(|balance| **balance).sum())
    }
}

impl<A: Account> ChoosingBank for OrderedMutexes<A> {
    /// Locks whatever it might need, since it must not lock a second payer after it has seen the first one.
    fn pay_from_first(
        &self,
        payers: [usize; 2],
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> bool {
        *attempts += 1;
        let [first, second, mut payee] = self.lock_three([payers[0], payers[1], to]);
        let Some(mut payer) = [first, second].into_iter().find(|payer| **payer >= amount) else {
            return false;
        };
        *payer -= amount;
        *payee += amount;
        true
    }
}

impl<A: Account> BatchBank for OrderedMutexes<A> {
    fn pay_all(&self, from: usize, payees: &[usize], amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let mut order: Vec<_> = payees.to_vec();
        order.push(from);
        order.sort_unstable();
        let mut held: Vec<_> = order
            .iter()
            .map(|&account| self.0[account].lock())
            .collect();
        let payer = order.binary_search(&from).expect("it was put in");
        let total = amount * payees.len() as i64;
        if *held[payer] < total {
            return false;
        }
        for balance in &mut held {
            **balance += amount;
        }
        *held[payer] -= total + amount;
        true
    }
}

impl<A: Account> JointBank for OrderedMutexes<A> {
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        *attempts += 1;
        // The partner is locked, too, though it is only read: that is what the rule rests on.
        let [mut payer, partner, mut payee] = self.lock_three([from, partner, to]);
        let answer = Joint::rule(*payer + *partner, amount);
        if answer == Joint::Paid {
            *payer -= amount;
            *payee += amount;
        }
        answer
    }
}

impl<A: Account> CrashingBank for OrderedMutexes<A> {
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        let mut payer = self.0[from].lock();
        if *payer >= amount {
            *payer -= amount;
            crash();
        }
    }
}
