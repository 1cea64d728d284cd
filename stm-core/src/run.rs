//! Running transactions: the loop of attempts around a body, for threads.
//!
//! # State
//!
//! ```text
//!            ┌──────────────── conflict: back off ────────────────┐
//!            ▼                                                    │
//!  call ─▶ pin ─▶ begin ─▶ body ─▶ commit / register / roll back ─┤
//!            ▲                              │                     │
//!            └── woken ◀── sleep ◀── retry ─┘                     ▼
//!                                                     log free, unpin, wake, drop, result
//! ```
//!
//! # Invariants
//!
//! - A1  User code runs with no word locked. Bodies and what they call run inside; wakers, and the `Drop` of values that are
//!   ours to drop, run with the thread outside of a transaction and its log free.
//! - A2  A body that panics leaves nothing behind: no lock is held while it runs, and the attempt is cleared away
//!   before the panic goes on.
//! - A3  A call that wrote after its attempt had become a snapshot never becomes one again.

use std::any::Any;
use std::convert::Infallible;
use std::panic::{Location, resume_unwind};

use crate::call::{Call, Caller};
use crate::cause::{Cause, Control, Kind};
use crate::clock::clock;
use crate::context::{self, Context, Inside};
use crate::diagnostics::observer;
use crate::diagnostics::origin::Origin;
use crate::error::{Abort, Stm};
use crate::limbo;
use crate::log::Aftermath;
use crate::mutant::{self, caught, mutant};
use crate::options::{Limits, Unlimited};
use crate::reclaim::Pin;
use crate::record::{self, CallId};
use crate::sight;
use crate::snapshot::Snapshot;
use crate::tx::{Tx, Verdict};
use crate::wait::{Reason, Registration, Waiter};

/// How one attempt ended, seen from its call.
#[must_use]
pub(crate) enum Step<R, E> {
    Done(Result<R, E>),
    /// It met a conflict: run again, after a pause.
    Again,
    /// What it waited for has come already: run again.
    Changed,
    /// Run again when woken.
    Wait(Box<Registration>),
    NothingToWaitFor,
}

/// One attempt of `call`, cleared away to the last bit.
///
/// `what` and `caller` are the parts of an [`Origin`], which only the unusual ends put together.
#[inline(always)]
pub(crate) fn attempt<R, E>(
    call: &mut Call,
    ctx: &Context,
    body: &mut impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
    what: &'static str,
    caller: &'static Location<'static>,
    waiter: impl FnOnce(Origin) -> Waiter,
) -> Step<R, E> {
    call.attempt += 1;
    if mutant!("X6") {
        mutant::note(mutant::early(|| clock().sample().time()));
    }
    let pin = ctx.pin();
    let mut inside = ctx.enter();
    record::begin(&mut call.id, call.attempt, what);
    let mut tx = Tx::begin(&pin, inside.log(), call);
    tx.begin_as_due();
    let run = || {
        let answer = body(&mut tx);
        if answer.is_err() {
            tx.assert_undecided();
        }
        answer
    };
    let result = caught!("P-body", run);
    let waiter = || waiter(Origin::new(what, caller));
    let (verdict, answer) = match result {
        Ok(Ok(result)) => match tx.commit() {
            Ok(()) => {
                record::committed();
                ctx.count_commit();
                if tx.is_plain() {
                    settle(inside.leave_tidy(), pin);
                } else {
                    tx.end();
                    conclude(inside, pin, Parting::Over, call, ctx);
                }
                if observer::hears_commits() {
                    sight::tell_commit(call.attempt, Origin::new(what, caller));
                }
                return Step::Done(Ok(result));
            }
            // The panic is in the log, and goes on from there.
            Err(Cause::CommutePanicked) => (Verdict::Unwound, Ok(Ok(result))),
            Err(cause) => (tx.conflict(cause, waiter), Ok(Ok(result))),
        },
        Ok(Err(Abort::User(error))) => (tx.roll_back(waiter), Ok(Err(Some(error)))),
        Ok(Err(Abort::Control(control))) => (tx.stop(control, waiter), Ok(Err(None))),
        Err(panic) => (tx.unwound(), Err(panic)),
    };
    tx.end_failed(&verdict);
    let origin = Origin::new(what, caller);
    not_committed(inside, pin, verdict, answer, call, origin, ctx)
}

/// Every end of an attempt but the usual one.
#[cold]
#[inline(never)]
fn not_committed<R, E>(
    mut inside: Inside<'_>,
    pin: Pin,
    verdict: Verdict,
    answer: Answer<R, E>,
    call: &mut Call,
    origin: Origin,
    ctx: &Context,
) -> Step<R, E> {
    call.origin = Some(origin);
    record::not_committed(&verdict, inside.log());
    let event = sight::note_end(&verdict, inside.log(), call, origin);
    let parting = match verdict {
        Verdict::Wait(_) => Parting::AsleepSoon,
        Verdict::Conflict(_) => Parting::Again,
        _ => Parting::Over,
    };
    conclude(inside, pin, parting, call, ctx);
    if let Some(event) = event {
        event.tell();
    }
    let answer = answer.unwrap_or_else(|panic| resume_unwind(panic));
    match verdict {
        Verdict::RolledBack => match answer {
            Err(Some(error)) => Step::Done(Err(error)),
            _ => unreachable!("only an error of the body's own rolls back"),
        },
        Verdict::Unwound | Verdict::Decided => unreachable!("the panic has gone on"),
        Verdict::Conflict(_) => Step::Again,
        Verdict::Changed => Step::Changed,
        Verdict::Wait(registration) => Step::Wait(registration),
        Verdict::NothingToWaitFor => Step::NothingToWaitFor,
    }
}

/// What a body came to that did not commit: a result or its own error, to be dropped or returned late, or a panic.
type Answer<R, E> = Result<Result<R, Option<E>>, Box<dyn Any + Send>>;

/// What follows the attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// Another attempt of the same call, at once.
    Again,
    /// Anything else but a wait.
    Over,
    /// The thread or task sleeps next and would keep its last garbage for as long.
    AsleepSoon,
}

/// Clears the attempt away and does what was put off until nothing is held: A1.
#[inline(never)]
fn conclude(inside: Inside<'_>, pin: Pin, parting: Parting, call: &mut Call, ctx: &Context) {
    let aftermath = inside.leave();
    drop(pin);
    let keeps_token = match parting {
        Parting::AsleepSoon => mutant!("X9"),
        Parting::Over => mutant!("D-token-over"),
        Parting::Again => false,
    };
    if parting != Parting::Again && !keeps_token {
        // Q3. Wakes who waits for the token: not before the unpin.
        call.let_go();
    }
    if let Some(aftermath) = aftermath {
        aftermath.settle();
    }
    if parting == Parting::AsleepSoon && !mutant!("D-garbage") {
        limbo::tidy_up(ctx);
    } else {
        limbo::tend();
    }
}

/// The log is free: unpins, and does what was put off.
#[inline(always)]
fn settle(aftermath: Option<Box<Aftermath>>, pin: Pin) {
    drop(pin);
    if let Some(aftermath) = aftermath {
        aftermath.settle();
    }
    limbo::tend();
}

/// Attempts until a result, or a limit.
#[inline]
pub(crate) fn run<R, E, L: Limits>(
    what: &'static str,
    caller: &'static Location<'static>,
    limits: &L,
    mut body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
) -> Result<Result<R, E>, L::Stopped> {
    context::with(|ctx| {
        ctx.assert_outside(what, caller);
        let mut call = Call::of(Caller::Thread);
        call.may_sleep_inside = limits.deadline().is_none();
        loop {
            match attempt(
                &mut call,
                ctx,
                &mut body,
                what,
                caller,
                Waiter::of_this_thread,
            ) {
                Step::Done(result) => return Ok(result),
                Step::Again => {
                    call.pause(limits.deadline());
                    limits.go_on(&call)?;
                }
                Step::Changed => limits.go_on(&call)?,
                Step::Wait(registration) => {
                    registration.sleep(limits.deadline());
                    let reason = registration.reason();
                    sight::note_wake(&mut call, &registration);
                    drop(registration);
                    if reason == Reason::Undecided {
                        call.pause(limits.deadline());
                    }
                    limits.go_on(&call)?;
                }
                Step::NothingToWaitFor => return Err(limits.nothing_to_wait_for(what, caller)),
            }
        }
    })
}

/// Runs `body` as one transaction and returns its result: everything that it read was true together with
/// everything that it wrote, at one moment within this call.
///
/// The body may run several times: when another transaction was in the way, and after a [`retry`](crate::retry).
/// It must not have effects of its own besides those on variables. Only the last run's writes are ever seen by
/// anybody. Every run, also one that is thrown away, sees a consistent state.
///
/// A body that writes nothing is never aborted for its length: where it would fail it goes on over the state of
/// one past moment, or starts over once.
///
/// # Blocking
///
/// Sleeps after a [`retry`](crate::retry) until something that the body read has changed. Otherwise it waits for
/// other commits only, briefly; for one with a decider ([`Tx::decide`](crate::Tx::decide)), until that has its
/// answer.
///
/// # Panics
///
/// - Inside another transaction on the same thread: pass its `tx` on instead.
/// - If the body retries without having read anything that another transaction could write.
/// - With the body's panic; then it is as if this call had not been.
///
/// ```
/// use stm_core::{atomically, Stm, TVar, Tx};
///
/// fn withdraw(tx: &mut Tx<'_>, from: &TVar<i64>, amount: i64) -> Stm<()> {
///     stm_core::check(from.read(tx)? >= amount)?; // waits for cover
///     from.modify(tx, |balance| balance - amount)
/// }
/// fn deposit(tx: &mut Tx<'_>, to: &TVar<i64>, amount: i64) -> Stm<()> {
///     to.modify(tx, |balance| balance + amount)
/// }
///
/// let (a, b) = (TVar::new(100), TVar::new(0));
/// atomically(|tx| {
///     withdraw(tx, &a, 30)?;
///     deposit(tx, &b, 30)
/// });
/// assert_eq!((a.load(), b.load()), (70, 30));
/// ```
#[track_caller]
#[inline]
pub fn atomically<R>(mut body: impl FnMut(&mut Tx<'_>) -> Stm<R>) -> R {
    let caller = Location::caller();
    let body = |tx: &mut Tx<'_>| body(tx).map_err(Abort::<Infallible>::Control);
    let Ok(Ok(result)) = run("atomically", caller, &Unlimited, body);
    result
}

/// As [`atomically`], with a body that may fail by its own choice.
///
/// # Errors
///
/// What the body passed to [`abort`](crate::abort): its writes are undone then. Like a result, an error rests on
/// a consistent state.
///
/// # Blocking
///
/// As [`atomically`].
///
/// # Panics
///
/// As [`atomically`].
///
/// ```
/// use stm_core::{abort, try_atomically, TVar};
///
/// let (a, b) = (TVar::new(10), TVar::new(0));
/// let moved = try_atomically(|tx| {
///     a.modify(tx, |n| n - 30)?;
///     b.modify(tx, |n| n + 30)?;
///     if a.read(tx)? < 0 {
///         return abort("no cover");
///     }
///     Ok(())
/// });
/// assert_eq!(moved, Err("no cover"));
/// assert_eq!((a.load(), b.load()), (10, 0));
/// ```
#[track_caller]
#[inline]
pub fn try_atomically<R, E>(body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>) -> Result<R, E> {
    let Ok(result) = run("try_atomically", Location::caller(), &Unlimited, body);
    result
}

/// Runs `body` over the state of one moment within this call, while writers go on.
///
/// It has no read set and cannot fail: the body runs once, however long it is and however much is written
/// meanwhile. (A body that returns a [`Control`] which it kept from some other transaction runs again.) In exchange it cannot write, and it costs two updates of one shared word, so short reads are
/// cheaper in [`atomically`].
///
/// While it runs, values that are replaced stay allocated, and commits of word-sized variables save the old
/// value once per snapshot time: a snapshot that lasts for minutes under heavy writing costs memory.
///
/// Source: Riegel, Felber and Fetzer, "A Lazy Snapshot Algorithm with Eager Validation", DISC 2006,
/// doi:10.1007/11864219_20, for reading old versions at a fixed time.
///
/// # Blocking
///
/// Waits for a commit that is under way on a variable that it reads, briefly; for one with a decider, until that has its answer.
///
/// # Panics
///
/// - Inside a transaction on the same thread.
/// - If the body calls [`retry`](crate::retry): what it reads never changes.
/// - With the body's panic.
///
/// ```
/// use stm_core::{snapshot, ReadTx, Stm, TVar};
///
/// fn total(tx: &mut impl ReadTx, accounts: &[TVar<i64>]) -> Stm<i64> {
///     let mut sum = 0;
///     for account in accounts {
///         sum += account.read(tx)?;
///     }
///     Ok(sum)
/// }
///
/// let accounts: Vec<_> = (0..100).map(|_| TVar::new(10)).collect();
/// assert_eq!(snapshot(|s| total(s, &accounts)), 1000);
/// ```
#[track_caller]
pub fn snapshot<R>(mut body: impl FnMut(&mut Snapshot<'_>) -> Stm<R>) -> R {
    let caller = Location::caller();
    context::with(|ctx| {
        ctx.assert_outside("snapshot", caller);
        loop {
            match snapshot_once(ctx, &mut body, caller).map_err(Control::kind) {
                Ok(result) => return result,
                Err(Kind::Retry | Kind::RetryUntil) => panic!(
                    "the body of snapshot at {caller} called `retry`: a snapshot never changes, so the wait \
                     would not end; wait in `atomically`"
                ),
                // Not from this snapshot, which has no conflicts, but kept from some other transaction.
                Err(Kind::Conflict) => {}
            }
        }
    })
}

fn snapshot_once<R>(
    ctx: &Context,
    body: &mut impl FnMut(&mut Snapshot<'_>) -> Stm<R>,
    caller: &'static Location<'static>,
) -> Stm<R> {
    let early = mutant!("X6").then(|| mutant::early(|| clock().begin_snapshot()));
    let pin = ctx.pin();
    let inside = ctx.enter();
    record::begin(&mut CallId::new(), 1, "snapshot");
    // After the pin: R2 and H3 rest on it.
    let ticket = early.unwrap_or_else(|| clock().begin_snapshot());
    let origin = Origin::new("snapshot", caller);
    let mut snapshot = Snapshot::new(&pin, &ticket, origin);
    let answer = caught!("P-snapshot", || body(&mut snapshot));
    record::snapshot_ended(&answer);
    if !mutant!("D-snapshot") {
        clock().end_snapshot(ticket);
    }
    settle(inside.leave(), pin);
    answer.unwrap_or_else(|panic| resume_unwind(panic))
}

/// True while this thread runs the body of a transaction or a snapshot.
///
/// ```
/// use stm_core::{atomically, in_transaction};
///
/// assert!(!in_transaction());
/// assert!(atomically(|_| Ok(in_transaction())));
/// ```
#[must_use]
pub fn in_transaction() -> bool {
    context::with(Context::is_inside)
}

/// The guard for what a transaction must not do, input and output above all: a body may run several times and
/// be thrown away.
///
/// # Panics
///
/// Inside a transaction, naming `what`.
///
/// ```
/// fn send_mail(_to: &str) {
///     stm_core::forbid_in_transaction("sending mail");
///     // ..
/// }
/// send_mail("somebody");
/// ```
#[track_caller]
pub fn forbid_in_transaction(what: &str) {
    assert!(
        !in_transaction(),
        "{what} inside a transaction: its body may run several times and be thrown away; \
         return what is to be done and do it after the transaction"
    );
}

/// Runs `f` now; inside a transaction, when the attempt that runs on this thread is over, however it ends.
///
/// It is meant for a `Drop` that needs a transaction, like that of a guard which gives something back: such a value may be
/// dropped anywhere, also in a body, where no second transaction can be run. It is no commit hook: `f` runs after an attempt
/// that is thrown away, too, and once for each attempt that asks for it.
///
/// # Panics
///
/// Outside of a transaction, with `f`'s panic. One that comes later, after an attempt, is reported by the panic hook and goes
/// no further.
///
/// ```
/// use stm_core::{after_attempt, atomically, TVar};
///
/// struct Borrowed(TVar<u32>);
/// impl Drop for Borrowed {
///     fn drop(&mut self) {
///         let free = self.0.clone();
///         after_attempt(move || atomically(|tx| free.modify(tx, |n| n + 1)));
///     }
/// }
///
/// let free = TVar::new(0);
/// atomically(|_| {
///     drop(Borrowed(free.clone()));
///     Ok(())
/// });
/// assert_eq!(free.load(), 1);
/// ```
pub fn after_attempt(f: impl FnOnce() + 'static) {
    context::with(|ctx| ctx.when_outside(f));
}
