//! Several pairs of variables are swapped at one moment.
//!
//! As many reads as writes, all of them in a heap that is larger than the nearest cache: what a transaction costs for each access,
//! with values that an engine may keep in place and with values that it must box.
//!
//! Checked: at the end every value that was there at the beginning is there, once.

use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::rng::Rng;
use crate::measure::threads::{self, Amount, Ran};
use crate::slots::Slots;

/// Few enough to stay in the second cache, many enough that short transactions seldom meet.
const SLOTS: usize = 16384;

/// What distinguishes one case from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// In each transaction.
    pub swaps: usize,
    /// How many threads swap.
    pub threads: usize,
}

/// The cases of the workload, each for inline and for boxed values.
pub const CASES: [(&str, Params); 4] = [
    (
        "2 swaps, 1 thread",
        Params {
            swaps: 2,
            threads: 1,
        },
    ),
    (
        "2 swaps, 2 threads",
        Params {
            swaps: 2,
            threads: 2,
        },
    ),
    (
        "32 swaps, 2 threads",
        Params {
            swaps: 32,
            threads: 2,
        },
    ),
    (
        "128 swaps, 2 threads",
        Params {
            swaps: 128,
            threads: 2,
        },
    ),
];

/// The figure of every case.
pub const METRICS: [Metric; 1] = [Metric {
    name: "swaps",
    unit: Unit::PerSecond,
}];

/// Slots with values that all differ.
pub fn filled<S: Slots>() -> S {
    S::open(SLOTS, |at| at as i64)
}

/// Lets the threads swap.
///
/// # Errors
///
/// What the check found wrong.
pub fn work<S: Slots>(slots: &S, params: &Params, amount: Amount) -> Result<Ran, String> {
    work_on(slots, SLOTS, params, amount)
}

fn work_on<S: Slots>(
    slots: &S,
    count: usize,
    params: &Params,
    amount: Amount,
) -> Result<Ran, String> {
    let (ran, _) = threads::run(
        params.threads,
        amount,
        16,
        |thread| (Rng::new(thread), vec![[0, 0]; params.swaps]),
        |(rng, pairs), _| {
            pairs.fill_with(|| rng.two(count));
            slots.swap_all(pairs);
        },
    );
    let mut amounts = slots.amounts();
    amounts.sort_unstable();
    let missing = (0..count as i64).find(|value| amounts.binary_search(value).is_err());
    match missing {
        Some(value) => Err(format!("the value {value} is in no slot any more")),
        None => Ok(ran),
    }
}

/// Slots that take part.
pub fn contender<S: Slots>(name: &str, params: Params) -> Contender<'static> {
    let mut slots = None;
    Contender::new(name, move |time| -> Turn {
        let slots = slots.get_or_insert_with(filled::<S>);
        let ran = work(slots, &params, Amount::For(time))?;
        Ok(vec![ran.rate_of(ran.steps * params.swaps as u64)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::money::Wide;
    use crate::ours::StmCore;
    use crate::slots::OnEngine;
    use crate::wrong::{Forgetful, Unisolated, caught};

    const COUNT: usize = 16;

    fn turn<S: Slots>(params: &Params) -> Result<(), String> {
        let slots = S::open(COUNT, |at| at as i64);
        work_on(&slots, COUNT, params, Amount::Steps(500)).map(drop)
    }

    #[test]
    fn swaps_without_isolation_are_caught() {
        watched("swaps_without_isolation_are_caught", || {
            caught("swaps", || turn::<OnEngine<Unisolated>>(&CASES[1].1));
        });
    }

    #[test]
    fn swaps_that_are_forgotten_are_caught_on_one_thread() {
        watched("swaps_that_are_forgotten_are_caught_on_one_thread", || {
            caught("swaps", || turn::<OnEngine<Forgetful>>(&CASES[0].1));
        });
    }

    #[test]
    fn ours_loses_no_value() {
        watched("ours_loses_no_value", || {
            for (name, params) in &CASES {
                for turn in [
                    turn::<OnEngine<StmCore>>,
                    turn::<OnEngine<StmCore, String>>,
                    turn::<OnEngine<StmCore, Wide>>,
                ] {
                    assert_eq!(turn(params), Ok(()), "{name}");
                }
            }
        });
    }
}
