//! What a map holds and how long: each key and value is dropped once, and memory is given back.

mod common;
mod maps;

use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use common::{Rng, collect_until, on_threads, seed, stumble, watched};
use maps::{Deep, KINDS, fresh};
use stm_collections::TMap;
use stm_core::{Stm, Tx, abort, atomically, snapshot};

/// Counts what is alive of it.
#[derive(Debug)]
struct Counted<T>(T, Arc<AtomicI64>);

impl<T> Counted<T> {
    fn new(value: T, alive: &Arc<AtomicI64>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(value, Arc::clone(alive))
    }
}

impl<T: Clone> Clone for Counted<T> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone(), &self.1)
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        // A second drop would show as a count below 0.
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T: PartialEq> PartialEq for Counted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T: Eq> Eq for Counted<T> {}

impl<T: std::hash::Hash> std::hash::Hash for Counted<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> std::borrow::Borrow<T> for Counted<T> {
    fn borrow(&self) -> &T {
        &self.0
    }
}

/// Keys and values that count, and the counts.
struct Census {
    keys: Arc<AtomicI64>,
    values: Arc<AtomicI64>,
}

type CountedMap = TMap<Counted<u32>, Counted<u32>>;

impl Census {
    fn new() -> Self {
        Self {
            keys: Arc::default(),
            values: Arc::default(),
        }
    }

    fn insert(&self, tx: &mut Tx<'_>, map: &CountedMap, n: u32) -> Stm<bool> {
        let (key, value) = (Counted::new(n, &self.keys), Counted::new(n, &self.values));
        Ok(map.insert(tx, key, value)?.is_some())
    }

    fn alive(&self) -> (i64, i64) {
        (
            self.keys.load(Ordering::Relaxed),
            self.values.load(Ordering::Relaxed),
        )
    }

    /// After collecting garbage until it is as expected, or as good as it gets.
    fn settled(&self, expected: (i64, i64)) -> (i64, i64) {
        collect_until(|| self.alive() == expected);
        self.alive()
    }
}

#[test]
fn drops_everything_once() {
    watched("drops_everything_once", || {
        let census = Census::new();
        let seed = seed();
        let map = CountedMap::new();
        on_threads(3, |id| {
            let mut rng = Rng::new(seed, id);
            for _ in 0..1_500 {
                let n = rng.below(300) as u32;
                match rng.below(8) {
                    0..=3 => drop(atomically(|tx| census.insert(tx, &map, n))),
                    4..=5 => drop(atomically(|tx| map.remove(tx, &n))),
                    6 => drop(atomically(|tx| map.get(tx, &n))),
                    _ => atomically(|tx| {
                        let undone = tx.nested(|tx| {
                            census.insert(tx, &map, n)?;
                            map.remove(tx, &(n / 2))?;
                            if rng.below(20) == 0 {
                                map.clear(tx)?;
                            }
                            abort::<(), _>(())
                        })?;
                        assert_eq!(undone, Err(()));
                        Ok(())
                    }),
                }
            }
        });
        let len = snapshot(|s| map.len(s)) as i64;
        assert!(len > 0);
        collect_until(|| census.alive().1 == len);
        let (keys, values) = census.alive();
        assert_eq!(values, len, "one value for each key");
        assert!(keys >= len && keys <= 300, "{keys} keys for {len} entries");

        atomically(|tx| map.clear(tx));
        assert_eq!(census.settled((0, 0)), (0, 0), "after clear");
        atomically(|tx| census.insert(tx, &map, 1));
        drop(map);
        assert_eq!(census.settled((0, 0)), (0, 0), "after the map");
    });
}

#[test]
fn empties_and_gives_back() {
    watched("empties_and_gives_back", || {
        const MANY: u32 = if cfg!(debug_assertions) {
            30_000
        } else {
            100_000
        };
        let census = Census::new();
        let map = CountedMap::new();
        for n in 0..MANY {
            atomically(|tx| census.insert(tx, &map, n));
        }
        assert_eq!(snapshot(|s| map.len(s)), MANY as usize);
        let all = (i64::from(MANY), i64::from(MANY));
        assert_eq!(census.settled(all), all);

        // Down to a hundredth, by two threads. What goes on there drops all tombstones but the share that may stay.
        let left = MANY / 100;
        on_threads(2, |id| {
            for n in (left..MANY).filter(|n| *n as usize % 2 == id) {
                assert!(atomically(|tx| map.remove(tx, &n)).is_some());
            }
        });
        for n in (0..MANY / 8).map(|n| n % left) {
            assert!(atomically(|tx| map.remove(tx, &n)).is_some());
            assert!(!atomically(|tx| census.insert(tx, &map, n)));
        }
        let most = i64::from(left) * 5;
        collect_until(|| census.alive().0 <= most && census.alive().1 == i64::from(left));
        let (keys, values) = census.alive();
        assert_eq!(values, i64::from(left));
        assert!(keys <= most, "{keys} keys are kept for {left} entries");

        for n in 0..left {
            assert!(atomically(|tx| map.remove(tx, &n)).is_some());
        }
        assert_eq!(snapshot(|s| map.len(s)), 0);
        assert_eq!(snapshot(|s| map.to_vec(s).map(|all| all.len())), 0);
        assert_eq!(census.settled((0, 0)), (0, 0));

        // It is as good as new.
        for n in 0..100 {
            atomically(|tx| census.insert(tx, &map, n));
        }
        assert_eq!(snapshot(|s| map.len(s)), 100);
    });
}

/// Emptied in one transaction, by a closure.
#[test]
fn retain_gives_back() {
    watched("retain_gives_back", || {
        let census = Census::new();
        let map = CountedMap::new();
        atomically(|tx| (0..3_000).try_for_each(|n| census.insert(tx, &map, n).map(drop)));
        atomically(|tx| map.retain(tx, |key, _| key.0 < 10));
        assert_eq!(snapshot(|s| map.len(s)), 10);
        assert_eq!(census.settled((10, 10)), (10, 10));
        atomically(|tx| map.retain(tx, |_, _| false));
        assert_eq!(census.settled((0, 0)), (0, 0));
    });
}

#[test]
fn endless_new_keys() {
    watched("endless_new_keys", || {
        const MANY: u32 = if cfg!(debug_assertions) {
            40_000
        } else {
            400_000
        };
        let census = Census::new();
        let map = CountedMap::new();
        let most = AtomicI64::new(0);
        // Each thread has ten keys in the map at a time.
        on_threads(2, |id| {
            for n in 0..MANY / 2 {
                let key = |n: u32| n * 2 + id as u32;
                atomically(|tx| {
                    census.insert(tx, &map, key(n))?;
                    match n.checked_sub(10) {
                        Some(old) => map.remove(tx, &key(old)).map(drop),
                        None => Ok(()),
                    }
                });
                if n % 1_000 == 0 {
                    collect_until(|| census.alive().0 < 1_000);
                    most.fetch_max(census.alive().0, Ordering::Relaxed);
                }
            }
        });
        assert_eq!(snapshot(|s| map.len(s)), 20);
        collect_until(|| census.alive().1 == 20);
        assert_eq!(census.alive().1, 20);
        let most = most.into_inner();
        assert!(most < 1_000, "{most} keys at a time");
    });
}

/// Large, and empty again and again, so that tables are replaced under the feet of those who insert.
#[test]
fn emptying_loses_nothing() {
    fn check<S: BuildHasher + Default + Send + Sync>() {
        for compact in KINDS {
            let map = fresh::<u32, u32, S>(compact);
            let seed = seed();
            on_threads(3, |id| {
                let mut rng = Rng::new(seed, id);
                for round in 0..200 {
                    // Now and then many, which make it large; else few, so that it is often empty.
                    let many = if round % 8 == 0 { 150 } else { 2 };
                    let keys = || (0..many).map(|n| n * 3 + id as u32);
                    for key in keys() {
                        assert_eq!(atomically(|tx| map.insert(tx, key, round)), None);
                        stumble(&mut rng, 8);
                    }
                    for key in keys() {
                        assert_eq!(atomically(|tx| map.remove(tx, &key)), Some(round));
                        stumble(&mut rng, 8);
                    }
                }
            });
            assert_eq!(snapshot(|s| map.len(s)), 0);
            assert_eq!(snapshot(|s| map.to_vec(s)), []);
        }
    }

    watched("emptying_loses_nothing", || {
        check::<RandomState>();
        check::<BuildHasherDefault<Deep>>();
    });
}
