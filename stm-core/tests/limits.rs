//! Limits: deadlines, numbers of attempts, waits that give way, and timers.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::fire::{elsewhere, panic_of};
use common::{Wakes, block_on, poll, wait_until, watched_alone};
use stm_core::diagnostics::registered_waits;
use stm_core::{
    Stm, Stopped, TVar, Timer, Transaction, TryStopped, Tx, abort, atomically, atomically_async,
    check, retry, snapshot,
};

const SHORT: Duration = Duration::from_millis(20);
/// Never over within a test.
const LONG: Duration = Duration::from_secs(1000);

fn reach(tx: &mut Tx<'_>, x: &TVar<i64>, n: i64) -> Stm<i64> {
    let now = x.read(tx)?;
    check(now >= n)?;
    Ok(now)
}

/// Meets a conflict in every attempt.
fn hopeless(tx: &mut Tx<'_>, x: &TVar<i64>) -> Stm<()> {
    let n = x.read(tx)?;
    elsewhere(|| x.store(n + 1));
    x.write(tx, n)
}

#[test]
fn a_timeout_ends_a_wait() {
    watched_alone("timeout_wait", || {
        let x = TVar::new(0);
        let began = Instant::now();
        let limited = Transaction::new().timeout(SHORT);
        assert_eq!(limited.run(|tx| reach(tx, &x, 1)), Err(Stopped::TimedOut));
        assert!(began.elapsed() >= SHORT, "not before its time");
        assert_eq!(
            block_on(limited.run_async(|tx| reach(tx, &x, 1))),
            Err(Stopped::TimedOut)
        );
        assert_eq!(
            limited.try_run(|tx| {
                x.write(tx, 5)?;
                retry()?;
                abort::<(), _>("no")
            }),
            Err(TryStopped::Stopped(Stopped::NothingToWaitFor)),
        );
        assert_eq!((x.load(), registered_waits()), (0, 0));
    });
}

#[test]
fn a_timeout_ends_endless_conflict() {
    watched_alone("timeout_conflict", || {
        let x = TVar::new(0);
        let limited = Transaction::new().timeout(SHORT);
        assert_eq!(limited.run(|tx| hopeless(tx, &x)), Err(Stopped::TimedOut));
        let stopped = block_on(limited.run_async(|tx| hopeless(tx, &x)));
        assert_eq!(stopped, Err(Stopped::TimedOut));
    });
}

#[test]
fn a_zero_timeout_tries_once() {
    watched_alone("timeout_zero", || {
        let x = TVar::new(0);
        let at_once = Transaction::new().timeout(Duration::ZERO);
        assert_eq!(at_once.run(|tx| x.modify(tx, |n| n + 1)), Ok(()));
        assert_eq!(
            block_on(at_once.run_async(|tx| x.modify(tx, |n| n + 1))),
            Ok(())
        );
        assert_eq!(x.load(), 2);
        let runs = AtomicU32::new(0);
        let waiting = |tx: &mut Tx<'_>| {
            runs.fetch_add(1, Ordering::Relaxed);
            reach(tx, &x, 9)
        };
        assert_eq!(at_once.run(waiting), Err(Stopped::TimedOut));
        assert_eq!(block_on(at_once.run_async(waiting)), Err(Stopped::TimedOut));
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn attempts_are_counted() {
    watched_alone("max_attempts", || {
        let x = TVar::new(0);
        for most in [1, 3] {
            let limited = Transaction::new().max_attempts(most);
            let runs = AtomicU32::new(0);
            let body = |tx: &mut Tx<'_>| {
                runs.fetch_add(1, Ordering::Relaxed);
                hopeless(tx, &x)
            };
            assert_eq!(limited.run(body), Err(Stopped::TooManyAttempts));
            assert_eq!(
                block_on(limited.run_async(body)),
                Err(Stopped::TooManyAttempts)
            );
            assert_eq!(runs.load(Ordering::Relaxed), 2 * most);
        }
        let message = panic_of(|| Transaction::new().max_attempts(0));
        assert!(message.contains("allow at least 1"), "{message}");
    });
}

#[test]
fn limits_that_are_not_reached_change_nothing() {
    watched_alone("limits_unreached", || {
        let x = TVar::new(0);
        let generous = Transaction::new()
            .named("generous")
            .timeout(Duration::MAX)
            .max_attempts(u32::MAX);
        assert_eq!(generous.run(|tx| x.modify(tx, |n| n + 1)), Ok(()));
        let user = generous.try_run(|tx| {
            x.write(tx, 100)?;
            abort::<(), _>("mine")
        });
        assert_eq!((user, x.load()), (Err(TryStopped::User("mine")), 1));
        let message = panic_of(|| atomically(|_| Ok(generous.run(|tx| x.read(tx)))));
        assert!(message.contains("inside a transaction"), "{message}");

        std::thread::scope(|s| {
            let waiting = s.spawn(|| Transaction::new().timeout(LONG).run(|tx| reach(tx, &x, 2)));
            wait_until(|| registered_waits() > 0);
            x.store(2);
            assert_eq!(waiting.join().unwrap(), Ok(2));
        });
    });
}

/// Before its time it waits, though the other branch could go on; after it, the other branch goes on.
#[test]
fn retry_until_gives_way_at_its_time() {
    watched_alone("retry_until", || {
        let x = TVar::new(0);
        let body = |until: Instant| {
            let x = x.clone();
            move |tx: &mut Tx<'_>| {
                tx.or_else(
                    |tx| match x.read(tx)? {
                        0 => {
                            x.write(tx, -1)?;
                            tx.retry_until(until)
                        }
                        n => Ok(Some(n)),
                    },
                    |tx| {
                        assert_eq!(x.read(tx)?, 0, "the first branch is undone");
                        Ok(None)
                    },
                )
            }
        };
        let until = Instant::now() + SHORT;
        assert_eq!(atomically(body(until)), None);
        assert!(Instant::now() >= until);
        let until = Instant::now() + SHORT;
        assert_eq!(block_on(atomically_async(body(until))), None);
        assert!(Instant::now() >= until);
        // What is past gives way at once.
        assert_eq!(atomically(body(until)), None);

        // A change ends the wait before.
        let far = Instant::now() + LONG;
        std::thread::scope(|s| {
            let waiting = s.spawn(|| atomically(body(far)));
            wait_until(|| registered_waits() > 0);
            x.store(3);
            assert_eq!(waiting.join().unwrap(), Some(3));
        });
        x.store(0);
        let (wakes, waker) = Wakes::new();
        let mut task = atomically_async(body(far));
        assert!(poll(&mut task, &waker).is_pending());
        x.store(4);
        assert_eq!(wakes.count(), 1);
        assert_eq!(poll(&mut task, &waker), std::task::Poll::Ready(Some(4)));
        assert_eq!(registered_waits(), 0);
    });
}

/// A body that throws a `retry_until` away and retries for something else waits for that.
#[test]
fn a_retry_until_that_is_thrown_away_ends_no_other_wait() {
    watched_alone("thrown_away", || {
        let x = TVar::new(0);
        let runs = AtomicU32::new(0);
        std::thread::scope(|s| {
            let waiting = s.spawn(|| {
                atomically(|tx| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    let _ = tx.retry_until::<()>(Instant::now() + SHORT);
                    reach(tx, &x, 1)
                })
            });
            wait_until(|| registered_waits() > 0);
            // Longer than the one that was thrown away.
            let pause = Timer::after(3 * SHORT);
            atomically(|tx| pause.wait(tx));
            x.store(1);
            assert_eq!(waiting.join().unwrap(), 1);
        });
        assert_eq!(runs.into_inner(), 2);
    });
}

/// .. nor the wait of a later transaction.
#[test]
fn a_retry_until_that_is_thrown_away_is_forgotten() {
    watched_alone("retry_until_forgotten", || {
        let x = TVar::new(0);
        atomically(|tx| {
            let _ = tx.retry_until::<()>(Instant::now() + Duration::from_millis(5));
            x.read(tx)
        });
        let until = Instant::now() + Duration::from_millis(50);
        let attempts = atomically(|tx| {
            tx.or_else(
                |tx| {
                    x.read(tx)?;
                    tx.retry_until(until)
                },
                |tx| Ok(tx.attempt()),
            )
        });
        assert!(attempts <= 2, "{attempts} attempts");
    });
}

#[test]
fn a_timer_that_is_made_in_a_hook_rings_there() {
    watched_alone("timer_in_hook", || {
        atomically(|tx| {
            tx.on_commit(|| {
                let timer = Timer::after(SHORT);
                atomically(|tx| timer.wait(tx));
            });
            Ok(())
        });
    });
}

#[test]
fn no_wait_outlives_the_deadline_of_the_whole() {
    watched_alone("inner_deadline", || {
        let far = Instant::now() + LONG;
        let limited = Transaction::new().timeout(SHORT);
        // Nothing was read: it waits for the time alone.
        let body = |tx: &mut Tx<'_>| tx.retry_until::<()>(far);
        assert_eq!(limited.run(body), Err(Stopped::TimedOut));
        assert_eq!(block_on(limited.run_async(body)), Err(Stopped::TimedOut));
        let near = Instant::now() + SHORT;
        let alone = Transaction::new()
            .timeout(LONG)
            .run(|tx| tx.retry_until::<()>(near));
        assert_eq!(
            alone,
            Err(Stopped::NothingToWaitFor),
            "then it is a plain retry"
        );
    });
}

#[test]
fn dropping_a_task_with_a_deadline_leaves_nothing() {
    watched_alone("cancel_limited", || {
        let x = TVar::new(0);
        let (wakes, waker) = Wakes::new();
        let mut task = Transaction::new()
            .timeout(SHORT)
            .run_async(|tx| reach(tx, &x, 1));
        assert!(poll(&mut task, &waker).is_pending());
        assert_eq!(registered_waits(), 1);
        drop(task);
        assert_eq!(registered_waits(), 0);
        // An alarm for later: when it has rung, the earlier one would have, too.
        block_on(
            Transaction::new()
                .timeout(2 * SHORT)
                .run_async(|tx| reach(tx, &x, 1)),
        )
        .expect_err("its time comes");
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn timers_ring_once_set() {
    watched_alone("timer_rings", || {
        let began = Instant::now();
        let timer = Timer::after(SHORT);
        atomically(|tx| timer.wait(tx));
        assert!(began.elapsed() >= SHORT);
        assert!(snapshot(|s| timer.has_rung(s)));
        // Rung is a state that lasts, for tasks as for threads.
        block_on(atomically_async(|tx| timer.wait(tx)));
        assert!(!atomically(|tx| timer.stop(tx)), "too late");
        assert!(!snapshot(|s| timer.has_rung(s)));
    });
}

#[test]
fn timers_are_stopped_and_set_anew_by_transactions() {
    watched_alone("timer_reset", || {
        let timer = Timer::after(SHORT);
        assert!(atomically(|tx| timer.stop(tx)));
        assert_eq!(snapshot(|s| timer.rings_at(s)), None);
        let later = Timer::after(2 * SHORT);
        atomically(|tx| later.wait(tx));
        assert!(!snapshot(|s| timer.has_rung(s)), "stopped");

        // Of many settings the last counts; those that are undone do not.
        let far = Instant::now() + LONG;
        for _ in 0..1000 {
            atomically(|tx| timer.set(tx, far));
        }
        let soon = Instant::now() + SHORT;
        atomically(|tx| {
            timer.set(tx, soon)?;
            tx.optionally(|tx| {
                timer.set(tx, far)?;
                retry::<()>()
            })
        });
        assert_eq!(snapshot(|s| timer.rings_at(s)), Some(soon));
        atomically(|tx| timer.wait(tx));
        assert!(Instant::now() >= soon);
    });
}

#[test]
fn a_clone_is_the_same_timer() {
    watched_alone("timer_clone", || {
        let timer = Timer::after(LONG);
        let second = timer.clone();
        drop(timer);
        assert!(atomically(|tx| second.stop(tx)), "still set");
        assert!(!format!("{second:?}").is_empty());
    });
}
