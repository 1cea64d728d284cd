//! `TPromise` beside `Option`, alone and among threads and tasks.

mod common;
mod twin;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use common::{
    Histories, Wakes, collect_until, elsewhere, on_threads, poll, wait_until, watched,
    watched_alone,
};
use quickcheck::{Arbitrary, Gen};
use stateright::semantics::SequentialSpec;
use stm_collections::TPromise;
use stm_core::diagnostics::registered_waits;
use stm_core::{ReadTx, Stm, TVar, Tx, atomically, atomically_async, snapshot};
use twin::{Program, quick};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    Set(u8),
    TryGet,
    IsSet,
    GetOr(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Ret {
    Set(Result<(), String>),
    Got(Option<String>),
    IsSet(bool),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 4 {
            0 => Self::Set(u8::arbitrary(g)),
            1 => Self::TryGet,
            2 => Self::IsSet,
            _ => Self::GetOr(u8::arbitrary(g)),
        }
    }
}

fn ideal(twin: &mut Option<String>, op: &Op) -> Ret {
    match *op {
        Op::Set(n) if twin.is_some() => Ret::Set(Err(n.to_string())),
        Op::Set(n) => {
            *twin = Some(n.to_string());
            Ret::Set(Ok(()))
        }
        Op::TryGet => Ret::Got(twin.clone()),
        Op::IsSet => Ret::IsSet(twin.is_some()),
        Op::GetOr(n) => Ret::Got(Some(twin.clone().unwrap_or(n.to_string()))),
    }
}

fn real(promise: &TPromise<String>, tx: &mut Tx<'_>, op: &Op) -> Stm<Ret> {
    Ok(match *op {
        Op::Set(n) => Ret::Set(promise.set(tx, n.to_string())?),
        Op::TryGet => {
            let value = promise.try_get(tx)?;
            assert_eq!(promise.try_get_ref(tx)?.as_deref(), value.as_ref());
            Ret::Got(value)
        }
        Op::IsSet => Ret::IsSet(promise.is_set(tx)?),
        Op::GetOr(n) => Ret::Got(Some(tx.or_else(
            |tx| {
                let looked_at = promise.get_ref(tx)?;
                assert_eq!(*looked_at, promise.get(tx)?);
                Ok(looked_at.clone())
            },
            |_| Ok(n.to_string()),
        )?)),
    })
}

#[test]
fn spec() {
    watched("spec", || {
        fn same_as_an_option(program: Program<Op>) {
            let promise = TPromise::new();
            program.check(None, ideal, |tx, op| real(&promise, tx, op));
        }
        quick(300, same_as_an_option as fn(Program<Op>));
    });
}

#[derive(Clone, Debug)]
struct Twin(Option<String>);

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
        Histories::default().check(
            &Twin(None),
            TPromise::new,
            |rng| match rng.below(3) {
                0 => Op::Set(rng.below(9) as u8),
                1 => Op::TryGet,
                _ => Op::IsSet,
            },
            |promise, op| atomically(|tx| real(promise, tx, &op)),
        );
    });
}

/// It counts attempts and wakes, exactly; a thread cannot do that.
#[test]
fn each_waiter_makes_two_attempts() {
    watched_alone("two_attempts", || {
        let promise = TPromise::new();
        let beside = TVar::new(0);
        let attempts = [const { AtomicUsize::new(0) }; 5];
        let mut waiters: Vec<_> = attempts
            .iter()
            .map(|attempts| {
                let promise = &promise;
                let waiter = atomically_async(move |tx| {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    promise.get(tx)
                });
                let (wakes, waker) = Wakes::new();
                (waiter, wakes, waker)
            })
            .collect();
        for (waiter, _, waker) in &mut waiters {
            assert!(poll(waiter, waker).is_pending());
        }
        // What sets nothing wakes nobody.
        beside.store(1);
        assert!(!atomically(|tx| promise.is_set(tx)));
        assert!(waiters.iter().all(|(_, wakes, _)| wakes.count() == 0));

        assert_eq!(atomically(|tx| promise.set(tx, "now")), Ok(()));
        assert_eq!(atomically(|tx| promise.set(tx, "again")), Err("again"));
        for (waiter, wakes, waker) in &mut waiters {
            assert_eq!(wakes.count(), 1);
            assert_eq!(poll(waiter, waker), Poll::Ready("now"));
        }
        for attempts in &attempts {
            assert_eq!(attempts.load(Ordering::Relaxed), 2);
        }
    });
}

#[test]
fn threads_wait_for_it() {
    watched_alone("threads", || {
        let promise = TPromise::new();
        std::thread::scope(|s| {
            let waiters: Vec<_> = (0..3)
                .map(|_| s.spawn(|| atomically(|tx| Ok((promise.get(tx)?, tx.attempt())))))
                .collect();
            wait_until(|| registered_waits() == 3);
            assert_eq!(atomically(|tx| promise.set(tx, 5)), Ok(()));
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), (5, 2));
            }
        });
    });
}

#[test]
fn a_dropped_waiter_leaves_nothing() {
    watched_alone("cancel", || {
        let promise = TPromise::<u8>::new();
        let (wakes, waker) = Wakes::new();
        let mut waiter = atomically_async(|tx| promise.get(tx));
        assert!(poll(&mut waiter, &waker).is_pending());
        assert_eq!(registered_waits(), 1);
        drop(waiter);
        assert_eq!(registered_waits(), 0);
        assert_eq!(atomically(|tx| promise.set(tx, 1)), Ok(()));
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn one_of_many_sets_it() {
    watched("race", || {
        for _ in 0..200 {
            let promise = TPromise::new();
            let winners: Vec<_> = on_threads(3, |id| atomically(|tx| promise.set(tx, id)));
            let value = atomically(|tx| promise.get(tx));
            for (id, result) in winners.into_iter().enumerate() {
                assert_eq!(result, if id == value { Ok(()) } else { Err(id) });
            }
        }
    });
}

#[test]
fn once_set_nothing_conflicts() {
    watched("conflicts", || {
        let (promise, out) = (TPromise::new(), TVar::new(0));
        assert_eq!(atomically(|tx| promise.set(tx, 3)), Ok(()));
        let attempts = atomically(|tx| {
            let n = promise.get(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| assert_eq!(atomically(|tx| promise.set(tx, 4)), Err(4)));
            }
            out.write(tx, n)?;
            Ok(tx.attempt())
        });
        assert_eq!((attempts, out.load()), (1, 3));

        let late = TPromise::new();
        let attempts = atomically(|tx| {
            let n = late.try_get(tx)?.unwrap_or(0);
            if tx.attempt() == 1 {
                elsewhere(|| assert_eq!(atomically(|tx| late.set(tx, 4)), Ok(())));
            }
            out.write(tx, n)?;
            Ok(tx.attempt())
        });
        assert_eq!(
            (attempts, out.load()),
            (2, 4),
            "who saw it empty runs again"
        );
    });
}

/// A token goes from hand to promise; everybody sees it in exactly one of the two.
#[test]
fn what_moves_into_a_promise_is_always_somewhere() {
    watched("moves", || {
        type Steps = Vec<(TVar<Option<String>>, TPromise<String>)>;
        let steps: Steps = (0..200)
            .map(|n| (TVar::new(Some(n.to_string())), TPromise::new()))
            .collect();
        fn look(tx: &mut impl ReadTx, steps: &Steps) -> Stm<()> {
            for (n, (hand, promise)) in steps.iter().enumerate() {
                let places = [hand.read(tx)?, promise.try_get(tx)?];
                assert_eq!(
                    places.iter().flatten().collect::<Vec<_>>(),
                    [&n.to_string()]
                );
            }
            Ok(())
        }
        let over = AtomicBool::new(false);
        std::thread::scope(|s| {
            for by_snapshot in [false, true] {
                let (steps, over) = (&steps, &over);
                s.spawn(move || {
                    while !over.load(Ordering::Relaxed) {
                        if by_snapshot {
                            snapshot(|s| look(s, steps));
                        } else {
                            atomically(|tx| look(tx, steps));
                        }
                    }
                });
            }
            for (hand, promise) in &steps {
                atomically(|tx| {
                    let value = hand.replace(tx, None)?.expect("it is moved once");
                    std::thread::yield_now();
                    promise.set(tx, value)
                })
                .expect("it is set once");
            }
            over.store(true, Ordering::Relaxed);
        });
    });
}

#[test]
fn the_value_is_dropped_once() {
    watched("drops", || {
        let value = Arc::new(());
        let promise = TPromise::new();
        let set = || atomically(|tx| promise.set(tx, Arc::clone(&value)));
        assert_eq!(set(), Ok(()));
        assert_eq!(set(), Err(Arc::clone(&value)));
        drop(atomically(|tx| promise.get(tx)));
        collect_until(|| Arc::strong_count(&value) == 2);
        assert_eq!(Arc::strong_count(&value), 2, "one in the promise");
        drop(promise);
        collect_until(|| Arc::strong_count(&value) == 1);
        assert_eq!(Arc::strong_count(&value), 1);
    });
}

#[test]
fn a_clone_is_the_same_promise() {
    watched("handle", || {
        let promise = TPromise::default();
        assert_eq!(atomically(|tx| promise.clone().set(tx, 'x')), Ok(()));
        assert_eq!(snapshot(|s| promise.get(s)), 'x');
        assert!(format!("{promise:?}").starts_with("TPromise("));
    });
}
