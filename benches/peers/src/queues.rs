//! Queues: what a push and a pop cost alone, and how fast items go from one thread to another through a bounded queue.
//!
//! Checked: what comes out is what went in, in order, and all of it.

use std::time::{Duration, Instant};

use stm_benches::measure::interleave::{Case, Contender, Metric, Side, Turn, Unit};
use stm_benches::measure::threads::{self, Amount};
use stm_collections::{TBQueue, TQueue};
use stm_core::atomically;

/// Between producer and consumer.
const CAPACITY: usize = 1024;

const METRICS: [Metric; 1] = [Metric {
    name: "items",
    unit: Unit::PerSecond,
}];

fn push_pop(
    time: Duration,
    push: impl Fn(u64) + Sync,
    pop: impl Fn() -> Option<u64> + Sync,
) -> Turn {
    let (ran, states) = threads::run(
        1,
        Amount::For(time),
        64,
        |_| (0u64, 0u64),
        |(next, wrong), _| {
            push(*next);
            *wrong += u64::from(pop() != Some(*next));
            *next += 1;
        },
    );
    match states[0].1 {
        0 => Ok(vec![ran.rate()]),
        wrong => Err(format!("{wrong} items were not what had been pushed")),
    }
}

/// One thread sends numbers until the time is over, the other receives them to the last.
fn pass(
    time: Duration,
    send: impl Fn(Option<u64>) + Sync,
    receive: impl FnMut() -> Option<u64> + Send,
) -> Turn {
    let began = Instant::now();
    let mut receive = receive;
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
        let receiver = scope.spawn(move || {
            let (mut received, mut in_order) = (0, true);
            while let Some(n) = receive() {
                in_order &= n == received;
                received += 1;
            }
            (received, in_order)
        });
        let sent = sender.join().expect("sending does not panic");
        let (received, in_order) = receiver.join().expect("receiving does not panic");
        if sent != received || !in_order {
            return Err(format!("{received} of {sent} came, in order: {in_order}"));
        }
        Ok(vec![received as f64 / began.elapsed().as_secs_f64()])
    })
}

/// The cases of the workload.
pub fn cases() -> Vec<Case<'static>> {
    let (seg, ours) = (crossbeam_queue::SegQueue::new(), TQueue::new());
    let alone = vec![
        Contender::new("TQueue, two transactions", move |time| {
            push_pop(
                time,
                |n| atomically(|tx| ours.push(tx, n)),
                || atomically(|tx| ours.try_pop(tx)),
            )
        })
        .on(Side::Ours),
        Contender::new("crossbeam SegQueue", move |time| {
            push_pop(time, |n| seg.push(n), || seg.pop())
        }),
    ];
    let passed_on = vec![
        Contender::new("TBQueue", |time| {
            let queue = TBQueue::new(CAPACITY);
            pass(
                time,
                |n| atomically(|tx| queue.push(tx, n)),
                || atomically(|tx| queue.pop(tx)),
            )
        })
        .on(Side::Ours),
        Contender::new("crossbeam-channel", |time| {
            let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
            pass(
                time,
                |n| sender.send(n).expect("the receiver lives"),
                || receiver.recv().expect("the sender lives"),
            )
        }),
        Contender::new("tokio mpsc, blocking", |time| {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(CAPACITY);
            pass(
                time,
                |n| sender.blocking_send(n).expect("the receiver lives"),
                move || receiver.blocking_recv().expect("the sender lives"),
            )
        }),
    ];
    let case = |name: String, contenders| Case {
        workload: "queues",
        name,
        metrics: METRICS.into(),
        contenders,
    };
    vec![
        case("push, then pop, 1 thread".into(), alone),
        case(
            format!("producer to consumer, bounded to {CAPACITY}, 2 threads"),
            passed_on,
        ),
    ]
}
