//! An ordered map: a skip list (Pugh, "Skip lists: a probabilistic alternative to balanced trees", CACM 33(6), 1990) whose links are
//! variables.
//!
//! TinySTM and STAMP use red-black trees here. A skip list of transactions is a third of their code and has no rotations, which
//! would conflict with look-ups far away; the number of variables that an operation reads is about the same, twice the logarithm.
//!
//! A node's height comes from its key alone, so every engine builds the same list.
//!
//! Dropped, it does not recurse as deeply as it is long: a node is freed with the last of its links, which is one of the highest
//! that lead to it, so the chain of drops on each level ends at the next node that is higher.
//!
//! ```text
//! head ─2────────────────────▶ 40 ───────────▶ ∅
//!      ─1──────────▶ 17 ──────▶ 40 ───────────▶ ∅
//!      ─0──▶ 5 ────▶ 17 ─▶ 23 ─▶ 40 ─▶ 41 ────▶ ∅
//! ```

use std::fmt;
use std::sync::Arc;

use crate::engine::{Attempt, Engine, Reads, Writes};

/// Levels: enough for some million keys.
const LEVELS: usize = 20;

/// Numbers in order, each with a value that is a variable of its own.
pub struct Ordered<E: Engine, V: Clone + Send + Sync + 'static> {
    head: Vec<E::Var<Link<E, V>>>,
}

struct Node<E: Engine, V: Clone + Send + Sync + 'static> {
    key: u64,
    value: E::Var<V>,
    /// The links of its levels, the lowest first.
    next: Vec<E::Var<Link<E, V>>>,
}

struct Link<E: Engine, V: Clone + Send + Sync + 'static>(Option<Arc<Node<E, V>>>);

impl<E: Engine, V: Clone + Send + Sync + 'static> Clone for Link<E, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Half of all keys have one level, a quarter two, and so on.
fn height(key: u64) -> usize {
    // The finalizer of splitmix64: neighbouring keys have unrelated heights.
    let mut hash = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^= hash >> 31;
    (hash.trailing_ones() as usize + 1).min(LEVELS)
}

type Found<E, V> = Option<Arc<Node<E, V>>>;

/// How a key is reached.
struct Path<E: Engine, V: Clone + Send + Sync + 'static> {
    /// On each level, the last node before it (the head's link if there is none), and the link there.
    levels: Vec<(Found<E, V>, Link<E, V>)>,
    found: Found<E, V>,
}

impl<E: Engine, V: Clone + Send + Sync + 'static> Ordered<E, V> {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self {
            head: (0..LEVELS).map(|_| E::var(Link(None))).collect(),
        }
    }

    fn link<'a>(&'a self, before: &'a Found<E, V>, level: usize) -> &'a E::Var<Link<E, V>> {
        match before {
            Some(node) => &node.next[level],
            None => &self.head[level],
        }
    }

    /// Walks down to `key`, and tells `visit` of each level's last node before it and of the link there, the highest level first.
    fn walk(
        &self,
        tx: &mut impl Reads<E>,
        key: u64,
        mut visit: impl FnMut(&Found<E, V>, &Link<E, V>),
    ) -> Attempt<Found<E, V>, E> {
        let mut before: Found<E, V> = None;
        let mut found = None;
        for level in (0..LEVELS).rev() {
            let mut next = tx.read(self.link(&before, level))?;
            while let Some(node) = next.0.as_ref().filter(|node| node.key < key) {
                let after = tx.read(&node.next[level])?;
                before = next.0;
                next = after;
            }
            visit(&before, &next);
            found = next.0;
        }
        Ok(found.filter(|node| node.key == key))
    }

    fn find(&self, tx: &mut impl Reads<E>, key: u64) -> Attempt<Found<E, V>, E> {
        self.walk(tx, key, |_, _| {})
    }

    fn path(&self, tx: &mut impl Reads<E>, key: u64) -> Attempt<Path<E, V>, E> {
        let mut levels = Vec::with_capacity(LEVELS);
        let found = self.walk(tx, key, |before, next| {
            levels.push((before.clone(), next.clone()));
        })?;
        levels.reverse();
        Ok(Path { levels, found })
    }

    /// Whether `key` is there.
    ///
    /// # Errors
    ///
    /// The engine's reason to end the attempt, here and below.
    pub fn contains(&self, tx: &mut impl Reads<E>, key: u64) -> Attempt<bool, E> {
        Ok(self.find(tx, key)?.is_some())
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// See [`Ordered::contains`].
    pub fn get(&self, tx: &mut impl Reads<E>, key: u64) -> Attempt<Option<V>, E> {
        match self.find(tx, key)? {
            Some(node) => tx.read(&node.value).map(Some),
            None => Ok(None),
        }
    }

    /// Replaces the value of `key` by `f` of it; whether it was there.
    ///
    /// # Errors
    ///
    /// See [`Ordered::contains`].
    pub fn modify(
        &self,
        tx: &mut impl Writes<E>,
        key: u64,
        f: impl FnOnce(V) -> V,
    ) -> Attempt<bool, E> {
        match self.find(tx, key)? {
            Some(node) => tx.modify(&node.value, f).map(|()| true),
            None => Ok(false),
        }
    }

    /// Puts `key` in with `value`, if it is not there; whether it was not.
    ///
    /// # Errors
    ///
    /// See [`Ordered::contains`].
    pub fn insert(&self, tx: &mut impl Writes<E>, key: u64, value: V) -> Attempt<bool, E> {
        let Path { levels, found } = self.path(tx, key)?;
        if found.is_some() {
            return Ok(false);
        }
        let height = height(key);
        let node = Arc::new(Node {
            key,
            value: E::var(value),
            next: (levels.iter().take(height))
                .map(|(_, next)| E::var(next.clone()))
                .collect(),
        });
        for (level, (before, _)) in levels.iter().enumerate().take(height) {
            tx.write(self.link(before, level), Link(Some(Arc::clone(&node))))?;
        }
        Ok(true)
    }

    /// Takes `key` out; its value if it was there.
    ///
    /// # Errors
    ///
    /// See [`Ordered::contains`].
    pub fn remove(&self, tx: &mut impl Writes<E>, key: u64) -> Attempt<Option<V>, E> {
        let Path { levels, found } = self.path(tx, key)?;
        let Some(node) = found else {
            return Ok(None);
        };
        for (level, own) in node.next.iter().enumerate() {
            // Whoever links something behind this node at the same time has read a link to it, all of which are written here.
            let next = tx.read(own)?;
            tx.write(self.link(&levels[level].0, level), next)?;
        }
        tx.read(&node.value).map(Some)
    }

    /// All keys and values, in the order of the lowest level's links.
    ///
    /// # Errors
    ///
    /// See [`Ordered::contains`].
    pub fn to_vec(&self, tx: &mut impl Reads<E>) -> Attempt<Vec<(u64, V)>, E> {
        let mut all = Vec::new();
        let mut at = tx.read(&self.head[0])?.0;
        while let Some(node) = at {
            all.push((node.key, tx.read(&node.value)?));
            at = tx.read(&node.next[0])?.0;
        }
        Ok(all)
    }
}

impl<E: Engine, V: Clone + Send + Sync + 'static> Default for Ordered<E, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Engine, V: Clone + Send + Sync + 'static> fmt::Debug for Ordered<E, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ordered").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::common::{seed, watched, watched_with_stack};
    use crate::measure::rng::Rng;
    use crate::ours::StmCore;
    use crate::wrong::Unisolated;

    #[test]
    fn it_is_an_ordered_map() {
        watched("it_is_an_ordered_map", || {
            let mut rng = Rng::new(seed() as usize);
            let (map, mut twin) = (Ordered::<StmCore, u64>::new(), BTreeMap::new());
            for value in 0..4000 {
                let key = rng.below(100);
                match rng.below(4) {
                    0 => {
                        let new = StmCore::atomically(|tx| map.insert(tx, key, value));
                        assert_eq!(new, !twin.contains_key(&key));
                        twin.entry(key).or_insert(value);
                    }
                    1 => {
                        let removed = StmCore::atomically(|tx| map.remove(tx, key));
                        assert_eq!(removed, twin.remove(&key));
                    }
                    2 => {
                        let there = StmCore::atomically(|tx| map.modify(tx, key, |v| v + 1));
                        assert_eq!(there, twin.get_mut(&key).map(|v| *v += 1).is_some());
                    }
                    _ => {
                        let got = StmCore::read_only(|tx| map.get(tx, key));
                        assert_eq!(got, twin.get(&key).copied());
                    }
                }
                let all = StmCore::report(|r| map.to_vec(r));
                assert!(all.into_iter().eq(twin.iter().map(|(k, v)| (*k, *v))));
            }
        });
    }

    #[test]
    fn a_long_one_is_dropped_without_deep_recursion() {
        let name = "a_long_one_is_dropped_without_deep_recursion";
        // An engine that drops values on the spot, and a stack that holds a few hundred drops inside each other.
        watched_with_stack(name, 128 << 10, || {
            let map = Ordered::<Unisolated, ()>::new();
            for key in 0..3000 {
                Unisolated::atomically(|tx| map.insert(tx, key, ()));
            }
            drop(map);
        });
    }

    #[test]
    fn heights_halve() {
        watched("heights_halve", || {
            let count = |h| (0..100_000).filter(|key| height(*key) == h).count();
            assert!((48_000..52_000).contains(&count(1)));
            assert!((11_000..14_000).contains(&count(3)));
        });
    }
}
