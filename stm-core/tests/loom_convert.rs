//! Models of update transactions that go on as snapshots.
//!
//! Explored: a body whose float or whose anchoring fails over a commit that carries a version after the one that it can
//! still be as of, so that it converts; where inline values stand in the way it starts over as a tracked snapshot. The stages
//! that lead up to the race are put in order by spawning and joining threads from within the body's first attempt.
//!
//! Bounded: two threads at a time, two to four variables, 3 preemptions.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p stm-core --release --test 'loom_*'
//! ```
#![cfg(loom)]

mod loom_common;

use loom::thread;
use loom_common::{Boxed, Value, Var, explore, pair, tick, write_both};
use stm_core::atomically;

/// The clock moves after the begin, so the commit's version is one that a snapshot after the begin does not see.
fn a_converted_body_sees_one_moment<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || {
            tick();
            write_both(x, y, 1);
        });
        atomically(|tx| {
            let first = x.read(tx)?;
            assert_eq!(first, y.read(tx)?);
            assert_eq!(first, x.read(tx)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}
for_each_form!(a_converted_body_sees_one_moment);

/// A commit that does not move the clock comes before a begin at the time it loaded: the moment must be later than that.
fn a_converted_body_sees_what_came_before_it<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, A>();
        let before = Var::<B>::new();
        before.store(1);
        let writer = thread::spawn(move || {
            tick();
            write_both(x, y, 1);
        });
        atomically(|tx| {
            let first = x.read(tx)?;
            assert_eq!(first, y.read(tx)?);
            assert_eq!(before.read(tx)?, 1);
            Ok(())
        });
        writer.join().unwrap();
    });
}
for_each_form!(a_converted_body_sees_what_came_before_it);

/// A value that was floated over may be newer than the moment of the last anchoring: the snapshot must not be older.
fn a_converted_body_is_not_older_than_what_it_floated_over<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let (calm, early) = pair::<Boxed, u64>();
        let mut late = None;
        atomically(|tx| {
            calm.read(tx)?;
            if tx.attempt() == 1 {
                let stages = thread::spawn(move || {
                    early.store(1);
                    tick();
                    write_both(x, y, 1);
                });
                stages.join().unwrap();
                late = Some(thread::spawn(move || calm.store(1)));
            }
            let first = x.read(tx)?;
            early.read(tx)?;
            assert_eq!(first, y.read(tx)?);
            Ok(())
        });
        late.expect("spawned by the first attempt").join().unwrap();
    });
}
for_each_form!(a_converted_body_is_not_older_than_what_it_floated_over);
