//! The bank as one immutable vector behind a pointer that is replaced: read-copy-update.
//!
//! A transfer copies the whole bank, changes two balances in the copy, and swaps the pointer if nobody else has meanwhile
//! (McKenney and Slingwine, "Read-Copy Update: Using Execution History to Solve Concurrency Problems", PDCS 1998).
//! Whoever reads has a whole and unchanging bank in hand for as long as it likes and disturbs nobody, which is as good as
//! reading gets. Each write costs a copy, and two at a time cost one of them its work.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::bank::{Accounts, Bank, CrashingBank, Joint, JointBank, crash};

/// All accounts as they are now, in a vector that nobody changes.
pub(crate) struct Rcu(ArcSwap<Vec<i64>>);

impl Rcu {
    /// Replaces the accounts by a copy with `amount` moved, if `answer` says so of what they are then.
    #[inline]
    fn move_if<R>(
        &self,
        [from, to]: [usize; 2],
        amount: i64,
        attempts: &mut u64,
        answer: impl Fn(&[i64]) -> (bool, R),
    ) -> R {
        let mut last = None;
        self.0.rcu(|accounts| {
            *attempts += 1;
            let (goes, result) = answer(accounts);
            last = Some(result);
            if !goes {
                return Arc::clone(accounts);
            }
            let mut copy = Vec::clone(accounts);
            copy[from] -= amount;
            copy[to] += amount;
            Arc::new(copy)
        });
        last.expect("rcu asks at least once")
    }
}

impl Accounts for Rcu {
    fn open(accounts: usize, balance: i64) -> Self {
        Self(ArcSwap::from_pointee(vec![balance; accounts]))
    }

    fn balances(&self) -> Vec<i64> {
        Vec::clone(&self.0.load())
    }
}

impl Bank for Rcu {
    // explain: begin
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        // copies all accounts, moves the money in the copy, swaps the pointer, or starts over
        self.move_if([from, to], amount, attempts, |accounts| {
            let covered = accounts[from] >= amount;
            (covered, covered)
        })
    }
    // explain: end

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some(self.0.load().iter().sum())
    }
}

impl JointBank for Rcu {
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        self.move_if([from, to], amount, attempts, |accounts| {
            let answer = Joint::rule(accounts[from] + accounts[partner], amount);
            (answer == Joint::Paid, answer)
        })
    }
}

impl CrashingBank for Rcu {
    /// Crashes with the copy half changed, which nobody has seen.
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        self.0.rcu(|accounts| {
            let mut copy = Vec::clone(accounts);
            if copy[from] >= amount {
                copy[from] -= amount;
                crash();
            }
            copy
        });
    }
}
