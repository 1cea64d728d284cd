//! What becomes of a run: tables for the terminal, JSON, plots, and the page `measurements.md`.
//!
//! All of them show the same quantities, which are computed here: rows, each of which sets one of ours beside one contender at one
//! metric of one case, by the ratios of the rounds. Above 1, ours is better, whatever the metric.

pub mod json;
pub mod machine;
pub mod markdown;
pub mod notes;
pub mod numbers;
pub mod plots;
pub mod table;
pub mod targets;

use stm_benches::measure::interleave::{Effort, Entry, Fate, Metric, Outcome, Side, Unit};
use stm_benches::measure::statistics::Spread;

use machine::Machine;

/// All that a run came to.
pub struct Report {
    /// On what it ran.
    pub machine: Machine,
    /// How much was measured.
    pub effort: Effort,
    /// In the order in which they ran.
    pub outcomes: Vec<Outcome>,
    /// Which workloads are missing, wholly or in part.
    pub unfinished: Vec<Unfinished>,
}

/// A workload whose process did not come to its end.
pub struct Unfinished {
    /// Which.
    pub workload: &'static str,
    /// What became of its process.
    pub why: String,
}

/// Ours and somebody else's at one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct Row<'a> {
    /// Where they met.
    pub outcome: &'a Outcome,
    /// What is compared.
    pub metric: Metric,
    /// Which of ours.
    pub ours: &'a str,
    /// Who else.
    pub other: &'a Entry,
    /// Our figures.
    pub own: Spread,
    /// The other's figures.
    pub theirs: Spread,
    /// How much better ours is.
    pub advantage: Spread,
}

/// The rows of one metric of one case in which ours is behind.
pub struct Loss<'a> {
    /// Where.
    pub outcome: &'a Outcome,
    /// At what.
    pub metric: Metric,
    /// Our figures.
    pub own: Spread,
    /// Those who are ahead of us, the farthest first.
    pub behind: Vec<Row<'a>>,
}

/// Whom the others of a case are compared with: the first of its entries.
pub fn reference(outcome: &Outcome) -> &Entry {
    &outcome.entries[0]
}

/// Whether a figure of that unit is one to win or lose by; the others only explain.
pub fn is_compared(unit: Unit) -> bool {
    unit != Unit::Times
}

/// The rows of a case: everybody else's figures beside those of the reference.
pub fn rows(outcome: &Outcome) -> Vec<Row<'_>> {
    let ours = reference(outcome).name.as_str();
    let others = outcome.entries.iter().filter(|e| e.side != Side::Ours);
    let rows = others.flat_map(|other| {
        let compared = outcome.metrics.iter().enumerate();
        compared.filter_map(move |(at, metric)| {
            Some(Row {
                outcome,
                metric: *metric,
                ours,
                other,
                own: outcome.spread(ours, at)?,
                theirs: outcome.spread(&other.name, at)?,
                advantage: outcome.advantage(ours, &other.name, at)?,
            })
        })
    });
    rows.filter(|row| is_compared(row.metric.unit)).collect()
}

impl Report {
    /// Where ours is behind anybody on that side, the worst first.
    pub fn losses(&self, side: Side) -> Vec<Loss<'_>> {
        let all = self.outcomes.iter().flat_map(rows);
        let behind = all.filter(|row| row.other.side == side && row.advantage.median < 1.0);
        let mut losses: Vec<Loss<'_>> = Vec::new();
        for row in behind {
            let same = |loss: &&mut Loss<'_>| {
                std::ptr::eq(loss.outcome, row.outcome) && loss.metric == row.metric
            };
            match losses.iter_mut().find(same) {
                Some(loss) => loss.behind.push(row),
                None => losses.push(Loss {
                    outcome: row.outcome,
                    metric: row.metric,
                    own: row.own,
                    behind: vec![row],
                }),
            }
        }
        for loss in &mut losses {
            let by = |a: &Row<'_>, b: &Row<'_>| a.advantage.median.total_cmp(&b.advantage.median);
            loss.behind.sort_by(by);
        }
        let worst = |loss: &Loss<'_>| loss.behind[0].advantage.median;
        losses.sort_by(|a, b| worst(a).total_cmp(&worst(b)));
        losses
    }

    /// Who was wrong, where, and in what.
    pub fn wrong(&self) -> impl Iterator<Item = (&Outcome, &Entry, &str)> {
        self.entries()
            .filter_map(|(outcome, entry)| match &entry.fate {
                Fate::Wrong(what) => Some((outcome, entry, what.as_str())),
                Fate::Measured(_) | Fate::Cannot(_) => None,
            })
    }

    /// Who could not take part, where, and why not.
    pub fn unable(&self) -> impl Iterator<Item = (&Outcome, &Entry, &str)> {
        self.entries()
            .filter_map(|(outcome, entry)| match &entry.fate {
                Fate::Cannot(why) => Some((outcome, entry, why.as_str())),
                Fate::Measured(_) | Fate::Wrong(_) => None,
            })
    }

    fn entries(&self) -> impl Iterator<Item = (&Outcome, &Entry)> {
        let outcomes = self.outcomes.iter();
        outcomes.flat_map(|outcome| outcome.entries.iter().map(move |entry| (outcome, entry)))
    }
}

#[cfg(test)]
pub mod fixture {
    //! A report with everything that there can be in one.

    use super::*;

    /// A metric in that unit.
    pub fn metric(name: &'static str, unit: Unit) -> Metric {
        Metric { name, unit }
    }

    /// An entry with these rounds of figures.
    pub fn measured(name: &str, side: Side, rounds: &[&[f64]]) -> Entry {
        Entry {
            name: name.into(),
            side,
            fate: Fate::Measured(rounds.iter().map(|row| row.to_vec()).collect()),
        }
    }

    /// Two workloads: ours wins against transactions and loses against locks; one is wrong, one cannot, one never got
    /// through. A third workload did not finish.
    pub fn report() -> Report {
        let fate = |name: &str, fate| Entry {
            name: name.into(),
            side: Side::Other,
            fate,
        };
        let bank = Outcome {
            workload: "bank",
            name: "1024 accounts, 1 thread".into(),
            metrics: vec![metric("transfers", Unit::PerSecond)],
            entries: vec![
                measured("stm-core", Side::Ours, &[&[30e6], &[28e6], &[32e6]]),
                measured("fast-stm", Side::Transactions, &[&[3e6], &[2.8e6], &[4e6]]),
                measured(
                    "std Mutex in order",
                    Side::Other,
                    &[&[40e6], &[41e6], &[39e6]],
                ),
                fate("racy", Fate::Wrong("5 coins are missing".into())),
                fate("channels", Fate::Cannot("they do not compose".into())),
            ],
        };
        let pairs = Outcome {
            workload: "pairs",
            name: "2 threads".into(),
            metrics: vec![
                metric("p50", Unit::Nanoseconds),
                metric("runs", Unit::Times),
            ],
            entries: vec![
                measured("stm-core", Side::Ours, &[&[60.0, 1.0], &[61.0, 1.0]]),
                measured("slow", Side::Transactions, &[&[600.0, 9.0], &[610.0, 9.0]]),
                measured(
                    "never",
                    Side::Transactions,
                    &[&[f64::INFINITY, f64::NAN], &[f64::INFINITY, f64::NAN]],
                ),
            ],
        };
        Report {
            machine: Machine {
                processor: "Example CPU".into(),
                cores: 2,
                memory_gib: 24,
                compiler: "rustc 1.95.0".into(),
            },
            effort: Effort {
                rounds: 3,
                time: std::time::Duration::from_millis(100),
            },
            outcomes: vec![bank, pairs],
            unfinished: vec![Unfinished {
                workload: "lee",
                why: "its process ended with signal: 9 (SIGKILL) after 0 of 1 cases".into(),
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    #[test]
    fn losses_are_the_rows_below_one_of_their_side() {
        watched("losses_are_the_rows_below_one_of_their_side", || {
            let report = fixture::report();
            assert!(report.losses(Side::Transactions).is_empty());
            let losses = report.losses(Side::Other);
            assert_eq!(losses.len(), 1);
            let behind = &losses[0].behind;
            assert_eq!(behind.len(), 1);
            assert_eq!(behind[0].other.name, "std Mutex in order");
            assert_eq!(behind[0].advantage.median, 0.75);
        });
    }

    #[test]
    fn figures_that_only_explain_are_no_rows() {
        watched("figures_that_only_explain_are_no_rows", || {
            let report = fixture::report();
            let names: Vec<_> = rows(&report.outcomes[1])
                .iter()
                .map(|row| row.metric.name)
                .collect();
            assert_eq!(names, ["p50", "p50"]);
        });
    }

    #[test]
    fn who_is_wrong_or_unable_is_named() {
        watched("who_is_wrong_or_unable_is_named", || {
            let report = fixture::report();
            let wrong: Vec<_> = report
                .wrong()
                .map(|(_, e, what)| (&*e.name, what))
                .collect();
            assert_eq!(wrong, [("racy", "5 coins are missing")]);
            let unable: Vec<_> = report.unable().map(|(_, e, why)| (&*e.name, why)).collect();
            assert_eq!(unable, [("channels", "they do not compose")]);
        });
    }
}
