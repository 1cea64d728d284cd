//! What a run has found out, as data: the one form that all outputs are made from.
//!
//! Whoever measures fills in a [`Report`]; whoever prints reads it and decides nothing about right or wrong. The
//! JSON form is derived from these types and described by `schema/report.schema.json`. A change that can break a
//! reader of that form gets a new [`SCHEMA_VERSION`].
//!
//! # Invariants
//!
//! - **R1** What was not measured is `None` and never a zero.
//! - **R2** A number that is not finite leaves this module only as `null`: a rate divided by one of zero is not
//!   known, and JSON has no word for it. `serde_json` sees to that for a number by itself; a spread with one such
//!   number is not known as a whole.

use std::fmt;

use serde::{Serialize, Serializer};

/// The version of the JSON form.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// A median and what it is the median of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// A ratio of something to itself.
    pub(crate) const ONE: Self = Self {
        median: 1.0,
        min: 1.0,
        max: 1.0,
    };

    /// Itself, if all of it is a number (R2).
    pub(crate) fn finite(self) -> Option<Self> {
        [self.median, self.min, self.max]
            .iter()
            .all(|number| number.is_finite())
            .then_some(self)
    }
}

/// How long operations took, by percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p999_ns: u64,
    pub(crate) max_ns: u64,
}

/// What became of the money.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// Nothing was wrong.
    Ok,
    /// Money that was not there at the end; below zero, money too much.
    Lost(i64),
    /// Accounts below what is allowed.
    Overdrawn(u64),
    /// Audits that came to a total that never was.
    TornAudits(u64),
    /// Threads that wait for each other, at these accounts.
    Deadlock { accounts: Vec<usize> },
    /// Somebody got nothing done in all the time.
    Starved,
    /// Wrong in a way that has no name of its own.
    Broken(String),
}

/// In words, as all outputs show it.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("OK"),
            Self::Lost(money) if *money < 0 => write!(f, "MADE {}", money.unsigned_abs()),
            Self::Lost(money) => write!(f, "LOST {money}"),
            Self::Overdrawn(accounts) => write!(f, "OVERDRAWN {accounts}"),
            Self::TornAudits(audits) => write!(f, "TORN AUDITS {audits}"),
            Self::Deadlock { accounts } if accounts.is_empty() => f.write_str("DEADLOCK"),
            Self::Deadlock { accounts } => {
                let accounts: Vec<_> = accounts.iter().map(usize::to_string).collect();
                write!(f, "DEADLOCK at {}", accounts.join(", "))
            }
            Self::Starved => f.write_str("STARVED"),
            Self::Broken(how) => write!(f, "BROKEN: {how}"),
        }
    }
}

/// What a verdict means for the model that got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing was wrong.
    Right,
    /// Something was wrong that the model never claimed to get right.
    WrongAsExpected,
    /// The model does not keep what it claims.
    ClaimBroken,
}

/// How a model did in a scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ModelResult {
    pub(crate) model: String,
    /// mutex, channel, actor, optimistic, stm or racy.
    pub(crate) family: String,
    #[serde(serialize_with = "finite_spread")]
    pub(crate) commits_per_s: Option<Spread>,
    /// To the scenario's reference in the same round, which itself has exactly one: ordered mutexes, or what stands
    /// for them where mutexes alone cannot do the work.
    #[serde(serialize_with = "finite_spread")]
    pub(crate) relative: Option<Spread>,
    pub(crate) latency: Option<Latency>,
    pub(crate) tries_per_commit: Option<f64>,
    #[serde(serialize_with = "finite_spread")]
    pub(crate) audits_per_s: Option<Spread>,
    pub(crate) verdict: Verdict,
    pub(crate) claims_hold: bool,
    pub(crate) notes: Vec<String>,
}

impl ModelResult {
    pub(crate) fn standing(&self) -> Standing {
        match (&self.verdict, self.claims_hold) {
            (_, false) => Standing::ClaimBroken,
            (Verdict::Ok, true) => Standing::Right,
            (_, true) => Standing::WrongAsExpected,
        }
    }
}

/// The same work for several models.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ScenarioResult {
    pub(crate) name: String,
    pub(crate) description: String,
    /// None where there is no bank: 0.
    pub(crate) accounts: usize,
    pub(crate) threads: usize,
    pub(crate) auditors: usize,
    pub(crate) models: Vec<ModelResult>,
}

impl ScenarioResult {
    /// The model that the others are relative to, if it is among them.
    pub(crate) fn reference(&self) -> Option<&str> {
        let mut models = self.models.iter();
        let reference = models.find(|result| result.relative == Some(Spread::ONE))?;
        Some(&reference.model)
    }
}

/// Where it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) os: String,
    pub(crate) arch: String,
}

/// One scenario over and over, with another value of one parameter each time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Sweep {
    pub(crate) param: String,
    #[serde(serialize_with = "points")]
    pub(crate) points: Vec<(f64, ScenarioResult)>,
}

/// Everything that a run has found out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Report {
    /// [`SCHEMA_VERSION`].
    pub(crate) schema_version: u32,
    pub(crate) started: String,
    pub(crate) machine: Machine,
    pub(crate) command: String,
    pub(crate) seed: u64,
    pub(crate) warnings: Vec<String>,
    /// Whether the run was ended early: what is here is not all that was asked for.
    pub(crate) interrupted: bool,
    pub(crate) scenarios: Vec<ScenarioResult>,
    pub(crate) sweep: Option<Sweep>,
}

#[expect(clippy::ref_option, reason = "serde hands fields over like this")]
fn finite_spread<S: Serializer>(spread: &Option<Spread>, to: S) -> Result<S::Ok, S::Error> {
    spread.and_then(Spread::finite).serialize(to)
}

/// Pairs with names, which readers in other languages like better.
fn points<S: Serializer>(points: &[(f64, ScenarioResult)], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Point<'a> {
        value: f64,
        scenario: &'a ScenarioResult,
    }
    let points = points.iter();
    to.collect_seq(points.map(|(value, scenario)| Point {
        value: *value,
        scenario,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, watched};

    #[test]
    fn verdicts_are_words() {
        watched("verdicts_are_words", || {
            let verdicts = [
                (Verdict::Ok, "OK"),
                (Verdict::Lost(120), "LOST 120"),
                (Verdict::Lost(-7), "MADE 7"),
                (Verdict::Lost(i64::MIN), "MADE 9223372036854775808"),
                (Verdict::Overdrawn(3), "OVERDRAWN 3"),
                (Verdict::TornAudits(9), "TORN AUDITS 9"),
                (
                    Verdict::Deadlock {
                        accounts: vec![3, 7],
                    },
                    "DEADLOCK at 3, 7",
                ),
                (Verdict::Deadlock { accounts: vec![] }, "DEADLOCK"),
                (Verdict::Starved, "STARVED"),
                (Verdict::Broken("no audit".to_owned()), "BROKEN: no audit"),
            ];
            for (verdict, words) in verdicts {
                assert_eq!(verdict.to_string(), words);
            }
        });
    }

    #[test]
    fn the_reference_is_the_model_that_is_its_own_measure() {
        watched("the_reference_is_the_model_that_is_its_own_measure", || {
            let mut scenario = fixture::full().scenarios.swap_remove(0);
            scenario.models.rotate_left(5);
            assert_eq!(scenario.reference(), Some("ordered-mutexes"));
            scenario.models.retain(|result| result.family == "stm");
            assert_eq!(scenario.reference(), None);
        });
    }

    #[test]
    fn a_spread_is_finite_as_a_whole_or_not_at_all() {
        watched("a_spread_is_finite_as_a_whole_or_not_at_all", || {
            let good = Spread {
                median: 2.0,
                min: 1.0,
                max: 3.0,
            };
            assert_eq!(good.finite(), Some(good));
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let one_bad = [
                    Spread {
                        median: bad,
                        ..good
                    },
                    Spread { min: bad, ..good },
                    Spread { max: bad, ..good },
                ];
                assert_eq!(one_bad.map(Spread::finite), [None; 3], "{bad}");
            }
        });
    }
}
