//! What lasts from attempt to attempt of one call: how often it has failed, and what it does about it.
//!
//! # Policy
//!
//! A column of guard clauses, in [`Call::pause`]; correctness depends on none of the numbers.
//!
//! | the attempt before | what comes between |
//! |---|---|
//! | gave way to the holder of the token | its release, or the end of its lease |
//! | came upon an undecided commit | a sleep until that is decided ([`crate::undecided`]); then as below |
//! | was the holder's own | nothing: it goes on with the token, and a longer lease |
//! | was one of many that failed | the token, after a place in line |
//! | was one of a few | a back-off that doubles |

use std::task::Waker;
use std::time::Instant;

use crate::cause::Cause;
use crate::contention;
use crate::priority::{self, CLAIM_AFTER, Claim, PollClaim, TaskWait};

/// How the next attempt of a call is to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Update,
    TrackedSnapshot,
    /// With the token, which this call holds.
    Holder,
}

#[derive(Debug)]
pub(crate) struct Call {
    /// The attempt that runs, from 1.
    pub(crate) attempt: u32,
    /// Attempts that ended in a conflict.
    failures: u32,
    /// How the next attempt begins.
    pub(crate) start: Start,
    /// Whether a failing read may turn an attempt into a snapshot (A3).
    pub(crate) may_be_snapshot: bool,
    /// Whether a snapshot may sleep in the middle of its attempt: it is a thread's, and has no deadline.
    pub(crate) may_sleep_inside: bool,
    /// The last attempt gave way to the holder of the token.
    gave_way: bool,
    /// Attempts that failed though this call held the token.
    failed_as_holder: u8,
}

impl Call {
    pub(crate) const fn new() -> Self {
        Self {
            attempt: 0,
            failures: 0,
            start: Start::Update,
            may_be_snapshot: true,
            may_sleep_inside: false,
            gave_way: false,
            failed_as_holder: 0,
        }
    }

    pub(crate) fn note_failure(&mut self, cause: Cause) {
        self.failures = self.failures.saturating_add(1);
        self.gave_way = cause == Cause::GaveWay;
        if self.start == Start::Holder {
            self.failed_as_holder = self.failed_as_holder.saturating_add(1);
        }
    }

    /// Attempts under the token before this one.
    pub(crate) fn tries_as_holder(&self) -> u32 {
        self.failed_as_holder.into()
    }

    /// Gives the token back, if this call holds it.
    #[cold]
    pub(crate) fn let_go(&mut self) {
        if self.start == Start::Holder {
            self.start = Start::Update;
            priority::release();
        }
    }

    /// As [`Call::let_go`], while variables are locked.
    #[cold]
    pub(crate) fn let_go_under_locks(&mut self) {
        if self.start == Start::Holder {
            self.start = Start::Update;
            priority::release_under_locks();
        }
    }

    /// What comes between a conflict and the next attempt. For threads.
    #[cold]
    #[inline(never)]
    pub(crate) fn pause(&mut self, deadline: Option<Instant>) {
        if self.gave_way {
            priority::wait_for_release(deadline);
        }
        if self.start == Start::Holder {
            return;
        }
        if self.failures >= CLAIM_AFTER {
            match priority::claim(deadline) {
                Claim::Claimed => self.start = Start::Holder,
                Claim::TimedOut | Claim::LeaseOver => {}
            }
            return;
        }
        contention::back_off(self.failures);
    }

    /// As [`Call::pause`], for tasks. To be asked again when the task is polled again.
    #[cold]
    pub(crate) fn poll_pause(&mut self, waker: &Waker) -> Pause {
        if self.gave_way {
            self.gave_way = false;
            if let Some(wait) = priority::poll_release(waker) {
                return Pause::Wait(wait);
            }
        }
        if self.start == Start::Holder {
            return Pause::Over;
        }
        if self.failures < CLAIM_AFTER {
            contention::back_off(self.failures);
            return Pause::Over;
        }
        match priority::poll_claim(waker) {
            PollClaim::Claimed => self.start = Start::Holder,
            PollClaim::LeaseOver => {}
            PollClaim::Wait(wait) => return Pause::Wait(wait),
        }
        Pause::Over
    }
}

// Whatever way the call ends: Q3.
impl Drop for Call {
    #[inline(always)]
    fn drop(&mut self) {
        if self.start == Start::Holder {
            self.let_go();
        }
    }
}

/// What a task does between two attempts.
#[derive(Debug)]
#[must_use]
pub(crate) enum Pause {
    /// Goes on.
    Over,
    /// Returns to its executor, until it is woken or the wait's end has come.
    Wait(TaskWait),
}
