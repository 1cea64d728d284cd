//! Somebody who is told what happens: a logger, a tracer, a test.
//!
//! # The problem, and the idea
//!
//! Users want events where we want speed, and their code must not run where ours is in the middle of something. So the
//! engine looks at one flag, and only if somebody listens does it put together what it has to tell; it tells it when the
//! attempt is over, unpinned, with nothing locked and the thread outside of the transaction.
//!
//! # State
//!
//! | ears | who listens |
//! |---|---|
//! | [`NOBODY`] | nobody |
//! | [`TROUBLE`] | an observer, to aborts and waits |
//! | [`COMMITS`] | an observer, to commits also |
//!
//! # Invariants
//!
//! - O1  An observer is called outside of every transaction and lock, shielded against its panics.
//! - O2  Transactions that an observer runs are not told to it: it would never end.
//! - O3  The flag has a cache line of its own, which nobody writes but [`set_observer`] (P5).
//!
//! # Memory ordering
//!
//! The flag is Relaxed: it is a hint to look into the slot, and the slot orders itself. Who sees the one and not yet the
//! other misses an event, or looks for nothing.
#![allow(
    clippy::disallowed_types,
    reason = "no step of the protocol: the models need not see it"
)]

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use crossbeam_utils::CachePadded;

use super::origin::{Origin, Variable};
use crate::cause::Cause;
use crate::mutant::{mutant, shielded};

/// An attempt was thrown away over a conflict.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Aborted {
    /// Whose attempt.
    pub origin: Origin,
    /// Which attempt of the call, from 1.
    pub attempt: u32,
    /// Why.
    pub cause: Cause,
    /// Over which variable, where one was in the way.
    pub over: Option<Variable>,
}

/// A thread or a task is about to sleep after a [`retry`](crate::retry).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FellAsleep {
    /// Whose wait.
    pub origin: Origin,
    /// Until one of these is written.
    pub variables: Vec<Variable>,
}

/// How a wait came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum WakeReason {
    /// Something that was waited for has been written.
    Written,
    /// The time was over: that of the transaction, or that of a [`retry_until`](crate::Tx::retry_until).
    TimeOver,
}

/// A wait is over and the thread or task goes on.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Woke {
    /// Whose wait.
    pub origin: Origin,
    /// How it ended.
    pub reason: WakeReason,
    /// How long it took.
    pub slept: Duration,
}

/// A transaction has taken effect.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Committed {
    /// Which one.
    pub origin: Origin,
    /// With which attempt, from 1.
    pub attempts: u32,
}

/// Is told what happens to transactions; see [`set_observer`].
///
/// Its methods are called on the thread to which it happened, between two attempts or after the last, outside of the
/// transaction and with nothing locked. They delay that transaction, so they should be short. One that panics is reported by
/// the panic hook and goes no further. They may run transactions of their own, which are not told to anybody, but should not
/// wait in them.
pub trait Observer: Send + Sync + 'static {
    /// An attempt was thrown away over a conflict.
    fn on_abort(&self, event: &Aborted) {
        let _ = event;
    }

    /// A thread or a task is about to sleep.
    fn on_wait(&self, event: &FellAsleep) {
        let _ = event;
    }

    /// A wait is over.
    fn on_wake(&self, event: &Woke) {
        let _ = event;
    }

    /// Whether [`on_commit`](Observer::on_commit) is to be called; asked once, by [`set_observer`]. Not, if nothing else is
    /// said: a commit is short, and telling it may well take longer.
    fn hears_commits(&self) -> bool {
        false
    }

    /// A transaction has taken effect. Called if [`hears_commits`](Observer::hears_commits) says so.
    fn on_commit(&self, event: &Committed) {
        let _ = event;
    }
}

const NOBODY: u8 = 0;
const TROUBLE: u8 = 1;
const COMMITS: u8 = 2;

static EARS: CachePadded<AtomicU8> = CachePadded::new(AtomicU8::new(NOBODY));

/// The slot wants a pointer to something sized.
struct Listener(Arc<dyn Observer>);

static LISTENER: ArcSwapOption<Listener> = ArcSwapOption::const_empty();

thread_local! {
    /// O2.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

/// Has `observer` told what happens from now on, instead of the one before, or nobody.
///
/// There is one for the process; a library should leave the choice to the program. With nobody, an attempt that fails costs
/// one look at a flag more, and so does a commit. What is under way on other threads may still be told to the old one after
/// this has returned.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicUsize, Ordering}};
/// use stm_core::{atomically, diagnostics::{set_observer, Aborted, Observer}, TVar};
///
/// #[derive(Default)]
/// struct Aborts(AtomicUsize);
/// impl Observer for Aborts {
///     fn on_abort(&self, event: &Aborted) {
///         println!("{}: {} over {:?}", event.origin, event.cause, event.over);
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let aborts = Arc::new(Aborts::default());
/// set_observer(Some(aborts.clone()));
/// let x = TVar::new(0);
/// atomically(|tx| {
///     let n = x.read(tx)?;
///     if tx.attempt() == 1 {
///         std::thread::scope(|s| { s.spawn(|| x.store(5)); }); // another gets in
///     }
///     x.write(tx, n + 1)
/// });
/// set_observer(None);
/// assert_eq!(aborts.0.load(Ordering::Relaxed), 1);
/// ```
pub fn set_observer(observer: Option<Arc<dyn Observer>>) {
    let ears = match &observer {
        None => NOBODY,
        Some(observer) if observer.hears_commits() => COMMITS,
        Some(_) => TROUBLE,
    };
    let before = LISTENER.swap(observer.map(|observer| Arc::new(Listener(observer))));
    if ears != NOBODY || !mutant!("D-observer-flag") {
        // Relaxed: pairs with nothing; the swap before it orders what is in the slot.
        EARS.store(ears, Relaxed);
    }
    shielded!("P-observer-drop", || drop(before));
}

/// Whether it is worth the trouble to put an event together.
///
/// Relaxed: a hint; `Listener`s are found by the slot's own load, which pairs with the swap in `set_observer`.
#[inline(always)]
pub(crate) fn listens() -> bool {
    EARS.load(Relaxed) != NOBODY
}

/// Whether commits are to be told.
///
/// Relaxed: as in `listens`.
#[inline(always)]
pub(crate) fn hears_commits() -> bool {
    EARS.load(Relaxed) >= COMMITS
}

/// Something to tell, when the thread is outside of everything (O1).
#[derive(Debug)]
#[must_use = "somebody listens"]
pub(crate) enum Event {
    Aborted(Aborted),
    FellAsleep(FellAsleep),
    Woke(Woke),
    Committed(Committed),
}

impl Event {
    #[cold]
    #[inline(never)]
    pub(crate) fn tell(self) {
        // A thread whose locals are going tells nothing more.
        if TELLING.try_with(|telling| telling.replace(true)) != Ok(false) {
            return;
        }
        let listener = LISTENER.load_full();
        shielded!("P-observer", move || {
            let Some(listener) = listener else { return };
            let observer = &*listener.0;
            match &self {
                Self::Aborted(event) => observer.on_abort(event),
                Self::FellAsleep(event) => observer.on_wait(event),
                Self::Woke(event) => observer.on_wake(event),
                Self::Committed(event) => observer.on_commit(event),
            }
        });
        let _ = TELLING.try_with(|telling| telling.set(mutant!("D-telling")));
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_put_together_when_nobody_listens_any_more() {
        struct Nothing;
        impl Observer for Nothing {}
        assert!(!listens());
        set_observer(Some(Arc::new(Nothing)));
        assert!(listens() && !hears_commits());
        set_observer(None);
        assert!(!listens());
    }
}
