//! Hooks: once, afterwards, in order, and only those of what counts.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use common::fire::{elsewhere, panic_of};
use common::{on_threads, watched};
use stm_core::{Stm, TVar, Tx, abort, atomically, in_transaction, retry, try_atomically};

/// Where hooks leave their marks.
#[derive(Clone, Default)]
struct Marks(Rc<RefCell<Vec<&'static str>>>);

impl Marks {
    fn hook(&self, mark: &'static str) -> impl FnOnce() + 'static {
        let marks = self.clone();
        move || {
            assert!(!in_transaction(), "hooks run outside");
            marks.0.borrow_mut().push(mark);
        }
    }

    fn take(&self) -> Vec<&'static str> {
        self.0.take()
    }
}

/// Sets both kinds.
fn both(tx: &mut Tx<'_>, marks: &Marks, name: (&'static str, &'static str)) {
    tx.on_commit(marks.hook(name.0));
    tx.on_abort(marks.hook(name.1));
}

#[test]
fn a_commit_runs_its_hooks_in_order() {
    watched("hooks_in_order", || {
        let (marks, x) = (Marks::default(), TVar::new(0));
        atomically(|tx| {
            both(tx, &marks, ("one", "not"));
            x.write(tx, 1)?;
            both(tx, &marks, ("two", "not"));
            assert!(marks.take().is_empty(), "not before the commit");
            Ok(())
        });
        assert_eq!(marks.take(), ["one", "two"]);
        // Read-only ones commit, too.
        atomically(|tx| {
            both(tx, &marks, ("read", "not"));
            x.read(tx)
        });
        assert_eq!(marks.take(), ["read"]);
    });
}

#[test]
fn every_failed_attempt_runs_its_own_newest_first() {
    watched("hooks_on_abort", || {
        let (marks, x) = (Marks::default(), TVar::new(0));
        let set = |tx: &mut Tx<'_>| {
            both(tx, &marks, ("commit", "first"));
            both(tx, &marks, ("commit", "second"));
        };

        let refused: Result<(), _> = try_atomically(|tx| {
            set(tx);
            abort("no")
        });
        assert_eq!(refused, Err("no"));
        assert_eq!(marks.take(), ["second", "first"], "an error");

        panic_of(|| {
            atomically(|tx| -> Stm<()> {
                set(tx);
                panic!("in the body")
            })
        });
        assert_eq!(marks.take(), ["second", "first"], "a panic");

        atomically(|tx| {
            let n = x.read(tx)?;
            set(tx);
            if tx.attempt() == 1 {
                elsewhere(|| x.store(5));
            }
            x.write(tx, n + 1)
        });
        assert_eq!(
            marks.take(),
            ["second", "first", "commit", "commit"],
            "a conflict"
        );
        assert_eq!(x.load(), 6);

        let waking = {
            let x = x.clone();
            move || std::thread::spawn(move || x.store(7))
        };
        let mut waker = None;
        atomically(|tx| {
            let n = x.read(tx)?;
            set(tx);
            if n == 7 {
                return Ok(());
            }
            // After the roll-back, before the sleep: or nobody would wake it.
            let waking = waking.clone();
            if waker.is_none() {
                waker = Some(Rc::new(RefCell::new(None)));
            }
            let slot = waker.clone().expect("just made");
            tx.on_abort(move || *slot.borrow_mut() = Some(waking()));
            retry()
        });
        assert_eq!(
            marks.take(),
            ["second", "first", "commit", "commit"],
            "a wait"
        );
        let handle = waker.expect("it waited").take().expect("it was woken");
        handle.join().unwrap();
    });
}

#[test]
fn hooks_of_a_branch_that_is_undone_do_not_run() {
    watched("hooks_of_branches", || {
        let marks = Marks::default();
        let owned = Arc::new(());
        atomically(|tx| {
            both(tx, &marks, ("outer", "not"));
            tx.or_else(
                |tx| {
                    both(tx, &marks, ("left", "left undone"));
                    let owned = owned.clone();
                    tx.on_commit(move || drop(owned));
                    retry::<()>()
                },
                |tx| {
                    both(tx, &marks, ("right", "not"));
                    Ok(())
                },
            )?;
            let inner: Result<(), _> = tx.nested(|tx| {
                both(tx, &marks, ("nested", "nested undone"));
                abort("inner")
            })?;
            assert_eq!(inner, Err("inner"));
            both(tx, &marks, ("last", "not"));
            Ok(())
        });
        assert_eq!(marks.take(), ["outer", "right", "last"]);
        assert_eq!(Arc::strong_count(&owned), 1, "what they own is dropped");
    });
}

#[test]
fn a_hook_that_panics_leaves_the_commit_standing() {
    watched("hooks_panic", || {
        let (marks, x) = (Marks::default(), TVar::new(0));
        for round in 1..=2 {
            let done = atomically(|tx| {
                tx.on_commit(|| panic!("in a hook"));
                tx.on_commit(marks.hook("after"));
                x.write(tx, round)?;
                Ok("done")
            });
            assert_eq!((done, x.load()), ("done", round));
            assert_eq!(marks.take(), ["after"]);
        }
    });
}

#[test]
fn hooks_may_run_transactions_with_hooks() {
    watched("hooks_nest", || {
        let (marks, x) = (Marks::default(), TVar::new(0));
        atomically(|tx| {
            let (inner, x, after) = (marks.clone(), x.clone(), marks.hook("outer second"));
            tx.on_commit(move || {
                atomically(|tx| {
                    tx.on_commit(inner.hook("inner"));
                    x.modify(tx, |n| n + 1)
                });
            });
            tx.on_commit(after);
            Ok(())
        });
        assert_eq!(marks.take(), ["outer second", "inner"]);
        assert_eq!(x.load(), 1);
    });
}

/// The queue that hooks fill tells the order of the commits.
#[test]
fn ordered_commits() {
    watched("ordered_commits", || {
        const THREADS: usize = 10;
        let each = if cfg!(debug_assertions) {
            1_000
        } else {
            10_000
        };
        let counter = TVar::new(0u64);
        let queue = Arc::new(Mutex::new(Vec::new()));
        on_threads(THREADS, |_| {
            for _ in 0..each {
                atomically(|tx| {
                    let n = counter.read(tx)? + 1;
                    counter.write(tx, n)?;
                    let queue = Arc::clone(&queue);
                    tx.on_commit(move || queue.lock().unwrap().push(n));
                    Ok(())
                });
            }
        });
        let queue = queue.lock().unwrap();
        assert_eq!(queue.len(), THREADS * each);
        assert!(queue.iter().zip(1..).all(|(n, expected)| *n == expected));
    });
}

/// Two threads, each of whose hooks commits with hooks: no turn waits for one that waits for it.
#[test]
fn nested_turns_do_not_wait_for_each_other() {
    watched("nested_turns", || {
        let done = Arc::new(Mutex::new(0));
        let x = TVar::new(0);
        on_threads(4, |_| {
            for _ in 0..200 {
                atomically(|tx| {
                    let (x, done) = (x.clone(), Arc::clone(&done));
                    tx.on_commit(move || {
                        atomically(|tx| {
                            let done = Arc::clone(&done);
                            tx.on_commit(move || *done.lock().unwrap() += 1);
                            x.modify(tx, |n| n + 1)
                        });
                    });
                    Ok(())
                });
            }
        });
        assert_eq!((x.load(), *done.lock().unwrap()), (800, 800));
    });
}
