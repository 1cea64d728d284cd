//! A fixed number of elements side by side, each a variable of its own.
//!
//! # The problem, and the idea
//!
//! A vector in one `TVar<Vec<T>>` is copied by each write and makes any two writers conflict. If the number of elements does not
//! change, neither is needed: let each element be its own variable, and let the row of them be plain shared memory, which nobody
//! writes and no transaction has to read. That is Haskell's `TArray` (package `stm`, `Control.Concurrent.STM.TArray`).
//!
//! # Cost
//!
//! | operation                                      | reads          | writes         |
//! |------------------------------------------------|----------------|----------------|
//! | `get`, `get_ref`, `try_get`                    | 1 variable     |                |
//! | `set`, `try_set`                               |                | 1 variable     |
//! | `replace`, `modify`, `update`                  | 1 variable     | the same       |
//! | `swap`                                         | 2 variables    | the same two   |
//! | `to_vec`, `for_each`                           | all            |                |
//! | `len`, `is_empty`                              | nothing        |                |
//!
//! An element costs a handle of eight bytes and its variable: 32 bytes of heap for integers, floats, `bool` and `char`, and a node
//! beside that for other types.
//!
//! # Which pairs of operations conflict
//!
//! Those on the same index of which one writes, with the usual exception: two that only `set` it do not. `to_vec` and `for_each`
//! are on every index; in a [`snapshot`](stm_core::snapshot) they conflict with nothing. `len` is on none.
//!
//! | on one index            | `get` & co. | `set` | `modify` & co., `swap` |
//! |-------------------------|-------------|-------|------------------------|
//! | `get` & co.             | no          | yes   | yes                    |
//! | `set`                   | yes         | no    | yes                    |
//! | `modify` & co., `swap`  | yes         | yes   | yes                    |
//!
//! # Picture
//!
//! ```text
//!  handle ──▶ Arc ┌────┬────┬────┬────┐
//!                 │ 0  │ 1  │ 2  │ 3  │   never changes, never read by a transaction
//!                 └─┬──┴─┬──┴─┬──┴─┬──┘
//!                   ▼    ▼    ▼    ▼
//!                 TVar TVar TVar TVar      what conflicts
//! ```
//!
//! # Invariants
//!
//! - I1  The row is as long as it was made, and the variable at an index is always the same one.

use std::fmt;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, TVar, Tx};

/// A shared array of fixed length; transactions on different indices do not conflict.
///
/// It is a handle: a clone is the same array.
///
/// ```
/// use stm_collections::TArray;
/// use stm_core::{atomically, snapshot};
///
/// let accounts = TArray::new(vec![100, 0, 0]);
/// atomically(|tx| {
///     accounts.modify(tx, 0, |balance| balance - 30)?;
///     accounts.modify(tx, 2, |balance| balance + 30)
/// });
/// assert_eq!(snapshot(|s| accounts.to_vec(s)), [70, 0, 30]);
/// ```
///
/// # Panics
///
/// Each operation that takes an index, but for the `try_` ones, panics if it is not below [`len`](Self::len), like that of a
/// slice. The transaction has no effect then.
pub struct TArray<T> {
    cells: Arc<[TVar<T>]>,
}

impl<T: Send + Sync + 'static> TArray<T> {
    /// An array of these elements.
    ///
    /// ```
    /// use stm_collections::TArray;
    ///
    /// assert_eq!(TArray::new(vec!["a", "b"]).len(), 2);
    /// ```
    #[must_use]
    pub fn new(elements: Vec<T>) -> Self {
        elements.into_iter().collect()
    }

    /// An array of `len` elements, that at index `i` being `element(i)`.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let squares = TArray::from_fn(4, |i| i * i);
    /// assert_eq!(atomically(|tx| squares.get(tx, 3)), 9);
    /// ```
    #[must_use]
    pub fn from_fn(len: usize, element: impl FnMut(usize) -> T) -> Self {
        (0..len).map(element).collect()
    }

    /// The element at `index`, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If `index` is out of range; [`try_get`](Self::try_get) does not.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let words = TArray::new(vec!["a", "b"]);
    /// assert_eq!(atomically(|tx| words.get(tx, 1)), "b");
    /// ```
    #[track_caller]
    pub fn get(&self, tx: &mut impl ReadTx, index: usize) -> Stm<T>
    where
        T: Clone,
    {
        self.cell(index).read(tx)
    }

    /// The element at `index`, cloned, or `None` if there is no such index.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let words = TArray::new(vec!["a", "b"]);
    /// assert_eq!(atomically(|tx| words.try_get(tx, 0)), Some("a"));
    /// assert_eq!(atomically(|tx| words.try_get(tx, 2)), None);
    /// ```
    pub fn try_get(&self, tx: &mut impl ReadTx, index: usize) -> Stm<Option<T>>
    where
        T: Clone,
    {
        self.cells.get(index).map(|cell| cell.read(tx)).transpose()
    }

    /// The element at `index`, without a clone; valid to the end of the body.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If `index` is out of range.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let names = TArray::new(vec![String::from("Ada"), String::from("Grace")]);
    /// let longest = atomically(|tx| {
    ///     let (a, b) = (names.get_ref(tx, 0)?, names.get_ref(tx, 1)?);
    ///     Ok(a.len().max(b.len()))
    /// });
    /// assert_eq!(longest, 5);
    /// ```
    #[track_caller]
    pub fn get_ref<X: ReadTx>(&self, tx: &mut X, index: usize) -> Stm<X::Ref<T>> {
        self.cell(index).read_ref(tx)
    }

    /// Gives the element at `index` a new value. Not a read.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If `index` is out of range; [`try_set`](Self::try_set) does not.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let lamps = TArray::new(vec![false; 3]);
    /// atomically(|tx| lamps.set(tx, 1, true));
    /// assert_eq!(atomically(|tx| lamps.to_vec(tx)), [false, true, false]);
    /// ```
    #[track_caller]
    pub fn set(&self, tx: &mut Tx<'_>, index: usize, value: T) -> Stm<()> {
        self.cell(index).write(tx, value)
    }

    /// Gives the element at `index` a new value, or `value` back if there is no such index.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let lamps = TArray::new(vec!['.'; 3]);
    /// assert_eq!(atomically(|tx| lamps.try_set(tx, 1, '*')), Ok(()));
    /// assert_eq!(atomically(|tx| lamps.try_set(tx, 3, '*')), Err('*'));
    /// ```
    pub fn try_set(&self, tx: &mut Tx<'_>, index: usize, value: T) -> Stm<Result<(), T>> {
        match self.cells.get(index) {
            Some(cell) => cell.write(tx, value).map(Ok),
            None => Ok(Err(value)),
        }
    }

    /// Gives the element at `index` a new value and returns the old one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If `index` is out of range; with `T::clone`'s panic.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let seats = TArray::new(vec!["free", "free"]);
    /// assert_eq!(atomically(|tx| seats.replace(tx, 0, "taken")), "free");
    /// ```
    #[track_caller]
    pub fn replace(&self, tx: &mut Tx<'_>, index: usize, value: T) -> Stm<T>
    where
        T: Clone,
    {
        self.cell(index).replace(tx, value)
    }

    /// Replaces the element at `index` by a function of it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If `index` is out of range; with the panic of `f` or of `T::clone`.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let votes = TArray::new(vec![0, 0]);
    /// atomically(|tx| votes.modify(tx, 1, |n| n + 1));
    /// assert_eq!(atomically(|tx| votes.to_vec(tx)), [0, 1]);
    /// ```
    #[track_caller]
    pub fn modify(&self, tx: &mut Tx<'_>, index: usize, f: impl FnOnce(T) -> T) -> Stm<()>
    where
        T: Clone,
    {
        self.cell(index).modify(tx, f)
    }

    /// Changes the element at `index` in place and returns what `f` returns. Cloned once a transaction at most.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If `index` is out of range; with the panic of `f` or of `T::clone`.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let buckets = TArray::from_fn(2, |_| Vec::new());
    /// let len = atomically(|tx| {
    ///     buckets.update(tx, 0, |bucket| bucket.push('a'))?;
    ///     buckets.update(tx, 0, |bucket| { bucket.push('b'); bucket.len() })
    /// });
    /// assert_eq!(len, 2);
    /// ```
    #[track_caller]
    pub fn update<R>(&self, tx: &mut Tx<'_>, index: usize, f: impl FnOnce(&mut T) -> R) -> Stm<R>
    where
        T: Clone,
    {
        self.cell(index).update(tx, f)
    }

    /// Exchanges two elements. With twice the same index it does nothing, and does not conflict.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// If either index is out of range; with `T::clone`'s panic.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::atomically;
    ///
    /// let shelf = TArray::new(vec!['a', 'b', 'c']);
    /// atomically(|tx| shelf.swap(tx, 0, 2));
    /// assert_eq!(atomically(|tx| shelf.to_vec(tx)), ['c', 'b', 'a']);
    /// ```
    #[track_caller]
    pub fn swap(&self, tx: &mut Tx<'_>, i: usize, j: usize) -> Stm<()>
    where
        T: Clone,
    {
        let (a, b) = (self.cell(i), self.cell(j));
        if i == j {
            return Ok(());
        }
        let of_b = b.read(tx)?;
        let of_a = a.replace(tx, of_b)?;
        b.write(tx, of_a)
    }

    /// All elements as of one moment, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::snapshot;
    ///
    /// assert_eq!(snapshot(|s| TArray::new(vec![1, 2]).to_vec(s)), [1, 2]);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<T>>
    where
        T: Clone,
    {
        self.cells.iter().map(|cell| cell.read(tx)).collect()
    }

    /// Shows `f` each index and its element, in order, all as of one moment and without a clone.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. `f` may have seen some elements by then, as of one moment, too.
    ///
    /// # Panics
    ///
    /// With `f`'s panic.
    ///
    /// ```
    /// use stm_collections::TArray;
    /// use stm_core::snapshot;
    ///
    /// let names = TArray::new(vec![String::from("Ada"), String::from("Grace")]);
    /// let letters = snapshot(|s| {
    ///     let mut letters = 0;
    ///     names.for_each(s, |_, name| letters += name.len())?;
    ///     Ok(letters)
    /// });
    /// assert_eq!(letters, 8);
    /// ```
    pub fn for_each(&self, tx: &mut impl ReadTx, mut f: impl FnMut(usize, &T)) -> Stm<()> {
        for (index, cell) in self.cells.iter().enumerate() {
            f(index, &*cell.read_ref(tx)?);
        }
        Ok(())
    }

    #[track_caller]
    fn cell(&self, index: usize) -> &TVar<T> {
        match self.cells.get(index) {
            Some(cell) => cell,
            None => out_of_range(index, self.cells.len()),
        }
    }
}

impl<T> TArray<T> {
    /// How many elements there are. It never changes, so it needs no transaction.
    ///
    /// ```
    /// assert_eq!(stm_collections::TArray::new(vec![7, 8]).len(), 2);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are none.
    ///
    /// ```
    /// assert!(stm_collections::TArray::<u8>::default().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }
}

#[cold]
#[track_caller]
fn out_of_range(index: usize, len: usize) -> ! {
    panic!("index {index} is out of range for a TArray of length {len}");
}

impl<T> Clone for TArray<T> {
    fn clone(&self) -> Self {
        Self {
            cells: Arc::clone(&self.cells),
        }
    }
}

/// Shows the length. The elements are not shown: reading them takes a transaction.
impl<T> fmt::Debug for TArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TArray")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The empty array.
impl<T: Send + Sync + 'static> Default for TArray<T> {
    fn default() -> Self {
        Self::from_iter([])
    }
}

impl<T: Send + Sync + 'static> FromIterator<T> for TArray<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self {
            cells: elements.into_iter().map(TVar::new).collect(),
        }
    }
}

impl<T: Send + Sync + 'static> From<Vec<T>> for TArray<T> {
    fn from(elements: Vec<T>) -> Self {
        Self::new(elements)
    }
}
