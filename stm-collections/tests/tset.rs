//! The set beside the standard library's, alone and under fire.

mod common;

use std::collections::HashSet;
use std::sync::Arc;

use common::{
    Histories, Rng, collect_until, elsewhere, on_threads, seed, stumble, under_fire, watched,
};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use stateright::semantics::SequentialSpec;
use stm_collections::TSet;
use stm_core::{ReadTx, Stm, TVar, Tx, abort, atomically, retry, snapshot};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Op {
    Insert(u8),
    Remove(u8),
    Contains(u8),
    Retain(u8),
    Clear,
    Len,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Answer {
    Nothing,
    Is(bool),
    Len(usize),
    All(Vec<u8>),
}

fn sorted(mut elements: Vec<u8>) -> Vec<u8> {
    elements.sort_unstable();
    elements
}

fn run(set: &TSet<u8>, tx: &mut Tx<'_>, op: &Op) -> Stm<Answer> {
    Ok(match *op {
        Op::Insert(n) => Answer::Is(set.insert(tx, n)?),
        Op::Remove(n) => Answer::Is(set.remove(tx, &n)?),
        Op::Contains(n) => Answer::Is(set.contains(tx, &n)?),
        Op::Retain(mask) => {
            set.retain(tx, |n| n & mask != 0)?;
            Answer::Nothing
        }
        Op::Clear => {
            set.clear(tx)?;
            Answer::Nothing
        }
        Op::Len => {
            let len = set.len(tx)?;
            assert_eq!(set.is_empty(tx)?, len == 0);
            Answer::Len(len)
        }
        Op::All => Answer::All(sorted(set.to_vec(tx)?)),
    })
}

fn run_std(set: &mut HashSet<u8>, op: &Op) -> Answer {
    match *op {
        Op::Insert(n) => Answer::Is(set.insert(n)),
        Op::Remove(n) => Answer::Is(set.remove(&n)),
        Op::Contains(n) => Answer::Is(set.contains(&n)),
        Op::Retain(mask) => {
            set.retain(|n| n & mask != 0);
            Answer::Nothing
        }
        Op::Clear => {
            set.clear();
            Answer::Nothing
        }
        Op::Len => Answer::Len(set.len()),
        Op::All => Answer::All(sorted(set.iter().copied().collect())),
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Committed,
    RolledBack,
    Retried,
}

#[derive(Clone, Debug)]
struct Step {
    fate: Fate,
    ops: Vec<Op>,
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let fates = [
            Fate::Committed,
            Fate::Committed,
            Fate::RolledBack,
            Fate::Retried,
        ];
        let fate = *g.choose(&fates).expect("it is not empty");
        let range = *g.choose(&[8, 255]).expect("it is not empty");
        let ops = (0..u8::arbitrary(g) % 12).map(|_| {
            let n = u8::arbitrary(g) % range;
            match u8::arbitrary(g) % 30 {
                0..=11 => Op::Insert(n),
                12..=19 => Op::Remove(n),
                20..=24 => Op::Contains(n),
                25 => Op::Retain(n),
                26 if n < 4 => Op::Clear,
                26 | 27 => Op::Len,
                _ => Op::All,
            }
        });
        let ops = ops.collect();
        Self { fate, ops }
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

fn agrees(program: Vec<Step>) -> bool {
    let set = TSet::new();
    let mut twin = HashSet::new();
    for Step { fate, ops } in program {
        let mut theirs = twin.clone();
        let expected: Vec<_> = ops.iter().map(|op| run_std(&mut theirs, op)).collect();
        if matches!(fate, Fate::Committed) {
            twin = theirs;
        }
        let answers = atomically(|tx| {
            let mut answers = Vec::new();
            let mut all = |tx: &mut Tx<'_>| -> Stm<()> {
                for op in &ops {
                    answers.push(run(&set, tx, op)?);
                }
                Ok(())
            };
            match fate {
                Fate::Committed => all(tx)?,
                Fate::RolledBack => {
                    let failed = tx.nested(|tx| {
                        all(tx)?;
                        abort::<(), _>(())
                    })?;
                    assert_eq!(failed, Err(()));
                }
                Fate::Retried => {
                    let left = tx.optionally(|tx| {
                        all(tx)?;
                        retry::<()>()
                    })?;
                    assert_eq!(left, None);
                }
            }
            Ok(answers)
        });
        assert_eq!(answers, expected, "{fate:?} {ops:?}");
        let content = snapshot(|s| Ok((set.len(s)?, sorted(set.to_vec(s)?))));
        let elements = sorted(twin.iter().copied().collect());
        assert_eq!(content, (twin.len(), elements));
    }
    true
}

#[test]
fn spec() {
    watched("spec", || {
        QuickCheck::new()
            .rng(Gen::new(60))
            .tests(120)
            .quickcheck(agrees as fn(Vec<Step>) -> bool);
    });
}

#[derive(Clone, Debug, Default)]
struct Twin(HashSet<u8>);

impl SequentialSpec for Twin {
    type Op = Op;
    type Ret = Answer;

    fn invoke(&mut self, op: &Op) -> Answer {
        run_std(&mut self.0, op)
    }
}

#[test]
fn linearizable() {
    watched("linearizable", || {
        Histories::default().check(
            &Twin::default(),
            TSet::<u8>::new,
            |rng| {
                let n = rng.below(3) as u8;
                match rng.below(16) {
                    0..=5 => Op::Insert(n),
                    6..=10 => Op::Remove(n),
                    11 | 12 => Op::Contains(n),
                    13 => Op::Clear,
                    14 => Op::Len,
                    _ => Op::All,
                }
            },
            |set, op| match op {
                Op::Len => Answer::Len(snapshot(|s| set.len(s))),
                Op::All => Answer::All(sorted(snapshot(|s| set.to_vec(s)))),
                _ => atomically(|tx| run(set, tx, &op)),
            },
        );
    });
}

/// Elements wander around a ring of sets; everybody always finds each of them in exactly one.
#[test]
fn moves_around_a_ring() {
    watched("moves_around_a_ring", || {
        const ELEMENTS: usize = 30;
        let ring = [TSet::new(), TSet::new(), TSet::new()];
        for n in 0..ELEMENTS {
            atomically(|tx| ring[n % 3].insert(tx, n));
        }
        fn whole(tx: &mut impl ReadTx, ring: &[TSet<usize>; 3]) -> Stm<()> {
            let mut seen = [0; ELEMENTS];
            let mut len = 0;
            for set in ring {
                set.for_each(tx, |&n| seen[n] += 1)?;
                len += set.len(tx)?;
            }
            assert_eq!((seen, len), ([1; ELEMENTS], ELEMENTS));
            Ok(())
        }
        let seed = seed();
        let observe = |id: usize, _| match id {
            0 => snapshot(|s| whole(s, &ring)),
            _ => atomically(|tx| whole(tx, &ring)),
        };
        under_fire(2, observe, || {
            on_threads(2, |id| {
                let mut rng = Rng::new(seed, id);
                for _ in 0..1_500 {
                    let n = rng.below(ELEMENTS);
                    atomically(|tx| {
                        for at in 0..3 {
                            if ring[at].remove(tx, &n)? {
                                stumble(&mut rng, 16);
                                assert!(ring[(at + 1) % 3].insert(tx, n)?);
                                return Ok(());
                            }
                        }
                        panic!("{n} is nowhere");
                    });
                }
            });
        });
    });
}

#[test]
fn drops_everything_once() {
    watched("drops_everything_once", || {
        let elements: Vec<Arc<u32>> = (0..500).map(Arc::new).collect();
        let held = || elements.iter().map(|e| Arc::strong_count(e) - 1).sum();
        let settled = |expected: usize| -> usize {
            collect_until(|| held() == expected);
            held()
        };
        let set = TSet::new();
        let seed = seed();
        on_threads(3, |id| {
            let mut rng = Rng::new(seed, id);
            for _ in 0..2_000 {
                let element = &elements[rng.below(elements.len())];
                match rng.below(4) {
                    0..=2 => drop(atomically(|tx| set.insert(tx, Arc::clone(element)))),
                    _ => drop(atomically(|tx| set.remove(tx, element))),
                }
            }
        });
        let len = snapshot(|s| set.len(s));
        atomically(|tx| set.retain(tx, |_| true)); // drops what is a tombstone
        assert_eq!(settled(len), len);
        atomically(|tx| set.clear(tx));
        assert_eq!(settled(0), 0, "after clear");
        atomically(|tx| set.insert(tx, Arc::clone(&elements[0])));
        drop(set);
        assert_eq!(settled(0), 0, "after the set");
    });
}

/// Unlike `TMap::insert` over a key, which has a value to write.
#[test]
fn inserting_what_is_there_conflicts_with_nothing() {
    watched("inserting_what_is_there_conflicts_with_nothing", || {
        let (set, outside) = (TSet::new(), TVar::new(0));
        atomically(|tx| set.insert(tx, 1));
        let attempts = atomically(|tx| {
            assert!(set.contains(tx, &1)?);
            if tx.attempt() == 1 {
                elsewhere(|| assert!(!atomically(|tx| set.insert(tx, 1))));
                elsewhere(|| assert!(!atomically(|tx| set.remove(tx, &2))));
            }
            outside.modify(tx, |n| n + 1)?;
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 1);
    });
}

#[test]
fn handles_and_their_faces() {
    watched("handles_and_their_faces", || {
        fn shared<T: Send + Sync + Clone>(_: &T) {}
        let set = TSet::<String>::default();
        shared(&set);
        let other = set.clone();
        atomically(|tx| set.insert(tx, "a".into()));
        assert!(atomically(|tx| other.contains(tx, "a")));
        let text = atomically(|_| Ok(format!("{set:?}")));
        assert!(text.starts_with("TSet(TMap("), "{text}");
    });
}
