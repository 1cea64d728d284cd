//! `TLatch` beside a plain count, alone and among threads and tasks.

mod common;
mod twin;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Histories, Wakes, elsewhere, on_threads, poll, wait_until, watched, watched_alone};
use quickcheck::{Arbitrary, Gen};
use stateright::semantics::SequentialSpec;
use stm_collections::TLatch;
use stm_core::diagnostics::registered_waits;
use stm_core::{ReadTx, Stm, TVar, Tx, atomically, atomically_async, snapshot};
use twin::{Program, quick};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    CountDown,
    CountDownBy(usize),
    Count,
    IsOpen,
    Passes,
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 5 {
            0 => Self::CountDown,
            1 => Self::CountDownBy(usize::arbitrary(g) % 4),
            2 => Self::Count,
            3 => Self::IsOpen,
            _ => Self::Passes,
        }
    }
}

/// What an operation returns, as a number.
fn ideal(count: &mut usize, op: &Op) -> usize {
    match *op {
        Op::CountDown => *count = count.saturating_sub(1),
        Op::CountDownBy(n) => *count = count.saturating_sub(n),
        Op::Count => return *count,
        Op::IsOpen | Op::Passes => return usize::from(*count == 0),
    }
    0
}

fn real(latch: &TLatch, tx: &mut Tx<'_>, op: &Op) -> Stm<usize> {
    match *op {
        Op::CountDown => latch.count_down(tx)?,
        Op::CountDownBy(n) => latch.count_down_by(tx, n)?,
        Op::Count => return latch.count(tx),
        Op::IsOpen => return Ok(usize::from(latch.is_open(tx)?)),
        Op::Passes => {
            return Ok(usize::from(tx.optionally(|tx| latch.wait(tx))?.is_some()));
        }
    }
    Ok(0)
}

#[test]
fn spec() {
    watched("spec", || {
        fn same_as_a_count(start: u8, program: Program<Op>) {
            let start = usize::from(start % 40);
            let latch = TLatch::new(start);
            program.check(start, ideal, |tx, op| real(&latch, tx, op));
        }
        quick(300, same_as_a_count as fn(u8, Program<Op>));
    });
}

#[derive(Clone, Debug)]
struct Twin(usize);

impl SequentialSpec for Twin {
    type Op = Op;
    type Ret = usize;

    fn invoke(&mut self, op: &Op) -> usize {
        ideal(&mut self.0, op)
    }
}

#[test]
fn linearizable() {
    watched("linearizable", || {
        Histories::default().check(
            &Twin(6),
            || TLatch::new(6),
            |rng| match rng.below(4) {
                0 => Op::CountDown,
                1 => Op::CountDownBy(rng.below(3)),
                2 => Op::Count,
                _ => Op::IsOpen,
            },
            |latch, op| atomically(|tx| real(latch, tx, &op)),
        );
    });
}

/// The point of the second variable: w waiters and n counts are not w * n wake-ups.
#[test]
fn a_waiter_makes_two_attempts_whatever_the_count() {
    watched_alone("two_attempts", || {
        let latch = TLatch::new(100);
        let attempts = AtomicUsize::new(0);
        let mut waiter = atomically_async(|tx| {
            attempts.fetch_add(1, Ordering::Relaxed);
            latch.wait(tx)
        });
        let (wakes, waker) = Wakes::new();
        assert!(poll(&mut waiter, &waker).is_pending());
        for _ in 0..99 {
            atomically(|tx| latch.count_down(tx));
            assert_eq!(wakes.count(), 0);
        }
        atomically(|tx| latch.count_down(tx));
        assert_eq!(wakes.count(), 1);
        assert!(poll(&mut waiter, &waker).is_ready());
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn threads_wait_for_all_of_the_counts() {
    watched_alone("threads", || {
        let latch = TLatch::new(100);
        std::thread::scope(|s| {
            let waiters: Vec<_> = (0..3)
                .map(|_| {
                    s.spawn(|| {
                        atomically(|tx| {
                            latch.wait(tx)?;
                            Ok((latch.count(tx)?, tx.attempt()))
                        })
                    })
                })
                .collect();
            wait_until(|| registered_waits() == 3);
            on_threads(2, |_| {
                for _ in 0..50 {
                    atomically(|tx| latch.count_down(tx));
                }
            });
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), (0, 2));
            }
        });
    });
}

#[test]
fn a_dropped_waiter_leaves_nothing() {
    watched_alone("cancel", || {
        let latch = TLatch::new(1);
        let (wakes, waker) = Wakes::new();
        let mut waiter = atomically_async(|tx| latch.wait(tx));
        assert!(poll(&mut waiter, &waker).is_pending());
        assert_eq!(registered_waits(), 1);
        drop(waiter);
        assert_eq!(registered_waits(), 0);
        atomically(|tx| latch.count_down(tx));
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn waiting_does_not_conflict_with_counts_that_do_not_open() {
    watched("conflicts", || {
        let (latch, out) = (TLatch::new(3), TVar::new(false));
        let look_during = |count: usize| {
            atomically(|tx| {
                let open = latch.is_open(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| atomically(|tx| latch.count_down_by(tx, count)));
                }
                out.write(tx, open)?;
                Ok(tx.attempt())
            })
        };
        assert_eq!((look_during(2), out.load()), (1, false));
        assert_eq!(
            (look_during(1), out.load()),
            (2, true),
            "the last one opens"
        );
        assert_eq!(
            (look_during(9), out.load()),
            (1, true),
            "and then nothing is written"
        );
    });
}

#[test]
fn the_door_and_the_count_agree_at_every_moment() {
    watched("agree", || {
        fn agree(tx: &mut impl ReadTx, latch: &TLatch) -> Stm<bool> {
            let (count, open) = (latch.count(tx)?, latch.is_open(tx)?);
            assert_eq!(open, count == 0);
            Ok(open)
        }
        for _ in 0..20 {
            let latch = TLatch::new(60);
            std::thread::scope(|s| {
                s.spawn(|| while !snapshot(|s| agree(s, &latch)) {});
                s.spawn(|| while !atomically(|tx| agree(tx, &latch)) {});
                on_threads(2, |id| {
                    for _ in 0..40 {
                        atomically(|tx| latch.count_down_by(tx, id + 1));
                    }
                });
            });
        }
    });
}

#[test]
fn too_much_is_forgotten() {
    watched("saturates", || {
        let latch = TLatch::new(usize::MAX);
        atomically(|tx| latch.count_down_by(tx, usize::MAX - 1));
        assert_eq!(atomically(|tx| latch.count(tx)), 1);
        atomically(|tx| latch.count_down_by(tx, usize::MAX));
        atomically(|tx| latch.count_down_by(tx, usize::MAX));
        assert_eq!(snapshot(|s| latch.count(s)), 0);
        assert!(snapshot(|s| TLatch::default().is_open(s)));
        let shut = TLatch::new(1);
        atomically(|tx| shut.count_down_by(tx, 0));
        assert!(!snapshot(|s| shut.is_open(s)));
    });
}
