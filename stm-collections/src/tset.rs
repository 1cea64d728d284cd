//! A hash set whose elements are independent of each other.
//!
//! It is a [`TMap`] with nothing for values: the problem, the table, the picture, the invariants, the cost of each operation and
//! what conflicts are described in `tmap.rs`, and an element is a key there. There is one difference. Inserting an element that
//! is there writes nothing, so two transactions that both insert it do not conflict. And no bucket of a set is filed in a record,
//! for `()` is no machine word: those of a large set of small elements lie in nodes, which are small, too. If
//! what the row says commits while what the column says is under way, is the latter run again?
//!
//! | | `contains` | `insert` of what is there | `insert` of what was removed lately, `remove` | `insert` of a new element | `len` | iteration |
//! |---|---|---|---|---|---|---|
//! | `insert` of what is there, `remove` of what is not | no | no | same element | same bucket | no | no |
//! | `insert` of what was removed lately, `remove` | same element | same element | same element | no, or it was removed and shares the bucket | yes | yes |
//! | `insert` of a new element | same bucket | same bucket | same bucket | same bucket | yes | yes |
//!
//! # Picture
//!
//! ```text
//!  TSet ──▶ TMap<K, ()> ──▶ .. ──▶ entry { key, TVar<Option<()>> }      Some(()): an element    None: it was one
//!                              ──▶ a bucket of keys                     in a large set of small elements
//! ```
//!
//! # Invariants
//!
//! - E1  An element is what the map has as a key: H2 and H3 of `tmap/table.rs`, read with "element" for "key".

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};

use stm_core::{ReadTx, Stm, Tx};

use crate::tmap::TMap;

/// A transactional hash set: operations on different elements do not conflict, `len` and iteration are exact.
///
/// It is a handle: cloning it is cheap and gives another handle to the same set. Cost, conflicts, hashing and panics are those
/// of [`TMap`]; but inserting an element that is there writes nothing.
///
/// ```
/// use stm_collections::TSet;
/// use stm_core::{atomically, snapshot};
///
/// let (free, busy) = (TSet::<&str>::new(), TSet::<&str>::new());
/// atomically(|tx| free.insert(tx, "room 1"));
/// atomically(|tx| {
///     if free.remove(tx, "room 1")? {
///         busy.insert(tx, "room 1")?;
///     }
///     Ok(())
/// });
/// let (free, busy) = snapshot(|s| Ok((free.len(s)?, busy.contains(s, "room 1")?)));
/// assert_eq!((free, busy), (0, true));
/// ```
pub struct TSet<K, S = RandomState> {
    map: TMap<K, (), S>,
}

impl<K: Send + Sync + 'static> TSet<K> {
    /// An empty set. May be called anywhere, also inside a transaction.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::atomically;
    ///
    /// let set: TSet<String> = TSet::new();
    /// assert!(atomically(|tx| set.is_empty(tx)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<K: Send + Sync + 'static, S> TSet<K, S> {
    /// An empty set that hashes with `hasher`: see [`TMap::with_hasher`].
    ///
    /// ```
    /// use std::hash::{BuildHasherDefault, DefaultHasher};
    /// use stm_collections::TSet;
    /// use stm_core::atomically;
    ///
    /// let set = TSet::with_hasher(BuildHasherDefault::<DefaultHasher>::default());
    /// assert!(atomically(|tx| set.insert(tx, 'a')));
    /// ```
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self {
            map: TMap::with_hasher(hasher),
        }
    }
}

impl<K, S> TSet<K, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    S: BuildHasher,
{
    /// Whether `element` is there.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TSet::<String>::new();
    /// atomically(|tx| set.insert(tx, "a".into()));
    /// assert!(snapshot(|s| set.contains(s, "a")));
    /// ```
    pub fn contains<Q>(&self, tx: &mut impl ReadTx, element: &Q) -> Stm<bool>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.map.contains_key(tx, element)
    }

    /// Puts `element` in; whether it was not there. If it was, nothing is written.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. The element is lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::atomically;
    ///
    /// let set = TSet::new();
    /// assert!(atomically(|tx| set.insert(tx, 'a')));
    /// assert!(!atomically(|tx| set.insert(tx, 'a')));
    /// ```
    pub fn insert(&self, tx: &mut Tx<'_>, element: K) -> Stm<bool>
    where
        K: Clone,
    {
        self.map.insert_absent(tx, element, ())
    }

    /// Takes `element` out; whether it was there. If it was not, nothing is written.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::atomically;
    ///
    /// let set = TSet::new();
    /// atomically(|tx| set.insert(tx, 'a'));
    /// assert!(atomically(|tx| set.remove(tx, &'a')));
    /// assert!(!atomically(|tx| set.remove(tx, &'a')));
    /// ```
    pub fn remove<Q>(&self, tx: &mut Tx<'_>, element: &Q) -> Stm<bool>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Eq + ?Sized,
    {
        Ok(self.map.remove(tx, element)?.is_some())
    }

    /// Keeps the elements for which `keep` holds, and takes the others out.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::atomically;
    ///
    /// let set = TSet::<u8>::new();
    /// atomically(|tx| (1..=3).try_for_each(|n| set.insert(tx, n).map(drop)));
    /// atomically(|tx| set.retain(tx, |n| n % 2 == 0));
    /// assert_eq!(atomically(|tx| set.to_vec(tx)), [2]);
    /// ```
    pub fn retain(&self, tx: &mut Tx<'_>, mut keep: impl FnMut(&K) -> bool) -> Stm<()>
    where
        K: Clone,
    {
        self.map.retain(tx, |element, ()| keep(element))
    }

    /// Takes everything out. Conflicts with every other operation: see [`TMap::clear`].
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::atomically;
    ///
    /// let set = TSet::new();
    /// atomically(|tx| set.insert(tx, 'a'));
    /// atomically(|tx| set.clear(tx));
    /// assert!(atomically(|tx| set.is_empty(tx)));
    /// ```
    pub fn clear(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.map.clear(tx)
    }

    /// How many elements there are, exactly. What it conflicts with: see [`TMap::len`].
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TSet::new();
    /// atomically(|tx| set.insert(tx, 'a'));
    /// assert_eq!(snapshot(|s| set.len(s)), 1);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.map.len(tx)
    }

    /// Whether there is no element. Conflicts as [`TSet::len`] does.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::atomically;
    ///
    /// let set = TSet::<char>::new();
    /// assert!(atomically(|tx| set.is_empty(tx)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.map.is_empty(tx)
    }

    /// Shows every element, in no particular order, as of one moment: see [`TMap::for_each`].
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TSet::new();
    /// atomically(|tx| set.insert(tx, 40));
    /// atomically(|tx| set.insert(tx, 2));
    /// let sum = snapshot(|s| {
    ///     let mut sum = 0;
    ///     set.for_each(s, |n| sum += n)?;
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum, 42);
    /// ```
    pub fn for_each(&self, tx: &mut impl ReadTx, mut visit: impl FnMut(&K)) -> Stm<()> {
        self.map.for_each(tx, |element, ()| visit(element))
    }

    /// All elements, in no particular order, as of one moment.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TSet::new();
    /// atomically(|tx| set.insert(tx, 'a'));
    /// assert_eq!(snapshot(|s| set.to_vec(s)), ['a']);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<K>>
    where
        K: Clone,
    {
        self.map.keys(tx)
    }
}

impl<K, S> Clone for TSet<K, S> {
    fn clone(&self) -> Self {
        Self {
            map: self.map.clone(),
        }
    }
}

impl<K: Send + Sync + 'static, S: Default> Default for TSet<K, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

/// Shows which set it is. Its content is not shown: that takes a transaction.
impl<K, S> fmt::Debug for TSet<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TSet").field(&self.map).finish()
    }
}
