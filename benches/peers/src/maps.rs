//! Maps of 100 000 keys: single operations beside maps that do not compose, moves between two maps beside another STM, and a scan
//! beside a writer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stm_collections::TMap;
use stm_core::{atomically, snapshot};

use crate::interleave::{Contender, Effort, Measured, Rng, compare, rate};

const KEYS: u64 = 100_000;

/// A map with single-key operations.
trait Map: Sync {
    fn new() -> Self;
    fn get(&self, key: u64) -> Option<u64>;
    fn insert(&self, key: u64, value: u64);
    fn remove(&self, key: u64);
    fn len(&self) -> usize;
}

impl Map for TMap<u64, u64> {
    fn new() -> Self {
        TMap::new()
    }
    fn get(&self, key: u64) -> Option<u64> {
        atomically(|tx| TMap::get(self, tx, &key))
    }
    fn insert(&self, key: u64, value: u64) {
        atomically(|tx| TMap::insert(self, tx, key, value));
    }
    fn remove(&self, key: u64) {
        atomically(|tx| TMap::remove(self, tx, &key));
    }
    fn len(&self) -> usize {
        snapshot(|s| TMap::len(self, s))
    }
}

impl Map for Mutex<HashMap<u64, u64>> {
    fn new() -> Self {
        Mutex::default()
    }
    fn get(&self, key: u64) -> Option<u64> {
        self.lock().unwrap().get(&key).copied()
    }
    fn insert(&self, key: u64, value: u64) {
        self.lock().unwrap().insert(key, value);
    }
    fn remove(&self, key: u64) {
        self.lock().unwrap().remove(&key);
    }
    fn len(&self) -> usize {
        self.lock().unwrap().len()
    }
}

impl Map for dashmap::DashMap<u64, u64> {
    fn new() -> Self {
        Self::new()
    }
    fn get(&self, key: u64) -> Option<u64> {
        self.get(&key).map(|value| *value)
    }
    fn insert(&self, key: u64, value: u64) {
        self.insert(key, value);
    }
    fn remove(&self, key: u64) {
        self.remove(&key);
    }
    fn len(&self) -> usize {
        self.len()
    }
}

impl Map for papaya::HashMap<u64, u64> {
    fn new() -> Self {
        Self::new()
    }
    fn get(&self, key: u64) -> Option<u64> {
        self.pin().get(&key).copied()
    }
    fn insert(&self, key: u64, value: u64) {
        self.pin().insert(key, value);
    }
    fn remove(&self, key: u64) {
        self.pin().remove(&key);
    }
    fn len(&self) -> usize {
        self.pin().len()
    }
}

/// What a step does.
#[derive(Clone, Copy)]
enum Mix {
    Get,
    /// Inserts a key that is not there, removes it again: two operations.
    InsertRemove,
    /// Nine gets, then an insert and a remove by turns.
    MostlyGet,
}

fn filled<M: Map>() -> M {
    let map = M::new();
    for key in 0..KEYS {
        map.insert(key, key);
    }
    map
}

fn singles<M: Map>(map: &M, threads: usize, mix: Mix, time: Duration) -> Measured {
    let state = |thread| (Rng::new(thread), thread as u64, 0u64);
    let per_second = rate(threads, time, state, |(rng, thread, turn)| {
        // Even keys of this thread's residue class come and go, and are back at the end of a pair.
        let extra = |rng: &mut Rng| KEYS + *thread + threads as u64 * rng.below(KEYS);
        match mix {
            Mix::Get => {
                let key = rng.below(KEYS);
                assert_eq!(map.get(key), Some(key));
            }
            Mix::InsertRemove => {
                let key = extra(rng);
                map.insert(key, key);
                map.remove(key);
            }
            Mix::MostlyGet => {
                *turn += 1;
                if *turn % 10 == 0 {
                    let key = extra(rng);
                    map.insert(key, key);
                    map.remove(key);
                } else {
                    let key = rng.below(KEYS);
                    assert_eq!(map.get(key), Some(key));
                }
            }
        }
    });
    let len = map.len();
    Measured {
        per_second,
        broke: (len != KEYS as usize).then(|| format!("{len} keys where {KEYS} should be")),
    }
}

/// Two maps between which keys move, one transaction each.
trait Moves: Sync {
    fn new() -> Self;
    /// Moves `key` to the other map, wherever it is.
    fn shift(&self, key: u64);
    fn total(&self) -> usize;
}

struct Ours(TMap<u64, u64>, TMap<u64, u64>);

impl Moves for Ours {
    fn new() -> Self {
        Self(filled(), TMap::new())
    }
    fn shift(&self, key: u64) {
        atomically(|tx| match self.0.remove(tx, &key)? {
            Some(value) => self.1.insert(tx, key, value).map(drop),
            None => {
                let value = self.1.remove(tx, &key)?.expect("it is in one of them");
                self.0.insert(tx, key, value).map(drop)
            }
        });
    }
    fn total(&self) -> usize {
        snapshot(|s| Ok(self.0.len(s)? + self.1.len(s)?))
    }
}

/// A `TVar<HashMap>` each: every write copies the map.
struct Whole([fast_stm::TVar<HashMap<u64, u64>>; 2]);

impl Moves for Whole {
    fn new() -> Self {
        let full: HashMap<u64, u64> = (0..KEYS).map(|k| (k, k)).collect();
        Self([full, HashMap::new()].map(fast_stm::TVar::new))
    }
    fn shift(&self, key: u64) {
        fast_stm::atomically(|tx| {
            let mut from = self.0[0].read(tx)?;
            let mut to = self.0[1].read(tx)?;
            if let Some(value) = from.remove(&key) {
                to.insert(key, value);
            } else if let Some(value) = to.remove(&key) {
                from.insert(key, value);
            } else {
                return half_seen();
            }
            self.0[0].write(tx, from)?;
            self.0[1].write(tx, to)
        });
    }
    fn total(&self) -> usize {
        self.0.iter().map(|map| map.read_atomic().len()).sum()
    }
}

/// The body saw half of somebody's commit: the key was in neither map. Its commit would fail, so it writes nothing.
fn half_seen() -> fast_stm::StmClosureResult<()> {
    HALF_SEEN.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

static HALF_SEEN: AtomicUsize = AtomicUsize::new(0);

/// A `TVar` for each bucket, in a table that never grows.
struct Bucketed([Vec<fast_stm::TVar<Vec<(u64, u64)>>>; 2]);

impl Bucketed {
    fn bucket(&self, map: usize, key: u64) -> &fast_stm::TVar<Vec<(u64, u64)>> {
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.0[map][hash as usize % self.0[map].len()]
    }
}

impl Moves for Bucketed {
    fn new() -> Self {
        let table = || (0..KEYS).map(|_| fast_stm::TVar::new(Vec::new())).collect();
        let this = Self([table(), table()]);
        for key in 0..KEYS {
            fast_stm::atomically(|tx| {
                let bucket = this.bucket(0, key);
                let mut entries = bucket.read(tx)?;
                entries.push((key, key));
                bucket.write(tx, entries)
            });
        }
        this
    }
    fn shift(&self, key: u64) {
        fast_stm::atomically(|tx| {
            let (a, b) = (self.bucket(0, key), self.bucket(1, key));
            let (mut first, mut second) = (a.read(tx)?, b.read(tx)?);
            match first.iter().position(|(k, _)| *k == key) {
                Some(at) => second.push(first.swap_remove(at)),
                None => match second.iter().position(|(k, _)| *k == key) {
                    Some(at) => first.push(second.swap_remove(at)),
                    None => return half_seen(),
                },
            }
            a.write(tx, first)?;
            b.write(tx, second)
        });
    }
    fn total(&self) -> usize {
        self.0.iter().flatten().map(|b| b.read_atomic().len()).sum()
    }
}

fn moves<M: Moves>(maps: &M, threads: usize, time: Duration) -> Measured {
    let per_second = rate(threads, time, Rng::new, |rng| maps.shift(rng.below(KEYS)));
    let total = maps.total();
    Measured {
        per_second,
        broke: (total != KEYS as usize).then(|| format!("{total} keys where {KEYS} should be")),
    }
}

/// How a writer fares alone, and beside somebody who scans the whole map in snapshots.
fn writer(map: &TMap<u64, u64>, scanned: bool, time: Duration) -> Measured {
    use std::sync::atomic::{AtomicBool, Ordering};
    let over = AtomicBool::new(false);
    let (mut scans, mut wrong) = (0, 0);
    let per_second = std::thread::scope(|scope| {
        let scanning = scanned.then(|| {
            scope.spawn(|| {
                let (mut scans, mut wrong) = (0u64, 0u64);
                while !over.load(Ordering::Relaxed) {
                    let mut sum = 0u64;
                    snapshot(|s| {
                        sum = 0;
                        map.for_each(s, |_, value| sum = sum.wrapping_add(*value))
                    });
                    scans += 1;
                    // Each write takes from one key what it gives to another.
                    wrong += u64::from(sum != KEYS * (KEYS - 1) / 2);
                }
                (scans, wrong)
            })
        });
        let per_second = rate(1, time, Rng::new, |rng| {
            let (a, b) = (rng.below(KEYS), rng.below(KEYS));
            atomically(|tx| {
                let from = map.get(tx, &a)?.expect("never removed");
                map.insert(tx, a, from.wrapping_sub(1))?;
                let to = map.get(tx, &b)?.expect("never removed");
                map.insert(tx, b, to.wrapping_add(1)).map(drop)
            });
        });
        over.store(true, Ordering::Relaxed);
        if let Some(scanning) = scanning {
            (scans, wrong) = scanning.join().expect("scans do not panic");
        }
        per_second
    });
    if scanned {
        println!("  ({scans} scans of {KEYS} keys went by, {wrong} of them wrong)");
    }
    Measured {
        per_second,
        broke: (wrong > 0).then(|| format!("{wrong} scans saw half a transfer")),
    }
}

pub fn run(effort: Effort) -> usize {
    let std = filled::<Mutex<HashMap<u64, u64>>>();
    let ours = filled::<TMap<u64, u64>>();
    let dash = filled::<dashmap::DashMap<u64, u64>>();
    let papaya = filled::<papaya::HashMap<u64, u64>>();
    let mut broken = 0;
    for (what, mix) in [
        ("get", Mix::Get),
        ("insert + remove", Mix::InsertRemove),
        ("9 gets : 1 insert + remove", Mix::MostlyGet),
    ] {
        for threads in [1, 2] {
            broken += compare(
                &format!("map of {KEYS} keys, {what}, {threads} thread(s)"),
                effort,
                vec![
                    Contender::new("Mutex<HashMap>", |t| singles(&std, threads, mix, t)),
                    Contender::new("TMap", |t| singles(&ours, threads, mix, t)),
                    Contender::new("DashMap", |t| singles(&dash, threads, mix, t)),
                    Contender::new("papaya", |t| singles(&papaya, threads, mix, t)),
                ],
            );
        }
    }
    let (two, whole, bucketed) = (Ours::new(), Whole::new(), Bucketed::new());
    for threads in [1, 2] {
        broken += compare(
            &format!("moves between two maps of {KEYS} keys, {threads} thread(s)"),
            effort,
            vec![
                Contender::new("fast-stm, TVar<HashMap> each", |t| {
                    moves(&whole, threads, t)
                }),
                Contender::new("fast-stm, TVar for each bucket", |t| {
                    moves(&bucketed, threads, t)
                }),
                Contender::new("TMap", |t| moves(&two, threads, t)),
            ],
        );
    }
    println!(
        "  (bodies of fast-stm that saw half of a commit: {})\n",
        HALF_SEEN.load(Ordering::Relaxed)
    );
    broken += compare(
        &format!("two-key updates of a TMap of {KEYS} keys, 1 thread"),
        effort,
        vec![
            Contender::new("alone", |t| writer(&ours, false, t)),
            Contender::new("beside scans in snapshots", |t| writer(&ours, true, t)),
        ],
    );
    broken
}
