//! Models of snapshots against commits.
//!
//! Explored: the begin of a snapshot at every point of a commit of two variables; of two commits in a row; of a commit
//! that reads what another one overwrites, so that it comes first; what a thread has committed or seen before its snapshot;
//! three snapshots, the last of which share a slot of the count, beside a commit. Every pair of forms.
//!
//! Bounded: two threads (three and four where three snapshots live), two variables, 2 or 3 preemptions.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p stm-core --release --test 'loom_*'
//! ```
#![cfg(loom)]

mod loom_common;

use loom::thread;
use loom_common::{Value, Var, explore, pair, write_both};
use stm_core::{atomically, snapshot};

fn both_as_of_one_moment<A: Value, B: Value>(first: Var<A>, second: Var<B>) -> (u64, u64) {
    snapshot(|s| Ok((first.read_as_of(s)?, second.read_as_of(s)?)))
}

fn a_snapshot_sees_a_commit_or_not<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        let (a, b) = both_as_of_one_moment(x, y);
        assert_eq!(a, b);
        writer.join().unwrap();
    });
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        let (a, b) = both_as_of_one_moment(y, x);
        assert_eq!(a, b);
        writer.join().unwrap();
    });
}
for_each_form!(a_snapshot_sees_a_commit_or_not);

/// Never the second of two commits without the first, whatever the versions that they carry.
fn a_snapshot_sees_commits_in_order<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || {
            x.store(1);
            y.store(1);
        });
        let (b, a) = both_as_of_one_moment(y, x);
        assert!(b <= a);
        writer.join().unwrap();
    });
}
for_each_form!(a_snapshot_sees_commits_in_order);

/// Who read x before it was overwritten comes before whoever overwrote it, and so does what it wrote.
fn a_reader_comes_before_who_overwrites<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let other = thread::spawn(move || {
            atomically(|tx| {
                let read = x.read(tx)?;
                y.write(tx, 1)?;
                Ok(read)
            })
        });
        x.store(1);
        let (a, b) = both_as_of_one_moment(x, y);
        assert_eq!(a, 1, "it began after our own commit");
        let read = other.join().unwrap();
        // Not in the snapshot, so after it, so after our commit.
        assert!(b == 1 || read == 1);
    });
}
for_each_form!(a_reader_comes_before_who_overwrites);

/// A snapshot begins within its call: it sees what came before, and a later one no less.
fn snapshots_do_not_go_back<A: Value, B: Value>() {
    explore(2, || {
        let (x, y) = pair::<A, B>();
        let writer = thread::spawn(move || write_both(x, y, 1));
        let first = snapshot(|s| x.read_as_of(s));
        let second = snapshot(|s| y.read_as_of(s));
        assert!(first <= second);
        writer.join().unwrap();
        assert_eq!(both_as_of_one_moment(x, y), (1, 1));
    });
}
for_each_form!(snapshots_do_not_go_back);

/// Loom's count of snapshots is full at three: the last ones hold one slot together.
#[test]
fn three_snapshots_share_what_is_left_of_the_count() {
    explore(0, || {
        let (x, y) = pair::<u64, u64>();
        let reader = move || {
            let (a, b) = both_as_of_one_moment(x, y);
            assert_eq!(a, b);
        };
        let readers = [thread::spawn(reader), thread::spawn(reader)];
        let writer = thread::spawn(move || write_both(x, y, 1));
        reader();
        writer.join().unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
    });
}
