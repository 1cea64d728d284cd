//! The priority queue, beside `BinaryHeap` and under fire.

mod common;

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::task::Poll;

use common::{
    Histories, Rng, Wakes, block_on, collect_until, elsewhere, on_threads, poll, seed, stumble,
    under_fire, wait_until, watched, watched_alone,
};
use quickcheck::{Arbitrary, Gen, QuickCheck};
use stateright::semantics::SequentialSpec;
use stm_collections::TPriorityQueue;
use stm_core::diagnostics::registered_waits;
use stm_core::{Abort, ReadTx, Stm, Tx, abort, atomically, atomically_async, retry, snapshot};

#[derive(Clone, Debug)]
enum Op {
    /// Few priorities, so that many are equal.
    Push(u8),
    PushRun(u8, u8),
    Pop,
    PopRun(u8),
    Look,
    ToVec,
    Drain,
    Undone(Vec<Op>),
    OrElse(Vec<Op>, Vec<Op>),
}

impl Op {
    fn simple(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 24 {
            0..=4 => Op::Push(u8::arbitrary(g) % 20),
            5..=9 => Op::PushRun(u8::arbitrary(g), u8::arbitrary(g)),
            10..=13 => Op::Pop,
            14..=17 => Op::PopRun(u8::arbitrary(g)),
            18..=20 => Op::Look,
            21..=22 => Op::ToVec,
            _ => Op::Drain,
        }
    }
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let several = |g: &mut Gen| (0..4).map(|_| Op::simple(g)).collect();
        match u8::arbitrary(g) % 10 {
            0 => Op::Undone(several(g)),
            1 => Op::OrElse(several(g), several(g)),
            _ => Op::simple(g),
        }
    }
}

/// An element that shows which of its equals it is.
#[derive(Clone, Copy, Debug)]
struct Job {
    priority: u8,
    id: usize,
}

impl Ord for Job {
    fn cmp(&self, other: &Self) -> Ordering {
        self.priority.cmp(&other.priority)
    }
}
impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Job {}

/// A heap, and the order of equals that it does not have itself.
#[derive(Clone, Default)]
struct Twin {
    heap: BinaryHeap<(u8, Reverse<usize>)>,
    pushed: usize,
}

type Shown = (u8, usize);

fn shown(job: Job) -> Shown {
    (job.priority, job.id)
}

impl Twin {
    fn push(&mut self, priority: u8) -> Job {
        self.pushed += 1;
        self.heap.push((priority, Reverse(self.pushed)));
        Job {
            priority,
            id: self.pushed,
        }
    }

    fn pop(&mut self) -> Option<Shown> {
        self.heap
            .pop()
            .map(|(priority, Reverse(id))| (priority, id))
    }

    fn peek(&self) -> Option<Shown> {
        self.heap
            .peek()
            .map(|&(priority, Reverse(id))| (priority, id))
    }

    fn drain(&mut self) -> Vec<Shown> {
        std::iter::from_fn(|| self.pop()).collect()
    }
}

type Queue = TPriorityQueue<Job>;

fn step(tx: &mut Tx<'_>, queue: &Queue, twin: &mut Twin, op: &Op) -> Stm<()> {
    let all = |jobs: Vec<Job>| jobs.into_iter().map(shown).collect::<Vec<_>>();
    match op {
        Op::Push(priority) => queue.push(tx, twin.push(*priority))?,
        Op::PushRun(start, n) => {
            for i in 0..*n {
                queue.push(tx, twin.push(start.wrapping_add(i) % 50))?;
            }
        }
        Op::Pop => assert_eq!(queue.try_pop(tx)?.map(shown), twin.pop()),
        Op::PopRun(n) => {
            for _ in 0..*n {
                if let Some(expected) = twin.pop() {
                    assert_eq!(shown(queue.pop(tx)?), expected);
                }
            }
        }
        Op::Look => {
            assert_eq!(queue.try_peek(tx)?.map(shown), twin.peek());
            assert_eq!(queue.len(tx)?, twin.heap.len());
            assert_eq!(queue.is_empty(tx)?, twin.heap.is_empty());
            if let Some(expected) = twin.peek() {
                assert_eq!(shown(queue.peek(tx)?), expected);
            }
        }
        Op::ToVec => assert_eq!(all(queue.to_vec(tx)?), twin.clone().drain()),
        Op::Drain => assert_eq!(all(queue.drain(tx)?), twin.drain()),
        Op::Undone(ops) => {
            let mut twin = twin.clone();
            let undone = tx.nested(|tx| -> Result<(), Abort<&str>> {
                steps(tx, queue, &mut twin, ops)?;
                abort("undone")
            })?;
            assert_eq!(undone, Err("undone"));
        }
        Op::OrElse(first, second) => {
            let mut undone = twin.clone();
            tx.or_else(
                |tx| {
                    steps(tx, queue, &mut undone, first)?;
                    retry()
                },
                |tx| steps(tx, queue, twin, second),
            )?;
        }
    }
    Ok(())
}

fn steps(tx: &mut Tx<'_>, queue: &Queue, twin: &mut Twin, ops: &[Op]) -> Stm<()> {
    ops.iter().try_for_each(|op| step(tx, queue, twin, op))
}

#[test]
fn spec() {
    fn agrees_with_twin(program: Vec<Vec<Op>>) {
        let (queue, mut twin) = (Queue::new(), Twin::default());
        for ops in &program {
            let before = twin.clone();
            atomically(|tx| {
                twin.clone_from(&before);
                steps(tx, &queue, &mut twin, ops)
            });
        }
        let all = atomically(|tx| queue.drain(tx));
        assert!(all.into_iter().map(shown).eq(twin.drain()));
        assert_eq!(snapshot(|s| queue.len(s)), 0);
    }
    watched("spec", || {
        QuickCheck::new()
            .tests(150)
            .rng(Gen::new(16))
            .quickcheck(agrees_with_twin as fn(Vec<Vec<Op>>));
    });
}

#[derive(Clone, Debug)]
enum Call {
    Push(u8),
    Pop,
    Peek,
    ToVec,
    Drain,
}

#[derive(Clone, PartialEq, Debug)]
enum Answer {
    Done,
    Element(Option<u8>),
    Elements(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Spec(BinaryHeap<u8>);

impl SequentialSpec for Spec {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        let descending = |heap: BinaryHeap<u8>| heap.into_sorted_vec().into_iter().rev().collect();
        match *call {
            Call::Push(element) => {
                self.0.push(element);
                Answer::Done
            }
            Call::Pop => Answer::Element(self.0.pop()),
            Call::Peek => Answer::Element(self.0.peek().copied()),
            Call::ToVec => Answer::Elements(descending(self.0.clone())),
            Call::Drain => Answer::Elements(descending(std::mem::take(&mut self.0))),
        }
    }
}

#[test]
fn linearizable() {
    watched("linearizable", || {
        // None, and a full leaf.
        for n in [0, 16] {
            Histories::default().check(
                &Spec((0..n).collect()),
                || {
                    let queue = TPriorityQueue::new();
                    (0..n).for_each(|element| atomically(|tx| queue.push(tx, element)));
                    queue
                },
                |rng| match rng.below(10) {
                    0..=3 => Call::Push(rng.below(20) as u8),
                    4..=6 => Call::Pop,
                    7 => Call::Peek,
                    8 => Call::ToVec,
                    _ => Call::Drain,
                },
                |queue, call| match call {
                    Call::Push(element) => {
                        atomically(|tx| queue.push(tx, element));
                        Answer::Done
                    }
                    Call::Pop => Answer::Element(atomically(|tx| queue.try_pop(tx))),
                    Call::Peek => Answer::Element(atomically(|tx| queue.try_peek(tx))),
                    Call::ToVec => Answer::Elements(snapshot(|s| queue.to_vec(s))),
                    Call::Drain => Answer::Elements(atomically(|tx| queue.drain(tx))),
                },
            );
        }
    });
}

#[test]
fn equals_come_out_in_the_order_of_their_pushes() {
    watched("equals", || {
        let queue = Queue::new();
        // Also from one thread after the other.
        for id in 0..300 {
            let push = || {
                atomically(|tx| {
                    queue.push(
                        tx,
                        Job {
                            priority: (id % 3) as u8,
                            id,
                        },
                    )
                });
            };
            if id % 7 == 0 { elsewhere(push) } else { push() }
        }
        let ids: Vec<_> = (0..300)
            .map(|_| atomically(|tx| queue.pop(tx)).id)
            .collect();
        let expected = [2, 1, 0]
            .into_iter()
            .flat_map(|rest| (rest..300).step_by(3));
        assert!(ids.into_iter().eq(expected));
    });
}

#[test]
fn what_moves_is_always_in_one_place() {
    watched("moves", || {
        const N: u32 = 200;
        let queues = [TPriorityQueue::new(), TPriorityQueue::new()];
        for n in 0..N {
            atomically(|tx| queues[0].push(tx, n));
        }
        fn both(tx: &mut impl ReadTx, queues: &[TPriorityQueue<u32>; 2]) -> Stm<Vec<u32>> {
            let mut all = queues[0].to_vec(tx)?;
            all.extend(queues[1].to_vec(tx)?);
            all.sort_unstable();
            assert_eq!(queues[0].len(tx)? + queues[1].len(tx)?, all.len());
            Ok(all)
        }
        let seed = seed();
        under_fire(
            2,
            |id, n| {
                let mut rng = Rng::new(seed, id + 2 * n as usize);
                let there = rng.below(2);
                atomically(|tx| {
                    let (from, to) = (&queues[1 - there], &queues[there]);
                    if let Some(first) = from.try_pop(tx)? {
                        stumble(&mut rng, 3);
                        to.push(tx, first)?;
                    }
                    Ok(())
                });
            },
            || {
                for _ in 0..100 {
                    assert!(snapshot(|s| both(s, &queues)).into_iter().eq(0..N));
                    assert!(atomically(|tx| both(tx, &queues)).into_iter().eq(0..N));
                }
            },
        );
    });
}

#[test]
fn poppers_get_each_element_once_and_the_greatest_first() {
    watched_alone("poppers", || {
        const N: usize = 2_000;
        let queue = TPriorityQueue::new();
        // Two push, two pop, and wait when they are faster.
        let popped = on_threads(4, |id| {
            if id < 2 {
                for n in 0..N {
                    atomically(|tx| queue.push(tx, 2 * ((n * 77) % N) + id));
                }
                return Vec::new();
            }
            (0..N).map(|_| atomically(|tx| queue.pop(tx))).collect()
        });
        let mut all = popped.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..2 * N));
        // All there from the start: each sees a descending order.
        for n in 0..N {
            atomically(|tx| queue.push(tx, n));
        }
        let popped = on_threads(3, |_| {
            std::iter::from_fn(|| atomically(|tx| queue.try_pop(tx))).collect::<Vec<_>>()
        });
        assert!(popped.iter().all(|mine| mine.is_sorted_by(|a, b| a > b)));
        assert_eq!(popped.concat().len(), N);
    });
}

/// The attempts of a transaction that does `mine` while another thread does `theirs`, in the best of some rounds: the other
/// thread, a new one each time, may happen to share a cell of the count.
fn attempts_beside(
    mine: impl Fn(&mut Tx<'_>) -> Stm<()>,
    theirs: impl Fn(&mut Tx<'_>) -> Stm<()> + Sync,
) -> u32 {
    let attempts = (0..3).map(|_| {
        atomically(|tx| {
            mine(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| atomically(&theirs));
            }
            Ok(tx.attempt())
        })
    });
    attempts.min().expect("some rounds")
}

#[test]
fn low_pushes_do_not_disturb_the_pop_of_the_greatest() {
    watched("low_pushes", || {
        let queue = TPriorityQueue::new();
        for n in 0..2_000 {
            atomically(|tx| queue.push(tx, 10 * n));
        }
        // A leaf in the middle with room, and a last one that does not go at once.
        atomically(|tx| queue.push(tx, 5_005));
        for n in 0..8 {
            atomically(|tx| queue.push(tx, 30_000 + n));
        }
        let pop = |tx: &mut Tx<'_>| queue.pop(tx).map(drop);
        let low = |tx: &mut Tx<'_>| queue.push(tx, 5_004);
        let high = |tx: &mut Tx<'_>| queue.push(tx, 40_000);
        assert_eq!(attempts_beside(pop, low), 1);
        assert_eq!(attempts_beside(low, pop), 1);
        // And it is noticed where they meet.
        assert_eq!(attempts_beside(pop, high), 2);
        assert_eq!(attempts_beside(pop, pop), 2);
    });
}

#[test]
fn a_thread_that_pops_sleeps_until_a_push() {
    watched_alone("pop_waits", || {
        let queue = TPriorityQueue::new();
        std::thread::scope(|s| {
            let popper = s.spawn(|| atomically(|tx| queue.pop(tx)));
            wait_until(|| registered_waits() > 0);
            atomically(|tx| queue.push(tx, 3));
            assert_eq!(popper.join().unwrap(), 3);
            // After it was filled and emptied again, and with a peek.
            for n in 0..100 {
                atomically(|tx| queue.push(tx, n));
            }
            assert_eq!(atomically(|tx| queue.drain(tx)).len(), 100);
            let peeker = s.spawn(|| atomically(|tx| queue.peek(tx)));
            wait_until(|| registered_waits() > 0);
            atomically(|tx| queue.push(tx, 4));
            assert_eq!(peeker.join().unwrap(), 4);
        });
        assert_eq!(registered_waits(), 0);
    });
}

#[test]
fn a_task_that_pops_is_woken_by_a_push() {
    watched_alone("task_waits", || {
        let queue = TPriorityQueue::new();
        let mut popper = Box::pin(atomically_async(|tx| queue.pop(tx)));
        let (wakes, waker) = Wakes::new();
        assert_eq!(poll(&mut popper, &waker), Poll::Pending);
        assert_eq!(wakes.count(), 0);
        atomically(|tx| queue.push(tx, 5));
        assert_eq!(wakes.count(), 1);
        assert_eq!(poll(&mut popper, &waker), Poll::Ready(5));
        // Side by side with a thread.
        std::thread::scope(|s| {
            let task = s.spawn(|| block_on(Box::pin(atomically_async(|tx| queue.pop(tx)))));
            let thread = s.spawn(|| atomically(|tx| queue.pop(tx)));
            // Each waits for two variables, the root and its leaf.
            wait_until(|| registered_waits() > 2);
            atomically(|tx| {
                queue.push(tx, 1)?;
                queue.push(tx, 2)
            });
            let mut both = [task.join().unwrap(), thread.join().unwrap()];
            both.sort_unstable();
            assert_eq!(both, [1, 2]);
        });
    });
}

#[test]
fn the_least_comes_first_in_reverse() {
    watched("reverse", || {
        let queue = TPriorityQueue::default();
        for due in [30, 10, 20] {
            atomically(|tx| queue.push(tx, Reverse(due)));
        }
        let other = queue.clone();
        assert_eq!(atomically(|tx| other.pop(tx)), Reverse(10));
        assert_eq!(atomically(|tx| queue.drain(tx)), [Reverse(20), Reverse(30)]);
        let shown = atomically(|_| Ok(format!("{other:?}")));
        assert!(shown.starts_with("TPriorityQueue("), "{shown}");
    });
}

#[test]
fn everything_is_dropped_once() {
    watched("dropped_once", || {
        let witness = Arc::new(());
        let left = || Arc::strong_count(&witness) - 1;
        let expect_left = |n: usize| {
            // A separator for each leaf but the first may hold one more.
            collect_until(|| left() <= n + n / 7);
            assert!((n..=n + n / 7).contains(&left()), "{} of {n}", left());
        };
        let queue = TPriorityQueue::new();
        let fill = || {
            for n in 0..700 {
                atomically(|tx| queue.push(tx, (n * 9 % 700, Arc::clone(&witness))));
            }
        };
        fill();
        expect_left(700);
        for _ in 0..700 {
            assert!(atomically(|tx| queue.try_pop(tx)).is_some());
        }
        expect_left(0);
        fill();
        drop(atomically(|tx| queue.drain(tx)));
        expect_left(0);
        fill();
        drop(queue.clone());
        drop(queue);
        expect_left(0);
    });
}
