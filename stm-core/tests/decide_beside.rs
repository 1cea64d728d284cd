//! Beside a decider: who needs its variables sleeps until it has answered, everybody else goes on, and nobody hangs.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Poll;
use std::time::Duration;

use common::decided::decided;
use common::fire::{Boxed, under_fire};
use common::{Rng, Value, Wakes, block_on, on_threads, poll, seed, wait_until, watched};
use stm_core::{
    Abort, Decision, Stm, Stopped, TVar, Transaction, Tx, abort, atomically, atomically_async,
    check, snapshot, try_atomically,
};

/// What a decider comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Answer {
    Commit,
    /// The body gives up then.
    Retry,
    Abort,
    Panic,
}

/// Runs `beside` while a transaction that has read `read` and writes `written` waits for its decider, and has that answer
/// `answer` when `beside` has returned.
fn while_undecided<T: Value, R>(
    read: &TVar<T>,
    written: &TVar<T>,
    answer: Answer,
    beside: impl FnOnce() -> R,
) -> R {
    let (tell, asked) = mpsc::channel();
    let (end, over) = mpsc::channel::<()>();
    std::thread::scope(|s| {
        let asks = s.spawn(move || {
            try_atomically(|tx| {
                let n = read.read(tx)?.n();
                written.write(tx, T::of(n + 1))?;
                let decided = tx.decide(|| {
                    tell.send(()).unwrap();
                    // Also when `beside` has panicked.
                    let _ = over.recv();
                    match answer {
                        Answer::Commit => Decision::Commit,
                        Answer::Retry => Decision::Retry,
                        Answer::Abort => Decision::Abort(()),
                        Answer::Panic => panic!("on purpose"),
                    }
                });
                match decided {
                    Err(Abort::Control(_)) if answer == Answer::Retry => abort(()),
                    decided => decided,
                }
            })
        });
        asked.recv().unwrap();
        let result = beside();
        drop(end);
        let outcome = asks.join();
        assert_eq!(outcome.is_err(), answer == Answer::Panic);
        assert_eq!(matches!(outcome, Ok(Ok(()))), answer == Answer::Commit);
        result
    })
}

/// Long enough for who does not sleep to give up a few times.
fn dawdle() {
    (0..5_000).for_each(|_| std::thread::yield_now());
}

/// Every way to need `var`, and whether it changes it.
fn needs<T: Value>(var: &TVar<T>, way: usize, most: &AtomicU32) {
    let note = |tx: &Tx<'_>| most.fetch_max(tx.attempt(), Ordering::Relaxed);
    match way {
        0 => atomically(|tx| {
            note(tx);
            var.modify(tx, |v| v)
        }),
        1 => atomically(|tx| {
            note(tx);
            var.read(tx).map(drop)
        }),
        2 => {
            let n = snapshot(|s| var.read(s)).n();
            atomically(|tx| {
                note(tx);
                var.write(tx, T::of(n))
            });
        }
        3 => _ = var.load(),
        4 => atomically(|tx| {
            note(tx);
            var.commute(tx, T::clone)
        }),
        5 => drop(var.swap(var.load())),
        6 => atomically(|tx| {
            note(tx);
            let _ = var.glance(tx);
            Ok(())
        }),
        7 => {
            block_on(atomically_async(|tx| {
                note(tx);
                var.modify(tx, |v| v)
            }));
        }
        _ => {
            _ = decided(
                |tx| {
                    note(tx);
                    Ok::<_, Abort<()>>(var.modify(tx, |v| v)?)
                },
                |()| Decision::Commit,
            )
        }
    }
}
const WAYS: usize = 9;

fn sleepers<T: Value>(answer: Answer, only_read: bool) {
    let [x, y] = [1, 1].map(|n| TVar::new(T::of(n)));
    let most = AtomicU32::new(0);
    let through = AtomicUsize::new(0);
    std::thread::scope(|s| {
        while_undecided(&x, &y, answer, || {
            let needed = if only_read { &x } else { &y };
            for way in 0..WAYS {
                let (most, through) = (&most, &through);
                s.spawn(move || {
                    needs(needed, way, most);
                    through.fetch_add(1, Ordering::Relaxed);
                });
            }
            wait_until(|| most.load(Ordering::Relaxed) > 0);
            dawdle();
            assert_eq!(through.load(Ordering::Relaxed), 0, "not before the answer");
            assert_eq!(most.load(Ordering::Relaxed), 1, "attempts");
        });
    });
    assert_eq!(through.into_inner(), WAYS);
    let expected = if answer == Answer::Commit { 2 } else { 1 };
    assert_eq!((x.load().n(), y.load().n()), (1, expected));
}

/// Readers, writers, snapshots, tasks, other deciders: none gets through before the answer, none tries again and again, and
/// all get through after it.
#[test]
fn who_needs_it_sleeps() {
    watched("decide_sleepers", || {
        for only_read in [false, true] {
            for answer in [Answer::Commit, Answer::Retry, Answer::Abort, Answer::Panic] {
                sleepers::<i64>(answer, only_read);
                sleepers::<Boxed>(answer, only_read);
            }
        }
    });
}

/// One that has read the variable before, and one that has locked others before it comes to it.
#[test]
fn who_comes_upon_it_late_sleeps() {
    watched("decide_late", || {
        let all: Vec<TVar<i64>> = (0..12).map(|_| TVar::new(0)).collect();
        for at in [0, 5, 11] {
            let most = AtomicU32::new(0);
            let (tell, begun) = mpsc::channel();
            let (go_on, gone_on) = mpsc::channel::<()>();
            std::thread::scope(|s| {
                let (all, most) = (&all, &most);
                let late = s.spawn(move || {
                    atomically(|tx| {
                        most.fetch_max(tx.attempt(), Ordering::Relaxed);
                        let mut sum = 0;
                        for var in all {
                            sum += var.read(tx)?;
                        }
                        if tx.attempt() == 1 {
                            tell.send(()).unwrap();
                            gone_on.recv().unwrap();
                        }
                        for var in all {
                            var.write(tx, sum)?;
                        }
                        Ok(())
                    });
                });
                begun.recv().unwrap();
                while_undecided(&all[at], &TVar::new(0), Answer::Abort, || {
                    go_on.send(()).unwrap();
                    dawdle();
                    assert!(!late.is_finished());
                    // The second, at most, if the first has given way to a holder of the token.
                    assert!(most.load(Ordering::Relaxed) <= 2, "{most:?} attempts");
                    // What it has locked before it has given back.
                    let others = all.iter().enumerate().filter(|(i, _)| *i != at);
                    others.for_each(|(_, var)| var.store(0));
                });
                late.join().unwrap();
            });
        }
    });
}

/// A task is pending meanwhile, and woken by the answer, once; if it is dropped, nothing is left of it.
#[test]
fn tasks_are_pending_meanwhile() {
    watched("decide_tasks", || {
        let [x, y] = [0, 0].map(TVar::new);
        let body = |tx: &mut Tx<'_>| -> Stm<i64> {
            let n = y.read(tx)?;
            x.write(tx, n)?;
            Ok(n)
        };
        let (mut update, mut report) = (
            atomically_async(body),
            atomically_async(|tx| Ok(x.read(tx)? + y.read(tx)?)),
        );
        let mut cancelled = atomically_async(body);
        let wakers = [(); 3].map(|()| Wakes::new());
        while_undecided(&x, &y, Answer::Commit, || {
            for _ in 0..3 {
                assert!(poll(&mut update, &wakers[0].1).is_pending());
                assert!(poll(&mut report, &wakers[1].1).is_pending());
                assert!(poll(&mut cancelled, &wakers[2].1).is_pending());
            }
            drop(cancelled);
            assert_eq!(wakers[2].0.count(), 0);
            // The counter, this waker, and no other.
            assert_eq!(std::sync::Arc::strong_count(&wakers[2].0), 2);
        });
        let counts = wakers.each_ref().map(|(wakes, _)| wakes.count());
        assert_eq!(counts, [1, 1, 0]);
        assert_eq!(poll(&mut report, &wakers[1].1), Poll::Ready(1));
        assert_eq!(poll(&mut update, &wakers[0].1), Poll::Ready(1));
        assert_eq!(x.load(), 1);
    });
}

/// A deadline ends this wait like any other, also that of a transaction that only reads.
#[test]
fn a_deadline_ends_the_wait() {
    watched("decide_deadline", || {
        let [x, y] = [0, 0].map(TVar::new);
        let hasty = Transaction::new().timeout(Duration::from_millis(20));
        while_undecided(&x, &y, Answer::Commit, || {
            for _ in 0..3 {
                assert_eq!(hasty.run(|tx| y.read(tx)), Err(Stopped::TimedOut));
                assert_eq!(hasty.run(|tx| x.write(tx, 9)), Err(Stopped::TimedOut));
                let task = hasty.run_async(|tx| y.modify(tx, |n| n + 9));
                assert_eq!(block_on(task), Err(Stopped::TimedOut));
            }
        });
        assert_eq!((x.load(), y.load()), (0, 1));
    });
}

/// What it has not touched is free meanwhile; and so are hooks, which have an order of their own.
#[test]
fn others_go_on() {
    watched("decide_others", || {
        let [x, y, other] = [0, 0, 0].map(TVar::new);
        let (tell, asked) = mpsc::channel();
        let (end, over) = mpsc::channel::<()>();
        std::thread::scope(|s| {
            s.spawn(|| {
                decided(
                    |tx| {
                        tx.on_commit(|| ());
                        x.read(tx)?;
                        Ok::<_, Abort<()>>(y.write(tx, 1)?)
                    },
                    move |()| {
                        tell.send(()).unwrap();
                        let _ = over.recv();
                        Decision::Commit
                    },
                )
            });
            asked.recv().unwrap();
            on_threads(2, |_| {
                for _ in 0..500 {
                    atomically(|tx| {
                        tx.on_commit(|| ());
                        other.modify(tx, |n| n + 1)
                    });
                }
            });
            assert_eq!(other.load(), 1000);
            drop(end);
        });
    });
}

/// Who waits by `retry` for a variable that was only locked, sleeps on; who waits for one that was written, wakes.
#[test]
fn waits_for_a_change_survive_a_lock() {
    fn survive<T: Value>() {
        let vars = [0, 0].map(|n| TVar::new(T::of(n)));
        let [x, y] = &vars;
        let runs = AtomicUsize::new(0);
        let wakers = [(); 2].map(|()| Wakes::new());
        let mut tasks = vars.each_ref().map(|var| {
            atomically_async(|tx| {
                runs.fetch_add(1, Ordering::Relaxed);
                check(var.read(tx)?.n() > 0)
            })
        });
        for (task, (_, waker)) in tasks.iter_mut().zip(&wakers) {
            assert!(poll(task, waker).is_pending());
        }
        let woken = || wakers.each_ref().map(|(wakes, _)| wakes.count());
        while_undecided(x, y, Answer::Abort, || ());
        assert_eq!(woken(), [0, 0], "nothing has changed");
        while_undecided(x, y, Answer::Commit, || ());
        assert_eq!(woken(), [0, 1]);
        x.store(T::of(1));
        assert_eq!(woken(), [1, 1]);
        for (task, (_, waker)) in tasks.iter_mut().zip(&wakers) {
            assert!(poll(task, waker).is_ready());
        }
        assert_eq!(runs.load(Ordering::Relaxed), 4);
    }

    watched("decide_waits", || {
        survive::<i64>();
        survive::<Box<i64>>();
    });
}

/// A row of the fake store: what was read of which variables, and what was written where.
type Row = ([(usize, i64); 2], (usize, i64));

/// The store's rows, one after the other, explain every read: their order is that of the commits, also where one only reads
/// what the other writes (write skew).
#[test]
fn the_store_tells_the_order_of_the_commits() {
    fn in_order<T: Value>(stumbles: bool) {
        const VARS: usize = 4;
        let each = if cfg!(debug_assertions) { 300 } else { 1500 };
        let all: Vec<TVar<T>> = (0..VARS).map(|n| TVar::new(T::of(n as i64))).collect();
        let store: Mutex<Vec<Row>> = Mutex::default();
        let seed = seed();
        let refused = AtomicUsize::new(0);
        on_threads(4, |id| {
            let mut rng = Rng::new(seed, id);
            for n in 0..each {
                let ((a, b), c) = (rng.pair(VARS), rng.below(VARS));
                let value = (id * each + n + VARS) as i64;
                let (refuses, yields) = (rng.below(8) == 0, stumbles && rng.below(2) == 0);
                let outcome = decided(
                    |tx| {
                        let reads = [(a, all[a].read(tx)?.n()), (b, all[b].read(tx)?.n())];
                        all[c].write(tx, T::of(value))?;
                        Ok((reads, (c, value)))
                    },
                    |row| {
                        if refuses {
                            return Decision::Abort(());
                        }
                        if yields {
                            // Time for somebody to write what this one has read.
                            std::thread::yield_now();
                        }
                        store.lock().unwrap().push(*row);
                        Decision::Commit
                    },
                );
                refused.fetch_add(usize::from(outcome.is_err()), Ordering::Relaxed);
            }
        });
        let store = store.into_inner().unwrap();
        assert_eq!(store.len() + refused.into_inner(), 4 * each);
        let mut twin: Vec<i64> = (0..VARS as i64).collect();
        for (reads, (at, value)) in store {
            for (var, seen) in reads {
                assert_eq!(twin[var], seen, "variable {var} before {value} was written");
            }
            twin[at] = value;
        }
        let now: Vec<i64> = all.iter().map(|v| v.load().n()).collect();
        assert_eq!(now, twin);
    }

    watched("decide_order", || {
        for stumbles in [false, true] {
            in_order::<i64>(stumbles);
            in_order::<Box<i64>>(stumbles);
        }
    });
}

/// Money moves between two accounts, each time by leave of a decider; snapshots and plain transactions see the sum.
#[test]
fn everybody_sees_all_or_nothing() {
    fn whole<T: Value>() {
        let all: Vec<TVar<T>> = (0..4).map(|_| TVar::new(T::of(100))).collect();
        let sums = || {
            let by_snapshot = snapshot(|s| all.iter().try_fold(0, |n, v| Ok(n + v.read(s)?.n())));
            let by_body = atomically(|tx| all.iter().try_fold(0, |n, v| Ok(n + v.read(tx)?.n())));
            assert_eq!((by_snapshot, by_body), (400, 400));
        };
        let seed = seed();
        under_fire(
            2,
            |id, round| {
                let mut rng = Rng::new(seed ^ round, id);
                let (a, b) = rng.pair(4);
                let commits = rng.below(3) > 0;
                let _ = decided(
                    |tx| {
                        all[a].modify(tx, |v| T::of(v.n() - 1))?;
                        Ok(all[b].modify(tx, |v| T::of(v.n() + 1))?)
                    },
                    |()| {
                        std::thread::yield_now();
                        if commits {
                            Decision::Commit
                        } else {
                            Decision::Abort(())
                        }
                    },
                );
            },
            || (0..300).for_each(|_| sums()),
        );
        sums();
    }

    watched("decide_whole", || {
        whole::<i64>();
        whole::<Boxed>();
    });
}

/// Hooks run in the order of the commits, also where a body has more to do after its decider's answer.
#[test]
fn hooks_of_later_commits_wait() {
    watched("decide_hooks_in_order", || {
        let x = TVar::new(0);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mark = |who| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(who)
        };
        let (tell, decided) = mpsc::channel();
        std::thread::scope(|s| {
            let (x, mark, order) = (&x, &mark, &order);
            s.spawn(move || {
                atomically(|tx| {
                    tx.on_commit(mark("first"));
                    x.modify(tx, |n| n + 1)?;
                    tx.decide(|| Decision::Commit)
                        .map_err(Abort::into_control)?;
                    tell.send(()).unwrap();
                    // Time for the second to overtake.
                    for _ in 0..20_000 {
                        std::thread::yield_now();
                        if !order.lock().unwrap().is_empty() {
                            break;
                        }
                    }
                    Ok(())
                });
            });
            decided.recv().unwrap();
            atomically(|tx| {
                tx.on_commit(mark("second"));
                x.modify(tx, |n| n * 10)
            });
        });
        assert_eq!(*order.lock().unwrap(), ["first", "second"]);
        assert_eq!(x.load(), 10);
    });
}
