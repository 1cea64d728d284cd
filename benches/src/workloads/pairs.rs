//! Threads in a ring: each moves money between its own variable and its neighbour's, so that any two neighbours conflict.
//!
//! The rate says little here; what it is about is how long the unlucky wait. So every transaction's time is taken, and shown are
//! the median, what one in a hundred exceeds, and what one in a thousand does. With more threads than processors the last of these
//! is where somebody was suspended in the middle of it, and others met what it held.
//!
//! The times include the look at the clock, for everybody alike.
//!
//! Checked: no money is lost.

use std::time::{Duration, Instant};

use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::statistics::Histogram;
use crate::measure::threads::{self, Amount, Halt, Ran};
use crate::slots::Slots;

const BALANCE: i64 = 1000;

/// The cases of the workload: how many threads, and variables.
pub const CASES: [(&str, usize); 2] = [("2 threads", 2), ("4 threads", 4)];

/// The figures of every case.
pub const METRICS: [Metric; 3] = [
    Metric {
        name: "p50",
        unit: Unit::Nanoseconds,
    },
    Metric {
        name: "p99",
        unit: Unit::Nanoseconds,
    },
    Metric {
        name: "p99.9",
        unit: Unit::Nanoseconds,
    },
];

/// A thread in the ring.
struct Member {
    own: usize,
    neighbour: usize,
    times: Histogram,
    last: Option<Instant>,
}

impl Member {
    #[inline]
    fn step(&mut self, ring: &impl Slots) {
        let began = self.last.unwrap_or_else(Instant::now);
        ring.transfer(self.own, self.neighbour, 1);
        let ended = Instant::now();
        self.times.add((ended - began).as_nanos() as u64);
        self.last = Some(ended);
    }
}

/// A ring of so many.
pub fn open<S: Slots>(threads: usize) -> S {
    S::open(threads, |_| BALANCE)
}

/// Lets the threads work; gives the times of all their transactions.
///
/// # Errors
///
/// What the check found wrong.
pub fn work<S: Slots>(
    ring: &S,
    threads: usize,
    amount: Amount,
) -> Result<(Ran, Histogram), String> {
    let (ran, members) = threads::run(
        threads,
        amount,
        16,
        |thread| Member {
            own: thread,
            neighbour: (thread + 1) % threads,
            times: Histogram::default(),
            last: None,
        },
        |member, _| member.step(ring),
    );
    let money = BALANCE * threads as i64;
    let left = ring.sum(&Halt::default()).map(|total| total.sum);
    if left != Some(money) {
        return Err(format!("of {money}, {left:?} are left at the end"));
    }
    let mut all = Histogram::default();
    for member in &members {
        all.merge(&member.times);
    }
    Ok((ran, all))
}

/// A ring that takes part.
pub fn contender<S: Slots>(name: &str, threads: usize) -> Contender<'static> {
    let mut ring = None;
    Contender::new(name, move |time: Duration| -> Turn {
        let ring = ring.get_or_insert_with(|| open::<S>(threads));
        let (_, times) = work(ring, threads, Amount::For(time))?;
        let parts = [0.5, 0.99, 0.999].map(|part| times.percentile(part));
        let figures: Option<Vec<f64>> = parts.iter().map(|p| p.map(|p| p as f64)).collect();
        figures.ok_or_else(|| "not one transaction ended".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::slots::OnEngine;
    use crate::wrong::{Unisolated, caught};

    fn turn<S: Slots>(threads: usize) -> Result<(), String> {
        let (ran, times) = work(&open::<S>(threads), threads, Amount::Steps(1000))?;
        assert_eq!(ran.steps, 1000);
        assert!(times.percentile(0.5) <= times.percentile(0.999));
        Ok(())
    }

    #[test]
    fn a_ring_without_isolation_is_caught() {
        watched("a_ring_without_isolation_is_caught", || {
            caught("pairs", || turn::<OnEngine<Unisolated>>(2));
        });
    }

    #[test]
    fn ours_keeps_the_ring_s_money() {
        watched("ours_keeps_the_ring_s_money", || {
            for (name, threads) in CASES {
                assert_eq!(turn::<OnEngine<StmCore>>(threads), Ok(()), "{name}");
            }
        });
    }
}
