//! What the diagnostics are told of an attempt that did not commit, or of a wait.
//!
//! An attempt is noted while it is still pinned, since the variable over which it failed is known for certain only then;
//! observers hear of it when it has been cleared away. So a note gives what is to be told later, if anybody listens.

use crate::block::Pinned;
use crate::call::Call;
use crate::cause::Cause;
use crate::context;
use crate::diagnostics::observer::{self, Aborted, Committed, Event, FellAsleep, WakeReason, Woke};
use crate::diagnostics::origin::Origin;
use crate::diagnostics::{hot, known};
use crate::log::Log;
use crate::tx::Verdict;
use crate::wait::{Reason, Registration};

/// Counts how an attempt ended. Its log is still as the end found it.
pub(crate) fn note_end(
    verdict: &Verdict,
    log: &Log,
    call: &mut Call,
    origin: Origin,
) -> Option<Event> {
    match verdict {
        Verdict::Conflict(cause) => {
            return note_conflict(*cause, log.blamed, call.attempt, origin);
        }
        Verdict::Wait(registration) if registration.reason() == Reason::Undecided => {
            context::tally(|tally| tally.decisions_awaited.add(1));
            return note_conflict(Cause::Undecided, log.blamed, call.attempt, origin);
        }
        Verdict::Wait(registration) => {
            context::tally(|tally| tally.waits.add(1));
            note_retry(call);
            return observer::listens().then(|| {
                let variables = registration.addresses().map(known::variable).collect();
                Event::FellAsleep(FellAsleep { origin, variables })
            });
        }
        Verdict::Changed => note_retry(call),
        Verdict::RolledBack => context::tally(|tally| tally.rolled_back.add(1)),
        Verdict::Unwound if log.panic.is_some() => {
            return note_conflict(Cause::CommutePanicked, None, call.attempt, origin);
        }
        Verdict::Unwound => context::tally(|tally| tally.panicked.add(1)),
        Verdict::NothingToWaitFor => {}
        Verdict::Decided => {
            context::tally(|tally| tally.commits.add(1));
            if observer::hears_commits() {
                let attempts = call.attempt;
                return Some(Event::Committed(Committed { origin, attempts }));
            }
        }
    }
    None
}

/// The body asked to wait.
fn note_retry(call: &mut Call) {
    if std::mem::take(&mut call.woken) {
        context::tally(|tally| tally.empty_wakes.add(1));
    }
}

/// Counts an attempt that failed over `blamed`, which this thread's pin keeps alive.
#[cold]
pub(crate) fn note_conflict(
    cause: Cause,
    blamed: Option<Pinned>,
    attempt: u32,
    origin: Origin,
) -> Option<Event> {
    context::tally(|tally| tally.abort(cause));
    let over = blamed.filter(|_| cause.is_over_a_variable());
    // The models need no more steps than the protocol has.
    if let Some(over) = over
        && !cfg!(any(loom, shuttle))
    {
        over.get().mark_known();
        hot::blame(over.address(), origin);
    }
    observer::listens().then(|| {
        Event::Aborted(Aborted {
            origin,
            attempt,
            cause,
            over: over.map(|over| known::variable(over.address())),
        })
    })
}

/// A wait of `call` is over. One behind an undecided commit was told as a conflict.
#[cold]
pub(crate) fn note_wake(call: &mut Call, registration: &Registration) {
    if registration.reason() == Reason::Undecided {
        return;
    }
    let waiter = registration.waiter();
    let reason = waiter.wake_reason();
    if reason == WakeReason::Written {
        call.woken = true;
        context::tally(|tally| tally.wakes.add(1));
    }
    if observer::listens() {
        Event::Woke(Woke {
            origin: waiter.origin(),
            reason,
            slept: waiter.since().elapsed(),
        })
        .tell();
    }
}

/// A transaction has taken effect, and somebody wants to hear it.
#[cold]
#[inline(never)]
pub(crate) fn tell_commit(attempts: u32, origin: Origin) {
    Event::Committed(Committed { origin, attempts }).tell();
}
