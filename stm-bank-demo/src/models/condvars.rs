//! The bank on a mutex and a condition variable per account, for customers who wait.
//!
//! Not the same accounts as in `ordered_mutexes.rs`: transfers for which nobody waits should not pay for waiting.
//! What it takes has to be thought of in advance, everywhere:
//!
//! - Each account counts who waits, since notifying a condition variable is a system call even if nobody does.
//! - A deposit wakes all who wait: they may want different amounts, and to wake the wrong one is to wake nobody.
//! - Closing visits every account and takes its mutex: a customer who has looked at `closing` and does not
//!   sleep yet would miss a notification that came without it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::bank::{Accounts, WaitingBank, Withdrawal};

/// What an account's mutex protects.
struct State {
    balance: i64,
    waiting: usize,
}

struct Account {
    state: Mutex<State>,
    changed: Condvar,
}

impl Account {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("nothing panics with an account locked")
    }

    /// Sleeps until the account may have changed.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let mut state = self
            .changed
            .wait(state)
            .expect("nothing panics with an account locked");
        state.waiting -= 1;
        state
    }
}

/// Accounts that are mutexes with a condition variable.
pub(crate) struct Condvars {
    accounts: Vec<Account>,
    closing: AtomicBool,
}

impl Accounts for Condvars {
    fn open(accounts: usize, balance: i64) -> Self {
        let account = |_| Account {
            state: Mutex::new(State {
                balance,
                waiting: 0,
            }),
            changed: Condvar::new(),
        };
        Self {
            accounts: (0..accounts).map(account).collect(),
            closing: AtomicBool::new(false),
        }
    }

    fn balances(&self) -> Vec<i64> {
        self.accounts.iter().map(|a| a.lock().balance).collect()
    }
}

impl WaitingBank for Condvars {
    // explain: begin
    fn deposit(&self, to: usize, amount: i64) {
        let account = &self.accounts[to];
        let mut state = account.lock();
        state.balance += amount;
        let somebody_waits = state.waiting > 0;
        // Unlocked first, or who wakes up would have to wait again, for the mutex.
        drop(state);
        if somebody_waits {
            account.changed.notify_all();
        }
    }

    fn withdraw_when_covered(&self, from: usize, amount: i64, attempts: &mut u64) -> Withdrawal {
        let account = &self.accounts[from];
        let mut state = account.lock();
        loop {
            *attempts += 1;
            if state.balance >= amount {
                state.balance -= amount;
                return Withdrawal::Paid;
            }
            // Relaxed: the account's mutex orders it with `close`.
            if self.closing.load(Ordering::Relaxed) {
                return Withdrawal::Closed;
            }
            state = account.wait(state);
        }
    }
    // explain: end

    fn close(&self) {
        // Relaxed: each account's mutex, taken below, orders it with who looks at it under that mutex.
        self.closing.store(true, Ordering::Relaxed);
        for account in &self.accounts {
            drop(account.lock());
            account.changed.notify_all();
        }
    }
}
