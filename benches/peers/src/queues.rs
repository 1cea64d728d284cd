//! Queues: what a push and a pop cost alone, and how fast items go from one thread to another through a bounded queue.

use std::time::{Duration, Instant};

use stm_collections::{TBQueue, TQueue};
use stm_core::atomically;

use crate::interleave::{Contender, Effort, Measured, compare, rate};

/// Between producer and consumer.
const CAPACITY: usize = 1024;

fn push_pop(
    time: Duration,
    push: impl Fn(u64) + Sync,
    pop: impl Fn() -> Option<u64> + Sync,
) -> Measured {
    let per_second = rate(
        1,
        time,
        |_| 0u64,
        |n| {
            push(*n);
            assert_eq!(pop(), Some(*n));
            *n += 1;
        },
    );
    Measured {
        per_second,
        broke: None,
    }
}

/// One thread sends numbers until the time is over, the other receives them to the last.
fn pass(
    time: Duration,
    send: impl Fn(Option<u64>) + Sync,
    receive: impl Fn() -> Option<u64> + Sync,
) -> Measured {
    let began = Instant::now();
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut n = 0;
            while n % 1024 != 0 || began.elapsed() < time {
                send(Some(n));
                n += 1;
            }
            send(None);
            n
        });
        let receiver = scope.spawn(|| {
            let (mut received, mut in_order) = (0, true);
            while let Some(n) = receive() {
                in_order &= n == received;
                received += 1;
            }
            (received, in_order)
        });
        let sent = sender.join().expect("sending does not panic");
        let (received, in_order) = receiver.join().expect("receiving does not panic");
        let per_second = received as f64 / began.elapsed().as_secs_f64();
        Measured {
            per_second,
            broke: (sent != received || !in_order)
                .then(|| format!("{received} of {sent} came, in order: {in_order}")),
        }
    })
}

pub fn run(effort: Effort) -> usize {
    let (seg, ours) = (crossbeam_queue::SegQueue::new(), TQueue::new());
    let mut broken = compare(
        "push, then pop, 1 thread",
        effort,
        vec![
            Contender::new("crossbeam SegQueue", |t| {
                push_pop(t, |n| seg.push(n), || seg.pop())
            }),
            Contender::new("TQueue, two transactions", |t| {
                push_pop(
                    t,
                    |n| atomically(|tx| ours.push(tx, n)),
                    || atomically(|tx| ours.try_pop(tx)),
                )
            }),
        ],
    );
    broken += compare(
        &format!("producer to consumer, bounded to {CAPACITY}, 2 threads"),
        effort,
        vec![
            Contender::new("crossbeam-channel", |t| {
                let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
                pass(
                    t,
                    |n| sender.send(n).expect("the receiver lives"),
                    || receiver.recv().expect("the sender lives"),
                )
            }),
            Contender::new("TBQueue", |t| {
                let queue = TBQueue::new(CAPACITY);
                pass(
                    t,
                    |n| atomically(|tx| queue.push(tx, n)),
                    || atomically(|tx| queue.pop(tx)),
                )
            }),
        ],
    );
    broken
}
