//! P7: a panic leaves every variable as if the attempt had not been, no lock held and no thread spoiled.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use common::fire::{Boxed, collect_until, elsewhere, panic_of, tick};
use common::{Value, Wakes, poll, wait_until, watched_alone};
use stm_core::diagnostics::registered_waits;
use stm_core::{
    Abort, Stm, TVar, Tx, abort, atomically, atomically_async, check, in_transaction, retry,
    snapshot, try_atomically,
};

/// Two variables, one of each form, for panics to leave alone.
struct Bystanders {
    word: TVar<i64>,
    boxed: TVar<Boxed>,
}

impl Bystanders {
    fn new() -> Self {
        Self {
            word: TVar::new(1),
            boxed: TVar::new(Boxed::of(1)),
        }
    }

    fn write(&self, tx: &mut Tx<'_>, n: i64) -> Stm<()> {
        self.word.write(tx, n)?;
        self.boxed.write(tx, Boxed::of(n))
    }

    fn values(&self) -> (i64, i64) {
        (self.word.load(), self.boxed.load().n())
    }

    /// Nothing has been written, nobody waits, nothing is locked, and this thread and others go on.
    fn expect_unspoiled(&self) {
        assert!(!in_transaction());
        assert_eq!(self.values(), (1, 1));
        elsewhere(|| atomically(|tx| self.write(tx, 2)));
        assert_eq!(self.values(), (2, 2));
        atomically(|tx| self.write(tx, 1));
        assert_eq!(registered_waits(), 0);
    }
}

/// `panic!` where a value is expected.
fn explode<T>() -> T {
    panic!("on purpose")
}

#[test]
fn panic_safety_body() {
    watched_alone("panic_safety_body", || {
        let vars = Bystanders::new();
        let body = |tx: &mut Tx<'_>| {
            vars.write(tx, 9)?;
            vars.word.read(tx)?;
            explode()
        };
        assert_eq!(panic_of(|| atomically::<()>(body)), "on purpose");
        vars.expect_unspoiled();
        panic_of(|| try_atomically(|tx| body(tx).map_err(Abort::<()>::Control)));
        vars.expect_unspoiled();
        panic_of(|| snapshot(|s| vars.boxed.read(s).map(|_| explode::<()>())));
        vars.expect_unspoiled();
        let mut future = atomically_async::<(), _>(body);
        panic_of(|| poll(&mut future, Waker::noop()));
        vars.expect_unspoiled();
        // Finished, for good, and it says so.
        assert!(panic_of(|| poll(&mut future, Waker::noop())).contains("after it had finished"));
        drop(future);
        vars.expect_unspoiled();
    });
}

/// The body panics when it has been woken: in a thread, and in a task.
#[test]
fn panic_safety_woken_body() {
    watched_alone("panic_safety_woken_body", || {
        let vars = Bystanders::new();
        let signal = TVar::new(false);
        let body = |tx: &mut Tx<'_>| {
            vars.write(tx, 9)?;
            check(signal.read(tx)?)?;
            explode::<()>();
            Ok(())
        };
        std::thread::scope(|s| {
            let sleeper = s.spawn(|| panic_of(|| atomically(body)));
            wait_until(|| registered_waits() == 1);
            signal.store(true);
            assert_eq!(sleeper.join().unwrap(), "on purpose");
        });
        vars.expect_unspoiled();
        signal.store(false);
        let mut future = atomically_async(body);
        assert!(poll(&mut future, Waker::noop()).is_pending());
        signal.store(true);
        panic_of(|| poll(&mut future, Waker::noop()));
        vars.expect_unspoiled();
    });
}

/// Its clones panic while the fuse is lit.
struct Fragile {
    fuse: Arc<AtomicBool>,
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        if self.fuse.load(Ordering::Relaxed) {
            explode()
        }
        Self {
            fuse: Arc::clone(&self.fuse),
        }
    }
}

#[test]
fn panic_safety_clone() {
    type Operation = fn(&TVar<Fragile>, &mut Tx<'_>, &dyn Fn() -> Fragile) -> Stm<()>;
    const INSIDE: [Operation; 6] = [
        |var, tx, _| var.read(tx).map(drop),
        |var, tx, _| var.modify(tx, |v| v),
        |var, tx, _| var.update(tx, |_| ()),
        |var, tx, new| var.replace(tx, new()).map(drop),
        // Of pending values.
        |var, tx, new| {
            var.write(tx, new())?;
            var.read(tx).map(drop)
        },
        |var, tx, new| {
            var.write(tx, new())?;
            let _pinned_down = var.read_ref(tx)?;
            var.update(tx, |_| ())
        },
    ];

    watched_alone("panic_safety_clone", || {
        let vars = Bystanders::new();
        let fuse = Arc::new(AtomicBool::new(false));
        let new = || Fragile {
            fuse: Arc::clone(&fuse),
        };
        let var = TVar::new(new());
        let lit = |f: &dyn Fn()| {
            fuse.store(true, Ordering::Relaxed);
            assert_eq!(panic_of(f), "on purpose");
            fuse.store(false, Ordering::Relaxed);
            vars.expect_unspoiled();
            drop(var.swap(new()));
        };
        for operation in INSIDE {
            lit(&|| {
                atomically(|tx| {
                    vars.write(tx, 9)?;
                    operation(&var, tx, &new)
                });
            });
        }
        lit(&|| drop(var.load()));
        lit(&|| drop(var.swap(new())));
        lit(&|| snapshot(|s| var.read(s).map(drop)));
        drop(var);
        // One is the test's own: whatever was cloned or written on the way is gone.
        collect_until(|| Arc::strong_count(&fuse) == 1);
        assert_eq!(Arc::strong_count(&fuse), 1);
    });
}

#[test]
fn panic_safety_closure() {
    watched_alone("panic_safety_closure", || {
        let vars = Bystanders::new();
        type Operation = fn(&Bystanders, &mut Tx<'_>) -> Stm<()>;
        const OPERATIONS: [Operation; 4] = [
            |vars, tx| vars.word.modify(tx, |_| explode()),
            |vars, tx| vars.boxed.modify(tx, |_| explode()),
            |vars, tx| {
                vars.word.update(tx, |n| {
                    *n = 9;
                    explode()
                })
            },
            |vars, tx| {
                vars.boxed.update(tx, |n| {
                    *n = Boxed::of(9);
                    explode()
                })
            },
        ];
        for operation in OPERATIONS {
            panic_of(|| atomically(|tx| operation(&vars, tx)));
            vars.expect_unspoiled();
            // Over pending values, too.
            panic_of(|| {
                atomically(|tx| {
                    vars.write(tx, 9)?;
                    operation(&vars, tx)
                })
            });
            vars.expect_unspoiled();
        }
    });
}

#[test]
fn panic_safety_branch() {
    watched_alone("panic_safety_branch", || {
        let vars = Bystanders::new();
        panic_of(|| {
            atomically(|tx| tx.or_else(|tx| vars.write(tx, 9).map(explode_after), |_| Ok(())))
        });
        vars.expect_unspoiled();
        panic_of(|| {
            atomically(|tx| {
                tx.or_else(
                    |tx| vars.write(tx, 8).and_then(|()| retry()),
                    |tx| vars.write(tx, 9).map(explode_after),
                )
            })
        });
        vars.expect_unspoiled();
        panic_of(|| atomically(|tx| tx.optionally(|tx| vars.write(tx, 9).map(explode_after))));
        vars.expect_unspoiled();
        panic_of(|| {
            atomically(|tx| {
                vars.write(tx, 8)?;
                tx.nested(|tx| -> Result<(), Abort<()>> {
                    vars.write(tx, 9)?;
                    explode()
                })
            })
        });
        vars.expect_unspoiled();
    });
}

fn explode_after((): ()) {
    explode()
}

/// A value whose drop panics, after counting.
struct Grenade(Arc<AtomicUsize>);

impl Drop for Grenade {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        explode()
    }
}

/// Panicking drops are swallowed wherever the engine drops, and their neighbours in garbage, log or variable are dropped
/// all the same.
#[test]
fn panic_safety_drop() {
    const ROUNDS: usize = 200;

    watched_alone("panic_safety_drop", || {
        let vars = Bystanders::new();
        let blasts = Arc::new(AtomicUsize::new(0));
        let grenade = || Grenade(Arc::clone(&blasts));
        // Alive as often as the count says, besides this one.
        let neighbour = Arc::new(());
        let rack: [_; 3] =
            std::array::from_fn(|_| (TVar::new(grenade()), TVar::new(neighbour.clone())));

        let fill = |tx: &mut Tx<'_>| -> Stm<()> {
            vars.write(tx, 9)?;
            for (pin, beside) in &rack {
                pin.write(tx, grenade())?;
                beside.write(tx, neighbour.clone())?;
            }
            Ok(())
        };
        for _ in 0..ROUNDS {
            // Overwritten while pending, undone in a branch, and thrown away with the attempt.
            let refused = try_atomically(|tx| -> Result<(), _> {
                fill(tx)?;
                fill(tx)?;
                tx.optionally(|tx| fill(tx).and_then(|()| retry::<()>()))?;
                abort(())
            });
            assert_eq!(refused, Err(()));
        }
        assert_eq!(blasts.load(Ordering::Relaxed), ROUNDS * rack.len() * 3);
        vars.expect_unspoiled();

        blasts.store(0, Ordering::Relaxed);
        for _ in 0..ROUNDS {
            // Replaced.
            atomically(|tx| {
                fill(tx)?;
                vars.write(tx, 1)
            });
            rack[0].0.store(grenade());
        }
        vars.expect_unspoiled();
        // And with their variables.
        let replaced = ROUNDS * (rack.len() + 1);
        let last = rack.len();
        drop(rack);
        let all_gone = || {
            blasts.load(Ordering::Relaxed) == replaced + last && Arc::strong_count(&neighbour) == 1
        };
        collect_until(all_gone);
        assert_eq!(blasts.load(Ordering::Relaxed), replaced + last);
        assert_eq!(Arc::strong_count(&neighbour), 1);
        vars.expect_unspoiled();
    });
}

/// Wakers are user code: one that panics harms neither the commit nor those who wait beside it.
#[test]
fn panic_safety_waker() {
    struct Mine;
    impl Wake for Mine {
        fn wake(self: Arc<Self>) {
            explode()
        }
    }

    watched_alone("panic_safety_waker", || {
        let vars = Bystanders::new();
        let doors = [TVar::new(false), TVar::new(false)];
        let open = |tx: &mut Tx<'_>| {
            for door in &doors {
                check(door.read(tx)?)?;
            }
            Ok(())
        };
        let mine = Waker::from(Arc::new(Mine));
        let (wakes, waker) = Wakes::new();
        let mut futures: [_; 3] = std::array::from_fn(|_| atomically_async(open));
        std::thread::scope(|s| {
            assert!(poll(&mut futures[0], &mine).is_pending());
            assert!(poll(&mut futures[1], &waker).is_pending());
            s.spawn(|| atomically(open));
            wait_until(|| registered_waits() == 3);
            assert!(poll(&mut futures[2], &mine).is_pending());
            // Wakes them by a store, on one variable, and then by a transaction, on the other.
            doors[0].store(true);
            assert_eq!(wakes.count(), 1);
            assert!(poll(&mut futures[0], &mine).is_pending());
            assert!(poll(&mut futures[1], &waker).is_pending());
            atomically(|tx| doors[1].write(tx, true));
            assert_eq!(wakes.count(), 2);
        });
        for future in &mut futures {
            assert!(poll(future, Waker::noop()).is_ready());
        }
        vars.expect_unspoiled();
    });
}

/// So does one that panics when it is dropped, even where the engine drops it last: a waker that polls its task at once can
/// leave another behind, in a wait that is over.
#[test]
fn panic_safety_waker_drop() {
    struct Mine(Arc<AtomicUsize>);
    impl Wake for Mine {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Mine {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            explode()
        }
    }

    type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
    struct PollsAtOnce {
        task: Mutex<Task>,
        blasts: Arc<AtomicUsize>,
    }
    impl Wake for PollsAtOnce {
        fn wake(self: Arc<Self>) {
            let mine = Waker::from(Arc::new(Mine(Arc::clone(&self.blasts))));
            assert!(poll(&mut *self.task.lock().unwrap(), &mine).is_ready());
        }
    }

    watched_alone("panic_safety_waker_drop", || {
        let vars = Bystanders::new();
        let door = TVar::new(false);
        let enter = || {
            let door = door.clone();
            atomically_async(move |tx| check(door.read(tx)?))
        };
        let blasts = Arc::new(AtomicUsize::new(0));
        let eager = Arc::new(PollsAtOnce {
            task: Mutex::new(Box::pin(enter())),
            blasts: Arc::clone(&blasts),
        });
        let first = poll(&mut *eager.task.lock().unwrap(), &Arc::clone(&eager).into());
        assert!(first.is_pending());
        let (wakes, waker) = Wakes::new();
        let mut beside = enter();
        assert!(poll(&mut beside, &waker).is_pending());

        door.store(true);
        assert_eq!(blasts.load(Ordering::Relaxed), 1);
        assert_eq!(wakes.count(), 1);
        assert!(poll(&mut beside, &waker).is_ready());
        vars.expect_unspoiled();
    });
}

/// How a body ends that should have stopped before.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Result,
    Error,
    Retry,
}

const ENDINGS: [Ending; 3] = [Ending::Result, Ending::Error, Ending::Retry];

impl Ending {
    fn take(self) -> Result<u32, Abort<&'static str>> {
        match self {
            Ending::Result => Ok(0),
            Ending::Error => abort("swallowed"),
            Ending::Retry => Ok(retry()?),
        }
    }
}

/// Every operation of a doomed transaction fails.
fn expect_doomed(tx: &mut Tx<'_>, vars: &Bystanders) {
    assert!(vars.word.read(tx).is_err());
    assert!(vars.boxed.read(tx).is_err());
    assert!(vars.boxed.read_ref(tx).is_err());
    assert!(vars.word.write(tx, 9).is_err());
    assert!(vars.boxed.write(tx, Boxed::of(9)).is_err());
    assert!(vars.word.modify(tx, |n| n + 1).is_err());
    assert!(vars.boxed.update(tx, |n| *n = Boxed::of(9)).is_err());
    assert!(vars.word.replace(tx, 9).is_err());
    assert!(tx.or_else(|_| Ok(()), |_| Ok(())).is_err());
    assert!(tx.optionally(|_| Ok(())).is_err());
    assert!(tx.nested(|_| Ok::<_, Abort<()>>(())).is_err());
}

/// A body that catches the panic of an operation has a doomed transaction in its hands: `modify` may have taken the value
/// out by then.
#[test]
fn panic_safety_caught() {
    type Operation = fn(&Bystanders, &TVar<Fragile>, &mut Tx<'_>) -> Stm<()>;
    const OPERATIONS: [Operation; 9] = [
        |_, fragile, tx| fragile.read(tx).map(drop),
        |_, fragile, tx| fragile.modify(tx, |v| v),
        |_, fragile, tx| fragile.update(tx, |_| ()),
        |vars, _, tx| vars.word.modify(tx, |_| explode()),
        |vars, _, tx| vars.boxed.update(tx, |_| explode()),
        |vars, _, tx| tx.or_else(|tx| vars.write(tx, 9).map(explode_after), |_| Ok(())),
        |vars, _, tx| tx.or_else(|_| retry(), |tx| vars.write(tx, 9).map(explode_after)),
        |vars, _, tx| {
            tx.optionally(|tx| vars.write(tx, 9).map(explode_after))
                .map(drop)
        },
        |vars, _, tx| {
            let nested: Result<(), ()> = tx.nested(|tx| {
                vars.write(tx, 9)?;
                explode()
            })?;
            nested.map_or_else(|()| Ok(()), Ok)
        },
    ];

    watched_alone("panic_safety_caught", || {
        let vars = Bystanders::new();
        let fuse = Arc::new(AtomicBool::new(true));
        let fragile = TVar::new(Fragile { fuse });
        for ending in ENDINGS {
            for (number, operation) in OPERATIONS.into_iter().enumerate() {
                let attempts = try_atomically(|tx| {
                    vars.word.read(tx)?;
                    if tx.attempt() == 1 {
                        vars.write(tx, 9)?;
                        let caught =
                            catch_unwind(AssertUnwindSafe(|| operation(&vars, &fragile, tx)));
                        assert!(caught.is_err());
                        expect_doomed(tx, &vars);
                        return ending.take();
                    }
                    Ok(tx.attempt())
                });
                assert_eq!(attempts, Ok(2), "operation {number}, {ending:?}");
                vars.expect_unspoiled();
            }
        }
    });
}

/// Whether the body writes before it reads. If not, the failing read may make a snapshot of it, and the write fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Writes {
    First,
    Last,
}

fn swallow<V: Value>(writes: Writes, ending: Ending) {
    let vars = Bystanders::new();
    let pair = [TVar::new(V::of(0)), TVar::new(V::of(0))];
    let interfere = || {
        tick();
        atomically(|tx| {
            pair[0].modify(tx, |n| V::of(n.n() + 1))?;
            pair[1].modify(tx, |n| V::of(n.n() + 1))
        });
    };
    let attempts = try_atomically(|tx| {
        let first = tx.attempt() == 1;
        if writes == Writes::First {
            vars.write(tx, if first { 9 } else { 1 })?;
        }
        let left = pair[0].read(tx)?.n();
        if first {
            elsewhere(interfere);
        }
        let right = pair[1].read(tx).map(|n| n.n());
        if !first {
            assert_eq!(left, right?);
            vars.write(tx, 1)?;
            return Ok(tx.attempt());
        }
        if writes == Writes::Last {
            assert!(right.is_err() || right == Ok(left));
            assert!(vars.write(tx, 9).is_err());
        }
        expect_doomed(tx, &vars);
        ending.take()
    });
    assert!(
        matches!(attempts, Ok(2..)),
        "{ending:?}, writes {writes:?}: {attempts:?}"
    );
    vars.expect_unspoiled();
}

/// A body that goes on after an operation has failed publishes nothing, waits for nothing, and its error is not returned.
#[test]
fn swallowed_error_dooms() {
    watched_alone("swallowed_error_dooms", || {
        for ending in ENDINGS {
            for writes in [Writes::First, Writes::Last] {
                swallow::<i64>(writes, ending);
                swallow::<Boxed>(writes, ending);
            }
        }
    });
}
