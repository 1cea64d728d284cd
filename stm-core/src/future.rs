//! Running transactions: the loop of attempts around a body, for tasks of any executor.
//!
//! The body is synchronous and runs within one poll; between polls nothing of an attempt is alive but its
//! registration in the waiter table. So the future is `Send` when body and result are, and dropping it at any
//! point is a clean cancellation: either the transaction has committed, or nothing has happened.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use crate::alarm::Alarm;
use crate::call::{Call, Caller, Pause};
use crate::context;
use crate::error::{Abort, Stm};
use crate::mutant::mutant;
use crate::options::{Limits, Unlimited};
use crate::priority::TaskWait;
use crate::run::{Step, attempt};
use crate::sight;
use crate::tx::Tx;
use crate::wait::{Reason, Registration, Waiter};

/// Attempts after which a poll lets other tasks of the executor run.
const ATTEMPTS_PER_POLL: u32 = if cfg!(stm_stress) { 4 } else { 16 };

/// The future of [`atomically_async`].
#[must_use = "futures do nothing unless polled"]
pub struct AtomicallyAsync<F, R>(Running<F, R, Unlimited>);

/// A transaction that a task runs, within limits.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Running<F, R, L> {
    body: F,
    state: State,
    what: &'static str,
    caller: &'static Location<'static>,
    limits: L,
    _result: PhantomData<fn() -> R>,
}

enum State {
    Running(Call),
    /// Between two attempts.
    Paused {
        call: Call,
        /// Wake the task, whichever comes first.
        _wait: TaskWait,
        _alarm: Alarm,
    },
    Waiting(Call, Box<Registration>),
    Finished,
}

/// As [`atomically`](crate::atomically), for tasks: the future is pending while the body waits.
///
/// The body is synchronous. It runs inside `poll`, on whatever executor, and may run several times.
///
/// # Blocking
///
/// Never for a [`retry`](crate::retry): the task sleeps. A poll may wait briefly for other commits, and gives
/// way to other tasks after a bounded number of attempts.
///
/// # Cancel safety
///
/// Dropping the future before it is ready means that nothing has happened; no registration is left behind.
///
/// # Panics
///
/// Polling panics where [`atomically`](crate::atomically) does, and after the future has finished.
///
/// ```
/// use stm_core::{atomically_async, check, TVar};
/// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
///
/// let door = TVar::new(false);
/// let mut enter = pin!(atomically_async(|tx| check(door.read(tx)?)));
///
/// let mut cx = Context::from_waker(Waker::noop());
/// assert!(enter.as_mut().poll(&mut cx).is_pending());
/// door.store(true); // wakes the task
/// assert!(enter.as_mut().poll(&mut cx).is_ready());
/// ```
#[track_caller]
pub fn atomically_async<R, F>(body: F) -> AtomicallyAsync<F, R>
where
    F: FnMut(&mut Tx<'_>) -> Stm<R>,
{
    AtomicallyAsync(Running::new(
        "atomically_async",
        Location::caller(),
        Unlimited,
        body,
    ))
}

impl<F, R> Future for AtomicallyAsync<F, R>
where
    F: FnMut(&mut Tx<'_>) -> Stm<R>,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        Pin::new(&mut self.get_mut().0)
            .poll(cx)
            .map(|Ok(result)| result)
    }
}

impl<F, R, L> Running<F, R, L> {
    pub(crate) const fn new(
        what: &'static str,
        caller: &'static Location<'static>,
        limits: L,
        body: F,
    ) -> Self {
        Self {
            body,
            state: State::Running(Call::of(Caller::Task)),
            what,
            caller,
            limits,
            _result: PhantomData,
        }
    }
}

// The body is called through `&mut` and never pinned.
impl<F, R, L> Unpin for Running<F, R, L> {}

impl<F, R, L: Limits> Future for Running<F, R, L>
where
    F: FnMut(&mut Tx<'_>) -> Stm<R>,
{
    type Output = Result<R, L::Stopped>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        context::with(|ctx| {
            ctx.assert_outside(this.what, this.caller);
            // Should the body panic, the future is finished.
            let mut call = match std::mem::replace(&mut this.state, State::Finished) {
                State::Running(call) => call,
                State::Paused { call, .. } => {
                    if let Err(stopped) = this.limits.go_on(&call) {
                        return Poll::Ready(Err(stopped));
                    }
                    match pause(call, &this.limits, cx) {
                        Ok(goes_on) => goes_on,
                        Err(paused) => {
                            this.state = paused;
                            return Poll::Pending;
                        }
                    }
                }
                State::Waiting(call, registration) => {
                    match settle(call, registration, &this.limits, cx) {
                        Settled::Woken(Ok(call)) => call,
                        Settled::Woken(Err(stopped)) => return Poll::Ready(Err(stopped)),
                        Settled::Asleep(waiting) => {
                            this.state = waiting;
                            return Poll::Pending;
                        }
                    }
                }
                State::Finished => panic!(
                    "the future of {} at {} was polled after it had finished",
                    this.what, this.caller
                ),
            };
            let mut body = |tx: &mut Tx<'_>| (this.body)(tx).map_err(Abort::<Infallible>::Control);
            let (what, caller) = (this.what, this.caller);
            let patience_ends = call.attempt.saturating_add(ATTEMPTS_PER_POLL);
            loop {
                match attempt(&mut call, ctx, &mut body, what, caller, Waiter::of_a_task) {
                    Step::Done(Ok(result)) => return Poll::Ready(Ok(result)),
                    Step::Done(Err(never)) => match never {},
                    Step::Changed => {
                        if let Err(stopped) = this.limits.go_on(&call) {
                            return Poll::Ready(Err(stopped));
                        }
                    }
                    Step::Again => {
                        if let Err(stopped) = this.limits.go_on(&call) {
                            return Poll::Ready(Err(stopped));
                        }
                        match pause(call, &this.limits, cx) {
                            Ok(goes_on) => call = goes_on,
                            Err(paused) => {
                                this.state = paused;
                                return Poll::Pending;
                            }
                        }
                    }
                    Step::Wait(registration) => {
                        match settle(call, registration, &this.limits, cx) {
                            Settled::Woken(Ok(woken)) => call = woken,
                            Settled::Woken(Err(stopped)) => return Poll::Ready(Err(stopped)),
                            Settled::Asleep(waiting) => {
                                this.state = waiting;
                                return Poll::Pending;
                            }
                        }
                    }
                    Step::NothingToWaitFor => {
                        let stopped = this.limits.nothing_to_wait_for(this.what, this.caller);
                        return Poll::Ready(Err(stopped));
                    }
                }
                if call.attempt >= patience_ends {
                    if !mutant!("D-token-poll") {
                        call.let_go();
                    }
                    this.state = State::Running(call);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        })
    }
}

/// The call, if there is nothing (more) to pause for; else the state to be pending in.
#[cold]
fn pause<L: Limits>(mut call: Call, limits: &L, cx: &TaskContext<'_>) -> Result<Call, State> {
    let Pause::Wait(wait) = call.poll_pause(cx.waker()) else {
        return Ok(call);
    };
    let end = limits
        .deadline()
        .map_or(wait.until(), |end| end.min(wait.until()));
    let waker = cx.waker().clone();
    Err(State::Paused {
        call,
        _wait: wait,
        _alarm: Alarm::set(end, move || waker.wake()),
    })
}

/// How a poll finds a wait.
enum Settled<S> {
    /// Over: the call may go on, or is at a limit.
    Woken(Result<Call, S>),
    Asleep(State),
}

/// Leaves the task's waker with the registration; gives the call back if it has been woken by then.
///
/// A poll without a wake-up only does this: it does not run the body.
fn settle<L: Limits>(
    mut call: Call,
    mut registration: Box<Registration>,
    limits: &L,
    cx: &TaskContext<'_>,
) -> Settled<L::Stopped> {
    registration.waiter().refresh(cx.waker());
    registration.end_at(limits.deadline());
    if !registration.waiter().is_woken() {
        return Settled::Asleep(State::Waiting(call, registration));
    }
    let reason = registration.reason();
    sight::note_wake(&mut call, &registration);
    drop(registration);
    if let Err(stopped) = limits.go_on(&call) {
        return Settled::Woken(Err(stopped));
    }
    match reason {
        Reason::Retry => Settled::Woken(Ok(call)),
        Reason::Undecided => match pause(call, limits, cx) {
            Ok(goes_on) => Settled::Woken(Ok(goes_on)),
            Err(paused) => Settled::Asleep(paused),
        },
    }
}

impl<F, R> fmt::Debug for AtomicallyAsync<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0.state {
            State::Running(_) => "running",
            State::Paused { .. } => "paused",
            State::Waiting(..) => "waiting",
            State::Finished => "finished",
        };
        f.debug_struct("AtomicallyAsync")
            .field("state", &state)
            .field("at", self.0.caller)
            .finish()
    }
}
