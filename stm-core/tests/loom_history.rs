//! Models of the old values of inline variables: found as long as a snapshot may want them.
//!
//! Explored: commits that overwrite while a snapshot begins, reads and ends. Under loom a version can be written twice, then
//! the clock must move on; the models store as often as it takes to meet a repeated version and the move. One committer and
//! two, so that a chain has nodes of both.
//!
//! Bounded: two or three threads, two variables, 2 or 3 preemptions. That a node is not freed too early is not modelled:
//! nothing is ever freed here (see `reclaim`).
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p stm-core --release --test 'loom_*'
//! ```
#![cfg(loom)]

mod loom_common;

use loom::thread;
use loom_common::{Var, explore, pair, tick, write_both};
use stm_core::{atomically, snapshot};

/// The snapshot reads x twice; both must be of its moment, however often x is written in between.
fn reads_agree(x: Var<u64>) -> u64 {
    snapshot(|s| {
        let first = x.read_as_of(s)?;
        assert_eq!(first, x.read_as_of(s)?);
        Ok(first)
    })
}

#[test]
fn a_value_that_is_overwritten_is_found() {
    explore(3, || {
        let x = Var::<u64>::new();
        let writer = thread::spawn(move || x.store(1));
        reads_agree(x);
        writer.join().unwrap();
    });
}

#[test]
fn two_variables_are_found_as_of_one_moment() {
    explore(2, || {
        let (x, y) = pair::<u64, u64>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        snapshot(|s| {
            let first = x.read_as_of(s)?;
            assert_eq!(first, y.read_as_of(s)?);
            assert_eq!(first, x.read_as_of(s)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}

#[test]
fn two_sums_are_found_as_of_one_moment() {
    explore(2, || {
        let (x, y) = pair::<u64, u64>();
        let writer = thread::spawn(move || {
            atomically(|tx| {
                x.add(tx, 1)?;
                y.add(tx, 1)
            });
        });
        snapshot(|s| {
            let first = x.read_as_of(s)?;
            assert_eq!(first, y.read_as_of(s)?);
            assert_eq!(first, x.read_as_of(s)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}

/// The clock moves on just before the commit: a snapshot that adopted that move would not be waited for.
#[test]
fn a_snapshot_moves_the_clock_itself() {
    explore(3, || {
        let x = Var::<u64>::new();
        let writer = thread::spawn(move || {
            tick();
            x.store(1);
        });
        reads_agree(x);
        writer.join().unwrap();
    });
}

/// 0, 1 and 2 carry versions that differ by their place within a version only.
#[test]
fn a_repeated_version_is_not_confused() {
    explore(2, || {
        let x = Var::<u64>::new();
        let writer = thread::spawn(move || {
            x.store(1);
            x.store(2);
        });
        reads_agree(x);
        writer.join().unwrap();
    });
}

/// The places within a version are used up: the commit moves the clock and looks for snapshots anew.
#[test]
fn a_used_up_version_moves_the_clock() {
    explore(3, || {
        let x = Var::<u64>::new();
        x.store(1);
        x.store(2);
        let writer = thread::spawn(move || x.store(3));
        assert!(reads_agree(x) >= 2);
        writer.join().unwrap();
        assert_eq!(snapshot(|s| x.read_as_of(s)), 3);
    });
}

#[test]
fn two_variables_with_a_used_up_version() {
    explore(1, || {
        let (x, y) = pair::<u64, u64>();
        write_both(x, y, 1);
        let writer = thread::spawn(move || {
            write_both(x, y, 2);
            write_both(x, y, 3);
        });
        snapshot(|s| {
            let first = x.read_as_of(s)?;
            assert_eq!(first, y.read_as_of(s)?);
            assert_eq!(first, x.read_as_of(s)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}

#[test]
fn two_committers_extend_one_chain() {
    explore(1, || {
        let x = Var::<u64>::new();
        let one = thread::spawn(move || {
            tick();
            x.store(1);
        });
        let two = thread::spawn(move || {
            tick();
            x.store(2);
        });
        reads_agree(x);
        one.join().unwrap();
        two.join().unwrap();
    });
}
