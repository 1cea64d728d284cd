//! A counting semaphore.
//!
//! # The problem, and the idea
//!
//! A transaction that needs a permit says so: `sem.acquire(tx, 1)?`, and composes with everything else that it does. That is one
//! counter and a `retry`. But a permit is mostly wanted for longer than a transaction, by a thread or task that goes on to do
//! something else, and there are many of those: for them there are guards, [`TSemaphorePermit`], served strictly in the order
//! in which they came, each woken once. Both kinds share the permits and exclude each other. The names follow tokio's
//! `Semaphore`; the line is explained in the crate's `fifo.rs`.
//!
//! # Inside or outside
//!
//! ```text
//!                    inside: acquire(tx, n)          outside: acquire_permit(n), .._async
//!  is               an operation of a transaction    two transactions of its own, and a guard
//!  composes         with all, `or_else` included     no
//!  order            none among those who wait        first come, first served; weights included
//!  overtaking       never those in line              never those in line
//!  a release wakes  all who wait inside, unless      exactly those whom it serves
//!                   it goes to the line
//! ```
//!
//! A herd belongs outside: where many threads wait for few permits, `sem.acquire_permit(1).forget()` does what
//! `atomically(|tx| sem.acquire(tx, 1))` does, without waking the others.
//!
//! Waiting inside cannot be as selective. Say that a release woke not all who wait inside, but some. Each of these may,
//! between being woken and looking here again, be cancelled, if it is a task; or find another of the things that it waits for, and
//! never look here again. Nobody is told of either. Then a permit is free, and those who were not woken sleep on it for ever. A
//! place in line does not have that problem because it belongs to a guard, whose end gives the place or the permits back.
//!
//! # Cost
//!
//! `acquire`, `try_acquire`, `available`: O(1), one variable. `release`: O(1), two variables, and O(1) for each guard that it
//! serves. A guard that need not wait: one transaction over one variable. One that must: O(1) to enter the line, one wake-up, and
//! O(1) to leave it early, wherever it stands.
//!
//! # Conflicts
//!
//! "In line" is what happens while somebody stands in line.
//!
//! ```text
//!                    acquire  release  guard comes,  release,  guard enters,  guard leaves,
//!                                      is served     in line   in line        in line
//!  acquire              ×        ×          ×           ·            ·             ·
//!  release                       ×          ×           ·            ·             ·
//!  guard, served                            ×           ·            ·             ·
//!  release, in line                                     ×           (1)           (2)
//!  guard enters                                                      ×            (1)
//!  guard leaves                                                                    ×
//!  available            ×        ×          ×           ·            ·             ·
//!  waiting              ·        ·          ·          (2)           ×             ×
//!
//!  (1) only at the last place in line
//!  (2) if it serves somebody, or at the first place in line
//! ```
//!
//! That the line forms or dissolves conflicts with all. `try_acquire` is as `acquire`; if it fails, as `available`.
//!
//! # Invariants
//!
//! Q1 to Q6 of `fifo.rs`, with `max` = [`TSemaphore::MAX_PERMITS`].

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, Tx};

use crate::fifo::{Permits, Share};

/// A counting semaphore: permits to take inside transactions, or outside as guards that are served in order.
///
/// A handle: clones are the same semaphore.
///
/// ```
/// use stm_collections::TSemaphore;
/// use stm_core::{atomically, TVar};
///
/// let tables = TSemaphore::new(2);
/// let guests = TVar::new(0);
///
/// // Inside: both or neither.
/// atomically(|tx| {
///     tables.acquire(tx, 1)?;
///     guests.modify(tx, |n| n + 4)
/// });
/// // Outside: a guard.
/// let permit = tables.acquire_permit(1);
/// assert!(tables.try_acquire_permit(1).is_none());
/// drop(permit);
/// assert_eq!(atomically(|tx| tables.available(tx)), 1);
/// ```
#[derive(Clone)]
pub struct TSemaphore {
    permits: Arc<Permits>,
}

impl TSemaphore {
    /// The most permits that a semaphore can have.
    pub const MAX_PERMITS: usize = usize::MAX >> 3;

    /// A semaphore with `permits` permits. Zero are fine: they may come by [`release`](Self::release).
    ///
    /// # Panics
    ///
    /// If `permits` is more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// use stm_core::atomically;
    ///
    /// let sem = TSemaphore::new(3);
    /// assert_eq!(atomically(|tx| sem.available(tx)), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        assert_possible(permits);
        Self {
            permits: Permits::new(permits, Self::MAX_PERMITS),
        }
    }

    /// Takes `n` permits.
    ///
    /// It never overtakes a guard that stands in line. Zero permits can always be had.
    ///
    /// # Blocking
    ///
    /// Waits while fewer than `n` are available, or somebody stands in line. More than there are is no error: more may be
    /// released. Wakes whenever the number of available permits has changed; where many wait, prefer
    /// [`acquire_permit`](Self::acquire_permit) and [`forget`](TSemaphorePermit::forget). Among those who wait inside there is no
    /// order: who wants many can starve.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Self::MAX_PERMITS): so many can never be there.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let (fast, slow) = (TSemaphore::new(0), TSemaphore::new(1));
    /// let which = atomically(|tx| {
    ///     tx.or_else(
    ///         |tx| fast.acquire(tx, 1).map(|()| "fast"),
    ///         |tx| slow.acquire(tx, 1).map(|()| "slow"),
    ///     )
    /// });
    /// assert_eq!(which, "slow");
    ///
    /// // In a task it is pending meanwhile.
    /// let mut task = pin!(atomically_async(|tx| fast.acquire(tx, 1)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// atomically(|tx| fast.release(tx, 1));
    /// assert!(task.as_mut().poll(&mut cx).is_ready());
    /// ```
    #[track_caller]
    pub fn acquire(&self, tx: &mut Tx<'_>, n: usize) -> Stm<()> {
        assert_possible(n);
        self.permits.take(tx, n)
    }

    /// Takes `n` permits, or says that they cannot be had now: too few, or somebody stands in line for them.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// use stm_core::atomically;
    ///
    /// let sem = TSemaphore::new(3);
    /// assert!(atomically(|tx| sem.try_acquire(tx, 2)));
    /// assert!(!atomically(|tx| sem.try_acquire(tx, 2)));
    /// ```
    pub fn try_acquire(&self, tx: &mut Tx<'_>, n: usize) -> Stm<bool> {
        self.permits.try_take(tx, n)
    }

    /// Adds `n` permits: given back, or new ones.
    ///
    /// They go to those who stand in line, in order, while what the first of them wants is complete; only then to all.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If there would be more than [`MAX_PERMITS`](Self::MAX_PERMITS) that nobody holds.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// use stm_core::atomically;
    ///
    /// let (from, to) = (TSemaphore::new(5), TSemaphore::new(0));
    /// atomically(|tx| {
    ///     from.acquire(tx, 2)?;
    ///     to.release(tx, 2)
    /// });
    /// assert_eq!(atomically(|tx| Ok((from.available(tx)?, to.available(tx)?))), (3, 2));
    /// ```
    #[track_caller]
    pub fn release(&self, tx: &mut Tx<'_>, n: usize) -> Stm<()> {
        let surplus = self.permits.give(tx, n)?;
        assert!(
            surplus == 0,
            "releasing {n} permits would make more than TSemaphore::MAX_PERMITS: release what was acquired, once"
        );
        Ok(())
    }

    /// How many permits can be had at once: 0 while somebody stands in line, since those that are there are set aside.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// use stm_core::snapshot;
    ///
    /// let sem = TSemaphore::new(3);
    /// let _permit = sem.acquire_permit(2);
    /// assert_eq!(snapshot(|s| sem.available(s)), 1);
    /// ```
    pub fn available(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.permits.free(tx)
    }

    /// How many stand in line for a guard. Who waits inside a transaction is not known.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// use stm_core::snapshot;
    ///
    /// assert_eq!(snapshot(|s| TSemaphore::new(3).waiting(s)), 0);
    /// ```
    pub fn waiting(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.permits.waiting(tx)
    }

    /// Takes `n` permits as a guard.
    ///
    /// # Blocking
    ///
    /// Waits in line until `n` permits are there and all who came before have been served. Strictly so: one that wants many holds
    /// up those behind who want few, and gets its permits therefore. More than there are is no error: more may be released.
    ///
    /// # Panics
    ///
    /// - Inside a transaction on the same thread: use [`acquire`](Self::acquire) there.
    /// - If `n` is more than [`MAX_PERMITS`](Self::MAX_PERMITS): so many can never be there.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    ///
    /// let sem = TSemaphore::new(1);
    /// std::thread::scope(|s| {
    ///     for _ in 0..4 {
    ///         s.spawn(|| {
    ///             let _permit = sem.acquire_permit(1);
    ///             // .. one at a time
    ///         });
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn acquire_permit(&self, n: usize) -> TSemaphorePermit {
        assert_possible(n);
        TSemaphorePermit(Share::acquire(&self.permits, n))
    }

    /// As [`acquire_permit`](Self::acquire_permit), for tasks of any executor. Threads and tasks stand in the same line.
    ///
    /// # Blocking
    ///
    /// The task is pending while it stands in line, which it enters when the future is polled first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line at once, and gives back what it may have been served by then. (Inside a transaction:
    /// as soon as that attempt is over.) Who asks again stands at the end.
    ///
    /// # Panics
    ///
    /// If `n` is more than [`MAX_PERMITS`](Self::MAX_PERMITS). Polling it panics inside a transaction on the same thread.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let sem = TSemaphore::new(1);
    /// let permit = sem.acquire_permit(1);
    ///
    /// let mut task = pin!(sem.acquire_permit_async(1));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// drop(permit); // wakes the task
    /// assert!(task.as_mut().poll(&mut cx).is_ready());
    /// ```
    #[track_caller]
    pub fn acquire_permit_async(
        &self,
        n: usize,
    ) -> impl Future<Output = TSemaphorePermit> + Send + use<> {
        assert_possible(n);
        let share = Share::acquire_async(&self.permits, n);
        async move { TSemaphorePermit(share.await) }
    }

    /// As [`acquire_permit`](Self::acquire_permit), if that need not wait.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread: use [`try_acquire`](Self::try_acquire) there.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    ///
    /// let sem = TSemaphore::new(1);
    /// let permit = sem.try_acquire_permit(1).expect("nobody else is here");
    /// assert!(sem.try_acquire_permit(1).is_none());
    /// # drop(permit);
    /// ```
    #[track_caller]
    pub fn try_acquire_permit(&self, n: usize) -> Option<TSemaphorePermit> {
        Share::try_acquire(&self.permits, n).map(TSemaphorePermit)
    }
}

#[track_caller]
fn assert_possible(n: usize) {
    assert!(
        n <= TSemaphore::MAX_PERMITS,
        "{n} permits are more than a semaphore can ever have (TSemaphore::MAX_PERMITS)"
    );
}

impl fmt::Debug for TSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TSemaphore").finish_non_exhaustive()
    }
}

/// Permits of a [`TSemaphore`], given back when this is dropped.
///
/// It may be dropped anywhere, also in the body of a transaction: then the permits are back as soon as that attempt is over,
/// however it ends. To give them back as part of a transaction, [`forget`](Self::forget) the guard and
/// [`release`](TSemaphore::release) in the body.
#[must_use = "the permits go back when this is dropped"]
#[derive(Debug)]
pub struct TSemaphorePermit(Share);

impl TSemaphorePermit {
    /// How many permits this is.
    ///
    /// ```
    /// let sem = stm_collections::TSemaphore::new(3);
    /// assert_eq!(sem.acquire_permit(2).num_permits(), 2);
    /// ```
    #[must_use]
    pub fn num_permits(&self) -> usize {
        self.0.n()
    }

    /// Gives the permits back, as dropping it does.
    ///
    /// ```
    /// let sem = stm_collections::TSemaphore::new(1);
    /// sem.acquire_permit(1).release();
    /// assert!(sem.try_acquire_permit(1).is_some());
    /// ```
    pub fn release(self) {
        drop(self);
    }

    /// Ends the guard without giving the permits back, and says how many the caller is to [`release`](TSemaphore::release) now,
    /// if they are to come back.
    ///
    /// ```
    /// use stm_collections::TSemaphore;
    /// use stm_core::{atomically, TVar};
    ///
    /// let sem = TSemaphore::new(1);
    /// let done = TVar::new(false);
    ///
    /// let n = sem.acquire_permit(1).forget();
    /// atomically(|tx| {
    ///     sem.release(tx, n)?;
    ///     done.write(tx, true)
    /// });
    /// assert!(sem.try_acquire_permit(1).is_some());
    /// ```
    pub fn forget(self) -> usize {
        self.0.forget()
    }
}
