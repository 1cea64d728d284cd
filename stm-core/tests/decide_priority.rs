//! Deciders and the token of priority: neither keeps the other for ever.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use common::decided::{decided, with_decider};
use common::fire::{elsewhere, under_fire};
use common::{FAILURES, Rng, block_on, seed, wait_until, watched};
use stm_core::{
    Abort, Decision, Stm, Stopped, TVar, Transaction, Tx, atomically, atomically_async,
    in_transaction,
};

/// P4, against others that keep what it needs locked nearly all the time, and for long.
#[test]
fn starving_elder_beside_deciders() {
    watched("decide_elder", || {
        let all: Vec<TVar<i64>> = (0..8).map(|_| TVar::new(0)).collect();
        let seed = seed();
        for only_writes in [false, true] {
            let most = AtomicU32::new(0);
            under_fire(
                3,
                |id, round| {
                    let (a, b) = Rng::new(seed ^ round, id).pair(all.len());
                    let _ = decided(
                        |tx| {
                            let n = all[a].read(tx)?;
                            Ok::<_, Abort<()>>(all[b].write(tx, n)?)
                        },
                        |()| {
                            (0..20).for_each(|_| std::thread::yield_now());
                            Decision::Commit
                        },
                    );
                },
                || {
                    for round in 0..10 {
                        atomically(|tx| {
                            most.fetch_max(tx.attempt(), Ordering::Relaxed);
                            for var in &all {
                                let n = if only_writes { 0 } else { var.read(tx)? };
                                var.write(tx, n + round)?;
                            }
                            Ok(())
                        });
                    }
                },
            );
            let most = most.into_inner();
            eprintln!("only writes: {only_writes}; at most {most} attempts");
            assert!(most <= 40, "{most} attempts");
        }
    });
}

/// Fails until it holds the token, in its next attempt.
fn fails_until_it_holds(tx: &mut Tx<'_>, own: &TVar<i64>) -> Stm<()> {
    let n = own.read(tx)?;
    if tx.attempt() <= FAILURES {
        elsewhere(|| own.store(n + 1));
    }
    own.write(tx, n)
}

/// One that has got the token gives it back before it asks its decider: others may need it meanwhile, the decider even wait for
/// them.
#[test]
fn a_holder_lets_go_before_it_asks() {
    watched("decide_holder", || {
        let [own, other] = [0, 0].map(TVar::new);
        let attempts = decided(
            |tx| {
                fails_until_it_holds(tx, &own)?;
                Ok::<_, Abort<()>>(tx.attempt())
            },
            |_| {
                elsewhere(|| {
                    let mut stopped = false;
                    atomically(|tx| {
                        fails_until_it_holds(tx, &other)?;
                        if (FAILURES + 1..40).contains(&tx.attempt()) && !stopped {
                            // Who has the token keeps others off what it has read. If this one goes through, the attempt
                            // fails, and there is another.
                            let hasty = Transaction::new().timeout(Duration::ZERO);
                            let outcome = elsewhere(|| hasty.run(|tx| other.write(tx, 9)));
                            stopped = outcome == Err(Stopped::TimedOut);
                        }
                        Ok(())
                    });
                    assert!(stopped, "it did not get the token");
                });
                Decision::Commit
            },
        );
        assert_eq!(attempts, Ok(FAILURES + 1));
    });
}

/// One that has the token comes upon a decider, which waits for a third that is stopped by the token: its lease ends that.
#[test]
fn a_holder_does_not_wait_for_ever() {
    watched("decide_holder_waits", || {
        let [own, wanted] = [0, 0].map(TVar::new);
        let met = AtomicBool::new(false);
        let (tell, asked) = mpsc::channel();
        std::thread::scope(|s| {
            let (own, wanted, met) = (&own, &wanted, &met);
            s.spawn(move || {
                decided(
                    |tx| Ok::<_, Abort<()>>(wanted.write(tx, 7)?),
                    |()| {
                        tell.send(()).unwrap();
                        wait_until(|| met.load(Ordering::SeqCst));
                        elsewhere(|| atomically(|tx| own.modify(tx, |n| n + 1)));
                        Decision::Commit
                    },
                )
            });
            asked.recv().unwrap();
            let seen = atomically(|tx| {
                fails_until_it_holds(tx, own)?;
                if tx.attempt() <= FAILURES {
                    return Ok(0);
                }
                met.store(true, Ordering::SeqCst);
                wanted.read(tx)
            });
            assert_eq!(seen, 7);
        });
    });
}

/// A committer gives way to the holder of the token before it asks its decider.
#[test]
fn a_decider_is_not_asked_in_front_of_a_holder() {
    watched("decide_gives_way", || {
        let own = TVar::new(0);
        let asked = AtomicUsize::new(0);
        let mut in_time = false;
        for only_read in [false, true] {
            atomically(|tx| {
                let n = own.read(tx)?;
                if tx.attempt() <= FAILURES {
                    elsewhere(|| own.store(n + 1));
                } else if !in_time {
                    let hasty = Transaction::new().timeout(Duration::ZERO);
                    let outcome = elsewhere(|| {
                        hasty.try_run(with_decider(
                            |tx| {
                                if !only_read {
                                    own.write(tx, 9)?;
                                }
                                Ok::<_, Abort<()>>(own.read(tx)?)
                            },
                            |_| {
                                asked.fetch_add(1, Ordering::Relaxed);
                                Decision::Commit
                            },
                        ))
                    });
                    in_time = outcome.is_err();
                    // Perhaps somebody else has the token.
                    if !in_time && tx.attempt() < 40 {
                        elsewhere(|| own.store(n + 1));
                    }
                }
                own.write(tx, n)
            });
            // Once, at least, it was within the lease.
            assert!(std::mem::take(&mut in_time), "only read: {only_read}");
        }
    });
}

/// P8: who lets the token go before its decider has locks by then, so it does not wake tasks that wait for it itself.
#[test]
fn nobodys_waker_runs_under_locks() {
    #[derive(Default)]
    struct Notes(Mutex<Vec<bool>>);
    impl Wake for Notes {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().push(in_transaction());
        }
    }

    watched("decide_wakers", || {
        let [own, others] = [0, 0].map(TVar::new);
        let mut waits = false;
        let notes = Arc::new(Notes::default());
        let waker = Waker::from(Arc::clone(&notes));
        let mut task = None;
        atomically(|tx| {
            fails_until_it_holds(tx, &own)?;
            if tx.attempt() > FAILURES && !waits {
                // Within the lease, the task comes to where it must wait for the token; else there is another attempt.
                (task, waits) = elsewhere(|| {
                    let mut task =
                        Box::pin(atomically_async(|tx| fails_until_it_holds(tx, &others)));
                    let waits = task.as_mut().poll(&mut Context::from_waker(&waker));
                    (Some(task), waits.is_pending())
                });
                if !waits {
                    elsewhere(|| own.store(0));
                }
            }
            tx.decide(|| {
                // By somebody else, who does not wait for these locks.
                wait_until(|| !notes.0.lock().unwrap().is_empty());
                Decision::Commit
            })
            .map_err(Abort::into_control)
        });
        assert!(waits);
        assert_eq!(*notes.0.lock().unwrap(), [false]);
        block_on(task.expect("it waited"));
    });
}
