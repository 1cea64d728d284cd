//! An external decider: asked once, when nothing but its answer is missing; and what it says happens.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::decided::{decided, with_decider};
use common::fire::{Boxed, collect_until, elsewhere, panic_of, tick};
use common::{Value, wait_until, watched};
use stm_core::diagnostics::collect_garbage;
use stm_core::{
    Abort, Decision, Stopped, TVar, Transaction, TryStopped, Tx, abort, after_attempt, atomically,
    forbid_in_transaction, in_transaction, snapshot,
};

/// One of each form, holding 1 and 2.
fn both_forms() -> (TVar<i64>, TVar<Box<i64>>) {
    (TVar::new(1), TVar::new(Box::new(2)))
}

fn answers<T: Value>() {
    let [x, y] = [1, 2].map(|n| TVar::new(T::of(n)));
    let both = || (x.load().n(), y.load().n());
    let run = |answer: Decision<&'static str>| {
        decided(
            |tx| {
                let n = x.read(tx)?.n();
                y.write(tx, T::of(n + 9))?;
                Ok(n)
            },
            |n| {
                *n += 100;
                answer
            },
        )
    };
    assert_eq!(run(Decision::Abort("no")), Err("no"));
    assert_eq!(both(), (1, 2), "as if it had not been");
    assert_eq!(run(Decision::Commit), Ok(101), "it may change the result");
    assert_eq!(both(), (1, 10));

    // Of the body's own error and of a wait it is not told.
    let never = |_: &mut ()| -> Decision<_> { panic!("not asked") };
    let refused = decided(
        |tx| {
            y.write(tx, T::of(0))?;
            abort("the body's")
        },
        never,
    );
    assert_eq!((refused, both()), (Err("the body's"), (1, 10)));
    let limited = Transaction::new().max_attempts(1);
    let doomed = limited.try_run(with_decider(
        |tx| {
            x.read(tx)?;
            elsewhere(|| x.store(T::of(1)));
            Ok::<_, Abort<()>>(y.write(tx, T::of(0))?)
        },
        |_| panic!("not asked"),
    ));
    assert_eq!(doomed, Err(TryStopped::Stopped(Stopped::TooManyAttempts)));
    assert_eq!(both(), (1, 10));
}

#[test]
fn the_decider_has_the_last_word() {
    watched("decide_answers", || {
        answers::<i64>();
        answers::<Box<i64>>();
        answers::<Boxed>();
    });
}

/// What changes what was read, in an attempt's body, keeps its decider from being asked.
#[test]
fn once_per_commit_and_only_after_validation() {
    fn validated<T: Value>(read_only: bool) {
        let [x, y] = [0, 0].map(|n| TVar::new(T::of(n)));
        let mut asked = Vec::new();
        let attempts = decided(
            |tx| {
                let n = x.read(tx)?.n();
                if !read_only {
                    y.write(tx, T::of(n))?;
                }
                if tx.attempt() <= 3 {
                    elsewhere(|| x.store(T::of(n + 1)));
                }
                Ok::<_, Abort<()>>((n, tx.attempt()))
            },
            |&mut (n, attempt)| {
                asked.push((n, attempt));
                Decision::Commit
            },
        );
        assert_eq!(attempts, Ok((3, 4)));
        assert_eq!(asked, [(3, 4)]);
        assert_eq!(y.load().n(), if read_only { 0 } else { 3 });
    }

    watched("decide_validated", || {
        for read_only in [false, true] {
            validated::<i64>(read_only);
            validated::<Box<i64>>(read_only);
        }
    });
}

/// A body whose reads would make a snapshot has not read the newest: what is decided on must be.
#[test]
fn no_decision_rests_on_a_snapshot() {
    watched("decide_no_snapshot", || {
        let all: Vec<_> = (0..40).map(|_| TVar::new(0i64)).collect();
        let attempts = decided(
            |tx| {
                let mut sum = 0;
                for (at, var) in all.iter().enumerate() {
                    sum += var.read(tx)?;
                    if at == 20 && tx.attempt() == 1 {
                        elsewhere(|| {
                            tick();
                            atomically(|tx| {
                                all[0].write(tx, 1)?;
                                all[39].write(tx, 1)
                            });
                        });
                    }
                    if at == 20 && tx.attempt() == 2 {
                        // As a snapshot, it does not see this.
                        elsewhere(|| all[39].store(5));
                    }
                }
                Ok::<_, Abort<()>>((sum, tx.attempt()))
            },
            |_| Decision::Commit,
        );
        // As an update, perhaps as a snapshot, as an update that is to write.
        assert!(matches!(attempts, Ok((6, 2..=3))), "{attempts:?}");
    });
}

/// Retry waits for a change of what was read, and asks again.
#[test]
fn retry_waits_as_retry_does() {
    fn waits<T: Value>() {
        let [x, y] = [0, 0].map(|n| TVar::new(T::of(n)));
        let asked = AtomicUsize::new(0);
        std::thread::scope(|s| {
            let waiting = s.spawn(|| {
                decided(
                    |tx| {
                        let n = x.read(tx)?.n();
                        y.write(tx, T::of(n))?;
                        Ok::<_, Abort<()>>(n)
                    },
                    |n| {
                        asked.fetch_add(1, Ordering::SeqCst);
                        if *n < 3 {
                            Decision::Retry
                        } else {
                            Decision::Commit
                        }
                    },
                )
            });
            for n in 1..=3 {
                wait_until(|| asked.load(Ordering::SeqCst) == n as usize);
                assert_eq!(y.load().n(), 0, "nothing was written");
                x.store(T::of(n));
            }
            assert_eq!(waiting.join().unwrap(), Ok(3));
        });
        assert_eq!((asked.into_inner(), y.load().n()), (4, 3));
    }

    watched("decide_retry", || {
        waits::<i64>();
        waits::<Box<i64>>();

        // Nothing was read: the wait would not end.
        let x = TVar::new(0);
        let body = |tx: &mut Tx<'_>| Ok::<_, Abort<()>>(x.write(tx, 1)?);
        let message = panic_of(|| decided(body, |_| Decision::Retry));
        assert!(message.contains("nothing could ever wake it"), "{message}");
        assert_eq!(
            Transaction::new().try_run(with_decider(body, |_| Decision::Retry)),
            Err(TryStopped::Stopped(Stopped::NothingToWaitFor))
        );
        assert_eq!(x.load(), 0);
    });
}

/// P7: as if the call had not been, and everybody goes on.
#[test]
fn panic_safety_decide() {
    watched("panic_safety_decide", || {
        let (x, y) = both_forms();
        let read = TVar::new(5);
        for round in 0..3 {
            let message = panic_of(|| {
                decided(
                    |tx| {
                        read.read(tx)?;
                        x.write(tx, 10)?;
                        y.commute(tx, |n| Box::new(**n + 10))?;
                        Ok::<_, Abort<()>>(())
                    },
                    |()| panic!("on purpose {round}"),
                )
            });
            assert_eq!(message, format!("on purpose {round}"));
            assert!(!in_transaction());
            assert_eq!((x.load(), *y.load(), read.load()), (1, 2, 5));
            elsewhere(|| {
                atomically(|tx| {
                    x.modify(tx, |n| n)?;
                    y.modify(tx, |n| n)?;
                    read.modify(tx, |n| n)
                })
            });
        }
        // A function that unwinds comes before the decider.
        let message = panic_of(|| {
            decided(
                |tx| Ok::<_, Abort<()>>(x.commute(tx, |_| panic!("in the function"))?),
                |()| panic!("not asked"),
            )
        });
        assert_eq!((message.as_str(), x.load()), ("in the function", 1));
    });
}

#[test]
fn hooks_follow_the_decision() {
    watched("decide_hooks", || {
        let marks = Rc::new(RefCell::new(Vec::new()));
        let x = TVar::new(0);
        let hook = |mark| {
            let marks = Rc::clone(&marks);
            move || {
                assert!(!in_transaction());
                marks.borrow_mut().push(mark);
            }
        };
        let body = |tx: &mut Tx<'_>| {
            tx.on_commit(hook("commit"));
            tx.on_abort(hook("abort"));
            Ok::<_, Abort<&str>>(x.modify(tx, |n| n + 1)?)
        };
        assert!(decided(body, |()| Decision::Commit).is_ok());
        assert_eq!(marks.take(), ["commit"]);
        assert!(decided(body, |()| Decision::Abort("no")).is_err());
        assert_eq!(marks.take(), ["abort"]);
        panic_of(|| decided(body, |()| panic!("on purpose")));
        assert_eq!(marks.take(), ["abort"]);
        let first = Cell::new(true);
        let waits = decided(body, |()| {
            if first.take() {
                let x = x.clone();
                after_attempt(move || elsewhere(|| x.store(7)));
                Decision::Retry
            } else {
                Decision::Commit
            }
        });
        assert!(waits.is_ok());
        assert_eq!(marks.take(), ["abort", "commit"]);
        assert_eq!(x.load(), 8);
    });
}

#[test]
fn a_decider_reaches_no_variable() {
    watched("decide_misuse", || {
        let (x, other) = (TVar::new(0), TVar::new(1));
        type Way = fn(&TVar<i32>);
        let ways: [Way; 8] = [
            |v| _ = v.load(),
            |v| v.store(1),
            |v| _ = v.swap(1),
            |v| atomically(|tx| v.read(tx).map(drop)),
            |v| snapshot(|s| v.read(s).map(drop)),
            |v| {
                let _ = decided(
                    |tx| Ok::<_, Abort<()>>(v.write(tx, 1)?),
                    |()| Decision::Commit,
                );
            },
            |_| collect_garbage(),
            |v| {
                let mut future = stm_core::atomically_async(|tx| v.write(tx, 1));
                let _ = common::poll(&mut future, std::task::Waker::noop());
            },
        ];
        for way in ways {
            for target in [&x, &other] {
                let message = panic_of(|| {
                    decided(
                        |tx| Ok::<_, Abort<()>>(x.write(tx, 9)?),
                        |()| {
                            way(target);
                            Decision::Commit
                        },
                    )
                });
                assert!(message.contains("inside a transaction"), "{message}");
                assert!(message.contains("read in the body"), "{message}");
                assert_eq!((x.load(), other.load()), (0, 1));
            }
        }
        let message = panic_of(|| {
            decided(
                |_| Ok::<_, Abort<()>>(()),
                |()| {
                    forbid_in_transaction("tea");
                    Decision::Commit
                },
            )
        });
        assert!(message.contains("tea"), "{message}");
    });
}

/// P8, P9: whatever the outcome, results, errors, values and what the decider makes are dropped once, outside.
#[test]
fn drop_counts_decide() {
    struct Counted(Arc<AtomicUsize>);
    impl Counted {
        fn new(alive: &Arc<AtomicUsize>) -> Self {
            alive.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(alive))
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            assert!(!in_transaction(), "dropped inside");
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    watched("drop_counts_decide", || {
        let alive = Arc::new(AtomicUsize::new(0));
        let [x, left] = [(); 2].map(|()| TVar::new(Counted::new(&alive)));
        let pulse = TVar::new(0);
        let body = |tx: &mut Tx<'_>| {
            pulse.read(tx)?;
            x.write(tx, Counted::new(&alive))?;
            x.write(tx, Counted::new(&alive))?;
            for _ in 0..2 {
                let alive = Arc::clone(&alive);
                left.commute(tx, move |_| Counted::new(&alive))?;
            }
            Ok::<_, Abort<Counted>>(())
        };
        for _ in 0..100 {
            assert!(decided(body, |_| Decision::Commit).is_ok());
            let refused = decided(body, |_| Decision::Abort(Counted::new(&alive)));
            assert!(refused.is_err());
            panic_of(|| decided(body, |_| panic!("on purpose")));
            let first = Cell::new(true);
            let waits = decided(body, |_| {
                if first.take() {
                    let pulse = pulse.clone();
                    after_attempt(move || pulse.store(1));
                    Decision::Retry
                } else {
                    Decision::Commit
                }
            });
            assert!(waits.is_ok());
        }
        drop((x, left));
        collect_until(|| alive.load(Ordering::Relaxed) == 0);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

/// Commutes are applied before it is asked, and undone if it says so; a snapshot that was there before sees what was.
#[test]
fn functions_and_old_values_are_kept() {
    fn kept<T: Value>() {
        let [x, y] = [1, 2].map(|n| TVar::new(T::of(n)));
        let seen = snapshot(|s| {
            let before = x.read(s)?.n();
            elsewhere(|| {
                for answer in [Decision::Abort(()), Decision::Commit] {
                    let _ = decided(
                        |tx| {
                            x.commute(tx, |n| T::of(n.n() + 10))?;
                            Ok(y.modify(tx, |n| T::of(n.n() + 10))?)
                        },
                        |()| answer,
                    );
                }
            });
            Ok((before, x.read(s)?.n(), y.read(s)?.n()))
        });
        assert_eq!(seen, (1, 1, 2));
        assert_eq!((x.load().n(), y.load().n()), (11, 12));
    }

    watched("decide_kept", || {
        kept::<i64>();
        kept::<Box<i64>>();
        kept::<Boxed>();
    });
}
