//! The semaphore: inside and outside, in order, woken once, and no permit lost or made.

mod common;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};

use common::{
    Histories, Rng, Wakes, block_on, on_threads, panic_of, poll, seed, stumble, under_fire,
    wait_until, watched_alone,
};
use quickcheck::{QuickCheck, TestResult};
use stateright::semantics::SequentialSpec;
use stm_collections::{TSemaphore, TSemaphorePermit};
use stm_core::diagnostics::collect_garbage;
use stm_core::{Abort, abort, atomically, atomically_async, retry, snapshot};

type Acquiring = Pin<Box<dyn Future<Output = TSemaphorePermit> + Send>>;

fn acquiring(sem: &TSemaphore, n: usize) -> Acquiring {
    Box::pin(sem.acquire_permit_async(n))
}

fn is_pending(task: &mut Acquiring) -> bool {
    poll(task, Waker::noop()).is_pending()
}

/// Polls for the first time; it must have to wait.
fn in_line(sem: &TSemaphore, n: usize) -> Acquiring {
    let mut task = acquiring(sem, n);
    assert!(is_pending(&mut task), "there was to be a line");
    task
}

fn served(task: &mut Acquiring) -> TSemaphorePermit {
    match poll(task, Waker::noop()) {
        Poll::Ready(permit) => permit,
        Poll::Pending => panic!("it was to be served by now"),
    }
}

fn available(sem: &TSemaphore) -> usize {
    snapshot(|s| sem.available(s))
}

fn waiting(sem: &TSemaphore) -> usize {
    snapshot(|s| sem.waiting(s))
}

fn release(sem: &TSemaphore, n: usize) {
    atomically(|tx| sem.release(tx, n));
}

/// The twin: what is there, and a line that is served strictly in order.
#[derive(Clone, Debug, Default)]
struct Twin {
    there: usize,
    line: VecDeque<(usize, usize)>,
    granted: Vec<usize>,
}

impl Twin {
    fn available(&self) -> usize {
        if self.line.is_empty() { self.there } else { 0 }
    }

    fn take(&mut self, n: usize) -> bool {
        let can = n <= self.available();
        self.there -= if can { n } else { 0 };
        can
    }

    fn give(&mut self, n: usize) {
        self.there += n;
        while let Some(&(id, n)) = self.line.front()
            && n <= self.there
        {
            self.there -= n;
            self.granted.push(id);
            self.line.pop_front();
        }
    }

    fn leave(&mut self, id: usize, n: usize) {
        if self.granted.contains(&id) {
            self.give(n);
        } else {
            self.line.retain(|&(other, _)| other != id);
            self.give(0);
        }
    }
}

#[test]
fn spec() {
    fn program(permits: u8, ops: Vec<(u8, u8)>) -> TestResult {
        let mut twin = Twin {
            there: usize::from(permits % 6),
            ..Twin::default()
        };
        let sem = TSemaphore::new(twin.there);
        let mut tasks: Vec<(usize, usize, Acquiring)> = Vec::new();
        let mut permits: Vec<TSemaphorePermit> = Vec::new();
        for (id, (op, arg)) in ops.into_iter().enumerate() {
            let n = usize::from(arg % 4);
            let pick = |len: usize| (len > 0).then(|| usize::from(arg) % len);
            match op % 10 {
                0 => assert_eq!(atomically(|tx| sem.try_acquire(tx, n)), twin.take(n)),
                1 => {
                    release(&sem, n);
                    twin.give(n);
                }
                2 | 3 => {
                    let mut task = acquiring(&sem, n);
                    if twin.take(n) {
                        permits.push(served(&mut task));
                    } else {
                        assert!(is_pending(&mut task));
                        twin.line.push_back((id, n));
                        tasks.push((id, n, task));
                    }
                }
                4 => {
                    if let Some(at) = pick(tasks.len()) {
                        let (id, n, task) = &mut tasks[at];
                        if twin.granted.contains(id) {
                            let permit = served(task);
                            assert_eq!(permit.num_permits(), *n);
                            permits.push(permit);
                            drop(tasks.swap_remove(at));
                        } else {
                            assert!(is_pending(task));
                        }
                    }
                }
                5 => {
                    if let Some(at) = pick(tasks.len()) {
                        let (id, n, task) = tasks.swap_remove(at);
                        drop(task);
                        twin.leave(id, n);
                    }
                }
                6 => {
                    if let Some(at) = pick(permits.len()) {
                        let permit = permits.swap_remove(at);
                        twin.give(permit.num_permits());
                        permit.release();
                    }
                }
                7 => {
                    if let Some(at) = pick(permits.len()) {
                        let permit = permits.swap_remove(at);
                        let n = permit.num_permits();
                        assert_eq!(permit.forget(), n);
                    }
                }
                8 => {
                    let permit = sem.try_acquire_permit(n);
                    assert_eq!(permit.is_some(), twin.take(n));
                    permits.extend(permit);
                }
                // Several in one transaction, with two that are undone in between.
                _ => {
                    let took = atomically(|tx| {
                        sem.release(tx, 1)?;
                        let undone = tx.nested(|tx| {
                            sem.release(tx, 3)?;
                            sem.try_acquire(tx, 2)?;
                            abort(())
                        })?;
                        assert_eq!(undone, Err::<(), ()>(()));
                        tx.or_else(
                            |tx| {
                                sem.release(tx, 5)?;
                                retry()
                            },
                            |tx| sem.try_acquire(tx, n),
                        )
                    });
                    twin.give(1);
                    assert_eq!(took, twin.take(n));
                }
            }
            let seen = atomically(|tx| Ok((sem.available(tx)?, sem.waiting(tx)?)));
            assert_eq!(seen, (twin.available(), twin.line.len()));
        }
        // What tasks were granted and have not fetched comes back with them.
        let granted = tasks.iter().filter(|(id, ..)| twin.granted.contains(id));
        let out = granted.map(|(_, n, _)| n).sum::<usize>()
            + permits
                .iter()
                .map(TSemaphorePermit::num_permits)
                .sum::<usize>();
        drop((tasks, permits));
        assert_eq!(waiting(&sem), 0);
        assert_eq!(available(&sem), twin.there + out);
        TestResult::passed()
    }
    watched_alone("spec", || {
        QuickCheck::new()
            .tests(400)
            .quickcheck(program as fn(u8, Vec<(u8, u8)>) -> TestResult);
    });
}

#[derive(Clone, Copy, Debug)]
enum Op {
    TryAcquire(usize),
    TryPermit(usize),
    Release(usize),
    Available,
}

#[derive(Clone, Debug)]
struct Count(usize);

impl SequentialSpec for Count {
    type Op = Op;
    type Ret = usize;

    fn invoke(&mut self, op: &Op) -> usize {
        match *op {
            Op::TryAcquire(n) | Op::TryPermit(n) => {
                let can = n <= self.0;
                self.0 -= if can { n } else { 0 };
                usize::from(can)
            }
            Op::Release(n) => {
                self.0 += n;
                0
            }
            Op::Available => self.0,
        }
    }
}

#[test]
fn linearizable() {
    watched_alone("linearizable", || {
        Histories::default().check(
            &Count(2),
            || TSemaphore::new(2),
            |rng| match rng.below(5) {
                0 | 1 => Op::TryAcquire(1 + rng.below(2)),
                2 => Op::TryPermit(1 + rng.below(2)),
                3 => Op::Release(1),
                _ => Op::Available,
            },
            |sem, op| match op {
                Op::TryAcquire(n) => usize::from(atomically(|tx| sem.try_acquire(tx, n))),
                Op::TryPermit(n) => {
                    usize::from(sem.try_acquire_permit(n).map(|p| p.forget()).is_some())
                }
                Op::Release(n) => {
                    release(sem, n);
                    0
                }
                Op::Available => atomically(|tx| sem.available(tx)),
            },
        );
    });
}

#[test]
fn permits_moved_between_two_are_always_in_one() {
    watched_alone("moved", || {
        let seed = seed();
        let sems = [TSemaphore::new(5), TSemaphore::new(0)];
        under_fire(
            2,
            |id, round| {
                let n = 1 + (round as usize + id) % 3;
                let from = round as usize % 2;
                atomically(|tx| {
                    if sems[from].try_acquire(tx, n)? {
                        sems[1 - from].release(tx, n)?;
                    }
                    Ok(())
                });
            },
            || {
                let mut rng = Rng::new(seed, 9);
                for _ in 0..2_000 {
                    stumble(&mut rng, 8);
                    let sum = atomically(|tx| Ok(sems[0].available(tx)? + sems[1].available(tx)?));
                    assert_eq!(sum, 5);
                    let sum = snapshot(|s| Ok(sems[0].available(s)? + sems[1].available(s)?));
                    assert_eq!(sum, 5);
                }
            },
        );
    });
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    watched_alone("fifo", || {
        let sem = TSemaphore::new(1);
        let served = Mutex::new(Vec::new());
        std::thread::scope(|s| {
            let permit = sem.acquire_permit(1);
            for id in 0..10 {
                let (sem, served) = (&sem, &served);
                s.spawn(move || {
                    // Threads and tasks in one line.
                    let _permit = if id % 2 == 0 {
                        sem.acquire_permit(1)
                    } else {
                        block_on(acquiring(sem, 1))
                    };
                    served.lock().unwrap().push(id);
                });
                wait_until(|| waiting(sem) == id + 1);
            }
            drop(permit);
        });
        assert_eq!(served.into_inner().unwrap(), (0..10).collect::<Vec<_>>());
        assert_eq!((available(&sem), waiting(&sem)), (1, 0));
    });
}

#[test]
fn a_big_request_is_served_before_the_small_ones_behind_it() {
    watched_alone("weighted", || {
        let sem = TSemaphore::new(0);
        let mut big = in_line(&sem, 5);
        let mut small = in_line(&sem, 1);
        release(&sem, 4);
        assert_eq!(available(&sem), 0, "set aside for the big one");
        assert!(is_pending(&mut big) && is_pending(&mut small));
        assert!(sem.try_acquire_permit(1).is_none(), "no overtaking outside");
        assert!(
            !atomically(|tx| sem.try_acquire(tx, 1)),
            "no overtaking inside"
        );
        release(&sem, 2);
        let (big, small) = (served(&mut big), served(&mut small));
        assert_eq!((big.num_permits(), small.num_permits()), (5, 1));
        assert_eq!(available(&sem), 0);
        drop((big, small));
        assert_eq!(available(&sem), 6);
    });
}

#[test]
fn one_release_serves_as_many_as_it_fits() {
    watched_alone("many", || {
        let sem = TSemaphore::new(0);
        let mut tasks: Vec<_> = [2, 1, 3, 1].map(|n| in_line(&sem, n)).into();
        release(&sem, 5);
        assert_eq!(waiting(&sem), 2);
        let first = [served(&mut tasks[0]), served(&mut tasks[1])];
        assert!(is_pending(&mut tasks[2]));
        drop(first);
        let rest = [served(&mut tasks[2]), served(&mut tasks[3])];
        assert_eq!(available(&sem), 1);
        drop(rest);
        assert_eq!(available(&sem), 5);
    });
}

#[test]
fn permits_left_over_when_the_line_forms_are_set_aside_for_its_first() {
    watched_alone("gathered", || {
        let sem = TSemaphore::new(2);
        let mut big = in_line(&sem, 3);
        assert_eq!(available(&sem), 0);
        release(&sem, 1);
        assert_eq!(served(&mut big).num_permits(), 3);
        assert_eq!(available(&sem), 3);
    });
}

/// Tasks by number, polled by a few threads when woken, each at most once at a time.
struct Executor {
    ready: Mutex<VecDeque<usize>>,
    wakes: AtomicUsize,
    polls: AtomicUsize,
    finished: AtomicUsize,
}

struct WakeOne(Arc<Executor>, usize);

impl Wake for WakeOne {
    fn wake(self: Arc<Self>) {
        self.0.wakes.fetch_add(1, Ordering::SeqCst);
        self.0.ready.lock().unwrap().push_back(self.1);
    }
}

#[test]
fn a_thousand_tasks_wake_once_each() {
    const TASKS: usize = 1_000;
    const EXECUTORS: usize = 3;
    watched_alone("herd of tasks", || {
        let sem = TSemaphore::new(1);
        let executor = Arc::new(Executor {
            ready: Mutex::new((0..TASKS).collect()),
            wakes: AtomicUsize::new(0),
            polls: AtomicUsize::new(0),
            finished: AtomicUsize::new(0),
        });
        let tasks: Vec<_> = (0..TASKS).map(|_| Mutex::new(acquiring(&sem, 1))).collect();
        let permit = sem.acquire_permit(1);
        let holders = AtomicUsize::new(0);
        let mut permit = Some(permit);
        std::thread::scope(|s| {
            for _ in 0..EXECUTORS {
                s.spawn(|| {
                    while executor.finished.load(Ordering::SeqCst) < TASKS {
                        let Some(id) = executor.ready.lock().unwrap().pop_front() else {
                            std::thread::yield_now();
                            continue;
                        };
                        executor.polls.fetch_add(1, Ordering::SeqCst);
                        let waker = Waker::from(Arc::new(WakeOne(Arc::clone(&executor), id)));
                        if let Poll::Ready(permit) = poll(&mut *tasks[id].lock().unwrap(), &waker) {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                            holders.fetch_sub(1, Ordering::SeqCst);
                            permit.release();
                            executor.finished.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            wait_until(|| waiting(&sem) == TASKS);
            permit.take();
        });
        let (wakes, polls) = (
            executor.wakes.load(Ordering::SeqCst),
            executor.polls.load(Ordering::SeqCst),
        );
        // A task that stands in line but is served before its first poll has ended needs no waking. That can be
        // the last polls of the executors only.
        assert_eq!(polls, TASKS + wakes, "polled once, and once for each wake");
        assert!(
            (TASKS - EXECUTORS..=TASKS).contains(&wakes),
            "{wakes} wakes"
        );
        assert_eq!((available(&sem), waiting(&sem)), (1, 0));
    });
}

#[test]
fn a_thousand_threads_get_through_one_permit() {
    watched_alone("herd of threads", || {
        let sem = TSemaphore::new(1);
        let (inside, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|s| {
            let permit = sem.acquire_permit(1);
            for _ in 0..1_000 {
                std::thread::Builder::new()
                    .stack_size(64 << 10)
                    .spawn_scoped(s, || {
                        let permit = sem.acquire_permit(1);
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        served.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    })
                    .expect("a small thread");
            }
            wait_until(|| waiting(&sem) == 1_000);
            drop(permit);
        });
        assert_eq!(served.into_inner(), 1_000);
        assert_eq!((available(&sem), waiting(&sem)), (1, 0));
    });
}

#[test]
fn who_waits_inside_sleeps_through_releases_to_the_line() {
    watched_alone("selective", || {
        let sem = TSemaphore::new(0);
        let mut outside = in_line(&sem, 3);
        let mut inside = atomically_async(|tx| sem.acquire(tx, 1));
        let (wakes, waker) = Wakes::new();
        assert!(poll(&mut inside, &waker).is_pending());
        for _ in 0..3 {
            release(&sem, 1);
        }
        let permit = served(&mut outside);
        assert_eq!(wakes.count(), 0, "these permits were never available");
        drop(permit);
        assert_eq!(wakes.count(), 1);
        assert!(poll(&mut inside, &waker).is_ready());
        assert_eq!(available(&sem), 2);
    });
}

#[test]
fn who_stands_in_line_sleeps_until_served() {
    watched_alone("own variable", || {
        let sem = TSemaphore::new(0);
        let (wakes, waker) = Wakes::new();
        let mut first = in_line(&sem, 2);
        let mut task = acquiring(&sem, 2);
        assert!(poll(&mut task, &waker).is_pending());
        let behind = in_line(&sem, 1);
        for _ in 0..3 {
            release(&sem, 1);
        }
        drop(behind);
        assert_eq!(served(&mut first).forget(), 2);
        assert_eq!(wakes.count(), 0);
        release(&sem, 1);
        assert_eq!(wakes.count(), 1);
        assert!(poll(&mut task, &waker).is_ready());
    });
}

#[test]
fn a_future_that_is_never_polled_takes_nothing() {
    watched_alone("unpolled", || {
        let sem = TSemaphore::new(1);
        let task = acquiring(&sem, 1);
        assert_eq!((available(&sem), waiting(&sem)), (1, 0));
        drop(task);
        assert_eq!((available(&sem), waiting(&sem)), (1, 0));
    });
}

#[test]
fn a_cancelled_waiter_frees_its_place_wherever_it_stands() {
    watched_alone("cancelled", || {
        for cancelled in 0..4 {
            let sem = TSemaphore::new(0);
            let mut tasks: Vec<_> = (0..4).map(|_| in_line(&sem, 1)).collect();
            drop(tasks.remove(cancelled));
            assert_eq!(waiting(&sem), 3);
            for mut task in tasks {
                assert!(is_pending(&mut task));
                release(&sem, 1);
                assert_eq!(served(&mut task).forget(), 1);
            }
            assert_eq!((available(&sem), waiting(&sem)), (0, 0));
            release(&sem, 1);
            assert_eq!(available(&sem), 1);
        }
    });
}

#[test]
fn those_behind_a_cancelled_first_get_their_chance_at_once() {
    watched_alone("first cancelled", || {
        let sem = TSemaphore::new(2);
        let big = in_line(&sem, 5);
        let mut small = [1, 1].map(|n| in_line(&sem, n));
        let mut medium = in_line(&sem, 3);
        drop(big);
        let small = small.each_mut().map(served);
        assert!(is_pending(&mut medium));
        drop(medium);
        assert_eq!((available(&sem), waiting(&sem)), (0, 0));
        drop(small);
        // The last in line is cancelled: what was set aside is for all again.
        let alone = in_line(&sem, 5);
        assert_eq!(available(&sem), 0);
        drop(alone);
        assert_eq!(available(&sem), 2);
    });
}

#[test]
fn what_was_granted_to_a_cancelled_waiter_goes_to_the_next() {
    watched_alone("granted, cancelled", || {
        let sem = TSemaphore::new(0);
        let granted = in_line(&sem, 2);
        let mut next = in_line(&sem, 2);
        release(&sem, 2);
        assert_eq!(waiting(&sem), 1);
        drop(granted);
        assert_eq!(waiting(&sem), 0);
        drop(served(&mut next));
        assert_eq!(available(&sem), 2);
    });
}

#[test]
fn cancelled_inside_a_body_it_leaves_after_the_attempt() {
    watched_alone("cancelled inside", || {
        let sem = TSemaphore::new(0);
        let first = RefCell::new(Some(in_line(&sem, 2)));
        let mut next = in_line(&sem, 1);
        release(&sem, 1);
        let seen = atomically(|tx| {
            drop(first.take());
            sem.waiting(tx)
        });
        assert_eq!(seen, 2, "not while the body runs");
        assert_eq!(served(&mut next).num_permits(), 1);
    });
}

#[test]
fn a_long_line_goes_without_a_deep_stack() {
    watched_alone("long line", || {
        let with_small_stack = |order: usize| {
            let sem = TSemaphore::new(0);
            let mut tasks: Vec<_> = (0..5_000).map(|_| in_line(&sem, 1)).collect();
            match order {
                0 => drop(tasks),
                1 => while tasks.pop().is_some() {},
                _ => {
                    release(&sem, tasks.len());
                    for task in &mut tasks {
                        served(task).forget();
                    }
                }
            }
            assert_eq!((available(&sem), waiting(&sem)), (0, 0));
            drop(sem);
            (0..100).for_each(|_| collect_garbage());
        };
        std::thread::scope(|s| {
            for order in 0..3 {
                std::thread::Builder::new()
                    .stack_size(128 << 10)
                    .spawn_scoped(s, move || with_small_stack(order))
                    .expect("a small thread");
            }
        });
    });
}

#[test]
fn a_permit_dropped_inside_a_body_is_back_after_the_attempt() {
    watched_alone("dropped inside", || {
        let sem = TSemaphore::new(1);
        let permit = RefCell::new(Some(sem.acquire_permit(1)));
        let seen = atomically(|tx| {
            drop(permit.take());
            sem.available(tx)
        });
        assert_eq!(seen, 0, "not while the body runs");
        assert_eq!(available(&sem), 1);

        // It needs no commit.
        let permit = RefCell::new(Some(sem.acquire_permit(1)));
        let undone = stm_core::try_atomically(|_| {
            drop(permit.take());
            Err::<(), _>(Abort::User("no"))
        });
        assert_eq!(undone, Err("no"));
        assert_eq!(available(&sem), 1);

        // Whoever waits inside for what its own first attempt gives back, is woken by that.
        let permit = RefCell::new(Some(sem.acquire_permit(1)));
        atomically(|tx| {
            drop(permit.take());
            sem.acquire(tx, 1)
        });
        assert_eq!(available(&sem), 0);
    });
}

#[test]
fn a_panic_while_holding_gives_the_permits_back() {
    watched_alone("panic", || {
        let sem = TSemaphore::new(3);
        let message = panic_of(|| {
            let _permit = sem.acquire_permit(2);
            panic!("on purpose");
        });
        assert_eq!(message, "on purpose");
        assert_eq!(available(&sem), 3);

        // In the body of a transaction.
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            let mut permit = Some(sem.acquire_permit(2));
            atomically(|tx| {
                sem.acquire(tx, 1)?;
                let _permit = permit.take();
                panic!("on purpose");
                #[expect(unreachable_code)]
                Ok(())
            });
        }));
        assert!(unwound.is_err());
        assert_eq!(available(&sem), 3);
    });
}

#[test]
fn too_many_permits_are_refused_and_nothing_overflows() {
    const MAX: usize = TSemaphore::MAX_PERMITS;
    watched_alone("too many", || {
        assert!(panic_of(|| TSemaphore::new(MAX + 1)).contains("MAX_PERMITS"));
        let sem = TSemaphore::new(MAX);
        for n in [1, MAX, usize::MAX] {
            assert!(panic_of(|| release(&sem, n)).contains("MAX_PERMITS"));
        }
        assert_eq!(available(&sem), MAX, "as if it had not been");
        for n in [MAX + 1, usize::MAX] {
            assert!(panic_of(|| atomically(|tx| sem.acquire(tx, n))).contains("MAX_PERMITS"));
            assert!(panic_of(|| sem.acquire_permit(n)).contains("MAX_PERMITS"));
            assert!(panic_of(|| sem.acquire_permit_async(n)).contains("MAX_PERMITS"));
            assert!(sem.try_acquire_permit(n).is_none());
            assert!(!atomically(|tx| sem.try_acquire(tx, n)));
        }

        // A guard cannot know what was released behind its back, and its drop does not panic.
        let permit = sem.acquire_permit(5);
        release(&sem, 5);
        drop(permit);
        assert_eq!(available(&sem), MAX);

        // While a line stands.
        let sem = TSemaphore::new(MAX - 1);
        let task = in_line(&sem, MAX);
        assert!(panic_of(|| release(&sem, 2)).contains("MAX_PERMITS"));
        assert_eq!(waiting(&sem), 1);
        drop(task);
        assert_eq!(available(&sem), MAX - 1);
    });
}

#[test]
fn more_than_there_are_can_still_come() {
    watched_alone("more", || {
        let sem = TSemaphore::new(1);
        let mut task = in_line(&sem, 3);
        release(&sem, 2);
        assert_eq!(served(&mut task).num_permits(), 3);
    });
}

#[test]
fn zero_permits_can_always_be_had() {
    watched_alone("zero", || {
        let sem = TSemaphore::new(0);
        let task = in_line(&sem, 1);
        atomically(|tx| sem.acquire(tx, 0));
        assert!(atomically(|tx| sem.try_acquire(tx, 0)));
        assert_eq!(sem.acquire_permit(0).num_permits(), 0);
        assert_eq!(served(&mut acquiring(&sem, 0)).num_permits(), 0);
        release(&sem, 0);
        assert_eq!((available(&sem), waiting(&sem)), (0, 1));
        drop(task);
    });
}

#[test]
fn or_else_takes_whichever_semaphore_can() {
    watched_alone("or_else", || {
        let (a, b) = (TSemaphore::new(0), TSemaphore::new(1));
        let either = || {
            atomically_async(|tx| {
                tx.or_else(
                    |tx| a.acquire(tx, 1).map(|()| 'a'),
                    |tx| b.acquire(tx, 1).map(|()| 'b'),
                )
            })
        };
        let waker = Waker::noop();
        assert_eq!(poll(&mut either(), waker), Poll::Ready('b'));
        for (sem, name) in [(&a, 'a'), (&b, 'b')] {
            let mut waits = either();
            assert!(poll(&mut waits, waker).is_pending());
            release(sem, 1);
            assert_eq!(poll(&mut waits, waker), Poll::Ready(name));
        }
        // What the left branch took before it could not go on is back.
        let (c, d) = (TSemaphore::new(1), TSemaphore::new(1));
        atomically(|tx| {
            tx.or_else(
                |tx| {
                    c.acquire(tx, 1)?;
                    a.acquire(tx, 1)
                },
                |tx| d.acquire(tx, 1),
            )
        });
        assert_eq!((available(&c), available(&d)), (1, 0));
    });
}

#[test]
fn misuse_is_told() {
    watched_alone("misuse", || {
        let sem = TSemaphore::new(1);
        let message = panic_of(|| {
            atomically(|_| {
                drop(sem.acquire_permit(1));
                Ok(())
            });
        });
        assert!(message.contains("inside a transaction"), "{message}");
        assert!(
            message.contains("tests/tsemaphore.rs"),
            "who called: {message}"
        );
        assert_eq!(available(&sem), 1);
    });
}

#[test]
fn no_permit_is_lost_or_made() {
    const PERMITS: usize = 4;
    watched_alone("conservation", || {
        let seed = seed();
        let sem = TSemaphore::new(PERMITS);
        let out = AtomicUsize::new(0);
        let hold = |rng: &mut Rng, n: usize| {
            assert!(out.fetch_add(n, Ordering::SeqCst) + n <= PERMITS, "made");
            stumble(rng, 3);
            out.fetch_sub(n, Ordering::SeqCst);
        };
        on_threads(4, |id| {
            let mut rng = Rng::new(seed, id);
            for _ in 0..1_500 {
                let n = 1 + rng.below(PERMITS);
                match rng.below(6) {
                    0 => {
                        let permit = sem.acquire_permit(n);
                        hold(&mut rng, n);
                        drop(permit);
                    }
                    1 => {
                        let permit = block_on(acquiring(&sem, n));
                        hold(&mut rng, n);
                        permit.release();
                    }
                    // Cancelled in whatever state it has come to.
                    2 | 3 => {
                        let mut task = acquiring(&sem, n);
                        for _ in 0..rng.below(4) {
                            if let Poll::Ready(permit) = poll(&mut task, Waker::noop()) {
                                hold(&mut rng, n);
                                drop(permit);
                                break;
                            }
                            stumble(&mut rng, 2);
                        }
                    }
                    4 => {
                        if let Some(permit) = sem.try_acquire_permit(n) {
                            hold(&mut rng, n);
                            drop(permit);
                        }
                    }
                    _ => {
                        let n = n.min(2);
                        atomically(|tx| sem.acquire(tx, n));
                        hold(&mut rng, n);
                        release(&sem, n);
                    }
                }
            }
        });
        assert_eq!((available(&sem), waiting(&sem)), (PERMITS, 0), "lost");
    });
}

#[test]
fn debug_opens_no_transaction() {
    watched_alone("debug", || {
        let sem = TSemaphore::new(1);
        let permit = sem.acquire_permit(1);
        let shown = atomically(|_| Ok(format!("{sem:?} {permit:?}")));
        assert!(
            shown.contains("TSemaphore") && shown.contains("TSemaphorePermit"),
            "{shown}"
        );
    });
}
