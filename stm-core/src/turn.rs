//! Turns: commit hooks run one commit after the other, in the order of the commits.
//!
//! # The problem, and the idea
//!
//! Hooks run after all unlocks, so the hooks of two commits on two threads could overtake each other, and a queue that they
//! fill would tell a history that never was. So a commit with hooks draws a number while it still holds its locks, and its
//! hooks wait until all smaller numbers are done: a baker's ticket. Of two commits that conflict, the later one draws
//! later, because it cannot hold its locks before the earlier one has given its own back.
//!
//! # Invariants
//!
//! - U1  Each number that was drawn is served exactly once, whether or not its hooks panic.
//! - U2  A thread waits for its turn only outside of its own turns: a transaction that commits within a hook leaves its
//!   hooks to the frame that runs the outer ones. Otherwise a turn could wait for one that waits for it.
#![allow(
    clippy::disallowed_types,
    reason = "plain mutual exclusion around a number; no step of the protocol that the models check"
)]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::log::DueHooks;
use crate::shield;
use crate::sync::yield_now;

/// A place in the order of commits.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
#[must_use = "a turn that is not served holds up all later ones"]
pub(crate) struct Turn(u64);

struct Counter {
    drawn: u64,
    served: u64,
}

static COUNTER: Mutex<Counter> = Mutex::new(Counter {
    drawn: 0,
    served: 0,
});
static SERVED: Condvar = Condvar::new();

/// Looks, each after giving the processor away, before a thread sleeps until its turn.
const LOOKS: u32 = 64;

fn counter() -> MutexGuard<'static, Counter> {
    COUNTER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    pub(crate) fn draw() -> Self {
        let mut counter = counter();
        counter.drawn += 1;
        Self(counter.drawn - 1)
    }

    fn wait(&self) {
        for _ in 0..LOOKS {
            if counter().served == self.0 {
                return;
            }
            yield_now();
        }
        let mut counter = counter();
        while counter.served != self.0 {
            counter = SERVED.wait(counter).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(self) {
        counter().served += 1;
        SERVED.notify_all();
    }
}

thread_local! {
    static IN_A_TURN: Cell<bool> = const { Cell::new(false) };
    /// Of transactions that committed within a turn of this thread (U2), in their order.
    static LEFT: RefCell<VecDeque<DueHooks>> = const { RefCell::new(VecDeque::new()) };
}

/// Runs the hooks of an attempt that is over, each shielded, at their turn if they have one.
pub(crate) fn run(hooks: DueHooks) {
    if hooks.turn.is_none() {
        return run_now(hooks);
    }
    // A thread whose locals are gone has no outer frame to leave them to.
    if IN_A_TURN.try_with(Cell::get).unwrap_or(false) {
        return LEFT.with_borrow_mut(|left| left.push_back(hooks));
    }
    let mut next = Some(hooks);
    while let Some(hooks) = next {
        run_now(hooks);
        next = LEFT
            .try_with(|left| left.borrow_mut().pop_front())
            .unwrap_or(None);
    }
}

fn run_now(hooks: DueHooks) {
    if let Some(turn) = &hooks.turn {
        turn.wait();
        let _ = IN_A_TURN.try_with(|inside| inside.set(true));
    }
    hooks.due.into_iter().for_each(shield::run);
    for hook in hooks.idle {
        shield::run(|| drop(hook));
    }
    if let Some(turn) = hooks.turn {
        let _ = IN_A_TURN.try_with(|inside| inside.set(false));
        turn.serve();
    }
}
