//! Transactions with limits: a name, a deadline, a number of attempts.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::decide::{self, Decision};
use crate::error::{Abort, Stm};
use crate::future::Running;
use crate::run;
use crate::tx::Tx;

/// How long a call may go on, and how it ends where it may not.
pub(crate) trait Limits {
    /// Why a call was ended.
    type Stopped;

    /// Asked before each attempt but the first.
    fn go_on(&self, call: &Call) -> Result<(), Self::Stopped>;

    /// No wait is to last beyond this.
    fn deadline(&self) -> Option<Instant>;

    /// The body asked to wait, and nothing could ever wake it.
    fn nothing_to_wait_for(&self, what: &str, caller: &Location<'_>) -> Self::Stopped;
}

/// For [`atomically`](crate::atomically) and its kin.
pub(crate) struct Unlimited;

impl Limits for Unlimited {
    type Stopped = Infallible;

    #[inline(always)]
    fn go_on(&self, _call: &Call) -> Result<(), Infallible> {
        Ok(())
    }

    #[inline(always)]
    fn deadline(&self) -> Option<Instant> {
        None
    }

    #[cold]
    fn nothing_to_wait_for(&self, what: &str, caller: &Location<'_>) -> Infallible {
        panic!(
            "the body of {what} at {caller} called `retry` without having read any variable that another \
             transaction could write: nothing could ever wake it; read what you wait for before you retry"
        );
    }
}

/// Limits that have begun to run.
pub(crate) struct Limited {
    deadline: Option<Instant>,
    max_attempts: u32,
}

impl Limits for Limited {
    type Stopped = Stopped;

    fn go_on(&self, call: &Call) -> Result<(), Stopped> {
        if call.attempt >= self.max_attempts {
            return Err(Stopped::TooManyAttempts);
        }
        if self.deadline.is_some_and(|end| Instant::now() >= end) {
            return Err(Stopped::TimedOut);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn nothing_to_wait_for(&self, _what: &str, _caller: &Location<'_>) -> Stopped {
        Stopped::NothingToWaitFor
    }
}

/// Why a [`Transaction`] ended without a result. Nothing that it wrote is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Stopped {
    /// Its time was over, in a wait or between two attempts.
    TimedOut,
    /// It ran as often as it may.
    TooManyAttempts,
    /// It asked to wait, but had read nothing that another transaction could write, so nothing could ever wake it.
    NothingToWaitFor,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "the transaction's time was over before it could commit",
            Self::TooManyAttempts => {
                "the transaction ran as often as it may and could not commit"
            }
            Self::NothingToWaitFor => {
                "the transaction called `retry` without having read any variable that another could write"
            }
        })
    }
}

impl std::error::Error for Stopped {}

/// Why [`Transaction::try_run`] gave no result.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TryStopped<E> {
    /// The transaction came to a limit.
    Stopped(Stopped),
    /// The body's own error, passed to [`abort`](crate::abort).
    User(E),
}

impl<E: fmt::Display> fmt::Display for TryStopped<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(stopped) => stopped.fmt(f),
            Self::User(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for TryStopped<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Stopped(stopped) => Some(stopped),
            Self::User(error) => Some(error),
        }
    }
}

/// A transaction with a name and limits, to be run any number of times.
///
/// ```
/// use std::time::Duration;
/// use stm_core::{check, Stopped, Transaction, TVar};
///
/// let door = TVar::new(false);
/// let entered = Transaction::new()
///     .named("enter")
///     .timeout(Duration::from_millis(10))
///     .run(|tx| check(door.read(tx)?));
/// assert_eq!(entered, Err(Stopped::TimedOut));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "it does nothing until it is run"]
pub struct Transaction {
    name: &'static str,
    timeout: Option<Duration>,
    max_attempts: u32,
}

impl Default for Transaction {
    fn default() -> Self {
        Self::new()
    }
}

impl Transaction {
    /// Without limits.
    pub const fn new() -> Self {
        Self {
            name: "Transaction::run",
            timeout: None,
            max_attempts: u32::MAX,
        }
    }

    /// What messages call it.
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How long a run may last: waiting, and trying again. It is looked at between attempts, so a body is never cut off, and a
    /// timeout of zero tries once.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How often the body may run at most. Runs after a wait count like those after a conflict.
    ///
    /// # Panics
    ///
    /// If `attempts` is 0: that would be a transaction that never runs.
    #[track_caller]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        assert!(
            attempts > 0,
            "max_attempts(0) would be a transaction that never runs; allow at least 1"
        );
        self.max_attempts = attempts;
        self
    }

    fn begin(&self) -> Limited {
        Limited {
            // A moment so far away that the clock cannot tell it is no limit.
            deadline: self.timeout.and_then(|t| Instant::now().checked_add(t)),
            max_attempts: self.max_attempts,
        }
    }

    /// As [`atomically`](crate::atomically), within the limits.
    ///
    /// # Errors
    ///
    /// The limit that it came to. Nothing that the body wrote is there then.
    ///
    /// # Blocking
    ///
    /// As [`atomically`](crate::atomically), not beyond the timeout.
    ///
    /// # Panics
    ///
    /// Inside another transaction on the same thread; with the body's panic.
    ///
    /// ```
    /// use stm_core::{retry, Stopped, Transaction};
    ///
    /// let answer = Transaction::new().run(|_| retry::<()>());
    /// assert_eq!(answer, Err(Stopped::NothingToWaitFor));
    /// ```
    #[track_caller]
    pub fn run<R>(&self, mut body: impl FnMut(&mut Tx<'_>) -> Stm<R>) -> Result<R, Stopped> {
        let caller = Location::caller();
        let body = |tx: &mut Tx<'_>| body(tx).map_err(Abort::<Infallible>::Control);
        run::run(self.name, caller, &self.begin(), body).map(|Ok(result)| result)
    }

    /// As [`try_atomically`](crate::try_atomically), within the limits.
    ///
    /// # Errors
    ///
    /// The limit that it came to, or the body's own error. Nothing that the body wrote is there then.
    ///
    /// # Blocking
    ///
    /// As [`atomically`](crate::atomically), not beyond the timeout.
    ///
    /// # Panics
    ///
    /// As [`Transaction::run`].
    ///
    /// ```
    /// use stm_core::{abort, Transaction, TryStopped};
    ///
    /// let answer = Transaction::new().try_run(|_| abort::<(), _>("no"));
    /// assert_eq!(answer, Err(TryStopped::User("no")));
    /// ```
    #[track_caller]
    pub fn try_run<R, E>(
        &self,
        body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
    ) -> Result<R, TryStopped<E>> {
        run::run(self.name, Location::caller(), &self.begin(), body)
            .map_err(TryStopped::Stopped)?
            .map_err(TryStopped::User)
    }

    /// As [`try_atomically_decided`](crate::try_atomically_decided), within the limits.
    ///
    /// A decider that has been called is waited for, however long it takes; the limits are looked at before, and after a
    /// [`Decision::Retry`].
    ///
    /// # Errors
    ///
    /// The limit that it came to, or the error of the body or the decider. Nothing that the body wrote is there then.
    ///
    /// # Blocking
    ///
    /// As [`try_atomically_decided`](crate::try_atomically_decided), not beyond the timeout but for the decider's own time.
    ///
    /// # Panics
    ///
    /// Inside another transaction on the same thread; with the body's or the decider's panic.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stm_core::{Decision, Stopped, TVar, Transaction, TryStopped};
    ///
    /// let x = TVar::new(1);
    /// let answer = Transaction::new()
    ///     .timeout(Duration::from_millis(10))
    ///     .try_run_decided(|tx| Ok(x.read(tx)?), |_| Decision::<()>::Retry);
    /// assert_eq!(answer, Err(TryStopped::Stopped(Stopped::TimedOut)));
    /// ```
    #[track_caller]
    pub fn try_run_decided<R, E>(
        &self,
        body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
        decider: impl FnMut(&mut R) -> Decision<E>,
    ) -> Result<R, TryStopped<E>> {
        decide::run(self.name, Location::caller(), &self.begin(), body, decider)
            .map_err(TryStopped::Stopped)?
            .map_err(TryStopped::User)
    }

    /// As [`atomically_async`](crate::atomically_async), within the limits. The time runs from this call on.
    ///
    /// The future gives the limit that it came to as an error. It needs no timer of the executor's.
    ///
    /// # Cancel safety
    ///
    /// As [`atomically_async`](crate::atomically_async).
    ///
    /// # Panics
    ///
    /// Polling panics as [`Transaction::run`] does, and after the future has finished.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stm_core::{check, Stopped, Transaction, TVar};
    /// # use std::{pin::pin, future::Future, sync::Arc, task::{Context, Poll, Wake, Waker}, thread::Thread};
    /// # struct Unpark(Thread);
    /// # impl Wake for Unpark { fn wake(self: Arc<Self>) { self.0.unpark() } }
    /// # fn block_on<F: Future>(f: F) -> F::Output {
    /// #     let (mut f, w) = (pin!(f), Waker::from(Arc::new(Unpark(std::thread::current()))));
    /// #     loop {
    /// #         if let Poll::Ready(r) = f.as_mut().poll(&mut Context::from_waker(&w)) { return r }
    /// #         std::thread::park();
    /// #     }
    /// # }
    /// let door = TVar::new(false);
    /// let enter = Transaction::new().timeout(Duration::from_millis(10));
    /// let entered = block_on(enter.run_async(|tx| check(door.read(tx)?)));
    /// assert_eq!(entered, Err(Stopped::TimedOut));
    /// ```
    #[track_caller]
    pub fn run_async<R, F>(
        &self,
        body: F,
    ) -> impl Future<Output = Result<R, Stopped>> + Unpin + use<R, F>
    where
        F: FnMut(&mut Tx<'_>) -> Stm<R>,
    {
        Running::new(self.name, Location::caller(), self.begin(), body)
    }
}
