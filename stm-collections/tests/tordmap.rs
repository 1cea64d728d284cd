//! The ordered map, beside `BTreeMap` and under fire.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

use common::{
    Histories, Rng, collect_until, elsewhere, on_threads, seed, stumble, under_fire, watched,
};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use stateright::semantics::SequentialSpec;
use stm_collections::TOrdMap;
use stm_core::{Abort, ReadTx, Stm, Tx, abort, atomically, retry, snapshot};

type Key = u16;

/// Keys are below this: some leaves, some inner nodes, and often the same key again.
const KEYS: Key = 4_000;

type Range = (Bound<Key>, Bound<Key>);

/// One step of a random program. Runs make a program of a hundred steps touch thousands of keys.
#[derive(Clone, Debug)]
enum Op {
    InsertRun(Key, Key, Key),
    RemoveRun(Key, Key, Key),
    Insert(Key, u32),
    Remove(Key),
    Update(Key, u32),
    Get(Key),
    PopFirst(u8),
    PopLast(u8),
    Ends,
    Range(Range),
    Retain(Key),
    Clear,
    Count,
    /// In one transaction.
    Together(Vec<Op>),
    /// Together, and undone.
    Undone(Vec<Op>),
    /// The first are undone, for the second to happen instead.
    OrElse(Vec<Op>, Vec<Op>),
}

fn key(g: &mut Gen) -> Key {
    Key::arbitrary(g) % KEYS
}

fn bound(g: &mut Gen) -> Bound<Key> {
    match u8::arbitrary(g) % 5 {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(key(g)),
        _ => Bound::Excluded(key(g)),
    }
}

impl Op {
    fn simple(g: &mut Gen) -> Self {
        use Op::*;
        match u8::arbitrary(g) % 32 {
            0..=4 => InsertRun(key(g), 1 + key(g) % 8, key(g) % 300),
            5..=7 => RemoveRun(key(g), 1 + key(g) % 3, key(g) % 300),
            8..=10 => Insert(key(g), u32::arbitrary(g)),
            11..=12 => Remove(key(g)),
            13..=14 => Update(key(g), u32::arbitrary(g)),
            15..=16 => Get(key(g)),
            17..=18 => PopFirst(u8::arbitrary(g) % 60),
            19..=20 => PopLast(u8::arbitrary(g) % 60),
            21..=22 => Ends,
            23..=28 => Range((bound(g), bound(g))),
            29 => Retain(1 + key(g) % 6),
            30 if key(g).is_multiple_of(4) => Clear,
            _ => Count,
        }
    }

    fn several(g: &mut Gen) -> Vec<Self> {
        (0..1 + u8::arbitrary(g) % 6)
            .map(|_| Self::simple(g))
            .collect()
    }
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 16 {
            0..=1 => Op::Together(Op::several(g)),
            2 => Op::Undone(Op::several(g)),
            3 => Op::OrElse(Op::several(g), Op::several(g)),
            _ => Op::simple(g),
        }
    }
}

fn run_of(start: Key, step: Key, n: Key) -> impl Iterator<Item = Key> {
    (0..n).map(move |i| (start + i * step) % KEYS)
}

type Map = TOrdMap<Key, u32>;
type Twin = BTreeMap<Key, u32>;

/// What `BTreeMap::range` gives where it gives anything.
fn twin_range(twin: &Twin, range: &Range) -> Vec<(Key, u32)> {
    let from = |key: Key| match range.0 {
        Bound::Included(start) => start <= key,
        Bound::Excluded(start) => start < key,
        Bound::Unbounded => true,
    };
    let to = |key: Key| match range.1 {
        Bound::Included(end) => key <= end,
        Bound::Excluded(end) => key < end,
        Bound::Unbounded => true,
    };
    let chosen: Vec<_> = twin
        .iter()
        .map(|(key, value)| (*key, *value))
        .filter(|(key, _)| from(*key) && to(*key))
        .collect();
    let inverted = match *range {
        (Bound::Excluded(a), Bound::Excluded(b)) => a >= b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) => a > b,
        _ => false,
    };
    if !inverted {
        assert!(
            twin.range(*range)
                .map(|(k, v)| (*k, *v))
                .eq(chosen.iter().copied())
        );
    }
    chosen
}

/// Does `op` to both and compares all that can be seen of it.
fn step(tx: &mut Tx<'_>, map: &Map, twin: &mut Twin, op: &Op) -> Stm<()> {
    match op {
        Op::InsertRun(start, step, n) => {
            for key in run_of(*start, *step, *n) {
                let value = u32::from(key);
                assert_eq!(map.insert(tx, key, value)?, twin.insert(key, value));
            }
        }
        Op::RemoveRun(start, step, n) => {
            for key in run_of(*start, *step, *n) {
                assert_eq!(map.remove(tx, &key)?, twin.remove(&key));
            }
        }
        Op::Insert(key, value) => {
            assert_eq!(map.insert(tx, *key, *value)?, twin.insert(*key, *value));
        }
        Op::Remove(key) => assert_eq!(map.remove(tx, key)?, twin.remove(key)),
        Op::Update(key, n) => {
            map.update_or_insert_with(tx, *key, || *n, |value| *value = value.wrapping_add(*n))?;
            twin.entry(*key)
                .and_modify(|value| *value = value.wrapping_add(*n))
                .or_insert(*n);
            assert_eq!(map.get(tx, key)?, twin.get(key).copied());
        }
        Op::Get(key) => {
            assert_eq!(map.get(tx, key)?, twin.get(key).copied());
            assert_eq!(map.get_ref(tx, key)?.map(|v| *v), twin.get(key).copied());
            assert_eq!(map.contains_key(tx, key)?, twin.contains_key(key));
        }
        Op::PopFirst(n) => {
            for _ in 0..*n {
                assert_eq!(map.pop_first(tx)?, twin.pop_first());
            }
        }
        Op::PopLast(n) => {
            for _ in 0..*n {
                assert_eq!(map.pop_last(tx)?, twin.pop_last());
            }
        }
        Op::Ends => {
            let copied = |(key, value): (&Key, &u32)| (*key, *value);
            assert_eq!(map.first(tx)?, twin.first_key_value().map(copied));
            assert_eq!(map.last(tx)?, twin.last_key_value().map(copied));
        }
        Op::Range(range) => {
            let expected = twin_range(twin, range);
            assert_eq!(map.range(tx, *range)?, expected);
            assert_eq!(map.first_in_range(tx, *range)?, expected.first().copied());
            assert_eq!(map.last_in_range(tx, *range)?, expected.last().copied());
        }
        Op::Retain(divisor) => {
            map.retain(tx, |key, _| key % divisor == 0)?;
            twin.retain(|key, _| key % divisor == 0);
        }
        Op::Clear => {
            map.clear(tx)?;
            twin.clear();
        }
        Op::Count => {
            assert_eq!(map.len(tx)?, twin.len());
            assert_eq!(map.is_empty(tx)?, twin.is_empty());
        }
        Op::Together(ops) => steps(tx, map, twin, ops)?,
        Op::Undone(ops) => {
            let mut twin = twin.clone();
            let undone = tx.nested(|tx| -> Result<(), Abort<&str>> {
                steps(tx, map, &mut twin, ops)?;
                abort("undone")
            })?;
            assert_eq!(undone, Err("undone"));
        }
        Op::OrElse(first, second) => {
            let mut undone = twin.clone();
            tx.or_else(
                |tx| {
                    steps(tx, map, &mut undone, first)?;
                    retry()
                },
                |tx| steps(tx, map, twin, second),
            )?;
        }
    }
    Ok(())
}

fn steps(tx: &mut Tx<'_>, map: &Map, twin: &mut Twin, ops: &[Op]) -> Stm<()> {
    ops.iter().try_for_each(|op| step(tx, map, twin, op))
}

#[test]
fn spec() {
    fn agrees_with_twin(program: Vec<Op>) {
        let (map, mut twin) = (Map::new(), Twin::new());
        for op in &program {
            let before = twin.clone();
            atomically(|tx| {
                twin.clone_from(&before);
                step(tx, &map, &mut twin, op)
            });
        }
        let expected: Vec<_> = twin.into_iter().collect();
        assert_eq!(snapshot(|s| map.to_vec(s)), expected);
        assert_eq!(snapshot(|s| map.len(s)), expected.len());
    }
    watched("spec", || {
        QuickCheck::new()
            .tests(150)
            .rng(Gen::new(120))
            .quickcheck(agrees_with_twin as fn(Vec<Op>));
    });
}

#[test]
fn every_range_of_a_small_map() {
    watched("ranges", || {
        let (map, mut twin) = (Map::new(), Twin::new());
        for key in (1..50).map(|i| 2 * i) {
            atomically(|tx| map.insert(tx, key, 1));
            twin.insert(key, 1);
        }
        let bounds = || {
            (0..=101)
                .flat_map(|key| [Bound::Included(key), Bound::Excluded(key)])
                .chain([Bound::Unbounded])
        };
        for start in bounds() {
            for end in bounds() {
                let range = (start, end);
                let expected = twin_range(&twin, &range);
                snapshot(|s| {
                    assert_eq!(map.range(s, range)?, expected, "{range:?}");
                    assert_eq!(map.last_in_range(s, range)?, expected.last().copied());
                    Ok(())
                });
            }
        }
    });
}

#[derive(Clone, Debug)]
enum Call {
    Insert(u8, u8),
    Remove(u8),
    Get(u8),
    PopFirst,
    PopLast,
    Range(u8, u8),
    Len,
}

#[derive(Clone, PartialEq, Debug)]
enum Answer {
    Value(Option<u8>),
    Entry(Option<(u8, u8)>),
    Entries(Vec<(u8, u8)>),
    Number(usize),
}

#[derive(Clone, Debug)]
struct Spec(BTreeMap<u8, u8>);

impl SequentialSpec for Spec {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        let Self(map) = self;
        match *call {
            Call::Insert(key, value) => Answer::Value(map.insert(key, value)),
            Call::Remove(key) => Answer::Value(map.remove(&key)),
            Call::Get(key) => Answer::Value(map.get(&key).copied()),
            Call::PopFirst => Answer::Entry(map.pop_first()),
            Call::PopLast => Answer::Entry(map.pop_last()),
            Call::Range(from, to) => {
                Answer::Entries(map.range(from..to).map(|(k, v)| (*k, *v)).collect())
            }
            Call::Len => Answer::Number(map.len()),
        }
    }
}

fn call(map: &TOrdMap<u8, u8>, call: Call) -> Answer {
    match call {
        Call::Insert(key, value) => Answer::Value(atomically(|tx| map.insert(tx, key, value))),
        Call::Remove(key) => Answer::Value(atomically(|tx| map.remove(tx, &key))),
        Call::Get(key) => Answer::Value(atomically(|tx| map.get(tx, &key))),
        Call::PopFirst => Answer::Entry(atomically(|tx| map.pop_first(tx))),
        Call::PopLast => Answer::Entry(atomically(|tx| map.pop_last(tx))),
        Call::Range(from, to) => Answer::Entries(snapshot(|s| map.range(s, from..to))),
        Call::Len => Answer::Number(atomically(|tx| map.len(tx))),
    }
}

#[test]
fn linearizable() {
    watched("linearizable", || {
        // At the edge: a full leaf that splits, and two leaves of which one is about to go.
        let full: BTreeMap<u8, u8> = (0..16).map(|i| (i, 0)).collect();
        let two: BTreeMap<u8, u8> = [0, 1, 15].map(|i| (i, 0)).into();
        for (entries, make) in [
            (full.clone(), full),
            (two, (0..17).map(|i| (i, 0)).collect()),
        ] {
            Histories::default().check(
                &Spec(entries.clone()),
                || {
                    let map = TOrdMap::new();
                    atomically(|tx| {
                        for (key, value) in &make {
                            map.insert(tx, *key, *value)?;
                        }
                        map.retain(tx, |key, _| entries.contains_key(key))
                    });
                    map
                },
                |rng| match rng.below(10) {
                    0..=2 => Call::Insert(rng.below(20) as u8, rng.below(100) as u8),
                    3..=4 => Call::Remove(rng.below(20) as u8),
                    5 => Call::Get(rng.below(20) as u8),
                    6 => Call::PopFirst,
                    7 => Call::PopLast,
                    8 => Call::Range(rng.below(10) as u8, 10 + rng.below(10) as u8),
                    _ => Call::Len,
                },
                call,
            );
        }
    });
}

/// The entries of both, each of which must be in one of them.
fn both(tx: &mut impl ReadTx, maps: &[TOrdMap<u32, u32>; 2]) -> Stm<Vec<(u32, u32)>> {
    let mut all = maps[0].to_vec(tx)?;
    all.extend(maps[1].to_vec(tx)?);
    all.sort_unstable();
    assert_eq!(maps[0].len(tx)? + maps[1].len(tx)?, all.len());
    Ok(all)
}

#[test]
fn what_moves_is_always_in_one_place() {
    watched("moves", || {
        const N: u32 = 600;
        let maps = [TOrdMap::new(), TOrdMap::new()];
        atomically(|tx| {
            for key in 0..N {
                maps[0].insert(tx, key, key)?;
            }
            Ok(())
        });
        let expected: Vec<_> = (0..N).map(|key| (key, key)).collect();
        let seed = seed();
        let rngs: Vec<_> = (0..2)
            .map(|id| std::sync::Mutex::new(Rng::new(seed, id)))
            .collect();
        under_fire(
            2,
            |id, _| {
                let mut rng = rngs[id].lock().unwrap();
                let (from, key, way) = (rng.below(2), rng.below(N as usize) as u32, rng.below(4));
                atomically(|tx| {
                    let (from, to) = (&maps[from], &maps[1 - from]);
                    let moved = match way {
                        0 => from.pop_first(tx)?,
                        1 => from.pop_last(tx)?,
                        // A whole region at once, so that leaves come and go.
                        2 => {
                            for (key, value) in from.range(tx, key..key + 40)? {
                                from.remove(tx, &key)?;
                                to.insert(tx, key, value)?;
                            }
                            None
                        }
                        _ => from.remove(tx, &key)?.map(|value| (key, value)),
                    };
                    stumble(&mut rng, 3);
                    if let Some((key, value)) = moved {
                        assert_eq!(to.insert(tx, key, value)?, None);
                    }
                    Ok(())
                });
            },
            || {
                for _ in 0..60 {
                    assert_eq!(snapshot(|s| both(s, &maps)), expected);
                    assert_eq!(atomically(|tx| both(tx, &maps)), expected);
                }
            },
        );
    });
}

#[test]
fn a_range_in_a_snapshot_is_of_one_moment() {
    watched("snapshot_range", || {
        // Writers move a token along, and keep one token in each hundred.
        let map = TOrdMap::new();
        for key in 0..1_000u32 {
            atomically(|tx| map.insert(tx, key * 10, key.is_multiple_of(100)));
        }
        let places: Vec<AtomicUsize> = (0..2).map(AtomicUsize::new).collect();
        under_fire(
            2,
            |id, n| {
                let hundred = (places[id].fetch_add(7, Ordering::Relaxed) % 10) as u32 * 1_000;
                atomically(|tx| {
                    let tokens = map.range(tx, hundred..hundred + 1_000)?;
                    let (held, _) = tokens.iter().find(|(_, token)| *token).expect("one token");
                    // Between the others: leaves split and go all the time.
                    map.remove(tx, held)?;
                    let next = hundred + (held + 37 + n as u32 % 11) % 1_000;
                    map.update_or_insert_with(tx, next, || true, |token| *token = true)?;
                    Ok(())
                });
            },
            || {
                for round in 0..150 {
                    let from = round % 10 * 1_000;
                    let tokens = |entries: Vec<(u32, bool)>| {
                        entries.iter().filter(|(_, token)| *token).count()
                    };
                    let within = snapshot(|s| map.range(s, from..from + 1_000));
                    assert_eq!(tokens(within), 1);
                    let (all, len) = snapshot(|s| Ok((map.to_vec(s)?, map.len(s)?)));
                    assert_eq!(all.len(), len);
                    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
                    assert_eq!(tokens(all), 10);
                }
            },
        );
    });
}

#[test]
fn who_pops_first_gets_each_element_once() {
    watched("pop_first", || {
        const N: usize = 3_000;
        let map = TOrdMap::new();
        for key in 0..N {
            atomically(|tx| map.insert(tx, key, ()));
        }
        let popped = on_threads(4, |id| {
            let mut mine = Vec::new();
            let pop = |tx: &mut Tx<'_>| {
                if id == 3 {
                    map.pop_last(tx)
                } else {
                    map.pop_first(tx)
                }
            };
            while let Some((key, ())) = atomically(pop) {
                mine.push(key);
            }
            mine
        });
        for mine in &popped[..3] {
            assert!(mine.is_sorted(), "each pops in order");
        }
        let all: Vec<usize> = popped.concat();
        assert_eq!(all.len(), N);
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), N);
        assert_eq!(snapshot(|s| Ok((map.len(s)?, map.is_empty(s)?))), (0, true));
    });
}

/// The attempts of a transaction that does `mine` while another thread does `theirs`, in the best of some rounds: the other
/// thread, a new one each time, may happen to share a cell of the count.
fn attempts_beside(
    mine: impl Fn(&mut Tx<'_>, u32) -> Stm<()>,
    theirs: impl Fn(&mut Tx<'_>, u32) -> Stm<()> + Sync,
) -> u32 {
    let attempts = (0..4).map(|round| {
        atomically(|tx| {
            mine(tx, round)?;
            if tx.attempt() == 1 {
                elsewhere(|| atomically(|tx| theirs(tx, round)));
            }
            Ok(tx.attempt())
        })
    });
    attempts.min().expect("some rounds")
}

#[test]
fn inserts_far_apart_do_not_conflict() {
    watched("far_apart", || {
        let map = TOrdMap::new();
        for key in 0..10_000u32 {
            atomically(|tx| map.insert(tx, 10 * key, 0));
        }
        // Where the changes go, leaves are half full.
        for key in (0..20).chain(80_000..80_020).chain(50_000..50_020) {
            atomically(|tx| map.insert(tx, key, 0));
        }
        for key in (0..20).chain(80_000..80_020) {
            atomically(|tx| map.remove(tx, &key));
        }
        let insert = |tx: &mut Tx<'_>, n: u32| map.insert(tx, 1 + n, 0).map(drop);
        let remove = |tx: &mut Tx<'_>, n: u32| map.remove(tx, &(50_000 + n)).map(drop);
        let far = |tx: &mut Tx<'_>, n: u32| map.insert(tx, 80_001 + n, 0).map(drop);
        let value = |tx: &mut Tx<'_>, _| map.insert(tx, 30_000, 1).map(drop);
        assert_eq!(attempts_beside(insert, far), 1, "inserts");
        assert_eq!(attempts_beside(far, remove), 1, "an insert and a removal");
        assert_eq!(attempts_beside(far, value), 1);
        let look = |tx: &mut Tx<'_>, n| {
            map.get(tx, &30_000)?;
            map.first(tx)?;
            map.is_empty(tx)?;
            far(tx, n)
        };
        assert_eq!(attempts_beside(look, remove), 1, "look-ups and a removal");
        // And it is noticed when they do.
        assert_eq!(attempts_beside(value, value), 2);
        let count = |tx: &mut Tx<'_>, n| {
            map.len(tx)?;
            value(tx, n)
        };
        assert_eq!(attempts_beside(count, |tx, n| far(tx, n + 4)), 2);
        // A value does not count.
        assert_eq!(
            attempts_beside(count, |tx, _| map.insert(tx, 50_000, 1).map(drop)),
            1
        );
    });
}

/// Counted while it lives.
#[derive(Debug)]
struct Counted(u32, Arc<AtomicIsize>);

impl Counted {
    fn new(n: u32, alive: &Arc<AtomicIsize>) -> Self {
        alive.fetch_add(1, Ordering::SeqCst);
        Self(n, Arc::clone(alive))
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.0, &self.1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        assert!(
            self.1.fetch_sub(1, Ordering::SeqCst) > 0,
            "dropped once too often"
        );
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Counted {}
impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Counted {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// Keys and values that are counted, and how many there are.
struct Ledger {
    keys: Arc<AtomicIsize>,
    values: Arc<AtomicIsize>,
}

impl Ledger {
    fn new() -> Self {
        Self {
            keys: Arc::default(),
            values: Arc::default(),
        }
    }

    fn entry(&self, n: u32) -> (Counted, Counted) {
        (Counted::new(n, &self.keys), Counted::new(n, &self.values))
    }

    #[track_caller]
    fn expect_left(&self, values: isize, keys: std::ops::RangeInclusive<isize>) {
        let alive = || {
            (
                self.keys.load(Ordering::SeqCst),
                self.values.load(Ordering::SeqCst),
            )
        };
        collect_until(|| alive().1 <= values && alive().0 <= *keys.end());
        assert_eq!(alive().1, values, "values");
        assert!(keys.contains(&alive().0), "{} keys", alive().0);
    }
}

/// All of `0..n`, neither ascending nor descending.
fn shuffled(n: u32) -> impl Iterator<Item = u32> {
    (0..n).map(move |i| (u64::from(i) * 7_919 % u64::from(n)) as u32)
}

#[test]
fn what_was_removed_is_given_back() {
    watched("given_back", || {
        const N: u32 = 100_000;
        let ledger = Ledger::new();
        let map = TOrdMap::new();
        for n in shuffled(N) {
            let (key, value) = ledger.entry(n);
            atomically(|tx| map.insert(tx, key.clone(), value.clone()));
        }
        // A separator for each leaf but the first.
        let all = N as isize;
        ledger.expect_left(all, all..=all + all / 6);
        for n in shuffled(N) {
            let (key, value) = ledger.entry(n);
            assert_eq!(atomically(|tx| map.remove(tx, &key)), Some(value));
        }
        ledger.expect_left(0, 0..=0);
        assert!(snapshot(|s| map.is_empty(s)));
    });
}

#[test]
fn everything_is_dropped_once() {
    watched("dropped_once", || {
        const N: u32 = 2_000;
        let ledger = Ledger::new();
        let fill = |map: &TOrdMap<Counted, Counted>| {
            for n in shuffled(N) {
                let (key, value) = ledger.entry(n);
                atomically(|tx| map.insert(tx, key.clone(), value.clone()));
            }
        };
        let map = TOrdMap::new();
        fill(&map);
        fill(&map);
        atomically(|tx| map.retain(tx, |key, _| key.0 < N / 2));
        let half = N as isize / 2;
        ledger.expect_left(half, half..=half + half / 6);
        fill(&map);
        atomically(|tx| map.clear(tx));
        ledger.expect_left(0, 0..=0);
        // Undone, also what was split.
        fill(&map);
        let undone = stm_core::try_atomically(|tx| {
            for n in N..2 * N {
                let (key, value) = ledger.entry(n);
                map.insert(tx, key, value)?;
            }
            while map.pop_first(tx)?.is_some_and(|(key, _)| key.0 < N) {}
            abort::<(), _>("undone")
        });
        assert_eq!(undone, Err("undone"));
        let all = N as isize;
        ledger.expect_left(all, all..=all + all / 6);
        let second = map.clone();
        drop(map);
        assert_eq!(snapshot(|s| second.len(s)), N as usize);
        drop(second);
        ledger.expect_left(0, 0..=0);
    });
}

#[test]
fn a_map_is_a_handle() {
    watched("handle", || {
        let map: TOrdMap<u32, u32> = TOrdMap::default();
        let other = map.clone();
        // Nor does it open a transaction to show itself.
        let shown = atomically(|tx| {
            map.insert(tx, 1, 10)?;
            Ok(format!("{other:?}"))
        });
        assert!(shown.starts_with("TOrdMap(TVar("), "{shown}");
        assert_eq!(snapshot(|s| other.get(s, &1)), Some(10));
        let looked = snapshot(|s| Ok(other.get_ref(s, &1)?.map(|value| *value)));
        assert_eq!(looked, Some(10));
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        shared(&other);
    });
}
