//! P7, by exhaustion: every call of user code panics, one after the other, over a suite that calls all kinds of it in all
//! places. After each the variables hold what the calls that returned have written, nothing is lost or leaked, nothing is
//! locked, and what comes later goes on.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod fuse;
mod hooked;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use common::fire::{collect_until, elsewhere, tick};
use common::{poll, wait_until, watched_alone};
use fuse::{End, Item, call, called, try_call};
use hooked::{Event, hooked};
use stm_core::diagnostics::{
    Aborted, Committed, FellAsleep, Observer, Woke, registered_waits, set_observer, stats,
};
use stm_core::{
    Stm, Stopped, TVar, Transaction, Tx, abort, after_attempt, atomically, atomically_async, check,
    in_transaction, retry, snapshot, try_atomically,
};

/// Failures after which a transaction takes priority.
const CLAIM_AFTER: u32 = if cfg!(stm_stress) { 3 } else { 12 };

/// What the suite works on, and what it must hold.
struct World {
    a: TVar<Item>,
    b: TVar<Item>,
    word: TVar<i64>,
    holds: [i64; 3],
    /// Hooks that have been run.
    hooks: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        Self {
            a: TVar::new(Item::of(100)),
            b: TVar::new(Item::of(100)),
            word: TVar::new(0),
            holds: [100, 100, 0],
            hooks: Arc::default(),
        }
    }

    /// One call, which is to change the three variables by so much if it returns, and not at all if it unwinds.
    fn step<R>(&mut self, name: &str, change: [i64; 3], run: impl FnOnce(&Self) -> R) -> End {
        let end = call(|| run(self));
        if end == End::Returned {
            for (held, change) in self.holds.iter_mut().zip(change) {
                *held += change;
            }
        }
        assert_eq!(self.values(), self.holds, "after {name}, which {end:?}");
        assert!(!in_transaction(), "after {name}, which {end:?}");
        end
    }

    fn values(&self) -> [i64; 3] {
        snapshot(|s| {
            let (a, b) = (self.a.read_ref(s)?, self.b.read_ref(s)?);
            Ok([a.n(), b.n(), self.word.read(s)?])
        })
    }

    /// From a to b.
    fn transfer(&self, tx: &mut Tx<'_>, n: i64) -> Stm<()> {
        called("body");
        self.a.modify(tx, |value| {
            called("closure of modify");
            let left = value.n() - n;
            // Not after the result is made: the compiler forgets a result if a drop after it panics (rust-lang/rust#47949).
            drop(value);
            Item::of(left)
        })?;
        self.b.update(tx, |value| {
            called("closure of update");
            value.set(value.n() + n);
        })?;
        self.word.update(tx, |word| {
            called("closure of update");
            *word += 1;
        })
    }

    /// A rival commits without changing a value.
    fn rival(&self) {
        elsewhere(|| {
            tick();
            atomically(|tx| {
                let n = self.a.read_ref(tx)?.n();
                self.a.write(tx, Item::of(n))?;
                let n = self.b.read_ref(tx)?.n();
                self.b.write(tx, Item::of(n))?;
                self.word.modify(tx, |n| n)
            });
        });
    }

    fn hook(&self, what: &'static str) -> impl FnOnce() + 'static {
        let (ran, item) = (Arc::clone(&self.hooks), Item::of(0));
        move || {
            ran.fetch_add(1, Ordering::SeqCst);
            called(what);
            drop(item);
        }
    }

    fn expect_hooks(&self, n: usize) {
        assert_eq!(self.hooks.swap(0, Ordering::SeqCst), n, "hooks that ran");
    }

    /// Everything is as it was and goes on, here and elsewhere.
    fn expect_sound(self, panicked: Option<&str>) {
        let after = format!("after call {} of user code, {panicked:?}", fuse::number());
        assert_eq!(registered_waits(), 0);
        let history = stats().history_nodes;
        for _ in 0..3 {
            let write = || {
                atomically(|tx| {
                    self.transfer(tx, 1)?;
                    tx.on_commit(self.hook("on_commit"));
                    Ok(())
                });
            };
            elsewhere(write);
            write();
        }
        self.expect_hooks(6);
        let [a, b, word] = self.holds;
        assert_eq!(self.values(), [a - 6, b + 6, word + 6]);
        for n in 0..3 {
            elsewhere(|| self.word.store(n));
        }
        assert_eq!(
            stats().history_nodes,
            history,
            "a snapshot is still counted"
        );
        drop(self);
        collect_until(|| fuse::alive() == 0);
        assert_eq!(fuse::alive(), 0, "items are left {after}");
        fuse::expect_unspoiled();
    }
}

fn plain(world: &mut World) {
    world.step("a transfer", [-3, 3, 1], |w| {
        atomically(|tx| w.transfer(tx, 3))
    });
    world.step("a transfer over what is pending", [-5, 5, 2], |w| {
        atomically(|tx| {
            w.transfer(tx, 3)?;
            // Pinned down, so that the next change takes a clone.
            let seen = w.b.read_ref(tx)?;
            w.transfer(tx, 2)?;
            assert_eq!(seen.n() + 2, w.b.read(tx)?.n());
            Ok(())
        })
    });
    world.step("replace and write", [1, -1, 0], |w| {
        atomically(|tx| {
            let n = w.a.read(tx)?.n();
            w.a.write(tx, Item::of(0))?;
            let zero = w.a.replace(tx, Item::of(n + 1))?;
            let old = w.b.read_ref(tx)?.n();
            let b = w.b.replace(tx, Item::of(old - 1))?;
            assert_eq!((zero.n(), b.n()), (0, old));
            Ok(())
        })
    });
    world.step("a body that gives up", [0; 3], |w| {
        let given_up: Result<(), Item> = try_atomically(|tx| {
            w.transfer(tx, 3)?;
            abort(Item::of(7))
        });
        given_up.expect_err("it does")
    });
    world.step("a snapshot", [0; 3], |w| {
        snapshot(|s| {
            called("body");
            Ok((w.a.read(s)?, w.b.read(s)?))
        })
    });
    world.step("load", [0; 3], |w| w.a.load());
    let [a, b, _] = world.holds;
    world.step("store", [2, 0, 0], |w| w.a.store(Item::of(a + 2)));
    world.step("swap", [0, -2, 0], |w| w.b.swap(Item::of(b - 2)));
    world.step("a variable of its own", [0; 3], |_| {
        let var = TVar::new(Item::of(1));
        atomically(|tx| {
            called("body");
            let inner = TVar::new(Item::of(2));
            inner.update(tx, |value| value.set(3))?;
            let value = inner.read(tx)?;
            var.write(tx, value)
        });
        var.load()
    });
}

fn branches(world: &mut World) {
    world.step("or_else", [-4, 4, 1], |w| {
        atomically(|tx| {
            tx.or_else(
                |tx| {
                    w.transfer(tx, 50)?;
                    tx.on_commit(w.hook("on_commit"));
                    w.a.commute(tx, commuted(9))?;
                    retry()
                },
                |tx| w.transfer(tx, 4),
            )
        })
    });
    world.step("optionally", [-2, 2, 1], |w| {
        atomically(|tx| {
            let undone = tx.optionally(|tx| {
                w.transfer(tx, 50)?;
                retry::<()>()
            })?;
            assert!(undone.is_none());
            w.transfer(tx, 2)
        })
    });
    world.step("nested", [-2, 2, 1], |w| {
        atomically(|tx| {
            w.transfer(tx, 2)?;
            let undone: Result<(), Item> = tx.nested(|tx| {
                w.transfer(tx, 50)?;
                abort(Item::of(8))
            })?;
            assert_eq!(undone.expect_err("it aborts").n(), 8);
            Ok(())
        })
    });
    world.expect_hooks(0);
}

/// A function for `commute` that adds `n`, and owns something.
fn commuted(n: i64) -> impl Fn(&Item) -> Item + Send + 'static {
    let item = Item::of(n);
    move |value| {
        called("function of commute");
        Item::of(value.n() + item.n())
    }
}

fn commutes(world: &mut World) {
    world.step("commute", [3, 3, 5], |w| {
        atomically(|tx| {
            called("body");
            w.a.commute(tx, commuted(1))?;
            w.a.commute(tx, commuted(2))?;
            w.word.commute(tx, |n| {
                called("function of commute");
                n + 5
            })?;
            // A read has it applied in the body.
            w.b.commute(tx, commuted(3))?;
            w.b.read(tx)
        })
    });
    let b = world.holds[1];
    world.step("commute, then write", [1, 1, 0], |w| {
        atomically(|tx| {
            w.a.commute(tx, commuted(1))?;
            w.b.commute(tx, commuted(77))?;
            w.b.write(tx, Item::of(b + 1))
        })
    });
    world.step("commute in vain", [0; 3], |w| {
        let _: Result<(), ()> = try_atomically(|tx| {
            w.a.commute(tx, commuted(1))?;
            w.b.commute(tx, commuted(1))?;
            let _ = w.b.read_ref(tx)?;
            abort(())
        });
    });
}

fn hooks(world: &mut World) {
    let end = world.step("hooks of a commit", [-1, 1, 1], |w| {
        atomically(|tx| {
            tx.on_abort(w.hook("on_abort"));
            tx.on_commit(w.hook("on_commit"));
            after_attempt(w.hook("after_attempt"));
            tx.on_commit(w.hook("on_commit"));
            w.transfer(tx, 1)
        })
    });
    match end {
        End::Returned => world.expect_hooks(3),
        // Those that were set, and none of those for a commit.
        End::Unwound => assert!(world.hooks.swap(0, Ordering::SeqCst) <= 2),
    }
    let end = world.step("hooks of an abort", [0; 3], |w| {
        let _: Result<(), ()> = try_atomically(|tx| {
            tx.on_commit(w.hook("on_commit"));
            tx.on_abort(w.hook("on_abort"));
            tx.on_abort(w.hook("on_abort"));
            w.transfer(tx, 1)?;
            abort(())
        });
    });
    assert_eq!(world.hooks.swap(0, Ordering::SeqCst), 2, "it {end:?}");
}

fn conflicts(world: &mut World) {
    world.step("a conflict", [-1, 1, 1], |w| {
        atomically(|tx| {
            let seen = w.b.read(tx)?;
            w.transfer(tx, 1)?;
            if tx.attempt() == 1 {
                w.rival();
            }
            let _ = w.a.read(tx)?;
            Ok(seen)
        })
    });
    world.step("a conversion", [0; 3], |w| {
        atomically(|tx| {
            called("body");
            let seen = w.a.read(tx)?;
            if tx.attempt() == 1 {
                w.rival();
            }
            Ok((seen, w.b.read(tx)?, w.word.read(tx)?))
        })
    });
    world.step("a transaction with priority", [-1, 1, 1], |w| {
        let before = stats().priorities;
        atomically(|tx| {
            let seen = w.word.read(tx)?;
            if tx.attempt() <= CLAIM_AFTER {
                elsewhere(|| w.word.store(seen));
                return w.word.write(tx, seen);
            }
            w.transfer(tx, 1)
        });
        assert!(stats().priorities > before);
    });
}

fn waits(world: &mut World) {
    world.step("a time that is over", [0; 3], |w| {
        let stopped = Transaction::new().timeout(Duration::ZERO).run(|tx| {
            w.transfer(tx, 1)?;
            retry::<()>()
        });
        assert_eq!(stopped, Err(Stopped::TimedOut));
    });
    world.step("a thread that waits", [-1, 1, 1], |w| {
        let door = TVar::new(Item::of(0));
        std::thread::scope(|s| {
            let waiting = s.spawn(|| {
                atomically(|tx| {
                    let open = door.read(tx)?.n() > 0;
                    w.transfer(tx, 1)?;
                    check(open)
                });
            });
            wait_until(|| registered_waits() > 0 || waiting.is_finished());
            // The rest is not the waiting call's: here nothing unwinds but a drop of the store's own, which is shielded.
            door.store(Item::of(1));
            waiting.join().unwrap_or_else(|panic| resume_unwind(panic));
        });
    });

    let waker = || {
        hooked(|event| {
            called(match event {
                Event::Clone => "Clone of a waker",
                Event::Wake => "wake",
                Event::Drop => "Drop of a waker",
            });
        })
    };
    let door = TVar::new(0);
    let mut ready = false;
    world.step("a task that is cancelled", [0; 3], |w| {
        let mut task = atomically_async(|tx| {
            w.transfer(tx, 1)?;
            check(door.read(tx)? > 0)
        });
        let waker = waker();
        assert!(poll(&mut task, &waker).is_pending());
    });
    assert_eq!(registered_waits(), 0, "it was cancelled");
    let ready_change = {
        let w = &*world;
        // Each call of it apart: the task survives those of its wakers that panic in somebody else's call.
        let mut task = atomically_async(|tx| {
            w.transfer(tx, 1)?;
            check(door.read(tx)? > 0)
        });
        let poll_with = |task: &mut _| {
            let waker = try_call(waker)?;
            let polled = try_call(|| poll(task, &waker));
            let _ = try_call(|| drop(waker));
            polled
        };
        if poll_with(&mut task) == Some(Poll::Pending)
            && poll_with(&mut task) == Some(Poll::Pending)
        {
            let stored = call(|| door.store(1));
            assert_eq!(stored, End::Returned, "a waker's panic is not the writer's");
            ready = poll_with(&mut task) == Some(Poll::Ready(()));
        }
        let _ = try_call(|| drop(task));
        [-1, 1, 1].map(|change| if ready { change } else { 0 })
    };
    for (held, change) in world.holds.iter_mut().zip(ready_change) {
        *held += change;
    }
    world.step("nothing, after a task", [0; 3], |_| ());
    assert_eq!(registered_waits(), 0, "it has ended");
}

struct Listening(#[expect(dead_code, reason = "dropped with its observer")] Item);

impl Observer for Listening {
    fn on_abort(&self, _: &Aborted) {
        called("Observer::on_abort");
    }
    fn on_wait(&self, _: &FellAsleep) {
        called("Observer::on_wait");
    }
    fn on_wake(&self, _: &Woke) {
        called("Observer::on_wake");
    }
    fn hears_commits(&self) -> bool {
        called("Observer::hears_commits");
        true
    }
    fn on_commit(&self, _: &Committed) {
        called("Observer::on_commit");
    }
}

fn observers(world: &mut World) {
    let _ = call(|| set_observer(Some(Arc::new(Listening(Item::of(0))))));
    conflicts(world);
    waits(world);
    assert_eq!(call(|| set_observer(None)), End::Returned);
}

#[test]
fn every_callback_panics_once() {
    const KINDS: [&str; 17] = [
        "body",
        "Clone",
        "Drop",
        "closure of modify",
        "closure of update",
        "function of commute",
        "on_commit",
        "on_abort",
        "after_attempt",
        "Clone of a waker",
        "wake",
        "Drop of a waker",
        "Observer::on_abort",
        "Observer::on_wait",
        "Observer::on_wake",
        "Observer::hears_commits",
        "Observer::on_commit",
    ];

    watched_alone("every_callback_panics_once", || {
        let panics = fuse::one_after_the_other(|| {
            let mut world = World::new();
            for part in [
                plain, branches, commutes, hooks, conflicts, waits, observers,
            ] {
                part(&mut world);
            }
            let panicked = fuse::put_out();
            world.expect_sound(panicked);
            panicked
        });
        for kind in KINDS {
            assert!(panics.contains_key(kind), "no panic of {kind}: {panics:?}");
        }
        assert!(panics.values().sum::<u32>() > 300, "{panics:?}");
    });
}
