//! A door that opens once so many things have happened, and stays open.
//!
//! # The problem, and the idea
//!
//! "Wait until the count is zero" over one counter is right, and wakes everybody who waits at each count: with w waiters and n
//! counts, w * n wake-ups of which w are of use. So the door is a second variable, written once, by the transaction that counts
//! down to zero, and the waiters look at nothing else. The names are those of `CountDownLatch` (Java, `java.util.concurrent`) and
//! `std::latch` (C++20).
//!
//! # Cost
//!
//! | operation                       | reads          | writes                                              |
//! |---------------------------------|----------------|-----------------------------------------------------|
//! | `wait`, `is_open`               | the door       |                                                     |
//! | `count`                         | the count      |                                                     |
//! | `count_down`, `count_down_by`   | the count      | the count; the last one the door; after it nothing  |
//!
//! Each variable is a word in place, so nothing here allocates but `new`. A waiter runs twice, however many counts there are.
//!
//! # Which pairs of operations conflict
//!
//! |                     | `wait`, `is_open`    | `count`         | `count_down`    |
//! |---------------------|----------------------|-----------------|-----------------|
//! | `wait`, `is_open`   | no                   | no              | if it opens     |
//! | `count`             | no                   | no              | until it is open|
//! | `count_down`        | if it opens          | until it is open| until it is open|
//!
//! # Picture
//!
//! ```text
//!   count_down ──▶ ┌──────────┐  reaches 0   ┌─────────────┐ ──▶ wait
//!   count_down ──▶ │ count: 2 │ ───────────▶ │ open: false │ ──▶ wait
//!   count_down ──▶ └──────────┘     once     └─────────────┘ ──▶ wait
//! ```
//!
//! # Invariants
//!
//! - I1  `open` holds exactly when `count` is 0.
//! - I2  `count` never grows; so `open` is written once at most.

use stm_core::{ReadTx, Stm, TVar, Tx, check};

/// A count-down latch: [`wait`](Self::wait) goes on once [`count_down`](Self::count_down) was called as often as was asked for.
///
/// It is a handle: a clone is the same latch. The default is a latch of 0, which is open.
///
/// ```
/// use stm_collections::TLatch;
/// use stm_core::atomically;
///
/// let done = TLatch::new(3);
/// std::thread::scope(|s| {
///     for _ in 0..3 {
///         s.spawn(|| atomically(|tx| done.count_down(tx))); // each after its work
///     }
///     atomically(|tx| done.wait(tx)); // sleeps until all three have
/// });
/// ```
#[derive(Clone, Debug)]
pub struct TLatch {
    count: TVar<usize>,
    open: TVar<bool>,
}

impl TLatch {
    /// A latch that opens after `count` counts; at once if that is 0.
    ///
    /// ```
    /// use stm_collections::TLatch;
    /// use stm_core::atomically;
    ///
    /// assert!(atomically(|tx| TLatch::new(0).is_open(tx)));
    /// ```
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            count: TVar::new(count),
            open: TVar::new(count == 0),
        }
    }

    /// Counts down by one. On an open latch it does nothing.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TLatch;
    /// use stm_core::atomically;
    ///
    /// let latch = TLatch::new(1);
    /// atomically(|tx| latch.count_down(tx));
    /// assert!(atomically(|tx| latch.is_open(tx)));
    /// ```
    pub fn count_down(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.count_down_by(tx, 1)
    }

    /// Counts down by `n`, but not below 0: what is too much is forgotten.
    ///
    /// Whoever has several things done at once conflicts less with others by one call of this.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TLatch;
    /// use stm_core::atomically;
    ///
    /// let latch = TLatch::new(5);
    /// atomically(|tx| latch.count_down_by(tx, 3));
    /// assert_eq!(atomically(|tx| latch.count(tx)), 2);
    /// atomically(|tx| latch.count_down_by(tx, usize::MAX));
    /// assert_eq!(atomically(|tx| latch.count(tx)), 0);
    /// ```
    pub fn count_down_by(&self, tx: &mut Tx<'_>, n: usize) -> Stm<()> {
        let count = self.count.read(tx)?;
        if count == 0 || n == 0 {
            return Ok(());
        }
        let left = count.saturating_sub(n);
        self.count.write(tx, left)?;
        if left == 0 {
            // I1, I2.
            self.open.write(tx, true)?;
        }
        Ok(())
    }

    /// Goes on once the latch is open.
    ///
    /// # Blocking
    ///
    /// Waits while it is not. Counts that do not open it do not wake. The twin that does not wait is [`is_open`](Self::is_open).
    ///
    /// # Errors
    ///
    /// A retry while it is not open, or a conflict. Pass it on with `?`.
    ///
    /// Tasks wait likewise:
    ///
    /// ```
    /// use stm_collections::TLatch;
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let latch = TLatch::new(2);
    /// let mut opened = pin!(atomically_async(|tx| latch.wait(tx)));
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(opened.as_mut().poll(&mut cx).is_pending());
    /// atomically(|tx| latch.count_down(tx)); // does not wake the task
    /// atomically(|tx| latch.count_down(tx)); // does
    /// assert!(opened.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn wait(&self, tx: &mut impl ReadTx) -> Stm<()> {
        check(self.open.read(tx)?)
    }

    /// Whether the count has come to 0. Once true, it stays so.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TLatch;
    /// use stm_core::snapshot;
    ///
    /// assert!(!snapshot(|s| TLatch::new(1).is_open(s)));
    /// ```
    pub fn is_open(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.open.read(tx)
    }

    /// How many counts are still to come.
    ///
    /// To wait for 0 use [`wait`](Self::wait): a transaction that has read the count conflicts with every count, and if it waits
    /// it is woken by every one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TLatch;
    /// use stm_core::snapshot;
    ///
    /// assert_eq!(snapshot(|s| TLatch::new(4).count(s)), 4);
    /// ```
    pub fn count(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.count.read(tx)
    }
}

/// A latch of 0: open.
impl Default for TLatch {
    fn default() -> Self {
        Self::new(0)
    }
}
