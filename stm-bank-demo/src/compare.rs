//! Runs engines against each other, so that what differs is the engine and not the minute.
//!
//! A machine gets faster and slower while one measures: other programs, clock frequencies, where memory
//! happened to lie. So the engines take turns, round after round in alternating order, and are compared within
//! each round. The ratios are then as good as the rounds are short, and their spread shows how good that is.

use std::time::Duration;

use crate::audit::Findings;
use crate::bank::{Bank, WaitingBank};
use crate::watchdog::watched;
use crate::workload::{self, Outcome, Round};

/// Beyond its duration a round opens and counts accounts, and the slowest thread makes its last step.
const GRACE: Duration = Duration::from_secs(10);

/// An engine in a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    pub(crate) engine: &'static str,
    run: fn(&Round) -> Outcome,
}

impl Contender {
    /// One that transfers and audits.
    pub(crate) fn transferring<B: Bank>(engine: &'static str) -> Self {
        Self {
            engine,
            run: workload::transfers::<B>,
        }
    }

    /// One whose customers wait.
    pub(crate) fn waiting<B: WaitingBank>(engine: &'static str) -> Self {
        Self {
            engine,
            run: workload::waiting::<B>,
        }
    }
}

/// The same work for several engines.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) round: Round,
    /// The others are measured by the first.
    pub(crate) contenders: Vec<Contender>,
}

/// How an engine did in a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) engine: &'static str,
    pub(crate) figures: Vec<Figure>,
    /// Which part of their time its threads were ready to go on and had no core.
    pub(crate) without_core: f64,
    pub(crate) findings: Findings,
}

/// One kind of work, over all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    /// The median.
    pub(crate) per_second: f64,
    /// How often an operation was begun until it ended, on average.
    pub(crate) attempts: f64,
    /// The rate divided by the first contender's in the same round. The first one has none.
    pub(crate) relative: Option<Spread>,
}

/// A median, and what it is the median of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Self {
            median: f64::midpoint(low, high),
            min: values[0],
            max: values[values.len() - 1],
        }
    }
}

impl Scenario {
    /// How many threads work at a time.
    pub(crate) fn busy_threads(&self) -> usize {
        self.round.threads + self.round.auditors
    }

    /// Runs all contenders, `repeats` times.
    pub(crate) fn compare(&self, repeats: usize) -> Vec<Standing> {
        let mut outcomes = vec![Vec::with_capacity(repeats); self.contenders.len()];
        for repeat in 0..repeats {
            let mut turns: Vec<usize> = (0..self.contenders.len()).collect();
            if repeat % 2 == 1 {
                turns.reverse();
            }
            for turn in turns {
                outcomes[turn].push(self.run_once(&self.contenders[turn], repeat));
            }
        }
        self.contenders
            .iter()
            .enumerate()
            .map(|(at, contender)| Standing {
                engine: contender.engine,
                figures: figures(&outcomes[at], (at > 0).then_some(&outcomes[0])),
                without_core: without_core(&outcomes[at]),
                findings: all_findings(&outcomes[at]),
            })
            .collect()
    }

    fn run_once(&self, contender: &Contender, repeat: usize) -> Outcome {
        let round = Round {
            // Other requests in each round, the same for all engines.
            seed: self.round.seed.wrapping_add(repeat as u64),
            ..self.round
        };
        let what = format!("'{}' on {}", self.name, contender.engine);
        let limit = round.timing.total() + GRACE;
        watched(&what, limit, || (contender.run)(&round))
    }
}

fn figures(own: &[Outcome], reference: Option<&Vec<Outcome>>) -> Vec<Figure> {
    let figure = |at: usize, name| {
        let rate = |outcome: &Outcome| outcome.outputs[at].1.per_second;
        let tallies = || own.iter().map(|outcome| outcome.outputs[at].1.tally);
        let attempts: u64 = tallies().map(|tally| tally.attempts).sum();
        let ended: u64 = tallies().map(|tally| tally.ended).sum();
        Figure {
            name,
            per_second: Spread::of(own.iter().map(rate).collect()).median,
            attempts: attempts as f64 / ended as f64,
            relative: reference.map(|reference| {
                let rounds = own.iter().zip(reference);
                Spread::of(rounds.map(|(own, other)| rate(own) / rate(other)).collect())
            }),
        }
    };
    own[0]
        .outputs
        .iter()
        .enumerate()
        .map(|(at, (name, _))| figure(at, *name))
        .collect()
}

fn without_core(outcomes: &[Outcome]) -> f64 {
    let outputs = || outcomes.iter().flat_map(|outcome| &outcome.outputs);
    let time: Duration = outputs().map(|(_, output)| output.time).sum();
    let without: Duration = outputs().map(|(_, output)| output.without_core).sum();
    without.as_secs_f64() / time.as_secs_f64()
}

fn all_findings(outcomes: &[Outcome]) -> Findings {
    let mut all = Findings::default();
    for outcome in outcomes {
        all.add(&outcome.findings);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let odd = Spread {
            median: 2.0,
            min: 1.0,
            max: 9.0,
        };
        assert_eq!(Spread::of(vec![9.0, 1.0, 2.0]), odd);
        let even = Spread {
            median: 3.0,
            min: 1.0,
            max: 9.0,
        };
        assert_eq!(Spread::of(vec![9.0, 1.0, 2.0, 4.0]), even);
    }
}
