//! A cache that forgets what was not used for the longest time: a map, and a list that runs through its values by their keys.
//!
//! Each operation is one transaction over map and list, so the two never disagree, and a lookup may be part of a larger one.
//!
//! ```text
//!  newest ─▶ "c" ⇄ "a" ⇄ "b" ◀─ oldest: goes first
//! ```

use std::hash::Hash;

use stm_collections::TMap;
use stm_core::{ReadTx, Stm, TVar, Tx, atomically, snapshot};

#[derive(Clone)]
struct Node<K, V> {
    value: V,
    newer: Option<K>,
    older: Option<K>,
}

/// At most `capacity` values.
struct LruCache<K, V> {
    capacity: usize,
    nodes: TMap<K, Node<K, V>>,
    newest: TVar<Option<K>>,
    oldest: TVar<Option<K>>,
}

impl<K, V> LruCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a cache for nothing");
        Self {
            capacity,
            nodes: TMap::new(),
            newest: TVar::new(None),
            oldest: TVar::new(None),
        }
    }

    /// The value of `key`, which is the newest from now on.
    fn get(&self, tx: &mut Tx<'_>, key: &K) -> Stm<Option<V>> {
        let Some(value) = self.take(tx, key)? else {
            return Ok(None);
        };
        self.push(tx, key.clone(), value.clone())?;
        Ok(Some(value))
    }

    /// Gives `key` a value. What has to go for it, if something has.
    fn put(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<Option<(K, V)>> {
        self.take(tx, &key)?;
        let mut evicted = None;
        if self.nodes.len(tx)? == self.capacity {
            let oldest = self.oldest.read(tx)?.expect("a full cache has an end");
            let value = self.take(tx, &oldest)?.expect("the end is in the map");
            evicted = Some((oldest, value));
        }
        self.push(tx, key, value)?;
        Ok(evicted)
    }

    /// Takes `key` out, and joins its neighbours.
    fn take(&self, tx: &mut Tx<'_>, key: &K) -> Stm<Option<V>> {
        let Some(node) = self.nodes.remove(tx, key)? else {
            return Ok(None);
        };
        let (newer, older) = (node.newer, node.older);
        match newer.clone() {
            Some(newer) => self.relink(tx, newer, |node| node.older = older.clone())?,
            None => self.newest.write(tx, older.clone())?,
        }
        match older {
            Some(older) => self.relink(tx, older, |node| node.newer = newer)?,
            None => self.oldest.write(tx, newer)?,
        }
        Ok(Some(node.value))
    }

    /// Puts `key`, which is not in the cache, before all others.
    fn push(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<()> {
        let older = self.newest.replace(tx, Some(key.clone()))?;
        match older.clone() {
            Some(older) => self.relink(tx, older, |node| node.newer = Some(key.clone()))?,
            None => self.oldest.write(tx, Some(key.clone()))?,
        }
        let node = Node {
            value,
            newer: None,
            older,
        };
        self.nodes.insert(tx, key, node).map(drop)
    }

    fn relink(&self, tx: &mut Tx<'_>, key: K, change: impl FnOnce(&mut Node<K, V>)) -> Stm<()> {
        let never = || unreachable!("a key in the list is in the map");
        self.nodes
            .update_or_insert_with(tx, key, never, change)
            .map(drop)
    }

    /// The keys, newest first.
    fn keys(&self, tx: &mut impl ReadTx) -> Stm<Vec<K>> {
        let mut keys = Vec::new();
        let mut next = self.newest.read(tx)?;
        while let Some(key) = next {
            let node = self.nodes.get_ref(tx, &key)?;
            next = node.expect("a key in the list is in the map").older.clone();
            keys.push(key);
        }
        Ok(keys)
    }
}

fn main() {
    let cache = LruCache::new(3);
    for (key, value) in [("a", 1), ("b", 2), ("c", 3)] {
        assert_eq!(atomically(|tx| cache.put(tx, key, value)), None);
    }
    assert_eq!(snapshot(|s| cache.keys(s)), ["c", "b", "a"]);

    // Used, so it stays; "b" is the oldest now and goes.
    assert_eq!(atomically(|tx| cache.get(tx, &"a")), Some(1));
    assert_eq!(atomically(|tx| cache.put(tx, "d", 4)), Some(("b", 2)));
    assert_eq!(atomically(|tx| cache.get(tx, &"b")), None);
    assert_eq!(atomically(|tx| cache.put(tx, "c", 33)), None);
    assert_eq!(snapshot(|s| cache.keys(s)), ["c", "d", "a"]);

    // Under several threads, list and map still agree.
    let cache = LruCache::new(16);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let cache = &cache;
            scope.spawn(move || {
                for n in 0..2_000 {
                    let key = (n * 7 + thread * 13) % 40;
                    // One transaction: look it up, or compute it and put it in.
                    let value = atomically(|tx| match cache.get(tx, &key)? {
                        Some(value) => Ok(value),
                        None => {
                            cache.put(tx, key, key * key)?;
                            Ok(key * key)
                        }
                    });
                    assert_eq!(value, key * key);
                }
            });
        }
    });
    let (in_list, in_map) = snapshot(|s| Ok((cache.keys(s)?, cache.nodes.len(s)?)));
    assert_eq!((in_list.len(), in_map), (16, 16));
    println!("newest first: {in_list:?}");
}
