//! The map beside the standard library's, alone and under fire.

mod common;

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use common::{
    Histories, Rng, collect_until, elsewhere, on_threads, panic_of, seed, stumble, under_fire,
    watched,
};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use stateright::semantics::SequentialSpec;
use stm_collections::TMap;
use stm_core::{ReadTx, Stm, TVar, Tx, abort, atomically, retry, snapshot};

/// The same for every run.
type Fixed = BuildHasherDefault<DefaultHasher>;

/// All keys collide.
#[derive(Clone, Debug, Default)]
struct Constant;

impl Hasher for Constant {
    fn write(&mut self, _bytes: &[u8]) {}
    fn finish(&self) -> u64 {
        7
    }
}

/// The low half is the same for all keys.
#[derive(Clone, Debug, Default)]
struct HighBitsOnly(u64);

impl Hasher for HighBitsOnly {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }
    fn finish(&self) -> u64 {
        self.0 << 32
    }
}

/// Three hashes for all keys, so that buckets have both twins and others.
#[derive(Clone, Debug, Default)]
struct Three(HighBitsOnly);

impl Hasher for Three {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
    fn finish(&self) -> u64 {
        self.0.0.count_ones() as u64 % 3
    }
}

/// Gives hashes that agree in what tells the first buckets from each other: with more keys than fit into one bucket, all of them
/// are in buckets of large numbers, as those of a large map are.
#[derive(Default)]
struct Deep(u64);

impl Hasher for Deep {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are integers");
    }
    fn write_u16(&mut self, n: u16) {
        self.0 = n.into();
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = n.into();
    }
    fn write_usize(&mut self, n: usize) {
        self.0 = n as u64;
    }
    fn finish(&self) -> u64 {
        unmix(self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) << 7 | 0x7F)
    }
}

/// What a map makes this very number of: the inverse of its last step over a hash.
fn unmix(mut hash: u64) -> u64 {
    // Newton's iteration doubles the bits that are right, of which an odd number has three at first.
    let inverse = |n: u64| {
        (0..5).fold(n, |x, _| {
            x.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(x)))
        })
    };
    hash ^= hash >> 31 ^ hash >> 62;
    hash = hash.wrapping_mul(inverse(0x94D0_49BB_1331_11EB));
    hash ^= hash >> 27 ^ hash >> 54;
    hash = hash.wrapping_mul(inverse(0xBF58_476D_1CE4_E5B9));
    hash ^ hash >> 30 ^ hash >> 60
}

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

/// A map of either kind: one that keeps small keys together from the start, or the usual one.
fn fresh<K, V, S>(compact: bool) -> TMap<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher + Default,
{
    if compact {
        TMap::compact(S::default())
    } else {
        TMap::default()
    }
}

const KINDS: [bool; 2] = [false, true];

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

/// A key whose equality panics on demand.
#[derive(Clone, Debug)]
struct Touchy(u8);

impl std::hash::Hash for Touchy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

static TOUCHED: AtomicU64 = AtomicU64::new(0);

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        assert_ne!(TOUCHED.load(Ordering::Relaxed), 1, "touched");
        self.0 == other.0
    }
}

impl Eq for Touchy {}

/// M3: a body that catches the panic has not half an operation in its hands.
#[test]
fn panics_leave_no_half_operations() {
    watched("panics_leave_no_half_operations", || {
        let map = TMap::<Touchy, u8, BuildHasherDefault<Constant>>::default();
        atomically(|tx| (0..10).try_for_each(|n| map.insert(tx, Touchy(n), n).map(drop)));
        let content = || {
            let mut all = snapshot(|s| map.values(s));
            all.sort_unstable();
            (all, snapshot(|s| map.len(s)))
        };
        let before = content();

        let caught = |body: &mut dyn FnMut(&mut Tx<'_>)| {
            atomically(|tx| {
                if tx.attempt() == 1 {
                    panic_of(|| body(tx));
                }
                Ok(())
            });
            assert_eq!(content(), before);
        };
        caught(&mut |tx| {
            let mut left = 5;
            let _ = map.retain(tx, |_, _| {
                left -= 1;
                assert!(left > 0, "enough");
                false
            });
        });
        caught(&mut |tx| {
            let _ = map.update_or_insert_with(tx, Touchy(20), || panic!("no default"), |_| ());
        });
        caught(&mut |tx| {
            let _ = map.update_or_insert_with(
                tx,
                Touchy(3),
                || 0,
                |value| {
                    *value = 99;
                    panic!("no update")
                },
            );
        });
        TOUCHED.store(1, Ordering::Relaxed);
        caught(&mut |tx| {
            let _ = map.insert(tx, Touchy(3), 99);
        });
        caught(&mut |tx| {
            let _ = map.remove(tx, &Touchy(3));
        });
        TOUCHED.store(0, Ordering::Relaxed);
        assert_eq!(content(), before);
    });
}

/// M3, where the bucket lies in a record.
#[test]
fn panics_leave_no_half_operations_in_records() {
    watched("panics_leave_no_half_operations_in_records", || {
        let map = fresh::<u16, u8, BuildHasherDefault<Deep>>(true);
        atomically(|tx| (0..20).try_for_each(|n| map.insert(tx, n, 0).map(drop)));
        let content = || snapshot(|s| Ok((sorted(map.to_vec(s)?), map.len(s)?)));
        let before = content();

        let caught = |body: &mut dyn FnMut(&mut Tx<'_>)| {
            atomically(|tx| {
                if tx.attempt() == 1 {
                    panic_of(|| body(tx));
                }
                Ok(())
            });
            assert_eq!(content(), before);
        };
        caught(&mut |tx| {
            let mut left = 15;
            let _ = map.retain(tx, |_, _| {
                left -= 1;
                assert!(left > 0, "enough");
                false
            });
        });
        caught(&mut |tx| {
            let _ = map.update_or_insert_with(tx, 30, || panic!("no default"), |_| ());
        });
        caught(&mut |tx| {
            let update = |value: &mut u8| {
                *value = 99;
                panic!("no update")
            };
            let _ = map.update_or_insert_with(tx, 3, || 0, update);
        });
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
