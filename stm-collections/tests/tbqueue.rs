//! The queue with a bound: what both queues must do, and what only this one promises.

mod common;
mod queues;

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use common::{Rng, Wakes, elsewhere, poll, seed, under_fire, wait_until, watched_alone};
use queues::kinds::{Dropped, Of, Plain};
use queues::{Counted, Queue, Transactional, fill};
use stm_collections::TBQueue;
use stm_core::{TVar, atomically, atomically_async, snapshot};

/// Numbers that lie in variables, as what is no machine word does.
type OfDropped = Of<Dropped, TBQueue<Dropped>>;
type OfPlain = Of<Plain, TBQueue<Plain>>;

#[test]
fn spec() {
    watched_alone("spec", || {
        queues::twin::spec::<TBQueue<u32>, 0>(50);
        queues::twin::spec::<TBQueue<u32>, 1>(100);
        queues::twin::spec::<TBQueue<u32>, 5>(200);
        queues::twin::spec::<TBQueue<u32>, 40>(200);
        queues::twin::spec::<TBQueue<u32>, { usize::MAX }>(100);
        queues::twin::spec::<OfDropped, 5>(100);
        queues::twin::spec::<OfDropped, 40>(100);
        queues::twin::spec::<OfPlain, 40>(100);
    });
}

#[test]
fn linearizable() {
    watched_alone("linearizable", || {
        queues::twin::linearizable::<TBQueue<u32>>(1);
        queues::twin::linearizable::<TBQueue<u32>>(3);
        queues::twin::linearizable::<OfDropped>(3);
    });
}

#[test]
fn moved_elements_are_in_one_place() {
    watched_alone("moved", || {
        queues::moved_elements_are_in_one_place::<TBQueue<u32>>(40);
        queues::moved_elements_are_in_one_place::<OfDropped>(40);
    });
}

#[test]
fn each_producers_order_is_kept() {
    watched_alone("order", || {
        queues::each_producers_order_is_kept::<TBQueue<(usize, u32)>>(3);
    });
}

#[test]
fn reports_see_one_moment() {
    watched_alone("reports", || {
        queues::reports_see_one_moment::<TBQueue<u32>>(100);
    });
}

#[test]
fn push_and_pop_do_not_conflict() {
    watched_alone("conflicts", || {
        // A push looks at the head when it has come to the limit, which each of the 700 moves on by more than 90.
        let again = queues::push_and_pop_do_not_conflict::<TBQueue<u32>>(100);
        assert!(again <= 7, "{again}");
        let again = queues::push_and_pop_do_not_conflict::<TBQueue<u32>>(usize::MAX);
        assert_eq!(again, 0);
    });
}

#[test]
fn consumer_not_starved() {
    watched_alone("starved", queues::consumer_not_starved::<TBQueue<u32>>);
}

#[test]
fn only_what_goes_out_is_cloned() {
    watched_alone(
        "clones",
        queues::only_what_goes_out_is_cloned::<TBQueue<Counted>>,
    );
}

#[test]
fn every_value_is_freed() {
    watched_alone("freed", queues::every_value_is_freed::<TBQueue<Counted>>);
}

#[test]
fn a_queue_may_be_dropped_in_a_body() {
    watched_alone(
        "dropped",
        queues::a_queue_may_be_dropped_in_a_body::<TBQueue<Counted>>,
    );
}

#[test]
fn a_waiting_task_is_woken_by_a_push() {
    watched_alone(
        "task",
        queues::a_waiting_task_is_woken_by_a_push::<TBQueue<u32>>,
    );
}

#[test]
fn a_waiting_thread_is_woken_by_a_push() {
    watched_alone(
        "thread",
        queues::a_waiting_thread_is_woken_by_a_push::<TBQueue<u32>>,
    );
}

#[test]
fn tasks_pass_everything_on() {
    watched_alone("tasks", || {
        queues::tasks_pass_everything_on::<TBQueue<u32>>(2);
    });
}

/// A queue that was emptied at once has all its room again. (Two counters of room, one of them forgotten, and it has not.)
#[test]
fn bqueue_flush() {
    fn flush<Q: Queue<u32>>() {
        for drained_first in [false, true] {
            let queue = Q::with_room(5);
            if drained_first {
                fill(&queue, 0..5);
                atomically(|tx| queue.drain(tx));
            }
            fill(&queue, 0..5);
            assert!(atomically(|tx| queue.is_full(tx)));
            assert_eq!(atomically(|tx| queue.pop(tx)), 0);
            assert_eq!(atomically(|tx| queue.drain(tx)), [1, 2, 3, 4]);
            for n in 0..5 {
                assert_eq!(atomically(|tx| queue.try_push(tx, n)), Ok(()));
            }
            assert_eq!(atomically(|tx| queue.try_push(tx, 5)), Err(5));
        }
        let queue = Q::with_room(2);
        let len = atomically(|tx| {
            queue.push(tx, 1)?;
            queue.push(tx, 2)?;
            queue.drain(tx)?;
            queue.len(tx)
        });
        assert_eq!(len, 0);
    }

    watched_alone("flush", || {
        flush::<TBQueue<u32>>();
        flush::<OfDropped>();
    });
}

#[test]
fn without_capacity_always_empty_and_always_full() {
    watched_alone("capacity 0", || {
        let queue = TBQueue::new(0);
        assert_eq!(queue.capacity(), 0);
        assert!(snapshot(|s| Ok(queue.is_empty(s)? && queue.is_full(s)?)));
        assert_eq!(atomically(|tx| queue.try_push(tx, 'a')), Err('a'));
        assert_eq!(atomically(|tx| queue.try_push_front(tx, 'a')), Err('a'));
        assert_eq!(atomically(|tx| queue.try_pop(tx)), None);
        assert!(atomically(|tx| queue.drain(tx)).is_empty());
        let (wakes, waker) = Wakes::new();
        let mut pushing = atomically_async(|tx| queue.push(tx, 'a'));
        let mut popping = atomically_async(|tx| queue.pop(tx));
        assert_eq!(poll(&mut pushing, &waker), Poll::Pending);
        assert_eq!(poll(&mut popping, &waker), Poll::Pending);
        assert_eq!(wakes.count(), 0);
    });
}

#[test]
fn a_huge_capacity_is_nothing_special() {
    watched_alone("huge", || {
        for capacity in [usize::MAX / 2 + 1, usize::MAX] {
            let queue = TBQueue::new(capacity);
            assert_eq!(queue.capacity(), capacity);
            assert_eq!(
                format!("{queue:?}"),
                format!("TBQueue {{ capacity: {capacity}, .. }}")
            );
            for n in 0..100 {
                assert_eq!(atomically(|tx| queue.try_push(tx, n)), Ok(()));
            }
            assert_eq!(atomically(|tx| queue.try_push_front(tx, 100)), Ok(()));
            assert!(!atomically(|tx| queue.is_full(tx)));
            assert_eq!(atomically(|tx| queue.pop(tx)), 100);
        }
    });
}

/// Whatever is done to it at both ends, there is never more in it than there is room for, and no room gets lost.
#[test]
fn the_bound_holds_and_all_room_comes_back() {
    watched_alone("bound", || {
        for capacity in [1, 4, 33] {
            let queue = TBQueue::new(capacity);
            let seed = seed();
            let work = |id: usize, round: u64| {
                let mut rng = Rng::new(seed, id + 4 * round as usize);
                let burst = 1 + rng.below(capacity.min(6));
                let what = rng.below(12);
                atomically(|tx| {
                    for _ in 0..burst {
                        match what {
                            0..=4 => drop(queue.try_push(tx, 0)?),
                            5..=6 => drop(queue.try_push_front(tx, 0)?),
                            7..=10 => drop(queue.try_pop(tx)?),
                            _ => drop(queue.drain(tx)?),
                        }
                    }
                    Ok(())
                });
            };
            under_fire(3, work, || {
                for _ in 0..300 {
                    let (len, full) = snapshot(|s| Ok((queue.len(s)?, queue.is_full(s)?)));
                    assert!(len <= capacity, "{len} of {capacity}");
                    assert_eq!(full, len == capacity);
                }
            });
            let taken = atomically(|tx| queue.drain(tx)).len();
            assert!(taken <= capacity);
            for n in 0..capacity {
                let pushed = match n % 2 {
                    0 => atomically(|tx| queue.try_push(tx, 0)),
                    _ => atomically(|tx| queue.try_push_front(tx, 0)),
                };
                assert_eq!(pushed, Ok(()), "number {n} of {capacity}");
            }
            assert_eq!(atomically(|tx| queue.try_push(tx, 0)), Err(0));
            assert_eq!(atomically(|tx| queue.try_push_front(tx, 0)), Err(0));
        }
    });
}

/// A task that waits for room is woken by what makes some, and by nothing else.
#[test]
fn a_waiting_producer_is_woken() {
    watched_alone("back-pressure", || {
        let make_room: [fn(&TBQueue<u32>); 2] = [
            |queue| assert_eq!(atomically(|tx| queue.pop(tx)), 1),
            |queue| assert_eq!(atomically(|tx| queue.drain(tx)), [1, 2]),
        ];
        for turned in [0, 2, 4, 34] {
            for make_room in make_room {
                let queue = TBQueue::new(2);
                queues::rotate(&queue, turned);
                fill(&queue, [1, 2]);
                let (wakes, waker) = Wakes::new();
                let mut pushing = atomically_async(|tx| queue.push(tx, 3));
                let mut in_front = atomically_async(|tx| queue.push_front(tx, 0));
                let mut asking = atomically_async(|tx| stm_core::check(!queue.is_full(tx)?));
                assert_eq!(poll(&mut pushing, &waker), Poll::Pending);
                assert_eq!(poll(&mut in_front, &waker), Poll::Pending);
                assert_eq!(poll(&mut asking, &waker), Poll::Pending);
                assert_eq!(atomically(|tx| queue.peek(tx)), 1);
                assert_eq!(atomically(|tx| queue.try_push(tx, 9)), Err(9));
                assert_eq!(wakes.count(), 0);
                make_room(&queue);
                assert_eq!(wakes.count(), 3);
                assert_eq!(poll(&mut asking, &waker), Poll::Ready(()));
                assert_eq!(poll(&mut pushing, &waker), Poll::Ready(()));
                let left = snapshot(|s| queue.len(s));
                assert_eq!(poll(&mut in_front, &waker).is_ready(), left < 2);
            }
        }
    });
}

#[test]
fn a_waiting_producer_thread_is_woken() {
    watched_alone("back-pressure on a thread", || {
        let queue = TBQueue::new(1);
        fill(&queue, [0]);
        for n in 1..10 {
            let waits = AtomicBool::new(false);
            std::thread::scope(|s| {
                s.spawn(|| {
                    atomically(|tx| {
                        waits.store(true, Ordering::SeqCst);
                        queue.push(tx, n)
                    });
                });
                wait_until(|| waits.load(Ordering::SeqCst));
                assert_eq!(atomically(|tx| queue.pop(tx)), n - 1);
            });
        }
    });
}

#[test]
fn a_cancelled_push_leaves_nothing() {
    watched_alone("cancelled", || {
        let queue = TBQueue::new(1);
        fill(&queue, ['a']);
        let (wakes, waker) = Wakes::new();
        let mut pushing = atomically_async(|tx| queue.push(tx, 'b'));
        assert_eq!(poll(&mut pushing, &waker), Poll::Pending);
        assert_eq!(atomically(|tx| queue.pop(tx)), 'a');
        assert_eq!(wakes.count(), 1);
        drop(pushing);
        assert!(snapshot(|s| queue.is_empty(s)));
        // It does not stand in the way of the next, either.
        assert_eq!(atomically(|tx| queue.try_push(tx, 'c')), Ok(()));
    });
}

/// A value that does not get in is dropped outside of the body, where its drop may run a transaction.
#[test]
fn refused_values_are_dropped_after_the_attempt() {
    watched_alone("refused", || {
        let queue = TBQueue::new(1);
        let dropped = TVar::new(0);
        let (x, y) = (TVar::new(0), TVar::new(0));
        // By a conflict: what reads `x` and then the new `y` cannot write any more.
        atomically(|tx| {
            x.read(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| {
                    atomically(|tx| {
                        x.write(tx, 1)?;
                        y.write(tx, 1)
                    });
                });
            }
            y.read(tx)?;
            queue.push(tx, Transactional(dropped.clone()))
        });
        assert_eq!(dropped.load(), 1);
        // By a wait.
        dropped.store(0);
        let (_wakes, waker) = Wakes::new();
        let mut pushing = atomically_async(|tx| queue.push(tx, Transactional(dropped.clone())));
        assert!(poll(&mut pushing, &waker).is_pending());
        assert_eq!(dropped.load(), 1);
    });
}
