//! One attempt at a transaction: its mode, its moment, its log, and how it begins and ends.
//!
//! # State
//!
//! ```text
//!            read fails, nothing written,
//!            reads fit a snapshot
//!  ┌────────┐ ───────────────────────▶ ┌──────────┐
//!  │ Update │                          │ Snapshot │ ◀── also a begin, tracked, after OldValueGone & co.
//!  └────────┘                          └──────────┘
//!      │ conflict, swallowed error, unwinding   │ write, retry over an old value
//!      └───────────────▶ ┌────────┐ ◀───────────┘
//!                        │ Doomed │  every operation fails; the attempt ends as a conflict
//!                        └────────┘
//! ```
//!
//! # Invariants
//!
//! - X1  A doomed attempt publishes nothing, waits for nothing and returns nothing, whatever its body says.
//! - X2  In Snapshot mode the write set is empty, and `rv` is the snapshot's time.
//! - X3  A `Ref<'t>` points into what the attempt's pin or its log keeps alive; both outlive `'t`.

use std::fmt;
use std::marker::PhantomData;

use crate::block::Pinned;
use crate::boxed::Pending;
use crate::cause::{Cause, Control, Kind};
use crate::clock::{Ticket, Time, clock};
use crate::commit;
use crate::log::Log;
use crate::reclaim::Pin;
use crate::sync::seqcst_fence_for_loom;
use crate::wait::{Register, Registration, Waiter};

/// What the attempt is by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Update,
    Snapshot,
    Doomed,
}

/// How the next attempt of a call is to begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    Update,
    TrackedSnapshot,
}

/// A transaction in progress, given to the body by [`atomically`](crate::atomically) and its kin.
///
/// Variables are read and written through it ([`TVar::read`](crate::TVar::read),
/// [`TVar::write`](crate::TVar::write) and others), alternatives and nested transactions are its methods. It
/// cannot leave the body, nor the thread:
///
/// ```compile_fail
/// let mut out = None;
/// stm_core::atomically(|tx| {
///     out = Some(tx); // the transaction does not live that long
///     Ok(())
/// });
/// ```
pub struct Tx<'t> {
    pub(crate) mode: Mode,
    /// Whether a failing read may turn the attempt into a snapshot.
    pub(crate) may_be_snapshot: bool,
    /// A value was read that had been replaced by then (Snapshot mode): waiting would be in vain.
    pub(crate) outdated: bool,
    /// The clock at the begin.
    pub(crate) begin: Time,
    /// The moment as of which anchored reads are valid; in Snapshot mode its time.
    pub(crate) rv: Time,
    pub(crate) log: &'t mut Log,
    ticket: Option<Ticket>,
    cause: Option<Cause>,
    attempt: u32,
    pin: &'t Pin,
    /// Neither `Send` nor `Sync`, and invariant in `'t` (X3).
    _attempt: PhantomData<*mut &'t ()>,
}

/// How an attempt that did not commit stands, before its remains are cleared away.
#[derive(Debug)]
#[must_use]
pub(crate) enum Verdict {
    /// The body failed by its own choice.
    RolledBack,
    /// Thrown away; run again.
    Conflict(Cause),
    /// Thrown away; run again when the registration is woken.
    Wait(Box<Registration>),
    /// Thrown away at once, because what it waits for has happened.
    Changed,
    /// It asked to wait for nothing.
    NothingToWaitFor,
}

/// What an attempt leaves for its call.
#[derive(Clone, Copy)]
pub(crate) struct Remains {
    pub(crate) may_be_snapshot: bool,
    /// The attempt had pending writes when it ended.
    pub(crate) wrote: bool,
}

impl<'t> Tx<'t> {
    #[inline(always)]
    pub(crate) fn begin(
        pin: &'t Pin,
        log: &'t mut Log,
        attempt: u32,
        start: Start,
        may_be_snapshot: bool,
    ) -> Self {
        let (mode, begin, ticket) = match start {
            Start::Update => (Mode::Update, clock().sample().time(), None),
            Start::TrackedSnapshot => Self::begin_tracked(),
        };
        seqcst_fence_for_loom();
        Self {
            mode,
            may_be_snapshot,
            outdated: false,
            begin,
            rv: begin,
            log,
            ticket,
            cause: None,
            attempt,
            pin,
            _attempt: PhantomData,
        }
    }

    #[cold]
    fn begin_tracked() -> (Mode, Time, Option<Ticket>) {
        let ticket = clock().begin_snapshot();
        (Mode::Snapshot, ticket.time(), Some(ticket))
    }

    /// The number of this attempt: 1 for the first, one more each time the body runs again in the same call.
    ///
    /// ```
    /// let first = stm_core::atomically(|tx| Ok(tx.attempt()));
    /// assert_eq!(first, 1);
    /// ```
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.ticket.is_some()
    }

    /// X1. Keeps the first cause.
    #[cold]
    pub(crate) fn doom(&mut self, cause: Cause) -> Control {
        self.mode = Mode::Doomed;
        self.cause.get_or_insert(cause);
        Control::CONFLICT
    }

    /// Runs user code in the middle of an operation; should it unwind, the attempt is doomed.
    #[inline(always)]
    pub(crate) fn shielded<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        struct DoomOnUnwind<'a, 't>(&'a mut Tx<'t>);
        impl Drop for DoomOnUnwind<'_, '_> {
            #[cold]
            fn drop(&mut self) {
                self.0.doom(Cause::Swallowed);
            }
        }
        let bomb = DoomOnUnwind(self);
        let result = f(bomb.0);
        std::mem::forget(bomb);
        result
    }

    /// May the body write? Not when doomed, and not as a snapshot.
    #[inline(always)]
    pub(crate) fn check_writable(&mut self) -> Result<(), Control> {
        match self.mode {
            Mode::Update => Ok(()),
            Mode::Snapshot => Err(self.wrote_in_snapshot()),
            Mode::Doomed => Err(Control::CONFLICT),
        }
    }

    /// Makes `pending` the pending value of `block`.
    #[inline(always)]
    pub(crate) fn stage(&mut self, block: Pinned, pending: Pending) -> Result<(), Control> {
        if self.mode == Mode::Update {
            self.log.stage(block, pending);
            return Ok(());
        }
        self.refuse(pending)
    }

    #[cold]
    fn refuse(&mut self, pending: Pending) -> Result<(), Control> {
        // Not dropped here: its `Drop` may run a transaction, and the body is inside one.
        self.log.writes.bury(pending);
        self.check_writable()
    }

    /// The body returned normally and wants its writes published.
    #[inline(always)]
    pub(crate) fn commit(&mut self) -> Result<(), Cause> {
        if self.mode == Mode::Doomed {
            return Err(self.cause());
        }
        if self.log.writes.is_empty() {
            // Read-only: T1 says that all reads held together at one moment within the call.
            return Ok(());
        }
        let Log {
            reads,
            writes,
            wakes,
        } = &mut *self.log;
        commit::commit(self.pin, reads.as_slice(), writes, wakes)
    }

    /// The body returned an error of its own: its writes are dropped, its reads were consistent (T1).
    #[cold]
    pub(crate) fn roll_back(&mut self) -> Verdict {
        if self.mode == Mode::Doomed {
            return Verdict::Conflict(self.cause());
        }
        Verdict::RolledBack
    }

    /// The body returned `control`.
    #[cold]
    pub(crate) fn stop(&mut self, control: Control, waiter: impl FnOnce() -> Waiter) -> Verdict {
        match control.kind() {
            _ if self.mode == Mode::Doomed => Verdict::Conflict(self.cause()),
            Kind::Conflict => Verdict::Conflict(Cause::Foreign),
            // A snapshot that read an old value has already what it would wait for.
            Kind::Retry if self.outdated => Verdict::Changed,
            Kind::Retry => match Registration::new(waiter(), self.log.reads.as_slice()) {
                Register::Asleep(registration) => Verdict::Wait(Box::new(registration)),
                Register::Changed => Verdict::Changed,
                Register::NothingToWaitFor => Verdict::NothingToWaitFor,
            },
        }
    }

    #[cold]
    fn cause(&self) -> Cause {
        self.cause.unwrap_or(Cause::Swallowed)
    }

    /// Takes the attempt apart. The ticket goes back to the clock after the last read and before the unpin.
    #[inline(always)]
    pub(crate) fn end(mut self) -> Remains {
        if let Some(ticket) = self.ticket.take() {
            clock().end_snapshot(ticket);
        }
        Remains {
            may_be_snapshot: self.may_be_snapshot,
            wrote: !self.log.writes.is_empty(),
        }
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("attempt", &self.attempt)
            .field("mode", &self.mode)
            .field("rv", &self.rv)
            .finish_non_exhaustive()
    }
}
