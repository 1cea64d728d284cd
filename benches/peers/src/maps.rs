//! Maps of 100 000 keys: single operations beside maps that do not compose, moves between two maps beside another STM, and a scan
//! beside a writer.
//!
//! Checked: look-ups find what is there; at the end there are as many keys as at the beginning; scans see no half of an update.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::time::Duration;

use stm_benches::measure::interleave::{Case, Contender, Metric, Side, Turn, Unit};
use stm_benches::measure::rng::Rng;
use stm_benches::measure::threads::{self, Amount};
use stm_collections::TMap;
use stm_core::{atomically, snapshot};

/// In each map.
pub const KEYS: u64 = 100_000;

/// A map with single-key operations.
pub trait Map: Sync {
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

/// A map with its keys, inserted one after the other.
pub fn filled<M: Map>() -> M {
    let map = M::new();
    for key in 0..KEYS {
        map.insert(key, key);
    }
    map
}

fn singles<M: Map>(map: &M, threads: usize, mix: Mix, time: Duration) -> Turn {
    let (ran, states) = threads::run(
        threads,
        Amount::For(time),
        64,
        |thread| (Rng::new(thread), thread as u64, 0u64, 0u64),
        |(rng, thread, turn, wrong), _| {
            // Each thread has extra keys of its own, which come and go.
            let extra = |rng: &mut Rng| KEYS + *thread + threads as u64 * rng.below(KEYS);
            *turn += 1;
            let update = match mix {
                Mix::Get => false,
                Mix::InsertRemove => true,
                Mix::MostlyGet => turn.is_multiple_of(10),
            };
            if update {
                let key = extra(rng);
                map.insert(key, key);
                map.remove(key);
            } else {
                let key = rng.below(KEYS);
                *wrong += u64::from(map.get(key) != Some(key));
            }
        },
    );
    let (len, wrong) = (map.len(), states.iter().map(|state| state.3).sum::<u64>());
    if len != KEYS as usize || wrong > 0 {
        return Err(format!(
            "{len} keys where {KEYS} should be, {wrong} wrong look-ups"
        ));
    }
    Ok(vec![ran.rate()])
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

/// The body saw half of somebody's commit: the key was in neither map. Its commit will fail, so it writes nothing.
fn half_seen() -> fast_stm::StmClosureResult<()> {
    Ok(())
}

/// The entries whose keys have the same hash.
type Bucket = fast_stm::TVar<Vec<(u64, u64)>>;

/// A `TVar` for each bucket of so many keys on average, in a table that never grows, and by the hasher that all other maps here
/// have. With one key in each, a write copies next to nothing; `TMap` has nine.
struct Bucketed<const KEYS_EACH: u64> {
    tables: [Vec<Bucket>; 2],
    hasher: RandomState,
}

impl<const KEYS_EACH: u64> Bucketed<KEYS_EACH> {
    fn bucket(&self, map: usize, key: u64) -> &Bucket {
        let table = &self.tables[map];
        &table[self.hasher.hash_one(key) as usize % table.len()]
    }
}

impl<const KEYS_EACH: u64> Moves for Bucketed<KEYS_EACH> {
    fn new() -> Self {
        let buckets = 0..KEYS / KEYS_EACH;
        let table = || {
            let buckets = buckets.clone();
            buckets.map(|_| fast_stm::TVar::new(Vec::new())).collect()
        };
        let this = Self {
            tables: [table(), table()],
            hasher: RandomState::new(),
        };
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
        let buckets = self.tables.iter().flatten();
        buckets.map(|bucket| bucket.read_atomic().len()).sum()
    }
}

fn moves<M: Moves>(maps: &M, threads: usize, time: Duration) -> Turn {
    let (ran, _) = threads::run(threads, Amount::For(time), 16, Rng::new, |rng, _| {
        maps.shift(rng.below(KEYS));
    });
    let total = maps.total();
    if total != KEYS as usize {
        return Err(format!("{total} keys where {KEYS} should be"));
    }
    Ok(vec![ran.rate()])
}

enum Role {
    Writer(Rng, u64),
    Scanner { scans: u64, wrong: u64 },
}

/// How a writer fares alone, and beside somebody who scans the whole map in snapshots.
fn updates(map: &TMap<u64, u64>, scanned: bool, time: Duration) -> Turn {
    let (ran, roles) = threads::run(
        1 + usize::from(scanned),
        Amount::For(time),
        1,
        |thread| match thread {
            0 => Role::Writer(Rng::new(thread), 0),
            _ => Role::Scanner { scans: 0, wrong: 0 },
        },
        |role, _| match role {
            Role::Writer(rng, writes) => {
                let [a, b] = [rng.below(KEYS), rng.below(KEYS)];
                atomically(|tx| {
                    let from = map.get(tx, &a)?.expect("never removed");
                    map.insert(tx, a, from.wrapping_sub(1))?;
                    let to = map.get(tx, &b)?.expect("never removed");
                    map.insert(tx, b, to.wrapping_add(1)).map(drop)
                });
                *writes += 1;
            }
            Role::Scanner { scans, wrong } => {
                let sum = snapshot(|s| {
                    let mut sum = 0u64;
                    map.for_each(s, |_, value| sum = sum.wrapping_add(*value))?;
                    Ok(sum)
                });
                *scans += 1;
                // Each update takes from one key what it gives to another.
                *wrong += u64::from(sum != KEYS * (KEYS - 1) / 2);
            }
        },
    );
    let mut updates = 0;
    for role in roles {
        match role {
            Role::Writer(_, writes) => updates += writes,
            Role::Scanner { wrong: 0, .. } => {}
            Role::Scanner { scans, wrong } => {
                return Err(format!("{wrong} of {scans} scans saw half an update"));
            }
        }
    }
    Ok(vec![ran.rate_of(updates)])
}

fn single<M: Map + 'static>(name: &str, threads: usize, mix: Mix) -> Contender<'static> {
    let mut map = None;
    Contender::new(name, move |time| {
        singles(map.get_or_insert_with(filled::<M>), threads, mix, time)
    })
}

fn moving<M: Moves + 'static>(name: &str, threads: usize) -> Contender<'static> {
    let mut maps = None;
    Contender::new(name, move |time| {
        moves(maps.get_or_insert_with(M::new), threads, time)
    })
}

fn updating(name: &str, scanned: bool) -> Contender<'static> {
    let mut map = None;
    Contender::new(name, move |time| {
        updates(map.get_or_insert_with(filled::<TMap<_, _>>), scanned, time)
    })
}

fn case(name: String, what: &'static str, contenders: Vec<Contender<'static>>) -> Case<'static> {
    Case {
        workload: "maps",
        name,
        metrics: vec![Metric {
            name: what,
            unit: Unit::PerSecond,
        }],
        contenders,
    }
}

/// The cases of the workload.
pub fn cases() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for (what, mix) in [
        ("get", Mix::Get),
        ("insert + remove", Mix::InsertRemove),
        ("9 gets : 1 insert + remove", Mix::MostlyGet),
    ] {
        for threads in [1, 2] {
            cases.push(case(
                format!("{KEYS} keys, {what}, {threads} thread(s)"),
                "steps",
                vec![
                    single::<TMap<u64, u64>>("TMap", threads, mix).on(Side::Ours),
                    single::<Mutex<HashMap<u64, u64>>>("Mutex<HashMap>", threads, mix),
                    single::<dashmap::DashMap<u64, u64>>("DashMap", threads, mix),
                    single::<papaya::HashMap<u64, u64>>("papaya", threads, mix),
                ],
            ));
        }
    }
    let cannot = |name| Contender::cannot(name, "its operations on two maps do not compose");
    for threads in [1, 2] {
        cases.push(case(
            format!("moves between two maps of {KEYS} keys, {threads} thread(s)"),
            "moves",
            vec![
                moving::<Ours>("TMap", threads).on(Side::Ours),
                moving::<Whole>("fast-stm, TVar<HashMap> each", threads).on(Side::Transactions),
                moving::<Bucketed<1>>("fast-stm, TVar for each bucket of one", threads)
                    .on(Side::Transactions),
                moving::<Bucketed<9>>("fast-stm, TVar for each bucket of nine", threads)
                    .on(Side::Transactions),
                cannot("DashMap"),
                cannot("papaya"),
            ],
        ));
    }
    cases.push(case(
        format!("two-key updates of a TMap of {KEYS} keys, 1 thread"),
        "updates",
        vec![
            updating("beside scans in snapshots", true).on(Side::Ours),
            updating("alone", false).on(Side::Ours),
        ],
    ));
    cases
}
