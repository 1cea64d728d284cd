//! Looking at the engine from outside: what it has done, what fails over what, who waits, and what waits to be freed.
//!
//! | question | answer |
//! |---|---|
//! | how much of what happens? | [`stats`] |
//! | which variable costs most attempts, and whom? | [`hot_vars`]; labels by [`TVar::named`](crate::TVar::named) |
//! | why does my program stand still? | [`waiting`] |
//! | can I be told as it happens? | [`Observer`], [`set_observer`] |
//! | why is memory not freed yet? | [`collect_garbage`] |
//! | was every attempt consistent? | `history`, with the feature of that name |
//!
//! All of it is always there and cheap enough to stay on: a commit costs an increment and a look at a flag, everything else is
//! gathered where an attempt has failed or a wait begins.
//!
//! # Layout
//!
//! The engine reports to `stats`, `hot` and `observer`, which know nothing of it but the names of its causes: they lie
//! below it, with `known` (labels) and `origin` (nouns). What is in this file and in `waiting` asks the engine, and lies above.

#[cfg(all(feature = "history", not(any(loom, shuttle))))]
pub mod history;
pub(crate) mod hot;
pub(crate) mod known;
pub(crate) mod observer;
pub(crate) mod origin;
pub(crate) mod stats;
#[cfg(feature = "tracing")]
mod tracing;
mod waiting;

pub use self::hot::{HotVar, Victim, clear_hot_vars, hot_vars};
pub use self::observer::{
    Aborted, Committed, FellAsleep, Observer, WakeReason, Woke, set_observer,
};
pub use self::origin::{Origin, Variable};
pub use self::stats::{Stats, stats};
#[cfg(feature = "tracing")]
pub use self::tracing::TracingObserver;
pub use self::waiting::{Awaited, Sleeper, Wait, waiting};
pub use crate::cause::Cause;

use crate::context;
use crate::limbo;
use crate::wait;

/// How many registrations are in the waiter table: one for each variable of each thread or task that sleeps in a
/// [`retry`](crate::retry).
///
/// A moment's figure: it may be outdated when it is returned. It is 0 when nobody waits.
///
/// ```
/// assert_eq!(stm_core::diagnostics::registered_waits(), 0);
/// ```
#[must_use]
pub fn registered_waits() -> usize {
    wait::registered()
}

/// Hands over the values that this thread has replaced and frees some of those, of any thread, that nobody can see any
/// more.
///
/// This happens by itself in the course of further transactions, and when a thread ends or goes to sleep. Call it where a
/// thread stops using transactions but lives on, or where memory is to be given back now. A value is only freed after
/// every transaction that was running when it was replaced has ended, so it may take a few calls.
///
/// # Panics
///
/// Inside a transaction on the same thread. Panics of values' `Drop` are swallowed.
///
/// ```
/// use std::sync::Arc;
/// use stm_core::{diagnostics::collect_garbage, TVar};
///
/// let value = Arc::new("old");
/// let x = TVar::new(Arc::clone(&value));
/// x.store(Arc::new("new"));
/// while Arc::strong_count(&value) > 1 {
///     collect_garbage();
/// }
/// ```
#[track_caller]
pub fn collect_garbage() {
    let caller = std::panic::Location::caller();
    context::with(|ctx| {
        ctx.assert_outside("collect_garbage", caller);
        limbo::tidy_up(ctx);
    });
}

/// The addresses of the shared words that `f` writes on this thread, and of the mutexes that it takes: what other processors may
/// have to fetch anew. For the test of P5, under stress only. What the collector of memory does by itself is not in it.
#[cfg(all(stm_stress, not(any(loom, shuttle))))]
#[doc(hidden)]
#[must_use]
pub fn written_words(f: impl FnOnce()) -> Vec<usize> {
    crate::sync::written_words(f)
}
