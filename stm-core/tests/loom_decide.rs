//! Models of commits with a decider: what they have read is locked, too, and who comes upon their locks sleeps and wakes.
//!
//! Explored: two deciders that each read what the other writes, a decider beside a plain commit and a load. Both forms. What must
//! hold: the deciders are asked in the order of their commits, nothing that was read changes before the answer, and nobody
//! sleeps for ever.
//!
//! Bounded: two threads, two variables, 2 preemptions. Under loom one looks for an undecided commit at the first locked word.
#![cfg(loom)]

mod loom_common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use loom::thread;
use loom_common::{Boxed, Value, Var, explore, pair};
use stm_core::{Abort, Decision, atomically};

/// Reads one, writes one more to the other, and appends itself to the rows (four bits each) when it is asked: who it is, and what
/// it has read.
fn skewed<A: Value, B: Value>(read: Var<A>, written: Var<B>, who: u64, rows: &AtomicU64) {
    atomically(|tx| {
        let n = read.read(tx)?;
        written.write(tx, n + 1)?;
        tx.decide(|| {
            let before = rows.load(Ordering::Relaxed);
            // Another of the model's threads may be asked in between.
            thread::yield_now();
            rows.store(before << 4 | who << 2 | n, Ordering::Relaxed);
            Decision::Commit
        })
        .map_err(Abort::into_control)
    });
}

/// Write skew: whoever stands first in the store has seen nothing, the other has seen the first.
fn the_store_has_the_order_of_the_commits<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let rows = Arc::new(AtomicU64::new(0));
        let other = thread::spawn({
            let rows = Arc::clone(&rows);
            move || skewed(x, y, 1, &rows)
        });
        skewed(y, x, 2, &rows);
        other.join().unwrap();
        let rows = rows.load(Ordering::Relaxed);
        assert!(rows == 0b0100_1001 || rows == 0b1000_0101, "{rows:b}");
    });
}
for_each_form!(the_store_has_the_order_of_the_commits);

/// A plain commit to what a decider rests on comes before it has been asked, or after its answer.
fn nothing_changes_before_the_answer<T: Value>() {
    explore(2, || {
        let (x, y) = pair::<T, T>();
        let writer = thread::spawn(move || {
            atomically(|tx| x.write(tx, 1));
            // It was in the way, if at all, until now.
            y.load()
        });
        let seen = atomically(|tx| {
            let n = x.read(tx)?;
            y.write(tx, 5 + n)?;
            tx.decide(|| {
                thread::yield_now();
                Decision::Commit
            })
            .map_err(Abort::into_control)?;
            Ok(n)
        });
        let after = writer.join().unwrap();
        match seen {
            // The writer came later, so what it does next finds this commit.
            0 => assert_eq!(after, 5),
            1 => assert!([0, 6].contains(&after)),
            _ => unreachable!(),
        }
    });
}

#[test]
fn nothing_inline_changes_before_the_answer() {
    nothing_changes_before_the_answer::<u64>();
}

#[test]
fn nothing_boxed_changes_before_the_answer() {
    nothing_changes_before_the_answer::<Boxed>();
}
