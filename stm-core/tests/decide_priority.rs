//! Deciders and the token of priority: neither keeps the other for ever.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
#[path = "common/failures.rs"]
mod failures;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use common::decided::{decided, with_decider};
use common::fire::{elsewhere, under_fire};
use common::{Rng, block_on, poll, seed, wait_until, watched_alone};
use failures::FAILURES;
use stm_core::diagnostics::waiting;
use stm_core::{
    Abort, Decision, Stm, Stopped, TVar, Transaction, Tx, atomically, atomically_async,
    in_transaction,
};

/// P4, against others that keep what it needs locked nearly all the time, and for long.
#[test]
fn starving_elder_beside_deciders() {
    watched_alone("decide_elder", || {
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
    watched_alone("decide_holder", || {
        let [own, other] = [0, 0].map(TVar::new);
        // Some failures as a holder make its lease long.
        let last = FAILURES + 6;
        let attempts = atomically(|tx| {
            let n = own.read(tx)?;
            if tx.attempt() <= last {
                elsewhere(|| own.store(n + 1));
            }
            own.write(tx, n)?;
            tx.decide(|| {
                // A task that finds the token taken is pending.
                let outcome = elsewhere(|| {
                    let mut claims = atomically_async(|tx| fails_until_it_holds(tx, &other));
                    poll(&mut claims, Waker::noop())
                });
                assert!(outcome.is_ready(), "somebody has the token");
                Decision::Commit
            })
            .map_err(Abort::into_control)?;
            Ok(tx.attempt())
        });
        assert_eq!(attempts, last + 1);
    });
}

/// One that has the token comes upon a decider, which waits for a third that is stopped by the token: its lease ends that.
#[test]
fn a_holder_does_not_wait_for_ever() {
    watched_alone("decide_holder_waits", || {
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
    watched_alone("decide_gives_way", || {
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

    watched_alone("decide_wakers", || {
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
        // Once or, if the lease has run out as well, twice.
        let woken_inside = notes.0.lock().unwrap().contains(&true);
        assert!(!woken_inside);
        block_on(task.expect("it waited"));
    });
}

/// What a holder is about to write it announces before it locks: a variable that others keep locked for long, one after the other,
/// would hardly ever be free for it.
#[test]
fn a_holder_announces_what_it_writes() {
    fn stops_others(decides: bool) -> bool {
        let [own, kept, wanted] = [0, 0, 0].map(TVar::new);
        let (tell, asked) = mpsc::channel();
        let (end, over) = mpsc::channel::<()>();
        // Some failures as a holder make its lease long.
        let last = FAILURES + 6;
        std::thread::scope(|s| {
            let (own, kept, wanted) = (&own, &kept, &wanted);
            s.spawn(move || {
                atomically(|tx| {
                    kept.write(tx, 1)?;
                    tx.decide(|| {
                        tell.send(()).unwrap();
                        let _ = over.recv();
                        Decision::Commit
                    })
                    .map_err(Abort::into_control)
                });
            });
            asked.recv().unwrap();
            s.spawn(move || {
                atomically(|tx| {
                    let n = own.read(tx)?;
                    if tx.attempt() <= last {
                        elsewhere(|| own.store(n + 1));
                        return own.write(tx, n);
                    }
                    kept.write(tx, 2)?;
                    wanted.write(tx, 2)?;
                    if decides {
                        tx.decide(|| Decision::Commit)
                            .map_err(Abort::into_control)?;
                    }
                    Ok(())
                });
            });
            wait_until(|| !waiting().is_empty());
            let hasty = Transaction::new().timeout(Duration::ZERO);
            let outcome = hasty.run(|tx| wanted.write(tx, 9));
            drop(end);
            outcome == Err(Stopped::TimedOut)
        })
    }

    watched_alone("decide_holder_announces", || {
        for decides in [false, true] {
            // Once, at least, it is within the lease.
            let stopped = (0..10).any(|_| stops_others(decides));
            assert!(stopped, "decides: {decides}");
        }
    });
}

/// The wait of one that has the token ends with its lease, and so with its deadline, whenever the decider answers.
#[test]
fn a_holder_keeps_its_deadline() {
    watched_alone("decide_holder_deadline", || {
        let [own, kept] = [0, 0].map(TVar::new);
        let (tell, asked) = mpsc::channel();
        let (end, over) = mpsc::channel::<()>();
        std::thread::scope(|s| {
            let kept = &kept;
            s.spawn(move || {
                atomically(|tx| {
                    kept.write(tx, 1)?;
                    tx.decide(|| {
                        tell.send(()).unwrap();
                        let _ = over.recv();
                        Decision::Commit
                    })
                    .map_err(Abort::into_control)
                });
            });
            asked.recv().unwrap();
            // Long enough to come to hold the token.
            let hasty = Transaction::new().timeout(Duration::from_millis(500));
            for reads in [false, true] {
                let outcome = hasty.run(|tx| {
                    fails_until_it_holds(tx, &own)?;
                    if tx.attempt() > FAILURES {
                        return if reads {
                            kept.read(tx).map(drop)
                        } else {
                            kept.write(tx, 2)
                        };
                    }
                    Ok(())
                });
                assert_eq!(outcome, Err(Stopped::TimedOut));
            }
            drop(end);
        });
    });
}
