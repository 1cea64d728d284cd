//! Threads that wait: nobody sleeps through what it waits for, and nobody is woken for something else.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;

use common::{Rng, Value, Wakes, on_threads, poll, seed, wait_until, watched_alone};
use stm_core::diagnostics::registered_waits;
use stm_core::{Stm, TVar, Tx, atomically, atomically_async, check, snapshot};

fn reach<T: Value>(tx: &mut Tx<'_>, var: &TVar<T>, n: i64) -> Stm<()> {
    check(var.read_ref(tx)?.n() >= n)
}

#[test]
fn park_race() {
    /// The waiter goes from one wait to the next at once; the writer comes at any point of that, with commits that hold
    /// their locks for shorter or longer.
    fn race<T: Value>(seed: u64, rounds: usize) {
        const FILLERS: usize = 64;
        // On both sides of the ball in the locking order, most likely.
        let mut fillers: Vec<_> = (0..FILLERS).map(|_| TVar::new(T::of(0))).collect();
        let ball = TVar::new(T::of(0));
        fillers.extend((0..FILLERS).map(|_| TVar::new(T::of(0))));
        let caught = AtomicUsize::new(0);
        on_threads(2, |id| {
            if id == 0 {
                for round in 1..=rounds {
                    atomically(|tx| reach(tx, &ball, round as i64));
                    caught.store(round, Ordering::Release);
                }
                return;
            }
            let mut rng = Rng::new(seed, 1);
            for round in 1..=rounds {
                let longest = 1 << rng.below(11);
                for _ in 0..rng.below(longest) {
                    std::hint::spin_loop();
                }
                let value = T::of(round as i64);
                let besides = rng.below(2) * rng.below(fillers.len());
                if besides == 0 {
                    ball.store(value);
                } else {
                    atomically(|tx| {
                        ball.write(tx, value.clone())?;
                        fillers[..besides]
                            .iter()
                            .try_for_each(|var| var.write(tx, value.clone()))
                    });
                }
                wait_until(|| caught.load(Ordering::Acquire) == round);
            }
        });
    }

    watched_alone("park_race", || {
        let seed = seed();
        race::<i64>(seed, 30_000);
        race::<Box<i64>>(seed, 30_000);
    });
}

#[test]
fn chain_of_100() {
    const LINKS: usize = 100;

    fn pull<T: Value>(when_all_sleep: bool) {
        let vars: Vec<_> = (0..=LINKS).map(|_| TVar::new(T::of(0))).collect();
        on_threads(LINKS + 1, |id| {
            if id < LINKS {
                return atomically(|tx| {
                    reach(tx, &vars[id], 1)?;
                    vars[id + 1].write(tx, T::of(1))
                });
            }
            wait_until(|| !when_all_sleep || registered_waits() == LINKS);
            vars[0].store(T::of(1));
        });
        assert_eq!(vars[LINKS].load().n(), 1);
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("chain_of_100", || {
        for when_all_sleep in [true, false] {
            pull::<i64>(when_all_sleep);
            pull::<Box<i64>>(when_all_sleep);
        }
    });
}

#[test]
fn many_waiters() {
    const WAITERS: usize = 200;

    fn wake_all<T: Value>() {
        let door = TVar::new(T::of(0));
        let through = TVar::new(0_usize);
        on_threads(WAITERS + 1, |id| {
            if id < WAITERS {
                return atomically(|tx| {
                    reach(tx, &door, 1)?;
                    through.modify(tx, |n| n + 1)
                });
            }
            wait_until(|| registered_waits() == WAITERS);
            door.store(T::of(1));
        });
        assert_eq!(through.load(), WAITERS);
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("many_waiters", || {
        wake_all::<i64>();
        wake_all::<Box<i64>>();
    });
}

#[test]
fn one_commit_wakes_for_all_its_variables() {
    fn wakes_all<T: Value>() {
        let vars: Vec<_> = (0..20).map(|_| TVar::new(T::of(0))).collect();
        let waits = || {
            vars.iter()
                .map(|var| atomically_async(move |tx| reach(tx, var, 1)))
        };
        let mut tasks: Vec<_> = waits().chain(waits()).collect();
        let wakers: Vec<_> = tasks.iter().map(|_| Wakes::new()).collect();
        for (task, (_, waker)) in tasks.iter_mut().zip(&wakers) {
            assert_eq!(poll(task, waker), Poll::Pending);
        }
        atomically(|tx| vars.iter().try_for_each(|var| var.write(tx, T::of(1))));
        for (task, (wakes, waker)) in tasks.iter_mut().zip(&wakers) {
            assert_eq!(wakes.count(), 1);
            assert_eq!(poll(task, waker), Poll::Ready(()));
        }
    }

    watched_alone("one_commit_wakes_for_all_its_variables", || {
        wakes_all::<i64>();
        wakes_all::<Box<i64>>();
    });
}

#[test]
fn woken_by_store_and_swap() {
    fn woken<T: Value>() {
        let var = TVar::new(T::of(0));
        let ways: [&dyn Fn(i64); 6] = [
            &|n| var.store(T::of(n)),
            &|n| assert_eq!(var.swap(T::of(n)).n(), n - 1),
            &|n| atomically(|tx| var.write(tx, T::of(n))),
            &|n| atomically(|tx| var.modify(tx, |_| T::of(n))),
            &|n| atomically(|tx| var.update(tx, |value| *value = T::of(n))),
            &|n| assert_eq!(atomically(|tx| var.replace(tx, T::of(n))).n(), n - 1),
        ];
        std::thread::scope(|scope| {
            let steps = ways.len() as i64;
            let var = &var;
            let waiter = scope.spawn(move || {
                for n in 1..=steps {
                    atomically(|tx| reach(tx, var, n));
                }
            });
            for (n, write) in (1..).zip(ways) {
                wait_until(|| registered_waits() > 0);
                let (wakes, waker) = Wakes::new();
                let mut task = atomically_async(|tx| reach(tx, var, n));
                assert_eq!(poll(&mut task, &waker), Poll::Pending);
                write(n);
                assert_eq!(wakes.count(), 1, "way {n}");
                assert_eq!(poll(&mut task, &waker), Poll::Ready(()));
            }
            waiter.join().expect("no panic");
        });
    }

    watched_alone("woken_by_store_and_swap", || {
        woken::<i64>();
        woken::<Box<i64>>();
    });
}

#[test]
fn wakes_only_on_change() {
    fn quiet<T: Value>() {
        let (awaited, also_read) = (TVar::new(T::of(0)), TVar::new(T::of(0)));
        let only_written = TVar::new(T::of(0));
        // Enough to share whatever the waiters' table hashes by.
        let others: Vec<_> = (0..500).map(|_| TVar::new(T::of(0))).collect();
        let runs = AtomicUsize::new(0);
        let body = |tx: &mut Tx<'_>| {
            runs.fetch_add(1, Ordering::Relaxed);
            only_written.write(tx, T::of(7))?;
            also_read.read(tx)?;
            reach(tx, &awaited, 2)
        };
        let make_noise = || {
            for var in &others {
                var.store(T::of(1));
                assert_eq!(var.swap(T::of(2)).n(), 1);
            }
            atomically(|tx| others.iter().try_for_each(|var| var.write(tx, T::of(3))));
            only_written.store(T::of(1));
            // Reading is no change, and neither is what was undone.
            assert_eq!(awaited.load().n(), snapshot(|s| awaited.read(s)).n());
            atomically(|tx| {
                awaited.read(tx)?;
                tx.optionally(|tx| {
                    awaited.write(tx, T::of(9))?;
                    check(false)
                })
            });
        };

        let (wakes, waker) = Wakes::new();
        let mut task = atomically_async(body);
        assert_eq!(poll(&mut task, &waker), Poll::Pending);
        make_noise();
        assert_eq!((wakes.count(), registered_waits()), (0, 2));
        atomically(|tx| {
            awaited.write(tx, T::of(1))?;
            also_read.write(tx, T::of(1))
        });
        assert_eq!(wakes.count(), 1, "once a wait, not once a variable");
        assert_eq!(
            poll(&mut task, &waker),
            Poll::Pending,
            "changed, but not enough"
        );
        make_noise();
        assert_eq!((wakes.count(), runs.load(Ordering::Relaxed)), (1, 2));
        drop(task);

        runs.store(0, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| atomically(body));
            wait_until(|| registered_waits() == 2);
            make_noise();
            awaited.store(T::of(2));
            thread.join().expect("no panic");
        });
        assert_eq!(
            runs.load(Ordering::Relaxed),
            2,
            "once to sleep, once to end"
        );
    }

    watched_alone("wakes_only_on_change", || {
        quiet::<i64>();
        quiet::<Box<i64>>();
    });
}

#[test]
fn aborted_commit_keeps_waiters() {
    fn keeps<T: Value>() {
        let (awaited, disturbed) = (TVar::new(T::of(0)), TVar::new(0));
        let (wakes, waker) = Wakes::new();
        let mut task = atomically_async(|tx| reach(tx, &awaited, 1));
        assert_eq!(poll(&mut task, &waker), Poll::Pending);

        // Its first commit locks what is awaited and then finds that its read does not hold.
        let attempts = atomically(|tx| {
            if tx.attempt() == 1 {
                disturbed.read(tx)?;
                awaited.write(tx, T::of(1))?;
                std::thread::scope(|scope| scope.spawn(|| disturbed.store(1)).join())
                    .expect("no panic");
            }
            Ok(tx.attempt())
        });
        assert_eq!((attempts, awaited.load().n()), (2, 0));
        assert_eq!((wakes.count(), registered_waits()), (0, 1));

        awaited.store(T::of(1));
        assert_eq!(wakes.count(), 1);
        assert_eq!(poll(&mut task, &waker), Poll::Ready(()));
    }

    watched_alone("aborted_commit_keeps_waiters", || {
        keeps::<i64>();
        keeps::<Box<i64>>();
    });
}

#[test]
fn retry_over_an_old_value_reruns() {
    /// A read-only body that lost against a writer goes on over one past moment. What it finds missing there may have
    /// come since: it must look again before it sleeps.
    fn reruns<T: Value>() {
        let [x, y, other] = [0; 3].map(|n| TVar::new(T::of(n)));
        std::thread::scope(|scope| {
            let (ask, asked) = mpsc::channel::<i64>();
            let (done, is_done) = mpsc::channel();
            scope.spawn({
                let (x, y) = (&x, &y);
                move || {
                    for n in asked {
                        atomically(|tx| x.write(tx, T::of(n)).and_then(|()| y.write(tx, T::of(n))));
                        done.send(()).expect("it waits");
                    }
                }
            });
            let change_both = |n| {
                ask.send(n).expect("the writer lives");
                is_done.recv().expect("the writer lives");
            };
            let mut task = atomically_async(|tx| {
                match tx.attempt() {
                    1 => {
                        x.read(tx)?;
                        change_both(1);
                    }
                    2 => {
                        other.read(tx)?;
                        change_both(2);
                    }
                    _ => {}
                }
                reach(tx, &y, 2)
            });
            let (wakes, waker) = Wakes::new();
            let mut polls = 1;
            while poll(&mut task, &waker).is_pending() {
                assert_eq!(wakes.count(), polls, "it sleeps though `y` is 2");
                polls += 1;
            }
            drop(task);
            drop(ask);
        });
    }

    watched_alone("retry_over_an_old_value_reruns", || {
        reruns::<i64>();
        reruns::<Box<i64>>();
    });
}
