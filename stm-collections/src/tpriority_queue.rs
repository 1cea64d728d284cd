//! A priority queue: the greatest comes out first, and who puts something small in does not disturb who takes the greatest out.
//!
//! # The problem, and the idea
//!
//! A binary heap in a variable makes every push conflict with every pop, and copies the heap each time. A heap with a variable an
//! element is no better: a push may travel up to the top, and each pop goes down through it. All that a heap saves over a full
//! order is work that a transaction does not notice; what a transaction notices is which variables it touches.
//!
//! So this is the B+ tree of [`TOrdMap`], with the elements as keys: a pop takes from the last leaf, a push goes to the leaf
//! where its element belongs. Only pushes into the last leaf, the sixteen greatest elements or fewer, meet the pops.
//!
//! In a map, equal keys would be one. Therefore each gets a number, from a counter beside the tree: a plain atomic one, for
//! as a variable it would make all pushes conflict. The numbers order equal elements by their age, so that none is left behind
//! for ever.
//!
//! # Picture
//!
//! ```text
//!   element  number             pops here
//!                                   │
//!            ┌──────────── … ───────┴─────┐
//!   1 #7   1 #3   2 #4   │ … │   8 #9   8 #2   9 #5      equal elements: the elder is nearer to the end
//!   └───── a leaf ─────┘          └───── the last ─┘
//!     ▲
//!     └ a push of 1 goes here, as 1 #10, and disturbs no pop
//! ```
//!
//! # Cost
//!
//! With `n` elements and `h` levels of inner nodes above the leaves, about log₂₂ (`n` / 11) and at least one. Splits are the map's: see there.
//!
//! | operation | variables read | written |
//! |---|---|---|
//! | `push` | `h` + 1 | a leaf of up to 16 elements, which is copied, its elements cloned; a cell of the count |
//! | `pop`, `try_pop` | `h` + 1 | the last leaf, or its parent when the leaf has gone; a cell of the count |
//! | `peek`, `try_peek` | `h` + 1 | |
//! | `drain` | all | the root, a cell of the count |
//! | `to_vec` | all | |
//! | `len` | 16 | |
//! | `is_empty` | 1 or 2 | |
//!
//! # Conflicts
//!
//! | | push | pop, peek | to_vec | len | drain |
//! |---|---|---|---|---|---|
//! | **push** | near in the order | if among the greatest | yes | yes | yes |
//! | **pop** | if among the greatest | yes (peek: yes) | yes | yes | yes |
//!
//! "Near" and "among the greatest" mean in the same leaf, fewer than 16 elements apart. Besides, a push that splits a leaf, one in
//! eight or fewer, and a pop that empties one, disturb those that are under way beneath the same parent, some 250 elements; one
//! in 128 or fewer beneath the same grandparent. Many threads that pop all want the same element: they come one after another.
//!
//! # Invariants
//!
//! - Q1  No two elements of a queue have the same number: `fetch_add` gives each once, and 2⁶⁴ are not used up.
//! - Q2  A push that begins after another has ended draws the greater number: both go through one atomic variable.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

use stm_core::{ReadTx, Stm, Tx, retry};

use crate::TOrdMap;

/// A priority queue for transactions, like `BinaryHeap`: the greatest element comes out first; with
/// [`Reverse`](std::cmp::Reverse), the least.
///
/// It is a handle: cloning it is cheap and gives another handle to the same queue. Elements are cloned whenever a neighbour is
/// written: wrap in an `Arc` what is dear to clone.
///
/// Equal elements come out in the order of their pushes. Of pushes that overlap in time, or in transactions that do, either may
/// be the first: which one is settled when `push` is called, not when its transaction commits.
///
/// A scheduler: whatever is due first is done first, and it sleeps while there is nothing to do.
///
/// ```
/// use std::cmp::Reverse;
/// use stm_collections::TPriorityQueue;
/// use stm_core::{atomically, check, Stm, TVar, Tx};
///
/// struct Scheduler {
///     now: TVar<u64>,
///     /// By due time.
///     jobs: TPriorityQueue<Reverse<(u64, &'static str)>>,
/// }
///
/// impl Scheduler {
///     /// Waits until a job is due.
///     fn next(&self, tx: &mut Tx<'_>) -> Stm<&'static str> {
///         let Reverse((due, job)) = self.jobs.pop(tx)?;
///         check(self.now.read(tx)? >= due)?; // else the pop is undone
///         Ok(job)
///     }
/// }
///
/// let scheduler = Scheduler { now: TVar::new(0), jobs: TPriorityQueue::new() };
/// std::thread::scope(|s| {
///     let worker = s.spawn(|| [(); 2].map(|()| atomically(|tx| scheduler.next(tx))));
///     atomically(|tx| {
///         scheduler.jobs.push(tx, Reverse((20, "later")))?;
///         scheduler.jobs.push(tx, Reverse((10, "sooner")))
///     });
///     for now in 1..=20 {
///         scheduler.now.store(now);
///     }
///     assert_eq!(worker.join().unwrap(), ["sooner", "later"]);
/// });
/// ```
pub struct TPriorityQueue<T> {
    elements: TOrdMap<Numbered<T>, ()>,
    next: Arc<AtomicU64>,
}

/// An element among its equals: the elder is the greater.
#[derive(Clone)]
struct Numbered<T> {
    element: T,
    number: u64,
}

impl<T: Ord> Ord for Numbered<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.element
            .cmp(&other.element)
            .then_with(|| other.number.cmp(&self.number))
    }
}

impl<T: Ord> PartialOrd for Numbered<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Numbered<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Ord> Eq for Numbered<T> {}

impl<T: Ord + Clone + Send + Sync + 'static> TPriorityQueue<T> {
    /// An empty queue. May be called anywhere, also inside a transaction.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    ///
    /// let queue: TPriorityQueue<u32> = TPriorityQueue::new();
    /// assert!(stm_core::atomically(|tx| queue.is_empty(tx)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            elements: TOrdMap::new(),
            next: Arc::default(),
        }
    }

    /// Puts `element` in, behind those that are equal to it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TPriorityQueue::new();
    /// atomically(|tx| {
    ///     queue.push(tx, 1)?;
    ///     queue.push(tx, 3)?;
    ///     queue.push(tx, 1)
    /// });
    /// assert_eq!(atomically(|tx| queue.to_vec(tx)), [3, 1, 1]);
    /// ```
    pub fn push(&self, tx: &mut Tx<'_>, element: T) -> Stm<()> {
        // Relaxed: Q1 needs the atomicity only, and Q2 the coherence of this one variable, as what ended before is ordered
        // before by whatever made that known. An attempt that is thrown away leaves a gap, which is no harm.
        let number = self.next.fetch_add(1, Atomic::Relaxed);
        let held = self.elements.insert(tx, Numbered { element, number }, ())?;
        debug_assert!(held.is_none(), "Q1");
        Ok(())
    }

    /// Takes the greatest element out, waiting for one.
    ///
    /// # Blocking
    ///
    /// Retries while the queue is empty.
    ///
    /// # Errors
    ///
    /// A retry, or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TPriorityQueue::new();
    /// std::thread::scope(|s| {
    ///     let popper = s.spawn(|| atomically(|tx| queue.pop(tx)));
    ///     atomically(|tx| queue.push(tx, 7));
    ///     assert_eq!(popper.join().unwrap(), 7);
    /// });
    /// ```
    ///
    /// It works in [`atomically_async`](stm_core::atomically_async) too, where the task waits and not the thread:
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::{atomically, atomically_async};
    ///
    /// let queue = TPriorityQueue::new();
    /// let mut next = Box::pin(atomically_async(|tx| queue.pop(tx)));
    /// let mut context = Context::from_waker(Waker::noop()); // an executor's, usually
    /// assert_eq!(next.as_mut().poll(&mut context), Poll::Pending);
    /// atomically(|tx| queue.push(tx, 7));
    /// assert_eq!(next.as_mut().poll(&mut context), Poll::Ready(7));
    /// # use std::future::Future;
    /// ```
    pub fn pop(&self, tx: &mut Tx<'_>) -> Stm<T> {
        self.try_pop(tx)?.map_or_else(retry, Ok)
    }

    /// Takes the greatest element out, if there is any.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TPriorityQueue::new();
    /// atomically(|tx| queue.push(tx, 7));
    /// assert_eq!(atomically(|tx| queue.try_pop(tx)), Some(7));
    /// assert_eq!(atomically(|tx| queue.try_pop(tx)), None);
    /// ```
    pub fn try_pop(&self, tx: &mut Tx<'_>) -> Stm<Option<T>> {
        element_of(self.elements.pop_last(tx))
    }

    /// The greatest element, cloned, waiting for one.
    ///
    /// # Blocking
    ///
    /// Retries while the queue is empty. (In a [`snapshot`](stm_core::snapshot) that is a panic: what it sees never changes.)
    ///
    /// # Errors
    ///
    /// A retry, or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TPriorityQueue::new();
    /// atomically(|tx| queue.push(tx, 7));
    /// assert_eq!(atomically(|tx| queue.peek(tx)), 7);
    /// ```
    pub fn peek(&self, tx: &mut impl ReadTx) -> Stm<T> {
        self.try_peek(tx)?.map_or_else(retry, Ok)
    }

    /// The greatest element, cloned, if there is any.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    ///
    /// let queue: TPriorityQueue<u32> = TPriorityQueue::new();
    /// assert_eq!(stm_core::snapshot(|s| queue.try_peek(s)), None);
    /// ```
    pub fn try_peek(&self, tx: &mut impl ReadTx) -> Stm<Option<T>> {
        element_of(self.elements.last(tx))
    }

    /// Takes everything out, in the order in which pops would.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::atomically;
    ///
    /// let queue = TPriorityQueue::new();
    /// let all = atomically(|tx| {
    ///     for n in [3, 1, 2] {
    ///         queue.push(tx, n)?;
    ///     }
    ///     queue.drain(tx)
    /// });
    /// assert_eq!(all, [3, 2, 1]);
    /// assert!(atomically(|tx| queue.is_empty(tx)));
    /// ```
    pub fn drain(&self, tx: &mut Tx<'_>) -> Stm<Vec<T>> {
        let all = self.to_vec(tx)?;
        self.elements.clear(tx)?;
        Ok(all)
    }

    /// All elements as of one moment, in the order in which pops would take them, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. In a [`snapshot`](stm_core::snapshot) there is none, however long it takes.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TPriorityQueue::new();
    /// atomically(|tx| queue.push(tx, 1));
    /// atomically(|tx| queue.push(tx, 3));
    /// assert_eq!(snapshot(|s| queue.to_vec(s)), [3, 1]);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<T>> {
        let mut all = Vec::new();
        self.elements
            .for_each(tx, |held, ()| all.push(held.element.clone()))?;
        all.reverse();
        Ok(all)
    }

    /// How many elements there are. Conflicts with every push and pop: ask in a [`snapshot`](stm_core::snapshot), or
    /// [`TPriorityQueue::is_empty`] if that is the question.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let queue = TPriorityQueue::new();
    /// atomically(|tx| queue.push(tx, 1));
    /// assert_eq!(snapshot(|s| queue.len(s)), 1);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.elements.len(tx)
    }

    /// Whether there is no element. Does not count them.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPriorityQueue;
    ///
    /// let queue: TPriorityQueue<u32> = TPriorityQueue::new();
    /// assert!(stm_core::snapshot(|s| queue.is_empty(s)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.elements.is_empty(tx)
    }
}

fn element_of<T>(held: Stm<Option<(Numbered<T>, ())>>) -> Stm<Option<T>> {
    Ok(held?.map(|(held, ())| held.element))
}

impl<T> Clone for TPriorityQueue<T> {
    fn clone(&self) -> Self {
        Self {
            elements: self.elements.clone(),
            next: Arc::clone(&self.next),
        }
    }
}

/// Shows which queue it is. The elements are not shown: reading them takes a transaction.
impl<T> fmt::Debug for TPriorityQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TPriorityQueue")
            .field(&self.elements)
            .finish()
    }
}

impl<T: Ord + Clone + Send + Sync + 'static> Default for TPriorityQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}
