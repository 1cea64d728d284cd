//! What the recorder writes down.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use stm_core::diagnostics::Cause;
use stm_core::diagnostics::history::{Attempt, History, Outcome, Recording};
use stm_core::{
    Control, TRecords, TVar, Transaction, abort, atomically, retry, snapshot, try_atomically,
};

use crate::common::fire::elsewhere;
use crate::common::{Value, watched_alone};
use crate::programs::{Size, run};
use crate::record;

fn outcomes(history: &History) -> Vec<(&str, Outcome)> {
    let of = |attempt: &Attempt| (attempt.what, attempt.outcome);
    history.attempts().iter().map(of).collect()
}

#[test]
fn every_kind_of_end() {
    watched_alone("every_kind_of_end", || {
        let x = TVar::new(0);
        let history = record(|| {
            atomically(|tx| x.modify(tx, |n| n + 1));
            let _: Result<(), ()> = try_atomically(|tx| {
                x.write(tx, 7)?;
                abort(())
            });
            let waited = Transaction::new()
                .named("waits")
                .max_attempts(1)
                .timeout(std::time::Duration::ZERO)
                .run(|tx| {
                    x.read(tx)?;
                    retry::<()>()
                });
            assert!(waited.is_err());
            let panic = catch_unwind(AssertUnwindSafe(|| {
                atomically(|tx| -> Result<(), Control> {
                    x.write(tx, 8)?;
                    panic!("on purpose")
                });
            }));
            assert!(panic.is_err());
            atomically(|tx| {
                let seen = x.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| x.store(5));
                }
                x.write(tx, seen + 1)
            });
            snapshot(|s| x.read(s));
            assert_eq!(x.swap(9), 6);
            assert_eq!(x.load(), 9);
        });
        assert_eq!(
            outcomes(&history),
            [
                ("atomically", Outcome::Committed),
                ("try_atomically", Outcome::RolledBack),
                ("waits", Outcome::Retried),
                ("atomically", Outcome::Unwound),
                ("atomically", Outcome::Conflict(Cause::CommitChanged)),
                ("TVar::store", Outcome::Committed),
                ("atomically", Outcome::Committed),
                ("snapshot", Outcome::Committed),
                ("TVar::swap", Outcome::Committed),
                ("TVar::load", Outcome::Committed),
            ]
        );
        let attempts = history.attempts();
        let published: Vec<u64> = attempts
            .iter()
            .flat_map(|a| a.writes.iter().map(|w| w.content))
            .collect();
        assert_eq!(published, [1, 5, 6, 9]);
        let staged: Vec<u64> = attempts
            .iter()
            .flat_map(|a| a.staged.iter().map(|s| s.content))
            .collect();
        assert_eq!(staged, [7, 8, 1 + 1], "by those that failed");
        assert_eq!((attempts[4].number, attempts[6].number), (1, 2));
        assert_eq!(attempts[4].call, attempts[6].call);
        history.check().expect("opaque");
    });
}

fn a_snapshot_names_old_values<T: Value>() {
    let x = TVar::new(T::of(0));
    let history = record(|| {
        snapshot(|s| {
            elsewhere(|| {
                for n in 1..=5 {
                    x.store(T::of(n));
                }
            });
            assert_eq!(x.read(s)?.n(), 0);
            Ok(())
        });
    });
    let attempts = history.attempts();
    assert_eq!(attempts[0].what, "snapshot");
    assert_eq!(attempts[0].reads[0].value, attempts[1].writes[0].replaces);
    let summary = history.check().expect("opaque");
    assert_eq!(summary.writes, 5);
}

#[test]
fn a_snapshot_names_what_has_been_replaced() {
    watched_alone("a_snapshot_names_what_has_been_replaced", || {
        a_snapshot_names_old_values::<i64>();
        a_snapshot_names_old_values::<Box<i64>>();
    });
}

#[test]
fn words_of_records_have_contents() {
    watched_alone("words_of_records_have_contents", || {
        let records = TRecords::<3>::new(2);
        let history = record(|| {
            atomically(|tx| records.write_words(tx, 1, 1, [5, 6]));
            snapshot(|s| {
                elsewhere(|| atomically(|tx| records.write_word(tx, 1, 0, 4)));
                assert_eq!(records.read(s, 1)?, [0, 5, 6]);
                Ok(())
            });
            let _: Result<(), ()> = try_atomically(|tx| {
                records.write_word(tx, 1, 2, 7)?;
                assert_eq!(records.read(tx, 1)?, [4, 5, 7]);
                abort(())
            });
        });
        let attempts = history.attempts();
        let contents = |attempt: &Attempt| -> Vec<u64> {
            let read = attempt.reads.iter().map(|r| r.content);
            let written = attempt.writes.iter().map(|w| w.content);
            let staged = attempt.staged.iter().map(|s| s.content);
            read.chain(written).chain(staged).collect()
        };
        let all: Vec<Vec<u64>> = attempts.iter().map(contents).collect();
        // The commits publish all words, whichever they wrote; by the one that failed, two were read and one was staged.
        let expected: [&[u64]; 4] = [&[0, 5, 6], &[0, 5, 6], &[4, 5, 6], &[4, 5, 7]];
        assert_eq!(all, expected);
        let names: BTreeSet<_> = attempts[0].writes.iter().map(|w| w.variable).collect();
        assert_eq!(names.len(), 3);
        history.check().expect("opaque");
    });
}

/// Does something when it is cloned.
struct OnClone(Arc<dyn Fn() + Send + Sync>);

impl Clone for OnClone {
    fn clone(&self) -> Self {
        (self.0)();
        Self(Arc::clone(&self.0))
    }
}

#[test]
fn clones_that_run_transactions_or_panic() {
    watched_alone("clones_that_run_transactions_or_panic", || {
        let x = TVar::new(0);
        let counts = {
            let x = x.clone();
            OnClone(Arc::new(move || x.store(x.load() + 1)))
        };
        let panics = OnClone(Arc::new(|| panic!("on purpose")));
        let (y, z) = (TVar::new(counts.clone()), TVar::new(panics));
        let history = record(|| {
            drop(y.load());
            drop(y.swap(counts.clone()));
            assert!(catch_unwind(AssertUnwindSafe(|| z.load())).is_err());
            drop(y.load());
        });
        let unfinished = |a: &&Attempt| a.outcome == Outcome::Unfinished;
        let attempts = history.attempts().iter();
        assert_eq!(attempts.clone().filter(unfinished).count(), 1);
        let published = |a: &&Attempt| a.what == "TVar::swap" && a.writes.len() == 1;
        assert_eq!(attempts.filter(published).count(), 1);
        history.check().expect("opaque");
    });
}

#[test]
fn own_writes_and_glances_are_no_reads() {
    watched_alone("own_writes_and_glances_are_no_reads", || {
        let (x, y) = (TVar::new(0), TVar::new(String::new()));
        let history = record(|| {
            atomically(|tx| {
                x.write(tx, 1)?;
                y.write(tx, "1".into())?;
                assert_eq!((x.read(tx)?, y.read(tx)?), (1, "1".into()));
                assert_eq!((x.glance(tx), y.glance(tx)), (0, String::new()));
                Ok(())
            });
        });
        let [attempt] = history.attempts() else {
            panic!("one attempt")
        };
        assert!(attempt.reads.is_empty());
        assert_eq!(attempt.writes.len(), 2);
    });
}

#[test]
fn variables_in_the_same_place_have_different_names() {
    watched_alone("variables_in_the_same_place_have_different_names", || {
        const MANY: usize = 1_000;
        let history = record(|| {
            for n in 0..MANY {
                TVar::new(n).store(n + 1);
            }
        });
        let writes = history.attempts().iter().flat_map(|a| &a.writes);
        let names: BTreeSet<_> = writes.map(|w| w.variable).collect();
        assert_eq!(names.len(), MANY);
    });
}

#[test]
fn recordings_do_not_mix() {
    watched_alone("recordings_do_not_mix", || {
        let x = TVar::new(0);
        x.store(1);
        let dropped = Recording::start().expect("nobody else records");
        x.store(2);
        drop(dropped);
        x.store(3);
        let recording = Recording::start().expect("the other has ended");
        assert!(Recording::start().is_err());
        x.store(4);
        let history = recording.stop();
        x.store(5);
        let [attempt] = history.attempts() else {
            panic!("one attempt: {history:?}")
        };
        assert_eq!(attempt.writes[0].content, 4);
    });
}

/// What each thread called, in its order.
fn calls(history: &History) -> Vec<Vec<&'static str>> {
    let mut by_thread = std::collections::BTreeMap::<u64, Vec<_>>::new();
    for attempt in history.attempts().iter().filter(|a| a.number == 1) {
        by_thread
            .entry(attempt.thread)
            .or_default()
            .push(attempt.what);
    }
    let mut calls: Vec<_> = by_thread.into_values().collect();
    calls.sort();
    calls
}

#[test]
fn a_seed_replays_its_program() {
    watched_alone("a_seed_replays_its_program", || {
        let size = Size {
            threads: 8,
            calls: 20,
        };
        let of_seed = |seed| calls(&record(|| run(seed, size)));
        for seed in 0..10 {
            assert_eq!(of_seed(seed), of_seed(seed));
        }
        let different: BTreeSet<_> = (0..10).map(of_seed).collect();
        assert_eq!(different.len(), 10);
    });
}
