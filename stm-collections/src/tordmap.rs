//! An ordered map: keys in order, ranges, the least and the greatest, and updates far apart that do not conflict.
//!
//! # The problem, and the idea
//!
//! A `TVar<BTreeMap<K, V>>` is correct and useless under load: each insert copies the whole map, and any two conflict. A balanced
//! binary tree with a variable a node copies little, but its rotations write high up in the tree, on the way of everybody else,
//! and a look-up reads some twenty variables.
//!
//! So this is a B+ tree with a variable a node. All entries are in the leaves, sixteen to one at most. An insert or a removal
//! writes one leaf. Only when a leaf overflows is its parent written, and the grandparent only when the parent overflows by
//! that, so a write high up is rare in proportion to how many it disturbs.
//!
//! A node is taken out when it is empty, not merged when it is half empty: merging would write a neighbour and the parent over
//! and over where inserts and removals alternate. Johnson and Shasha analyse it: nodes are 39 % full when there are as many
//! removals as inserts, and 62 % with 5 % more inserts, which merging betters slightly and pays for with far more restructuring.
//! What is lost is a bound: a map that has grown and was then thinned out to one key a leaf keeps its leaves.
//!
//! Source: Bayer and McCreight, "Organization and Maintenance of Large Ordered Indexes", Acta Informatica 1 (1972),
//! doi:10.1007/BF00288683. Johnson and Shasha, "B-Trees with Inserts and Deletes: Why Free-at-Empty Is Better Than
//! Merge-at-Half", Journal of Computer and System Sciences 47 (1993), doi:10.1016/0022-0000(93)90020-W.
//!
//! # Picture
//!
//! Each group of numbers is a `TVar`: leaves below, separators above them. A separator is the least key that may be to its right.
//!
//! ```text
//!   root   ┌───────────── 40 ─────────────┐           the handle never changes; splits and shrinks go on inside
//!          │                              │
//!          ▼                              ▼
//!   ┌── 12 ──── 25 ──┐             ┌──── 61 ────┐     insert 33: writes the leaf (26 31 38) only
//!   │       │        │             │            │     the leaf was full: its parent (12 25) as well
//!   ▼       ▼        ▼             ▼            ▼     remove 70: the leaf has gone, its parent is written
//! 3 7 9   12 17   26 31 38     40 44 52 60      70
//! ```
//!
//! # Cost
//!
//! With `n` entries and `h` levels of inner nodes, about log₂₂ (`n` / 11) and at least one; a leaf has up to 16 entries, an inner node up to 32 children.
//!
//! | operation | variables read | written |
//! |---|---|---|
//! | `get`, `get_ref`, `contains_key`, `first`, `last` | `h` + 1 | |
//! | `insert`, `update_or_insert_with` | `h` + 1 | the leaf, which is copied, its keys and values cloned; a cell of the count |
//! | .. once in 8 inserts at most | | a new leaf and the parent, too |
//! | .. once in 8 · 16ⁱ inserts at most | | a new node and the ancestor `i` levels above the parent, too |
//! | `remove`, `pop_first`, `pop_last` | `h` + 1 | the leaf, or its parent when the leaf has gone; a cell of the count |
//! | `range` and its kin over `m` entries | inner nodes and leaves that overlap the range | |
//! | `to_vec`, `for_each` | all | |
//! | `retain` | all | leaves that change, parents of those that go |
//! | `len` | 16 | |
//! | `is_empty` | 1 or 2 | |
//! | `clear` | 18 | the root, a cell of the count |
//!
//! ("At most" is meant over many inserts, and beneath that ancestor: a node that was halved takes half its size before it is full
//! again. Inserts in ascending or descending order split once in 16, and leave full nodes behind.)
//!
//! # Conflicts
//!
//! Two transactions conflict when one writes what the other has read, and who changes a node has read it. Reads never conflict with
//! each other. "Near" means in the same leaf: fewer than 16 keys apart.
//!
//! | | look up a key | insert, remove | range | first, last, pops | len | clear |
//! |---|---|---|---|---|---|---|
//! | **insert, remove, pops** | near | near, or a split between (below) | if within or next to it | if near that end | yes | yes |
//! | **update of a value** | near | near | if within or next to it | if near that end | no | yes |
//!
//! An operation also conflicts with an insert or removal that changes a node above its leaf. A split or an unlinking that reaches the
//! ancestor at some level disturbs exactly those that are under way beneath that ancestor: under the parent of the leaf,
//! some 250 keys, with one in 8 inserts or fewer; under the grandparent, some 5000 keys, with one in 128; and so on. For two
//! inserts at random places in a map of `n` keys, of which one commits while the other is under way, that is a chance of some
//! (11 + 22`h`) / `n`: the same leaf, or a split above it at one of the levels.
//!
//! Two threads also meet in a cell of the count when there are more than sixteen of them.
//!
//! # Invariants
//!
//! - T1  The keys in a leaf ascend. An inner node has one separator fewer than children, and these ascend, too.
//! - T2  The keys beneath a child are not below the separator to its left and below the one to its right.
//! - T3  All leaves are equally deep. No leaf and no inner node is empty, but for the leaf of an empty tree. The root has at least
//!   two children unless its child is a leaf.
//! - T4  Who is at a node has read all that are above it, in the same transaction. So a node that is split or unlinked under
//!   somebody's feet is a conflict, also if the node itself is not written.
//! - T5  A body that goes on after a panic of user code (`Ord`, `Clone`, a closure) cannot commit half a change: such code runs before
//!   the first write of a change, or inside of the engine's own `update` and `nested`, which doom the attempt then.

mod node;
#[cfg(test)]
mod tests;
mod tree;

use std::borrow::Borrow;
use std::fmt;
use std::ops::{ControlFlow, Deref, RangeBounds};
use std::sync::Arc;

use stm_core::{ReadTx, Stm, Tx};

use crate::tally::Tally;
use node::{Inner, Leaf};
use tree::{Direction, Tree};

/// An ordered map for transactions, like `BTreeMap`: every operation takes the transaction, so any two of them compose.
///
/// It is a handle: cloning it is cheap and gives another handle to the same map. Operations on keys that are far apart do not
/// conflict; the module's source has a table of those that do.
///
/// Keys and values are cloned whenever a neighbour is written: wrap in an `Arc` what is dear to clone. The keys' order must not
/// change while they are in the map; if it does, or is no total order, entries may not be found, but nothing worse happens.
///
/// ```
/// use stm_collections::TOrdMap;
/// use stm_core::{atomically, snapshot};
///
/// let orders = TOrdMap::new();
/// atomically(|tx| {
///     for (price, amount) in [(101, 5), (99, 20), (104, 7)] {
///         orders.insert(tx, price, amount)?;
///     }
///     Ok(())
/// });
/// let best = atomically(|tx| orders.pop_first(tx));
/// assert_eq!(best, Some((99, 20)));
/// assert_eq!(snapshot(|s| orders.range(s, ..=101)), [(101, 5)]);
/// ```
pub struct TOrdMap<K, V> {
    shared: Arc<Shared<K, V>>,
}

struct Shared<K, V> {
    tree: Tree<K, V>,
    tally: Tally,
}

/// An entry in a leaf that lives as long as the attempt.
struct Found<R> {
    leaf: R,
    at: usize,
}

impl<K: 'static, V: 'static, R: Deref<Target = Leaf<K, V>>> Deref for Found<R> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.leaf.entries[self.at].1
    }
}

impl<K, V> TOrdMap<K, V>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty map. May be called anywhere, also inside a transaction.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    ///
    /// let map: TOrdMap<String, u32> = TOrdMap::new();
    /// assert!(stm_core::atomically(|tx| map.is_empty(tx)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                tree: Tree::new(),
                tally: Tally::new(),
            }),
        }
    }

    /// The value of `key`, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, "one".to_string(), 1));
    /// assert_eq!(atomically(|tx| map.get(tx, "one")), Some(1));
    /// assert_eq!(atomically(|tx| map.get(tx, "two")), None);
    /// ```
    pub fn get<Q: Ord + ?Sized>(&self, tx: &mut impl ReadTx, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q>,
    {
        Ok(self.get_ref(tx, key)?.map(|value| (*value).clone()))
    }

    /// The value of `key`, without a clone. It can be looked at until the body ends, and does not change when the map does.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// let before = atomically(|tx| {
    ///     map.insert(tx, 1, "a long text".to_string())?;
    ///     let text = map.get_ref(tx, &1)?.expect("just inserted");
    ///     map.remove(tx, &1)?;
    ///     Ok(text.len())
    /// });
    /// assert_eq!(before, 11);
    /// ```
    pub fn get_ref<X: ReadTx, Q: Ord + ?Sized>(
        &self,
        tx: &mut X,
        key: &Q,
    ) -> Stm<Option<impl Deref<Target = V> + use<K, V, X, Q>>>
    where
        K: Borrow<Q>,
    {
        let leaf = self.shared.tree.leaf_of(tx, key)?;
        Ok(match leaf.find(key) {
            Ok(at) => Some(Found { leaf, at }),
            Err(_) => None,
        })
    }

    /// Whether `key` is there.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 3, ()));
    /// assert!(snapshot(|s| map.contains_key(s, &3)));
    /// ```
    pub fn contains_key<Q: Ord + ?Sized>(&self, tx: &mut impl ReadTx, key: &Q) -> Stm<bool>
    where
        K: Borrow<Q>,
    {
        Ok(self.shared.tree.leaf_of(tx, key)?.find(key).is_ok())
    }

    /// Sets the value of `key` and gives the one that it had. The key that was there stays.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// assert_eq!(atomically(|tx| map.insert(tx, 1, 'a')), None);
    /// assert_eq!(atomically(|tx| map.insert(tx, 1, 'b')), Some('a'));
    /// ```
    pub fn insert(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<Option<V>> {
        self.upsert(tx, key, value, std::mem::replace, |value| value)
    }

    /// Changes the value of `key` in place by `update`, or inserts what `default` makes (and does not update that).
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With a closure's panic; the transaction is doomed then.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let words = TOrdMap::new();
    /// atomically(|tx| {
    ///     for word in "so it goes and so it went".split(' ') {
    ///         words.update_or_insert_with(tx, word, || 1, |times| *times += 1)?;
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(atomically(|tx| words.get(tx, "so")), Some(2));
    /// assert_eq!(atomically(|tx| words.get(tx, "and")), Some(1));
    /// ```
    pub fn update_or_insert_with(
        &self,
        tx: &mut Tx<'_>,
        key: K,
        default: impl FnOnce() -> V,
        update: impl FnOnce(&mut V),
    ) -> Stm<()> {
        self.upsert(tx, key, (), |value, ()| update(value), |()| default())?;
        Ok(())
    }

    fn upsert<C, R>(
        &self,
        tx: &mut Tx<'_>,
        key: K,
        carry: C,
        present: impl FnOnce(&mut V, C) -> R,
        absent: impl FnOnce(C) -> V,
    ) -> Stm<Option<R>> {
        let changed = self.shared.tree.upsert(tx, key, carry, present, absent)?;
        if changed.is_none() {
            self.shared.tally.add(tx, 1)?;
        }
        Ok(changed)
    }

    /// Takes `key` out and gives its value. A key that is not there is only read for.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(atomically(|tx| map.remove(tx, &1)), Some('a'));
    /// assert_eq!(atomically(|tx| map.remove(tx, &1)), None);
    /// ```
    pub fn remove<Q: Ord + ?Sized>(&self, tx: &mut Tx<'_>, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q>,
    {
        let entry = self.take(tx, |inner| inner.child_of(key), |leaf| leaf.find(key).ok())?;
        let Some((key, value)) = entry else {
            return Ok(None);
        };
        // Before there is a result: a drop that panics later would have the compiler forget that (rust-lang/rust#47949).
        drop(key);
        Ok(Some(value))
    }

    fn take(
        &self,
        tx: &mut Tx<'_>,
        pick: impl Fn(&Inner<K, V>) -> usize,
        find: impl Fn(&Leaf<K, V>) -> Option<usize>,
    ) -> Stm<Option<(K, V)>> {
        let entry = self.shared.tree.take(tx, pick, find)?;
        if entry.is_some() {
            self.shared.tally.add(tx, -1)?;
        }
        Ok(entry)
    }

    /// The entry with the least key, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// let ends = atomically(|tx| {
    ///     map.insert(tx, 7, 'z')?;
    ///     map.insert(tx, 2, 'a')?;
    ///     Ok((map.first(tx)?, map.last(tx)?))
    /// });
    /// assert_eq!(ends, (Some((2, 'a')), Some((7, 'z'))));
    /// ```
    pub fn first(&self, tx: &mut impl ReadTx) -> Stm<Option<(K, V)>> {
        self.first_in_range::<K>(tx, ..)
    }

    /// The entry with the greatest key, cloned; see [`TOrdMap::first`].
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    ///
    /// let map: TOrdMap<u8, u8> = TOrdMap::new();
    /// assert_eq!(stm_core::atomically(|tx| map.last(tx)), None);
    /// ```
    pub fn last(&self, tx: &mut impl ReadTx) -> Stm<Option<(K, V)>> {
        self.last_in_range::<K>(tx, ..)
    }

    /// Takes the entry with the least key out.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 7, 'z'));
    /// assert_eq!(atomically(|tx| map.pop_first(tx)), Some((7, 'z')));
    /// assert_eq!(atomically(|tx| map.pop_first(tx)), None);
    /// ```
    pub fn pop_first(&self, tx: &mut Tx<'_>) -> Stm<Option<(K, V)>> {
        self.take(tx, |_| 0, |leaf| (!leaf.entries.is_empty()).then_some(0))
    }

    /// Takes the entry with the greatest key out.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 7, 'z'));
    /// atomically(|tx| map.insert(tx, 8, 'y'));
    /// assert_eq!(atomically(|tx| map.pop_last(tx)), Some((8, 'y')));
    /// ```
    pub fn pop_last(&self, tx: &mut Tx<'_>) -> Stm<Option<(K, V)>> {
        self.take(
            tx,
            |inner| inner.len() - 1,
            |leaf| leaf.entries.len().checked_sub(1),
        )
    }

    /// The entries whose keys are within `range`, in ascending order, cloned.
    ///
    /// All of them as of one moment, and no key can come into the range before the transaction commits. A range whose start is
    /// beyond its end is empty (where `BTreeMap` panics).
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use std::ops::Bound;
    /// use stm_collections::TOrdMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| {
    ///     for n in 0..100 {
    ///         map.insert(tx, n, n * n)?;
    ///     }
    ///     Ok(())
    /// });
    /// assert_eq!(snapshot(|s| map.range(s, 3..=4)), [(3, 9), (4, 16)]);
    /// let beyond = (Bound::Excluded(98), Bound::Unbounded);
    /// assert_eq!(snapshot(|s| map.range(s, beyond)), [(99, 9801)]);
    /// assert_eq!(snapshot(|s| map.range(s, 4..3)), []);
    /// ```
    pub fn range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
    ) -> Stm<Vec<(K, V)>>
    where
        K: Borrow<Q>,
    {
        let mut entries = Vec::new();
        self.for_each_in_range(tx, range, |key, value| {
            entries.push((key.clone(), value.clone()));
        })?;
        Ok(entries)
    }

    /// Shows each entry within `range` to `f`, in ascending order, without clones; see [`TOrdMap::range`].
    ///
    /// # Errors
    ///
    /// A conflict; `f` may have been called by then. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, "b".to_string(), 2));
    /// atomically(|tx| map.insert(tx, "c".to_string(), 3));
    /// let total = snapshot(|s| {
    ///     let mut total = 0;
    ///     map.for_each_in_range(s, "a".to_string().."c".to_string(), |_, n| total += n)?;
    ///     Ok(total)
    /// });
    /// assert_eq!(total, 2);
    /// ```
    pub fn for_each_in_range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
        mut f: impl FnMut(&K, &V),
    ) -> Stm<()>
    where
        K: Borrow<Q>,
    {
        let all_the_way = |key: &K, value: &V| -> ControlFlow<()> {
            f(key, value);
            ControlFlow::Continue(())
        };
        let tree = &self.shared.tree;
        tree.visit(tx, &range, Direction::Ascending, all_the_way)?;
        Ok(())
    }

    /// The entry with the least key within `range`, cloned: the successor of a key, for example.
    ///
    /// Reads no further than to that entry.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use std::ops::Bound;
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// for n in [10, 20, 30] {
    ///     atomically(|tx| map.insert(tx, n, ()));
    /// }
    /// let after_20 = (Bound::Excluded(20), Bound::Unbounded);
    /// assert_eq!(atomically(|tx| map.first_in_range(tx, after_20)), Some((30, ())));
    /// assert_eq!(atomically(|tx| map.last_in_range(tx, ..20)), Some((10, ())));
    /// ```
    pub fn first_in_range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
    ) -> Stm<Option<(K, V)>>
    where
        K: Borrow<Q>,
    {
        let tree = &self.shared.tree;
        tree.visit(tx, &range, Direction::Ascending, at_once)
    }

    /// The entry with the greatest key within `range`, cloned; see [`TOrdMap::first_in_range`].
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let tariff = TOrdMap::new();
    /// for (from_kg, euros) in [(0, 4), (2, 6), (5, 9)] {
    ///     atomically(|tx| tariff.insert(tx, from_kg, euros));
    /// }
    /// let applies = atomically(|tx| tariff.last_in_range(tx, ..=3));
    /// assert_eq!(applies, Some((2, 6)));
    /// ```
    pub fn last_in_range<Q: Ord + ?Sized>(
        &self,
        tx: &mut impl ReadTx,
        range: impl RangeBounds<Q>,
    ) -> Stm<Option<(K, V)>>
    where
        K: Borrow<Q>,
    {
        let tree = &self.shared.tree;
        tree.visit(tx, &range, Direction::Descending, at_once)
    }

    /// All entries as of one moment, in ascending order of their keys, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. In a [`snapshot`](stm_core::snapshot) there is none, however long it takes.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 2, 'b'));
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(snapshot(|s| map.to_vec(s)), [(1, 'a'), (2, 'b')]);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<(K, V)>> {
        self.range::<K>(tx, ..)
    }

    /// Shows each entry to `f`, in ascending order of the keys, without clones.
    ///
    /// # Errors
    ///
    /// A conflict; `f` may have been called by then. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 2, 20));
    /// atomically(|tx| map.insert(tx, 1, 10));
    /// let sum = snapshot(|s| {
    ///     let mut sum = 0;
    ///     map.for_each(s, |key, value| sum += key * value)?;
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum, 50);
    /// ```
    pub fn for_each(&self, tx: &mut impl ReadTx, f: impl FnMut(&K, &V)) -> Stm<()> {
        self.for_each_in_range::<K>(tx, .., f)
    }

    /// Keeps the entries for which `keep` says true, asking in ascending order of the keys.
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
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// let left = atomically(|tx| {
    ///     for n in 0..10 {
    ///         map.insert(tx, n, n)?;
    ///     }
    ///     map.retain(tx, |_, n| n % 5 == 0)?;
    ///     map.to_vec(tx)
    /// });
    /// assert_eq!(left, [(0, 0), (5, 5)]);
    /// ```
    pub fn retain(&self, tx: &mut Tx<'_>, keep: impl FnMut(&K, &V) -> bool) -> Stm<()> {
        match self.shared.tree.retain(tx, keep)? {
            0 => Ok(()),
            removed => self.shared.tally.add(tx, -(removed as i64)),
        }
    }

    /// Takes everything out. Costs the same whatever is in it, and conflicts with every change.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::atomically;
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// atomically(|tx| map.clear(tx));
    /// assert_eq!(atomically(|tx| map.len(tx)), 0);
    /// ```
    pub fn clear(&self, tx: &mut Tx<'_>) -> Stm<()> {
        let Shared { tree, tally } = &*self.shared;
        if tree.is_empty(tx)? {
            return Ok(());
        }
        tree.clear(tx)?;
        let held = tally.sum(tx)?;
        tally.add(tx, -held)
    }

    /// How many entries there are. Conflicts with every insert and removal: ask in a [`snapshot`](stm_core::snapshot), or
    /// [`TOrdMap::is_empty`] if that is the question.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TOrdMap::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(snapshot(|s| map.len(s)), 1);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        let held = self.shared.tally.sum(tx)?;
        Ok(usize::try_from(held).expect("counted in the transaction that changed the tree"))
    }

    /// Whether there is no entry. Does not count them: in a map of more than a few entries it conflicts with hardly anything.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TOrdMap;
    ///
    /// let map: TOrdMap<u8, u8> = TOrdMap::new();
    /// assert!(stm_core::snapshot(|s| map.is_empty(s)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.shared.tree.is_empty(tx)
    }
}

/// The first that is shown is the one.
fn at_once<K: Clone, V: Clone>(key: &K, value: &V) -> ControlFlow<(K, V)> {
    ControlFlow::Break((key.clone(), value.clone()))
}

impl<K, V> Clone for TOrdMap<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Shows which map it is. The entries are not shown: reading them takes a transaction.
impl<K, V> fmt::Debug for TOrdMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TOrdMap")
            .field(&self.shared.tree.root)
            .finish()
    }
}

impl<K, V> Default for TOrdMap<K, V>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self::new()
    }
}
