//! A queue with a bound: producers wait for consumers.
//!
//! # The problem
//!
//! A queue between fast producers and slow consumers grows until the memory is used up; a bound makes the producers wait. The
//! obvious way, a count of elements beside the queue, is read and written by both ends, and so lets only one of them through at a
//! time, which is what a queue was to avoid. Two counters, of room that producers know of and of room that consumers
//! have made since, help until the consumers' counter is to be added to the other: an implementation that forgets one of
//! them when the queue is emptied at once leaves a queue that is full for ever.
//!
//! Ours counts what has passed each end, and never anything else. The producers keep a *limit*: how far the tail may go
//! without another look at the head. Only when the tail has got there do they look, and set the limit as far as that allows. This is how
//! MCRingBuffer has its producer keep a copy of the consumer's index (Lee, Bu and Chandranmenon, "A lock-free, cache-efficient
//! shared ring buffer for multi-core architectures", ANCS 2009, doi:10.1145/1882486.1882508), with the difference that here a wrong
//! copy cannot be: all of it is one transaction.
//!
//! The elements are kept as in a [`TQueue`](crate::TQueue); the module `segment` has the details. The bound is a number: a queue
//! with room for `usize::MAX` elements takes no more memory than one with room for ten, before it has been filled. Room that was used
//! once is kept, for 1024 elements at most: a consumer is now close behind its producer and now far.
//!
//! # Picture
//!
//! ```text
//!            head                tail        limit           head + capacity
//!              │                   │           │                    │
//!    ──────────┴───────────────────┴───────────┴────────────────────┴────────▶ counted elements
//!      popped  │    in the queue   │  known to │  free, but the     │
//!              │                   │  be free  │  tail has not seen │
//!              │                   │           │  it yet            │
//!              ◀──────────────────── capacity ──────────────────────▶
//! ```
//!
//! # Cost
//!
//! As for [`TQueue`](crate::TQueue); `push` reads one variable more and, when it has come to the limit, another, and then writes
//! the limit. As long as the consumers keep up that is every `capacity`-th time or so; in a queue that is nearly full, every
//! time. `push_front` reads one variable more and, if no room is known to be free behind the limit, another, and writes the limit.
//!
//! # Conflicts
//!
//! As for [`TQueue`](crate::TQueue), with these exceptions:
//!
//! | | conflicts with | when |
//! |---|---|---|
//! | `push` | `pop`, `drain` | also when the tail has come to the limit, so always in a full queue |
//! | `push` | `push_front` | when `push_front` must lower the limit, or `push` has come to it |
//! | `is_full` | `push`, `push_front` | always |
//! | `is_full` | `pop`, `drain` | when the tail has come to the limit |
//!
//! # Invariants
//!
//! - B1  tail <= limit <= head + capacity, as counted. By S4 of the module `segment`, there are never more than `capacity`
//!   elements.
//! - B2  Whoever waits for room has read the limit, the tail and the head: each `pop` and each `drain` that makes room writes
//!   the head.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, Tx, retry};

use crate::segment::{Chain, Count, CountVar, discard};

/// Of the room that a queue has had in use, no more is kept.
const MOST_KEPT: usize = 1024;

struct Bounded<T> {
    chain: Chain<T>,
    limit: CountVar,
    capacity: usize,
}

/// A queue with a bound. First in, first out, with a way to put something back in front; producers wait while it is full.
///
/// A `TBQueue` is a handle: a clone is cheap and leads to the same queue. All operations take the transaction and compose.
/// An element goes out as a clone, for others may still look at it: put what is dear to clone into an [`Arc`].
/// Machine words (integers up to 64 bits, `bool`, `char`, `f32`, `f64`) lie in the queue itself, and to push one allocates
/// nothing.
///
/// ```
/// use stm_collections::TBQueue;
/// use stm_core::atomically;
///
/// let queue = TBQueue::new(2);
/// std::thread::scope(|s| {
///     s.spawn(|| (0..100).for_each(|n| atomically(|tx| queue.push(tx, n)))); // never more than two ahead
///     for n in 0..100 {
///         assert_eq!(atomically(|tx| queue.pop(tx)), n);
///     }
/// });
/// ```
pub struct TBQueue<T>(Arc<Bounded<T>>);

impl<T: Send + Sync + 'static> TBQueue<T> {
    /// An empty queue with room for `capacity` elements. Room costs nothing until it is used.
    ///
    /// A queue with a capacity of 0 is always empty and always full. It is no rendezvous: pushes and pops both wait for ever.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Bounded {
            chain: Chain::keeping(capacity.min(MOST_KEPT)),
            limit: CountVar::new(Count::START.plus(room(capacity))),
            capacity,
        }))
    }

    /// The number of elements that there is room for.
    ///
    /// ```
    /// assert_eq!(stm_collections::TBQueue::<u8>::new(5).capacity(), 5);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.0.capacity
    }

    /// Adds an element at the end, or waits for room.
    ///
    /// # Blocking
    ///
    /// Retries while the queue is full: sleeps until something is taken out.
    ///
    /// # Errors
    ///
    /// A conflict, or a retry. Pass it on with `?`. The value is lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, atomically_async};
    ///
    /// let queue = TBQueue::new(1);
    /// atomically(|tx| queue.push(tx, 'a'));
    /// std::thread::scope(|s| {
    ///     s.spawn(|| atomically(|tx| queue.push(tx, 'b'))); // sleeps until there is room
    ///     assert_eq!(atomically(|tx| queue.pop(tx)), 'a');
    ///     assert_eq!(atomically(|tx| queue.pop(tx)), 'b');
    /// });
    ///
    /// // A task waits in the same way, and if it is cancelled then nothing was pushed:
    /// let pushed = atomically_async(|tx| queue.push(tx, 'c'));
    /// # drop(pushed);
    /// ```
    #[inline]
    pub fn push(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        or_wait(self.try_push(tx, value)?)
    }

    /// Adds an element at the end, if there is room.
    ///
    /// # Errors
    ///
    /// `Ok(Err(value))`: the queue is full, and here is the value again.
    ///
    /// Otherwise a conflict. Pass it on with `?`. The value is lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TBQueue::new(1);
    /// assert_eq!(atomically(|tx| queue.try_push(tx, 'a')), Ok(()));
    /// assert_eq!(atomically(|tx| queue.try_push(tx, 'b')), Err('b'));
    /// ```
    #[inline]
    pub fn try_push(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        match self.claim_behind_tail(tx) {
            Ok(true) => self.0.chain.push(tx, value).map(Ok),
            Ok(false) => Ok(Err(value)),
            Err(control) => {
                discard(value);
                Err(control)
            }
        }
    }

    /// Puts an element in front of all others, or waits for room: it is the next to be popped.
    ///
    /// # Blocking
    ///
    /// Retries while the queue is full: sleeps until something is taken out.
    ///
    /// # Errors
    ///
    /// A conflict, or a retry. Pass it on with `?`. The value is lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TBQueue::new(2);
    /// let next = atomically(|tx| {
    ///     queue.push(tx, 'a')?;
    ///     queue.push_front(tx, 'b')?;
    ///     queue.pop(tx)
    /// });
    /// assert_eq!(next, 'b');
    /// ```
    #[inline]
    pub fn push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        or_wait(self.try_push_front(tx, value)?)
    }

    /// Puts an element in front of all others, if there is room.
    ///
    /// # Errors
    ///
    /// `Ok(Err(value))`: the queue is full, and here is the value again.
    ///
    /// Otherwise a conflict. Pass it on with `?`. The value is lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TBQueue::new(1);
    /// assert_eq!(atomically(|tx| queue.try_push_front(tx, 'a')), Ok(()));
    /// assert_eq!(atomically(|tx| queue.try_push_front(tx, 'b')), Err('b'));
    /// ```
    #[inline]
    pub fn try_push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        match self.claim_before_head(tx) {
            Ok(true) => self.0.chain.push_front(tx, value).map(Ok),
            Ok(false) => Ok(Err(value)),
            Err(control) => {
                discard(value);
                Err(control)
            }
        }
    }

    /// Whether there is room for an element behind the tail. If so, B1 holds with the tail one further.
    #[inline(always)]
    fn claim_behind_tail(&self, tx: &mut Tx<'_>) -> Stm<bool> {
        let limit = self.0.limit.read(tx)?;
        let tail = self.0.chain.tail_count(tx)?;
        if tail != limit {
            return Ok(true);
        }
        self.raise_limit(tx, limit)
    }

    /// Looks how far the tail may go. Whether that is further.
    #[cold]
    fn raise_limit(&self, tx: &mut Tx<'_>, limit: Count) -> Stm<bool> {
        let end = self.end_of_room(tx)?;
        if end == limit {
            return Ok(false);
        }
        self.0.limit.write(tx, end)?;
        Ok(true)
    }

    /// Whether there is room for an element before the head. If so, B1 holds with the head one back.
    #[inline(always)]
    fn claim_before_head(&self, tx: &mut Tx<'_>) -> Stm<bool> {
        let limit = self.0.limit.read(tx)?;
        if self.end_of_room(tx)? != limit {
            return Ok(true);
        }
        // All the room that there is has been promised to the tail; it has no use for some of it yet.
        if self.0.chain.tail_count(tx)? == limit {
            return Ok(false);
        }
        self.0.limit.write(tx, limit.minus(1))?;
        Ok(true)
    }

    /// How far the tail could go if nothing is popped.
    #[inline(always)]
    fn end_of_room(&self, tx: &mut impl ReadTx) -> Stm<Count> {
        Ok(self.0.chain.head_count(tx)?.plus(room(self.0.capacity)))
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
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, atomically_async};
    ///
    /// let queue = TBQueue::new(3);
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
        self.0.chain.pop(tx)?.map_or_else(retry, Ok)
    }

    /// Takes the first element out, if there is one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TBQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TBQueue::<u8>::new(3);
    /// assert_eq!(atomically(|tx| queue.try_pop(tx)), None);
    /// ```
    #[inline]
    pub fn try_pop(&self, tx: &mut Tx<'_>) -> Stm<Option<T>>
    where
        T: Clone,
    {
        self.0.chain.pop(tx)
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
    /// As [`TBQueue::pop`]; and a retry in a snapshot panics, so use [`TBQueue::try_peek`] there.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TBQueue::new(3);
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
        self.0.chain.front_clone(tx)?.map_or_else(retry, Ok)
    }

    /// The first element, which stays, if there is one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TBQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::snapshot;
    ///
    /// let queue = TBQueue::<u8>::new(3);
    /// assert_eq!(snapshot(|s| queue.try_peek(s)), None);
    /// ```
    pub fn try_peek(&self, tx: &mut impl ReadTx) -> Stm<Option<T>>
    where
        T: Clone,
    {
        self.0.chain.front_clone(tx)
    }

    /// As [`TBQueue::peek`], without a clone: a reference that lasts to the end of the attempt.
    ///
    /// # Blocking
    ///
    /// As [`TBQueue::peek`].
    ///
    /// # Errors
    ///
    /// A conflict, or a retry. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// A retry in a snapshot panics, so use [`TBQueue::try_peek_ref`] there.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, check};
    ///
    /// // Pops what is short, and waits while the first is not.
    /// let queue = TBQueue::new(3);
    /// let word = atomically(|tx| {
    ///     queue.push(tx, String::from("short"))?;
    ///     check(queue.peek_ref(tx)?.len() < 10)?;
    ///     queue.pop(tx)
    /// });
    /// assert_eq!(word, "short");
    /// ```
    pub fn peek_ref<X: ReadTx>(&self, tx: &mut X) -> Stm<impl Deref<Target = T> + use<T, X>> {
        self.0.chain.front_ref(tx)?.map_or_else(retry, Ok)
    }

    /// As [`TBQueue::try_peek`], without a clone: a reference that lasts to the end of the attempt.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TBQueue::new(3);
    /// atomically(|tx| queue.push(tx, String::from("first")));
    /// let length = snapshot(|s| Ok(queue.try_peek_ref(s)?.map(|word| word.len())));
    /// assert_eq!(length, Some(5));
    /// ```
    pub fn try_peek_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Option<impl Deref<Target = T> + use<T, X>>> {
        self.0.chain.front_ref(tx)
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
    /// As [`TBQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TBQueue::new(3);
    /// atomically(|tx| (0..3).try_for_each(|n| queue.push(tx, n)));
    /// assert_eq!(atomically(|tx| queue.drain(tx)), [0, 1, 2]);
    /// assert!(atomically(|tx| queue.is_empty(tx)));
    /// ```
    pub fn drain(&self, tx: &mut Tx<'_>) -> Stm<Vec<T>>
    where
        T: Clone,
    {
        self.0.chain.drain(tx)
    }

    /// Whether there is no element. Cheaper than [`TBQueue::len`], and not disturbed by pushes unless it is true.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::snapshot;
    ///
    /// assert!(snapshot(|s| TBQueue::<u8>::new(3).is_empty(s)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.0.chain.is_empty(tx)
    }

    /// Whether there is no room. It rests on the tail, and on the head only when the tail has come to its limit.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TBQueue::new(1);
    /// atomically(|tx| queue.push(tx, 'a'));
    /// assert!(snapshot(|s| queue.is_full(s)));
    /// ```
    pub fn is_full(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        let limit = self.0.limit.read(tx)?;
        Ok(self.0.chain.tail_count(tx)? == limit && self.end_of_room(tx)? == limit)
    }

    /// The number of elements. It rests on both ends, so whatever anybody does to the queue conflicts with it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TBQueue::new(3);
    /// atomically(|tx| (0..3).try_for_each(|n| queue.push(tx, n)));
    /// assert_eq!(snapshot(|s| queue.len(s)), 3);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.0.chain.len(tx)
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
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TBQueue::new(3);
    /// atomically(|tx| (1..4).try_for_each(|n| queue.push(tx, n)));
    /// let sum = snapshot(|s| {
    ///     let mut sum = 0;
    ///     queue.for_each(s, |n| sum += n)?;
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum, 6);
    /// ```
    pub fn for_each(&self, tx: &mut impl ReadTx, f: impl FnMut(&T)) -> Stm<()> {
        self.0.chain.for_each(tx, f)
    }

    /// Clones of all elements, in order, all as of one moment. They stay in the queue.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// As [`TBQueue::pop`].
    ///
    /// ```
    /// use stm_collections::TBQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TBQueue::new(3);
    /// atomically(|tx| (0..3).try_for_each(|n| queue.push(tx, n)));
    /// assert_eq!(snapshot(|s| queue.to_vec(s)), [0, 1, 2]);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<T>>
    where
        T: Clone,
    {
        self.0.chain.to_vec(tx)
    }
}

/// The capacity as far as it can matter: counts must not lap each other.
fn room(capacity: usize) -> u64 {
    (capacity as u64).min(Count::MANY)
}

fn or_wait<T: 'static>(pushed: Result<(), T>) -> Stm<()> {
    match pushed {
        Ok(()) => Ok(()),
        Err(value) => {
            discard(value);
            retry()
        }
    }
}

impl<T> Clone for TBQueue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// The elements are not shown: looking at them takes a transaction.
impl<T> fmt::Debug for TBQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TBQueue")
            .field("capacity", &self.0.capacity)
            .finish_non_exhaustive()
    }
}
