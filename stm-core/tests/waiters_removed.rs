//! However a wait ends, nothing of it stays in the waiters' table, and nothing that it kept alive stays alive.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Poll, Waker};

use common::{Value, Wakes, poll, wait_until, watched_alone};
use stm_core::diagnostics::{collect_garbage, registered_waits};
use stm_core::{Stm, TVar, Tx, atomically, atomically_async, check, retry};

const WIDTH: usize = 5;

fn vars<T: Value>() -> Vec<TVar<T>> {
    (0..WIDTH).map(|_| TVar::new(T::of(0))).collect()
}

/// Waits on all of `vars`, reading some of them twice.
fn any_set<T: Value>(tx: &mut Tx<'_>, vars: &[TVar<T>]) -> Stm<usize> {
    for var in vars.iter().chain(vars.iter().rev().step_by(2)) {
        var.read(tx)?;
    }
    for (i, var) in vars.iter().enumerate() {
        let set = tx.optionally(|tx| check(var.read(tx)?.n() > 0))?;
        if set.is_some() {
            return Ok(i);
        }
    }
    retry()
}

#[test]
fn waiters_removed() {
    watched_alone("waiters_removed", || {
        let ends: [fn(); 8] = [
            finish::<i64>,
            finish::<Box<i64>>,
            cancel::<i64>,
            cancel::<Box<i64>>,
            panic::<i64>,
            panic::<Box<i64>>,
            change_before_sleeping::<i64>,
            change_before_sleeping::<Box<i64>>,
        ];
        for end in ends {
            assert_eq!(registered_waits(), 0);
            end();
        }
        assert_eq!(registered_waits(), 0);
    });
}

fn finish<T: Value>() {
    let vars = vars::<T>();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| atomically(|tx| any_set(tx, &vars)));
        wait_until(|| registered_waits() == WIDTH);
        let mut task = atomically_async(|tx| any_set(tx, &vars));
        assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
        assert_eq!(registered_waits(), 2 * WIDTH);
        vars[3].store(T::of(1));
        assert_eq!(thread.join().expect("no panic"), 3);
        assert!(registered_waits() <= WIDTH, "the task's at most");
        assert_eq!(poll(&mut task, Waker::noop()), Poll::Ready(3));
        assert_eq!(
            registered_waits(),
            0,
            "at once, not when the future is dropped"
        );
        drop(task);
    });
}

fn cancel<T: Value>() {
    let vars = vars::<T>();
    let wait = || atomically_async(|tx| any_set(tx, &vars));
    let (wakes, waker) = Wakes::new();
    let mut others = [wait(), wait()];
    let mut cancelled = wait();
    assert_eq!(poll(&mut others[0], &waker), Poll::Pending);
    assert_eq!(poll(&mut cancelled, &waker), Poll::Pending);
    assert_eq!(poll(&mut others[1], &waker), Poll::Pending);
    assert_eq!(registered_waits(), 3 * WIDTH);
    drop(cancelled);
    assert_eq!(registered_waits(), 2 * WIDTH);

    // Woken, but dropped before it ran again.
    let mut woken = wait();
    assert_eq!(poll(&mut woken, &waker), Poll::Pending);
    vars[0].store(T::of(1));
    assert_eq!(wakes.count(), 3, "all but the one that was cancelled");
    drop(woken);
    for task in &mut others {
        assert_eq!(poll(task, &waker), Poll::Ready(0));
    }
}

fn panic<T: Value>() {
    let vars = vars::<T>();
    let body = |tx: &mut Tx<'_>| {
        assert!(tx.attempt() == 1, "on purpose");
        any_set(tx, &vars)
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| atomically(body));
        wait_until(|| registered_waits() == WIDTH);
        vars[1].store(T::of(1));
        thread.join().expect_err("on purpose");
    });
    assert_eq!(registered_waits(), 0);

    vars[1].store(T::of(0));
    let mut task = atomically_async(body);
    assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
    vars[2].store(T::of(1));
    catch_unwind(AssertUnwindSafe(|| poll(&mut task, Waker::noop()))).expect_err("on purpose");
    assert_eq!(registered_waits(), 0, "at once");
}

/// What one of the variables holds changes between the read and the wish to wait.
fn change_before_sleeping<T: Value>() {
    for changed in 0..WIDTH {
        let vars = vars::<T>();
        let attempts = atomically(|tx| {
            if tx.attempt() > 1 {
                assert_eq!(
                    registered_waits(),
                    0,
                    "nothing is left of the first attempt"
                );
                return Ok(tx.attempt());
            }
            let set = tx.optionally(|tx| any_set(tx, &vars))?;
            assert_eq!(set, None);
            std::thread::scope(|scope| {
                scope.spawn(|| vars[changed].store(T::of(1)));
            });
            retry()
        });
        assert_eq!(attempts, 2);
    }
}

#[test]
fn a_wait_keeps_its_variables_only_while_it_lasts() {
    fn keeps(end: fn(&TVar<Arc<str>>)) {
        let value: Arc<str> = Arc::from("awaited");
        let var = TVar::new(Arc::clone(&value));
        let handle = var.clone();
        let mut task = atomically_async(move |tx| check(var.read_ref(tx)?.is_empty()));
        assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
        end(&handle);
        drop(handle);
        if poll(&mut task, Waker::noop()).is_pending() {
            assert!(Arc::strong_count(&value) > 1, "the wait is on");
        }
        drop(task);
        wait_until(|| {
            collect_garbage();
            Arc::strong_count(&value) == 1
        });
    }

    /// The last handle goes while a body runs that reads the variable: nobody can ever write it, so there is no waiting
    /// for it, and the wait is for the other one.
    fn last_handle_gone() {
        let other = TVar::new(0);
        let mut temporary = Some(TVar::new(String::from("gone")));
        let mut task = atomically_async(move |tx| {
            if let Some(temporary) = temporary.take() {
                temporary.read(tx)?;
            }
            check(other.read(tx)? > 0)
        });
        assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
        assert_eq!(registered_waits(), 1);
        drop(task);
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("a_wait_keeps_its_variables_only_while_it_lasts", || {
        keeps(|_| {});
        keeps(|var| var.store(Arc::from("not yet")));
        keeps(|var| var.store(Arc::from("")));
        last_handle_gone();
    });
}
