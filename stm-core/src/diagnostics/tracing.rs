//! The observer that passes everything on to the `tracing` crate.

use super::observer::{Aborted, Committed, FellAsleep, Observer, WakeReason, Woke};

/// What the events' `target` is.
const TARGET: &str = "stm_core";

/// An [`Observer`] that emits what it is told as events of the `tracing` crate, with the target `stm_core`: aborts at level
/// DEBUG, waits and wakes at TRACE, and commits at TRACE, if it is made for them. (Feature `tracing`.)
///
/// ```
/// use std::sync::Arc;
/// use stm_core::diagnostics::{set_observer, TracingObserver};
///
/// set_observer(Some(Arc::new(TracingObserver::new())));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver {
    commits: bool,
}

impl TracingObserver {
    /// One that does not hear commits.
    #[must_use]
    pub const fn new() -> Self {
        Self { commits: false }
    }

    /// Whether commits are told, too: one event for each.
    #[must_use]
    pub const fn with_commits(mut self, commits: bool) -> Self {
        self.commits = commits;
        self
    }
}

impl Observer for TracingObserver {
    fn on_abort(&self, event: &Aborted) {
        tracing::debug!(
            target: TARGET,
            transaction = event.origin.name(),
            at = %event.origin.location(),
            attempt = event.attempt,
            cause = event.cause.name(),
            over = event.over.as_ref().map(tracing::field::display),
            "abort"
        );
    }

    fn on_wait(&self, event: &FellAsleep) {
        tracing::trace!(
            target: TARGET,
            transaction = event.origin.name(),
            at = %event.origin.location(),
            on = ?event.variables,
            "wait"
        );
    }

    fn on_wake(&self, event: &Woke) {
        tracing::trace!(
            target: TARGET,
            transaction = event.origin.name(),
            at = %event.origin.location(),
            slept = ?event.slept,
            in_time = event.reason == WakeReason::Written,
            "wake"
        );
    }

    fn hears_commits(&self) -> bool {
        self.commits
    }

    fn on_commit(&self, event: &Committed) {
        tracing::trace!(
            target: TARGET,
            transaction = event.origin.name(),
            at = %event.origin.location(),
            attempts = event.attempts,
            "commit"
        );
    }
}
