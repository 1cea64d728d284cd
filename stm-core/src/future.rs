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

use crate::contention;
use crate::context;
use crate::error::{Abort, Stm};
use crate::run::{Step, attempt, nothing_to_wait_for};
use crate::tx::{Call, Tx};
use crate::wait::{Registration, Waiter};

/// Attempts after which a poll lets other tasks of the executor run.
const ATTEMPTS_PER_POLL: u32 = 16;

/// The future of [`atomically_async`].
#[must_use = "futures do nothing unless polled"]
pub struct AtomicallyAsync<F, R> {
    body: F,
    state: State,
    caller: &'static Location<'static>,
    _result: PhantomData<fn() -> R>,
}

enum State {
    Running(Call),
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
    AtomicallyAsync {
        body,
        state: State::Running(Call::new()),
        caller: Location::caller(),
        _result: PhantomData,
    }
}

// The body is called through `&mut` and never pinned.
impl<F, R> Unpin for AtomicallyAsync<F, R> {}

impl<F, R> Future for AtomicallyAsync<F, R>
where
    F: FnMut(&mut Tx<'_>) -> Stm<R>,
{
    type Output = R;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<R> {
        let this = self.get_mut();
        context::with(|ctx| {
            ctx.assert_outside("polling atomically_async", this.caller);
            // Should the body panic, the future is finished.
            let mut call = match std::mem::replace(&mut this.state, State::Finished) {
                State::Running(call) => call,
                State::Waiting(call, registration) => match settle(call, registration, cx) {
                    Ok(call) => call,
                    Err(waiting) => {
                        this.state = waiting;
                        return Poll::Pending;
                    }
                },
                State::Finished => panic!(
                    "the future of atomically_async at {} was polled after it had finished",
                    this.caller
                ),
            };
            let mut body = |tx: &mut Tx<'_>| (this.body)(tx).map_err(Abort::<Infallible>::Control);
            let patience_ends = call.attempt + ATTEMPTS_PER_POLL;
            loop {
                match attempt(&mut call, ctx, &mut body, Waiter::of_a_task) {
                    Step::Done(Ok(result)) => return Poll::Ready(result),
                    Step::Done(Err(never)) => match never {},
                    Step::Again => contention::back_off(call.failures),
                    Step::Wait(registration) => match settle(call, registration, cx) {
                        Ok(woken) => call = woken,
                        Err(waiting) => {
                            this.state = waiting;
                            return Poll::Pending;
                        }
                    },
                    Step::NothingToWaitFor => nothing_to_wait_for("atomically_async", this.caller),
                }
                if call.attempt >= patience_ends {
                    this.state = State::Running(call);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        })
    }
}

/// Leaves the task's waker with the registration; gives the call back if it has been woken by then.
///
/// A poll without a wake-up only does this: it does not run the body.
fn settle(
    call: Call,
    registration: Box<Registration>,
    cx: &TaskContext<'_>,
) -> Result<Call, State> {
    registration.waiter().refresh(cx.waker());
    if registration.waiter().is_woken() {
        Ok(call)
    } else {
        Err(State::Waiting(call, registration))
    }
}

impl<F, R> fmt::Debug for AtomicallyAsync<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Running(_) => "running",
            State::Waiting(..) => "waiting",
            State::Finished => "finished",
        };
        f.debug_struct("AtomicallyAsync")
            .field("state", &state)
            .field("at", self.caller)
            .finish()
    }
}
