//! The place for one value: full or empty, and nothing in between.

mod common;

use std::sync::Arc;
use std::task::{Poll, Waker};

use common::{
    Histories, Rng, Wakes, block_on, collect_until, on_threads, panic_of, poll, seed, stumble,
    under_fire, watched_alone,
};
use quickcheck::{QuickCheck, TestResult};
use stateright::semantics::SequentialSpec;
use stm_collections::TMVar;
use stm_core::{abort, atomically, atomically_async, retry, snapshot};

#[derive(Clone, Copy, Debug)]
enum Op {
    TryPut(u8),
    TryTake,
    TryRead,
    TrySwap(u8),
    IsEmpty,
}

/// What an operation gives: a value, and whether it did something.
type Ret = (Option<u8>, bool);

/// The twin.
#[derive(Clone, Debug)]
struct Place(Option<u8>);

impl SequentialSpec for Place {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match *op {
            Op::TryPut(_) if self.0.is_some() => (None, false),
            Op::TryPut(n) => (self.0.replace(n), true),
            Op::TryTake => (self.0.take(), true),
            Op::TryRead => (self.0, true),
            Op::TrySwap(_) if self.0.is_none() => (None, false),
            Op::TrySwap(n) => (self.0.replace(n), true),
            Op::IsEmpty => (None, self.0.is_none()),
        }
    }
}

fn op(code: u8, n: u8) -> Op {
    match code % 7 {
        0 | 1 => Op::TryPut(n),
        2 | 3 => Op::TryTake,
        4 => Op::TryRead,
        5 => Op::TrySwap(n),
        _ => Op::IsEmpty,
    }
}

fn run(place: &TMVar<u8>, tx: &mut stm_core::Tx<'_>, op: Op) -> stm_core::Stm<Ret> {
    Ok(match op {
        Op::TryPut(n) => match place.try_put(tx, n)? {
            Ok(()) => (None, true),
            Err(back) => {
                assert_eq!(back, n);
                (None, false)
            }
        },
        Op::TryTake => (place.try_take(tx)?, true),
        Op::TryRead => {
            let seen = place.try_read_ref(tx)?.map(|n| *n);
            assert_eq!(place.try_read(tx)?, seen);
            (seen, true)
        }
        Op::TrySwap(n) => match place.try_swap(tx, n)? {
            Ok(old) => (Some(old), true),
            Err(back) => {
                assert_eq!(back, n);
                (None, false)
            }
        },
        Op::IsEmpty => (None, place.is_empty(tx)?),
    })
}

#[test]
fn spec() {
    fn program(full: Option<u8>, transactions: Vec<(u8, Vec<(u8, u8)>)>) -> TestResult {
        let mut twin = Place(full);
        let place = full.map_or_else(TMVar::empty, TMVar::new);
        for (how, ops) in transactions {
            let ops: Vec<Op> = ops.into_iter().map(|(code, n)| op(code, n)).collect();
            let before = twin.clone();
            let expected: Vec<Ret> = ops.iter().map(|op| twin.invoke(op)).collect();
            let found = atomically(|tx| {
                let all = |tx: &mut stm_core::Tx<'_>| -> stm_core::Stm<Vec<Ret>> {
                    ops.iter().map(|&op| run(&place, tx, op)).collect()
                };
                match how % 3 {
                    0 => all(tx),
                    1 => tx
                        .nested(|tx| abort::<(), _>(all(tx)?))
                        .map(Result::unwrap_err),
                    _ => {
                        let mut found = Vec::new();
                        tx.or_else(
                            |tx| {
                                found = all(tx)?;
                                retry()
                            },
                            |_| Ok(()),
                        )?;
                        Ok(found)
                    }
                }
            });
            assert_eq!(found, expected);
            if how % 3 > 0 {
                twin = before;
            }
            assert_eq!(snapshot(|s| place.try_read(s)), twin.0);
            assert_eq!(snapshot(|s| place.is_empty(s)), twin.0.is_none());
        }
        TestResult::passed()
    }
    type Program = fn(Option<u8>, Vec<(u8, Vec<(u8, u8)>)>) -> TestResult;
    watched_alone("spec", || {
        QuickCheck::new().tests(200).quickcheck(program as Program);
    });
}

#[test]
fn linearizable() {
    watched_alone("linearizable", || {
        Histories::default().check(
            &Place(Some(9)),
            || TMVar::new(9),
            |rng| op(rng.below(7) as u8, rng.below(5) as u8),
            |place, op| atomically(|tx| run(place, tx, op)),
        );
    });
}

#[test]
fn waiting_operations_wait_and_do_what_their_twins_do() {
    watched_alone("waiting", || {
        let place = TMVar::<u8>::default();
        let (wakes, waker) = Wakes::new();
        let mut take = atomically_async(|tx| place.take(tx));
        let mut read = atomically_async(|tx| place.read(tx));
        let mut look = atomically_async(|tx| place.read_ref(tx).map(|n| *n));
        let mut swap = atomically_async(|tx| place.swap(tx, 2));
        assert!(poll(&mut take, &waker).is_pending());
        assert!(poll(&mut read, &waker).is_pending());
        assert!(poll(&mut look, &waker).is_pending());
        assert!(poll(&mut swap, &waker).is_pending());
        atomically(|tx| place.put(tx, 1));
        assert_eq!(wakes.count(), 4);
        assert_eq!(poll(&mut read, &waker), Poll::Ready(1));
        assert_eq!(poll(&mut look, &waker), Poll::Ready(1));
        assert_eq!(poll(&mut swap, &waker), Poll::Ready(1));

        let mut put = atomically_async(|tx| place.put(tx, 3));
        assert!(poll(&mut put, &waker).is_pending());
        assert_eq!(poll(&mut take, &waker), Poll::Ready(2));
        assert_eq!(wakes.count(), 5);
        assert!(poll(&mut put, &waker).is_ready());
        assert_eq!(snapshot(|s| place.read(s)), 3);
    });
}

#[test]
fn or_else_takes_whichever_place_is_full() {
    watched_alone("or_else", || {
        let (a, b) = (TMVar::empty(), TMVar::from(1));
        let either = || atomically_async(|tx| tx.or_else(|tx| a.take(tx), |tx| b.take(tx)));
        assert_eq!(poll(&mut either(), Waker::noop()), Poll::Ready(1));
        for (place, n) in [(&a, 2), (&b, 3)] {
            let mut waits = either();
            assert!(poll(&mut waits, Waker::noop()).is_pending());
            atomically(|tx| place.put(tx, n));
            assert_eq!(poll(&mut waits, Waker::noop()), Poll::Ready(n));
        }
    });
}

#[test]
fn a_look_is_of_its_moment() {
    watched_alone("look", || {
        let place = TMVar::new(String::from("before"));
        let seen = atomically(|tx| {
            let look = place.read_ref(tx)?;
            place.swap(tx, "after".into())?;
            place.take(tx)?;
            Ok(look.clone())
        });
        assert_eq!(seen, "before");
    });
}

#[test]
fn a_value_moved_between_two_is_always_in_one() {
    watched_alone("moved", || {
        let seed = seed();
        let places = [TMVar::new(Arc::new(7)), TMVar::empty()];
        under_fire(
            2,
            |id, round| {
                // Either direction, and both ways to move.
                let from = (round as usize + id) % 2;
                atomically(|tx| {
                    if let Some(value) = places[from].try_take(tx)? {
                        places[1 - from].put(tx, value)?;
                    }
                    Ok(())
                });
            },
            || {
                let mut rng = Rng::new(seed, 9);
                for _ in 0..2_000 {
                    stumble(&mut rng, 8);
                    let full =
                        atomically(|tx| Ok([places[0].is_empty(tx)?, places[1].is_empty(tx)?]));
                    assert_ne!(full[0], full[1]);
                    let values = snapshot(|s| Ok([places[0].try_read(s)?, places[1].try_read(s)?]));
                    assert_eq!(values.into_iter().flatten().map(|n| *n).sum::<i32>(), 7);
                }
            },
        );
    });
}

#[test]
fn a_channel_of_one_place_loses_nothing() {
    const PER_THREAD: u64 = 500;
    watched_alone("channel", || {
        let place = TMVar::empty();
        let sums = on_threads(4, |id| {
            let mut sum = 0;
            for n in 0..PER_THREAD {
                match id {
                    0 => atomically(|tx| place.put(tx, n)),
                    1 => block_on(atomically_async(|tx| place.put(tx, n * 1_000))),
                    2 => sum += atomically(|tx| place.take(tx)),
                    _ => sum += block_on(atomically_async(|tx| place.take(tx))),
                }
            }
            sum
        });
        let put: u64 = (0..PER_THREAD).map(|n| n * 1_001).sum();
        assert_eq!(sums.into_iter().sum::<u64>(), put);
        assert!(atomically(|tx| place.is_empty(tx)));
    });
}

#[test]
fn values_are_dropped_once_and_none_is_kept() {
    watched_alone("drops", || {
        let value = Arc::new(());
        let new = || Arc::clone(&value);
        let place = TMVar::new(new());
        assert!(atomically(|tx| place.try_put(tx, new())).is_err());
        for _ in 0..100 {
            drop(atomically(|tx| place.swap(tx, new())));
            drop(atomically(|tx| place.take(tx)));
            atomically(|tx| place.put(tx, new()));
            let undone = stm_core::try_atomically(|tx| {
                place.swap(tx, new())?;
                abort::<(), _>(())
            });
            assert!(undone.is_err());
        }
        collect_until(|| Arc::strong_count(&value) == 2);
        assert_eq!(Arc::strong_count(&value), 2, "the one that is in it");
        drop(place);
        collect_until(|| Arc::strong_count(&value) == 1);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn waiting_in_a_snapshot_is_told() {
    watched_alone("snapshot", || {
        let message = panic_of(|| snapshot(|s| TMVar::<u8>::empty().read(s)));
        assert!(message.contains("retry"), "{message}");
    });
}

#[test]
fn debug_opens_no_transaction() {
    watched_alone("debug", || {
        let place = TMVar::new(1);
        let shown = atomically(|_| Ok(format!("{:?}", place.clone())));
        assert!(shown.contains("TMVar"), "{shown}");
    });
}
