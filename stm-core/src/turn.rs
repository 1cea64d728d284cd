//! Turns: commit hooks run one commit after the other, in the order of the commits.
//!
//! # The problem, and the idea
//!
//! Hooks run after all unlocks, so the hooks of two commits on two threads could overtake each other, and a queue that they
//! fill would tell a history that never was. So a commit with hooks draws a number, and its hooks wait until all smaller
//! numbers are done: a baker's ticket.
//!
//! # When it is drawn
//!
//! After the last lock and before validation. Take two commits of which the first comes before the second because of a
//! variable. If both write it, the second locks it after the first has unlocked, hence draws later. If the second writes what
//! the first has read, then it locked that after the first had validated it, hence draws later. If the second read what
//! the first has written, it did so after the publication. A commit that fails after drawing gives its number up.
//!
//! One with a decider draws when that has said Commit: it still has everything locked that it has read or written, and the hooks
//! of others do not wait for its decider.
//!
//! A transaction that only reads has no locks to draw under: it draws when it ends, so its hooks may come after those
//! of a commit that it has not seen any more.
//!
//! # Invariants
//!
//! - U1  Each number that was drawn is done exactly once: when its hooks have run, or when its [`Turn`] goes without them.
//! - U2  A thread waits for a turn only while it owes none. From the end of a commit with hooks until they are done, whatever
//!   else commits on the thread (a waker, a hook) leaves its hooks to the frame that owes: otherwise a turn could wait for
//!   one that waits for it.
//! - U3  What user code drops and puts off runs after the hooks: it may wait for others, which may wait for this turn.
#![allow(
    clippy::disallowed_types,
    reason = "plain mutual exclusion around numbers; no step of the protocol that the models check"
)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::mem::ManuallyDrop;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::log::DueHooks;
use crate::mutant::{mutant, shielded};
use crate::sync::yield_now;

/// A place in the order of commits. It is done when this is dropped.
#[derive(Debug)]
#[must_use = "a turn that goes at once orders nothing"]
pub(crate) struct Turn(u64);

struct Counter {
    drawn: u64,
    /// All smaller numbers are done.
    next: u64,
    /// Done before their time.
    given_up: BTreeSet<u64>,
}

static COUNTER: Mutex<Counter> = Mutex::new(Counter {
    drawn: 0,
    next: 0,
    given_up: BTreeSet::new(),
});
static DONE: Condvar = Condvar::new();

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
            if counter().next == self.0 {
                return;
            }
            yield_now();
        }
        let mut counter = counter();
        while counter.next != self.0 {
            counter = DONE.wait(counter).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if mutant!("D-turn") {
            return;
        }
        let mut counter = counter();
        counter.given_up.insert(self.0);
        while counter.given_up.first() == Some(&counter.next) {
            counter.given_up.pop_first();
            counter.next += 1;
        }
        drop(counter);
        DONE.notify_all();
    }
}

thread_local! {
    static OWES: Cell<bool> = const { Cell::new(false) };
    /// Hooks of what committed while this thread owed a turn (U2), in their order. Never dropped, so that it is there when the
    /// thread's other locals are going; the frame that owes leaves it empty.
    static LEFT: ManuallyDrop<RefCell<VecDeque<DueHooks>>> =
        const { ManuallyDrop::new(RefCell::new(VecDeque::new())) };
}

/// The hooks of an attempt that is over, from its end until they are done.
pub(crate) struct Owed {
    hooks: DueHooks,
    /// This frame owes, and no other further out.
    outermost: bool,
}

impl Owed {
    /// To be called before any user code runs after the commit.
    pub(crate) fn new(hooks: DueHooks) -> Self {
        let outermost = hooks.turn.is_some() && !OWES.replace(true);
        Self { hooks, outermost }
    }

    /// Runs the hooks, each shielded, at their turn if they have one.
    pub(crate) fn settle(self) {
        if self.hooks.turn.is_none() {
            return run(self.hooks);
        }
        if !self.outermost {
            return LEFT.with(|left| left.borrow_mut().push_back(self.hooks));
        }
        let mut next = Some(self.hooks);
        while let Some(hooks) = next {
            run(hooks);
            next = LEFT.with(|left| left.borrow_mut().pop_front());
        }
        LEFT.with(|left| left.take());
        OWES.set(mutant!("D-owes"));
    }
}

fn run(hooks: DueHooks) {
    if let Some(turn) = &hooks.turn {
        turn.wait();
    }
    for hook in hooks.due {
        shielded!("P-hook", hook);
    }
    // U1, U3.
    drop(hooks.turn);
    for hook in hooks.idle {
        shielded!("P-idle-hook", || drop(hook));
    }
}
