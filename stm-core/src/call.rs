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
use crate::context;
use crate::diagnostics::origin::Origin;
use crate::mutant::mutant;
use crate::priority::{self, Claim, PollClaim, TaskWait, Tenure, claim_after};
use crate::record::CallId;

/// How the next attempt of a call is to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Update,
    TrackedSnapshot,
    /// With the token, which this call has claimed.
    Holder(Tenure),
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Thread,
    Task,
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) kind: Caller,
    pub(crate) id: CallId,
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
    /// Whose it is. Noted with the first attempt that fails.
    pub(crate) origin: Option<Origin>,
    /// The last attempt gave way to the holder of the token.
    gave_way: bool,
    /// Attempts that failed though this call held the token.
    failed_as_holder: u8,
    /// It was woken from a wait, and has not waited since.
    pub(crate) woken: bool,
}

impl Call {
    pub(crate) const fn of(kind: Caller) -> Self {
        Self {
            kind,
            id: CallId::new(),
            attempt: 0,
            failures: 0,
            start: Start::Update,
            may_be_snapshot: true,
            may_sleep_inside: false,
            origin: None,
            gave_way: false,
            failed_as_holder: 0,
            woken: false,
        }
    }

    pub(crate) fn note_failure(&mut self, cause: Cause) {
        self.failures = self.failures.saturating_add(1);
        self.gave_way = cause == Cause::GaveWay;
        if let Start::Holder(_) = self.start {
            self.failed_as_holder = self.failed_as_holder.saturating_add(1);
        }
    }

    /// The token is this call's now.
    fn note_priority(&mut self, tenure: Tenure) {
        self.start = Start::Holder(tenure);
        context::tally(|tally| tally.priorities.add(1));
    }

    /// Attempts under the token before this one.
    pub(crate) fn tries_as_holder(&self) -> u32 {
        self.failed_as_holder.into()
    }

    /// Gives the token back, if this call holds it.
    #[cold]
    pub(crate) fn let_go(&mut self) {
        if let Start::Holder(tenure) = self.start {
            self.start = Start::Update;
            priority::release(tenure);
        }
    }

    /// As [`Call::let_go`], while variables are locked.
    #[cold]
    pub(crate) fn let_go_under_locks(&mut self) {
        if let Start::Holder(tenure) = self.start {
            self.start = Start::Update;
            priority::release_under_locks(tenure);
        }
    }

    /// What comes between a conflict and the next attempt. For threads.
    #[cold]
    #[inline(never)]
    pub(crate) fn pause(&mut self, deadline: Option<Instant>) {
        if self.gave_way {
            priority::wait_for_release(deadline);
        }
        if let Start::Holder(_) = self.start {
            return;
        }
        if self.failures >= claim_after() {
            if let Claim::Claimed(tenure) = priority::claim(deadline) {
                self.note_priority(tenure);
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
        if let Start::Holder(_) = self.start {
            return Pause::Over;
        }
        if self.failures < claim_after() {
            contention::back_off(self.failures);
            return Pause::Over;
        }
        match priority::poll_claim(waker) {
            PollClaim::Claimed(tenure) => self.note_priority(tenure),
            PollClaim::Wait(wait) => return Pause::Wait(wait),
        }
        Pause::Over
    }
}

// Whatever way the call ends: Q3.
impl Drop for Call {
    #[inline(always)]
    fn drop(&mut self) {
        if let Start::Holder(_) = self.start
            && !mutant!("D-token-call")
        {
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
