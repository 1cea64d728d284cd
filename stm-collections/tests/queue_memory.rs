//! What a long queue leaves behind, in a process of its own: other tests' transactions would hold up the collection.

mod common;
mod queues;

use common::watched_alone;
use queues::{Counts, Queue};
use stm_collections::{TBQueue, TQueue};
use stm_core::atomically;
use stm_core::diagnostics::collect_garbage;

const LONG: usize = 200_000;

fn fill<Q: Queue<queues::Counted>>(queue: &Q, counts: &Counts) {
    for _ in 0..LONG / 100 {
        atomically(|tx| (0..100).try_for_each(|_| queue.push(tx, counts.value())));
    }
    assert_eq!(counts.alive(), LONG);
}

/// How often garbage must be collected until no value is alive. A link an epoch would be three calls each, for 6250 arrays.
fn collections(counts: &Counts) -> usize {
    (0..)
        .take_while(|_| {
            collect_garbage();
            counts.alive() > 0
        })
        .take(100_000)
        .count()
}

fn popped<Q: Queue<queues::Counted>>() {
    let counts = Counts::default();
    let queue = Q::with_room(usize::MAX);
    fill(&queue, &counts);
    for _ in 0..LONG {
        drop(atomically(|tx| queue.pop(tx)));
    }
    assert!(atomically(|tx| queue.is_empty(tx)));
    let calls = collections(&counts);
    assert!(calls < 5_000, "{calls}");
}

fn drained<Q: Queue<queues::Counted>>() {
    let counts = Counts::default();
    let queue = Q::with_room(usize::MAX);
    fill(&queue, &counts);
    assert_eq!(atomically(|tx| queue.drain(tx)).len(), LONG);
    let calls = collections(&counts);
    assert!(calls < 5_000, "{calls}");
}

fn dropped<Q: Queue<queues::Counted>>() {
    let counts = Counts::default();
    let queue = Q::with_room(usize::MAX);
    fill(&queue, &counts);
    drop(queue);
    let calls = collections(&counts);
    assert!(calls < 5_000, "{calls}");
}

#[test]
fn a_long_queue_that_was_popped_gives_its_memory_back() {
    watched_alone("popped", popped::<TQueue<_>>);
}

#[test]
fn a_long_queue_that_was_drained_gives_its_memory_back() {
    watched_alone("drained", drained::<TBQueue<_>>);
}

#[test]
fn a_long_queue_that_was_dropped_gives_its_memory_back() {
    watched_alone("dropped", dropped::<TQueue<_>>);
}
