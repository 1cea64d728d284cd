//! Tasks dropped at every point where they can be: after each poll of an errand of several transactions, and in every state
//! of a single one. What has committed by then stands, the rest has not happened, and nothing is left behind.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod fuse;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use common::fire::{collect_until, elsewhere};
use common::{Wakes, poll, wait_until, watched_alone};
use fuse::Item;
use stm_core::diagnostics::registered_waits;
use stm_core::{Stm, TVar, Timer, Transaction, Tx, atomically, atomically_async, check, snapshot};

/// Never over within a test.
const LONG: Duration = Duration::from_secs(1000);

/// Item `n` lies in place `done`, where `done` transactions of the errand have committed.
struct Places {
    places: Vec<TVar<Option<Item>>>,
    /// Which transactions may go on.
    gate: TVar<usize>,
    done: AtomicUsize,
}

impl Places {
    fn new(n: usize) -> Self {
        let places: Vec<_> = (0..=n).map(|_| TVar::new(None)).collect();
        places[0].store(Some(Item::of(7)));
        Self {
            places,
            gate: TVar::new(0),
            done: AtomicUsize::new(0),
        }
    }

    /// Moves the item on and then waits for the gate: the move is undone with each wait.
    fn carry(&self, tx: &mut Tx<'_>, leg: usize) -> Stm<()> {
        let item = self.places[leg].replace(tx, None)?;
        self.places[leg + 1].write(tx, item)?;
        check(self.gate.read(tx)? > leg)
    }

    fn expect_done(&self, legs: usize) {
        snapshot(|s| {
            for (n, place) in self.places.iter().enumerate() {
                let here = place.read_ref(s)?.as_ref().map(Item::n);
                assert_eq!(here, (n == legs).then_some(7), "place {n} of {legs}");
            }
            Ok(())
        });
    }
}

#[test]
fn a_task_dropped_after_any_poll_has_done_what_it_awaited_and_no_more() {
    const LEGS: usize = 5;
    /// Attempts of one poll.
    const MANY: u32 = if cfg!(stm_stress) { 4 } else { 16 };

    /// One leg in each of the ways to run a transaction as a task.
    async fn errand(places: &Places) {
        for leg in 0..LEGS {
            let carry = |tx: &mut Tx<'_>| places.carry(tx, leg);
            let limited = Transaction::new().timeout(LONG);
            match leg {
                0 => atomically_async(carry).await,
                1 => limited.run_async(carry).await.expect("far off"),
                2 => {
                    let late = Instant::now() + LONG;
                    let body = |tx: &mut Tx<'_>| tx.or_else(carry, |tx| tx.retry_until(late));
                    atomically_async(body).await;
                }
                3 => {
                    // A conflict in each attempt, until the poll gives way.
                    let body = |tx: &mut Tx<'_>| {
                        carry(tx)?;
                        if tx.attempt() <= MANY {
                            elsewhere(|| places.gate.store(leg + 1));
                        }
                        Ok(())
                    };
                    atomically_async(body).await;
                }
                _ => {
                    let inner = atomically_async(carry);
                    Box::pin(inner).await;
                }
            }
            places.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    watched_alone("task_dropped_after_any_poll", || {
        let mut polls_to_the_end = None;
        for n in 0.. {
            let places = Places::new(LEGS);
            let mut task = Box::pin(errand(&places));
            let (wakes, waker) = Wakes::new();
            let mut ready = false;
            for polled in 0..n {
                ready = poll(&mut task, &waker).is_ready();
                if ready {
                    break;
                }
                // Every other poll finds the gate open one leg further; those between are spurious.
                if polled % 2 == 1 {
                    places.gate.store(places.gate.load() + 1);
                }
            }
            drop(task);
            assert_eq!(registered_waits(), 0, "dropped after {n} polls");
            let woken = wakes.count();
            places.expect_done(places.done.load(Ordering::Relaxed));
            // Nobody is there to be woken, and what was being carried is free for others.
            places.gate.store(LEGS);
            assert_eq!(wakes.count(), woken);
            for leg in places.done.load(Ordering::Relaxed)..LEGS {
                elsewhere(|| atomically(|tx| places.carry(tx, leg)));
            }
            places.expect_done(LEGS);
            drop(places);
            collect_until(|| fuse::alive() == 0);
            assert_eq!(fuse::alive(), 0, "dropped after {n} polls");
            fuse::expect_unspoiled();
            if ready {
                polls_to_the_end = Some(n);
                break;
            }
        }
        let polls = polls_to_the_end.expect("it ends");
        eprintln!("{polls} polls from begin to end");
        assert!(polls > 2 * LEGS, "{polls}");
    });
}

/// Failures after which a transaction takes priority, and the attempt in which it has it.
const CLAIM_AFTER: u32 = if cfg!(stm_stress) { 3 } else { 12 };
const HOLDER: u32 = CLAIM_AFTER + 1;

/// In the state in which it waits for the transaction with priority. That is known by its name alone.
#[test]
fn a_task_dropped_while_it_gives_way_to_priority_is_forgotten() {
    watched_alone("task_dropped_while_paused", || {
        let var = TVar::new(0);
        let mut seen = 0;
        while seen < 5 {
            let (reached, is_reached) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel();
            std::thread::scope(|s| {
                s.spawn(|| {
                    let (reached, may_go_on) = (reached, may_go_on);
                    atomically(|tx| {
                        let n = var.read(tx)?;
                        match tx.attempt() {
                            1..=CLAIM_AFTER => elsewhere(|| var.store(n)),
                            HOLDER => {
                                reached.send(()).expect("they listen");
                                may_go_on.recv().expect("they say so");
                            }
                            _ => {}
                        }
                        var.write(tx, n)
                    });
                });
                is_reached.recv().expect("it comes to that");
                let mut task = atomically_async(|tx| var.modify(tx, |n| n + 1));
                let (wakes, waker) = Wakes::new();
                if poll(&mut task, &waker).is_pending() {
                    seen += usize::from(format!("{task:?}").contains("paused"));
                    assert_eq!(var.load(), 0, "nothing has happened");
                }
                let done = format!("{task:?}").contains("finished");
                drop(task);
                let woken = wakes.count();
                go_on.send(()).expect("it listens");
                // It may have got through: the lease may have run out.
                if done {
                    var.store(0);
                }
                assert_eq!(wakes.count(), woken, "nobody is left to be woken");
            });
            var.store(0);
            assert_eq!(registered_waits(), 0);
        }
    });
}

/// The alarms of what was dropped do not ring, and those of what was not do.
#[test]
fn tasks_dropped_beside_their_deadline_leave_the_others_theirs() {
    watched_alone("tasks_dropped_beside_deadlines", || {
        const SHORT: Duration = Duration::from_millis(30);
        let var = TVar::new(0);
        let wait = || {
            Transaction::new()
                .timeout(SHORT)
                .run_async(|tx| check(var.read(tx)? > 0))
        };
        let (dropped, dropped_waker) = Wakes::new();
        let mut keep: Vec<_> = (0..10).map(|_| (wait(), Wakes::new())).collect();
        let mut drop_them: Vec<_> = (0..40).map(|_| wait()).collect();
        // Where the machine is so slow that a deadline is over at once, a task is ready and has nothing to be woken for.
        keep.retain_mut(|(task, (_, waker))| poll(task, waker).is_pending());
        drop_them.retain_mut(|task| poll(task, &dropped_waker).is_pending());
        drop(drop_them);
        let rung = dropped.count();
        let later = Timer::after(2 * SHORT);
        atomically(|tx| later.wait(tx));
        // One may have been ringing when it was dropped.
        assert!(dropped.count() <= rung + 1, "rung after the drop");
        for (task, (wakes, _)) in &mut keep {
            wait_until(|| wakes.count() > 0);
            assert_eq!(wakes.count(), 1, "each that is left, once");
            assert!(matches!(poll(task, Waker::noop()), Poll::Ready(Err(_))));
        }
        assert_eq!(registered_waits(), 0);
    });
}
