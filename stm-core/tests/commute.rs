//! Functions that are applied at commit: they conflict with nobody, and leave nothing behind when they fail.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use common::fire::{Boxed, collect_until, elsewhere, panic_of, tick};
use common::{Value, on_threads, watched_alone};
use stm_core::diagnostics::stats;
use stm_core::{TVar, Tx, abort, atomically, in_transaction, retry, snapshot, try_atomically};

fn add<T: Value>(n: i64) -> impl Fn(&T) -> T + Send + 'static {
    move |v| T::of(v.n() + n)
}

fn times<T: Value>(n: i64) -> impl Fn(&T) -> T + Send + 'static {
    move |v| T::of(v.n() * n)
}

fn in_any_order<T: Value>() {
    let x = TVar::new(T::of(1));
    atomically(|tx| {
        x.commute(tx, add(2))?;
        x.commute(tx, times(10))
    });
    assert_eq!(x.load().n(), 30, "in their order");

    let seen = atomically(|tx| {
        x.commute(tx, add(1))?;
        x.commute(tx, add(1))?;
        let seen = x.read(tx)?.n();
        x.commute(tx, times(2))?;
        Ok((seen, x.read(tx)?.n()))
    });
    assert_eq!(
        (seen, x.load().n()),
        ((32, 64), 64),
        "read after commute, commute after read"
    );

    atomically(|tx| {
        x.commute(tx, add(100))?;
        x.write(tx, T::of(5))
    });
    assert_eq!(x.load().n(), 5, "write after commute discards it");

    atomically(|tx| {
        x.write(tx, T::of(7))?;
        x.commute(tx, add(1))
    });
    assert_eq!(x.load().n(), 8, "commute after write");

    let refs = atomically(|tx| {
        x.commute(tx, add(1))?;
        let before = x.read_ref(tx)?;
        x.commute(tx, add(1))?;
        let after = x.read_ref(tx)?;
        Ok((before.n(), after.n()))
    });
    assert_eq!((refs, x.load().n()), ((9, 10), 10), "a Ref does not change");

    atomically(|tx| {
        x.commute(tx, add(1))?;
        x.update(tx, |v| *v = T::of(v.n() * 2))
    });
    assert_eq!(x.load().n(), 22, "update after commute");
}

#[test]
fn commute_keeps_the_order_of_the_body() {
    watched_alone("commute_order", || {
        in_any_order::<i64>();
        in_any_order::<Box<i64>>();
        in_any_order::<Boxed>();
    });
}

fn undone<T: Value>() {
    let x = TVar::new(T::of(1));
    atomically(|tx| {
        x.commute(tx, add(1))?;
        tx.or_else(
            |tx| {
                // Discards the outer function, but is undone itself.
                x.write(tx, T::of(50))?;
                x.commute(tx, add(5))?;
                retry::<()>()
            },
            |tx| x.commute(tx, times(3)),
        )?;
        let inner: Result<(), _> = tx.nested(|tx| {
            assert_eq!(x.read(tx)?.n(), 6);
            x.commute(tx, add(1000))?;
            abort("inner")
        })?;
        assert_eq!(inner, Err("inner"));
        x.commute(tx, add(1))
    });
    assert_eq!(x.load().n(), 7);

    let refused: Result<(), _> = try_atomically(|tx| {
        x.commute(tx, add(1))?;
        abort(())
    });
    assert_eq!((refused, x.load().n()), (Err(()), 7));
}

/// What comes between two functions, and what a replacement brings, are kept apart.
#[test]
fn replace_after_commutes_frees_each_value_once() {
    watched_alone("replace_after_commutes", || {
        let x = TVar::new(String::from("at first"));
        let old = atomically(|tx| {
            x.commute(tx, |s| format!("{s}, one"))?;
            x.commute(tx, |s| format!("{s}, two"))?;
            x.replace(tx, "published".into())
        });
        let others: Vec<_> = (0..64).map(|_| String::from("something else")).collect();
        assert_eq!(
            (old.as_str(), x.load().as_str()),
            ("at first, one, two", "published")
        );
        drop(others);

        let counted = TVar::new(Boxed::of(1));
        atomically(|tx| {
            counted.commute(tx, add(1))?;
            counted.commute(tx, add(1))?;
            counted.replace(tx, Boxed::of(7)).map(drop)
        });
        assert_eq!(counted.load().n(), 7);
    });
}

/// The index over many writes goes when shadowed ones are dropped; functions must still find their entries.
#[test]
fn commute_beside_shadowed_writes() {
    watched_alone("commute_shadowed", || {
        for functions in 1..3 {
            let mut vars: Vec<_> = (0..6).map(|_| TVar::new(0)).collect();
            // In the order of their addresses: sorting must not repair anything.
            vars.sort_by_key(|var| format!("{var:?}"));
            let attempts = atomically(|tx| {
                vars[..5].iter().try_for_each(|v| v.write(tx, 1))?;
                let nested: Result<(), ()> =
                    tx.nested(|tx| Ok(vars[1..5].iter().try_for_each(|v| v.write(tx, 2))?))?;
                assert_eq!(nested, Ok(()));
                for _ in 0..functions {
                    vars[5].commute(tx, |n| n + 1)?;
                }
                Ok(tx.attempt())
            });
            assert_eq!((attempts, vars[5].load()), (1, functions));
        }
    });
}

#[test]
fn what_a_function_owns_is_dropped_outside() {
    struct Guard(Arc<AtomicUsize>);
    impl Drop for Guard {
        fn drop(&mut self) {
            assert!(!in_transaction(), "dropped in the body");
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    watched_alone("commute_owned", || {
        let drops = Arc::new(AtomicUsize::new(0));
        let function = || {
            let guard = Guard(Arc::clone(&drops));
            move |n: &i32| n + i32::from(Arc::strong_count(&guard.0) > 0)
        };
        let x = TVar::new(0);
        atomically(|tx| {
            x.write(tx, 1)?;
            x.commute(tx, function())
        });
        assert_eq!((x.load(), drops.load(Ordering::Relaxed)), (2, 1));
        // An attempt that can write no more refuses it.
        let y = TVar::new(0);
        atomically(|tx| {
            let n = x.read(tx)?;
            y.write(tx, n)?;
            if tx.attempt() == 1 {
                elsewhere(|| {
                    tick();
                    atomically(|tx| {
                        x.write(tx, 5)?;
                        y.write(tx, 5)
                    });
                });
                let z = TVar::new(0);
                elsewhere(|| z.store(1));
                let _ = x.read(tx);
                let doomed = y.replace(tx, 0).and_then(|_| x.commute(tx, function()));
                return doomed;
            }
            Ok(())
        });
        assert!(drops.load(Ordering::Relaxed) >= 1);
    });
}

#[test]
fn commute_is_undone_with_its_branch() {
    watched_alone("commute_undone", || {
        undone::<i64>();
        undone::<Box<i64>>();
    });
}

fn disturbs_nobody<T: Value>() {
    let (x, y) = (TVar::new(T::of(0)), TVar::new(T::of(0)));
    let attempts = atomically(|tx| {
        x.commute(tx, add(1))?;
        y.write(tx, T::of(9))?;
        elsewhere(|| {
            tick();
            atomically(|tx| x.commute(tx, add(10)));
            x.store(T::of(x.load().n() + 100));
        });
        Ok(tx.attempt())
    });
    assert_eq!((attempts, x.load().n(), y.load().n()), (1, 111, 9));

    // Once it has read, it is a reader like any other.
    let attempts = atomically(|tx| {
        x.commute(tx, add(1))?;
        x.read(tx)?;
        if tx.attempt() == 1 {
            elsewhere(|| atomically(|tx| x.commute(tx, add(1))));
        }
        Ok(tx.attempt())
    });
    assert_eq!((attempts, x.load().n()), (2, 113));
}

#[test]
fn commute_is_no_read() {
    watched_alone("commute_is_no_read", || {
        disturbs_nobody::<i64>();
        disturbs_nobody::<Box<i64>>();
        let x = TVar::new(0);
        let message = panic_of(|| {
            atomically(|tx| {
                x.commute(tx, |n| n + 1)?;
                retry::<()>()
            });
        });
        assert!(message.contains("nothing could ever wake it"), "{message}");
    });
}

/// Many threads on one counter: everything is counted, and nobody begins again.
#[test]
fn hot_counter_does_not_abort() {
    watched_alone("hot_counter", || {
        const THREADS: usize = 8;
        let each = if cfg!(debug_assertions) {
            2_000
        } else {
            20_000
        };
        let (word, boxed, mixed) = (TVar::new(0i64), TVar::new(Box::new(0i64)), TVar::new(0i64));
        let most = AtomicU32::new(0);
        on_threads(THREADS, |id| {
            for n in 0..each {
                atomically(|tx| {
                    word.commute(tx, |n| n + 1)?;
                    boxed.commute(tx, |n| Box::new(**n + 1))?;
                    most.fetch_max(tx.attempt(), Ordering::Relaxed);
                    Ok(())
                });
                // Snapshots on the way see both alike.
                if id == 0 && n % 16 == 0 {
                    let (a, b) = snapshot(|s| Ok((word.read(s)?, *boxed.read(s)?)));
                    assert_eq!(a, b);
                }
            }
        });
        // Apart from the others: whoever modifies may need priority, and that may stop even those who commute.
        on_threads(THREADS, |id| {
            for _ in 0..each {
                if id == 1 {
                    atomically(|tx| mixed.modify(tx, |n| n + 1));
                } else {
                    atomically(|tx| mixed.commute(tx, |n| n + 1));
                }
            }
        });
        let all = (THREADS * each) as i64;
        assert_eq!((word.load(), *boxed.load(), mixed.load()), (all, all, all));
        assert_eq!(most.load(Ordering::Relaxed), 1, "{}", stats());
    });
}

/// P7: whichever function unwinds, nothing has happened, and everybody goes on.
#[test]
fn panic_safety_commute() {
    fn explodes<T: Value>(_: &T) -> T {
        panic!("on purpose")
    }

    fn in_commit<T: Value>() {
        let [x, y, z] = [1, 2, 3].map(|n| TVar::new(T::of(n)));
        let body = |tx: &mut Tx<'_>| {
            x.write(tx, T::of(10))?;
            y.commute(tx, add(1))?;
            y.commute(tx, times(2))?;
            z.commute(tx, add(1))?;
            z.commute(tx, explodes::<T>)
        };
        assert_eq!(panic_of(|| atomically(body)), "on purpose");
        assert!(!in_transaction());
        let all = || [&x, &y, &z].map(|v| v.load().n());
        assert_eq!(all(), [1, 2, 3]);
        elsewhere(|| atomically(|tx| [&x, &y, &z].iter().try_for_each(|v| v.commute(tx, add(1)))));
        assert_eq!(all(), [2, 3, 4]);

        // When it is read: in the body.
        let caught = panic_of(|| {
            atomically(|tx| {
                x.write(tx, T::of(10))?;
                z.commute(tx, explodes::<T>)?;
                z.read(tx).map(drop)
            });
        });
        assert_eq!((caught.as_str(), all()), ("on purpose", [2, 3, 4]));
    }

    watched_alone("panic_safety_commute", || {
        in_commit::<i64>();
        in_commit::<Box<i64>>();
        in_commit::<Boxed>();
    });
}

#[test]
fn commute_functions_reach_no_variable() {
    watched_alone("commute_misuse", || {
        let (x, other) = (TVar::new(0), TVar::new(1));
        type Way = fn(&TVar<i32>) -> i32;
        let ways: [Way; 4] = [
            |v| v.load(),
            |v| {
                v.store(1);
                0
            },
            |v| atomically(|tx| v.read(tx)),
            |v| snapshot(|s| v.read(s)),
        ];
        for way in ways {
            let other = other.clone();
            let message = panic_of(|| {
                atomically(|tx| {
                    let other = other.clone();
                    x.commute(tx, move |n| n + way(&other))
                });
            });
            assert!(message.contains("inside a transaction"), "{message}");
            assert_eq!(x.load(), 0);
        }
    });
}

/// P8, P9: what functions own and what they make on the way is dropped once, outside.
#[test]
fn drop_counts_commute() {
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

    watched_alone("drop_counts_commute", || {
        let alive = Arc::new(AtomicUsize::new(0));
        let x = TVar::new(Counted::new(&alive));
        let function = || {
            let owned = Counted::new(&alive);
            move |old: &Counted| {
                assert!(owned.0.load(Ordering::Relaxed) > 0);
                Counted::new(&old.0)
            }
        };
        for _ in 0..100 {
            atomically(|tx| (0..3).try_for_each(|_| x.commute(tx, function())));
            atomically(|tx| {
                x.commute(tx, function())?;
                x.commute(tx, function())?;
                x.read_ref(tx).map(drop)
            });
            let refused: Result<(), _> = try_atomically(|tx| {
                x.commute(tx, function())?;
                tx.optionally(|tx| {
                    x.commute(tx, function())?;
                    retry::<()>()
                })?;
                abort(())
            });
            assert!(refused.is_err());
            panic_of(|| {
                atomically(|tx| {
                    x.commute(tx, function())?;
                    x.commute(tx, |_| panic!("on purpose"))
                });
            });
        }
        drop(x);
        collect_until(|| alive.load(Ordering::Relaxed) == 0);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}
