//! A value that comes once, later.
//!
//! # The problem, and the idea
//!
//! A result is wanted by many before it is there. `TVar<Option<T>>` and a `retry` do it, and leave it to the discipline of
//! everybody that nobody writes it twice. This is that variable with the discipline kept inside: set once, never taken back, read
//! by anybody from then on. What is set once is an I-structure (Arvind, Nikhil and Pingali, "I-structures: data structures for
//! parallel computing", 1989, doi:10.1145/69558.69562); the interface is that of a promise and its futures.
//!
//! # Cost
//!
//! One variable. `set` allocates one node; everything else is one read of the variable. A waiter runs twice: it is woken by the
//! one write that there ever is.
//!
//! # Which pairs of operations conflict
//!
//! |                                 | reading  | `set`               |
//! |---------------------------------|----------|---------------------|
//! | `get` & co., `try_get`, `is_set`| no       | if it is the one    |
//! | `set`                           | as above | if one of them is it|
//!
//! Once it is set, nothing conflicts any more.
//!
//! # Picture
//!
//! ```text
//!  ┌──────┐  set (once)   ┌──────────┐
//!  │ None │ ────────────▶ │ Some(42) │ ──▶ get, get_ref, try_get: for good
//!  └──────┘               └──────────┘
//!   get sleeps             set gives its value back
//! ```
//!
//! # Invariants
//!
//! - I1  The variable is written by a transaction that has found `None` in it, and with `Some`. So it is written once.

use std::fmt;
use std::ops::Deref;

use stm_core::{ReadTx, Stm, TVar, Tx, retry};

/// A value to come: set once, waited for by any number of threads and tasks.
///
/// It is a handle: a clone is the same promise, and any of them may set it.
///
/// If it may be that nobody ever sets it, let the type say so (`TPromise<Result<T, E>>`) and set that: who waits has no other way
/// to learn of it.
///
/// ```
/// use stm_collections::TPromise;
/// use stm_core::atomically;
///
/// let answer = TPromise::new();
/// std::thread::scope(|s| {
///     let asker = s.spawn(|| atomically(|tx| answer.get(tx))); // sleeps
///     assert_eq!(atomically(|tx| answer.set(tx, 42)), Ok(()));
///     assert_eq!(asker.join().unwrap(), 42);
/// });
/// assert_eq!(atomically(|tx| answer.set(tx, 43)), Err(43));
/// ```
pub struct TPromise<T> {
    value: TVar<Option<T>>,
}

impl<T: Send + Sync + 'static> TPromise<T> {
    /// A promise that is not set yet.
    ///
    /// ```
    /// use stm_collections::TPromise;
    /// use stm_core::atomically;
    ///
    /// let promise = TPromise::<u8>::new();
    /// assert!(!atomically(|tx| promise.is_set(tx)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            value: TVar::new(None),
        }
    }

    /// Sets the value, for good, and wakes who waits for it; gives `value` back if it was set before.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPromise;
    /// use stm_core::atomically;
    ///
    /// let winner = TPromise::new();
    /// assert_eq!(atomically(|tx| winner.set(tx, "me")), Ok(()));
    /// assert_eq!(atomically(|tx| winner.set(tx, "you")), Err("you"));
    /// assert_eq!(atomically(|tx| winner.get(tx)), "me");
    /// ```
    pub fn set(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        if self.is_set(tx)? {
            return Ok(Err(value));
        }
        // I1.
        self.value.write(tx, Some(value)).map(Ok)
    }

    /// The value, cloned, once it is set.
    ///
    /// # Blocking
    ///
    /// Waits while it is not. The twin that does not wait is [`try_get`](Self::try_get).
    ///
    /// # Errors
    ///
    /// A retry while it is not set, or a conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic.
    ///
    /// Tasks wait likewise:
    ///
    /// ```
    /// use stm_collections::TPromise;
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let promise = TPromise::new();
    /// let mut value = pin!(atomically_async(|tx| promise.get(tx)));
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(value.as_mut().poll(&mut cx).is_pending());
    /// let _ = atomically(|tx| promise.set(tx, 'x'));
    /// assert_eq!(value.as_mut().poll(&mut cx), Poll::Ready('x'));
    /// ```
    pub fn get(&self, tx: &mut impl ReadTx) -> Stm<T>
    where
        T: Clone,
    {
        self.try_get(tx)?.map_or_else(retry, Ok)
    }

    /// The value, without a clone and valid to the end of the body, once it is set.
    ///
    /// # Blocking
    ///
    /// As [`get`](Self::get). The twin that does not wait is [`try_get_ref`](Self::try_get_ref).
    ///
    /// # Errors
    ///
    /// A retry while it is not set, or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPromise;
    /// use stm_core::atomically;
    ///
    /// let name = TPromise::new();
    /// let _ = atomically(|tx| name.set(tx, String::from("Ada")));
    /// assert_eq!(atomically(|tx| Ok(name.get_ref(tx)?.len())), 3);
    /// ```
    pub fn get_ref<X: ReadTx>(&self, tx: &mut X) -> Stm<impl Deref<Target = T> + use<X, T>> {
        self.try_get_ref(tx)?.map_or_else(retry, Ok)
    }

    /// The value, cloned, or `None` if it is not set.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic.
    ///
    /// ```
    /// use stm_collections::TPromise;
    /// use stm_core::snapshot;
    ///
    /// assert_eq!(snapshot(|s| TPromise::<u8>::new().try_get(s)), None);
    /// ```
    pub fn try_get(&self, tx: &mut impl ReadTx) -> Stm<Option<T>>
    where
        T: Clone,
    {
        self.value.read(tx)
    }

    /// The value, without a clone and valid to the end of the body, or `None` if it is not set.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPromise;
    /// use stm_core::atomically;
    ///
    /// let name = TPromise::<String>::new();
    /// let len = atomically(|tx| Ok(name.try_get_ref(tx)?.map_or(0, |name| name.len())));
    /// assert_eq!(len, 0);
    /// ```
    pub fn try_get_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Option<impl Deref<Target = T> + use<X, T>>> {
        self.value.read_ref(tx).map(Filled::new)
    }

    /// Whether it is set. Once true, it stays so.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TPromise;
    /// use stm_core::atomically;
    ///
    /// let promise = TPromise::new();
    /// let seen = atomically(|tx| {
    ///     let _ = promise.set(tx, 1)?;
    ///     promise.is_set(tx)
    /// });
    /// assert!(seen);
    /// ```
    pub fn is_set(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(self.value.read_ref(tx)?.is_some())
    }
}

/// A reference to an option that is known to hold something: a reference to that.
pub(crate) struct Filled<R>(R);

impl<R: Deref<Target = Option<T>>, T> Filled<R> {
    pub(crate) fn new(option: R) -> Option<Self> {
        option.is_some().then(|| Self(option))
    }
}

impl<R: Deref<Target = Option<T>>, T> Deref for Filled<R> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("`new` has looked")
    }
}

impl<T> Clone for TPromise<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
        }
    }
}

/// Shows which promise it is. The value is not shown: reading it takes a transaction.
impl<T> fmt::Debug for TPromise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TPromise").field(&self.value).finish()
    }
}

/// Not set.
impl<T: Send + Sync + 'static> Default for TPromise<T> {
    fn default() -> Self {
        Self::new()
    }
}
