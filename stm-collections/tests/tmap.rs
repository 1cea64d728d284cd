//! The map beside the standard library's, alone and under fire.

mod common;
mod maps;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, RandomState};

use common::{Histories, Rng, on_threads, seed, stumble, under_fire, watched};
use maps::{Constant, Deep, HighBitsOnly, KINDS, Three, fresh};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use stateright::semantics::SequentialSpec;
use stm_collections::TMap;
use stm_core::{ReadTx, Stm, Tx, abort, atomically, retry, snapshot};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Op {
    Insert(u16, u8),
    Remove(u16),
    Get(u16),
    GetRef(u16),
    Contains(u16),
    /// Adds to what is there, or puts it there.
    Update(u16, u8),
    Retain(u8),
    Clear,
    Len,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Nothing,
    Is(bool),
    Value(Option<u8>),
    Len(usize),
    All(Vec<(u16, u8)>),
}

fn kept(key: u16, value: u8, mask: u8) -> bool {
    (key as u8 ^ value) & mask != 0
}

fn sorted(mut pairs: Vec<(u16, u8)>) -> Vec<(u16, u8)> {
    pairs.sort_unstable();
    pairs
}

fn run<S: BuildHasher>(map: &TMap<u16, u8, S>, tx: &mut Tx<'_>, op: &Op) -> Stm<Answer> {
    Ok(match *op {
        Op::Insert(k, v) => Answer::Value(map.insert(tx, k, v)?),
        Op::Remove(k) => Answer::Value(map.remove(tx, &k)?),
        Op::Get(k) => Answer::Value(map.get(tx, &k)?),
        Op::GetRef(k) => Answer::Value(map.get_ref(tx, &k)?.map(|v| *v)),
        Op::Contains(k) => Answer::Is(map.contains_key(tx, &k)?),
        Op::Update(k, v) => {
            let updated = map.update_or_insert_with(
                tx,
                k,
                || v,
                |old| {
                    *old = old.wrapping_add(v);
                    *old
                },
            )?;
            Answer::Value(updated)
        }
        Op::Retain(mask) => {
            map.retain(tx, |&k, &v| kept(k, v, mask))?;
            Answer::Nothing
        }
        Op::Clear => {
            map.clear(tx)?;
            Answer::Nothing
        }
        Op::Len => {
            let len = map.len(tx)?;
            assert_eq!(map.is_empty(tx)?, len == 0);
            Answer::Len(len)
        }
        Op::All => Answer::All(sorted(map.to_vec(tx)?)),
    })
}

fn run_std(map: &mut HashMap<u16, u8>, op: &Op) -> Answer {
    match *op {
        Op::Insert(k, v) => Answer::Value(map.insert(k, v)),
        Op::Remove(k) => Answer::Value(map.remove(&k)),
        Op::Get(k) | Op::GetRef(k) => Answer::Value(map.get(&k).copied()),
        Op::Contains(k) => Answer::Is(map.contains_key(&k)),
        Op::Update(k, v) => Answer::Value(match map.get_mut(&k) {
            Some(old) => {
                *old = old.wrapping_add(v);
                Some(*old)
            }
            None => {
                map.insert(k, v);
                None
            }
        }),
        Op::Retain(mask) => {
            map.retain(|&k, &mut v| kept(k, v, mask));
            Answer::Nothing
        }
        Op::Clear => {
            map.clear();
            Answer::Nothing
        }
        Op::Len => Answer::Len(map.len()),
        Op::All => Answer::All(sorted(map.iter().map(|(&k, &v)| (k, v)).collect())),
    }
}

/// What becomes of some operations in a row.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Committed,
    /// By an error of a nested transaction.
    RolledBack,
    /// As the left side of an alternative.
    Retried,
}

#[derive(Clone, Debug)]
struct Step {
    fate: Fate,
    ops: Vec<Op>,
    /// Done in the same transaction, after what may have been rolled back.
    then: Vec<Op>,
}

fn any_op(g: &mut Gen) -> Op {
    // Few keys, so that operations meet, or many, so that buckets split.
    let range = *g.choose(&[6, 40, 1_000]).expect("it is not empty");
    let (k, v) = (u16::arbitrary(g) % range, u8::arbitrary(g));
    match u8::arbitrary(g) % 40 {
        0..=12 => Op::Insert(k, v),
        13..=21 => Op::Remove(k),
        22..=24 => Op::Get(k),
        25..=27 => Op::GetRef(k),
        28 | 29 => Op::Contains(k),
        30..=34 => Op::Update(k, v),
        35 => Op::Retain(v),
        36 if v < 100 => Op::Clear,
        36 | 37 => Op::Len,
        _ => Op::All,
    }
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let ops = |g: &mut Gen, n: usize| (0..n).map(|_| any_op(g)).collect();
        Self {
            fate: *g
                .choose(&[
                    Fate::Committed,
                    Fate::Committed,
                    Fate::RolledBack,
                    Fate::Retried,
                ])
                .expect("it is not empty"),
            ops: {
                let n = usize::arbitrary(g) % 12;
                ops(g, n)
            },
            then: {
                let n = usize::arbitrary(g) % 3;
                ops(g, n)
            },
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let this = self.clone();
        Box::new((0..self.ops.len()).map(move |without| {
            let mut less = this.clone();
            less.ops.remove(without);
            less
        }))
    }
}

fn agrees<S: BuildHasher + Default, const COMPACT: bool>(program: Vec<Step>) -> bool {
    let map: TMap<u16, u8, S> = fresh(COMPACT);
    let mut twin: HashMap<u16, u8> = HashMap::new();
    for Step { fate, ops, then } in program {
        let mut theirs = twin.clone();
        let expected: Vec<_> = ops.iter().map(|op| run_std(&mut theirs, op)).collect();
        if matches!(fate, Fate::Committed) {
            twin = theirs;
        }
        let expected_then: Vec<_> = then.iter().map(|op| run_std(&mut twin, op)).collect();

        let (answers, answers_then) = atomically(|tx| {
            let mut answers = Vec::new();
            let mut all = |tx: &mut Tx<'_>| -> Stm<()> {
                for op in &ops {
                    answers.push(run(&map, tx, op)?);
                }
                Ok(())
            };
            match fate {
                Fate::Committed => all(tx)?,
                Fate::RolledBack => {
                    let failed = tx.nested(|tx| {
                        all(tx)?;
                        abort::<(), _>("on purpose")
                    })?;
                    assert_eq!(failed, Err("on purpose"));
                }
                Fate::Retried => {
                    let left = tx.optionally(|tx| {
                        all(tx)?;
                        retry::<()>()
                    })?;
                    assert_eq!(left, None);
                }
            }
            let then: Stm<Vec<_>> = then.iter().map(|op| run(&map, tx, op)).collect();
            Ok((answers, then?))
        });
        assert_eq!(answers, expected, "{fate:?} {ops:?}");
        assert_eq!(answers_then, expected_then, "after {fate:?} {ops:?}");
        let content = snapshot(|s| Ok((map.len(s)?, sorted(map.to_vec(s)?))));
        let expected = sorted(twin.iter().map(|(&k, &v)| (k, v)).collect());
        assert_eq!(content, (twin.len(), expected));
    }
    true
}

fn check_spec<S: BuildHasher + Default + 'static>(programs: u64) {
    for kind in [agrees::<S, false>, agrees::<S, true>] {
        QuickCheck::new()
            .rng(Gen::new(60))
            .tests(programs)
            .quickcheck(kind as fn(Vec<Step>) -> bool);
    }
}

#[test]
fn spec() {
    watched("spec", || {
        check_spec::<RandomState>(150);
        check_spec::<BuildHasherDefault<Deep>>(150);
    });
}

#[test]
fn colliding_hasher() {
    watched("colliding_hasher", || {
        check_spec::<BuildHasherDefault<Constant>>(40);
        check_spec::<BuildHasherDefault<HighBitsOnly>>(40);
        check_spec::<BuildHasherDefault<Three>>(40);
    });
}

/// Many times the room of a bucket, both for a table that cannot split and for one that must.
#[test]
fn thousands_of_keys() {
    fn fill_and_empty<S: BuildHasher + Default>(n: u16, compact: bool) {
        let map: TMap<u16, u8, S> = fresh(compact);
        for k in 0..n {
            assert_eq!(atomically(|tx| map.insert(tx, k, k as u8)), None);
        }
        for k in 0..n {
            assert_eq!(atomically(|tx| map.get(tx, &k)), Some(k as u8));
            assert_eq!(atomically(|tx| map.get(tx, &(k + n))), None);
        }
        assert_eq!(snapshot(|s| map.len(s)), usize::from(n));
        let mut keys = snapshot(|s| map.keys(s));
        keys.sort_unstable();
        assert!(keys.into_iter().eq(0..n));
        let sum: u64 = snapshot(|s| map.values(s)).into_iter().map(u64::from).sum();
        assert_eq!(sum, (0..n).map(|k| u64::from(k as u8)).sum::<u64>());
        // All but one, which stays findable while the sweeper goes about.
        for k in 1..n {
            assert_eq!(atomically(|tx| map.remove(tx, &k)), Some(k as u8));
            assert_eq!(atomically(|tx| map.get(tx, &0)), Some(0));
        }
        assert_eq!(snapshot(|s| map.to_vec(s)), [(0, 0)]);
        assert_eq!(snapshot(|s| map.len(s)), 1);
    }

    watched("thousands_of_keys", || {
        for compact in KINDS {
            fill_and_empty::<RandomState>(8_000, compact);
            fill_and_empty::<BuildHasherDefault<HighBitsOnly>>(4_000, compact);
            fill_and_empty::<BuildHasherDefault<Deep>>(4_000, compact);
            fill_and_empty::<BuildHasherDefault<Constant>>(200, compact);
        }
    });
}

/// All of it in one transaction: grown, seen and rolled back.
#[test]
fn one_large_transaction() {
    fn check<S: BuildHasher + Default>(compact: bool) {
        let map = fresh::<u16, u8, S>(compact);
        atomically(|tx| map.insert(tx, 5_000, 1));
        atomically(|tx| {
            let undone = tx.nested(|tx| {
                for k in 0..2_000 {
                    map.insert(tx, k, 2)?;
                }
                assert_eq!(map.len(tx)?, 2_001);
                assert_eq!(map.to_vec(tx)?.len(), 2_001);
                abort::<(), _>(())
            })?;
            assert_eq!(undone, Err(()));
            assert_eq!(map.to_vec(tx)?, [(5_000, 1)]);
            for k in 0..100 {
                map.insert(tx, k, 3)?;
            }
            Ok(())
        });
        // The table keeps the places of the buckets that were rolled back.
        assert_eq!(snapshot(|s| map.len(s)), 101);
        for k in 0..2_000 {
            let expected = (k < 100).then_some(3);
            assert_eq!(atomically(|tx| map.get(tx, &k)), expected);
        }
    }

    watched("one_large_transaction", || {
        for compact in KINDS {
            check::<RandomState>(compact);
            check::<BuildHasherDefault<Deep>>(compact);
        }
    });
}

/// What the search for an order understands.
#[derive(Clone, Debug, Default)]
struct Twin(HashMap<u16, u8>);

impl SequentialSpec for Twin {
    type Op = Op;
    type Ret = Answer;

    fn invoke(&mut self, op: &Op) -> Answer {
        run_std(&mut self.0, op)
    }
}

/// With keys from 100 on that are `there` already.
fn check_linearizable<S>(history: Histories, keys: usize, there: u16, compact: bool)
where
    S: BuildHasher + Default + Send + Sync,
{
    let there: HashMap<u16, u8> = (100..100 + there).map(|key| (key, 1)).collect();
    history.check(
        &Twin(there.clone()),
        || {
            let map = fresh::<u16, u8, S>(compact);
            for (&key, &value) in &there {
                atomically(|tx| map.insert(tx, key, value));
            }
            map
        },
        |rng| {
            let (k, v) = (rng.below(keys) as u16, rng.below(200) as u8);
            match rng.below(20) {
                0..=6 => Op::Insert(k, v),
                7..=11 => Op::Remove(k),
                12 | 13 => Op::Get(k),
                14 | 15 => Op::Update(k, v),
                16 => Op::Clear,
                17 => Op::Retain(v),
                18 => Op::Len,
                _ => Op::All,
            }
        },
        |map, op| match op {
            // Half of what only reads, as a snapshot.
            Op::Len => Answer::Len(snapshot(|s| map.len(s))),
            Op::All => Answer::All(sorted(snapshot(|s| map.to_vec(s)))),
            _ => atomically(|tx| run(map, tx, &op)),
        },
    );
}

#[test]
fn linearizable() {
    watched("linearizable", || {
        let histories = Histories::default();
        for compact in KINDS {
            check_linearizable::<RandomState>(histories, 3, 0, compact);
            check_linearizable::<RandomState>(histories, 12, 0, compact);
            check_linearizable::<BuildHasherDefault<Constant>>(histories, 4, 0, compact);
            check_linearizable::<BuildHasherDefault<Deep>>(histories, 4, 20, compact);
        }
    });
}

/// Grows from nothing under several threads, so that buckets split under each other's feet; nothing is lost.
#[test]
fn concurrent_growth_loses_nothing() {
    watched("concurrent_growth_loses_nothing", || {
        for compact in KINDS {
            const EACH: u32 = 2_000;
            let map = fresh::<u32, u32, RandomState>(compact);
            let seed = seed();
            on_threads(4, |id| {
                let mut rng = Rng::new(seed, id);
                for n in 0..EACH {
                    let key = n * 4 + id as u32;
                    atomically(|tx| map.insert(tx, key, key));
                    stumble(&mut rng, 16);
                    let back = rng.below(n as usize + 1) as u32 * 4 + id as u32;
                    assert_eq!(atomically(|tx| map.get(tx, &back)), Some(back));
                }
            });
            let mut pairs = snapshot(|s| map.to_vec(s));
            pairs.sort_unstable();
            assert!(pairs.into_iter().eq((0..4 * EACH).map(|k| (k, k))));
            assert_eq!(snapshot(|s| map.len(s)), 4 * EACH as usize);
        }
    });
}

/// Moves keys between two maps; everybody always finds each key in exactly one.
#[test]
fn moves_between_two_maps() {
    const KEYS: usize = 40;
    const ROUNDS: usize = 1_000;

    fn whole<S: BuildHasher>(tx: &mut impl ReadTx, maps: &[TMap<usize, u64, S>; 2]) -> Stm<()> {
        assert_eq!(maps[0].len(tx)? + maps[1].len(tx)?, KEYS);
        let mut seen = [0; KEYS];
        for map in maps {
            map.for_each(tx, |&key, &value| {
                assert_eq!(value, key as u64);
                seen[key] += 1;
            })?;
        }
        assert_eq!(seen, [1; KEYS]);
        Ok(())
    }

    fn check<S: BuildHasher + Default + Send + Sync>() {
        // One of either kind.
        let maps = KINDS.map(fresh::<usize, u64, S>);
        for key in 0..KEYS {
            atomically(|tx| maps[key % 2].insert(tx, key, key as u64));
        }

        let seed = seed();
        let observe = |id: usize, n: u64| {
            if id == 0 {
                snapshot(|s| whole(s, &maps));
            } else if n.is_multiple_of(4) {
                atomically(|tx| whole(tx, &maps));
            } else {
                let key = n as usize % KEYS;
                let found = atomically(|tx| {
                    Ok([
                        maps[0].contains_key(tx, &key)?,
                        maps[1].contains_key(tx, &key)?,
                    ])
                });
                assert!(found[0] != found[1], "{key} is in {found:?}");
            }
        };
        under_fire(2, observe, || {
            on_threads(2, |id| {
                let mut rng = Rng::new(seed, id);
                for _ in 0..ROUNDS {
                    let key = rng.below(KEYS);
                    atomically(|tx| {
                        for (from, to) in [(0, 1), (1, 0)] {
                            if let Some(value) = maps[from].remove(tx, &key)? {
                                stumble(&mut rng, 16);
                                assert_eq!(maps[to].insert(tx, key, value)?, None);
                                return Ok(());
                            }
                        }
                        panic!("{key} is in neither");
                    });
                }
            });
        });
    }

    watched("moves_between_two_maps", || {
        check::<RandomState>();
        check::<BuildHasherDefault<Deep>>();
    });
}

#[test]
fn handles_and_their_faces() {
    watched("handles_and_their_faces", || {
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        let map = TMap::<String, String>::default();
        shared(&map);
        let other = map.clone();
        atomically(|tx| map.insert(tx, "a".into(), "b".into()));
        assert_eq!(
            atomically(|tx| other.get(tx, "a")).as_deref(),
            Some("b"),
            "a clone is the same map"
        );
        let text = atomically(|tx| {
            let value = map.get_ref(tx, "a")?.expect("it is there");
            Ok(format!("{value:?} {} {map:?}", value.len()))
        });
        assert!(text.starts_with("\"b\" 1 TMap("), "{text}");
    });
}
