//! What is counted is what has happened: how often, why, over which variable.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Poll, Waker};
use std::time::Duration;

use common::fire::{Boxed, elsewhere, panic_of};
use common::sight::{a_conflict, aborts_once, during, labelled, set_both, while_locked};
use common::{Value, block_on, poll, watched_alone};
use stm_core::diagnostics::{Cause, Stats, clear_hot_vars, hot_vars, stats};
use stm_core::{
    Stm, Stopped, TVar, Transaction, abort, atomically, atomically_async, check, snapshot,
    try_atomically,
};

#[test]
fn a_read_that_changed_is_counted_and_blamed() {
    watched_alone("a_read_that_changed_is_counted_and_blamed", || {
        let (a, b, own) = (labelled::<i64>("a"), labelled::<i64>("b"), TVar::new(0));
        aborts_once(Cause::ReadChanged, Some("a"), || {
            atomically(|tx| {
                own.write(tx, 1)?; // so that it cannot go on as a snapshot
                a.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| set_both(&a, &b));
                }
                b.read(tx)
            });
        });
    });
}

#[test]
fn a_read_that_changed_before_the_commit_is_counted_and_blamed() {
    watched_alone("a_read_that_changed_before_the_commit", || {
        let (a, b) = (labelled::<i64>("a"), labelled::<i64>("b"));
        aborts_once(Cause::CommitChanged, Some("a"), || {
            atomically(|tx| {
                let n = a.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| a.store(5));
                }
                b.write(tx, n + 1)
            });
        });
        assert_eq!(b.load(), 6);
    });
}

#[test]
fn a_lock_that_stays_is_counted_and_blamed() {
    watched_alone("a_lock_that_stays_is_counted_and_blamed", || {
        let once = Transaction::new().max_attempts(1);
        let x = labelled::<i64>("x");
        while_locked(&x, || {
            aborts_once(Cause::ReadLocked, Some("x"), || {
                let ended = once.run(|tx| x.read(tx));
                assert_eq!(ended, Err(Stopped::TooManyAttempts));
            });
            aborts_once(Cause::CommitLocked, Some("x"), || {
                let ended = once.run(|tx| x.write(tx, 9));
                assert_eq!(ended, Err(Stopped::TooManyAttempts));
            });
        });
        assert_eq!(x.load(), 1);
    });
}

#[test]
fn an_old_value_that_is_gone_is_counted_and_blamed() {
    watched_alone("an_old_value_that_is_gone_is_counted_and_blamed", || {
        let (boxed, inline) = (labelled::<Boxed>("boxed"), labelled::<i64>("inline"));
        aborts_once(Cause::OldValueGone, Some("inline"), || {
            atomically(|tx| {
                boxed.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| set_both(&boxed, &inline));
                }
                inline.read(tx)
            });
        });
    });
}

#[test]
fn a_write_in_a_snapshot_blames_what_made_it_one() {
    watched_alone("a_write_in_a_snapshot_blames_what_made_it_one", || {
        let (a, b) = (labelled::<Boxed>("a"), labelled::<Boxed>("b"));
        aborts_once(Cause::WroteInSnapshot, Some("a"), || {
            atomically(|tx| {
                a.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| set_both(&a, &b));
                }
                b.read(tx)?;
                b.write(tx, Boxed::of(2))
            });
        });
    });
}

/// Bodies that go wrong by themselves blame nobody.
#[test]
fn the_bodys_own_doing_is_counted_without_blame() {
    watched_alone("the_bodys_own_doing_is_counted_without_blame", || {
        let x = labelled::<i64>("x");
        aborts_once(Cause::Swallowed, None, || {
            atomically(|tx| {
                if tx.attempt() == 1 {
                    let caught =
                        catch_unwind(AssertUnwindSafe(|| x.modify(tx, |_| panic!("on purpose"))));
                    caught.expect_err("on purpose");
                }
                Ok(())
            });
        });
        aborts_once(Cause::CommutePanicked, None, || {
            panic_of(|| atomically(|tx| x.commute(tx, |_| panic!("on purpose"))));
        });
        let kept = a_conflict();
        aborts_once(Cause::Foreign, None, || {
            atomically(|tx| if tx.attempt() == 1 { Err(kept) } else { Ok(()) });
        });
    });
}

#[test]
fn giving_way_is_counted_and_blamed() {
    watched_alone("giving_way_is_counted_and_blamed", || {
        let x = labelled::<i64>("x");
        let once = Transaction::new().named("rival").max_attempts(1);
        clear_hot_vars();
        let between = during(|| {
            let mut gave_way = false;
            atomically(|tx| {
                let n = x.read(tx)?;
                if !gave_way {
                    // Fails this attempt, until there are so many failures that it is the rival who fails. A lease that runs
                    // out too early on a busy machine is followed by a longer one.
                    let before = stats();
                    let _ = elsewhere(|| once.run(|tx| x.write(tx, n + 1)));
                    gave_way = stats().since(&before).aborts_by(Cause::GaveWay) == 1;
                }
                x.write(tx, n + 100)
            });
        });
        assert_eq!(between.aborts_by(Cause::GaveWay), 1);
        assert_eq!(between.priorities, 1);
        let hot = hot_vars(1).remove(0);
        assert_eq!(hot.variable.label(), Some("x"));
        let rival = hot.by.iter().find(|v| v.origin.name() == "rival");
        assert_eq!(rival.map(|v| v.attempts), Some(1));
    });
}

#[test]
fn ends_that_are_no_conflicts_have_counts_of_their_own() {
    watched_alone("ends_that_are_no_conflicts", || {
        let (x, boxed, other) = (
            TVar::new(0i64),
            TVar::new(Boxed::of(0)),
            TVar::new(Boxed::of(0)),
        );
        let between = during(|| {
            let _ = try_atomically(|tx| {
                x.write(tx, 1)?;
                abort::<(), _>("on purpose")
            });
            panic_of(|| atomically(|_| -> Stm<()> { panic!("on purpose") }));
            snapshot(|s| {
                elsewhere(|| x.store(2));
                x.read(s)
            });
            atomically(|tx| {
                boxed.read(tx)?;
                elsewhere(|| set_both(&boxed, &other));
                other.read(tx)
            });
        });
        assert_eq!(between.rolled_back, 1);
        assert_eq!(between.panicked, 1);
        assert_eq!(between.history_nodes, 1);
        assert_eq!(between.conversions, 1);
        assert_eq!(between.aborts(), 0);
        assert_eq!(between.commits, 3, "the store, the rival and the reader");
    });
}

#[test]
fn counts_outlive_their_threads() {
    watched_alone("counts_outlive_their_threads", || {
        let x = TVar::new(0);
        let increment = || atomically(|tx| x.modify(tx, |n| n + 1));
        let between = during(|| {
            for _ in 0..20 {
                elsewhere(|| (0..5).for_each(|_| increment()));
                increment();
            }
            x.store(0);
            let _ = x.swap(1);
        });
        assert_eq!(between.commits, 122);
    });
}

#[test]
fn waits_and_wakes_are_counted_and_the_empty_ones_told_apart() {
    watched_alone("waits_and_wakes_are_counted", || {
        let x = TVar::new(0);
        let mut task = atomically_async(|tx| check(x.read(tx)? >= 2));
        let counts = |s: Stats| (s.waits, s.wakes, s.empty_wakes);
        let mut step = |written, expected: Poll<()>| {
            counts(during(|| {
                x.store(written);
                assert_eq!(poll(&mut task, Waker::noop()), expected);
            }))
        };
        assert_eq!(step(0, Poll::Pending), (1, 0, 0));
        assert_eq!(step(1, Poll::Pending), (1, 1, 1));
        assert_eq!(step(2, Poll::Ready(())), (0, 1, 0));

        let hasty = Transaction::new().timeout(Duration::from_millis(1));
        let never = TVar::new(false);
        let thread = during(|| {
            let ended = hasty.run(|tx| check(never.read(tx)?));
            assert_eq!(ended, Err(Stopped::TimedOut));
        });
        let task = during(|| {
            let ended = block_on(hasty.run_async(|tx| check(never.read(tx)?)));
            assert_eq!(ended, Err(Stopped::TimedOut));
        });
        for ended_by_time in [thread, task] {
            let (waits, wakes, empty) = counts(ended_by_time);
            assert!(waits <= 1, "none, if the time was over before");
            assert_eq!((wakes, empty), (0, 0));
        }
    });
}
