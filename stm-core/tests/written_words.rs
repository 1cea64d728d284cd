//! P5, by counting: which shared words a transaction writes.
//!
//! Time cannot show it on a machine with few processors: two transactions that write a common word are slowed down by it only
//! where they really run at once. So the words are listed, under stress, where each access goes through one place anyhow.
//! `docs/scaling.md` says what follows from it.
#![cfg(all(stm_stress, not(loom)))]

mod common;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use common::watched;
use stm_core::diagnostics::written_words;
use stm_core::{Stm, TVar, Tx, atomically, snapshot};

/// The words that `f` writes on a thread of its own: the fewest of some times, for the first time a thread sets itself up, and
/// when a variable's `seq` is used up (under stress, with the second commit at one time of the clock; else with the 512th)
/// its committer moves the clock on.
fn words(f: impl Fn() + Sync) -> BTreeSet<usize> {
    // While another test's snapshot runs, committers keep old values for it, and that is written as well.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let run = || -> Option<BTreeSet<usize>> {
        let times = (0..6).map(|_| written_words(&f).into_iter().collect());
        times.min_by_key(BTreeSet::len)
    };
    let fewest = std::thread::scope(|s| s.spawn(run).join()).expect("it ends");
    fewest.expect("it ran")
}

fn transfer(tx: &mut Tx<'_>, from: &TVar<i64>, to: &TVar<i64>) -> Stm<()> {
    from.modify(tx, |n| n - 1)?;
    to.modify(tx, |n| n + 1)
}

fn common_to(a: &BTreeSet<usize>, b: &BTreeSet<usize>) -> usize {
    a.intersection(b).count()
}

#[test]
fn disjoint_updates_write_no_common_word() {
    watched("disjoint_updates_write_no_common_word", || {
        let accounts: Vec<TVar<i64>> = (0..6).map(TVar::new).collect();
        let names: Vec<TVar<String>> = (0..2).map(|n| TVar::new(n.to_string())).collect();
        let update = |n: usize| {
            let (from, to) = (&accounts[2 * n], &accounts[2 * n + 1]);
            words(|| {
                atomically(|tx| {
                    transfer(tx, from, to)?;
                    names[n].write(tx, "new".into())
                });
                from.store(5);
                let _ = to.swap(7);
            })
        };
        let (one, other) = (update(0), update(1));
        // Two words of accounts, and the values that lie beside them; a word of a name, whose value lies elsewhere.
        assert!(one.len() >= 5, "{} words are listed", one.len());
        assert_eq!(common_to(&one, &other), 0);
    });
}

#[test]
fn what_is_common_is_listed() {
    watched("what_is_common_is_listed", || {
        let accounts: Vec<TVar<i64>> = (0..3).map(TVar::new).collect();
        let update = |a: usize, b: usize| {
            words(|| atomically(|tx| transfer(tx, &accounts[a], &accounts[b])))
        };
        let (one, other) = (update(0, 1), update(1, 2));
        assert_eq!(one.len(), 4, "two words and their values");
        assert_eq!(common_to(&one, &other), 2, "a word and its value");
    });
}

#[test]
fn reading_writes_no_shared_word() {
    watched("reading_writes_no_shared_word", || {
        let accounts: Vec<TVar<i64>> = (0..100).map(TVar::new).collect();
        let name = TVar::new(String::from("name"));
        let read = words(|| {
            atomically(|tx| {
                name.read_ref(tx)?;
                accounts.iter().try_for_each(|x| x.read(tx).map(drop))
            });
            let _ = accounts[0].load();
            let _ = name.load();
        });
        assert_eq!(read, BTreeSet::new());
    });
}

/// A snapshot announces itself, so that committers keep what it may need.
#[test]
fn a_snapshot_writes_one_word_whatever_it_reads() {
    watched("a_snapshot_writes_one_word_whatever_it_reads", || {
        let accounts: Vec<TVar<i64>> = (0..100).map(TVar::new).collect();
        let few = |n: usize| {
            let read = &accounts[..n];
            words(|| snapshot(|s| read.iter().try_for_each(|x| x.read(s).map(drop))))
        };
        assert!(few(100).len() <= 1, "{}", few(100).len());
        assert_eq!(few(1).len(), few(100).len());
    });
}
