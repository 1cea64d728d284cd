//! Who sleeps, since when, and what for.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use common::sight::labelled;
use common::{poll, wait_until, watched_alone};
use stm_core::diagnostics::{Awaited, Cause, Sleeper, stats, waiting};
use stm_core::{
    Abort, Decision, Stopped, TVar, Transaction, Tx, atomically, atomically_async, check, snapshot,
};

#[test]
fn waiting_shows_who_sleeps_and_on_what() {
    watched_alone("waiting_shows_who_sleeps_and_on_what", || {
        let (door, bell, nameless) = (
            labelled::<i64>("door"),
            labelled::<i64>("bell"),
            TVar::new(0),
        );
        let start = Instant::now();
        let any = |tx: &mut Tx<'_>| {
            let open = door.read(tx)? + bell.read(tx)? + nameless.read(tx)?;
            check(open > 0)
        };
        std::thread::scope(|s| {
            let enter = Transaction::new().named("enter");
            std::thread::Builder::new()
                .name("sleeper".into())
                .spawn_scoped(s, move || enter.run(any).expect("no limits"))
                .expect("a thread");
            wait_until(|| waiting().iter().any(|wait| wait.variables.len() == 3));
            let mut task = atomically_async(|tx| check(bell.read(tx)? > 0));
            assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);

            let list = waiting();
            let [thread, sleeping_task] = &list[..] else {
                panic!("{list:?}")
            };
            let Sleeper::Thread { name, .. } = &thread.who else {
                panic!("{thread:?}")
            };
            assert_eq!(name.as_deref(), Some("sleeper"));
            assert!(list.iter().all(|wait| wait.awaited == Awaited::Write));
            assert_eq!(thread.origin.name(), "enter");
            let labels: Vec<_> = thread.variables.iter().map(|v| v.label()).collect();
            assert_eq!(labels, [Some("bell"), Some("door"), None]);
            let shown = format!("{nameless:?}");
            assert_eq!(shown, thread.variables[2].to_string());
            assert!(thread.since >= start && sleeping_task.since >= thread.since);
            let shown = thread.to_string();
            assert!(
                shown.contains("\"sleeper\"") && shown.contains("on bell, door, "),
                "{shown}"
            );
            assert_eq!(sleeping_task.who, Sleeper::Task);
            assert_eq!(sleeping_task.origin.name(), "atomically_async");

            drop(task);
            assert_eq!(waiting().len(), 1, "the task's is cancelled");
            nameless.store(1);
            assert!(
                waiting().is_empty(),
                "it may not run yet, but it does not wait any more"
            );
        });
        assert!(waiting().is_empty());
    });
}

/// Runs `beside` while a decider that rests on `var`, and on something else, has not answered; it says Commit then.
fn while_undecided(var: &TVar<i64>, beside: impl FnOnce()) {
    let ledger = labelled::<i64>("ledger");
    let (tell, asked) = mpsc::channel();
    let (end, over) = mpsc::channel::<()>();
    std::thread::scope(|s| {
        s.spawn(move || {
            atomically(|tx| {
                ledger.write(tx, 1)?;
                var.modify(tx, |n| n + 1)?;
                tx.decide(|| {
                    tell.send(()).expect("somebody listens");
                    // Also when `beside` has panicked.
                    let _ = over.recv();
                    Decision::Commit
                })
                .map_err(Abort::into_control)
            });
        });
        asked.recv().expect("it is asked");
        beside();
        drop(end);
    });
}

/// Between attempts and in the middle of one, threads and tasks: all are shown, with the variable that keeps each, and counted.
#[test]
fn waiting_shows_who_sleeps_until_a_decision() {
    watched_alone("waiting_shows_who_sleeps_until_a_decision", || {
        let (till, other) = (labelled::<i64>("till"), labelled::<i64>("other"));
        type Way = (&'static str, fn(&TVar<i64>));
        let ways: [Way; 6] = [
            ("buy", |till| {
                let buy = Transaction::new().named("buy");
                buy.run(|tx| till.modify(tx, |n| n + 1)).expect("no limits");
            }),
            ("snapshot", |till| _ = snapshot(|s| till.read(s))),
            ("TVar::load", |till| _ = till.load()),
            ("TVar::store", |till| till.store(5)),
            ("TVar::swap", |till| _ = till.swap(6)),
            ("TVar::glance", |till| {
                _ = atomically(|tx| Ok(till.glance(tx)));
            }),
        ];
        let mut task = atomically_async(|tx| {
            other.read(tx)?;
            till.read(tx)
        });
        let before = stats();
        std::thread::scope(|s| {
            while_undecided(&till, || {
                let till = &till;
                for (_, way) in ways {
                    s.spawn(move || way(till));
                }
                assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
                wait_until(|| waiting().len() == ways.len() + 1);
                let list = waiting();
                for wait in &list {
                    assert_eq!(wait.awaited, Awaited::Decision);
                    let labels: Vec<_> = wait.variables.iter().map(|v| v.label()).collect();
                    assert_eq!(labels, [Some("till")], "{wait}");
                    let shown = wait.to_string();
                    assert!(shown.ends_with("for a decision on till"), "{shown}");
                    let is_here = wait.origin.location().file().ends_with("sight_waits.rs");
                    assert!(is_here, "{wait}");
                }
                let mut names: Vec<_> = list.iter().map(|wait| wait.origin.name()).collect();
                names.sort_unstable();
                let mut expected: Vec<_> = ways.iter().map(|(name, _)| *name).collect();
                expected.push("atomically_async");
                expected.sort_unstable();
                assert_eq!(names, expected);
                let tasks = list.iter().filter(|wait| wait.who == Sleeper::Task);
                assert_eq!(tasks.count(), 1);
            });
            assert!(
                waiting().is_empty(),
                "they may not run yet, but the decision is there"
            );
        });
        assert!(poll(&mut task, Waker::noop()).is_ready());
        let between = stats().since(&before);
        assert_eq!(between.decisions_awaited, 7, "{between}");
        assert_eq!(between.aborts_by(Cause::Undecided), 3, "{between}");
        assert_eq!((between.waits, between.wakes), (0, 0), "{between}");
    });
}

/// One that is cancelled is not shown any more; one whose time is over neither.
#[test]
fn who_gives_up_waiting_for_a_decision_is_gone() {
    watched_alone("who_gives_up_waiting_for_a_decision_is_gone", || {
        let till = labelled::<i64>("till");
        while_undecided(&till, || {
            let mut task = atomically_async(|tx| till.read(tx));
            assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
            assert_eq!(waiting().len(), 1);
            drop(task);
            assert!(waiting().is_empty());
            let hasty = Transaction::new().timeout(Duration::from_millis(5));
            assert_eq!(hasty.run(|tx| till.read(tx)), Err(Stopped::TimedOut));
            assert!(waiting().is_empty());
        });
    });
}
