//! The tree from inside: its invariants, and who exactly is disturbed by what.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::convert::identity;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{Rng, elsewhere, panic_of, seed, watched};
use stm_core::{ReadTx, Stm, Tx, atomically, snapshot};

use super::node::{Children, FANOUT, Inner, LEAF};
use super::tree::{Direction, Tree};
use super::*;

/// What an audit saw.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    /// Levels of inner nodes.
    height: usize,
    inners: usize,
    leaves: usize,
    keys: Vec<u32>,
}

/// Keys as the tree's user sees them.
pub(super) trait Key: Ord + Clone + Send + Sync + 'static {
    fn n(&self) -> u32;
}

impl Key for u32 {
    fn n(&self) -> u32 {
        *self
    }
}

impl<K: Key> Tree<K, u32> {
    /// Checks T1 to T3.
    fn audit(&self, tx: &mut impl ReadTx) -> Stm<Shape> {
        let mut shape = Shape::default();
        let root = self.root.read_ref(tx)?;
        if let Children::Inners(inners) = &root.children {
            assert!(inners.len() > 1, "T3: the root could be lower");
        }
        shape.height = Self::audit_below(tx, &root, (None, None), &mut shape)?;
        assert!(shape.keys.is_sorted_by(|a, b| a < b), "T1: {shape:?}");
        Ok(shape)
    }

    fn audit_below(
        tx: &mut impl ReadTx,
        inner: &Inner<K, u32>,
        (from, to): (Option<u32>, Option<u32>),
        shape: &mut Shape,
    ) -> Stm<usize> {
        let n = inner.len();
        assert!((1..=FANOUT).contains(&n), "T3: {n} children");
        assert_eq!(inner.separators.len() + 1, n, "T1");
        shape.inners += 1;
        let mut heights = Vec::new();
        for at in 0..n {
            let left = if at == 0 {
                from
            } else {
                Some(inner.separators[at - 1].n())
            };
            let right = inner.separators.get(at).map(Key::n).or(to);
            assert!(left.zip(right).is_none_or(|(a, b)| a < b), "T1");
            heights.push(
                1 + match &inner.children {
                    Children::Inners(inners) => {
                        let child = inners[at].read_ref(tx)?;
                        Self::audit_below(tx, &child, (left, right), shape)?
                    }
                    Children::Leaves(leaves) => {
                        let leaf = leaves[at].read_ref(tx)?;
                        let keys = leaf.entries.iter().map(|(key, _)| key.n());
                        let least = usize::from(n > 1 || from.or(to).is_some());
                        assert!((least..=LEAF).contains(&keys.len()), "T3: {}", keys.len());
                        assert!(
                            keys.clone().all(|key| left.is_none_or(|from| from <= key)
                                && right.is_none_or(|to| key < to)),
                            "T2"
                        );
                        shape.leaves += 1;
                        shape.keys.extend(keys);
                        0
                    }
                },
            );
        }
        assert!(heights.iter().all(|&height| height == heights[0]), "T3");
        Ok(heights[0])
    }

    fn put(&self, tx: &mut Tx<'_>, key: K) -> Stm<Option<u32>> {
        let value = key.n();
        self.upsert(tx, key, value, std::mem::replace, identity)
    }

    fn cut(&self, tx: &mut Tx<'_>, key: &K) -> Stm<Option<(K, u32)>> {
        self.take(tx, |inner| inner.child_of(key), |leaf| leaf.find(key).ok())
    }
}

fn filled(keys: impl IntoIterator<Item = u32>) -> Tree<u32, u32> {
    let tree = Tree::new();
    for key in keys {
        atomically(|tx| tree.put(tx, key));
    }
    tree
}

#[test]
fn invariants_hold_through_random_programs() {
    watched("invariants", || {
        let mut rng = Rng::new(seed(), 0);
        let (tree, mut twin) = (Tree::new(), BTreeMap::new());
        for phase in 0..12 {
            // Grows and shrinks by turns, the last time to nothing.
            let inserts = if phase % 2 == 0 { 80 } else { 15 };
            for step in 0..2_000 {
                let key = rng.below(6_000) as u32;
                atomically(|tx| {
                    if rng.below(100) < inserts {
                        assert_eq!(tree.put(tx, key)?, twin.insert(key, key));
                        return Ok(());
                    }
                    match rng.below(3) {
                        0 => {
                            let least =
                                tree.take(tx, |_| 0, |leaf| leaf.entries.first().map(|_| 0))?;
                            assert_eq!(least, twin.pop_first());
                        }
                        1 => {
                            let first = tree.visit(tx, &(key..), Direction::Ascending, at_once)?;
                            let next = twin.range(key..).next().map(|(k, v)| (*k, *v));
                            assert_eq!(first, next);
                            if let Some((key, _)) = next {
                                assert_eq!(tree.cut(tx, &key)?, twin.remove_entry(&key));
                            }
                        }
                        _ => assert_eq!(tree.cut(tx, &key)?, twin.remove_entry(&key)),
                    }
                    Ok(())
                });
                if step % 100 == 0 {
                    let shape = snapshot(|s| tree.audit(s));
                    assert!(shape.keys.iter().eq(twin.keys()));
                }
            }
            let divisor = 1 + rng.below(20) as u32;
            if phase % 5 == 4 {
                let removed = atomically(|tx| tree.retain(tx, |key, _| key % divisor == 0));
                let before = twin.len();
                twin.retain(|key, _| key % divisor == 0);
                assert_eq!(removed, before - twin.len());
                assert!(snapshot(|s| tree.audit(s)).keys.iter().eq(twin.keys()));
            }
        }
    });
}

#[test]
fn an_emptied_tree_is_one_leaf() {
    watched("emptied", || {
        let mut rng = Rng::new(seed(), 1);
        for round in 0..4 {
            let mut keys: Vec<u32> = (0..3_000).collect();
            for i in (1..keys.len()).rev() {
                keys.swap(i, rng.below(i + 1));
            }
            let tree = filled(keys.iter().copied());
            assert!(snapshot(|s| tree.audit(s)).height > 1);
            match round {
                0 => keys.iter().for_each(|key| {
                    assert_eq!(atomically(|tx| tree.cut(tx, key)), Some((*key, *key)));
                }),
                1 => {
                    let some = |leaf: &Leaf<u32, u32>| leaf.entries.len().checked_sub(1);
                    let last = |inner: &Inner<u32, u32>| inner.len() - 1;
                    // One transaction, that sees its own half-changed tree all the time.
                    atomically(|tx| {
                        while tree.take(tx, last, some)?.is_some() {}
                        Ok(())
                    });
                }
                2 => assert_eq!(atomically(|tx| tree.retain(tx, |_, _| false)), 3_000),
                _ => atomically(|tx| tree.clear(tx)),
            }
            let shape = snapshot(|s| tree.audit(s));
            let empty = Shape {
                height: 1,
                inners: 1,
                leaves: 1,
                keys: vec![],
            };
            assert_eq!(shape, empty, "round {round}");
            assert!(snapshot(|s| tree.is_empty(s)));
        }
    });
}

#[test]
fn inserts_at_an_end_leave_full_leaves() {
    watched("ends", || {
        let n = 4_096;
        let full = n as usize / LEAF;
        for tree in [filled(0..n), filled((0..n).rev())] {
            let shape = snapshot(|s| tree.audit(s));
            assert_eq!(shape.leaves, full);
            assert_eq!(shape.inners, full / FANOUT + 1);
        }
        // Ends of inner nodes only: nothing special.
        let tree = filled((0..n).map(|i| i / 2 + (i % 2) * n));
        assert!(snapshot(|s| tree.audit(s)).leaves < 2 * full);
    });
}

/// How often the body had to run that changes `mine` and is half-way through while somebody else changes `theirs`.
fn attempts_beside(
    tree: &Tree<u32, u32>,
    mine: impl Fn(&mut Tx<'_>) -> Stm<()>,
    theirs: impl Fn(&mut Tx<'_>) -> Stm<()> + Sync,
) -> u32 {
    let attempts = atomically(|tx| {
        mine(tx)?;
        if tx.attempt() == 1 {
            elsewhere(|| atomically(&theirs));
        }
        Ok(tx.attempt())
    });
    snapshot(|s| tree.audit(s));
    attempts
}

#[test]
fn a_change_disturbs_those_who_are_beneath_what_it_writes() {
    watched("disturbs", || {
        // Even keys, 16 to a leaf and 32 leaves to an inner node, all full: a leaf has 32 numbers, an inner node 1024.
        let tree = filled((0..8_192).map(|i| 2 * i));
        let tree = &tree;
        let put = |key: u32| move |tx: &mut Tx<'_>| tree.put(tx, key).map(drop);
        let cut = |key: u32| move |tx: &mut Tx<'_>| tree.cut(tx, &key).map(drop);
        assert_eq!(snapshot(|s| tree.audit(s)).inners, 17);

        // Values and removals stay in the leaf.
        assert_eq!(attempts_beside(tree, put(0), put(2)), 2, "the same leaf");
        assert_eq!(attempts_beside(tree, put(0), put(32)), 1, "the next leaf");
        assert_eq!(attempts_beside(tree, put(0), cut(62)), 1);
        assert_eq!(
            attempts_beside(tree, put(0), put(62)),
            1,
            "there is room again"
        );

        // The leaf of 32 is full, and so are its parent and nobody above: both split, and the root is written.
        assert_eq!(attempts_beside(tree, put(16_000), put(33)), 2);
        // Now the leaf of 64 is full, but not its parent: disturbed are those beneath that one.
        assert_eq!(
            attempts_beside(tree, put(96), put(65)),
            2,
            "the same parent"
        );
        assert_eq!(attempts_beside(tree, put(96), put(67)), 1, "no split");
        assert_eq!(
            attempts_beside(tree, put(16_000), put(97)),
            1,
            "another parent"
        );
        assert_eq!(
            attempts_beside(tree, put(1_020), put(129)),
            1,
            "its own sibling"
        );

        // Unlinking is the same. All but one of a leaf go first.
        for key in (4_096..4_126).step_by(2) {
            atomically(|tx| tree.cut(tx, &key));
        }
        assert_eq!(
            attempts_beside(tree, put(16_000), cut(4_126)),
            1,
            "another parent"
        );
        for key in (4_128..4_158).step_by(2) {
            atomically(|tx| tree.cut(tx, &key));
        }
        assert_eq!(
            attempts_beside(tree, put(4_200), cut(4_158)),
            2,
            "the same parent"
        );
        // The one who is at the leaf that goes; its neighbour is responsible for the key now.
        for key in (4_160..4_190).step_by(2) {
            atomically(|tx| tree.cut(tx, &key));
        }
        assert_eq!(attempts_beside(tree, put(4_189), cut(4_190)), 2);
        assert_eq!(atomically(|tx| tree.cut(tx, &4_189)), Some((4_189, 4_189)));
    });
}

#[test]
fn a_range_is_disturbed_by_what_comes_into_it() {
    watched("phantoms", || {
        let tree = &filled((0..4_096).map(|i| 4 * i));
        let seen = |key: u32| {
            let look = |tx: &mut Tx<'_>| {
                let range = 101..192;
                let stop = |_: &u32, _: &u32| ControlFlow::<()>::Continue(());
                tree.visit(tx, &range, Direction::Ascending, stop)?;
                // A transaction that writes, lest it go on as a snapshot. Far from everything.
                tree.put(tx, 16_380).map(drop)
            };
            attempts_beside(tree, look, |tx: &mut Tx<'_>| tree.cut(tx, &key).map(drop))
        };
        assert_eq!(seen(148), 2, "within");
        assert_eq!(seen(12_000), 1, "far");
        assert_eq!(seen(60), 1, "the leaf before");
        assert_eq!(seen(192), 1, "the leaf after");
    });
}

thread_local! {
    /// After so many more clones of a [`Fragile`], one panics.
    static CLONES: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// A key whose clone may panic.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Fragile(u32);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        let left = CLONES.get();
        CLONES.set(left.wrapping_sub(1));
        assert!(left > 0, "this one does not let itself be cloned");
        Self(self.0)
    }
}

impl Key for Fragile {
    fn n(&self) -> u32 {
        self.0
    }
}

/// Runs `change`, panicking at the `n`-th clone, in a body that catches the panic; and without catching.
fn with_a_panic_at(
    n: usize,
    tree: &Tree<Fragile, u32>,
    change: impl Fn(&mut Tx<'_>) -> Stm<()>,
) -> bool {
    let before = snapshot(|s| tree.audit(s));
    CLONES.set(n);
    let uncaught = catch_unwind(AssertUnwindSafe(|| atomically(&change)));
    CLONES.set(usize::MAX);
    if uncaught.is_ok() {
        return false;
    }
    assert_eq!(snapshot(|s| tree.audit(s)), before, "nothing has happened");
    let attempts = atomically(|tx| {
        if tx.attempt() == 1 {
            CLONES.set(n);
            let caught = catch_unwind(AssertUnwindSafe(|| change(tx)));
            CLONES.set(usize::MAX);
            assert!(caught.is_err(), "it panicked before");
        }
        Ok(tx.attempt())
    });
    let after = snapshot(|s| tree.audit(s));
    assert_eq!(
        after, before,
        "of the caught one neither, after {attempts} attempts"
    );
    true
}

#[test]
fn a_panic_half_way_leaves_nothing_half_done() {
    watched("panic", || {
        let full = |n: u32| {
            let tree = Tree::new();
            for key in 0..n {
                atomically(|tx| tree.put(tx, Fragile(2 * key)));
            }
            tree
        };
        // A leaf splits, its parent with it, and the root grows: 512 keys fill it.
        let tree = full((LEAF * FANOUT) as u32);
        let split = |tx: &mut Tx<'_>| tree.put(tx, Fragile(101)).map(drop);
        let split_at = (0..)
            .take_while(|&n| with_a_panic_at(n, &tree, split))
            .count();
        let splits = snapshot(|s| tree.audit(s));

        // Two leaves under each of two: the last key of one goes, then its parent, then the root shrinks.
        let tree = full((LEAF * FANOUT) as u32 + 1);
        let before = snapshot(|s| tree.audit(s));
        let last = Fragile(2 * (LEAF * FANOUT) as u32);
        let unlink = |tx: &mut Tx<'_>| tree.cut(tx, &last).map(drop);
        let unlink_at = (0..)
            .take_while(|&n| with_a_panic_at(n, &tree, unlink))
            .count();
        let after = snapshot(|s| tree.audit(s));

        let tree = full(200);
        let retain = |tx: &mut Tx<'_>| {
            tree.retain(tx, |key, _| key.0 % 64 == 0 || key.0 > 300)
                .map(drop)
        };
        let retain_at = (0..)
            .take_while(|&n| with_a_panic_at(n, &tree, retain))
            .count();
        assert_eq!((splits.height, splits.keys.len()), (2, LEAF * FANOUT + 1));
        // The leaf, the separator, the other separators.
        assert_eq!(split_at, LEAF + 1 + FANOUT - 1);
        assert_eq!((before.height, after.height), (2, 1));
        assert!(unlink_at > FANOUT, "{unlink_at}");
        assert!(retain_at > LEAF, "{retain_at}");
        assert_eq!(snapshot(|s| tree.audit(s)).keys.len(), 5 + 49);
    });
}

#[test]
fn a_caught_panic_of_the_predicate_dooms_the_attempt() {
    watched("predicate", || {
        let tree = filled(0..1_000);
        let attempts = atomically(|tx| {
            if tx.attempt() == 1 {
                let message = panic_of(|| {
                    tree.retain(tx, |key, _| {
                        assert!(*key < 500, "half-way");
                        false
                    })
                });
                assert_eq!(message, "half-way");
            }
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 2);
        assert_eq!(snapshot(|s| tree.audit(s)).keys.len(), 1_000);
    });
}
