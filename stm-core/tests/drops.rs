//! P9: each value is dropped once, when nobody can see it any more; and a `Ref` keeps what it points to until then.
// One at a time: a transaction with priority stops others now and then that have nothing to do with it, and some bodies here are not
// made for a second attempt.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use common::fire::{Boxed, collect_until, elsewhere, stumble, tick};
use common::{Rng, Value, on_threads, seed, watched_alone};
use stm_core::diagnostics::collect_garbage;
use stm_core::{Stm, TVar, Tx, abort, atomically, in_transaction, retry, snapshot, try_atomically};

/// Knows every item that was made, and how often it was dropped.
#[derive(Debug, Default)]
struct Ledger(Mutex<Vec<u32>>);

/// Counted from its making or cloning to its drop.
#[derive(Debug)]
struct Item {
    ledger: Arc<Ledger>,
    number: usize,
}

impl Ledger {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn item(self: &Arc<Self>) -> Item {
        let mut drops = self.0.lock().unwrap();
        drops.push(0);
        Item {
            ledger: Arc::clone(self),
            number: drops.len() - 1,
        }
    }

    fn made(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn alive(&self) -> usize {
        let drops = self.0.lock().unwrap();
        drops.iter().filter(|&&times| times == 0).count()
    }

    /// All but `alive` items have gone, each of them once.
    #[track_caller]
    fn expect_alive(&self, alive: usize) {
        assert_eq!(self.alive(), alive, "alive of {}", self.made());
        let mut times = HashMap::new();
        for drops in &*self.0.lock().unwrap() {
            *times.entry(*drops).or_insert(0) += 1;
        }
        assert!(
            times.keys().all(|&n| n <= 1),
            "so many were dropped so often: {times:?}"
        );
    }

    /// As [`Ledger::expect_alive`], once the garbage has been collected.
    #[track_caller]
    fn expect_left(&self, alive: usize) {
        collect_until(|| self.alive() <= alive);
        self.expect_alive(alive);
    }
}

impl Clone for Item {
    fn clone(&self) -> Self {
        self.ledger.item()
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.ledger.0.lock().unwrap()[self.number] += 1;
    }
}

/// Everything at random and at once: commits, conflicts, errors, branches that are undone, values that are overwritten
/// while pending, with and without a `Ref` to them.
#[test]
fn drop_counts() {
    const VARS: usize = 4;

    fn change(tx: &mut Tx<'_>, vars: &[TVar<Item>], new: &Arc<Ledger>, rng: &mut Rng) -> Stm<()> {
        let var = &vars[rng.below(vars.len())];
        match rng.below(5) {
            0 => var.write(tx, new.item()),
            1 => var.modify(tx, |old| old),
            2 => var.update(tx, |item| *item = new.item()),
            3 => var.replace(tx, new.item()).map(drop),
            _ => {
                let seen = var.read_ref(tx)?;
                var.write(tx, new.item())?;
                var.update(tx, |_| ())?;
                assert_eq!(seen.ledger.0.lock().unwrap()[seen.number], 0);
                Ok(())
            }
        }
    }

    watched_alone("drop_counts", || {
        let seed = seed();
        let ledger = Ledger::new();
        let vars: Vec<_> = (0..VARS).map(|_| TVar::new(ledger.item())).collect();
        on_threads(3, |id| {
            let mut rng = Rng::new(seed, id);
            for _ in 0..3_000 {
                match rng.below(8) {
                    0 => vars[rng.below(VARS)].store(ledger.item()),
                    1 => drop(vars[rng.below(VARS)].swap(ledger.item())),
                    2 => drop(vars[rng.below(VARS)].load()),
                    _ => {
                        // A result or an error is dropped with its attempt, or returned.
                        drop(try_atomically(|tx| {
                            for _ in 0..1 + rng.below(4) {
                                change(tx, &vars, &ledger, &mut rng)?;
                            }
                            stumble(&mut rng, 16);
                            let undone = rng.below(2) == 0;
                            tx.optionally(|tx| {
                                change(tx, &vars, &ledger, &mut rng)?;
                                if undone { retry() } else { Ok(()) }
                            })?;
                            match rng.below(4) {
                                0 => abort(ledger.item()),
                                _ => Ok(ledger.item()),
                            }
                        }));
                    }
                }
            }
        });
        ledger.expect_left(VARS);
        drop(vars);
        ledger.expect_left(0);
        assert!(ledger.made() > 10_000);
    });
}

/// What never was published goes as soon as the attempt ends, without the collector.
#[test]
fn drop_counts_pending() {
    watched_alone("drop_counts_pending", || {
        let ledger = Ledger::new();
        let var = TVar::new(ledger.item());
        let write_twice = |tx: &mut Tx<'_>| {
            var.write(tx, ledger.item())?;
            var.write(tx, ledger.item())
        };
        let refused = try_atomically(|tx| {
            write_twice(tx)?;
            let seen = var.read_ref(tx)?;
            write_twice(tx)?;
            assert_eq!(ledger.0.lock().unwrap()[seen.number], 0);
            let undone = tx.nested(|tx| {
                write_twice(tx)?;
                abort::<(), _>(())
            })?;
            assert_eq!(undone, Err(()));
            assert_eq!(
                tx.optionally(|tx| write_twice(tx).and_then(|()| retry::<()>()))?,
                None
            );
            abort::<(), _>(())
        });
        assert_eq!(refused, Err(()));
        ledger.expect_alive(1);

        let caught = catch_unwind(AssertUnwindSafe(|| {
            atomically(|tx| {
                write_twice(tx)?;
                resume_unwind(Box::new(())) as Stm<()>
            })
        }));
        assert!(caught.is_err());
        ledger.expect_alive(1);

        // The commit leaves two to the collector, that which it replaced and no other.
        atomically(|tx| {
            write_twice(tx)?;
            tx.optionally(|tx| write_twice(tx).and_then(|()| retry::<()>()))?;
            write_twice(tx)
        });
        assert!(ledger.alive() <= 2);
        ledger.expect_left(1);
        drop(var);
        ledger.expect_left(0);
    });
}

/// The last handle goes inside of the transaction that wrote the variable.
#[test]
fn drop_counts_variable() {
    watched_alone("drop_counts_variable", || {
        let ledger = Ledger::new();
        let other = TVar::new(ledger.item());
        for round in 0..300 {
            let mut var = Some(TVar::new(ledger.item()));
            let result = try_atomically(|tx| {
                let own = var.take().expect("nothing else writes these variables");
                let before = own.read_ref(tx)?;
                own.write(tx, ledger.item())?;
                let pending = own.read_ref(tx)?;
                other.write(tx, ledger.item())?;
                drop(own);
                // Also one that was born here.
                let inner = TVar::new(ledger.item());
                inner.update(tx, |_| ())?;
                drop(inner);
                collect_elsewhere();
                let drops = ledger.0.lock().unwrap();
                assert_eq!((drops[before.number], drops[pending.number]), (0, 0));
                if round % 2 == 0 { Ok(()) } else { abort(()) }
            });
            assert_eq!(result.is_ok(), round % 2 == 0);
        }
        drop(other);
        ledger.expect_left(0);
    });
}

/// Another thread does what it can to free what this one still looks at.
fn collect_elsewhere() {
    elsewhere(|| (0..20).for_each(|_| collect_garbage()));
}

/// Garbage of a thread that has ended, and of one that lives on but has handed it over.
#[test]
fn drop_counts_threads() {
    watched_alone("drop_counts_threads", || {
        let ledger = Ledger::new();
        let var = TVar::new(ledger.item());
        let replace = || (0..10).for_each(|_| var.store(ledger.item()));
        std::thread::scope(|s| {
            s.spawn(replace).join().unwrap();
            ledger.expect_left(1);

            let (finish, finished) = mpsc::channel::<()>();
            let (handed_over, when) = mpsc::channel();
            s.spawn(move || {
                replace();
                collect_garbage();
                handed_over.send(()).unwrap();
                finished.recv().unwrap_err();
            });
            when.recv().unwrap();
            ledger.expect_left(1);
            drop(finish);
        });

        // Asleep in a `retry`: it hands over by itself.
        let door = TVar::new(false);
        std::thread::scope(|s| {
            s.spawn(|| {
                replace();
                atomically(|tx| stm_core::check(door.read(tx)?));
            });
            while ledger.made() < 31 {
                std::thread::yield_now();
            }
            ledger.expect_left(1);
            door.store(true);
        });
    });
}

/// Thread-locals may run transactions as they go, before and after the engine's own have gone.
#[test]
fn drop_counts_thread_locals() {
    struct Farewell(TVar<Item>, Arc<Ledger>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            let Self(var, ledger) = self;
            let swapped = var.swap(ledger.item());
            let undone = try_atomically(|tx| {
                var.write(tx, ledger.item())?;
                abort::<(), _>(ledger.item())
            });
            assert!(undone.is_err());
            atomically(|tx| var.write(tx, swapped.clone()));
            snapshot(|s| var.read_ref(s).map(drop));
        }
    }

    thread_local! {
        static OLDER: RefCell<Option<Farewell>> = const { RefCell::new(None) };
        static YOUNGER: RefCell<Option<Farewell>> = const { RefCell::new(None) };
    }

    watched_alone("drop_counts_thread_locals", || {
        let ledger = Ledger::new();
        let var = TVar::new(ledger.item());
        for _ in 0..20 {
            std::thread::scope(|s| {
                let visitor = s.spawn(|| {
                    let farewell = || Some(Farewell(var.clone(), Arc::clone(&ledger)));
                    OLDER.set(farewell());
                    // The engine's come between the two.
                    var.store(ledger.item());
                    YOUNGER.set(farewell());
                });
                // The scope by itself would not wait for the thread-locals.
                visitor.join().unwrap();
            });
        }
        drop(var);
        ledger.expect_left(0);
        // Two writes, an error and two clones in each farewell.
        assert_eq!(ledger.made(), 1 + 20 * (1 + 2 * 5));
    });
}

/// A value that an operation takes and cannot place is not dropped in the middle of the body: its `Drop` may run a
/// transaction.
#[test]
fn refused_values_are_dropped_outside() {
    struct Outside(Arc<AtomicUsize>);
    impl Clone for Outside {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::Relaxed);
            Self(Arc::clone(&self.0))
        }
    }
    impl Drop for Outside {
        fn drop(&mut self) {
            assert!(!in_transaction(), "dropped in the body");
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    watched_alone("refused_values_are_dropped_outside", || {
        let alive = Arc::new(AtomicUsize::new(0));
        let new = || {
            alive.fetch_add(1, Ordering::Relaxed);
            Outside(Arc::clone(&alive))
        };
        let (seen, written) = (TVar::new(0), TVar::new(0));
        let var = TVar::new(new());
        let attempts = atomically(|tx| {
            let n = seen.read(tx)?;
            // An attempt that has written cannot go on as a snapshot.
            written.write(tx, n)?;
            if tx.attempt() == 1 {
                elsewhere(|| {
                    tick();
                    atomically(|tx| {
                        seen.write(tx, 1)?;
                        var.write(tx, new())
                    });
                });
                var.replace(tx, new())
                    .map(std::mem::forget)
                    .expect_err("newer");
                var.write(tx, new()).expect_err("doomed");
                var.replace(tx, new())
                    .map(std::mem::forget)
                    .expect_err("doomed");
                return var.read(tx).map(|_| 0);
            }
            Ok(tx.attempt())
        });
        assert_eq!((attempts, written.load()), (2, 1));
        drop(var);
        collect_until(|| alive.load(Ordering::Relaxed) == 0);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

/// A drop may run transactions, from wherever the engine drops: on attempts' ends, in commits, in `collect_garbage`.
#[test]
fn drop_runs_transaction() {
    struct Counted(TVar<i64>, TVar<Boxed>);
    impl Drop for Counted {
        fn drop(&mut self) {
            atomically(|tx| {
                self.0.modify(tx, |n| n + 1)?;
                self.1.modify(tx, |n| Boxed::of(n.n() + 1))
            });
        }
    }

    watched_alone("drop_runs_transaction", || {
        const ROUNDS: usize = 1_000;
        const THREADS: usize = 2;
        let (word, boxed) = (TVar::new(0i64), TVar::new(Boxed::of(0)));
        let counted = || Counted(word.clone(), boxed.clone());
        let made = AtomicUsize::new(0);
        let new = || {
            made.fetch_add(1, Ordering::Relaxed);
            counted()
        };
        let var = TVar::new(new());
        on_threads(THREADS, |_| {
            for _ in 0..ROUNDS {
                var.store(new());
                let refused: Result<(), ()> = try_atomically(|tx| {
                    var.write(tx, new())?;
                    tx.optionally(|tx| var.write(tx, new()).and_then(|()| retry::<()>()))?;
                    abort(())
                });
                assert!(refused.is_err());
                atomically(|tx| {
                    var.write(tx, new())?;
                    var.write(tx, new())
                });
            }
        });
        drop(var);
        let made = made.load(Ordering::Relaxed) as i64;
        collect_until(|| word.load() == made);
        assert_eq!((word.load(), boxed.load().n()), (made, made));
    });
}

/// However many transactions a drop runs: the stack would end before the garbage does.
#[test]
fn drops_do_not_run_inside_each_other() {
    thread_local! {
        static DEPTH: Cell<usize> = const { Cell::new(0) };
    }
    struct Busy(TVar<Boxed>, Arc<AtomicUsize>);
    impl Drop for Busy {
        fn drop(&mut self) {
            let depth = DEPTH.get() + 1;
            DEPTH.set(depth);
            for _ in 0..10 {
                self.0.store(Boxed::of(1));
                atomically(|tx| self.0.write(tx, Boxed::of(2)));
            }
            self.1.fetch_max(depth, Ordering::Relaxed);
            DEPTH.set(depth - 1);
        }
    }

    watched_alone("drops_do_not_run_inside_each_other", || {
        let (scratch, deepest) = (TVar::new(Boxed::of(0)), Arc::new(AtomicUsize::new(0)));
        let busy = || Busy(scratch.clone(), Arc::clone(&deepest));
        let vars = [TVar::new(busy()), TVar::new(busy())];
        for _ in 0..3_000 {
            atomically(|tx| vars.iter().try_for_each(|var| var.write(tx, busy())));
        }
        collect_until(|| deepest.load(Ordering::Relaxed) > 0);
        assert_eq!(deepest.load(Ordering::Relaxed), 1);
    });
}

/// What the collector gives back at once is not dropped at once.
#[test]
fn a_transaction_does_not_wait_for_hundreds_of_drops() {
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    watched_alone("a_transaction_does_not_wait_for_hundreds_of_drops", || {
        elsewhere(|| {
            let drops = Arc::new(AtomicUsize::new(0));
            let var = TVar::new(Counted(Arc::clone(&drops)));
            let (mut most, mut before) = (0, 0);
            for _ in 0..10_000 {
                atomically(|tx| var.write(tx, Counted(Arc::clone(&drops))));
                let now = drops.load(Ordering::Relaxed);
                most = most.max(now - before);
                before = now;
            }
            assert!(before > 8_000, "{before} have been dropped");
            assert!(most <= 64, "{most} in one transaction");
        });
    });
}

fn old_ref_stays<V: Value>() {
    let var = TVar::new(V::of(1));
    atomically(|tx| {
        let first = var.read_ref(tx)?;
        var.update(tx, |n| *n = V::of(2))?;
        let second = var.read_ref(tx)?;
        var.update(tx, |n| *n = V::of(3))?;
        let third = var.read_ref(tx)?;
        var.modify(tx, |n| V::of(n.n() + 1))?;
        let fourth = var.read_ref(tx)?;
        var.write(tx, V::of(5))?;
        // No `Ref` to this one: changed in place.
        var.update(tx, |n| *n = V::of(6))?;
        let sixth = var.read_ref(tx)?;
        assert_eq!(var.replace(tx, V::of(7))?.n(), 6);
        let seen = [first, second, third, fourth, sixth].map(|r| r.n());
        assert_eq!(seen, [1, 2, 3, 4, 6]);
        assert_eq!(var.read(tx)?.n(), 7);
        Ok(())
    });
    assert_eq!(var.load().n(), 7);
}

fn ref_of_undone_stays<V: Value>() {
    let var = TVar::new(V::of(1));
    atomically(|tx| {
        var.write(tx, V::of(2))?;
        let mut kept = Vec::new();
        for n in 3..10 {
            let undone = tx.optionally(|tx| {
                // Made in the branch, over what was made outside of it.
                var.update(tx, |v| *v = V::of(n))?;
                kept.push(var.read_ref(tx)?);
                var.update(tx, |v| *v = V::of(-n))?;
                retry::<()>()
            })?;
            assert_eq!(undone, None);
            assert_eq!(var.read(tx)?.n(), 2);
            let undone = tx.nested(|tx| {
                var.write(tx, V::of(100 + n))?;
                abort::<(), _>(var.read_ref(tx)?)
            })?;
            assert_eq!(undone.expect_err("undone").n(), 100 + n);
        }
        collect_elsewhere();
        assert!(kept.iter().map(|r| r.n()).eq(3..10));
        var.update(tx, |v| *v = V::of(11))
    });
    assert_eq!(var.load().n(), 11);
}

fn ref_outlives_handle<V: Value>() {
    let mut var = Some(TVar::new(V::of(1)));
    let seen = atomically(|tx| {
        let own = var.take().expect("nothing to conflict with");
        let before = own.read_ref(tx)?;
        own.write(tx, V::of(2))?;
        let pending = own.read_ref(tx)?;
        drop(own);
        collect_elsewhere();
        Ok((before.n(), pending.n()))
    });
    assert_eq!(seen, (1, 2));
}

/// While others replace the value and collect garbage.
fn ref_outlives_value<V: Value>() {
    let var = TVar::new(V::of(0));
    let replace = || {
        for n in 1..=300 {
            var.store(V::of(n));
            collect_garbage();
        }
    };
    for _ in 0..3 {
        var.store(V::of(0));
        atomically(|tx| {
            let seen = var.read_ref(tx)?;
            if tx.attempt() == 1 {
                elsewhere(replace);
                assert_eq!(seen.n(), 0);
            }
            Ok(())
        });
        var.store(V::of(0));
        snapshot(|s| {
            let seen = var.read_ref(s)?;
            elsewhere(replace);
            assert_eq!((seen.n(), var.read_ref(s)?.n()), (0, 0));
            Ok(())
        });
    }
}

/// What a `Ref` shows never changes, whatever becomes of the variable, the handle, the branch or the published value.
#[test]
fn read_ref_stays() {
    watched_alone("read_ref_stays", || {
        old_ref_stays::<i64>();
        old_ref_stays::<Boxed>();
        ref_of_undone_stays::<i64>();
        ref_of_undone_stays::<Boxed>();
        ref_outlives_handle::<i64>();
        ref_outlives_handle::<Boxed>();
        ref_outlives_value::<i64>();
        ref_outlives_value::<Boxed>();
    });
}
