//! A decider within its body: what a refusal leaves to go on with, and what nothing may follow.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use common::fire::{Boxed, elsewhere, panic_of};
use common::{Value, Wakes, block_on, poll, watched};
use stm_core::diagnostics::{collect_garbage, stats};
use stm_core::{
    Abort, Decision, Stm, TVar, Tx, abort, atomically, atomically_async, retry, try_atomically,
};

type Asked = RefCell<Vec<&'static str>>;

/// Asks a decider that says `answer`, and notes that it was asked.
fn ask<E>(
    tx: &mut Tx<'_>,
    asked: &Asked,
    who: &'static str,
    answer: Decision<E>,
) -> Result<(), Abort<E>> {
    tx.decide(|| {
        asked.borrow_mut().push(who);
        answer
    })
}

/// Writes `n` to all, some of them twice, some by functions; not in the order of their addresses.
fn scribble<T: Value>(tx: &mut Tx<'_>, all: &[TVar<T>], n: i64) -> Stm<()> {
    for (at, var) in all.iter().enumerate().rev() {
        match at % 4 {
            3 => {
                var.commute(tx, |v| T::of(v.n() + 1))?;
                // It discards the function.
                var.write(tx, T::of(n))?;
            }
            0 => var.write(tx, T::of(n))?,
            1 => {
                var.write(tx, T::of(-1))?;
                let kept = var.read_ref(tx)?;
                var.write(tx, T::of(n))?;
                assert_eq!(kept.n(), -1);
            }
            _ => {
                var.commute(tx, |v| T::of(v.n() + 1))?;
                var.commute(tx, move |_| T::of(n))?;
            }
        }
    }
    Ok(())
}

fn values<T: Value>(all: &[TVar<T>]) -> Vec<i64> {
    all.iter().map(|var| var.load().n()).collect()
}

/// A refusal is an alternative's or a nested transaction's like any other: what was written before the branch stays, what was
/// written in it goes, and another decider may be asked.
#[test]
fn a_refusal_is_its_branchs() {
    fn branches<T: Value>(count: usize) {
        let all: Vec<_> = (0..count).map(|_| TVar::new(T::of(0))).collect();
        let (outer, inner) = all.split_at(count / 2);
        let asked = Asked::default();
        let ones_and = |n| [vec![1; outer.len()], vec![n; inner.len()]].concat();

        atomically(|tx| {
            scribble(tx, outer, 1)?;
            tx.or_else(
                |tx| {
                    scribble(tx, &all, 7)?;
                    ask(tx, &asked, "left", Decision::Retry).map_err(Abort::into_control)
                },
                |tx| {
                    scribble(tx, inner, 2)?;
                    ask(tx, &asked, "right", Decision::Commit).map_err(Abort::into_control)
                },
            )
        });
        assert_eq!(values(&all), ones_and(2));
        assert_eq!(asked.take(), ["left", "right"]);

        let refused = atomically(|tx| {
            scribble(tx, outer, 1)?;
            let refused = tx.nested(|tx| {
                scribble(tx, &all, 7)?;
                ask(tx, &asked, "nested", Decision::Abort("no"))
            })?;
            scribble(tx, inner, 3)?;
            Ok(refused)
        });
        assert_eq!((refused, values(&all)), (Err("no"), ones_and(3)));
        assert_eq!(asked.take(), ["nested"]);

        // One that is swallowed: what was written is still pending.
        let second: Result<(), &str> = try_atomically(|tx| {
            scribble(tx, outer, 1)?;
            scribble(tx, inner, 4)?;
            for answer in [Decision::Retry, Decision::Abort(Some("never told"))] {
                assert!(ask(tx, &asked, "first", answer).is_err());
            }
            scribble(tx, &inner[..1], 5)?;
            scribble(tx, &inner[..1], 4)?;
            ask(tx, &asked, "second", Decision::Commit)
        });
        assert_eq!((second, values(&all)), (Ok(()), ones_and(4)));
        assert_eq!(asked.take(), ["first", "first", "second"]);

        // And one that goes up through everything.
        let refused = try_atomically(|tx| {
            scribble(tx, outer, 9)?;
            tx.nested(|tx| Ok::<_, Abort<Infallible>>(scribble(tx, inner, 9)?))?
                .unwrap_or_else(|never| match never {});
            ask(tx, &asked, "all", Decision::Abort("no"))
        });
        assert_eq!((refused, values(&all)), (Err("no"), ones_and(4)));
        asked.take();
    }

    watched("decide_branches", || {
        for count in [6, 40] {
            branches::<i64>(count);
            branches::<Box<i64>>(count);
            branches::<Boxed>(count);
        }
    });
}

/// A task that slept until the answer is woken also where the body goes on after a refusal, and commits.
#[test]
fn a_refusal_that_is_swallowed_wakes() {
    watched("decide_swallowed_wakes", || {
        let x = TVar::new(0);
        let (wakes, waker) = Wakes::new();
        let mut task = atomically_async(|tx| x.read(tx));
        atomically(|tx| {
            x.write(tx, 1)?;
            let refused = tx.decide(|| {
                elsewhere(|| assert!(poll(&mut task, &waker).is_pending()));
                Decision::Abort("no")
            });
            assert_eq!(refused, Err(Abort::User("no")));
            Ok(())
        });
        assert_eq!(wakes.count(), 1);
        assert_eq!(poll(&mut task, &waker), Poll::Ready(1));
    });
}

/// A branch that has decided cannot lose.
#[test]
fn a_branch_that_was_not_asked_asks_nobody() {
    watched("decide_not_asked", || {
        let x = TVar::new(0);
        let asked = Asked::default();
        let commit = |tx: &mut Tx<'_>, who| {
            ask(tx, &asked, who, Decision::Commit).map_err(Abort::into_control)
        };
        atomically(|tx| {
            tx.or_else(
                |tx| {
                    x.write(tx, 1)?;
                    if x.read(tx)? == 1 {
                        return retry();
                    }
                    commit(tx, "left")
                },
                |tx| commit(tx, "right"),
            )
        });
        assert_eq!((asked.take(), x.load()), (vec!["right"], 0));
        let won = atomically(|tx| {
            let won = tx.or_else(|tx| commit(tx, "left").map(|()| "left"), |_| Ok("right"))?;
            Ok(won)
        });
        assert_eq!((won, asked.take()), ("left", vec!["left"]));
    });
}

/// It needs nothing to be written, nor to be read; and it may borrow what the body has made.
#[test]
fn nothing_need_be_written() {
    watched("decide_nothing_written", || {
        let (x, asked) = (TVar::new(String::from("read")), Cell::new(0));
        let refusal = String::from("borrowed");
        let told = try_atomically(|tx| {
            let value = x.read_ref(tx)?;
            tx.decide(|| {
                asked.set(asked.get() + 1);
                assert_eq!(*value, "read");
                Decision::Abort(refusal.as_str())
            })
        });
        assert_eq!((told, asked.take()), (Err("borrowed"), 1));
        let made = atomically(|tx| {
            let mut made = None;
            tx.decide(|| {
                made = Some("by the store");
                Decision::Commit
            })
            .map_err(Abort::into_control)?;
            Ok(made)
        });
        assert_eq!(made, Some("by the store"));
    });
}

#[test]
fn a_doomed_body_asks_nobody() {
    watched("decide_doomed", || {
        let x = TVar::new(0);
        let asked = Cell::new(0);
        let attempts = atomically(|tx| {
            if tx.attempt() == 1 {
                let unwinding = AssertUnwindSafe(|| x.modify(tx, |_| panic!("on purpose")));
                assert!(catch_unwind(unwinding).is_err());
            }
            let answer = tx.decide(|| {
                asked.set(asked.get() + 1);
                Decision::<Infallible>::Commit
            });
            assert_eq!(answer.is_err(), tx.attempt() == 1);
            Ok(tx.attempt())
        });
        assert_eq!((attempts, asked.take()), (2, 1));
    });
}

/// P7, E4: what follows Commit panics, and the commit stands; the body is not run again, also if it catches the panic.
#[test]
fn nothing_may_follow() {
    type Way = fn(&mut Tx<'_>, &TVar<i64>) -> Result<(), Abort<&'static str>>;
    let ways: [Way; 20] = [
        |tx, _| Ok(TVar::new(1).read(tx).map(drop)?),
        |tx, _| Ok(TVar::new(1).write(tx, 2)?),
        |tx, _| Ok(TVar::new(1).commute(tx, |n| n + 1)?),
        |tx, x| Ok(x.read(tx).map(drop)?),
        |tx, x| Ok(x.read_ref(tx).map(drop)?),
        |tx, x| Ok(x.write(tx, 5)?),
        |tx, x| Ok(x.modify(tx, |n| n + 1)?),
        |tx, x| Ok(x.update(tx, |n| *n += 1)?),
        |tx, x| Ok(x.replace(tx, 5).map(drop)?),
        |tx, x| Ok(x.commute(tx, |n| n + 1)?),
        |tx, x| {
            let _ = x.glance(tx);
            Ok(())
        },
        |tx, _| tx.decide(|| Decision::Commit),
        |tx, _| Ok(tx.or_else(|_| Ok(()), |_| Ok(()))?),
        |tx, _| Ok(tx.nested(|_| abort::<(), _>(())).map(drop)?),
        |tx, _| Ok(tx.retry_until(Instant::now())?),
        |tx, _| {
            tx.on_commit(|| ());
            Ok(())
        },
        |tx, _| {
            tx.on_abort(|| ());
            Ok(())
        },
        |_, _| abort("too late"),
        |_, _| Ok(retry()?),
        |tx, x| x.store_in_another(tx),
    ];
    watched("decide_nothing_follows", move || {
        for (at, way) in ways.into_iter().enumerate() {
            let x = TVar::new(0i64);
            let marks = Rc::new(RefCell::new(Vec::new()));
            let mark = |mark| {
                let marks = Rc::clone(&marks);
                move || marks.borrow_mut().push(mark)
            };
            let before = stats().commits;
            let message = panic_of(|| {
                try_atomically(|tx| {
                    tx.on_commit(mark("commit"));
                    tx.on_abort(mark("abort"));
                    x.modify(tx, |n| n + 1)?;
                    tx.decide(|| Decision::Commit)?;
                    way(tx, &x)
                })
            });
            let expected = if at == 19 {
                "inside a transaction"
            } else {
                "must be the last thing"
            };
            assert!(message.contains(expected), "{at}: {message}");
            assert_eq!(x.load(), 1, "{at}: it stands");
            assert_eq!(marks.take(), ["commit"], "{at}");
            assert!(stats().commits > before, "{at}: counted");

            let caught = try_atomically(|tx| {
                x.modify(tx, |n| n + 1)?;
                tx.decide(|| Decision::Commit)?;
                let refused = catch_unwind(AssertUnwindSafe(|| way(tx, &x)));
                assert_eq!(refused.is_err(), !matches!(at, 17 | 18), "{at}");
                Ok::<_, Abort<&str>>(tx.attempt())
            });
            assert_eq!((caught, x.load()), (Ok(1), 2), "{at}");
        }
    });
}

trait InAnother {
    fn store_in_another(&self, tx: &mut Tx<'_>) -> Result<(), Abort<&'static str>>;
}
impl InAnother for TVar<i64> {
    /// A second transaction within the first.
    fn store_in_another(&self, _tx: &mut Tx<'_>) -> Result<(), Abort<&'static str>> {
        self.store(9);
        Ok(())
    }
}

/// A scope that has decided and then fails would undo what is published.
#[test]
fn a_scope_cannot_fail_when_it_has_decided() {
    watched("decide_scope_fails", || {
        let x = TVar::new(0);
        let bump = |tx: &mut Tx<'_>| -> Stm<()> {
            x.modify(tx, |n| n + 1)?;
            tx.decide(|| Decision::Commit).map_err(Abort::into_control)
        };
        let messages = [
            panic_of(|| {
                atomically(|tx| {
                    tx.nested(|tx| {
                        bump(tx)?;
                        abort::<(), _>("too late")
                    })
                })
            }),
            panic_of(|| {
                atomically(|tx| {
                    tx.or_else(
                        |tx| {
                            bump(tx)?;
                            retry::<()>()
                        },
                        |_| Ok(()),
                    )
                })
            }),
            panic_of(|| {
                atomically(|tx| {
                    tx.optionally(|tx| {
                        bump(tx)?;
                        tx.retry_until::<()>(Instant::now())
                    })
                })
            }),
        ];
        for message in messages {
            assert!(message.contains("must be the last thing"), "{message}");
        }
        assert_eq!(x.load(), 3);

        // One that unwinds, and whose panic is caught: not even then does the body run again.
        let attempt = atomically(|tx| {
            let unwinding = AssertUnwindSafe(|| {
                tx.optionally::<()>(|tx| {
                    bump(tx)?;
                    panic!("on purpose")
                })
            });
            assert!(catch_unwind(unwinding).is_err());
            Ok(tx.attempt())
        });
        assert_eq!((attempt, x.load()), (1, 4));
    });
}

/// The panic of a decider that its body catches: the attempt is lost, and the next asks again.
#[test]
fn a_panic_that_is_caught_dooms() {
    watched("decide_caught", || {
        let x = TVar::new(0);
        let by_function = Cell::new(true);
        for _ in 0..2 {
            let (x, by_function) = (x.clone(), by_function.take());
            let before = x.load();
            let attempts = atomically(|tx| {
                let first = tx.attempt() == 1;
                x.commute(tx, move |n| {
                    assert!(!(first && by_function), "in the function");
                    n + 1
                })?;
                let asking = AssertUnwindSafe(|| {
                    tx.decide(|| {
                        assert!(!first, "in the decider");
                        Decision::Commit
                    })
                });
                match catch_unwind(asking) {
                    Ok(answer) => answer.map_err(Abort::into_control)?,
                    Err(_) => assert!(x.read(tx).is_err(), "doomed"),
                }
                Ok(if first { 1 } else { 2 })
            });
            assert_eq!((attempts, x.load()), (2, before + 1));
        }
    });
}

/// X3: what a body holds on to stays as it was, whatever becomes of the variables after Commit.
#[test]
fn references_outlive_the_decision() {
    watched("decide_references", || {
        let [old, new] = [1, 2].map(|n| TVar::new(Boxed::of(n)));
        atomically(|tx| {
            let read = old.read_ref(tx)?;
            new.write(tx, Boxed::of(3))?;
            let pending = new.read_ref(tx)?;
            old.write(tx, Boxed::of(4))?;
            tx.decide(|| Decision::Commit)
                .map_err(Abort::into_control)?;
            elsewhere(|| {
                for _ in 0..200 {
                    old.store(Boxed::of(5));
                    new.store(Boxed::of(5));
                    collect_garbage();
                }
            });
            assert_eq!((read.n(), pending.n()), (1, 3));
            Ok(())
        });
        assert_eq!((old.load().n(), new.load().n()), (5, 5));
    });
}

/// A task may ask, too.
#[test]
fn a_task_may_decide() {
    watched("decide_in_a_task", || {
        let x = TVar::new(1);
        let seen = block_on(atomically_async(|tx| {
            let n = x.read(tx)?;
            x.write(tx, n + 1)?;
            tx.decide(|| Decision::Commit)
                .map_err(Abort::into_control)?;
            Ok(n)
        }));
        assert_eq!((seen, x.load()), (1, 2));
    });
}
