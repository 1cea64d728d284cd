//! The ordered set, beside `BTreeSet` and under fire. What is the map's own is in `tordmap`.

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use common::{Histories, Rng, collect_until, seed, stumble, under_fire, watched};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use stateright::semantics::SequentialSpec;
use stm_collections::TOrdSet;
use stm_core::{Abort, ReadTx, Stm, Tx, abort, atomically, retry, snapshot};

type Element = u16;

#[derive(Clone, Debug)]
enum Op {
    InsertRun(Element, Element),
    Insert(Element),
    Remove(Element),
    Contains(Element),
    PopFirst,
    PopLast,
    Range(Element, Element),
    Retain(Element),
    Clear,
    Undone(Vec<Op>),
    OrElse(Vec<Op>, Vec<Op>),
}

fn element(g: &mut Gen) -> Element {
    Element::arbitrary(g) % 500
}

impl Op {
    fn simple(g: &mut Gen) -> Self {
        use Op::*;
        match u8::arbitrary(g) % 20 {
            0..=2 => InsertRun(element(g), element(g) % 100),
            3..=5 => Insert(element(g)),
            6..=8 => Remove(element(g)),
            9..=10 => Contains(element(g)),
            11..=13 => PopFirst,
            14..=15 => PopLast,
            16..=17 => Range(element(g), element(g)),
            18 => Retain(1 + element(g) % 5),
            _ if element(g).is_multiple_of(3) => Clear,
            _ => Contains(element(g)),
        }
    }
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let several = |g: &mut Gen| (0..4).map(|_| Op::simple(g)).collect();
        match u8::arbitrary(g) % 10 {
            0 => Op::Undone(several(g)),
            1 => Op::OrElse(several(g), several(g)),
            _ => Op::simple(g),
        }
    }
}

type Set = TOrdSet<Element>;
type Twin = BTreeSet<Element>;

fn step(tx: &mut Tx<'_>, set: &Set, twin: &mut Twin, op: &Op) -> Stm<()> {
    match op {
        Op::InsertRun(start, n) => {
            for element in *start..*start + *n {
                assert_eq!(set.insert(tx, element)?, twin.insert(element));
            }
        }
        Op::Insert(element) => assert_eq!(set.insert(tx, *element)?, twin.insert(*element)),
        Op::Remove(element) => assert_eq!(set.remove(tx, element)?, twin.remove(element)),
        Op::Contains(element) => {
            assert_eq!(set.contains(tx, element)?, twin.contains(element));
            assert_eq!(set.first(tx)?, twin.first().copied());
            assert_eq!(set.last(tx)?, twin.last().copied());
            assert_eq!(set.len(tx)?, twin.len());
            assert_eq!(set.is_empty(tx)?, twin.is_empty());
        }
        Op::PopFirst => assert_eq!(set.pop_first(tx)?, twin.pop_first()),
        Op::PopLast => assert_eq!(set.pop_last(tx)?, twin.pop_last()),
        Op::Range(from, to) => {
            let expected: Vec<_> = if from <= to {
                twin.range(from..=to).copied().collect()
            } else {
                vec![]
            };
            assert_eq!(set.range(tx, from..=to)?, expected);
            assert_eq!(
                set.first_in_range(tx, from..=to)?,
                expected.first().copied()
            );
            assert_eq!(set.last_in_range(tx, from..=to)?, expected.last().copied());
        }
        Op::Retain(divisor) => {
            set.retain(tx, |element| element % divisor == 0)?;
            twin.retain(|element| element % divisor == 0);
        }
        Op::Clear => {
            set.clear(tx)?;
            twin.clear();
        }
        Op::Undone(ops) => {
            let mut twin = twin.clone();
            let undone = tx.nested(|tx| -> Result<(), Abort<&str>> {
                steps(tx, set, &mut twin, ops)?;
                abort("undone")
            })?;
            assert_eq!(undone, Err("undone"));
        }
        Op::OrElse(first, second) => {
            let mut undone = twin.clone();
            tx.or_else(
                |tx| {
                    steps(tx, set, &mut undone, first)?;
                    retry()
                },
                |tx| steps(tx, set, twin, second),
            )?;
        }
    }
    Ok(())
}

fn steps(tx: &mut Tx<'_>, set: &Set, twin: &mut Twin, ops: &[Op]) -> Stm<()> {
    ops.iter().try_for_each(|op| step(tx, set, twin, op))
}

#[test]
fn spec() {
    fn agrees_with_twin(program: Vec<Vec<Op>>) {
        let (set, mut twin) = (Set::new(), Twin::new());
        for ops in &program {
            let before = twin.clone();
            atomically(|tx| {
                twin.clone_from(&before);
                steps(tx, &set, &mut twin, ops)
            });
        }
        assert!(snapshot(|s| set.to_vec(s)).iter().eq(&twin));
    }
    watched("spec", || {
        QuickCheck::new()
            .tests(150)
            .rng(Gen::new(20))
            .quickcheck(agrees_with_twin as fn(Vec<Vec<Op>>));
    });
}

#[derive(Clone, Debug)]
enum Call {
    Insert(u8),
    Remove(u8),
    PopFirst,
    PopLast,
    ToVec,
}

#[derive(Clone, PartialEq, Debug)]
enum Answer {
    Whether(bool),
    Element(Option<u8>),
    Elements(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Spec(BTreeSet<u8>);

impl SequentialSpec for Spec {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match *call {
            Call::Insert(element) => Answer::Whether(self.0.insert(element)),
            Call::Remove(element) => Answer::Whether(self.0.remove(&element)),
            Call::PopFirst => Answer::Element(self.0.pop_first()),
            Call::PopLast => Answer::Element(self.0.pop_last()),
            Call::ToVec => Answer::Elements(self.0.iter().copied().collect()),
        }
    }
}

#[test]
fn linearizable() {
    watched("linearizable", || {
        Histories::default().check(
            &Spec((0..16).collect()),
            || {
                let set = TOrdSet::new();
                (0..16).for_each(|element| {
                    atomically(|tx| set.insert(tx, element));
                });
                set
            },
            |rng| match rng.below(8) {
                0..=2 => Call::Insert(rng.below(20) as u8),
                3..=4 => Call::Remove(rng.below(20) as u8),
                5 => Call::PopFirst,
                6 => Call::PopLast,
                _ => Call::ToVec,
            },
            |set, call| match call {
                Call::Insert(element) => Answer::Whether(atomically(|tx| set.insert(tx, element))),
                Call::Remove(element) => Answer::Whether(atomically(|tx| set.remove(tx, &element))),
                Call::PopFirst => Answer::Element(atomically(|tx| set.pop_first(tx))),
                Call::PopLast => Answer::Element(atomically(|tx| set.pop_last(tx))),
                Call::ToVec => Answer::Elements(atomically(|tx| set.to_vec(tx))),
            },
        );
    });
}

#[test]
fn what_moves_is_always_in_one_place() {
    watched("moves", || {
        const N: usize = 100;
        let sets = [TOrdSet::new(), TOrdSet::new()];
        for element in 0..N {
            atomically(|tx| sets[0].insert(tx, element));
        }
        fn both(tx: &mut impl ReadTx, sets: &[TOrdSet<usize>; 2]) -> Stm<Vec<usize>> {
            let mut all = sets[0].to_vec(tx)?;
            sets[1].for_each(tx, |element| all.push(*element))?;
            all.sort_unstable();
            Ok(all)
        }
        let seed = seed();
        under_fire(
            2,
            |id, n| {
                let mut rng = Rng::new(seed, id + 2 * n as usize);
                let (element, there) = (rng.below(N), rng.below(2));
                atomically(|tx| {
                    let (from, to) = (&sets[1 - there], &sets[there]);
                    let moved = if rng.below(2) == 0 {
                        from.pop_last(tx)?
                    } else {
                        from.remove(tx, &element)?.then_some(element)
                    };
                    stumble(&mut rng, 3);
                    if let Some(element) = moved {
                        assert!(to.insert(tx, element)?);
                    }
                    Ok(())
                });
            },
            || {
                for _ in 0..150 {
                    assert!(snapshot(|s| both(s, &sets)).into_iter().eq(0..N));
                    assert!(atomically(|tx| both(tx, &sets)).into_iter().eq(0..N));
                }
            },
        );
    });
}

#[test]
fn an_insert_of_what_is_there_does_not_write() {
    watched("no_write", || {
        let (set, other) = (TOrdSet::new(), TOrdSet::new());
        atomically(|tx| set.insert(tx, 1));
        let attempts = atomically(|tx| {
            assert!(set.contains(tx, &1)?);
            if tx.attempt() == 1 {
                common::elsewhere(|| assert!(!atomically(|tx| set.insert(tx, 1))));
            }
            other.insert(tx, 1)?;
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 1);
    });
}

#[test]
fn everything_is_dropped_once() {
    watched("dropped_once", || {
        let witness = Arc::new(());
        let left = || Arc::strong_count(&witness) - 1;
        let set = TOrdSet::new();
        for n in 0..500 {
            atomically(|tx| set.insert(tx, (n * 7 % 500, Arc::clone(&witness))));
        }
        assert!(left() >= 500);
        atomically(|tx| set.retain(tx, |(n, _)| *n < 30));
        collect_until(|| left() <= 34);
        assert!((30..=34).contains(&left()), "{}", left());
        for _ in 0..30 {
            assert!(atomically(|tx| set.pop_first(tx)).is_some());
        }
        collect_until(|| left() == 0);
        assert_eq!(left(), 0);
        atomically(|tx| set.insert(tx, (1, Arc::clone(&witness))));
        drop(set);
        collect_until(|| left() == 0);
        assert_eq!(left(), 0);
    });
}
