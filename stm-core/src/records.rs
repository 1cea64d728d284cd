//! Records: several words under one lock, side by side. See `array` for their places and `patch` for what is pending.

use std::fmt;

use crate::array::Array;
use crate::block::Pinned;
use crate::error::Stm;
use crate::read_tx::ReadTx;
use crate::read_tx::sealed::ForAccess;
use crate::tx::Tx;

/// A row of records of `N` machine words each: variables that are larger than a word and lie where one can find them.
///
/// A record is one variable. Who reads any of its words conflicts with who writes any of them, and a
/// [`retry`](crate::retry) wakes up when any is written. Different records have nothing to do with each other.
///
/// It is the material that collections are made of, in place of a `Vec<TVar<[u64; N]>>`: the words lie beside their lock, and the
/// records one behind the other. So to find a record takes no pointer from memory, reading it none either, and writing some of its words
/// copies and allocates nothing. A record takes 32 bytes and its words, rounded up to 16. What the words mean is the user's affair.
///
/// A `TRecords` is a handle: cloning it is cheap and gives another handle to the same records. They go together, when the last handle
/// has gone and no transaction can see them any more.
///
/// ```
/// use stm_core::{TRecords, atomically};
///
/// const BALANCE: usize = 0;
/// const TRANSFERS: usize = 1;
///
/// let accounts = TRecords::<2>::new(1000); // all words are 0
/// atomically(|tx| accounts.write_word(tx, 7, BALANCE, 50));
/// atomically(|tx| {
///     let balance = accounts.read_word(tx, 7, BALANCE)?;
///     accounts.write_word(tx, 7, BALANCE, balance - 20)?;
///     accounts.write_word(tx, 8, BALANCE, 20)?;
///     accounts.write_word(tx, 8, TRANSFERS, 1)
/// });
/// assert_eq!(atomically(|tx| accounts.read(tx, 7)), [30, 0]);
/// assert_eq!(atomically(|tx| accounts.read(tx, 8)), [20, 1]);
/// ```
///
/// At most 64 words fit a record:
///
/// ```compile_fail
/// stm_core::TRecords::<65>::new(1);
/// ```
///
/// # Panics
///
/// Operations panic if there is no record, or no word, of the index that they are given.
pub struct TRecords<const N: usize> {
    array: Array<N>,
}

// Records are only ever changed by whole publications, so a panic cannot leave one half-way.
impl<const N: usize> std::panic::UnwindSafe for TRecords<N> {}
impl<const N: usize> std::panic::RefUnwindSafe for TRecords<N> {}

impl<const N: usize> TRecords<N> {
    /// `len` records, whose words are all 0. May be called anywhere, also inside a transaction.
    ///
    /// # Panics
    ///
    /// If no memory could hold so many. If there is none left, the process is aborted, as with a `Vec`.
    ///
    /// ```
    /// let records = stm_core::TRecords::<3>::new(10);
    /// assert_eq!(records.len(), 10);
    /// ```
    #[must_use]
    pub fn new(len: usize) -> Self {
        let array = Array::new(len);
        Self { array }
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.array.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(stm_core::TRecords::<3>::new(0).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Has the processor fetch a record of several cache lines at once, and not one after the other as they are read. A hint: it
    /// reads nothing, and does nothing where there is no such instruction or no such record.
    ///
    /// It pays where it is called just before the first of several words in different lines is read, in many records.
    ///
    /// ```
    /// use stm_core::{TRecords, atomically};
    ///
    /// let records = TRecords::<20>::new(10);
    /// let sum = atomically(|tx| {
    ///     records.prefetch(3);
    ///     Ok(records.read_word(tx, 3, 0)? + records.read_word(tx, 3, 19)?)
    /// });
    /// assert_eq!(sum, 0);
    /// ```
    #[inline(always)]
    pub fn prefetch(&self, record: usize) {
        self.array.prefetch(record);
    }

    /// All words of a record, as of the transaction's moment, or as it wrote them itself.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{TRecords, snapshot};
    ///
    /// let records = TRecords::<3>::new(10);
    /// assert_eq!(snapshot(|s| records.read(s, 9)), [0, 0, 0]);
    /// ```
    #[inline(always)]
    pub fn read<X: ReadTx>(&self, tx: &mut X, record: usize) -> Stm<[u64; N]> {
        self.read_words(tx, record, 0)
    }

    /// `M` words of a record, from `first` on, likewise.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{TRecords, atomically};
    ///
    /// let records = TRecords::<3>::new(10);
    /// assert_eq!(atomically(|tx| records.read_words::<2, _>(tx, 9, 1)), [0, 0]);
    /// ```
    #[inline(always)]
    pub fn read_words<const M: usize, X: ReadTx>(
        &self,
        tx: &mut X,
        record: usize,
        first: usize,
    ) -> Stm<[u64; M]> {
        Self::assert_words::<M>(first);
        tx.access_words(ForAccess(self.pinned_by(tx, record)), first)
    }

    /// One word of a record, likewise.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{TRecords, atomically};
    ///
    /// let records = TRecords::<3>::new(10);
    /// assert_eq!(atomically(|tx| records.read_word(tx, 9, 2)), 0);
    /// ```
    #[inline(always)]
    pub fn read_word<X: ReadTx>(&self, tx: &mut X, record: usize, word: usize) -> Stm<u64> {
        let [value] = self.read_words(tx, record, word)?;
        Ok(value)
    }

    /// Gives all words of a record new values, visible to others once the transaction commits. Not a read.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{TRecords, atomically};
    ///
    /// let records = TRecords::<2>::new(10);
    /// atomically(|tx| records.write(tx, 3, [1, 2]));
    /// assert_eq!(atomically(|tx| records.read(tx, 3)), [1, 2]);
    /// ```
    #[inline(always)]
    pub fn write(&self, tx: &mut Tx<'_>, record: usize, words: [u64; N]) -> Stm<()> {
        self.write_words(tx, record, 0, words)
    }

    /// Gives the words of a record from `first` on new values, likewise. The others stay as they are.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{TRecords, atomically};
    ///
    /// let records = TRecords::<3>::new(10);
    /// atomically(|tx| records.write_words(tx, 3, 1, [7, 8]));
    /// assert_eq!(atomically(|tx| records.read(tx, 3)), [0, 7, 8]);
    /// ```
    #[inline(always)]
    pub fn write_words<const M: usize>(
        &self,
        tx: &mut Tx<'_>,
        record: usize,
        first: usize,
        values: [u64; M],
    ) -> Stm<()> {
        Self::assert_words::<M>(first);
        self.write_each::<M>(
            tx,
            record,
            std::array::from_fn(|at| (first + at, values[at])),
        )
    }

    /// Gives some words of a record new values, each with its index before it, likewise.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{TRecords, atomically};
    ///
    /// let records = TRecords::<3>::new(10);
    /// atomically(|tx| records.write_each(tx, 3, [(2, 7), (0, 8)]));
    /// assert_eq!(atomically(|tx| records.read(tx, 3)), [8, 0, 7]);
    /// ```
    #[inline(always)]
    pub fn write_each<const M: usize>(
        &self,
        tx: &mut Tx<'_>,
        record: usize,
        values: [(usize, u64); M],
    ) -> Stm<()> {
        for (word, _) in values {
            Self::assert_words::<1>(word);
        }
        let block = self.pinned_by(tx, record);
        // SAFETY: `pinned_by` gives blocks of this array, whose records have `N` words.
        unsafe { tx.stage_words::<N, M>(block, values) }
    }

    /// Gives one word of a record a new value, likewise.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{TRecords, atomically};
    ///
    /// let records = TRecords::<2>::new(10);
    /// atomically(|tx| records.write_word(tx, 3, 1, 7));
    /// assert_eq!(atomically(|tx| records.read(tx, 3)), [0, 7]);
    /// ```
    #[inline(always)]
    pub fn write_word(&self, tx: &mut Tx<'_>, record: usize, word: usize, value: u64) -> Stm<()> {
        self.write_words(tx, record, word, [value])
    }

    #[inline(always)]
    fn pinned_by(&self, _tx: &impl ReadTx, record: usize) -> Pinned {
        // SAFETY: a transaction exists, so this thread is pinned to its end.
        unsafe { self.array.pinned(record) }
    }

    /// S5.
    #[inline(always)]
    fn assert_words<const M: usize>(first: usize) {
        const { assert!(M > 0 && M <= N, "a record has not so many words") }
        assert!(
            first <= N - M,
            "a record of {N} words has no {M} from index {first} on"
        );
    }
}

impl<const N: usize> Clone for TRecords<N> {
    fn clone(&self) -> Self {
        let array = self.array.clone();
        Self { array }
    }
}

/// Shows which records they are. Their words are not shown: to read them takes a transaction.
impl<const N: usize> fmt::Debug for TRecords<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TRecords")
            .field("at", &format_args!("{:#x}", self.array.address()))
            .field("len", &self.len())
            .finish()
    }
}
