//! The barrier: nobody goes on alone, one leads, and who is cancelled has not arrived.

mod common;

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use common::{
    Rng, Wakes, block_on, on_threads, panic_of, poll, seed, stumble, wait_until, watched_alone,
};
use quickcheck::{QuickCheck, TestResult};
use stm_collections::{TBarrier, TBarrierWaitResult};
use stm_core::{atomically, snapshot};

type Waiting = Pin<Box<dyn Future<Output = TBarrierWaitResult> + Send>>;

fn arriving(barrier: &TBarrier) -> Waiting {
    Box::pin(barrier.wait_async())
}

/// `None` while it waits, else whether it leads.
fn leads(task: &mut Waiting) -> Option<bool> {
    match poll(task, Waker::noop()) {
        Poll::Ready(result) => Some(result.is_leader()),
        Poll::Pending => None,
    }
}

fn waiting(barrier: &TBarrier) -> usize {
    snapshot(|s| barrier.waiting(s))
}

#[test]
fn spec() {
    fn program(n: u8, ops: Vec<(u8, u8)>) -> TestResult {
        let n = usize::from(n % 5);
        let barrier = TBarrier::new(n);
        // Who has arrived, and in which round.
        let mut tasks: Vec<(u64, Waiting)> = Vec::new();
        let (mut arrived, mut round) = (0, 0);
        for (op, arg) in ops {
            let pick = |len: usize| (len > 0).then(|| usize::from(arg) % len);
            match op % 4 {
                0 | 1 => {
                    let mut task = arriving(&barrier);
                    assert_eq!(waiting(&barrier), arrived, "not before it is polled");
                    let led = leads(&mut task);
                    if arrived + 1 >= n {
                        assert_eq!(led, Some(true));
                        (arrived, round) = (0, round + 1);
                    } else {
                        assert_eq!(led, None);
                        tasks.push((round, task));
                        arrived += 1;
                    }
                }
                2 => {
                    if let Some(at) = pick(tasks.len()) {
                        let (of, task) = &mut tasks[at];
                        if *of < round {
                            assert_eq!(leads(task), Some(false));
                            drop(tasks.swap_remove(at));
                        } else {
                            assert_eq!(leads(task), None);
                        }
                    }
                }
                _ => {
                    if let Some(at) = pick(tasks.len()) {
                        let (of, task) = tasks.swap_remove(at);
                        drop(task);
                        arrived -= usize::from(of == round);
                    }
                }
            }
            assert_eq!(waiting(&barrier), arrived);
            assert_eq!(atomically(|tx| barrier.waiting(tx)), arrived);
        }
        TestResult::passed()
    }
    watched_alone("spec", || {
        QuickCheck::new()
            .tests(300)
            .quickcheck(program as fn(u8, Vec<(u8, u8)>) -> TestResult);
    });
}

#[test]
fn nobody_enters_a_round_before_all_have_ended_the_last() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 200;
    watched_alone("rounds", || {
        let seed = seed();
        let barrier = TBarrier::new(THREADS);
        let done: [AtomicUsize; THREADS] = Default::default();
        let leaders = AtomicUsize::new(0);
        on_threads(THREADS, |id| {
            let mut rng = Rng::new(seed, id);
            for round in 1..=ROUNDS {
                stumble(&mut rng, 2);
                done[id].store(round, Ordering::SeqCst);
                // Threads and tasks meet.
                let result = if id % 2 == 0 {
                    barrier.wait()
                } else {
                    block_on(arriving(&barrier))
                };
                leaders.fetch_add(usize::from(result.is_leader()), Ordering::SeqCst);
                for other in &done {
                    let other = other.load(Ordering::SeqCst);
                    assert!(other == round || other == round + 1, "{other} in {round}");
                }
            }
        });
        assert_eq!(leaders.into_inner(), ROUNDS, "one a round");
    });
}

#[test]
fn each_wakes_once_a_round() {
    watched_alone("wakes", || {
        const TASKS: usize = 200;
        let barrier = TBarrier::new(TASKS);
        let (wakes, waker) = Wakes::new();
        let mut tasks: Vec<_> = (1..TASKS).map(|_| arriving(&barrier)).collect();
        for task in &mut tasks {
            assert!(poll(task, &waker).is_pending());
        }
        assert_eq!(wakes.count(), 0, "nobody is woken by the others' arrival");
        assert!(barrier.wait().is_leader());
        assert_eq!(wakes.count(), TASKS - 1);
        for task in &mut tasks {
            assert_eq!(leads(task), Some(false));
        }
    });
}

#[test]
fn a_cancelled_arrival_is_taken_back() {
    watched_alone("cancelled", || {
        let barrier = TBarrier::new(2);
        let unpolled = arriving(&barrier);
        drop(unpolled);
        let mut cancelled = arriving(&barrier);
        assert_eq!(leads(&mut cancelled), None);
        drop(cancelled);
        assert_eq!(waiting(&barrier), 0);
        let mut task = arriving(&barrier);
        assert_eq!(leads(&mut task), None, "one alone is not two");
        assert!(barrier.wait().is_leader());
        // The round is complete: it is too late to take this one back, and the next round knows nothing of it.
        let mut next = arriving(&barrier);
        assert_eq!(leads(&mut next), None);
        drop(task);
        assert_eq!(waiting(&barrier), 1);
    });
}

#[test]
fn cancelled_inside_a_body_it_is_taken_back_after_the_attempt() {
    watched_alone("cancelled inside", || {
        let barrier = TBarrier::new(2);
        let mut task = arriving(&barrier);
        assert_eq!(leads(&mut task), None);
        let task = RefCell::new(Some(task));
        let seen = atomically(|tx| {
            drop(task.take());
            barrier.waiting(tx)
        });
        assert_eq!((seen, waiting(&barrier)), (1, 0));
    });
}

#[test]
fn arrivals_cancelled_under_fire_are_neither_lost_nor_made() {
    watched_alone("fire", || {
        let seed = seed();
        let barrier = TBarrier::new(3);
        let (led, followed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        on_threads(4, |id| {
            let mut rng = Rng::new(seed, id);
            for _ in 0..2_000 {
                let mut task = arriving(&barrier);
                for _ in 0..rng.below(4) {
                    if let Some(leads) = leads(&mut task) {
                        let count = if leads { &led } else { &followed };
                        count.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                    stumble(&mut rng, 2);
                }
            }
        });
        // All have left, each either with a group or alone.
        assert_eq!(waiting(&barrier), 0);
        let (led, followed) = (led.into_inner(), followed.into_inner());
        assert!(led > 0, "this was to try something");
        assert!(followed <= 2 * led, "{followed} followed {led}");
        let mut two = [arriving(&barrier), arriving(&barrier)];
        assert!(two.iter_mut().all(|task| leads(task).is_none()));
        assert!(barrier.wait().is_leader());
    });
}

#[test]
fn for_one_and_for_none_nobody_waits() {
    watched_alone("one, none", || {
        for n in [0, 1] {
            let barrier = TBarrier::new(n);
            for _ in 0..3 {
                assert!(barrier.wait().is_leader());
                assert_eq!(leads(&mut arriving(&barrier)), Some(true));
            }
        }
    });
}

#[test]
fn misuse_is_told() {
    watched_alone("misuse", || {
        let barrier = TBarrier::new(1);
        let message = panic_of(|| {
            atomically(|_| {
                barrier.wait();
                Ok(())
            });
        });
        assert!(message.contains("inside a transaction"), "{message}");
        let shown = atomically(|_| Ok(format!("{barrier:?}")));
        assert!(shown.contains("TBarrier"), "{shown}");
    });
}

#[test]
fn threads_sleep_until_the_last_arrives() {
    watched_alone("sleep", || {
        let barrier = TBarrier::new(6);
        std::thread::scope(|s| {
            let early: Vec<_> = (0..5)
                .map(|_| s.spawn(|| barrier.wait().is_leader()))
                .collect();
            wait_until(|| waiting(&barrier) == 5);
            assert!(early.iter().all(|thread| !thread.is_finished()));
            assert!(barrier.wait().is_leader());
            for thread in early {
                assert!(!thread.join().unwrap());
            }
        });
    });
}
