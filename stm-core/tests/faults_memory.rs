//! Nothing leaks on the ways out: each way for a transaction not to commit, taken so often that a lost byte shows.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod counting;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;
use std::time::{Duration, Instant};

use common::fire::{elsewhere, tick};
use common::{Value, poll, wait_until, watched_alone};
use stm_core::diagnostics::{collect_garbage, registered_waits};
use stm_core::{
    Stm, Stopped, TVar, Timer, Transaction, Tx, abort, after_attempt, atomically, atomically_async,
    check, retry, snapshot, try_atomically,
};

/// What may remain allocated: half-filled bags of the collector, tables that have grown to their size.
const SLACK: isize = 32 << 10;
/// So often that eight bytes each time are more than that.
const OFTEN: usize = 6_000;
/// Ways that start a thread or wait for a moment each time; what they could lose is larger.
const RARELY: usize = 300;
const BALLAST: usize = 256;

fn settled() -> isize {
    // Far more than the collector needs to get round.
    for _ in 0..1_000 {
        collect_garbage();
    }
    counting::in_use()
}

/// Takes `way` for a while, and then `times` times; what that leaves behind must be within the slack.
#[track_caller]
fn expect_no_growth(name: &str, times: usize, mut way: impl FnMut()) {
    let mut take_it = || (0..times).for_each(|_| way());
    take_it();
    // The threads of a process keep something for those that come later: the second time is the one that counts.
    let before = settled();
    take_it();
    let grown = settled() - before;
    assert_eq!(registered_waits(), 0, "{name}");
    assert!(grown < SLACK, "{name}: {grown} bytes after {times} times");
}

/// Unwinds as a panic does, past the panic hook.
fn explode<T>() -> T {
    resume_unwind(Box::new(()))
}

fn caught<R>(f: impl FnOnce() -> R) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err(), "it explodes");
}

/// Reads one and writes the others, one of them twice, with a value that is seen meanwhile, a function, and hooks.
fn busy<T: Value>(tx: &mut Tx<'_>, [a, b, read]: &[TVar<T>; 3]) -> Stm<()> {
    read.read(tx)?;
    let ballast = [0_u8; BALLAST];
    tx.on_commit(move || ballast.iter().for_each(|byte| assert_eq!(*byte, 0)));
    tx.on_abort(move || ballast.iter().for_each(|byte| assert_eq!(*byte, 0)));
    after_attempt(move || ballast.iter().for_each(|byte| assert_eq!(*byte, 0)));
    a.write(tx, T::of(1))?;
    let seen = a.read_ref(tx)?;
    a.update(tx, |value| *value = T::of(seen.n() + 1))?;
    b.commute(tx, |value| T::of(value.n() + 1))?;
    tx.optionally(|tx| {
        b.write(tx, T::of(9))?;
        a.write(tx, T::of(9))?;
        retry::<()>()
    })?;
    Ok(())
}

fn every_way<T: Value>() {
    let vars = [0; 3].map(|n| TVar::new(T::of(n)));
    let [a, b, _] = &vars;

    expect_no_growth("a commit", OFTEN, || atomically(|tx| busy(tx, &vars)));
    expect_no_growth("an abort", OFTEN, || {
        let aborted = try_atomically(|tx| {
            busy(tx, &vars)?;
            abort::<(), _>(vec![0_u8; BALLAST])
        });
        assert!(aborted.is_err());
    });
    expect_no_growth("a nested abort", OFTEN, || {
        let aborted = atomically(|tx| {
            tx.nested(|tx| {
                busy(tx, &vars)?;
                abort::<(), _>(vec![0_u8; BALLAST])
            })
        });
        assert!(aborted.is_err());
    });
    expect_no_growth("a panic in the body", OFTEN, || {
        caught(|| {
            atomically(|tx| {
                busy(tx, &vars)?;
                explode::<Stm<()>>()
            });
        });
    });
    expect_no_growth("a panic in a function of commute", OFTEN, || {
        caught(|| {
            atomically(|tx| {
                busy(tx, &vars)?;
                b.commute(tx, |_| explode())
            });
        });
    });
    expect_no_growth("a panic in a closure", OFTEN, || {
        caught(|| {
            atomically(|tx| {
                busy(tx, &vars)?;
                a.modify(tx, |_| explode())
            });
        });
    });
    expect_no_growth("a panic in hooks", OFTEN, || {
        atomically(|tx| {
            busy(tx, &vars)?;
            tx.on_commit(explode);
            after_attempt(explode);
            Ok(())
        });
    });
    expect_no_growth("a panic in a snapshot", OFTEN, || {
        caught(|| {
            snapshot(|s| {
                let seen = a.read_ref(s)?;
                std::hint::black_box(seen.n());
                explode::<Stm<()>>()
            });
        });
    });
    expect_no_growth("a task that is cancelled", OFTEN, || {
        let mut task = atomically_async(|tx| {
            busy(tx, &vars)?;
            a.read(tx)?;
            retry::<()>()
        });
        assert!(poll(&mut task, Waker::noop()).is_pending());
    });
    expect_no_growth("a task with a deadline that is cancelled", OFTEN, || {
        let limited = Transaction::new().timeout(Duration::from_secs(1000));
        let mut task = Box::pin(limited.run_async(|tx| {
            busy(tx, &vars)?;
            retry::<()>()
        }));
        assert!(poll(&mut task, Waker::noop()).is_pending());
    });
    expect_no_growth("a task that panics when woken", OFTEN, || {
        let door = TVar::new(T::of(0));
        let mut task = atomically_async(|tx| {
            busy(tx, &vars)?;
            check(door.read(tx)?.n() > 0)?;
            explode::<Stm<()>>()
        });
        assert!(poll(&mut task, Waker::noop()).is_pending());
        door.store(T::of(1));
        caught(|| poll(&mut task, Waker::noop()));
    });
    expect_no_growth("a time that is over", OFTEN, || {
        let stopped = Transaction::new().timeout(Duration::ZERO).run(|tx| {
            busy(tx, &vars)?;
            retry::<()>()
        });
        assert_eq!(stopped, Err(Stopped::TimedOut));
    });
    expect_no_growth("a deadline that is slept for", RARELY, || {
        let stopped = Transaction::new()
            .timeout(Duration::from_micros(200))
            .run(|tx| {
                busy(tx, &vars)?;
                retry::<()>()
            });
        assert_eq!(stopped, Err(Stopped::TimedOut));
        let until = Instant::now() + Duration::from_micros(200);
        atomically(|tx| {
            tx.or_else(
                |tx| {
                    busy(tx, &vars)?;
                    tx.retry_until(until)
                },
                |tx| busy(tx, &vars),
            )
        });
    });
    expect_no_growth("timers that are not heard", OFTEN, || {
        let timer = Timer::after(Duration::from_secs(1000));
        atomically(|tx| timer.set(tx, Instant::now() + Duration::from_secs(2000)));
    });
    expect_no_growth("too many attempts", RARELY, || {
        let stopped = Transaction::new().max_attempts(2).run(|tx| {
            let n = a.read(tx)?;
            busy(tx, &vars)?;
            elsewhere(|| a.store(n.clone()));
            Ok(())
        });
        assert_eq!(stopped, Err(Stopped::TooManyAttempts));
    });
    expect_no_growth("a conversion", RARELY, || {
        atomically(|tx| {
            let first = a.read(tx)?.n();
            if tx.attempt() == 1 {
                elsewhere(|| {
                    tick();
                    atomically(|tx| {
                        a.write(tx, T::of(1))?;
                        b.write(tx, T::of(2))
                    });
                });
            }
            Ok(first + b.read(tx)?.n())
        });
    });
    expect_no_growth("a thread that ends with garbage", RARELY, || {
        elsewhere(|| (0..20).for_each(|n| a.store(T::of(n))));
    });
    expect_no_growth("a sleeping thread that panics when woken", RARELY, || {
        let door = TVar::new(T::of(0));
        std::thread::scope(|s| {
            let sleeper = s.spawn(|| {
                caught(|| {
                    atomically(|tx| {
                        busy(tx, &vars)?;
                        check(door.read(tx)?.n() > 0)?;
                        explode::<Stm<()>>()
                    });
                });
            });
            wait_until(|| registered_waits() > 0);
            door.store(T::of(1));
            sleeper.join().expect("the panic was caught");
        });
    });
}

#[test]
fn nothing_leaks_on_any_way_out_words() {
    watched_alone("nothing_leaks_on_any_way_out_words", every_way::<i64>);
}

#[test]
fn nothing_leaks_on_any_way_out_boxes() {
    watched_alone("nothing_leaks_on_any_way_out_boxes", every_way::<Box<i64>>);
}
