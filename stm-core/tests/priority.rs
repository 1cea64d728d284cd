//! P4: a transaction that has failed often enough gets through, those that do not conflict with it go on, and nobody
//! hangs over it.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
#[path = "common/failures.rs"]
mod failures;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use common::fire::{elsewhere, under_fire};
use common::{Rng, Value, block_on, on_threads, seed, watched};
use failures::FAILURES;
use stm_core::{Stopped, TVar, Transaction, Tx, atomically, atomically_async, retry, snapshot};

/// Attempts within which every elder gets through. Twelve failures, then the token; beyond that only leases that end too
/// early on a machine that is busy with other things.
const ATTEMPTS: u32 = 40;

fn vars<T: Value>(n: usize) -> Vec<TVar<T>> {
    (0..n).map(|_| TVar::new(T::of(1))).collect()
}

fn swap<T: Value>(tx: &mut Tx<'_>, all: &[TVar<T>], (a, b): (usize, usize)) -> stm_core::Stm<()> {
    let (x, y) = (all[a].read(tx)?.n(), all[b].read(tx)?.n());
    all[a].write(tx, T::of(y - 1))?;
    all[b].write(tx, T::of(x + 1))
}

/// Sums all and writes one of them.
fn elder<T: Value>(
    tx: &mut Tx<'_>,
    all: &[TVar<T>],
    own: usize,
    most: &AtomicU32,
) -> stm_core::Stm<i64> {
    most.fetch_max(tx.attempt(), Ordering::Relaxed);
    let mut sum = 0;
    for var in all {
        sum += var.read(tx)?.n();
    }
    all[own].modify(tx, |v| T::of(v.n()))?;
    Ok(sum)
}

fn starving<T: Value>(run: impl Fn(&[TVar<T>], usize, &AtomicU32) -> i64) {
    const VARS: usize = 1000;
    let all = vars::<T>(VARS);
    let seed = seed();
    let most = AtomicU32::new(0);
    under_fire(
        8,
        |thread, round| {
            let mut rng = Rng::new(seed ^ round, thread);
            atomically(|tx| swap(tx, &all, rng.clone().pair(VARS)));
            rng.next();
        },
        || {
            for round in 0..10 {
                assert_eq!(run(&all, round, &most), VARS as i64);
            }
        },
    );
    assert_eq!(
        snapshot(|s| all.iter().try_fold(0, |sum, v| Ok(sum + v.read(s)?.n()))),
        VARS as i64
    );
    let most = most.into_inner();
    eprintln!("starving_elder: at most {most} attempts");
    assert!(most <= ATTEMPTS, "{most} attempts");
}

#[test]
fn starving_elder() {
    watched("starving_elder", || {
        starving::<i64>(|all, own, most| atomically(|tx| elder(tx, all, own, most)));
        starving::<Box<i64>>(|all, own, most| atomically(|tx| elder(tx, all, own, most)));
    });
}

#[test]
fn starving_elder_task() {
    watched("starving_elder_task", || {
        starving::<i64>(|all, own, most| {
            block_on(atomically_async(|tx| elder(tx, all, own, most)))
        });
    });
}

/// Several elders at once: each gets its turn.
#[test]
fn starving_elders() {
    watched("starving_elders", || {
        const VARS: usize = 500;
        let all = vars::<i64>(VARS);
        let most = AtomicU32::new(0);
        let seed = seed();
        under_fire(
            2,
            |thread, round| {
                let mut rng = Rng::new(seed ^ round, thread);
                atomically(|tx| swap(tx, &all, rng.clone().pair(VARS)));
                rng.next();
            },
            || {
                on_threads(4, |id| {
                    for round in 0..5 {
                        let sum = atomically(|tx| elder(tx, &all, id * 10 + round, &most));
                        assert_eq!(sum, VARS as i64);
                    }
                });
            },
        );
        let most = most.into_inner();
        eprintln!("starving_elders: at most {most} attempts");
        assert!(most <= 4 * ATTEMPTS, "{most} attempts");
    });
}

/// Reads, is away for longer than the first leases last, writes.
#[test]
fn slow_elder() {
    watched("slow_elder", || {
        const THREADS: usize = 20;
        const EACH: i64 = 200;
        let x = TVar::new(0i64);
        let running = AtomicBool::new(true);
        std::thread::scope(|s| {
            let elder = s.spawn(|| {
                atomically(|tx| {
                    let n = x.read(tx)?;
                    std::thread::sleep(Duration::from_millis(50));
                    x.write(tx, n + 1)?;
                    Ok(tx.attempt())
                })
            });
            on_threads(THREADS, |_| {
                for _ in 0..EACH {
                    atomically(|tx| x.modify(tx, |n| n + 1));
                }
            });
            // Goes on until the elder is through.
            s.spawn(|| {
                while running.load(Ordering::Relaxed) {
                    atomically(|tx| x.modify(tx, |n| n));
                    std::thread::yield_now();
                }
            });
            let attempts = elder.join().unwrap();
            running.store(false, Ordering::Relaxed);
            eprintln!("slow_elder: {attempts} attempts");
            assert!(attempts <= ATTEMPTS, "{attempts} attempts");
        });
        assert_eq!(x.load(), THREADS as i64 * EACH + 1);
    });
}

/// Makes a transaction over `mine` a holder that is in the middle of its body, runs `beside`, lets it go on, and gives its
/// attempts.
fn while_held(mine: &TVar<i64>, beside: impl FnOnce()) -> u32 {
    let (tell_inside, inside) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel::<()>();
    std::thread::scope(|s| {
        let holder = s.spawn(move || {
            let mut told = Some(tell_inside);
            atomically(|tx| {
                let n = mine.read(tx)?;
                if tx.attempt() <= FAILURES {
                    elsewhere(|| mine.store(n + 1));
                } else if let Some(tell) = told.take() {
                    tell.send(()).unwrap();
                    go_on.recv().unwrap();
                }
                mine.write(tx, n)?;
                Ok(tx.attempt())
            })
        });
        inside.recv().unwrap();
        beside();
        let_go.send(()).unwrap();
        holder.join().unwrap()
    })
}

/// While a long transaction holds the token, what does not conflict with it commits at its first attempt.
#[test]
fn disjoint_goes_on() {
    watched("disjoint_goes_on", || {
        let mine = TVar::new(0);
        let others = vars::<i64>(64);
        while_held(&mine, || {
            let (mut transfers, mut stopped) = (0, 0);
            for round in 0..2000 {
                let pair = Rng::new(round, 0).pair(others.len());
                atomically(|tx| {
                    transfers += 1;
                    stopped += usize::from(tx.attempt() > 1);
                    swap(tx, &others, pair)
                });
            }
            // A filter may take a stranger for its own: not one in a hundred here.
            assert!(stopped < transfers / 20, "{stopped} of {transfers}");
        });
    });
}

/// What conflicts with the holder waits, and not for longer than the lease or its own deadline.
#[test]
fn who_gives_way_keeps_its_deadline() {
    watched("gives_way_deadline", || {
        let mine = TVar::new(0);
        let attempts = while_held(&mine, || {
            let hasty = Transaction::new().timeout(Duration::ZERO);
            let outcome = hasty.run(|tx| mine.write(tx, 1000));
            assert!(
                matches!(outcome, Ok(()) | Err(Stopped::TimedOut)),
                "{outcome:?}"
            );
            // Past the lease everybody goes on.
            atomically(|tx| mine.write(tx, 2000));
            block_on(atomically_async(|tx| mine.write(tx, 3000)));
            mine.store(4000);
        });
        assert!(
            attempts > FAILURES + 1,
            "the lease ran out, so the holder had to begin again: {attempts}"
        );
        assert_eq!(mine.load(), 4000);
    });
}

/// A holder that waits for a change of what it has read lets go before.
#[test]
fn holder_retries() {
    watched("holder_retries", || {
        for as_task in [false, true] {
            let (x, door) = (TVar::new(0i64), TVar::new(false));
            let asked = AtomicBool::new(false);
            let body = |tx: &mut Tx<'_>| {
                let n = x.read(tx)?;
                if tx.attempt() <= FAILURES {
                    elsewhere(|| x.store(n + 1));
                    x.write(tx, n)?;
                    return Ok(0);
                }
                let open = door.read(tx)?;
                asked.store(true, Ordering::Relaxed);
                if open { Ok(tx.attempt()) } else { retry() }
            };
            std::thread::scope(|s| {
                let waiting = s.spawn(|| {
                    if as_task {
                        block_on(atomically_async(body))
                    } else {
                        atomically(body)
                    }
                });
                common::wait_until(|| asked.load(Ordering::Relaxed));
                atomically(|tx| {
                    let n = x.read(tx)?;
                    x.write(tx, n + 1)?;
                    door.write(tx, true)
                });
                assert!(waiting.join().unwrap() > FAILURES);
            });
        }
    });
}

/// A holder that waits in its body for a thread which must write what the holder has read: the lease ends it.
#[test]
fn holder_joins() {
    watched("holder_joins", || {
        let x = TVar::new(0i64);
        let joined = AtomicU32::new(0);
        let last = FAILURES + 4;
        let attempts = atomically(|tx| {
            let n = x.read(tx)?;
            if tx.attempt() <= last {
                // Beyond `FAILURES` it holds the token, and this other one is stopped by it.
                elsewhere(|| atomically(|tx| x.modify(tx, |n| n + 1)));
                joined.fetch_add(1, Ordering::Relaxed);
            }
            x.write(tx, n + 1)?;
            Ok(tx.attempt())
        });
        assert_eq!((attempts, joined.into_inner()), (last + 1, last));
        assert_eq!(x.load(), i64::from(last) + 1);
    });
}

/// Fails `n` times over `x`, then writes it.
fn failing(n: u32, x: &TVar<i64>, mut more: impl FnMut(&mut Tx<'_>)) {
    atomically(|tx| {
        let v = x.read(tx)?;
        if tx.attempt() <= n {
            elsewhere(|| x.store(v + 1));
        }
        more(tx);
        x.write(tx, v + 100)
    });
}

/// A holder that waits for one who wants the token itself: its lease ends that, too.
#[test]
fn holder_joins_one_who_wants_the_token() {
    watched("holder_joins_claimant", || {
        let (x, y) = (TVar::new(0), TVar::new(0));
        failing(FAILURES, &x, |tx| {
            if tx.attempt() == FAILURES + 1 {
                elsewhere(|| failing(FAILURES + 2, &y, |_| ()));
            }
        });
    });
}

/// An abort hook of a holder that is to try again runs while the token is held.
#[test]
fn an_abort_hook_of_the_holder_may_want_the_token() {
    watched("holder_abort_hook", || {
        let (x, y) = (TVar::new(0), TVar::new(0));
        failing(FAILURES + 2, &x, |tx| {
            if tx.attempt() == FAILURES + 2 {
                let y = y.clone();
                tx.on_abort(move || failing(FAILURES + 2, &y, |_| ()));
            }
        });
    });
}

/// The result of a failed attempt is dropped on the way; should that unwind, the token does not go with it.
#[test]
fn a_result_whose_drop_panics_leaves_the_token() {
    struct Explodes(bool);
    impl Drop for Explodes {
        fn drop(&mut self) {
            assert!(!self.0, "on purpose");
        }
    }

    watched("result_drop_panics", || {
        let x = TVar::new(0);
        let message = common::fire::panic_of(|| {
            atomically(|tx| {
                let v = x.read(tx)?;
                elsewhere(|| x.store(v + 1));
                x.write(tx, v + 100)?;
                Ok(Explodes(tx.attempt() == FAILURES + 2))
            });
        });
        assert!(message.contains("on purpose"), "{message}");
        failing(FAILURES + 2, &x, |_| ());
    });
}

/// Wakers of tasks that wait for the token are user code: they run outside, and go with their tasks.
#[test]
fn wakers_of_those_who_wait_for_the_token_run_outside() {
    struct Probe(std::sync::Mutex<Vec<bool>>);
    impl std::task::Wake for Probe {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.lock().unwrap().push(stm_core::in_transaction());
        }
    }

    watched("token_wakers", || {
        let probe = std::sync::Arc::new(Probe(std::sync::Mutex::new(Vec::new())));
        let y = TVar::new(0i64);
        let wanting = || {
            let y = y.clone();
            atomically_async(move |tx| {
                let v = y.read(tx)?;
                if tx.attempt() <= FAILURES {
                    elsewhere(|| y.store(v + 1));
                }
                y.write(tx, v + 100)
            })
        };
        let mine = TVar::new(0);
        while_held(&mine, || {
            let waker = probe.clone().into();
            let mut kept = wanting();
            // Polled over and over, and dropped: it leaves nothing behind.
            let mut dropped = wanting();
            for _ in 0..100 {
                if common::poll(&mut dropped, &waker).is_ready() {
                    break;
                }
            }
            drop(dropped);
            let clones = std::sync::Arc::strong_count(&probe);
            assert!(clones <= 4, "{clones} wakers are kept");
            let _ = common::poll(&mut kept, &waker);
        });
        assert!(probe.0.lock().unwrap().iter().all(|inside| !inside));
    });
}

/// Whatever a holder's call comes to, the token is free afterwards.
#[test]
fn the_token_comes_back() {
    watched("token_comes_back", || {
        let x = TVar::new(0i64);
        let fails = |tx: &mut Tx<'_>| -> stm_core::Stm<()> {
            let n = x.read(tx)?;
            elsewhere(|| x.store(n + 1));
            x.write(tx, n)
        };
        for _ in 0..3 {
            let limited = Transaction::new().max_attempts(FAILURES + 2);
            assert_eq!(limited.run(fails), Err(Stopped::TooManyAttempts));
            assert_eq!(
                block_on(limited.run_async(fails)),
                Err(Stopped::TooManyAttempts)
            );
            common::fire::panic_of(|| {
                atomically(|tx| {
                    if tx.attempt() == FAILURES + 2 {
                        panic!("as a holder");
                    }
                    fails(tx)
                });
            });
            let refused = Transaction::new().try_run(|tx| {
                if tx.attempt() == FAILURES + 2 {
                    return stm_core::abort::<(), _>("as a holder");
                }
                Ok(fails(tx)?)
            });
            assert!(refused.is_err());
        }
        // Were it still held, this elder would stand in line for ever.
        let most = AtomicU32::new(0);
        let attempts = while_held(&x, || {});
        assert!(attempts > FAILURES, "{attempts} {most:?}");
    });
}
