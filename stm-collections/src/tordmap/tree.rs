//! The tree: ways down to the leaves, and what a change sends back up.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt;
use std::ops::{ControlFlow, Range, RangeBounds};

use smallvec::SmallVec;
use stm_core::{Abort, ReadTx, Stm, TVar, Tx};

use super::node::{Child, Children, Inner, LEAF, Leaf, Overflow, Place, Upserted};

/// An ordered map without a count of its entries.
pub(super) struct Tree<K, V> {
    pub(super) root: TVar<Inner<K, V>>,
}

/// The two ways along a range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

/// What the search for an entry to take out came to.
#[must_use]
enum Taken<K, V> {
    Nothing,
    Entry((K, V)),
    /// The entry was the last beneath this node. Nothing is written yet: the node is to be unlinked.
    Emptied((K, V)),
}

/// What is left beneath a node after [`Tree::retain`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
enum Left {
    Something,
    /// The node is to be unlinked.
    Nothing,
}

impl<K, V> Tree<K, V>
where
    K: Ord + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self {
            root: TVar::new(Inner::empty()),
        }
    }

    /// The leaf where `key` is, if it is anywhere.
    pub(super) fn leaf_of<X: ReadTx, Q: Ord + ?Sized>(
        &self,
        tx: &mut X,
        key: &Q,
    ) -> Stm<X::Ref<Leaf<K, V>>>
    where
        K: Borrow<Q>,
    {
        let mut inner = self.root.read_ref(tx)?;
        loop {
            let at = inner.child_of(key);
            inner = match &inner.children {
                Children::Leaves(leaves) => return leaves[at].read_ref(tx),
                Children::Inners(inners) => inners[at].read_ref(tx)?,
            };
        }
    }

    /// T3: only an empty tree has an empty leaf.
    pub(super) fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        match &self.root.read_ref(tx)?.children {
            Children::Leaves(leaves) if leaves.len() == 1 => {
                Ok(leaves[0].read_ref(tx)?.entries.is_empty())
            }
            _ => Ok(false),
        }
    }

    /// Shows the entries within `range` to `f` until it breaks.
    pub(super) fn visit<X: ReadTx, Q: Ord + ?Sized, B>(
        &self,
        tx: &mut X,
        range: &impl RangeBounds<Q>,
        direction: Direction,
        mut f: impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> Stm<Option<B>>
    where
        K: Borrow<Q>,
    {
        let way = Self::visit_below(tx, &self.root, range, direction, &mut f)?;
        Ok(way.break_value())
    }

    fn visit_below<X: ReadTx, Q: Ord + ?Sized, B>(
        tx: &mut X,
        node: &TVar<Inner<K, V>>,
        range: &impl RangeBounds<Q>,
        direction: Direction,
        f: &mut impl FnMut(&K, &V) -> ControlFlow<B>,
    ) -> Stm<ControlFlow<B>>
    where
        K: Borrow<Q>,
    {
        let inner = node.read_ref(tx)?;
        let within = inner.within(range);
        for at in direction.along(within) {
            let way = match &inner.children {
                Children::Leaves(leaves) => {
                    let leaf = leaves[at].read_ref(tx)?;
                    direction
                        .along(leaf.within(range))
                        .map(|at| &leaf.entries[at])
                        .try_for_each(|(key, value)| f(key, value))
                }
                Children::Inners(inners) => {
                    Self::visit_below(tx, &inners[at], range, direction, f)?
                }
            };
            if way.is_break() {
                return Ok(way);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Changes the value of `key` by `present`, whose result comes back, or inserts the one that `absent` makes. Either is
    /// given `carry`.
    pub(super) fn upsert<C, R>(
        &self,
        tx: &mut Tx<'_>,
        key: K,
        carry: C,
        present: impl FnOnce(&mut V, C) -> R,
        absent: impl FnOnce(C) -> V,
    ) -> Stm<Option<R>> {
        let (changed, overflow) =
            Self::upsert_below(tx, &self.root, Place::ROOT, key, carry, present, absent)?;
        if let Some(right) = overflow {
            self.root.update(tx, |root| root.grow(right))?;
        }
        Ok(changed)
    }

    /// T5: the leaf first, then its ancestors as far as they split; between them only moves.
    fn upsert_below<C, R>(
        tx: &mut Tx<'_>,
        node: &TVar<Inner<K, V>>,
        place: Place,
        key: K,
        carry: C,
        present: impl FnOnce(&mut V, C) -> R,
        absent: impl FnOnce(C) -> V,
    ) -> Stm<(Option<R>, Overflow<K, V>)> {
        let inner = node.read_ref(tx)?;
        let at = inner.child_of(&key);
        let below = place.below(at, inner.len());
        let (changed, new) = match &inner.children {
            Children::Leaves(leaves) => {
                // Not read first: a leaf that this transaction has written is changed in place then.
                let upserted = leaves[at]
                    .update(tx, |leaf| leaf.upsert(below, key, carry, present, absent))?;
                match upserted {
                    Upserted::Changed(result) => (Some(result), None),
                    Upserted::Inserted => (None, None),
                    Upserted::Split(right) => {
                        (None, Some(right.map(|leaf| Child::Leaf(TVar::new(leaf)))))
                    }
                }
            }
            Children::Inners(inners) => {
                let (changed, right) =
                    Self::upsert_below(tx, &inners[at], below, key, carry, present, absent)?;
                let new = right.map(|right| right.map(|inner| Child::Inner(TVar::new(inner))));
                (changed, new)
            }
        };
        let overflow = match new {
            Some(new) => node.update(tx, |inner| inner.link(place, at, new))?,
            None => None,
        };
        Ok((changed, overflow))
    }

    /// Takes out the entry that `find` finds in the leaf to which `pick` leads.
    pub(super) fn take(
        &self,
        tx: &mut Tx<'_>,
        pick: impl Fn(&Inner<K, V>) -> usize,
        find: impl Fn(&Leaf<K, V>) -> Option<usize>,
    ) -> Stm<Option<(K, V)>> {
        match self.take_below(tx, &self.root, &pick, &find)? {
            Taken::Nothing => Ok(None),
            Taken::Entry(entry) => Ok(Some(entry)),
            Taken::Emptied(_) => unreachable!("the root keeps its last leaf"),
        }
    }

    fn take_below(
        &self,
        tx: &mut Tx<'_>,
        node: &TVar<Inner<K, V>>,
        pick: &impl Fn(&Inner<K, V>) -> usize,
        find: &impl Fn(&Leaf<K, V>) -> Option<usize>,
    ) -> Stm<Taken<K, V>> {
        let inner = node.read_ref(tx)?;
        let is_root = TVar::ptr_eq(node, &self.root);
        let at = pick(&inner);
        let taken = match &inner.children {
            Children::Leaves(leaves) => {
                let leaf = leaves[at].read_ref(tx)?;
                match find(&leaf) {
                    None => Taken::Nothing,
                    Some(at) if leaf.entries.len() == 1 && !(is_root && leaves.len() == 1) => {
                        Taken::Emptied(leaf.entries[at].clone())
                    }
                    Some(found) => {
                        Taken::Entry(leaves[at].update(tx, |leaf| leaf.entries.remove(found))?)
                    }
                }
            }
            Children::Inners(inners) => self.take_below(tx, &inners[at], pick, find)?,
        };
        match taken {
            // The leaf itself need not be written: who is at it has read this node (T4).
            Taken::Emptied(entry) if inner.len() > 1 => {
                if is_root {
                    let mut root = (*inner).clone();
                    root.unlink(at);
                    self.shrink_to(tx, root)?;
                } else {
                    node.update(tx, |inner| inner.unlink(at))?;
                }
                Ok(Taken::Entry(entry))
            }
            taken => Ok(taken),
        }
    }

    /// Writes the root, as low as it can be: T3.
    fn shrink_to(&self, tx: &mut Tx<'_>, mut root: Inner<K, V>) -> Stm<()> {
        loop {
            root = match &root.children {
                Children::Inners(only) if only.len() == 1 => only[0].read(tx)?,
                _ => return self.root.write(tx, root),
            };
        }
    }

    fn shrink(&self, tx: &mut Tx<'_>) -> Stm<()> {
        match &self.root.read_ref(tx)?.children {
            Children::Inners(only) if only.len() == 1 => {
                let root = only[0].read(tx)?;
                self.shrink_to(tx, root)
            }
            _ => Ok(()),
        }
    }

    /// Removes the entries that `keep` refuses, and says how many these are.
    pub(super) fn retain(
        &self,
        tx: &mut Tx<'_>,
        mut keep: impl FnMut(&K, &V) -> bool,
    ) -> Stm<usize> {
        // Nested, because a panic of `keep` half-way through must not let the body go on: T5.
        let removed = tx.nested(|tx| -> Result<usize, Abort<Infallible>> {
            let mut removed = 0;
            let left = Self::retain_below(tx, &self.root, &mut keep, &mut removed)?;
            match left {
                Left::Something => self.shrink(tx)?,
                Left::Nothing => self.clear(tx)?,
            }
            Ok(removed)
        })?;
        match removed {
            Ok(removed) => Ok(removed),
            Err(never) => match never {},
        }
    }

    fn retain_below(
        tx: &mut Tx<'_>,
        node: &TVar<Inner<K, V>>,
        keep: &mut impl FnMut(&K, &V) -> bool,
        removed: &mut usize,
    ) -> Stm<Left> {
        let inner = node.read_ref(tx)?;
        let mut emptied = Vec::new();
        for at in 0..inner.len() {
            let left = match &inner.children {
                Children::Leaves(leaves) => Self::retain_in(tx, &leaves[at], keep, removed)?,
                Children::Inners(inners) => Self::retain_below(tx, &inners[at], keep, removed)?,
            };
            if left == Left::Nothing {
                emptied.push(at);
            }
        }
        if emptied.len() == inner.len() {
            return Ok(Left::Nothing);
        }
        if !emptied.is_empty() {
            node.update(tx, |inner| {
                for at in emptied.into_iter().rev() {
                    inner.unlink(at);
                }
            })?;
        }
        Ok(Left::Something)
    }

    fn retain_in(
        tx: &mut Tx<'_>,
        leaf: &TVar<Leaf<K, V>>,
        keep: &mut impl FnMut(&K, &V) -> bool,
        removed: &mut usize,
    ) -> Stm<Left> {
        let old = leaf.read_ref(tx)?;
        let kept: SmallVec<[bool; LEAF]> = old.entries.iter().map(|(k, v)| keep(k, v)).collect();
        let n = kept.iter().filter(|&&kept| kept).count();
        if n == old.entries.len() {
            return Ok(Left::Something);
        }
        *removed += old.entries.len() - n;
        if n == 0 {
            return Ok(Left::Nothing);
        }
        let entries = old.entries.iter().zip(kept).filter(|&(_, kept)| kept);
        let entries = entries.map(|(entry, _)| entry.clone()).collect();
        leaf.write(tx, Leaf { entries })?;
        Ok(Left::Something)
    }

    pub(super) fn clear(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.root.write(tx, Inner::empty())
    }
}

impl Direction {
    fn along(self, range: Range<usize>) -> impl Iterator<Item = usize> {
        (0..range.len()).map(move |i| match self {
            Self::Ascending => range.start + i,
            Self::Descending => range.end - 1 - i,
        })
    }
}

impl<K, V> fmt::Debug for Tree<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tree").field(&self.root).finish()
    }
}
