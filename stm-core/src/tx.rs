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
//!  ┌────────┐ a decider says Commit   ┌─────────┐
//!  │ Update │ ──────────────────────▶ │ Decided │  every operation panics; the attempt ends as a commit
//!  └────────┘                         └─────────┘
//! ```
//!
//! # Invariants
//!
//! - X1  A doomed attempt publishes nothing, waits for nothing and returns nothing, whatever its body says.
//! - X2  In Snapshot mode the write set is empty, and `rv` is the snapshot's time.
//! - X3  A `Ref<'t>` points into what the attempt's pin or its log keeps alive; both outlive `'t`. (What a decided attempt has
//!   published passes from the one to the other.)
//! - X4  A decided attempt has committed; nothing that its body does afterwards changes that.

use std::fmt;
use std::marker::PhantomData;

use crate::block::{FormHint, Pinned};
use crate::boxed::Pending;
use crate::call::{Call, Caller, Start};
use crate::cause::{Cause, Control, Kind};
use crate::clock::{Ticket, Time, clock};
use crate::commit;
use crate::log::Log;
use crate::mutant::{self, mutant, total_order};
use crate::patch;
use crate::priority::Holder;
use crate::reclaim::Pin;
use crate::wait::{Register, Registration, Waiter};
use crate::watch::{Watched, watch};

/// What the attempt is by now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Update,
    Snapshot,
    Doomed,
    /// Its decider has said Commit, and so it has been done.
    Decided,
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
    /// What lasts beyond the attempt.
    pub(crate) call: &'t mut Call,
    pub(crate) log: &'t mut Log,
    pin: &'t Pin,
    pub(crate) mode: Mode,
    /// A value was read that had been replaced by then (Snapshot mode): waiting would be in vain.
    pub(crate) outdated: bool,
    /// `rv` has been moved beyond the clock at the begin.
    pub(crate) anchored: bool,
    /// The moment as of which anchored reads are valid; in Snapshot mode its time.
    pub(crate) rv: Time,
    ticket: Option<Ticket>,
    cause: Option<Cause>,
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
    /// Thrown away, for a change to come or an undecided commit in the way; run again when the registration is woken.
    Wait(Box<Registration>),
    /// Thrown away at once, because what it waits for has happened.
    Changed,
    /// It asked to wait for nothing.
    NothingToWaitFor,
    /// The body, or a function of its at commit, unwound.
    Unwound,
    /// Its decider has said Commit; then the body unwound.
    Decided,
}

impl<'t> Tx<'t> {
    /// Begins an attempt. Pin before clock: R2.
    #[inline(always)]
    pub(crate) fn begin(pin: &'t Pin, log: &'t mut Log, call: &'t mut Call) -> Self {
        let rv = if mutant!("X6") {
            mutant::noted()
        } else {
            clock().sample().time()
        };
        total_order!("S-begin");
        if mutant!("M4") {
            mutant::note(rv);
        }
        Self {
            mode: Mode::Update,
            outdated: false,
            anchored: false,
            rv,
            log,
            ticket: None,
            cause: None,
            call,
            pin,
            _attempt: PhantomData,
        }
    }

    /// The second half of the begin, for an attempt that is no plain update from the start.
    #[inline(always)]
    pub(crate) fn begin_as_due(&mut self) {
        if self.call.start != Start::Update {
            self.begin_specially();
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_specially(&mut self) {
        match self.call.start {
            Start::Update => {}
            Start::TrackedSnapshot => self.track(),
            Start::Holder(tenure) => {
                let origin = self.call.origin.expect("it has failed before");
                self.log.holder = Holder::begin(tenure, self.call.tries_as_holder(), origin);
                if self.log.holder.is_some() {
                    // Every read goes the long way, which announces it.
                    self.log.writes.slow_down();
                } else {
                    self.call.start = Start::Update;
                }
            }
        }
    }

    fn track(&mut self) {
        let ticket = clock().begin_snapshot();
        self.rv = ticket.time();
        self.ticket = Some(ticket);
        self.mode = Mode::Snapshot;
        self.log.writes.slow_down();
    }

    /// The number of this attempt: 1 for the first, one more each time the body runs again in the same call.
    ///
    /// ```
    /// let first = stm_core::atomically(|tx| Ok(tx.attempt()));
    /// assert_eq!(first, 1);
    /// ```
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.call.attempt
    }

    pub(crate) fn pin(&self) -> &'t Pin {
        self.pin
    }

    pub(crate) fn is_tracked(&self) -> bool {
        self.ticket.is_some()
    }

    /// X1. Keeps the first cause.
    #[cold]
    pub(crate) fn doom(&mut self, cause: Cause) -> Control {
        // X4.
        if self.mode != Mode::Decided {
            self.mode = Mode::Doomed;
            self.log.writes.slow_down();
            self.cause.get_or_insert(cause);
        }
        Control::CONFLICT
    }

    /// Runs user code in the middle of an operation; should it unwind, the attempt is doomed.
    #[inline(always)]
    pub(crate) fn shielded<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        struct DoomOnUnwind<'a, 't>(&'a mut Tx<'t>);
        impl Drop for DoomOnUnwind<'_, '_> {
            #[cold]
            fn drop(&mut self) {
                if mutant!("P-doom") {
                    return;
                }
                self.0.doom(Cause::Swallowed);
            }
        }
        let bomb = DoomOnUnwind(self);
        let result = f(bomb.0);
        std::mem::forget(bomb);
        result
    }

    /// May the body write? Not when doomed, and not as a snapshot. Panics when decided (E4).
    #[inline(always)]
    pub(crate) fn check_writable(&mut self) -> Result<(), Control> {
        match self.mode {
            Mode::Update => Ok(()),
            Mode::Snapshot => Err(self.wrote_in_snapshot()),
            Mode::Doomed => Err(Control::CONFLICT),
            Mode::Decided => self.refuse_when_decided(),
        }
    }

    /// Nothing that the body does any more may be wanted of this attempt (E4).
    #[inline(always)]
    pub(crate) fn assert_undecided(&self) {
        if self.mode == Mode::Decided {
            self.refuse_when_decided();
        }
    }

    /// Makes `pending` the pending value of `block`.
    #[inline(always)]
    pub(crate) fn stage(&mut self, block: Pinned, pending: Pending) -> Result<(), Control> {
        if !self.log.writes.may_contain(block) {
            let last_read = self.log.reads.last_if(block);
            self.log.writes.stage_first(block, pending, last_read);
            return Ok(());
        }
        self.stage_otherwise(block, pending)
    }

    /// The variable may have an entry, or the attempt is no update any more.
    #[inline(never)]
    fn stage_otherwise(&mut self, block: Pinned, pending: Pending) -> Result<(), Control> {
        if self.mode == Mode::Update {
            let last_read = self.log.reads.last_if(block);
            self.log.writes.stage_again(block, pending, last_read);
            return Ok(());
        }
        self.refuse(pending)
    }

    /// Has the commit add to a variable that is a word. Not a read.
    #[inline(always)]
    pub(crate) fn stage_summand(&mut self, block: Pinned, summand: u64) -> Result<(), Control> {
        block.prefetch_for_write();
        if !self.log.writes.may_contain(block) {
            self.log.writes.stage_first_summand(block, summand);
            return Ok(());
        }
        self.stage_summand_otherwise(block, summand)
    }

    /// The same where the variable may have an entry, or functions: then it is added to what they give.
    #[inline(never)]
    fn stage_summand_otherwise(&mut self, block: Pinned, summand: u64) -> Result<(), Control> {
        self.check_writable()?;
        let writes = &mut self.log.writes;
        let at = writes.find(block);
        if let Some(at) = at
            && let Some(before) = writes.summand(at)
        {
            writes.change_summand(at, before.wrapping_add(summand));
            return Ok(());
        }
        if at.is_none() && !self.log.commutes.touches(block) {
            self.log.writes.stage_first_summand(block, summand);
            return Ok(());
        }
        let bits = self.see(block, FormHint::Inline)?.bits();
        self.stage(block, Pending::bits(bits.wrapping_add(summand)))
    }

    /// Makes `values` pending for the words of a record that they are for.
    ///
    /// # Safety
    ///
    /// `record` has `N` words (Q1).
    #[allow(unsafe_code)]
    #[inline(always)]
    pub(crate) unsafe fn stage_words<const N: usize, const M: usize>(
        &mut self,
        record: Pinned,
        values: [(usize, u64); M],
    ) -> Result<(), Control> {
        record.prefetch_for_write();
        let last_read = self.log.reads.last_if(record);
        if !self.log.writes.may_contain(record) {
            let patch = patch::pending::<N, M>(values);
            self.log.writes.stage_first(record, patch, last_read);
            return Ok(());
        }
        self.check_writable()?;
        // SAFETY: the caller's promise.
        unsafe { (self.log.writes).stage_words::<N, M>(record, values, last_read) };
        Ok(())
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
        if self.log.writes.is_untidy() {
            return self.commit_untidy();
        }
        if self.log.writes.is_empty() {
            // Read-only: T1 says that all reads held together at one moment within the call.
            return Ok(());
        }
        commit::commit(self.pin, self.log)
    }

    #[inline(never)]
    fn commit_untidy(&mut self) -> Result<(), Cause> {
        match self.mode {
            Mode::Doomed => return Err(self.cause()),
            // X4.
            Mode::Decided => return Ok(()),
            Mode::Update | Mode::Snapshot => {}
        }
        if self.log.is_read_only() {
            self.log.hooks.draw_turn();
            self.log.hooks.note_commit();
            return Ok(());
        }
        commit::commit(self.pin, self.log)
    }

    /// The body returned an error of its own: its writes are dropped, its reads were consistent (T1).
    #[cold]
    pub(crate) fn roll_back(&mut self, waiter: impl FnOnce() -> Waiter) -> Verdict {
        if self.mode == Mode::Doomed {
            return self.conflict(self.cause(), waiter);
        }
        Verdict::RolledBack
    }

    /// The body has unwound.
    #[cold]
    pub(crate) fn unwound(&self) -> Verdict {
        match self.mode {
            Mode::Decided => Verdict::Decided,
            _ => Verdict::Unwound,
        }
    }

    /// The attempt is thrown away over `cause`. Behind an undecided commit the call sleeps until that is decided.
    #[cold]
    pub(crate) fn conflict(&mut self, cause: Cause, waiter: impl FnOnce() -> Waiter) -> Verdict {
        match self.log.behind.take() {
            Some(undecided) if cause == Cause::Undecided => {
                self.note_conflict(cause);
                let over = self.log.blamed.expect("noted with what was in the way");
                let registration = Registration::behind(waiter(), undecided, over);
                Verdict::Wait(Box::new(registration))
            }
            _ => Verdict::Conflict(cause),
        }
    }

    /// The body returned `control`.
    #[cold]
    pub(crate) fn stop(&mut self, control: Control, waiter: impl FnOnce() -> Waiter) -> Verdict {
        if self.mode == Mode::Doomed {
            return self.conflict(self.cause(), waiter);
        }
        if control.kind() == Kind::Conflict {
            return self.conflict(Cause::Foreign, waiter);
        }
        // Whatever drove this attempt into a snapshot is over when the body runs again over a changed state.
        if self.call.start == Start::TrackedSnapshot {
            self.call.start = Start::Update;
        }
        if self.outdated {
            // An old value was read: what the body would wait for has happened.
            return Verdict::Changed;
        }
        // One that the body has thrown away does not count.
        let until = match control.kind() {
            Kind::RetryUntil => self.log.wait_until.take(),
            _ => None,
        };
        let reads = self.log.reads.as_slice();
        let may_watch = self.call.kind == Caller::Thread && self.log.holder.is_none();
        if may_watch && watch(reads) == Watched::Change {
            return Verdict::Changed;
        }
        match Registration::register(waiter(), reads, until) {
            Register::Asleep(registration) => Verdict::Wait(Box::new(registration)),
            Register::Changed => Verdict::Changed,
            Register::NothingToWaitFor => Verdict::NothingToWaitFor,
        }
    }

    #[cold]
    fn cause(&self) -> Cause {
        self.cause.unwrap_or(Cause::Swallowed)
    }

    /// Whether the attempt is a plain update without remains: there is nothing to end.
    #[inline(always)]
    pub(crate) fn is_plain(&self) -> bool {
        !self.log.writes.is_untidy()
    }

    /// Ends an attempt that did not commit.
    #[cold]
    pub(crate) fn end_failed(mut self, verdict: &Verdict) {
        if let Verdict::Conflict(cause) = *verdict {
            self.note_conflict(cause);
        }
        self.end();
    }

    /// Ends the attempt. The ticket goes back to the clock after the last read and before the unpin.
    pub(crate) fn end(mut self) {
        if let Some(ticket) = self.ticket.take()
            && !mutant!("D-ticket")
        {
            clock().end_snapshot(ticket);
        }
    }

    /// Chooses how the next attempt begins after this one met a conflict.
    #[cold]
    fn note_conflict(&mut self, cause: Cause) {
        self.call.note_failure(cause);
        if self.log.holder.is_some() {
            return;
        }
        // P3: what fails over its reads alone has read consistently but too long; as a tracked snapshot it
        // gets through. Should it turn out to write, A3 sends it back for good.
        let wrote = !self.log.is_read_only();
        let tracked = cause.spares_a_snapshot() && !wrote && self.call.may_be_snapshot;
        self.call.start = if tracked && !mutant!("X4") {
            Start::TrackedSnapshot
        } else {
            Start::Update
        };
    }
}

impl fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("attempt", &self.call.attempt)
            .field("mode", &self.mode)
            .field("rv", &self.rv)
            .finish_non_exhaustive()
    }
}
