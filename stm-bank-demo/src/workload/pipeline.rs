//! A pipeline: two producers, two bounded queues, and workers that take one item from each.
//!
//! Each producer numbers its items, so the two that a worker takes must have the same number. One worker gets that right
//! on any queue. With several, one can take the next left item while another one takes the right item that goes with it.
//!
//! It shuts down from front to back. First the producers are told to stop, which must reach one that waits for room too:
//! the other one may have stopped already, and then there will be none. When both have, the queues are closed, and the
//! workers take out what has a partner before they go.

use std::thread;

use crate::audit::Findings;
use crate::shift::{Look, Shift};
use crate::workload::{Done, Outcome, Round, join};

/// Items in a queue, at most.
pub(crate) const BOUND: usize = 64;

/// Which of the two queues.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Whether an item is in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Put {
    Done,
    Stopped,
}

/// Two bounded queues that are read together.
pub(crate) trait Zipper: Sync + Sized {
    fn open() -> Self;

    /// Puts an item in; waits while the queue is full and nobody says to stop.
    fn put(&self, side: Side, item: u64) -> Put;

    /// Takes one item from each side; waits for both. `None` once the queues are closed and one of them is empty.
    fn take_both(&self) -> Option<(u64, u64)>;

    /// From now on nobody waits to put something in.
    fn stop(&self);

    /// Called when nobody puts in any more.
    fn close(&self);
}

/// Two producers, and `round.threads` workers, two at least.
pub(crate) fn run<Z: Zipper>(round: &Round) -> Outcome {
    let zipper = Z::open();
    let shift = Shift::new(2);
    let mut outcome = Outcome::default();
    let (mut pairs, mut mismatched, mut partnered) = (0, 0, 0);
    thread::scope(|s| {
        let (zipper, shift) = (&zipper, &shift);
        let workers: Vec<_> = (0..round.threads.max(2))
            .map(|_| s.spawn(move || take_until_closed(zipper)))
            .collect();
        let producers = [Side::Left, Side::Right]
            .map(|side| s.spawn(move || put_until_over(zipper, side, shift)))
            .into();
        shift.direct(round.timing, None::<fn() -> Look>);
        zipper.stop();
        let (done, put): (Vec<_>, Vec<u64>) = join(producers).unzip();
        partnered = put.into_iter().min().unwrap_or(0);
        zipper.close();
        for (taken, wrong) in join(workers) {
            pairs += taken;
            mismatched += wrong;
        }
        outcome.collect(done);
    });
    outcome.findings = Findings {
        lost: partnered.saturating_sub(pairs),
        made: pairs.saturating_sub(partnered),
        mismatched,
        ..Findings::default()
    };
    outcome
}

/// Also says how many it put in all, the warm-up included.
fn put_until_over<Z: Zipper>(zipper: &Z, side: Side, shift: &Shift) -> (Done, u64) {
    let mut next = 0;
    let output = shift.work(|tally| {
        tally.attempts += 1;
        let put = zipper.put(side, next) == Put::Done;
        next += u64::from(put);
        tally.count(put);
    });
    let done = Done {
        output,
        ..Done::default()
    };
    (done, next)
}

/// How many pairs came out, and how many of them were none.
fn take_until_closed<Z: Zipper>(zipper: &Z) -> (u64, u64) {
    let (mut pairs, mut mismatched) = (0, 0);
    while let Some((left, right)) = zipper.take_both() {
        pairs += 1;
        mismatched += u64::from(left != right);
    }
    (pairs, mismatched)
}
