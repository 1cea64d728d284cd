//! P4: what a holder of the token does to others, seen by one that holds it for seconds: it has failed so often under the token that
//! its lease outlasts whatever a busy machine does in between.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
#[path = "common/failures.rs"]
mod failures;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::decided::decided;
use common::fire::{elsewhere, tick};
use common::sight::a_conflict;
use common::{Wakes, poll, wait_until, watched_alone};
use failures::FAILURES;
use stm_core::diagnostics::{Cause, registered_waits, stats, waiting};
use stm_core::{
    Decision, Stm, Stopped, TVar, Transaction, Tx, atomically, atomically_async, retry,
};

/// Runs `body` as the holder. Ten attempts have failed under the token by then, so that the lease is of four seconds.
fn with_time<R>(mut body: impl FnMut(&mut Tx<'_>) -> Stm<R>) -> R {
    let conflict = a_conflict();
    atomically(|tx| {
        if tx.attempt() <= FAILURES + 10 {
            return Err(conflict);
        }
        body(tx)
    })
}

/// An attempt of a rival, which gives way at once or gets through.
fn once(mut body: impl FnMut(&mut Tx<'_>) -> Stm<()> + Send) -> Result<(), Stopped> {
    elsewhere(|| Transaction::new().timeout(Duration::ZERO).run(&mut body))
}

/// A holder that sleeps has let go: who changes what it waits for is not stopped by it.
#[test]
fn a_sleeping_holder_stops_nobody() {
    watched_alone("sleeping_holder", || {
        let x = TVar::new(0);
        std::thread::scope(|s| {
            let sleeper = s.spawn(|| {
                with_time(|tx| match x.read(tx)? {
                    0 => retry(),
                    n => Ok(n),
                })
            });
            wait_until(|| registered_waits() > 0);
            assert_eq!(once(|tx| x.write(tx, 5)), Ok(()));
            assert_eq!(sleeper.join().unwrap(), 5);
        });
    });
}

/// What a holder has read first is kept for it also when it has read so much that its filter had to grow.
#[test]
fn a_filter_that_grows_forgets_nothing() {
    watched_alone("filter_grows", || {
        let all: Vec<_> = (0..1200).map(TVar::new).collect();
        with_time(|tx| {
            for x in &all {
                x.read(tx)?;
            }
            for x in all.iter().step_by(100) {
                assert_eq!(once(|tx| x.write(tx, 0)), Err(Stopped::TimedOut));
            }
            Ok(())
        });
    });
}

/// The filter of a holder says nothing of what others have read under the token before.
#[test]
fn a_filter_begins_empty() {
    watched_alone("filter_begins", || {
        let (before, now) = (TVar::new(0), TVar::new(0));
        with_time(|tx| before.read(tx));
        with_time(|tx| {
            now.read(tx)?;
            assert_eq!(once(|tx| before.write(tx, 1)), Ok(()));
            Ok(())
        });
        assert_eq!(before.load(), 1);
    });
}

/// One that waits for a lock holds others, and the holder may want one of these: it looks while it waits.
#[test]
fn who_waits_for_a_lock_gives_way() {
    watched_alone("gives_way_waiting", || {
        let mut vars = [TVar::new(0), TVar::new(0)];
        // The order of the locks.
        vars.sort_by_key(|x| {
            let place = format!("{x:?}");
            (place.len(), place)
        });
        let [read, locked] = &vars;
        static IS_LOCKED: AtomicBool = AtomicBool::new(false);
        static GO_ON: AtomicBool = AtomicBool::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                atomically(|tx| {
                    // Applied under the lock, and takes its time.
                    locked.commute(tx, |n| {
                        IS_LOCKED.store(true, Ordering::Release);
                        wait_until(|| GO_ON.load(Ordering::Acquire));
                        n + 1
                    })
                });
            });
            wait_until(|| IS_LOCKED.load(Ordering::Acquire));
            with_time(|tx| {
                read.read(tx)?;
                let before = stats();
                let rival = once(|tx| {
                    read.write(tx, 1)?;
                    locked.write(tx, 1)
                });
                let between = stats().since(&before);
                assert_eq!(rival, Err(Stopped::TimedOut));
                assert_eq!(between.aborts_by(Cause::GaveWay), 1, "{between}");
                Ok(())
            });
            GO_ON.store(true, Ordering::Release);
        });
        assert_eq!((read.load(), locked.load()), (0, 1));
    });
}

/// A task that returns to its executor lets go before: nobody knows when it is polled again.
#[test]
fn a_task_between_polls_stops_nobody() {
    watched_alone("holder_between_polls", || {
        let x = TVar::new(0);
        let conflict = a_conflict();
        let mut task = atomically_async(|tx| {
            x.read(tx)?;
            Err::<(), _>(conflict)
        });
        // Long enough for a dozen attempts under the token, whoever else wants it.
        for _ in 0..10 {
            let (_, waker) = Wakes::new();
            assert!(poll(&mut task, &waker).is_pending());
            assert_eq!(once(|tx| x.write(tx, 1)), Ok(()));
        }
    });
}

/// A task that waited for the token has its waker there; when it does so no more, it has not.
#[test]
fn a_task_that_waits_no_more_leaves_no_waker() {
    watched_alone("holder_task_waits", || {
        let conflict = a_conflict();
        with_time(|_| {
            let (wakes, waker) = Wakes::new();
            elsewhere(|| {
                let mut task = atomically_async(|tx| {
                    if tx.attempt() <= FAILURES {
                        return Err(conflict);
                    }
                    Ok(())
                });
                for _ in 0..20 {
                    assert!(poll(&mut task, &waker).is_pending());
                }
            });
            assert_eq!(Arc::strong_count(&wakes), 2, "ours, and the waker");
            Ok(())
        });
    });
}

/// What follows a commit is no part of it: hooks may wait for others, so they run without the token.
#[test]
fn hooks_of_a_holder_stop_nobody() {
    watched_alone("holder_hooks", || {
        let x = TVar::new(0);
        with_time(|tx| {
            x.read(tx)?;
            let x = x.clone();
            tx.on_commit(move || x.store(i64::from(once(|tx| x.write(tx, 1)).is_ok())));
            Ok(())
        });
        assert_eq!(x.load(), 1);
    });
}

/// The holder's next transaction is one like any other: it reads on in the past where it would otherwise start over for ever.
#[test]
fn who_has_been_the_holder_is_like_any_other() {
    watched_alone("has_been_holder", || {
        let pair = [TVar::new(0), TVar::new(0)];
        with_time(|tx| pair[0].read(tx));
        let attempts = atomically(|tx| {
            let left = pair[0].read(tx)?;
            elsewhere(|| {
                tick();
                atomically(|tx| pair.iter().try_for_each(|x| x.write(tx, left + 1)));
            });
            assert_eq!(left, pair[1].read(tx)?);
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 2);
    });
}

/// A holder waits for a decision no longer than its lease. Then it sleeps like others, once.
#[test]
fn a_holder_that_has_waited_in_vain_is_gone() {
    watched_alone("holder_waited", || {
        let x = TVar::new(0);
        let conflict = a_conflict();
        let (undecided, is_undecided) = std::sync::mpsc::channel();
        std::thread::scope(|s| {
            let x = &x;
            s.spawn(move || {
                is_undecided.recv().expect("it is asked");
                atomically(|tx| {
                    if tx.attempt() <= FAILURES {
                        return Err(conflict);
                    }
                    x.modify(tx, |n| n + 1)
                });
            });
            let answer = decided(
                |tx| Ok::<_, stm_core::Abort<()>>(x.write(tx, 5)?),
                |()| {
                    let before = stats();
                    undecided.send(()).expect("the other waits");
                    let in_vain = || stats().since(&before).aborts_by(Cause::Undecided) > 0;
                    wait_until(in_vain);
                    wait_until(|| !waiting().is_empty());
                    assert_eq!(waiting().len(), 1);
                    Decision::Commit
                },
            );
            assert_eq!(answer, Ok(()));
        });
        assert_eq!(x.load(), 6);
    });
}

/// A holder whose call ends, by whatever way, takes nothing with it: others are not stopped afterwards.
#[test]
fn a_call_that_is_over_stops_nobody() {
    watched_alone("holder_over", || {
        let x = TVar::new(0);
        let conflict = a_conflict();
        let limited = Transaction::new().max_attempts(FAILURES + 10);
        let ended = limited.run(|tx| {
            x.read(tx)?;
            Err::<(), _>(conflict)
        });
        assert_eq!(ended, Err(Stopped::TooManyAttempts));
        assert_eq!(once(|tx| x.write(tx, 1)), Ok(()));
        with_time(|tx| x.read(tx));
        assert_eq!(once(|tx| x.write(tx, 2)), Ok(()));
        assert_eq!(x.load(), 2);
    });
}
