//! A read-write lock without data.
//!
//! # The problem, and the idea
//!
//! Transactions need no locks among themselves. But something else may: a file, a device, a foreign library, a phase of the program
//! that lasts. A lock that is itself a transactional object guards those and can be part of a transaction: "take this lock
//! and note who has it", "whichever of these two is free". It guards no data; data belongs in `TVar`s.
//!
//! The obvious way is a counter of readers and a flag; then a stream of readers starves the writers, and whoever unlocks wakes all.
//! Ours is the line of [`TSemaphore`](crate::TSemaphore): a reader takes one permit, a writer takes them all, and who cannot have
//! that stands in line. tokio's `RwLock` is made so. A reader that comes after a waiting writer waits behind it, so no stream of
//! readers starves a writer, nor the other way round; readers that stand next to each other in line are let in together.
//!
//! # State
//!
//! ```text
//!  permits that nobody holds     readers    writer
//!  ALL                           none       none
//!  0 < n < ALL                   ALL - n    none
//!  0                             none       one
//! ```
//!
//! `ALL` is more than a program can have readers, so that 0 always means a writer.
//!
//! # Picture
//!
//! ```text
//!  reading: R R          line:  W   R R R   W        a reader that comes now goes to the end
//!                               │   └─┬─┘
//!                               │     served together when W has ended
//!                               served when both R have ended
//! ```
//!
//! # Cost
//!
//! Each operation O(1), over one or two variables if nobody stands in line. Letting k waiting readers in: O(k), in one
//! transaction. A wait wakes once.
//!
//! # Conflicts
//!
//! Any two of taking and giving back conflict, two readers also: they change one count. While somebody stands in line it is the
//! table of the semaphore: giving back to the line disturbs neither who enters it nor who waits inside a transaction.
//!
//! ```text
//!                               acquire_*, guards   release_*   the same, in line
//!  acquire_*, guards                    ×               ×               ·
//!  release_*                                            ×               ·
//!  is_write_locked, readers             ×               ×               ×
//! ```
//!
//! # Invariants
//!
//! Q1 to Q6 of `fifo.rs`, and the table above.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, Tx};

use crate::fifo::{Permits, Share};

/// Every reader has memory of its own or is a step that some loop has made, and nothing makes 2^61 steps.
const ALL: usize = usize::MAX >> 3;

/// A fair read-write lock that guards no data: to be taken inside transactions, or outside by guards that are served in order.
///
/// A handle: clones are the same lock. What is taken inside a transaction stays taken when that has committed, until it is
/// released; inside *and* outside exclude each other. It has no owner: who releases need not be who acquired.
///
/// Not reentrant: who holds it and asks for it again waits for itself, as soon as a writer stands in between.
///
/// ```
/// use stm_collections::TRwLock;
/// use stm_core::atomically;
///
/// let printer = TRwLock::new();
/// {
///     let _one = printer.read();
///     let _two = printer.read();
///     assert!(printer.try_write().is_none());
/// }
/// atomically(|tx| printer.acquire_write(tx));
/// assert!(printer.try_read().is_none());
/// atomically(|tx| printer.release_write(tx));
/// ```
#[derive(Clone)]
pub struct TRwLock {
    permits: Arc<Permits>,
}

impl TRwLock {
    /// A lock that nobody holds.
    ///
    /// ```
    /// assert!(stm_collections::TRwLock::new().try_write().is_some());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            permits: Permits::new(ALL, ALL),
        }
    }

    /// Becomes a reader.
    ///
    /// # Blocking
    ///
    /// Waits while there is a writer or somebody stands in line.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let lock = TRwLock::new();
    /// let writer = lock.write();
    ///
    /// let mut task = pin!(atomically_async(|tx| lock.acquire_read(tx)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// drop(writer);
    /// assert!(task.as_mut().poll(&mut cx).is_ready());
    /// atomically(|tx| lock.release_read(tx));
    /// ```
    pub fn acquire_read(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.permits.take(tx, 1)
    }

    /// Becomes a reader, if that need not wait.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::atomically;
    ///
    /// let lock = TRwLock::new();
    /// assert!(atomically(|tx| lock.try_acquire_read(tx)));
    /// assert_eq!(atomically(|tx| lock.readers(tx)), 1);
    /// ```
    pub fn try_acquire_read(&self, tx: &mut Tx<'_>) -> Stm<bool> {
        self.permits.try_take(tx, 1)
    }

    /// One reader less.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If there is no reader.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::atomically;
    ///
    /// let lock = TRwLock::new();
    /// atomically(|tx| lock.acquire_read(tx));
    /// atomically(|tx| lock.release_read(tx));
    /// assert_eq!(atomically(|tx| lock.readers(tx)), 0);
    /// ```
    #[track_caller]
    pub fn release_read(&self, tx: &mut Tx<'_>) -> Stm<()> {
        let readers = self.readers(tx)?;
        assert!(
            readers > 0,
            "TRwLock::release_read without a reader: release what was acquired, once"
        );
        self.permits.give(tx, 1).map(drop)
    }

    /// Becomes the writer.
    ///
    /// # Blocking
    ///
    /// Waits while anybody holds the lock or stands in line. A stream of readers can starve it here; [`write`](Self::write) stands
    /// in line and cannot be starved.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::atomically;
    ///
    /// let (this, that) = (TRwLock::new(), TRwLock::new());
    /// let _reader = this.read();
    /// // Whichever is free.
    /// atomically(|tx| tx.or_else(|tx| this.acquire_write(tx), |tx| that.acquire_write(tx)));
    /// assert!(atomically(|tx| that.is_write_locked(tx)));
    /// ```
    pub fn acquire_write(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.permits.take(tx, ALL)
    }

    /// Becomes the writer, if that need not wait.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::atomically;
    ///
    /// let lock = TRwLock::new();
    /// assert!(atomically(|tx| lock.try_acquire_write(tx)));
    /// assert!(!atomically(|tx| lock.try_acquire_write(tx)));
    /// ```
    pub fn try_acquire_write(&self, tx: &mut Tx<'_>) -> Stm<bool> {
        self.permits.try_take(tx, ALL)
    }

    /// The writer is through.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If there is no writer.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::atomically;
    ///
    /// let lock = TRwLock::new();
    /// atomically(|tx| lock.acquire_write(tx));
    /// // The writer becomes a reader, and nobody gets in between.
    /// atomically(|tx| {
    ///     lock.release_write(tx)?;
    ///     lock.acquire_read(tx)
    /// });
    /// assert_eq!(atomically(|tx| lock.readers(tx)), 1);
    /// ```
    #[track_caller]
    pub fn release_write(&self, tx: &mut Tx<'_>) -> Stm<()> {
        let locked = self.is_write_locked(tx)?;
        assert!(
            locked,
            "TRwLock::release_write without a writer: release what was acquired, once"
        );
        self.permits.give(tx, ALL).map(drop)
    }

    /// Whether there is a writer.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::snapshot;
    ///
    /// let lock = TRwLock::new();
    /// let _writer = lock.write();
    /// assert!(snapshot(|s| lock.is_write_locked(s)));
    /// ```
    pub fn is_write_locked(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(self.permits.unheld(tx)? == 0)
    }

    /// How many readers there are.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::snapshot;
    ///
    /// let lock = TRwLock::new();
    /// let _readers = (lock.read(), lock.read());
    /// assert_eq!(snapshot(|s| lock.readers(s)), 2);
    /// ```
    pub fn readers(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        Ok(match self.permits.unheld(tx)? {
            0 => 0,
            unheld => ALL - unheld,
        })
    }

    /// How many stand in line for a guard. Who waits inside a transaction is not known.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TRwLock;
    /// use stm_core::snapshot;
    ///
    /// assert_eq!(snapshot(|s| TRwLock::new().waiting(s)), 0);
    /// ```
    pub fn waiting(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.permits.waiting(tx)
    }

    /// Becomes a reader, for as long as the guard lives.
    ///
    /// # Blocking
    ///
    /// Waits in line while there is a writer, or one that came before still waits.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread: use [`acquire_read`](Self::acquire_read) there.
    ///
    /// ```
    /// let lock = stm_collections::TRwLock::new();
    /// let _one = lock.read();
    /// let _two = lock.read();
    /// ```
    #[track_caller]
    pub fn read(&self) -> TRwLockReadGuard {
        TRwLockReadGuard(Share::acquire(&self.permits, 1))
    }

    /// As [`read`](Self::read), for tasks of any executor. Threads and tasks stand in the same line.
    ///
    /// # Blocking
    ///
    /// The task is pending while it stands in line, which it enters when the future is polled first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line at once, and gives back what it may have been served by then.
    ///
    /// # Panics
    ///
    /// Polling it panics inside a transaction on the same thread.
    ///
    /// ```
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    /// let lock = stm_collections::TRwLock::new();
    /// let writer = lock.write();
    ///
    /// let mut task = pin!(lock.read_async());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// drop(writer); // wakes the task
    /// assert!(task.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn read_async(&self) -> impl Future<Output = TRwLockReadGuard> + Send + use<> {
        let share = Share::acquire_async(&self.permits, 1);
        async move { TRwLockReadGuard(share.await) }
    }

    /// As [`read`](Self::read), if that need not wait.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread: use [`try_acquire_read`](Self::try_acquire_read) there.
    ///
    /// ```
    /// let lock = stm_collections::TRwLock::new();
    /// let _writer = lock.write();
    /// assert!(lock.try_read().is_none());
    /// ```
    #[track_caller]
    pub fn try_read(&self) -> Option<TRwLockReadGuard> {
        Share::try_acquire(&self.permits, 1).map(TRwLockReadGuard)
    }

    /// Becomes the writer, for as long as the guard lives.
    ///
    /// # Blocking
    ///
    /// Waits in line until all who hold the lock and all who came before are through. Who comes later waits behind.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread: use [`acquire_write`](Self::acquire_write) there.
    ///
    /// ```
    /// let lock = stm_collections::TRwLock::new();
    /// let writer = lock.write();
    /// assert!(lock.try_read().is_none());
    /// # drop(writer);
    /// ```
    #[track_caller]
    pub fn write(&self) -> TRwLockWriteGuard {
        TRwLockWriteGuard(Share::acquire(&self.permits, ALL))
    }

    /// As [`write`](Self::write), for tasks of any executor. Threads and tasks stand in the same line.
    ///
    /// # Blocking
    ///
    /// The task is pending while it stands in line, which it enters when the future is polled first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the line at once, and gives back what it may have been served by then. Readers that waited
    /// behind it are let in.
    ///
    /// # Panics
    ///
    /// Polling it panics inside a transaction on the same thread.
    ///
    /// ```
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    /// let lock = stm_collections::TRwLock::new();
    /// let reader = lock.read();
    ///
    /// let mut task = pin!(lock.write_async());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// drop(reader); // wakes the task
    /// assert!(task.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn write_async(&self) -> impl Future<Output = TRwLockWriteGuard> + Send + use<> {
        let share = Share::acquire_async(&self.permits, ALL);
        async move { TRwLockWriteGuard(share.await) }
    }

    /// As [`write`](Self::write), if that need not wait.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread: use [`try_acquire_write`](Self::try_acquire_write) there.
    ///
    /// ```
    /// let lock = stm_collections::TRwLock::new();
    /// let _reader = lock.read();
    /// assert!(lock.try_write().is_none());
    /// ```
    #[track_caller]
    pub fn try_write(&self) -> Option<TRwLockWriteGuard> {
        Share::try_acquire(&self.permits, ALL).map(TRwLockWriteGuard)
    }
}

impl Default for TRwLock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TRwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TRwLock").finish_non_exhaustive()
    }
}

/// A reader of a [`TRwLock`], until this is dropped.
///
/// It may be dropped anywhere, also in the body of a transaction: then it ends as soon as that attempt is over.
#[must_use = "the lock is given back when this is dropped"]
pub struct TRwLockReadGuard(#[expect(dead_code, reason = "held for its drop")] Share);

impl fmt::Debug for TRwLockReadGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TRwLockReadGuard").finish_non_exhaustive()
    }
}

/// The writer of a [`TRwLock`], until this is dropped.
///
/// It may be dropped anywhere, also in the body of a transaction: then it ends as soon as that attempt is over.
#[must_use = "the lock is given back when this is dropped"]
pub struct TRwLockWriteGuard(#[expect(dead_code, reason = "held for its drop")] Share);

impl fmt::Debug for TRwLockWriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TRwLockWriteGuard").finish_non_exhaustive()
    }
}
