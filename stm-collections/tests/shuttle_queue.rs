//! A bounded queue under a scheduler that chooses at random who runs next: nobody sleeps for ever, nothing is lost, doubled or overtaken.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p stm-core -p stm-collections --release --test 'shuttle_*' --target-dir target/shuttle
//! ```
#![cfg(shuttle)]

#[path = "../../stm-core/tests/shuttle_common/mod.rs"]
mod shuttle_common;

use shuttle::thread;
use shuttle_common::{join, sample};
use stm_collections::TBQueue;
use stm_core::{atomically, diagnostics};

const ITEMS: u64 = 3;

/// Two producers and two consumers over a queue that holds less than any of them makes or takes.
fn items_come_out_once_and_in_order(name: &str, capacity: usize) {
    sample(name, 10_000, move || {
        let queue = TBQueue::new(capacity);
        let producers = [0, 1].map(|id| {
            let queue = queue.clone();
            thread::spawn(move || {
                for n in 1..=ITEMS {
                    atomically(|tx| queue.push(tx, (id, n)));
                }
            })
        });
        let consumers = [(); 2].map(|()| {
            let queue = queue.clone();
            thread::spawn(move || {
                let mut last = [0; 2];
                let mut sum = 0;
                for _ in 0..ITEMS {
                    let (id, n): (usize, u64) = atomically(|tx| queue.pop(tx));
                    assert!(last[id] < n, "{n} of {id} after {}", last[id]);
                    last[id] = n;
                    sum += n;
                }
                sum
            })
        });
        join(producers);
        let taken = consumers.map(|consumer| consumer.join().unwrap());
        assert_eq!(taken.iter().sum::<u64>(), ITEMS * (ITEMS + 1));
        assert_eq!(atomically(|tx| queue.len(tx)), 0);
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}

#[test]
fn items_come_out_of_a_queue_for_one() {
    items_come_out_once_and_in_order("shuttle_queue, capacity 1", 1);
}

#[test]
fn items_come_out_of_a_queue_for_two() {
    items_come_out_once_and_in_order("shuttle_queue, capacity 2", 2);
}
