//! A queue without a bound, whose ends do not disturb each other.
//!
//! # The problem
//!
//! Producers put in, consumers take out, in order, and both do so in transactions with other things: take a job *and* mark it as
//! running, or neither. The obvious answer, a `TVar<VecDeque<T>>`, copies the queue for each operation and lets only one of
//! them through at a time. The textbook answer, two lists, lets both ends go on, but every so often one pop has to reverse
//! all that was pushed, and is thrown back by every push meanwhile.
//!
//! Ours is a chain of short arrays whose slots are variables, or records where the elements are machine words. No operation on one element ever does more than enter or leave one
//! array. The module `segment` has the details, the ancestors and the invariants.
//!
//! # Picture
//!
//! ```text
//!            pop ◀──┐                                          ┌──◀ push
//!     push_front ──▶│                                          │
//!                   ▼                                          ▼
//!     ┌─────────────────┐       ┌─────────────────┐       ┌─────────────────┐
//!     │ · · a b c d e f │ ────▶ │ g h i j k l m n │ ────▶ │ o p q · · · · · │
//!     └─────────────────┘       └─────────────────┘       └─────────────────┘
//! ```
//!
//! # Cost
//!
//! In variables and records, for a queue of n elements:
//!
//! | operation | reads | writes | now and then |
//! |---|---|---|---|
//! | `push` | 2 | 2 | every 32nd: 1 read and 3 writes more, and a new array where the queue grows |
//! | `push_front` | 2 | 2 | as `push` |
//! | `pop` | 3 | 2 | every 32nd: 1 read and 3 writes more |
//! | `peek`, `is_empty` | 3 | | |
//! | `len` | 2 | | |
//! | `to_vec`, `for_each` | n + n/32 | | |
//! | `drain` | n + n/32 | at most 34 + n/32 | |
//!
//! An array is 33 variables, and each `push` allocates a node for its element. Where the elements are machine words, an array is 1
//! variable and an allocation of 32 records of 48 bytes, and a `push` allocates nothing.
//!
//! A new queue is 9 variables, or 5 and 4 records. One that has grown keeps up to eight spare arrays of 32 when it shrinks, not
//! more. A popped element is gone from the queue at once, and freed as soon as nobody can see it any more.
//!
//! # Conflicts
//!
//! Whether the one can make the other run again, if it commits in the middle. A transaction that only reads is never
//! disturbed, so a row of readers is about those that also write somewhere.
//!
//! | | `push` | `push_front` | `pop` | `drain` |
//! |---|---|---|---|---|
//! | `push` | yes | no (1) | only in the empty queue (1) | yes |
//! | `push_front` | no (1) | yes | yes | yes |
//! | `pop` | only in the empty queue (1) | yes | yes | yes |
//! | `drain` | yes | yes | yes | yes |
//! | `peek`, `is_empty` | only in the empty queue | yes | yes | yes |
//! | `len` | yes | yes | yes | yes |
//! | `to_vec`, `for_each` | yes | yes | yes | yes |
//!
//! (1) And when both change arrays, which each does every 32nd time at most, and the one looks for a spare array in the place where
//! the other puts or takes one.
//!
//! # Invariants
//!
//! - Q1  What is popped is what was put in, each once, and in order: by S1 of the module `segment`.
//! - Q2  Whoever waits for an element has read the slot, or the place of the next array, that a `push` would write first, and
//!   the head, which a `push_front` would.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, Tx, retry};

use crate::segment::Chain;

/// Room for so many elements is kept when a queue shrinks.
const KEPT: usize = 256;

/// A queue without a bound. First in, first out, with a way to put something back in front.
///
/// A `TQueue` is a handle: a clone is cheap and leads to the same queue. All operations take the transaction and compose.
/// An element goes out as a clone, for others may still look at it: put what is dear to clone into an [`Arc`].
/// Machine words (integers up to 64 bits, `bool`, `char`, `f32`, `f64`) lie in the queue itself, and to push one allocates
/// nothing.
///
/// Consumers do not disturb producers, nor producers consumers, as long as there is an element in the queue.
///
/// ```
/// use stm_collections::TQueue;
/// use stm_core::{atomically, Stm, Tx};
///
/// let (urgent, normal) = (TQueue::new(), TQueue::new());
/// let next = |tx: &mut Tx<'_>| -> Stm<&'static str> {
///     tx.or_else(|tx| urgent.pop(tx), |tx| normal.pop(tx)) // waits for either
/// };
/// std::thread::scope(|s| {
///     s.spawn(|| atomically(|tx| {
///         normal.push(tx, "sweep")?;
///         urgent.push(tx, "put out the fire")
///     }));
///     assert_eq!(atomically(|tx| next(tx)), "put out the fire");
///     assert_eq!(atomically(|tx| next(tx)), "sweep");
/// });
/// ```
pub struct TQueue<T>(Arc<Chain<T>>);

impl<T: Send + Sync + 'static> TQueue<T> {
    /// An empty queue. May be called anywhere, also inside a transaction.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Chain::keeping(KEPT)))
    }

    /// Adds an element at the end.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. The value is lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TQueue::new();
    /// atomically(|tx| {
    ///     queue.push(tx, 'a')?;
    ///     queue.push(tx, 'b')
    /// });
    /// assert_eq!(atomically(|tx| queue.pop(tx)), 'a');
    /// ```
    #[inline]
    pub fn push(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        self.0.push(tx, value)
    }

    /// Puts an element in front of all others: it is the next to be popped.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. The value is lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TQueue::new();
    /// let next = atomically(|tx| {
    ///     queue.push(tx, 'a')?;
    ///     queue.push_front(tx, 'b')?;
    ///     queue.pop(tx)
    /// });
    /// assert_eq!(next, 'b');
    /// ```
    #[inline]
    pub fn push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        self.0.push_front(tx, value)
    }

    /// Takes the first element out, or waits for one.
    ///
    /// # Blocking
    ///
    /// Retries while the queue is empty: sleeps until something is put in.
    ///
    /// # Errors
    ///
    /// A conflict, or a retry. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic; the transaction is doomed then.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::{atomically, atomically_async};
    ///
    /// let queue = TQueue::new();
    /// std::thread::scope(|s| {
    ///     let consumer = s.spawn(|| atomically(|tx| queue.pop(tx)));
    ///     atomically(|tx| queue.push(tx, 7));
    ///     assert_eq!(consumer.join().unwrap(), 7);
    /// });
    ///
    /// // A task waits in the same way:
    /// let next = atomically_async(|tx| queue.pop(tx));
    /// # drop(next);
    /// ```
    #[inline]
    pub fn pop(&self, tx: &mut Tx<'_>) -> Stm<T>
    where
        T: Clone,
    {
        self.0.pop(tx)?.map_or_else(retry, Ok)
    }

    /// Takes the first element out, if there is one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TQueue::<u8>::new();
    /// assert_eq!(atomically(|tx| queue.try_pop(tx)), None);
    /// ```
    #[inline]
    pub fn try_pop(&self, tx: &mut Tx<'_>) -> Stm<Option<T>>
    where
        T: Clone,
    {
        self.0.pop(tx)
    }

    /// The first element, which stays, or waits for one.
    ///
    /// # Blocking
    ///
    /// Retries while the queue is empty: sleeps until something is put in.
    ///
    /// # Errors
    ///
    /// A conflict, or a retry. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TQueue::pop`]; and a retry in a snapshot panics, so use [`TQueue::try_peek`] there.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TQueue::new();
    /// let twice = atomically(|tx| {
    ///     queue.push(tx, 'a')?;
    ///     Ok((queue.peek(tx)?, queue.peek(tx)?))
    /// });
    /// assert_eq!(twice, ('a', 'a'));
    /// ```
    pub fn peek(&self, tx: &mut impl ReadTx) -> Stm<T>
    where
        T: Clone,
    {
        self.0.front_clone(tx)?.map_or_else(retry, Ok)
    }

    /// The first element, which stays, if there is one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::snapshot;
    ///
    /// let queue = TQueue::<u8>::new();
    /// assert_eq!(snapshot(|s| queue.try_peek(s)), None);
    /// ```
    pub fn try_peek(&self, tx: &mut impl ReadTx) -> Stm<Option<T>>
    where
        T: Clone,
    {
        self.0.front_clone(tx)
    }

    /// As [`TQueue::peek`], without a clone: a reference that lasts to the end of the attempt.
    ///
    /// # Blocking
    ///
    /// As [`TQueue::peek`].
    ///
    /// # Errors
    ///
    /// A conflict, or a retry. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// A retry in a snapshot panics, so use [`TQueue::try_peek_ref`] there.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::{atomically, check};
    ///
    /// // Pops what is short, and waits while the first is not.
    /// let queue = TQueue::new();
    /// let word = atomically(|tx| {
    ///     queue.push(tx, String::from("short"))?;
    ///     check(queue.peek_ref(tx)?.len() < 10)?;
    ///     queue.pop(tx)
    /// });
    /// assert_eq!(word, "short");
    /// ```
    pub fn peek_ref<X: ReadTx>(&self, tx: &mut X) -> Stm<impl Deref<Target = T> + use<T, X>> {
        self.0.front_ref(tx)?.map_or_else(retry, Ok)
    }

    /// As [`TQueue::try_peek`], without a clone: a reference that lasts to the end of the attempt.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TQueue::new();
    /// atomically(|tx| queue.push(tx, String::from("first")));
    /// let length = snapshot(|s| Ok(queue.try_peek_ref(s)?.map(|word| word.len())));
    /// assert_eq!(length, Some(5));
    /// ```
    pub fn try_peek_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Option<impl Deref<Target = T> + use<T, X>>> {
        self.0.front_ref(tx)
    }

    /// Takes all elements out, in order.
    ///
    /// It rests on the whole queue, so every push that comes in between makes it begin again. Where pushes never pause, pop some
    /// number of elements instead.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TQueue::new();
    /// atomically(|tx| (0..3).try_for_each(|n| queue.push(tx, n)));
    /// assert_eq!(atomically(|tx| queue.drain(tx)), [0, 1, 2]);
    /// assert!(atomically(|tx| queue.is_empty(tx)));
    /// ```
    pub fn drain(&self, tx: &mut Tx<'_>) -> Stm<Vec<T>>
    where
        T: Clone,
    {
        self.0.drain(tx)
    }

    /// Whether there is no element. Cheaper than [`TQueue::len`], and not disturbed by pushes unless it is true.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::snapshot;
    ///
    /// assert!(snapshot(|s| TQueue::<u8>::new().is_empty(s)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.0.is_empty(tx)
    }

    /// The number of elements. It rests on both ends, so whatever anybody does to the queue conflicts with it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TQueue::new();
    /// atomically(|tx| (0..3).try_for_each(|n| queue.push(tx, n)));
    /// assert_eq!(snapshot(|s| queue.len(s)), 3);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.0.len(tx)
    }

    /// Shows `f` every element, in order, all as of one moment. In a [`snapshot`](stm_core::snapshot), no writer disturbs it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `f`'s panic.
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TQueue::new();
    /// atomically(|tx| (1..4).try_for_each(|n| queue.push(tx, n)));
    /// let sum = snapshot(|s| {
    ///     let mut sum = 0;
    ///     queue.for_each(s, |n| sum += n)?;
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum, 6);
    /// ```
    pub fn for_each(&self, tx: &mut impl ReadTx, f: impl FnMut(&T)) -> Stm<()> {
        self.0.for_each(tx, f)
    }

    /// Clones of all elements, in order, all as of one moment. They stay in the queue.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TQueue::new();
    /// atomically(|tx| (0..3).try_for_each(|n| queue.push(tx, n)));
    /// assert_eq!(snapshot(|s| queue.to_vec(s)), [0, 1, 2]);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<T>>
    where
        T: Clone,
    {
        self.0.to_vec(tx)
    }
}

impl<T> Clone for TQueue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The elements are not shown: looking at them takes a transaction.
impl<T> fmt::Debug for TQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TQueue").finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Default for TQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}
