//! What each thread keeps between transactions: its membership in the collector, its log, and whether it is
//! inside a transaction now.
//!
//! # Invariants
//!
//! - C1  `inside` is true exactly while a body, a snapshot's body or a commit of this thread runs. It is false
//!   while values are dropped, wakers called or pins taken, so that their user code may run transactions.
//! - C2  The log belongs to the one [`Inside`] of the thread: made after the pin, left, with the log empty, before
//!   the unpin (a pin may run a value's `Drop`, and that may run a transaction).
//!
//! A thread whose locals are being destroyed still works: it gets a context for the one call. Only the check
//! against nesting is lost then.

use std::cell::{Cell, OnceCell, UnsafeCell};
use std::panic::Location;

use crate::log::{Aftermath, Log};
use crate::reclaim::{Participant, Pin};
use crate::sync::local;

pub(crate) struct Context {
    participant: OnceCell<Participant>,
    inside: Cell<bool>,
    log: UnsafeCell<Log>,
}

local! {
    static CONTEXT: Context = Context::new();
}

/// Runs `f` with this thread's context.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(&Context) -> R) -> R {
    let of_its_own;
    let ctx = match CONTEXT.try_with(std::ptr::from_ref) {
        // SAFETY: a thread's locals are destroyed by the thread itself after this call has returned, or have been
        // destroyed before it began, and then `try_with` has said so.
        Ok(ctx) => unsafe { &*ctx },
        Err(_) => {
            of_its_own = for_one_call();
            &*of_its_own
        }
    };
    f(ctx)
}

#[cold]
#[inline(never)]
fn for_one_call() -> Box<Context> {
    Box::new(Context::new())
}

impl Context {
    const fn new() -> Self {
        Self {
            participant: OnceCell::new(),
            inside: Cell::new(false),
            log: UnsafeCell::new(Log::new()),
        }
    }

    #[inline(always)]
    pub(crate) fn pin(&self) -> Pin {
        self.participant.get_or_init(Participant::register).pin()
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.inside.get()
    }

    /// Panics if this thread is inside a transaction.
    #[inline(always)]
    pub(crate) fn assert_outside(&self, what: &str, caller: &Location<'_>) {
        if self.inside.get() {
            misuse(what, caller);
        }
    }

    /// The pin has been taken: the body may begin (C1, C2).
    #[inline(always)]
    pub(crate) fn enter(&self) -> Inside<'_> {
        let before = self.inside.replace(true);
        debug_assert!(
            !before,
            "every entry point has asked, and a pin leaves it as it was"
        );
        Inside(self)
    }
}

/// The thread is inside a transaction; this owns its log.
pub(crate) struct Inside<'c>(&'c Context);

impl Inside<'_> {
    #[inline(always)]
    pub(crate) fn log(&mut self) -> &mut Log {
        // SAFETY: C2, there is one `Inside` at a time, and only through it is the log reached.
        unsafe { &mut *self.0.log.get() }
    }

    /// The attempt is over: empties the log and frees it for the next.
    #[inline(always)]
    pub(crate) fn leave(mut self) -> Option<Box<Aftermath>> {
        let aftermath = self.log().clear();
        self.0.inside.set(false);
        aftermath
    }
}

#[cold]
fn misuse(what: &str, caller: &Location<'_>) -> ! {
    panic!(
        "{what} was called at {caller} inside a transaction on this thread: it would be a second, separate \
         transaction; pass the `tx` of the one that runs on, and use operations that take it"
    );
}
