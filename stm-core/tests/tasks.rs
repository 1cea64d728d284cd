//! Tasks that wait: the futures under hand-written polls, under wakers that misbehave, and under a small executor.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod hooked;

use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};

use common::{Rng, Value, Wakes, block_on, on_threads, poll, seed, wait_until, watched_alone};
use hooked::{Event, hooked};
use stm_core::diagnostics::registered_waits;
use stm_core::{Stm, TVar, Tx, atomically, atomically_async, check, retry};

fn reach<T: Value>(tx: &mut Tx<'_>, var: &TVar<T>, n: i64) -> Stm<()> {
    check(var.read_ref(tx)?.n() >= n)
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The least executor: tasks that were woken stand in a queue, from which a few threads take them.
struct Executor {
    queue: Mutex<VecDeque<Arc<Task>>>,
    filled: Condvar,
    unfinished: AtomicUsize,
}

struct Task {
    future: Mutex<Option<BoxFuture>>,
    executor: Arc<Executor>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let executor = Arc::clone(&self.executor);
        executor.queue.lock().expect("no panic").push_back(self);
        executor.filled.notify_one();
    }
}

impl Executor {
    /// Runs all of them to their end.
    fn run(threads: usize, futures: Vec<BoxFuture>) {
        let executor = Arc::new(Self {
            queue: Mutex::default(),
            filled: Condvar::new(),
            unfinished: AtomicUsize::new(futures.len()),
        });
        for future in futures {
            let task = Task {
                future: Mutex::new(Some(future)),
                executor: Arc::clone(&executor),
            };
            Arc::new(task).wake();
        }
        on_threads(threads, |_| {
            while let Some(task) = executor.next() {
                executor.poll(&task);
            }
        });
    }

    fn next(&self) -> Option<Arc<Task>> {
        let mut queue = self.queue.lock().expect("no panic");
        while self.unfinished.load(Ordering::SeqCst) > 0 {
            if let Some(task) = queue.pop_front() {
                return Some(task);
            }
            queue = self.filled.wait(queue).expect("no panic");
        }
        None
    }

    fn poll(&self, task: &Arc<Task>) {
        let mut slot = task.future.lock().expect("no panic");
        // It may have been woken once more after its end.
        let Some(future) = slot.as_mut() else { return };
        let waker = Waker::from(Arc::clone(task));
        if future
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_ready()
        {
            *slot = None;
            self.unfinished.fetch_sub(1, Ordering::SeqCst);
            let _queue = self.queue.lock().expect("no panic");
            self.filled.notify_all();
        }
    }
}

#[test]
fn cancel_vs_wake() {
    /// One thread cancels a waiting task, sometimes two, while another wakes it. The task beside it must wake.
    fn rounds<T: Value>(seed: u64, rounds: usize) {
        let vars: Vec<_> = (0..4).map(|_| TVar::new(T::of(0))).collect();
        let (started, cancelled) = (AtomicUsize::new(0), AtomicUsize::new(0));
        on_threads(2, |id| {
            let mut rng = Rng::new(seed, id);
            for round in 1..=rounds {
                let n = round as i64;
                let pause = rng.below(400);
                let spin = || (0..pause).for_each(|_| std::hint::spin_loop());
                if id == 0 {
                    wait_until(|| started.load(Ordering::Acquire) == round);
                    spin();
                    atomically(|tx| vars.iter().try_for_each(|var| var.write(tx, T::of(n))));
                    wait_until(|| cancelled.load(Ordering::Acquire) == round);
                    continue;
                }
                let task = || {
                    atomically_async(|tx| {
                        vars.iter().try_for_each(|var| var.read(tx).map(drop))?;
                        reach(tx, &vars[0], n)
                    })
                };
                let mut tasks = [task(), task(), task()];
                let (wakes, waker) = Wakes::new();
                let survivor = rng.below(3);
                for (i, task) in tasks.iter_mut().enumerate() {
                    let waker = if i == survivor { &waker } else { Waker::noop() };
                    assert_eq!(poll(task, waker), Poll::Pending);
                }
                started.store(round, Ordering::Release);
                spin();
                let [mut survivor] = tasks
                    .into_iter()
                    .enumerate()
                    .filter_map(|(i, task)| (i == survivor).then_some(task))
                    .collect::<Vec<_>>()
                    .try_into()
                    .expect("one");
                // The commit before, still waking, may have woken it for nothing.
                let mut polls = 0;
                while poll(&mut survivor, &waker).is_pending() {
                    polls += 1;
                    wait_until(|| wakes.count() >= polls);
                }
                assert_eq!(registered_waits(), 0, "round {round}");
                cancelled.store(round, Ordering::Release);
            }
        });
    }

    watched_alone("cancel_vs_wake", || {
        let seed = seed();
        rounds::<i64>(seed, 10_000);
        rounds::<Box<i64>>(seed, 10_000);
    });
}

#[test]
fn task_and_thread() {
    const EACH: usize = 5;

    fn both_wake<T: Value>() {
        let door = TVar::new(T::of(0));
        let through = TVar::new(0_usize);
        let enter = |tx: &mut Tx<'_>| {
            reach(tx, &door, 1)?;
            through.modify(tx, |n| n + 1)
        };
        on_threads(2 * EACH + 1, |id| match id {
            _ if id < EACH => atomically(enter),
            _ if id < 2 * EACH => block_on(atomically_async(enter)),
            _ => {
                wait_until(|| registered_waits() == 2 * EACH);
                door.store(T::of(1));
            }
        });
        assert_eq!(through.load(), 2 * EACH);
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("task_and_thread", || {
        both_wake::<i64>();
        both_wake::<Box<i64>>();
    });
}

#[test]
fn token_ring() {
    /// Tasks pass a token round and round; each wait is about to begin when its end is being written.
    fn ring<T: Value>(laps: i64) {
        const TASKS: i64 = 7;
        let turn = TVar::new(T::of(0));
        let member = |id: i64| -> BoxFuture {
            let turn = turn.clone();
            Box::pin(async move {
                for lap in 0..laps {
                    atomically_async(|tx| {
                        let now = turn.read(tx)?.n();
                        check(now == lap * TASKS + id)?;
                        turn.write(tx, T::of(now + 1))
                    })
                    .await;
                }
            })
        };
        Executor::run(2, (0..TASKS).map(member).collect());
        assert_eq!(turn.load().n(), laps * TASKS);
    }

    watched_alone("token_ring", || {
        ring::<i64>(1_000);
        ring::<Box<i64>>(1_000);
    });
}

#[test]
fn async_counter() {
    const TASKS: usize = 8;
    const TIMES: i64 = 2_000;

    watched_alone("async_counter", || {
        let (word, boxed) = (TVar::new(0_i64), TVar::new(Box::new(0_i64)));
        let task = |_| -> BoxFuture {
            let (word, boxed) = (word.clone(), boxed.clone());
            Box::pin(async move {
                for n in 0..TIMES {
                    let before = atomically_async(|tx| {
                        let now = boxed.update(tx, |value| {
                            **value += 1;
                            **value
                        })?;
                        word.replace(tx, now)
                    })
                    .await;
                    assert!(before >= n, "each adds one");
                }
            })
        };
        Executor::run(3, (0..TASKS).map(task).collect());
        let sum = TASKS as i64 * TIMES;
        assert_eq!((word.load(), *boxed.load()), (sum, sum));
    });
}

#[test]
fn spurious_poll() {
    fn refreshes_only<T: Value>() {
        let var = TVar::new(T::of(0));
        let runs = AtomicUsize::new(0);
        let mut task = atomically_async(|tx| {
            runs.fetch_add(1, Ordering::Relaxed);
            reach(tx, &var, 2)
        });
        assert_eq!(
            runs.load(Ordering::Relaxed),
            0,
            "nothing happens before the first poll"
        );
        for n in 1..=2 {
            let wakers = [(); 4].map(|()| Wakes::new());
            for (_, waker) in &wakers {
                assert_eq!(poll(&mut task, waker), Poll::Pending);
                assert_eq!(runs.load(Ordering::Relaxed), n, "a poll without a wake-up");
                assert_eq!(registered_waits(), 1);
            }
            // Not even if something else has happened meanwhile.
            TVar::new(T::of(0)).store(T::of(1));
            var.store(T::of(n as i64));
            let woken = wakers.each_ref().map(|(wakes, _)| wakes.count());
            assert_eq!(woken, [0, 0, 0, 1], "the newest waker, once");
        }
        assert_eq!(poll(&mut task, Waker::noop()), Poll::Ready(()));
        assert_eq!(runs.load(Ordering::Relaxed), 3);
    }

    watched_alone("spurious_poll", || {
        refreshes_only::<i64>();
        refreshes_only::<Box<i64>>();
    });
}

#[test]
fn woken_while_polling() {
    /// The wake-up comes between the registration and the moment when the waker is in its place: a waker's `clone` is
    /// user code, and this one writes what the task waits for.
    fn writes_in_clone<T: Value>() {
        let var = Arc::new(TVar::new(T::of(0)));
        let wakes = Arc::new(AtomicUsize::new(0));
        let waker = hooked({
            let (var, wakes) = (Arc::clone(&var), Arc::clone(&wakes));
            move |event| match event {
                Event::Clone => var.store(T::of(1)),
                Event::Wake => drop(wakes.fetch_add(1, Ordering::SeqCst)),
                Event::Drop => {}
            }
        });
        let mut task = atomically_async(|tx| reach(tx, &var, 1));
        if poll(&mut task, &waker).is_pending() {
            assert_eq!(
                wakes.load(Ordering::SeqCst),
                1,
                "it sleeps though the variable is 1"
            );
            assert_eq!(poll(&mut task, &waker), Poll::Ready(()));
        }
    }

    watched_alone("woken_while_polling", || {
        writes_in_clone::<i64>();
        writes_in_clone::<Box<i64>>();
    });
}

#[test]
fn wakers_are_user_code() {
    /// Every function of the waker runs transactions, also on what its task waits for.
    fn run_transactions<T: Value>() {
        let [awaited, other] = [0; 2].map(|n| Arc::new(TVar::new(T::of(n))));
        let calls = Arc::new(AtomicUsize::new(0));
        let waker = || {
            hooked({
                let (awaited, other, calls) = (awaited.clone(), other.clone(), calls.clone());
                move |event| {
                    calls.fetch_add(1, Ordering::SeqCst);
                    if event == Event::Drop {
                        awaited.store(awaited.load());
                    }
                    atomically(|tx| {
                        let n = awaited.read(tx)?;
                        other.write(tx, n)
                    });
                    let (_, waker) = Wakes::new();
                    let mut wait = atomically_async(|tx| reach(tx, &awaited, 5));
                    assert_eq!(poll(&mut wait, &waker), Poll::Pending);
                }
            })
        };
        let mut tasks = [1, 1, 2].map(|n| {
            let awaited = &awaited;
            atomically_async(move |tx| reach(tx, awaited, n))
        });
        // Kept to the end, so that only the engine's clones of them are dropped before.
        let wakers = [(); 3].map(|()| waker());
        for task in &mut tasks {
            for waker in &wakers {
                assert!(poll(task, waker).is_pending());
            }
        }
        awaited.store(T::of(1));
        let ready = tasks
            .each_mut()
            .map(|task| poll(task, &wakers[0]).is_ready());
        assert_eq!(ready, [true, true, false]);
        drop((tasks, wakers));
        assert!(calls.load(Ordering::SeqCst) > 20);
        assert_eq!((other.load().n(), registered_waits()), (1, 0));
    }

    /// One that panics keeps neither the others asleep nor the commit from standing.
    fn panic<T: Value>() {
        let var = TVar::new(T::of(0));
        let bad = hooked(|event| assert_ne!(event, Event::Wake, "on purpose"));
        let (wakes, good) = Wakes::new();
        let mut tasks = [(); 3].map(|()| atomically_async(|tx| reach(tx, &var, 1)));
        for (task, waker) in tasks.iter_mut().zip([&good, &bad, &good]) {
            assert_eq!(poll(task, waker), Poll::Pending);
        }
        var.store(T::of(1));
        assert_eq!((var.load().n(), wakes.count()), (1, 2));
        for mut task in tasks {
            assert_eq!(poll(&mut task, &bad), Poll::Ready(()));
        }

        // In `clone` it is the poll's panic, and the wait is over.
        let bad = hooked(|event| assert_ne!(event, Event::Clone, "on purpose"));
        let mut task = atomically_async(|tx| reach(tx, &var, 2));
        catch_unwind(AssertUnwindSafe(|| poll(&mut task, &bad))).expect_err("its panic");
        drop(task);
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("wakers_are_user_code", || {
        run_transactions::<i64>();
        run_transactions::<Box<i64>>();
        panic::<i64>();
        panic::<Box<i64>>();
    });
}

#[test]
fn poll_gives_way() {
    /// In each attempt, what the body has read is changed before it ends. However long that goes on, a poll must return
    /// and let other tasks of its executor run.
    fn within_bounds(waits: bool) {
        // The last few as holder of the token: the writer, for whom the body waits, is stopped until the lease runs out.
        const MANY: usize = AT_MOST + 3;
        const AT_MOST: usize = if cfg!(stm_stress) { 4 } else { 16 };
        let (read, written) = (TVar::new(0), TVar::new(0));
        let attempts = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let (ask, asked) = mpsc::channel();
            let (done, is_done) = mpsc::channel();
            scope.spawn({
                let read = &read;
                move || {
                    for n in asked {
                        read.store(n);
                        done.send(()).expect("it waits");
                    }
                }
            });
            let mut task = atomically_async(|tx| {
                let n = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                read.read(tx)?;
                written.write(tx, n)?;
                if n < MANY {
                    ask.send(n).expect("the writer lives");
                    is_done.recv().expect("the writer lives");
                }
                check(!waits || n >= MANY)
            });
            let (wakes, waker) = Wakes::new();
            let (mut polls, mut before) = (0, 0);
            while poll(&mut task, &waker).is_pending() {
                polls += 1;
                assert_eq!(wakes.count(), polls, "there is more to do");
                let now = attempts.load(Ordering::Relaxed);
                assert!(now - before <= AT_MOST, "{} in one poll", now - before);
                before = now;
            }
            drop(task);
            drop(ask);
            assert!(polls > 0, "all in one poll, waiting: {waits}");
        });
        assert_eq!((written.load(), attempts.into_inner()), (MANY, MANY));
    }

    watched_alone("poll_gives_way", || {
        within_bounds(false);
        within_bounds(true);
    });
}

#[test]
fn future_is_send() {
    fn send<F: Future + Send + Unpin>(future: F) -> F {
        future
    }
    const fn shared<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}
    const {
        shared::<TVar<i64>>();
        shared::<TVar<String>>();
        shared::<TVar<Arc<Mutex<Vec<TVar<u8>>>>>>();
        assert!(size_of::<Stm<()>>() == size_of::<u64>());
        assert!(size_of::<TVar<[u64; 9]>>() == size_of::<usize>());
    }

    watched_alone("future_is_send", || {
        let var = TVar::new(0);
        let (go_on, may_go_on) = mpsc::channel();
        std::thread::scope(|scope| {
            // Also in the middle of its wait.
            let mut task = send(atomically_async(|tx| reach(tx, &var, 1)));
            assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
            let thread = scope.spawn(move || {
                let (wakes, waker) = Wakes::new();
                assert_eq!(poll(&mut task, &waker), Poll::Pending);
                go_on.send(()).expect("it listens");
                wait_until(|| wakes.count() == 1);
                poll(&mut task, &waker)
            });
            may_go_on.recv().expect("it goes on");
            var.store(1);
            assert_eq!(thread.join().expect("no panic"), Poll::Ready(()));
        });
    });
}

#[test]
fn future_polled_after_ready_panics() {
    watched_alone("future_polled_after_ready_panics", || {
        let says =
            |panic: Box<dyn std::any::Any + Send>| *panic.downcast::<String>().expect("text");
        let var = TVar::new(0);
        let mut task = atomically_async(|tx| var.modify(tx, |n| n + 1));
        assert_eq!(poll(&mut task, Waker::noop()), Poll::Ready(()));
        for _ in 0..2 {
            let again = catch_unwind(AssertUnwindSafe(|| poll(&mut task, Waker::noop())));
            let text = says(again.expect_err("it has finished"));
            assert!(text.contains("polled after it had finished"), "{text}");
            assert!(
                text.contains(file!()),
                "says where the future is from: {text}"
            );
        }
        assert_eq!(var.load(), 1);

        // A body's panic ends its future, too.
        let mut task = atomically_async(|tx| {
            var.write(tx, 2)?;
            assert!(var.read(tx)? == 1, "on purpose");
            Ok(())
        });
        catch_unwind(AssertUnwindSafe(|| poll(&mut task, Waker::noop()))).expect_err("on purpose");
        let again = catch_unwind(AssertUnwindSafe(|| poll(&mut task, Waker::noop())));
        let text = says(again.expect_err("it has finished"));
        assert!(text.contains("polled after it had finished"), "{text}");
        assert_eq!(var.load(), 1);

        // Nothing to wait for is said, not slept over.
        let mut task = atomically_async(|_| retry::<()>());
        let never = catch_unwind(AssertUnwindSafe(|| poll(&mut task, Waker::noop())));
        let text = says(never.expect_err("nothing was read"));
        assert!(text.contains("nothing could ever wake it"), "{text}");
    });
}
