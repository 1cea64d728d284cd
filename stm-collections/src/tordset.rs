//! An ordered set: a [`TOrdMap`] whose keys are all there is.
//!
//! Cost, conflicts, picture and invariants are the map's; see there.

use std::borrow::Borrow;
use std::fmt;
use std::ops::RangeBounds;

use stm_core::{ReadTx, Stm, Tx};

use crate::TOrdMap;

/// An ordered set for transactions, like `BTreeSet`: every operation takes the transaction, so any two of them compose.
///
/// It is a handle: cloning it is cheap and gives another handle to the same set. Operations on elements that are far apart do
/// not conflict, as in a [`TOrdMap`]. Elements are cloned whenever a neighbour is written: wrap in an `Arc` what is dear to
/// clone.
///
/// ```
/// use stm_collections::TOrdSet;
/// use stm_core::{atomically, snapshot};
///
/// let free_ports = TOrdSet::new();
/// atomically(|tx| {
///     for port in 8000..8100 {
///         free_ports.insert(tx, port)?;
///     }
///     Ok(())
/// });
/// assert_eq!(atomically(|tx| free_ports.pop_first(tx)), Some(8000));
/// assert_eq!(snapshot(|s| free_ports.range(s, 8000..8003)), [8001, 8002]);
/// ```
pub struct TOrdSet<K> {
    map: TOrdMap<K, ()>,
}

impl<K: Ord + Clone + Send + Sync + 'static> TOrdSet<K> {
    /// An empty set. May be called anywhere, also inside a transaction.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    ///
    /// let set: TOrdSet<String> = TOrdSet::new();
    /// assert!(stm_core::atomically(|tx| set.is_empty(tx)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            map: TOrdMap::new(),
        }
    }

    /// Whether `element` is there.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| set.insert(tx, "a".to_string()));
    /// assert!(snapshot(|s| set.contains(s, "a")));
    /// ```
    pub fn contains<Q: Ord + ?Sized>(&self, tx: &mut impl ReadTx, element: &Q) -> Stm<bool>
    where
        K: Borrow<Q>,
    {
        self.map.contains_key(tx, element)
    }

    /// Puts `element` in; whether it was absent. One that was there stays as it is.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// assert!(atomically(|tx| set.insert(tx, 1)));
    /// assert!(!atomically(|tx| set.insert(tx, 1)));
    /// ```
    pub fn insert(&self, tx: &mut Tx<'_>, element: K) -> Stm<bool> {
        // Looked up first: to find an element where it should be is no reason to write.
        if self.map.contains_key(tx, &element)? {
            return Ok(false);
        }
        Ok(self.map.insert(tx, element, ())?.is_none())
    }

    /// Takes `element` out; whether it was there.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| set.insert(tx, 1));
    /// assert!(atomically(|tx| set.remove(tx, &1)));
    /// assert!(!atomically(|tx| set.remove(tx, &1)));
    /// ```
    pub fn remove<Q: Ord + ?Sized>(&self, tx: &mut Tx<'_>, element: &Q) -> Stm<bool>
    where
        K: Borrow<Q>,
    {
        Ok(self.map.remove(tx, element)?.is_some())
    }

    /// The least element, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| Ok((set.insert(tx, 5)?, set.insert(tx, 3)?)));
    /// assert_eq!(atomically(|tx| set.first(tx)), Some(3));
    /// ```
    pub fn first(&self, tx: &mut impl ReadTx) -> Stm<Option<K>> {
        key_of(self.map.first(tx))
    }

    /// The greatest element, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| Ok((set.insert(tx, 5)?, set.insert(tx, 3)?)));
    /// assert_eq!(atomically(|tx| set.last(tx)), Some(5));
    /// ```
    pub fn last(&self, tx: &mut impl ReadTx) -> Stm<Option<K>> {
        key_of(self.map.last(tx))
    }

    /// Takes the least element out.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| set.insert(tx, 5));
    /// assert_eq!(atomically(|tx| set.pop_first(tx)), Some(5));
    /// assert_eq!(atomically(|tx| set.pop_first(tx)), None);
    /// ```
    pub fn pop_first(&self, tx: &mut Tx<'_>) -> Stm<Option<K>> {
        key_of(self.map.pop_first(tx))
    }

    /// Takes the greatest element out.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| set.insert(tx, 5));
    /// assert_eq!(atomically(|tx| set.pop_last(tx)), Some(5));
    /// ```
    pub fn pop_last(&self, tx: &mut Tx<'_>) -> Stm<Option<K>> {
        key_of(self.map.pop_last(tx))
    }

    /// The elements within `range`, in ascending order, cloned. A range whose start is beyond its end is empty.
    ///
    /// No element can come into the range before the transaction commits.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TOrdSet::new();
    /// for n in [1, 4, 9, 16] {
    ///     atomically(|tx| set.insert(tx, n));
    /// }
    /// assert_eq!(snapshot(|s| set.range(s, 4..16)), [4, 9]);
    /// ```
    pub fn range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
    ) -> Stm<Vec<K>>
    where
        K: Borrow<Q>,
    {
        let mut elements = Vec::new();
        self.for_each_in_range(tx, range, |element| elements.push(element.clone()))?;
        Ok(elements)
    }

    /// Shows each element within `range` to `f`, in ascending order, without clones; see [`TOrdSet::range`].
    ///
    /// # Errors
    ///
    /// A conflict; `f` may have been called by then. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TOrdSet::new();
    /// for n in [1, 4, 9, 16] {
    ///     atomically(|tx| set.insert(tx, n));
    /// }
    /// let sum = snapshot(|s| {
    ///     let mut sum = 0;
    ///     set.for_each_in_range(s, 4.., |n| sum += n)?;
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum, 29);
    /// ```
    pub fn for_each_in_range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
        mut f: impl FnMut(&K),
    ) -> Stm<()>
    where
        K: Borrow<Q>,
    {
        self.map
            .for_each_in_range(tx, range, |element, ()| f(element))
    }

    /// The least element within `range`, cloned. Reads no further than to that element.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// for n in [1, 4, 9, 16] {
    ///     atomically(|tx| set.insert(tx, n));
    /// }
    /// assert_eq!(atomically(|tx| set.first_in_range(tx, 5..)), Some(9));
    /// ```
    pub fn first_in_range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
    ) -> Stm<Option<K>>
    where
        K: Borrow<Q>,
    {
        key_of(self.map.first_in_range(tx, range))
    }

    /// The greatest element within `range`, cloned; see [`TOrdSet::first_in_range`].
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// for n in [1, 4, 9, 16] {
    ///     atomically(|tx| set.insert(tx, n));
    /// }
    /// assert_eq!(atomically(|tx| set.last_in_range(tx, ..=8)), Some(4));
    /// ```
    pub fn last_in_range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
    ) -> Stm<Option<K>>
    where
        K: Borrow<Q>,
    {
        key_of(self.map.last_in_range(tx, range))
    }

    /// All elements as of one moment, in ascending order, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. In a [`snapshot`](stm_core::snapshot) there is none, however long it takes.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| Ok((set.insert(tx, 5)?, set.insert(tx, 3)?)));
    /// assert_eq!(snapshot(|s| set.to_vec(s)), [3, 5]);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<K>> {
        self.range::<K>(tx, ..)
    }

    /// Shows each element to `f`, in ascending order, without clones.
    ///
    /// # Errors
    ///
    /// A conflict; `f` may have been called by then. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| set.insert(tx, "abc".to_string()));
    /// let letters = snapshot(|s| {
    ///     let mut letters = 0;
    ///     set.for_each(s, |word| letters += word.len())?;
    ///     Ok(letters)
    /// });
    /// assert_eq!(letters, 3);
    /// ```
    pub fn for_each(&self, tx: &mut impl ReadTx, f: impl FnMut(&K)) -> Stm<()> {
        self.for_each_in_range::<K>(tx, .., f)
    }

    /// Keeps the elements for which `keep` says true, asking in ascending order.
    ///
    /// # Errors
    ///
    /// A conflict; `keep` may have been called by then. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `keep`'s panic; the transaction is doomed then.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// for n in 0..10 {
    ///     atomically(|tx| set.insert(tx, n));
    /// }
    /// atomically(|tx| set.retain(tx, |n| n % 5 == 0));
    /// assert_eq!(atomically(|tx| set.to_vec(tx)), [0, 5]);
    /// ```
    pub fn retain(&self, tx: &mut Tx<'_>, mut keep: impl FnMut(&K) -> bool) -> Stm<()> {
        self.map.retain(tx, |element, ()| keep(element))
    }

    /// Takes everything out. Costs the same whatever is in it, and conflicts with every change.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::atomically;
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| set.insert(tx, 1));
    /// atomically(|tx| set.clear(tx));
    /// assert!(atomically(|tx| set.is_empty(tx)));
    /// ```
    pub fn clear(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.map.clear(tx)
    }

    /// How many elements there are. Conflicts with every insert and removal: ask in a [`snapshot`](stm_core::snapshot), or
    /// [`TOrdSet::is_empty`] if that is the question.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let set = TOrdSet::new();
    /// atomically(|tx| set.insert(tx, 1));
    /// assert_eq!(snapshot(|s| set.len(s)), 1);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.map.len(tx)
    }

    /// Whether there is no element. Does not count them.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdSet;
    ///
    /// let set: TOrdSet<u8> = TOrdSet::new();
    /// assert!(stm_core::snapshot(|s| set.is_empty(s)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.map.is_empty(tx)
    }
}

fn key_of<K>(entry: Stm<Option<(K, ())>>) -> Stm<Option<K>> {
    Ok(entry?.map(|(key, ())| key))
}

impl<K> Clone for TOrdSet<K> {
    fn clone(&self) -> Self {
        Self {
            map: self.map.clone(),
        }
    }
}

/// Shows which set it is. The elements are not shown: reading them takes a transaction.
impl<K> fmt::Debug for TOrdSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TOrdSet").field(&self.map).finish()
    }
}

impl<K: Ord + Clone + Send + Sync + 'static> Default for TOrdSet<K> {
    fn default() -> Self {
        Self::new()
    }
}
