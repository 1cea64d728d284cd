//! Who is in whose way on a map, and who is not.

mod common;
mod maps;

use std::hash::{BuildHasher, BuildHasherDefault, RandomState};

use common::{Rng, elsewhere, on_threads, seed, under_fire, watched};
use maps::{Deep, Fixed, KINDS, fresh};
use stm_collections::TMap;
use stm_core::{TVar, atomically, retry, snapshot};

/// Prefilled, no two threads on one key: no attempt is ever in vain.
#[test]
fn disjoint_keys() {
    watched("disjoint_keys", || {
        const KEYS: usize = 4_000;
        const EACH: usize = if cfg!(debug_assertions) {
            40_000
        } else {
            500_000
        };
        let map = TMap::<usize, u64>::new();
        atomically(|tx| (0..KEYS).try_for_each(|key| map.insert(tx, key, 0).map(drop)));
        let seed = seed();
        let in_vain = on_threads(2, |id| {
            let mut rng = Rng::new(seed, id);
            let mut in_vain = 0;
            for _ in 0..EACH {
                let key = rng.below(KEYS / 2) * 2 + id;
                let op = rng.below(8);
                in_vain += atomically(|tx| {
                    match op {
                        0 | 1 => drop(map.insert(tx, key, 1)?),
                        2 => drop(map.remove(tx, &key)?),
                        3..=5 => {
                            map.update_or_insert_with(tx, key, || 1, |n| *n += 1)?;
                        }
                        _ => drop(map.get(tx, &key)?),
                    }
                    Ok(tx.attempt() - 1)
                });
            }
            in_vain
        });
        assert_eq!(in_vain, [0, 0], "attempts that were thrown away");
    });
}

/// Different keys of a compact map meet in their bucket, each pair of them once: it is taken apart then.
#[test]
fn different_keys_of_a_compact_map_seldom_meet() {
    fn check<S: BuildHasher + Default + Send + Sync>() {
        const KEYS: usize = 64;
        const EACH: usize = 20_000;
        let map = fresh::<usize, u64, S>(true);
        atomically(|tx| (0..KEYS).try_for_each(|key| map.insert(tx, key, 0).map(drop)));
        let seed = seed();
        let in_vain = on_threads(2, |id| {
            let mut rng = Rng::new(seed, id);
            let mut in_vain = 0;
            for _ in 0..EACH {
                // Each bucket has keys of both threads, whatever its hashes have in common.
                let key = rng.below(KEYS / 2) + id * (KEYS / 2);
                in_vain += atomically(|tx| {
                    map.update_or_insert_with(tx, key, || 1, |n| *n += 1)?;
                    Ok(tx.attempt() - 1)
                });
            }
            in_vain
        });
        // No more than two in a bucket, of which there are no more than keys; in practice, a handful.
        let in_vain: u32 = in_vain.iter().sum();
        assert!(
            in_vain <= 2 * KEYS as u32,
            "{in_vain} attempts were thrown away"
        );
        let sum: u64 = snapshot(|s| map.values(s)).iter().sum();
        assert_eq!(sum, 2 * EACH as u64);
    }
    watched("different_keys_of_a_compact_map_seldom_meet", || {
        check::<RandomState>();
        check::<BuildHasherDefault<Deep>>();
    });
}

/// A reader that also writes, so that it cannot go on as a snapshot: its attempts, if `insert`ing runs in its middle.
fn attempts_of_a_reader(map: &TMap<u32, u32, Fixed>, key: u32, inserted: &[u32]) -> u32 {
    let outside = TVar::new(0);
    let attempts = atomically(|tx| {
        let value = map.get(tx, &key)?.expect("prefilled");
        if tx.attempt() == 1 {
            elsewhere(|| {
                for &key in inserted {
                    atomically(|tx| map.insert(tx, key, key));
                }
            });
        }
        outside.write(tx, value)?;
        Ok(tx.attempt())
    });
    assert_eq!(outside.load(), key);
    attempts
}

fn prefilled() -> TMap<u32, u32, Fixed> {
    let map = TMap::with_hasher(Fixed::default());
    atomically(|tx| (0..64).try_for_each(|key| map.insert(tx, key, key).map(drop)));
    map
}

/// A new key disturbs those who read its bucket, and nobody else: however much the rest of the map grows.
#[test]
fn growth_does_not_disturb_readers() {
    watched("growth_does_not_disturb_readers", || {
        const READ: u32 = 17;
        let candidates: Vec<u32> = (1_000..1_600).collect();
        let (elsewhere, here): (Vec<u32>, Vec<u32>) = candidates
            .iter()
            .partition(|&&key| attempts_of_a_reader(&prefilled(), READ, &[key]) == 1);
        // A bucket of 64 keys' covers a sixteenth or a thirty-second of all.
        assert!(!here.is_empty(), "a new key in the same bucket disturbs");
        assert!(
            here.len() < candidates.len() / 8,
            "{} of {} new keys disturb the reader of one",
            here.len(),
            candidates.len()
        );

        let map = prefilled();
        assert_eq!(attempts_of_a_reader(&map, READ, &elsewhere), 1);
        assert_eq!(snapshot(|s| map.len(s)), 64 + elsewhere.len());
        // And where its bucket does grow, one attempt more is enough.
        let map = prefilled();
        assert_eq!(attempts_of_a_reader(&map, READ, &candidates), 2);
    });
}

/// As many inserters as there are, a snapshot runs its body once and sees one moment.
#[test]
fn snapshots_under_fire() {
    fn check<S: BuildHasher + Default + Send + Sync>() {
        for compact in KINDS {
            const ACCOUNTS: usize = 200;
            let map = fresh::<usize, i64, S>(compact);
            atomically(|tx| (0..ACCOUNTS).try_for_each(|k| map.insert(tx, k, 100).map(drop)));
            let seed = seed();
            let transfer = |id: usize, n: u64| {
                let mut rng = Rng::new(seed ^ n, id);
                let (from, to) = rng.pair(ACCOUNTS);
                let passing = ACCOUNTS + rng.below(1_000);
                atomically(|tx| {
                    // An account that has nothing goes; and one that is new passes by, so that the map grows.
                    let Some(balance) = map.remove(tx, &from)? else {
                        return Ok(());
                    };
                    if balance > 1 {
                        map.insert(tx, from, balance - 1)?;
                    }
                    map.update_or_insert_with(tx, to, || 1, |there| *there += 1)?;
                    match map.insert(tx, passing, 0)? {
                        Some(_) => map.remove(tx, &passing).map(drop),
                        None => Ok(()),
                    }
                });
            };
            under_fire(2, transfer, || {
                for _ in 0..60 {
                    let mut bodies = 0;
                    let (total, seen, len) = snapshot(|s| {
                        bodies += 1;
                        let (mut total, mut seen) = (0, 0);
                        map.for_each(s, |_, balance| {
                            total += balance;
                            seen += 1;
                        })?;
                        Ok((total, seen, map.len(s)?))
                    });
                    assert_eq!((bodies, total), (1, 100 * ACCOUNTS as i64));
                    assert_eq!(seen, len);
                }
            });
        }
    }

    watched("snapshots_under_fire", || {
        check::<RandomState>();
        check::<BuildHasherDefault<Deep>>();
    });
}

/// What waits for a key is woken by its insertion, new or again, and by nothing that happens to others' entries.
#[test]
fn a_missing_key_can_be_waited_for() {
    fn check<S: BuildHasher + Default + Send + Sync>(compact: bool) {
        let map = fresh::<u32, u32, S>(compact);
        atomically(|tx| (100..120).try_for_each(|key| map.insert(tx, key, 0).map(drop)));
        atomically(|tx| map.insert(tx, 1, 1));
        atomically(|tx| map.remove(tx, &1));
        for (key, value) in [(1, 10), (2, 20)] {
            let wait = || {
                atomically(|tx| match map.get(tx, &key)? {
                    Some(value) => Ok(value),
                    None => retry(),
                })
            };
            std::thread::scope(|s| {
                let waiting = s.spawn(wait);
                atomically(|tx| map.insert(tx, key, value));
                assert_eq!(waiting.join().expect("it ends"), value);
            });
        }
    }

    watched("a_missing_key_can_be_waited_for", || {
        for compact in KINDS {
            check::<RandomState>(compact);
            check::<BuildHasherDefault<Deep>>(compact);
        }
    });
}
