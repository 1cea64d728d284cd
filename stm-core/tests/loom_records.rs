//! Models of records: several words that one lock covers, and one look takes.
//!
//! Explored: a commit of both words of a record beside a body that takes them by one look, or each by its own; beside a snapshot, for
//! which the words before are saved, of one commit and of two; beside a body that has written one of the words itself; and two commits
//! that each write one word, blindly or after a read. What must hold: a body has words of one commit, whatever it is, and no word
//! is lost.
//!
//! Bounded: two threads, one record of two words, 3 preemptions (2 for the models with a snapshot). Nothing is ever freed (see `reclaim`), a patch is: it
//! belongs to its committer alone.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p stm-core --release --test 'loom_*'
//! ```
#![cfg(loom)]

mod loom_common;

use loom::thread;
use loom_common::explore;
use stm_core::{ReadTx, Stm, TRecords, atomically, snapshot};

/// One record. It lasts as long as the process, as the variables of the other models do.
#[derive(Clone, Copy)]
struct Pair(&'static TRecords<2>);

impl Pair {
    fn new() -> Self {
        Self(Box::leak(Box::new(TRecords::new(1))))
    }

    fn read(self, tx: &mut impl ReadTx) -> Stm<[u64; 2]> {
        self.0.read(tx, 0)
    }

    fn read_word(self, tx: &mut impl ReadTx, word: usize) -> Stm<u64> {
        self.0.read_word(tx, 0, word)
    }

    fn write_both(self, n: u64) {
        atomically(|tx| self.0.write(tx, 0, [n, n]));
    }

    fn write_word(self, word: usize, n: u64) {
        atomically(|tx| self.0.write_word(tx, 0, word, n));
    }
}

#[test]
fn a_look_takes_words_of_one_commit() {
    explore(3, || {
        let pair = Pair::new();
        let writer = thread::spawn(move || pair.write_both(1));
        atomically(|tx| {
            let [a, b] = pair.read(tx)?;
            assert_eq!(a, b);
            Ok(())
        });
        writer.join().unwrap();
    });
}

#[test]
fn looks_at_single_words_agree() {
    explore(3, || {
        let pair = Pair::new();
        let writer = thread::spawn(move || pair.write_both(1));
        atomically(|tx| {
            assert_eq!(pair.read_word(tx, 0)?, pair.read_word(tx, 1)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}

#[test]
fn a_snapshot_has_words_of_one_commit() {
    explore(2, || {
        let pair = Pair::new();
        let writer = thread::spawn(move || pair.write_both(1));
        snapshot(|s| {
            let [a, b] = pair.read(s)?;
            assert_eq!((a, b), (pair.read_word(s, 1)?, pair.read_word(s, 0)?));
            assert_eq!(a, b);
            Ok(())
        });
        writer.join().unwrap();
    });
}

/// The second commit repeats the version of the first, or not.
#[test]
fn a_snapshot_has_words_of_one_of_two_commits() {
    explore(2, || {
        let pair = Pair::new();
        let writer = thread::spawn(move || {
            pair.write_both(1);
            pair.write_both(2);
        });
        snapshot(|s| {
            assert_eq!(pair.read_word(s, 1)?, pair.read_word(s, 0)?);
            Ok(())
        });
        writer.join().unwrap();
    });
}

/// The second commit overwrites a word that the first has left alone, while the snapshot, which is older than both, looks for it.
#[test]
fn a_snapshot_undoes_commits_to_different_words() {
    explore(2, || {
        let pair = Pair::new();
        let writer = thread::spawn(move || {
            pair.write_word(0, 1);
            pair.write_word(1, 2);
        });
        let words = snapshot(|s| Ok((pair.read_word(s, 0)?, pair.read_word(s, 1)?)));
        assert!([(0, 0), (1, 0), (1, 2)].contains(&words), "{words:?}");
        writer.join().unwrap();
    });
}

/// What it has not written itself is of one commit, too: it starts over if that changes.
#[test]
fn a_body_adds_to_words_of_one_commit() {
    explore(3, || {
        let pair = Pair::new();
        let writer = thread::spawn(move || pair.write_both(1));
        atomically(|tx| {
            let before = pair.read_word(tx, 0)?;
            pair.0.write_word(tx, 0, 0, 5)?;
            let [own, other] = pair.read(tx)?;
            assert_eq!((own, other), (5, before));
            Ok(())
        });
        writer.join().unwrap();
        let [own, other] = snapshot(|s| pair.read(s));
        assert!((own, other) == (5, 1) || (own, other) == (1, 1));
    });
}

#[test]
fn blind_writes_of_two_words_are_both_there() {
    explore(3, || {
        let pair = Pair::new();
        let other = thread::spawn(move || pair.write_word(0, 1));
        pair.write_word(1, 2);
        other.join().unwrap();
        assert_eq!(snapshot(|s| pair.read(s)), [1, 2]);
    });
}

#[test]
fn no_increment_of_a_word_is_lost() {
    let increment = |pair: Pair, word: usize| {
        atomically(|tx| {
            let n = pair.read_word(tx, word)?;
            pair.0.write_word(tx, 0, word, n + 1)
        });
    };
    explore(3, move || {
        let pair = Pair::new();
        let other = thread::spawn(move || increment(pair, 0));
        increment(pair, 0);
        other.join().unwrap();
        assert_eq!(snapshot(|s| pair.read(s)), [2, 0]);
    });
}
