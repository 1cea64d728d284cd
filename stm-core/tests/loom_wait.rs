//! Models of waiting: no wake-up is lost.
//!
//! Explored: a thread, or a task, that registers for one variable or two and sleeps, against commits that change what it
//! waits for: before it registers, while it does, and after; with a committer that locks a variable and gives up; with
//! two committers of different variables; with a waiter that is dropped. A lost wake-up is a deadlock, which loom reports.
//!
//! Bounded: two or three threads, one or two variables, 2 or 3 preemptions (1 with two waiters). The table has one shard. That the table's mutex
//! orders registration and detachment is loom's doing as well as ours: `announce_waiter`'s ordering is not needed
//! beside it, so no model can miss it.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p stm-core --release --test 'loom_*'
//! ```
#![cfg(loom)]

mod loom_common;

use loom::future::block_on;
use loom::thread;
use loom_common::{Boxed, Value, Var, explore, pair, write_both};
use stm_core::{Stm, Tx, atomically, atomically_async, check, diagnostics};

/// Waits as a thread does.
fn asleep_until(condition: impl Fn(&mut Tx<'_>) -> Stm<bool>) {
    atomically(|tx| check(condition(tx)?));
}

/// Waits as a task does, polled by an executor that is woken and sometimes polls for no reason.
fn pending_until(condition: impl Fn(&mut Tx<'_>) -> Stm<bool>) {
    block_on(atomically_async(|tx| check(condition(tx)?)));
}

fn a_commit_wakes<T: Value>() {
    explore(3, || {
        let x = Var::<T>::new();
        let waiter = thread::spawn(move || asleep_until(|tx| Ok(x.read(tx)? == 1)));
        x.store(1);
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
    explore(3, || {
        let x = Var::<T>::new();
        let waiter = thread::spawn(move || pending_until(|tx| Ok(x.read(tx)? == 1)));
        x.store(1);
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}

#[test]
fn an_inline_commit_wakes() {
    a_commit_wakes::<u64>();
}

#[test]
fn a_boxed_commit_wakes() {
    a_commit_wakes::<Boxed>();
}

/// Woken by the first, it finds that it must wait on, and is woken by the second.
#[test]
fn each_of_two_commits_wakes() {
    explore(3, || {
        let x = Var::<u64>::new();
        let waiter = thread::spawn(move || asleep_until(|tx| Ok(x.read(tx)? == 2)));
        x.store(1);
        x.store(2);
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}

fn a_commit_of_either_of_two_variables_wakes<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let waiter = thread::spawn(move || asleep_until(|tx| Ok(x.read(tx)? + y.read(tx)? > 0)));
        y.store(1);
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let waiter = thread::spawn(move || pending_until(|tx| Ok(x.read(tx)? + y.read(tx)? > 0)));
        x.store(1);
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}
for_each_form!(a_commit_of_either_of_two_variables_wakes);

#[test]
fn a_commit_of_both_variables_wakes_once() {
    explore(2, || {
        let (x, y) = pair::<u64, u64>();
        let waiter = thread::spawn(move || asleep_until(|tx| Ok(x.read(tx)? + y.read(tx)? == 2)));
        write_both(x, y, 1);
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}

#[test]
fn two_committers_wake_one_waiter() {
    explore(2, || {
        let (x, y) = pair::<u64, u64>();
        let waiter = thread::spawn(move || asleep_until(|tx| Ok(x.read(tx)? + y.read(tx)? == 2)));
        let other = thread::spawn(move || x.store(1));
        y.store(1);
        other.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}

/// More schedules of more waiters are in `shuttle_wait`.
#[test]
fn a_commit_wakes_two_waiters() {
    explore(1, || {
        let x = Var::<u64>::new();
        let wait = move || asleep_until(|tx| Ok(x.read(tx)? == 1));
        let waiters = [thread::spawn(wait), thread::spawn(wait)];
        x.store(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}

/// A committer that locks x, finds that what it read has changed, and gives up: it puts the waiters' bit back.
#[test]
fn an_aborted_commit_leaves_the_waiters_to_the_next() {
    explore(2, || {
        let (x, y) = pair::<u64, u64>();
        let waiter = thread::spawn(move || asleep_until(|tx| Ok(x.read(tx)? == 1)));
        let unlucky = thread::spawn(move || {
            atomically(|tx| {
                if y.read(tx)? == 0 {
                    x.write(tx, 0)?;
                }
                Ok(())
            });
        });
        y.store(1);
        x.store(1);
        unlucky.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}
