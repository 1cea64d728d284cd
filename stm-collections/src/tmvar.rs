//! A place for one value that is full or empty.
//!
//! # The problem, and the idea
//!
//! Two transactions want to hand a value over: one waits until it is there, the other until there is room. The obvious way is
//! a `TVar<Option<T>>` with `check`s around it, and that is what this is, with names: `MVar` of Concurrent Haskell (Peyton Jones,
//! Gordon and Finne, "Concurrent Haskell", POPL 1996, doi:10.1145/237721.237794) as a transactional object, the `TMVar` of Haskell's
//! stm. It serves as a channel of one place, as a lock that guards data (take it, put it back), as a result that is not there yet.
//!
//! One variable, not two (the value, and whether there is one): a `put` must wake who waits to take, a `take` who waits to put,
//! and since they alternate nobody is woken by a change that does not concern him, save by `swap`. There is no order among those
//! who wait, and all who wait for a value wake when there is one. Where many wait, use a queue or a semaphore.
//!
//! # Picture
//!
//! ```text
//!            put, try_put
//!   ┌───────┐ ──────────▶ ┌──────┐
//!   │ empty │             │ full │ ◀─┐ swap, read, try_read
//!   └───────┘ ◀────────── └──────┘ ──┘
//!            take, try_take
//!   waits: take, read, swap   waits: put
//! ```
//!
//! # Cost
//!
//! Each operation O(1), over one variable. `take`, `read` and `swap` clone the value, because others may still be reading it;
//! wrap in `Arc` what is dear to clone.
//!
//! # Conflicts
//!
//! ```text
//!                              put, take, swap   read, read_ref, is_empty
//!  put, take, swap                    ×                     ×
//!  read, read_ref, is_empty           ×                     ·
//! ```
//!
//! The `try_` twins likewise; one that finds nothing to do only reads.
//!
//! # Invariants
//!
//! - M1  The variable holds `Some` exactly while it is full. There is no other state.

use std::fmt;
use std::ops::Deref;

use stm_core::{ReadTx, Stm, TVar, Tx, check, retry};

/// A place for one value, full or empty: taking waits for a value, putting waits for room.
///
/// A handle: clones are the same place.
///
/// ```
/// use stm_collections::TMVar;
/// use stm_core::atomically;
///
/// let (ask, answer) = (TMVar::empty(), TMVar::empty());
/// std::thread::scope(|s| {
///     s.spawn(|| {
///         let n: u32 = atomically(|tx| ask.take(tx)); // sleeps until asked
///         atomically(|tx| answer.put(tx, n * n));
///     });
///     atomically(|tx| ask.put(tx, 12));
///     assert_eq!(atomically(|tx| answer.take(tx)), 144);
/// });
/// ```
pub struct TMVar<T> {
    value: TVar<Option<T>>,
}

impl<T: Send + Sync + 'static> TMVar<T> {
    /// A full one.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// assert_eq!(atomically(|tx| TMVar::new(7).try_take(tx)), Some(7));
    /// ```
    #[must_use]
    pub fn new(value: T) -> Self {
        Self {
            value: TVar::new(Some(value)),
        }
    }

    /// An empty one.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// assert_eq!(atomically(|tx| TMVar::<u8>::empty().try_take(tx)), None);
    /// ```
    #[must_use]
    pub fn empty() -> Self {
        Self {
            value: TVar::new(None),
        }
    }

    /// Puts `value` in.
    ///
    /// # Blocking
    ///
    /// Waits while it is full.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`. The value is lost with the attempt; the body makes it anew.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let place = TMVar::new('a');
    /// let mut task = pin!(atomically_async(|tx| place.put(tx, 'b')));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(atomically(|tx| place.take(tx)), 'a'); // wakes the task
    /// assert!(task.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn put(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        check(self.is_empty(tx)?)?;
        self.value.write(tx, Some(value))
    }

    /// Puts `value` in if there is room.
    ///
    /// # Errors
    ///
    /// A conflict: pass it on with `?`; the value is lost with the attempt. Inside, the value comes back if it is full.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// let place = TMVar::empty();
    /// assert_eq!(atomically(|tx| place.try_put(tx, 1)), Ok(()));
    /// assert_eq!(atomically(|tx| place.try_put(tx, 2)), Err(2));
    /// ```
    pub fn try_put(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        if self.is_empty(tx)? {
            self.value.write(tx, Some(value)).map(Ok)
        } else {
            Ok(Err(value))
        }
    }

    /// Takes the value out.
    ///
    /// # Blocking
    ///
    /// Waits while it is empty.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let place = TMVar::empty();
    /// let mut task = pin!(atomically_async(|tx| place.take(tx)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// atomically(|tx| place.put(tx, "here")); // wakes the task
    /// assert_eq!(task.as_mut().poll(&mut cx), Poll::Ready("here"));
    /// ```
    pub fn take(&self, tx: &mut Tx<'_>) -> Stm<T>
    where
        T: Clone,
    {
        or_wait(self.try_take(tx)?)
    }

    /// Takes the value out if there is one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// let place = TMVar::new(1);
    /// assert_eq!(atomically(|tx| place.try_take(tx)), Some(1));
    /// assert_eq!(atomically(|tx| place.try_take(tx)), None);
    /// ```
    pub fn try_take(&self, tx: &mut Tx<'_>) -> Stm<Option<T>>
    where
        T: Clone,
    {
        let value = self.value.read(tx)?;
        if value.is_some() {
            self.value.write(tx, None)?;
        }
        Ok(value)
    }

    /// The value, which stays in.
    ///
    /// # Blocking
    ///
    /// Waits while it is empty.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// `snapshot` panics when its body retries, so use [`try_read`](Self::try_read) there.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// let place = TMVar::new(1);
    /// assert_eq!(atomically(|tx| place.read(tx)), 1);
    /// assert_eq!(atomically(|tx| place.read(tx)), 1);
    /// ```
    pub fn read(&self, tx: &mut impl ReadTx) -> Stm<T>
    where
        T: Clone,
    {
        or_wait(self.try_read(tx)?)
    }

    /// The value, if there is one. It stays in.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::snapshot;
    ///
    /// assert_eq!(snapshot(|s| TMVar::new(1).try_read(s)), Some(1));
    /// assert_eq!(snapshot(|s| TMVar::<u8>::empty().try_read(s)), None);
    /// ```
    pub fn try_read(&self, tx: &mut impl ReadTx) -> Stm<Option<T>>
    where
        T: Clone,
    {
        self.value.read(tx)
    }

    /// A look at the value, without a clone. It stays in.
    ///
    /// # Blocking
    ///
    /// Waits while it is empty.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// `snapshot` panics when its body retries, so use [`try_read_ref`](Self::try_read_ref) there.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// let place = TMVar::new(String::from("abc"));
    /// assert_eq!(atomically(|tx| Ok(place.read_ref(tx)?.len())), 3);
    /// ```
    pub fn read_ref<X: ReadTx>(&self, tx: &mut X) -> Stm<impl Deref<Target = T> + use<T, X>> {
        or_wait(self.try_read_ref(tx)?)
    }

    /// A look at the value, without a clone, if there is one. It stays in.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::snapshot;
    ///
    /// let place = TMVar::new(String::from("abc"));
    /// let len = snapshot(|s| Ok(place.try_read_ref(s)?.map(|text| text.len())));
    /// assert_eq!(len, Some(3));
    /// ```
    pub fn try_read_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Option<impl Deref<Target = T> + use<T, X>>> {
        let value = self.value.read_ref(tx)?;
        Ok(value.is_some().then_some(Full(value)))
    }

    /// Puts `value` in and gives the one that was there.
    ///
    /// # Blocking
    ///
    /// Waits while it is empty.
    ///
    /// # Errors
    ///
    /// A retry or a conflict. Pass it on with `?`. The value is lost with the attempt; the body makes it anew.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// let place = TMVar::new(1);
    /// assert_eq!(atomically(|tx| place.swap(tx, 2)), 1);
    /// assert_eq!(atomically(|tx| place.read(tx)), 2);
    /// ```
    pub fn swap(&self, tx: &mut Tx<'_>, value: T) -> Stm<T>
    where
        T: Clone,
    {
        let old = or_wait(self.value.read(tx)?)?;
        self.value.write(tx, Some(value))?;
        Ok(old)
    }

    /// Puts `value` in and gives the one that was there, if there was one.
    ///
    /// # Errors
    ///
    /// A conflict: pass it on with `?`; the value is lost with the attempt. Inside, the value comes back if it is empty.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::atomically;
    ///
    /// assert_eq!(atomically(|tx| TMVar::new(1).try_swap(tx, 2)), Ok(1));
    /// assert_eq!(atomically(|tx| TMVar::empty().try_swap(tx, 2)), Err(2));
    /// ```
    pub fn try_swap(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<T, T>>
    where
        T: Clone,
    {
        match self.value.read(tx)? {
            Some(old) => self.value.write(tx, Some(value)).map(|()| Ok(old)),
            None => Ok(Err(value)),
        }
    }

    /// Whether there is no value in it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMVar;
    /// use stm_core::snapshot;
    ///
    /// assert!(snapshot(|s| TMVar::<u8>::empty().is_empty(s)));
    /// assert!(!snapshot(|s| TMVar::new(1).is_empty(s)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(self.value.read_ref(tx)?.is_none())
    }
}

fn or_wait<T>(value: Option<T>) -> Stm<T> {
    value.map_or_else(retry, Ok)
}

/// A look at an option that is known to be `Some`.
struct Full<R>(R);

impl<T, R: Deref<Target = Option<T>>> Deref for Full<R> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it does not change any more")
    }
}

impl<T> Clone for TMVar<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value.clone(),
        }
    }
}

/// Shows which one it is, not what is in it: to see that takes a transaction.
impl<T> fmt::Debug for TMVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TMVar").field(&self.value).finish()
    }
}

/// An empty one.
impl<T: Send + Sync + 'static> Default for TMVar<T> {
    fn default() -> Self {
        Self::empty()
    }
}

impl<T: Send + Sync + 'static> From<T> for TMVar<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}
