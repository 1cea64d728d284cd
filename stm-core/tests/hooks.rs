//! Hooks: once, afterwards, in order, and only those of what counts.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use common::fire::{elsewhere, panic_of};
use common::{on_threads, watched};
use stm_core::{
    Stm, TVar, Tx, abort, after_attempt, atomically, in_transaction, retry, try_atomically,
};

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

/// What a commit without hooks leaves behind does not decide over the next attempt on the thread.
#[test]
fn hooks_of_an_abort_after_an_ordinary_commit() {
    watched("hooks_after_commit", || {
        let marks = Marks::default();
        let many: Vec<_> = (0..3).map(TVar::new).collect();
        atomically(|tx| many.iter().try_for_each(|x| x.write(tx, 9)));
        let refused: Result<(), _> = try_atomically(|tx| {
            both(tx, &marks, ("commit", "abort"));
            abort("no")
        });
        assert_eq!((refused, marks.take()), (Err("no"), vec!["abort"]));
    });
}

/// A commit that failed has no place in the order of commits: what its abort hooks commit runs its own hooks at once.
#[test]
fn commits_in_an_abort_hook() {
    watched("commits_in_an_abort_hook", || {
        let (marks, x, y) = (Marks::default(), TVar::new(0), TVar::new(0));
        atomically(|tx| {
            let n = x.read(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| x.store(n + 1));
                tx.on_commit(marks.hook("not"));
                let (inner, outer) = (marks.hook("inner"), marks.hook("outer"));
                tx.on_abort(move || {
                    let mut inner = Some(inner);
                    atomically(|tx| {
                        inner.take().into_iter().for_each(|hook| tx.on_commit(hook));
                        Ok(())
                    });
                    outer();
                });
            }
            y.write(tx, n)
        });
        assert_eq!(marks.take(), ["inner", "outer"]);
    });
}

/// Work that is put off, or a value's `Drop`, commits with hooks right after a commit with hooks.
#[test]
fn commits_between_a_commit_and_its_hooks() {
    struct CommitsWithHooks(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for CommitsWithHooks {
        fn drop(&mut self) {
            let log = Arc::clone(&self.0);
            atomically(|tx| {
                let log = Arc::clone(&log);
                tx.on_commit(move || log.lock().unwrap().push("of the drop"));
                Ok(())
            });
        }
    }

    watched("commits_between", || {
        let log = Arc::new(Mutex::new(Vec::new()));
        let value = || CommitsWithHooks(Arc::clone(&log));
        let x = TVar::new(value());
        atomically(|tx| {
            x.write(tx, value())?; // overwritten: dropped after the commit
            x.write(tx, value())?;
            let hook = Arc::clone(&log);
            tx.on_commit(move || hook.lock().unwrap().push("of the commit"));
            let later = Arc::clone(&log);
            after_attempt(move || {
                atomically(|tx| {
                    let later = Arc::clone(&later);
                    tx.on_commit(move || later.lock().unwrap().push("put off"));
                    Ok(())
                });
            });
            Ok(())
        });
        let so_far = std::mem::take(&mut *log.lock().unwrap());
        assert_eq!(so_far, ["of the commit", "of the drop", "put off"]);
        drop(x);
    });
}

/// One commit has read what the other writes: its hooks come first, however long it takes to get there.
#[test]
fn ordered_commits_across_a_read() {
    watched("ordered_across_read", || {
        let (x, y) = (TVar::new(0), TVar::new(0));
        let log = Arc::new(Mutex::new(Vec::new()));
        let entry = |what: String| {
            let log = Arc::clone(&log);
            move || log.lock().unwrap().push(what)
        };
        let (let_go, writer) = std::sync::mpsc::channel::<()>();
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::scope(|s| {
            s.spawn({
                let (x, entry) = (&x, &entry);
                move || {
                    writer.recv().unwrap();
                    atomically(|tx| {
                        x.write(tx, 1)?;
                        tx.on_commit(entry("x = 1".into()));
                        // Between publication and hooks: the reader need not wait for the latter.
                        Ok(())
                    });
                    done.send(()).unwrap();
                }
            });
            atomically(|tx| {
                let saw = x.read(tx)?;
                tx.on_commit(entry(format!("saw {saw}")));
                let let_go = let_go.clone();
                // Runs after the validation, while x is not locked.
                y.commute(tx, move |n| {
                    let_go.send(()).unwrap();
                    std::thread::yield_now();
                    n + 1
                })
            });
            is_done.recv().unwrap();
        });
        assert_eq!(*log.lock().unwrap(), ["saw 0", "x = 1"]);
    });
}

/// At the end of a thread, when its locals are going, no turn is lost.
#[test]
fn hooks_within_hooks_at_thread_exit() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            let x = TVar::new(0);
            atomically(|tx| {
                x.write(tx, 1)?;
                let y = TVar::new(0);
                tx.on_commit(move || {
                    atomically(|tx| {
                        y.write(tx, 1)?;
                        tx.on_commit(|| ());
                        Ok(())
                    });
                });
                Ok(())
            });
        }
    }
    thread_local! { static LATE: Late = const { Late } }

    watched("hooks_thread_exit", || {
        elsewhere(|| {
            LATE.with(|_| ());
            atomically(|tx| {
                tx.on_commit(|| ());
                Ok(())
            });
        });
        let marks = Marks::default();
        atomically(|tx| {
            tx.on_commit(marks.hook("still served"));
            Ok(())
        });
        assert_eq!(marks.take(), ["still served"]);
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
