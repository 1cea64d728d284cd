//! Sets of numbers: look-ups, insertions and removals of keys chosen at random.
//!
//! TinySTM's `intset`, with its list, a hash set and an ordered set. Half of the possible keys are in the set at the beginning; so
//! many of a hundred operations are updates, by turns an insertion of a key and its removal again, so the size stays what it was.
//!
//! A list of 100 000 would have 50 000 reads in each operation, which is the workload `big`; only the other two grow that far.
//!
//! Checked: at the end the size is that of the beginning and of the updates that said that they had succeeded, and the keys come in
//! order and once each.

use std::time::Duration;

use crate::engine::Engine;
use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::rng::Rng;
use crate::measure::threads::{self, Amount, Ran};
use crate::structures::{List, Ordered};

/// What a set must be able to do.
pub trait Set: Sync + Sized + 'static {
    /// An empty one for some `size` keys.
    fn new(size: u64) -> Self;

    /// Whether `key` is in it.
    fn contains(&self, key: u64) -> bool;

    /// Puts `key` in; whether it was not.
    fn insert(&self, key: u64) -> bool;

    /// Takes `key` out; whether it was in.
    fn remove(&self, key: u64) -> bool;

    /// All keys: in order, if it has one.
    fn keys(&self) -> Vec<u64>;

    /// Whether [`Set::keys`] come in order.
    const IN_ORDER: bool;
}

/// A sorted list on an engine.
#[derive(Debug)]
pub struct ListSet<E: Engine>(List<E>);

impl<E: Engine> Set for ListSet<E> {
    const IN_ORDER: bool = true;

    fn new(_size: u64) -> Self {
        Self(List::new())
    }
    fn contains(&self, key: u64) -> bool {
        E::read_only(|tx| self.0.contains(tx, key))
    }
    fn insert(&self, key: u64) -> bool {
        E::atomically(|tx| self.0.insert(tx, key))
    }
    fn remove(&self, key: u64) -> bool {
        E::atomically(|tx| self.0.remove(tx, key))
    }
    fn keys(&self) -> Vec<u64> {
        E::report(|report| self.0.keys(report))
    }
}

/// As many sorted lists as there may be keys: they are short.
#[derive(Debug)]
pub struct HashSet<E: Engine>(Vec<List<E>>);

impl<E: Engine> HashSet<E> {
    #[inline]
    fn bucket(&self, key: u64) -> &List<E> {
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.0[(hash as usize * self.0.len()) >> 32]
    }
}

impl<E: Engine> Set for HashSet<E> {
    const IN_ORDER: bool = false;

    fn new(size: u64) -> Self {
        Self((0..size).map(|_| List::new()).collect())
    }
    fn contains(&self, key: u64) -> bool {
        E::read_only(|tx| self.bucket(key).contains(tx, key))
    }
    fn insert(&self, key: u64) -> bool {
        E::atomically(|tx| self.bucket(key).insert(tx, key))
    }
    fn remove(&self, key: u64) -> bool {
        E::atomically(|tx| self.bucket(key).remove(tx, key))
    }
    fn keys(&self) -> Vec<u64> {
        let buckets = self.0.iter();
        buckets
            .flat_map(|list| E::report(|report| list.keys(report)))
            .collect()
    }
}

/// A skip list on an engine.
#[derive(Debug)]
pub struct OrderedSet<E: Engine>(Ordered<E, ()>);

impl<E: Engine> Set for OrderedSet<E> {
    const IN_ORDER: bool = true;

    fn new(_size: u64) -> Self {
        Self(Ordered::new())
    }
    fn contains(&self, key: u64) -> bool {
        E::read_only(|tx| self.0.contains(tx, key))
    }
    fn insert(&self, key: u64) -> bool {
        E::atomically(|tx| self.0.insert(tx, key, ()))
    }
    fn remove(&self, key: u64) -> bool {
        E::atomically(|tx| Ok(self.0.remove(tx, key)?.is_some()))
    }
    fn keys(&self) -> Vec<u64> {
        let all = E::report(|report| self.0.to_vec(report));
        all.into_iter().map(|(key, ())| key).collect()
    }
}

/// What a set is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sorted list.
    List,
    /// Look-ups by hash.
    Hash,
    /// Look-ups by order.
    Ordered,
}

/// What distinguishes one set from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// So many keys, of twice as many possible ones.
    pub size: u64,
    /// How many of a hundred operations change it.
    pub updates: u64,
    /// How many threads work on it.
    pub threads: usize,
}

const SMALL: Params = Params {
    size: 256,
    updates: 20,
    threads: 2,
};

const fn large(updates: u64) -> Params {
    Params {
        size: 100_000,
        updates,
        threads: 2,
    }
}

/// The cases of the workload.
pub const CASES: [(&str, Kind, Params); 9] = [
    ("list, 256 in 512, 20 % updates", Kind::List, SMALL),
    ("hash, 256 in 512, 20 % updates", Kind::Hash, SMALL),
    ("ordered, 256 in 512, 20 % updates", Kind::Ordered, SMALL),
    ("hash, 100 k in 200 k, 0 % updates", Kind::Hash, large(0)),
    ("hash, 100 k in 200 k, 20 % updates", Kind::Hash, large(20)),
    (
        "hash, 100 k in 200 k, 100 % updates",
        Kind::Hash,
        large(100),
    ),
    (
        "ordered, 100 k in 200 k, 0 % updates",
        Kind::Ordered,
        large(0),
    ),
    (
        "ordered, 100 k in 200 k, 20 % updates",
        Kind::Ordered,
        large(20),
    ),
    (
        "ordered, 100 k in 200 k, 100 % updates",
        Kind::Ordered,
        large(100),
    ),
];

/// The figure of every case.
pub const METRICS: [Metric; 1] = [Metric {
    name: "operations",
    unit: Unit::PerSecond,
}];

/// A thread at work.
struct Worker {
    rng: Rng,
    /// The key that it has put in and takes out next.
    own: Option<u64>,
    /// Insertions that succeeded, less removals that did.
    grown: i64,
}

impl Worker {
    #[inline]
    fn step(&mut self, set: &impl Set, params: &Params) {
        if !self.rng.in_percent(params.updates) {
            set.contains(self.rng.below(2 * params.size));
            return;
        }
        match self.own.take() {
            Some(key) => self.grown -= i64::from(set.remove(key)),
            None => {
                let key = self.rng.below(2 * params.size);
                if set.insert(key) {
                    self.grown += 1;
                    self.own = Some(key);
                }
            }
        }
    }
}

/// A set with every other key in it.
pub fn filled<S: Set>(params: &Params) -> S {
    let set = S::new(params.size);
    for key in 0..params.size {
        set.insert(2 * key);
    }
    set
}

/// Lets the threads work on a set that has `size` keys now; gives what they did, and the new size.
///
/// # Errors
///
/// What the check found wrong.
pub fn work<S: Set>(
    set: &S,
    size: &mut i64,
    params: &Params,
    amount: Amount,
) -> Result<Ran, String> {
    let (ran, workers) = threads::run(
        params.threads,
        amount,
        16,
        |thread| Worker {
            rng: Rng::new(thread),
            own: None,
            grown: 0,
        },
        |worker, _| worker.step(set, params),
    );
    *size += workers.iter().map(|worker| worker.grown).sum::<i64>();
    let mut keys = set.keys();
    if !S::IN_ORDER {
        keys.sort_unstable();
    }
    if !keys.is_sorted_by(|a, b| a < b) {
        return Err("keys come twice or out of order".into());
    }
    if keys.len() as i64 != *size {
        return Err(format!("{} keys where {size} should be", keys.len()));
    }
    Ok(ran)
}

/// A set that takes part.
pub fn contender<S: Set>(name: &str, params: Params) -> Contender<'static> {
    let mut state = None;
    Contender::new(name, move |time: Duration| -> Turn {
        let (set, size) = state.get_or_insert_with(|| (filled::<S>(&params), params.size as i64));
        Ok(vec![work(set, size, &params, Amount::For(time))?.rate()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::wrong::{Forgetful, Unisolated, caught};

    const TINY: Params = Params {
        size: 8,
        updates: 100,
        threads: 2,
    };

    fn turn<S: Set>(params: &Params) -> Result<(), String> {
        let set = filled::<S>(params);
        work(&set, &mut (params.size as i64), params, Amount::Steps(2000)).map(drop)
    }

    #[test]
    fn sets_without_isolation_are_caught() {
        watched("sets_without_isolation_are_caught", || {
            caught("list", || turn::<ListSet<Unisolated>>(&TINY));
            caught("ordered", || turn::<OrderedSet<Unisolated>>(&TINY));
            let one_bucket = Params { size: 2, ..TINY };
            caught("hash", || turn::<HashSet<Unisolated>>(&one_bucket));
        });
    }

    #[test]
    fn sets_that_forget_are_caught_on_one_thread() {
        watched("sets_that_forget_are_caught_on_one_thread", || {
            let alone = Params { threads: 1, ..TINY };
            caught("list", || turn::<ListSet<Forgetful>>(&alone));
            caught("hash", || turn::<HashSet<Forgetful>>(&alone));
            caught("ordered", || turn::<OrderedSet<Forgetful>>(&alone));
        });
    }

    #[test]
    fn ours_has_every_key_once() {
        watched("ours_has_every_key_once", || {
            for params in [TINY, SMALL] {
                assert_eq!(turn::<ListSet<StmCore>>(&params), Ok(()));
                assert_eq!(turn::<HashSet<StmCore>>(&params), Ok(()));
                assert_eq!(turn::<OrderedSet<StmCore>>(&params), Ok(()));
            }
        });
    }
}
