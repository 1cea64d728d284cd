//! Runs models against each other, so that what differs is the model and not the minute.
//!
//! A machine gets faster and slower while one measures: other programs, clock frequencies, where memory
//! happened to lie. So the models take turns, round after round in alternating order, and are compared within
//! each round. The ratios are then as good as the rounds are short, and their spread shows how good that is.
//! Latencies are taken afterwards, in a round of their own.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::audit::Findings;
use crate::bank::Claims;
use crate::interrupt;
use crate::models::Run;
use crate::results::Spread;
use crate::shift::Timing;
use crate::watchdog::watched;
use crate::workload::{Outcome, Round, Sampling};

/// A round in which latencies are taken needs no more, unless it has a rate to keep to.
const SAMPLED: Duration = Duration::from_millis(30);

/// A model in a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contender {
    pub(crate) model: &'static str,
    pub(crate) family: &'static str,
    pub(crate) claims: Claims,
    pub(crate) run: Run,
}

/// The same work for several models.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) round: Round,
    /// The model that the others are measured by, if it takes part.
    pub(crate) reference: &'static str,
    /// Whether workers are made to panic.
    pub(crate) crashing: bool,
    /// How many threads have something to do at a time.
    pub(crate) busy_threads: usize,
    pub(crate) repeats: usize,
    pub(crate) contenders: Vec<Contender>,
}

/// How a model did in a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    pub(crate) contender: Contender,
    pub(crate) figures: Vec<Figure>,
    /// Which part of their time its threads were ready to go on and had no core.
    pub(crate) without_core: f64,
    pub(crate) findings: Findings,
    pub(crate) latencies: Option<Histogram<u64>>,
}

impl Standing {
    /// Whether it stood still: what was counted until then says nothing, about the model and about the machine.
    pub(crate) fn is_stuck(&self) -> bool {
        self.findings.deadlock.is_some() || self.findings.broken.is_some()
    }
}

/// One kind of work, over all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    pub(crate) per_second: Spread,
    /// How often an operation was begun until it ended, on average.
    pub(crate) attempts: f64,
    /// The rate divided by the reference's in the same round.
    pub(crate) relative: Option<Spread>,
}

/// What a run allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Beyond its duration a round opens and counts accounts, and the slowest thread makes its last step.
    pub(crate) grace: Duration,
    /// Requests a second while latencies are taken.
    pub(crate) rate: Option<f64>,
}

/// Of at least one value.
fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    Spread {
        median: f64::midpoint(low, high),
        min: values[0],
        max: values[values.len() - 1],
    }
}

impl Scenario {
    /// How long it takes, about.
    pub(crate) fn time(&self, limits: Limits) -> Duration {
        let each = self.round.timing.total() * self.repeats as u32;
        (each + self.sampled(limits).timing.total()) * self.contenders.len() as u32
    }

    fn sampled(&self, limits: Limits) -> Round {
        let measured = self.round.timing.measured;
        let measured = match limits.rate {
            Some(_) => measured,
            None => measured.min(SAMPLED),
        };
        Round {
            timing: Timing::with_warm_up(measured),
            sampling: Some(Sampling { rate: limits.rate }),
            ..self.round
        }
    }

    /// Runs all contenders, `repeats` times, and once more for the latencies. After an interrupt, those are left out for
    /// which there is not one whole round.
    pub(crate) fn compare(
        &self,
        limits: Limits,
        mut progress: impl FnMut(&'static str),
    ) -> Vec<Standing> {
        let mut outcomes = vec![Vec::with_capacity(self.repeats); self.contenders.len()];
        'rounds: for repeat in 0..self.repeats {
            let mut turns: Vec<usize> = (0..self.contenders.len()).collect();
            if repeat % 2 == 1 {
                turns.reverse();
            }
            for turn in turns {
                progress(self.contenders[turn].model);
                let outcome = self.run_once(&self.contenders[turn], self.round, repeat, limits);
                if interrupt::interrupted() {
                    break 'rounds;
                }
                outcomes[turn].push(outcome);
            }
        }
        let reference = self
            .contenders
            .iter()
            .position(|c| c.model == self.reference);
        let mut standings = Vec::new();
        for (at, &contender) in self.contenders.iter().enumerate() {
            if outcomes[at].is_empty() {
                continue;
            }
            let mut findings = all_findings(&outcomes[at]);
            let mut latencies = None;
            if !interrupt::interrupted() && findings.deadlock.is_none() {
                progress(contender.model);
                let sampled = self.run_once(&contender, self.sampled(limits), self.repeats, limits);
                findings.add(&sampled.findings);
                latencies = sampled.latencies;
            }
            standings.push(Standing {
                contender,
                figures: figures(
                    &outcomes[at],
                    reference.map(|reference| &outcomes[reference]),
                ),
                without_core: without_core(&outcomes[at]),
                findings,
                latencies,
            });
        }
        standings
    }

    fn run_once(
        &self,
        contender: &Contender,
        round: Round,
        repeat: usize,
        limits: Limits,
    ) -> Outcome {
        let round = Round {
            // Other requests in each round, the same for all models.
            seed: round.seed.wrapping_add(repeat as u64),
            ..round
        };
        let what = format!("'{}' on {}", self.name, contender.model);
        let limit = round.timing.total() + limits.grace;
        watched(&what, limit, || (contender.run)(&round))
    }
}

fn figures(own: &[Outcome], reference: Option<&Vec<Outcome>>) -> Vec<Figure> {
    let figure = |at: usize| {
        let rate = |outcome: &Outcome| outcome.outputs[at].per_second;
        let tallies = || own.iter().map(|outcome| outcome.outputs[at].tally);
        let attempts: u64 = tallies().map(|tally| tally.attempts).sum();
        let ended: u64 = tallies().map(|tally| tally.ended).sum();
        let relative = |reference: &Vec<Outcome>| {
            let rounds = own.iter().zip(reference);
            let ratios: Vec<_> = rounds.map(|(own, other)| rate(own) / rate(other)).collect();
            // None but after an interrupt.
            (!ratios.is_empty()).then(|| spread(ratios))
        };
        Figure {
            per_second: spread(own.iter().map(rate).collect()),
            attempts: attempts as f64 / ended as f64,
            relative: reference.and_then(relative),
        }
    };
    (0..own[0].outputs.len()).map(figure).collect()
}

fn without_core(outcomes: &[Outcome]) -> f64 {
    let outputs = || outcomes.iter().flat_map(|outcome| &outcome.outputs);
    let watched: Duration = outputs().map(|output| output.watched).sum();
    let without: Duration = outputs().map(|output| output.without_core).sum();
    without.as_secs_f64() / watched.as_secs_f64()
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
        assert_eq!(spread(vec![9.0, 1.0, 2.0]), odd);
        let even = Spread {
            median: 3.0,
            min: 1.0,
            max: 9.0,
        };
        assert_eq!(spread(vec![9.0, 1.0, 2.0, 4.0]), even);
    }
}
