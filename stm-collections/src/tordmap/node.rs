//! The nodes of the tree as plain values: what is in them, how they are searched, and how they split.

use std::borrow::Borrow;
use std::ops::{Bound, Range, RangeBounds};

use stm_core::TVar;

/// Entries that fit into a leaf. Each write of a leaf copies it, so it is small.
pub(super) const LEAF: usize = 16;

/// Children that fit under an inner node: more than entries in a leaf, because inner nodes are read far more often than
/// written, and a wide node saves a level.
pub(super) const FANOUT: usize = 32;

/// Entries in ascending order of their keys.
#[derive(Debug)]
pub(super) struct Leaf<K, V> {
    pub(super) entries: Vec<(K, V)>,
}

/// The way to the leaves: `children[i]` has the keys from `separators[i - 1]` on and below `separators[i]`.
#[derive(Clone, Debug)]
pub(super) struct Inner<K, V> {
    pub(super) separators: Vec<K>,
    pub(super) children: Children<K, V>,
}

/// Siblings are of a kind.
#[derive(Clone, Debug)]
pub(super) enum Children<K, V> {
    Leaves(Vec<TVar<Leaf<K, V>>>),
    Inners(Vec<TVar<Inner<K, V>>>),
}

/// A node that is new beside `separator`: it has the keys from there on.
#[derive(Debug)]
pub(super) struct Sibling<K, N> {
    pub(super) separator: K,
    pub(super) node: N,
}

impl<K, N> Sibling<K, N> {
    pub(super) fn map<M>(self, f: impl FnOnce(N) -> M) -> Sibling<K, M> {
        Sibling {
            separator: self.separator,
            node: f(self.node),
        }
    }
}

/// What did not fit into an inner node.
pub(super) type Overflow<K, V> = Option<Sibling<K, Inner<K, V>>>;

/// A node on its way to its parent.
#[derive(Debug)]
pub(super) enum Child<K, V> {
    Leaf(TVar<Leaf<K, V>>),
    Inner(TVar<Inner<K, V>>),
}

/// What became of an entry in a leaf.
#[derive(Debug)]
#[must_use]
pub(super) enum Upserted<K, V, R> {
    Changed(R),
    Inserted,
    /// Inserted, and the leaf's upper part did not fit any more.
    Split(Sibling<K, Leaf<K, V>>),
}

/// Where among the nodes of its level a node is that may have to split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    first: bool,
    last: bool,
}

impl Place {
    pub(super) const ROOT: Self = Self {
        first: true,
        last: true,
    };

    /// The place of the `at`-th of `n` children of a node that is here.
    pub(super) fn below(self, at: usize, n: usize) -> Self {
        Self {
            first: self.first && at == 0,
            last: self.last && at + 1 == n,
        }
    }

    /// How many of `n` items stay when there is one too many.
    ///
    /// Half of them; but who always inserts beyond the last key, as logs and clocks do, or before the first, would leave
    /// nothing but half-empty nodes behind. So where a level grows at its end, all but the newest go together.
    fn keep(self, n: usize, grew_at_start: bool, grew_at_end: bool) -> usize {
        if self.last && grew_at_end {
            n - 1
        } else if self.first && grew_at_start {
            1
        } else {
            n / 2
        }
    }
}

/// Room for one more: a leaf is copied in order to be changed, and mostly in order to grow.
impl<K: Clone, V: Clone> Clone for Leaf<K, V> {
    fn clone(&self) -> Self {
        let mut entries = Vec::with_capacity(self.entries.len() + 1);
        entries.extend_from_slice(&self.entries);
        Self { entries }
    }
}

impl<K, V> Leaf<K, V> {
    pub(super) fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries
            .binary_search_by(|(held, _)| held.borrow().cmp(key))
    }

    /// Where in the leaf the entries within `range` are. Inverted where `range` is, which is as good as empty.
    pub(super) fn within<Q: Ord + ?Sized>(&self, range: &impl RangeBounds<Q>) -> Range<usize>
    where
        K: Borrow<Q>,
    {
        let below = |key: &Q| {
            self.entries
                .partition_point(|(held, _)| held.borrow() < key)
        };
        let up_to = |key: &Q| {
            self.entries
                .partition_point(|(held, _)| held.borrow() <= key)
        };
        let start = match range.start_bound() {
            Bound::Included(key) => below(key),
            Bound::Excluded(key) => up_to(key),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(key) => up_to(key),
            Bound::Excluded(key) => below(key),
            Bound::Unbounded => self.entries.len(),
        };
        start..end
    }

    /// Changes the entry of `key` by `present` or makes one by `absent`; either is given `carry`.
    pub(super) fn upsert<C, R>(
        &mut self,
        place: Place,
        key: K,
        carry: C,
        present: impl FnOnce(&mut V, C) -> R,
        absent: impl FnOnce(C) -> V,
    ) -> Upserted<K, V, R>
    where
        K: Ord + Clone,
    {
        let at = match self.find(&key) {
            Ok(at) => {
                // Before there is a result: a drop that panics later would have the compiler forget that (rust-lang/rust#47949).
                drop(key);
                return Upserted::Changed(present(&mut self.entries[at].1, carry));
            }
            Err(at) => at,
        };
        self.entries.insert(at, (key, absent(carry)));
        let n = self.entries.len();
        if n <= LEAF {
            return Upserted::Inserted;
        }
        let entries = self.entries.split_off(place.keep(n, at == 0, at + 1 == n));
        Upserted::Split(Sibling {
            separator: entries[0].0.clone(),
            node: Self { entries },
        })
    }
}

impl<K, V> Inner<K, V> {
    pub(super) fn len(&self) -> usize {
        match &self.children {
            Children::Leaves(leaves) => leaves.len(),
            Children::Inners(inners) => inners.len(),
        }
    }

    /// The child where `key` is, if it is anywhere.
    pub(super) fn child_of<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.separators
            .partition_point(|separator| separator.borrow() <= key)
    }

    /// The children that may have keys within `range`. Inverted, so none, where `range` is across a separator.
    pub(super) fn within<Q: Ord + ?Sized>(&self, range: &impl RangeBounds<Q>) -> Range<usize>
    where
        K: Borrow<Q>,
    {
        let first = match range.start_bound() {
            Bound::Included(key) | Bound::Excluded(key) => self.child_of(key),
            Bound::Unbounded => 0,
        };
        let last = match range.end_bound() {
            Bound::Included(key) => self.child_of(key),
            // Not `child_of`: a child that begins with `key` has nothing below it.
            Bound::Excluded(key) => self
                .separators
                .partition_point(|separator| separator.borrow() < key),
            Bound::Unbounded => self.len() - 1,
        };
        first..last + 1
    }

    /// Puts `new` in, to the right of the child at `at`. What does not fit any more comes back.
    #[must_use]
    pub(super) fn link(
        &mut self,
        place: Place,
        at: usize,
        new: Sibling<K, Child<K, V>>,
    ) -> Overflow<K, V> {
        self.separators.insert(at, new.separator);
        match (&mut self.children, new.node) {
            (Children::Leaves(leaves), Child::Leaf(leaf)) => leaves.insert(at + 1, leaf),
            (Children::Inners(inners), Child::Inner(inner)) => inners.insert(at + 1, inner),
            _ => unreachable!("siblings are of a kind"),
        }
        let n = self.len();
        if n <= FANOUT {
            return None;
        }
        let keep = place.keep(n, at == 0, at + 2 == n);
        let children = match &mut self.children {
            Children::Leaves(leaves) => Children::Leaves(leaves.split_off(keep)),
            Children::Inners(inners) => Children::Inners(inners.split_off(keep)),
        };
        let separators = self.separators.split_off(keep);
        let separator = self.separators.pop().expect("each side has a child");
        Some(Sibling {
            separator,
            node: Self {
                separators,
                children,
            },
        })
    }

    /// Takes the child at `at` out. Its keys belong to the left neighbour from now on, the first child's to the right one.
    pub(super) fn unlink(&mut self, at: usize) {
        if !self.separators.is_empty() {
            self.separators.remove(at.saturating_sub(1));
        }
        match &mut self.children {
            Children::Leaves(leaves) => drop(leaves.remove(at)),
            Children::Inners(inners) => drop(inners.remove(at)),
        }
    }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// The root of an empty tree.
    pub(super) fn empty() -> Self {
        let leaf = Leaf {
            entries: Vec::new(),
        };
        Self {
            separators: Vec::new(),
            children: Children::Leaves(vec![TVar::new(leaf)]),
        }
    }

    /// Becomes the parent of what it was and of `right`.
    pub(super) fn grow(&mut self, right: Sibling<K, Self>) {
        let nothing = Self {
            separators: Vec::new(),
            children: Children::Leaves(Vec::new()),
        };
        let left = std::mem::replace(self, nothing);
        self.separators.push(right.separator);
        self.children = Children::Inners(vec![TVar::new(left), TVar::new(right.node)]);
    }
}
