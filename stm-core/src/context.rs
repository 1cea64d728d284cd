//! What each thread keeps between transactions: its membership in the collector, its log, its counts, and whether it is
//! inside a transaction now.
//!
//! # Invariants
//!
//! - C1  `inside` is true exactly while the body of a transaction or a snapshot, or the commit that ends it, runs. It is
//!   false while values are dropped, wakers called or pins taken, so that their user code may run transactions.
//! - C2  The log belongs to the one [`Inside`] of the thread: made after the pin, left, with the log empty, before
//!   the unpin (a pin may run a value's `Drop`, and that may run a transaction).
//! - C3  Whatever is put off while the thread is inside leaves with the `Inside`, and is run after the unpin.
//!
//! # When the thread's locals are going
//!
//! Other locals may drop variables, and the last garbage is handed over, when this module's local is being destroyed or
//! has been. Such calls share one context for as long as the outermost of them lasts. It must be one: leaving the
//! collector may free values, whose drops come here again; were each to join the collector anew, each would free some
//! more inside the other, and the stack would end before the garbage does.

use std::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use std::panic::Location;

use crate::diagnostics::stats::{Membership, Tally};
use crate::log::{Aftermath, Log, PutOff};
use crate::reclaim::{Participant, Pin};
use crate::sync::local;
#[cfg(not(any(loom, shuttle)))]
use crate::{limbo, mutant::mutant, pool};

/// Where the thread stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Where {
    Outside,
    Inside,
    /// Inside, and something has been put off (C3).
    InsideWithMore,
}

pub(crate) struct Context {
    /// Made at the first pin, taken out only by `drop`.
    participant: UnsafeCell<Option<Participant>>,
    /// Made with the first participant.
    membership: OnceCell<Membership>,
    at: Cell<Where>,
    put_off: RefCell<Vec<PutOff>>,
    log: UnsafeCell<Log>,
}

local! {
    static CONTEXT: Context = Context::new();
}

local! {
    /// The context that stands in for `CONTEXT`, or null. Needs no destructor and so can always be reached.
    static STAND_IN: Cell<*const Context> = Cell::new(std::ptr::null());
}

/// Runs `f` with this thread's context.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(&Context) -> R) -> R {
    let mut made = StandIn(std::ptr::null_mut());
    let ctx = match CONTEXT.try_with(std::ptr::from_ref) {
        Ok(ctx) => ctx,
        Err(_) => made.find_or_make(),
    };
    // SAFETY: a thread's locals are destroyed by the thread itself after this call has returned, or have been destroyed
    // before it began, and then `try_with` has said so. A stand-in that was found belongs to a call further out on this
    // stack; one that was made lives in `made`.
    f(unsafe { &*ctx })
}

/// Counts something rare, where no context is at hand.
#[cold]
pub(crate) fn tally(count: impl FnOnce(&Tally)) {
    with(|ctx| ctx.tally().map(count));
}

/// A context for the time after `CONTEXT`: the one that this call has made, or null.
struct StandIn(*mut Context);

impl StandIn {
    #[cold]
    #[inline(never)]
    fn find_or_make(&mut self) -> *const Context {
        let found = STAND_IN.with(Cell::get);
        if !found.is_null() {
            return found;
        }
        self.0 = Box::into_raw(Box::new(Context::new()));
        STAND_IN.with(|slot| slot.set(self.0));
        self.0
    }
}

impl Drop for StandIn {
    #[inline(always)]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn destroy(made: *mut Context) {
            // SAFETY: made by `find_or_make` from a box, and the call that had the use of it is over. Whoever found it is
            // further in on this stack; `Context::drop` takes it out of the slot.
            drop(unsafe { Box::from_raw(made) });
        }
        if !self.0.is_null() {
            destroy(self.0);
        }
    }
}

// Loom's locals all go at once, and its collector needs no leaving.
#[cfg(not(any(loom, shuttle)))]
impl Drop for Context {
    fn drop(&mut self) {
        let this: *const Self = self;
        let before = STAND_IN.with(|slot| slot.replace(this));
        // Leaving the collector may run `Drop`s that come back here and join it again, on this context.
        // SAFETY: the reference to the participant that `pin` holds is gone when that returns.
        while let Some(participant) = unsafe { (*(*this).participant.get()).take() } {
            if mutant!("D-participant") {
                std::mem::forget(participant);
                continue;
            }
            limbo::hand_over(&participant.pin());
            drop(participant);
            limbo::free_all();
        }
        limbo::close();
        pool::close();
        STAND_IN.with(|slot| {
            slot.set(if before == this && !mutant!("D-stand-in") {
                std::ptr::null()
            } else {
                before
            })
        });
    }
}

impl Context {
    const fn new() -> Self {
        Self {
            participant: UnsafeCell::new(None),
            membership: OnceCell::new(),
            at: Cell::new(Where::Outside),
            put_off: RefCell::new(Vec::new()),
            log: UnsafeCell::new(Log::new()),
        }
    }

    #[inline(always)]
    pub(crate) fn pin(&self) -> Pin {
        // SAFETY: only this thread comes here. The participant is put in when there is none, and taken out when nobody is in
        // here (`drop`).
        match unsafe { &*self.participant.get() } {
            Some(participant) => participant.pin(),
            None => self.join_and_pin(),
        }
    }

    #[cold]
    fn join_and_pin(&self) -> Pin {
        self.membership.get_or_init(Membership::register);
        let participant = Participant::register();
        // SAFETY: as in `pin`; there is none, so nobody holds a reference to it.
        unsafe { (*self.participant.get()).insert(participant) }.pin()
    }

    /// Where this thread counts, once it has pinned.
    #[inline(always)]
    pub(crate) fn tally(&self) -> Option<&Tally> {
        self.membership.get().map(Membership::tally)
    }

    /// One more transaction of this thread has taken effect.
    #[inline(always)]
    pub(crate) fn count_commit(&self) {
        if let Some(tally) = self.tally() {
            tally.commits.add(1);
        }
    }

    pub(crate) fn is_inside(&self) -> bool {
        self.at.get() != Where::Outside
    }

    /// Runs `f` now, or when the attempt that runs on this thread is over (C3).
    pub(crate) fn when_outside(&self, f: impl FnOnce() + 'static) {
        if !self.is_inside() {
            return f();
        }
        self.put_off.borrow_mut().push(Box::new(f));
        self.at.set(Where::InsideWithMore);
    }

    /// Panics if this thread is inside a transaction.
    #[inline(always)]
    pub(crate) fn assert_outside(&self, what: &str, caller: &Location<'_>) {
        if self.is_inside() {
            misuse(what, caller);
        }
    }

    /// The pin has been taken: the body may begin (C1, C2).
    #[inline(always)]
    pub(crate) fn enter(&self) -> Inside<'_> {
        let before = self.at.replace(Where::Inside);
        debug_assert_eq!(
            before,
            Where::Outside,
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

    /// The attempt is over, and was a plain one to its end: as [`Inside::leave`], quicker.
    #[inline(always)]
    pub(crate) fn leave_tidy(mut self) -> Option<Box<Aftermath>> {
        self.log().clear_tidy();
        self.leave_with(None)
    }

    /// The attempt is over: empties the log and frees it for the next.
    pub(crate) fn leave(mut self) -> Option<Box<Aftermath>> {
        let aftermath = self.log().clear();
        self.leave_with(aftermath)
    }

    #[inline(always)]
    fn leave_with(self, aftermath: Option<Box<Aftermath>>) -> Option<Box<Aftermath>> {
        match self.0.at.replace(Where::Outside) {
            Where::InsideWithMore => self.with_what_was_put_off(aftermath),
            _ => aftermath,
        }
    }

    #[cold]
    #[inline(never)]
    fn with_what_was_put_off(&self, aftermath: Option<Box<Aftermath>>) -> Option<Box<Aftermath>> {
        let mut aftermath = aftermath.unwrap_or_default();
        aftermath.put_off = self.0.put_off.take();
        Some(aftermath)
    }
}

#[cold]
fn misuse(what: &str, caller: &Location<'_>) -> ! {
    panic!(
        "{what} was called at {caller} inside a transaction on this thread: it would be a second, separate \
         transaction; pass the `tx` of the one that runs on, and use operations that take it (in a decider or a \
         function to be applied at commit there is none: read in the body what they need)"
    );
}
