//! Models of what a running body may see, and of what may commit together.
//!
//! Explored: a body that reads the two variables of a commit in either order, once or (so that it anchors) with the first one
//! again; the same with two commits that carry the same version, and with a clock that moves in between; write skew,
//! plain and through `or_else`; and the order of two independent writers as two readers see it. Assertions stand
//! inside the bodies: attempts that are thrown away count.
//!
//! Bounded: two or three threads (four for the two writers and two readers), two or three variables, 2 or 3 preemptions
//! as each model says. Under loom a body floats over one earlier read only, then it anchors.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p stm-core --release --test 'loom_*'
//! ```
#![cfg(loom)]

mod loom_common;

use loom::thread;
use loom_common::{Value, Var, explore, pair, tick, write_both};
use stm_core::{atomically, check};

fn a_body_sees_a_commit_or_not<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        atomically(|tx| {
            assert_eq!(x.read(tx)?, y.read(tx)?);
            Ok(())
        });
        writer.join().unwrap();
    });
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        atomically(|tx| {
            assert_eq!(y.read(tx)?, x.read(tx)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}
for_each_form!(a_body_sees_a_commit_or_not);

/// The third read is beyond what floats: it anchors.
fn a_body_sees_one_of_two_commits<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || {
            write_both(x, y, 1);
            write_both(y, x, 2);
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
for_each_form!(a_body_sees_one_of_two_commits);

/// A commit that repeats the version it replaces, while the reader anchors at that version.
fn anchoring_reads_the_value_again<A: Value, B: Value>() {
    explore(2, || {
        let (calm, still) = pair::<u64, u64>();
        let (x, y) = pair::<A, B>();
        write_both(x, y, 1);
        let writer = thread::spawn(move || write_both(x, y, 2));
        atomically(|tx| {
            // Of two variables: one that is read twice in a row counts once.
            calm.read(tx)?;
            still.read(tx)?;
            // x carries a version after our begin, and two reads are more than float: the clock moves.
            let first = x.read(tx)?;
            assert_eq!(first, y.read(tx)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}
for_each_form!(anchoring_reads_the_value_again);

/// The same while it floats: that x has the version it had says nothing.
fn floating_tells_equal_versions_apart<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        write_both(x, y, 1);
        let writer = thread::spawn(move || write_both(x, y, 2));
        atomically(|tx| {
            assert_eq!(x.read(tx)?, y.read(tx)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}
for_each_form!(floating_tells_equal_versions_apart);

/// A body that begins at the very version of a commit which is under way.
fn a_body_begins_beside_a_commit<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        let ticker = thread::spawn(tick);
        atomically(|tx| {
            assert_eq!(x.read(tx)?, y.read(tx)?);
            Ok(())
        });
        writer.join().unwrap();
        ticker.join().unwrap();
    });
}
for_each_form!(a_body_begins_beside_a_commit);

fn set_unless<A: Value, B: Value>(set: Var<A>, unless: Var<B>) {
    atomically(|tx| {
        if unless.read(tx)? == 0 {
            set.write(tx, 1)?;
        }
        Ok(())
    });
}

fn no_write_skew<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let other = thread::spawn(move || set_unless(x, y));
        set_unless(y, x);
        other.join().unwrap();
        assert_eq!(x.load() + y.load(), 1);
    });
}
for_each_form!(no_write_skew);

/// Takes the left branch if `left` is set, else sets `right`.
fn set_or_else<A: Value, B: Value>(left: Var<A>, right: Var<B>) {
    atomically(|tx| tx.or_else(|tx| check(left.read(tx)? > 0), |tx| right.write(tx, 1)));
}

/// That the left branch could not go on is part of why the right one ran.
fn no_write_skew_through_or_else<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let other = thread::spawn(move || set_or_else(x, y));
        set_or_else(y, x);
        other.join().unwrap();
        assert_eq!(x.load() + y.load(), 1);
    });
}
for_each_form!(no_write_skew_through_or_else);

fn read_both<A: Value, B: Value>(first: Var<A>, second: Var<B>) -> (u64, u64) {
    atomically(|tx| Ok((first.read(tx)?, second.read(tx)?)))
}

/// Two readers that float over two independent commits agree on which came first.
fn readers_agree_on_the_order_of_two_writers<A: Value, B: Value>() {
    explore(1, || {
        let (x, y) = pair::<A, B>();
        let one = thread::spawn(move || x.store(1));
        let two = thread::spawn(move || y.store(1));
        let reader = thread::spawn(move || read_both(x, y));
        let here = read_both(y, x);
        let there = reader.join().unwrap();
        assert!((here, there) != ((1, 0), (1, 0)));
        one.join().unwrap();
        two.join().unwrap();
    });
}
for_each_form!(readers_agree_on_the_order_of_two_writers);

/// The same with three: one writer looks itself, after its commit.
fn a_reader_and_a_writer_agree_on_the_order<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || x.store(1));
        let reader = thread::spawn(move || read_both(x, y));
        y.store(1);
        let here = x.load();
        let there = reader.join().unwrap();
        assert!(here == 1 || there != (1, 0));
        writer.join().unwrap();
    });
}
for_each_form!(a_reader_and_a_writer_agree_on_the_order);
