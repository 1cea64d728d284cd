//! One thread reads 65536 variables at one moment, over and over, beside one that swaps some of them all the time.
//!
//! The hard case for whoever checks his reads at the end: there is always something that has changed meanwhile.
//!
//! Checked: every scan's sum. The values all differ, so a scan that saw one half of a swap has another sum.

use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::rng::Rng;
use crate::measure::threads::{self, Amount, Halt, Ran};
use crate::slots::Slots;

/// How many are scanned.
pub const SLOTS: usize = 65536;
/// In each of the writer's transactions.
const SWAPS: usize = 8;

/// The figures of the workload.
pub const METRICS: [Metric; 2] = [
    Metric {
        name: "scans",
        unit: Unit::PerSecond,
    },
    Metric {
        name: "writes beside",
        unit: Unit::PerSecond,
    },
];

/// Slots with values that all differ.
pub fn filled<S: Slots>(count: usize) -> S {
    S::open(count, |at| at as i64)
}

enum Role {
    Scanner { scans: u64, wrong: Option<i64> },
    Writer { rng: Rng, writes: u64 },
}

/// What a turn gave.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// How long it took.
    pub ran: Ran,
    /// Scans that got through.
    pub scans: u64,
    /// Writes beside them.
    pub writes: u64,
}

/// Lets one thread scan and the other one write.
///
/// # Errors
///
/// What the check found wrong.
pub fn work<S: Slots>(slots: &S, count: usize, amount: Amount) -> Result<Done, String> {
    let sum = (0..count as i64).sum::<i64>();
    let (ran, roles) = threads::run(
        2,
        amount,
        1,
        |thread| match thread {
            0 => Role::Scanner {
                scans: 0,
                wrong: None,
            },
            _ => Role::Writer {
                rng: Rng::new(thread),
                writes: 0,
            },
        },
        |role, halt| match role {
            Role::Scanner { scans, wrong } => {
                if let Some(total) = slots.sum(halt) {
                    *scans += 1;
                    *wrong = wrong.or((total.sum != sum).then_some(total.sum));
                }
            }
            Role::Writer { rng, writes } => {
                let pairs: [_; SWAPS] = std::array::from_fn(|_| rng.two(count));
                slots.swap_all(&pairs);
                *writes += 1;
            }
        },
    );
    let (mut all_scans, mut all_writes) = (0, 0);
    for role in roles {
        match role {
            Role::Scanner { scans, wrong: None } => all_scans += scans,
            Role::Scanner {
                wrong: Some(seen), ..
            } => return Err(format!("a scan saw a sum of {seen} where {sum} is")),
            Role::Writer { writes, .. } => all_writes += writes,
        }
    }
    let left = slots.sum(&Halt::default()).map(|total| total.sum);
    if left != Some(sum) {
        return Err(format!(
            "the sum is {left:?} at the end, and should be {sum}"
        ));
    }
    Ok(Done {
        ran,
        scans: all_scans,
        writes: all_writes,
    })
}

/// Slots that take part.
pub fn contender<S: Slots>(name: &str) -> Contender<'static> {
    let mut slots = None;
    Contender::new(name, move |time| -> Turn {
        let slots = slots.get_or_insert_with(|| filled::<S>(SLOTS));
        let done = work(slots, SLOTS, Amount::For(time))?;
        Ok(vec![
            done.ran.rate_of(done.scans),
            done.ran.rate_of(done.writes),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::ours::{StmCore, StmCoreAtomically};
    use crate::slots::OnEngine;
    use crate::wrong::{Unisolated, caught};

    const COUNT: usize = 64;

    fn turn<S: Slots>() -> Result<(), String> {
        work(&filled::<S>(COUNT), COUNT, Amount::Steps(400)).map(drop)
    }

    #[test]
    fn a_torn_scan_is_caught() {
        watched("a_torn_scan_is_caught", || {
            let what = caught("scan", turn::<OnEngine<Unisolated>>);
            assert!(
                what.contains("a scan saw"),
                "only one thread writes: {what}"
            );
        });
    }

    #[test]
    fn ours_scans_what_there_is() {
        watched("ours_scans_what_there_is", || {
            assert_eq!(turn::<OnEngine<StmCore>>(), Ok(()));
            assert_eq!(turn::<OnEngine<StmCoreAtomically>>(), Ok(()));
        });
    }
}
