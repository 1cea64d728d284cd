//! The queue without a bound: what both queues must do, and what only this one promises.

mod common;
mod queues;

use std::sync::Mutex;

use common::{Wakes, poll, watched_alone};
use queues::Counted;
use queues::kinds::{Dropped, Of, Plain};
use stm_collections::TQueue;
use stm_core::{atomically, atomically_async, snapshot};

/// Numbers that lie in variables, as what is no machine word does.
type OfDropped = Of<Dropped, TQueue<Dropped>>;
type OfPlain = Of<Plain, TQueue<Plain>>;

/// There is none.
const CAPACITY: usize = usize::MAX;

#[test]
fn spec() {
    watched_alone("spec", || {
        queues::twin::spec::<TQueue<u32>, CAPACITY>(300);
        queues::twin::spec::<OfDropped, CAPACITY>(200);
        queues::twin::spec::<OfPlain, CAPACITY>(200);
    });
}

#[test]
fn linearizable() {
    watched_alone("linearizable", || {
        queues::twin::linearizable::<TQueue<u32>>(CAPACITY);
        queues::twin::linearizable::<OfDropped>(CAPACITY);
        queues::twin::linearizable::<OfPlain>(CAPACITY);
    });
}

#[test]
fn moved_elements_are_in_one_place() {
    watched_alone("moved", || {
        queues::moved_elements_are_in_one_place::<TQueue<u32>>(CAPACITY);
        queues::moved_elements_are_in_one_place::<OfDropped>(CAPACITY);
        queues::moved_elements_are_in_one_place::<OfPlain>(CAPACITY);
    });
}

#[test]
fn each_producers_order_is_kept() {
    watched_alone("order", || {
        queues::each_producers_order_is_kept::<TQueue<(usize, u32)>>(CAPACITY)
    });
}

#[test]
fn reports_see_one_moment() {
    watched_alone("reports", || {
        queues::reports_see_one_moment::<TQueue<u32>>(CAPACITY);
        queues::reports_see_one_moment::<OfDropped>(CAPACITY);
    });
}

#[test]
fn push_and_pop_do_not_conflict() {
    watched_alone("conflicts", || {
        for again in [
            queues::push_and_pop_do_not_conflict::<TQueue<u32>>(CAPACITY),
            queues::push_and_pop_do_not_conflict::<OfDropped>(CAPACITY),
        ] {
            assert_eq!(again, 0);
        }
    });
}

#[test]
fn consumer_not_starved() {
    watched_alone("starved", queues::consumer_not_starved::<TQueue<u32>>);
}

#[test]
fn only_what_goes_out_is_cloned() {
    watched_alone(
        "clones",
        queues::only_what_goes_out_is_cloned::<TQueue<Counted>>,
    );
}

#[test]
fn every_value_is_freed() {
    watched_alone("freed", queues::every_value_is_freed::<TQueue<Counted>>);
}

#[test]
fn a_queue_may_be_dropped_in_a_body() {
    watched_alone(
        "dropped",
        queues::a_queue_may_be_dropped_in_a_body::<TQueue<Counted>>,
    );
}

#[test]
fn a_waiting_task_is_woken_by_a_push() {
    watched_alone("task", || {
        queues::a_waiting_task_is_woken_by_a_push::<TQueue<u32>>();
        queues::a_waiting_task_is_woken_by_a_push::<OfDropped>();
    });
}

#[test]
fn a_waiting_thread_is_woken_by_a_push() {
    watched_alone(
        "thread",
        queues::a_waiting_thread_is_woken_by_a_push::<TQueue<u32>>,
    );
}

#[test]
fn tasks_pass_everything_on() {
    watched_alone("tasks", || {
        queues::tasks_pass_everything_on::<TQueue<u32>>(CAPACITY)
    });
}

#[test]
fn a_cancelled_pop_takes_nothing() {
    watched_alone("cancelled", || {
        let queue = TQueue::new();
        let (wakes, waker) = Wakes::new();
        let mut popping = atomically_async(|tx| queue.pop(tx));
        assert!(poll(&mut popping, &waker).is_pending());
        atomically(|tx| queue.push(tx, 'a'));
        assert_eq!(wakes.count(), 1);
        drop(popping);
        assert_eq!(atomically(|tx| queue.try_pop(tx)), Some('a'));
    });
}

/// Whoever finds nothing is in the way of whoever puts the first in, and must be.
#[test]
fn what_was_found_empty_stays_so() {
    watched_alone("empty", || {
        for turned in 0..40 {
            let queue = TQueue::new();
            queues::rotate(&queue, turned);
            let push = || atomically(|tx| queue.push(tx, 1));
            let found = Mutex::new(Vec::new());
            let attempts = queues::attempts(
                |tx| {
                    let first = queue.try_pop(tx)?;
                    found.lock().unwrap().push(first);
                    queue.push(tx, 2)
                },
                push,
            );
            assert_eq!(attempts, 2);
            assert_eq!(*found.lock().unwrap(), [None, Some(1)]);
            assert_eq!(snapshot(|s| queue.to_vec(s)), [2]);
        }
    });
}

/// No `Clone` is asked for where nothing goes out.
#[test]
fn elements_without_clone_can_be_looked_at() {
    struct NoClone(u8);

    watched_alone("no clone", || {
        let queue = TQueue::default();
        let seen = atomically(|tx| {
            queue.push(tx, NoClone(7))?;
            let (first, again) = (queue.peek_ref(tx)?, queue.peek_ref(tx)?);
            Ok(first.0 + again.0)
        });
        assert_eq!(seen, 14);
        let mut sum = 0;
        snapshot(|s| queue.for_each(s, |n| sum += n.0));
        assert_eq!(sum, 7);
    });
}

#[test]
fn a_handle_is_no_copy() {
    watched_alone("handle", || {
        let queue = TQueue::new();
        let same = queue.clone();
        // Says what it is without a transaction, also inside one.
        assert_eq!(atomically(|_| Ok(format!("{queue:?}"))), "TQueue { .. }");
        atomically(|tx| queue.push(tx, 1));
        assert_eq!(atomically(|tx| same.pop(tx)), 1);
    });
}
