//! `TArray` beside `Vec`, alone and among threads.

mod common;
mod twin;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{
    Histories, Rng, collect_until, elsewhere, on_threads, panic_of, seed, stumble, watched,
};
use quickcheck::{Arbitrary, Gen};
use stateright::semantics::SequentialSpec;
use stm_collections::TArray;
use stm_core::{ReadTx, Stm, TVar, Tx, atomically, snapshot};
use twin::{Program, quick};

const LEN: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    Get(usize),
    Set(usize, u8),
    TrySet(usize, u8),
    TryGet(usize),
    Replace(usize, u8),
    Modify(usize),
    Update(usize, u8),
    Swap(usize, usize),
    ToVec,
    ForEach,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Ret {
    Nothing,
    One(String),
    Maybe(Option<String>),
    Refused(Result<(), String>),
    All(Vec<String>),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let i = usize::arbitrary(g) % LEN;
        let n = u8::arbitrary(g);
        match u8::arbitrary(g) % 10 {
            0 => Self::Get(i),
            1 => Self::Set(i, n),
            2 => Self::TrySet(i + 2, n),
            3 => Self::TryGet(i + 2),
            4 => Self::Replace(i, n),
            5 => Self::Modify(i),
            6 => Self::Update(i, n),
            7 => Self::Swap(i, usize::arbitrary(g) % LEN),
            8 => Self::ToVec,
            _ => Self::ForEach,
        }
    }
}

fn ideal(twin: &mut [String], op: &Op) -> Ret {
    match *op {
        Op::Get(i) => Ret::One(twin[i].clone()),
        Op::Set(i, n) => {
            twin[i] = n.to_string();
            Ret::Nothing
        }
        Op::TrySet(i, n) => Ret::Refused(match twin.get_mut(i) {
            Some(place) => {
                *place = n.to_string();
                Ok(())
            }
            None => Err(n.to_string()),
        }),
        Op::TryGet(i) => Ret::Maybe(twin.get(i).cloned()),
        Op::Replace(i, n) => Ret::One(std::mem::replace(&mut twin[i], n.to_string())),
        Op::Modify(i) => {
            twin[i].push('m');
            Ret::Nothing
        }
        Op::Update(i, n) => {
            twin[i] = format!("u{n}");
            Ret::One(twin[i].clone())
        }
        Op::Swap(i, j) => {
            twin.swap(i, j);
            Ret::Nothing
        }
        Op::ToVec | Op::ForEach => Ret::All(twin.to_vec()),
    }
}

fn real(array: &TArray<String>, tx: &mut Tx<'_>, op: &Op) -> Stm<Ret> {
    Ok(match *op {
        Op::Get(i) => {
            let looked_at = array.get_ref(tx, i)?;
            assert_eq!(*looked_at, array.get(tx, i)?);
            Ret::One(looked_at.clone())
        }
        Op::Set(i, n) => {
            array.set(tx, i, n.to_string())?;
            Ret::Nothing
        }
        Op::TrySet(i, n) => Ret::Refused(array.try_set(tx, i, n.to_string())?),
        Op::TryGet(i) => Ret::Maybe(array.try_get(tx, i)?),
        Op::Replace(i, n) => Ret::One(array.replace(tx, i, n.to_string())?),
        Op::Modify(i) => {
            array.modify(tx, i, |s| s + "m")?;
            Ret::Nothing
        }
        Op::Update(i, n) => Ret::One(array.update(tx, i, |s| {
            *s = format!("u{n}");
            s.clone()
        })?),
        Op::Swap(i, j) => {
            array.swap(tx, i, j)?;
            Ret::Nothing
        }
        Op::ToVec => Ret::All(array.to_vec(tx)?),
        Op::ForEach => {
            let mut all = Vec::new();
            array.for_each(tx, |i, s| {
                assert_eq!(i, all.len());
                all.push(s.clone());
            })?;
            Ret::All(all)
        }
    })
}

fn fresh() -> Vec<String> {
    (0..LEN).map(|i| format!("start{i}")).collect()
}

#[test]
fn spec() {
    watched("spec", || {
        fn same_as_a_vector(program: Program<Op>) {
            let array = TArray::new(fresh());
            program.check(
                fresh(),
                |twin, op| ideal(twin, op),
                |tx, op| real(&array, tx, op),
            );
        }
        quick(300, same_as_a_vector as fn(Program<Op>));
    });
}

#[derive(Clone, Debug)]
struct Twin(Vec<String>);

impl SequentialSpec for Twin {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        ideal(&mut self.0, op)
    }
}

#[test]
fn linearizable() {
    watched("linearizable", || {
        let few = |rng: &mut Rng| match rng.below(5) {
            0 => Op::Set(rng.below(2), rng.below(9) as u8),
            1 => Op::Replace(rng.below(2), rng.below(9) as u8),
            2 => Op::Modify(rng.below(2)),
            3 => Op::Swap(0, 1),
            _ => Op::ToVec,
        };
        Histories::default().check(
            &Twin(fresh()),
            || TArray::new(fresh()),
            few,
            |array, op| atomically(|tx| real(array, tx, &op)),
        );
    });
}

/// Where the observer finds each of the tokens `1..=TOKENS`.
const TOKENS: usize = 6;

fn each_once(tx: &mut impl ReadTx, arrays: &[TArray<usize>; 2]) -> Stm<()> {
    let mut seen = [0; TOKENS + 1];
    for array in arrays {
        array.for_each(tx, |_, &token| seen[token] += 1)?;
    }
    assert_eq!(seen[1..], [1; TOKENS], "each token is in exactly one place");
    Ok(())
}

#[test]
fn moves_between_arrays_are_seen_whole() {
    watched("moves", || {
        let places = || TArray::from_fn(TOKENS, |_| 0);
        let arrays = [TArray::from_fn(TOKENS, |i| i + 1), places()];
        let over = AtomicBool::new(false);
        let seed = seed();
        std::thread::scope(|s| {
            for by_snapshot in [false, true] {
                let (arrays, over) = (&arrays, &over);
                s.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        if by_snapshot {
                            snapshot(|s| each_once(s, arrays));
                        } else {
                            atomically(|tx| each_once(tx, arrays));
                        }
                    }
                });
            }
            on_threads(2, |id| {
                let mut rng = Rng::new(seed, id);
                for _ in 0..400 {
                    let (from, to) = (rng.below(2), rng.below(2));
                    let (i, j) = (rng.below(TOKENS), rng.below(TOKENS));
                    atomically(|tx| {
                        let a = arrays[from].replace(tx, i, 0)?;
                        stumble(&mut rng, 3);
                        let b = arrays[to].replace(tx, j, a)?;
                        // What was displaced takes the free place, unless it is the same place.
                        if (from, i) != (to, j) {
                            arrays[from].set(tx, i, b)?;
                        }
                        Ok(())
                    });
                }
            });
            over.store(true, Ordering::Relaxed);
        });
        atomically(|tx| each_once(tx, &arrays));
    });
}

#[test]
fn other_indices_do_not_disturb() {
    watched("disjoint", || {
        let array = TArray::new(vec![0; 4]);
        let attempts = atomically(|tx| {
            array.modify(tx, 0, |n| n + 1)?;
            if tx.attempt() == 1 {
                elsewhere(|| {
                    atomically(|tx| {
                        array.set(tx, 1, 7)?;
                        array.swap(tx, 2, 3)?;
                        array.swap(tx, 0, 0)
                    })
                });
            }
            let _ = array.len();
            array.modify(tx, 0, |n| n + 1)?;
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 1);
        assert_eq!(atomically(|tx| array.get(tx, 0)), 2);
    });
}

#[test]
fn the_same_index_does_conflict() {
    watched("same_index", || {
        let array = TArray::new(vec![0; 4]);
        let attempts = atomically(|tx| {
            array.modify(tx, 2, |n| n + 1)?;
            if tx.attempt() == 1 {
                elsewhere(|| atomically(|tx| array.swap(tx, 1, 2)));
                elsewhere(|| atomically(|tx| array.modify(tx, 2, |n| n + 10)));
            }
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 2);
        assert_eq!(atomically(|tx| array.get(tx, 2)), 11);
    });
}

#[test]
fn out_of_range_panics_and_says_so() {
    watched("range", || {
        let array = TArray::new(vec!['a', 'b', 'c']);
        let other = TVar::new(0);
        type Use = fn(&TArray<char>, &mut Tx<'_>) -> Stm<()>;
        let uses: [Use; 7] = [
            |a, tx| a.get(tx, 3).map(drop),
            |a, tx| a.get_ref(tx, 3).map(drop),
            |a, tx| a.set(tx, 3, 'x'),
            |a, tx| a.replace(tx, 3, 'x').map(drop),
            |a, tx| a.modify(tx, 3, |c| c),
            |a, tx| a.update(tx, 3, |_| ()),
            |a, tx| a.swap(tx, 3, 3),
        ];
        for use_it in uses {
            let message = panic_of(|| {
                atomically(|tx| {
                    other.write(tx, 1)?;
                    array.set(tx, 0, 'z')?;
                    use_it(&array, tx)
                })
            });
            assert_eq!(message, "index 3 is out of range for a TArray of length 3");
        }
        assert_eq!(other.load(), 0);
        assert_eq!(atomically(|tx| array.to_vec(tx)), ['a', 'b', 'c']);

        let none = TArray::<u8>::default();
        assert!(none.is_empty());
        assert_eq!(none.len(), 0);
        assert_eq!(atomically(|tx| none.try_get(tx, usize::MAX)), None);
        assert_eq!(atomically(|tx| none.try_set(tx, 0, 5)), Err(5));
    });
}

#[test]
fn a_clone_is_the_same_array() {
    watched("handle", || {
        let array: TArray<_> = ["a", "b"].into_iter().collect();
        let same = array.clone();
        atomically(|tx| same.set(tx, 1, "c"));
        assert_eq!(atomically(|tx| array.to_vec(tx)), ["a", "c"]);
        assert_eq!(format!("{array:?}"), "TArray { len: 2, .. }");
    });
}

#[test]
fn every_value_is_dropped_once() {
    watched("drops", || {
        let value = Arc::new(());
        let array = TArray::from_fn(8, |_| Arc::clone(&value));
        on_threads(2, |id| {
            for i in 0..100 {
                atomically(|tx| {
                    array.set(tx, i % 8, Arc::clone(&value))?;
                    array.swap(tx, id, 7 - id)
                });
            }
        });
        collect_until(|| Arc::strong_count(&value) == 9);
        assert_eq!(Arc::strong_count(&value), 9, "one in each place");
        drop(array);
        collect_until(|| Arc::strong_count(&value) == 1);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}
