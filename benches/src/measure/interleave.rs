//! Measuring on a machine that others use, too: the contenders take turns, and only their ratios within a round count.
//!
//! Measured one after the other, each contender would have a machine of its own, with other neighbours, another clock rate and
//! another temperature, and the quotient of two figures would be as much about these as about the contenders. So each round lets
//! everybody run once, briefly; a ratio is made of two figures of the same round; and what is shown is the median of the rounds'
//! ratios and their range. Who begins moves on by one each round, so that nobody always runs in the wake of the same neighbour.
//!
//! Invariants:
//!
//! - T1  A contender's figures of round `r` stand at index `r`, for all contenders alike: ratios pair what ran side by side.
//! - T2  Whoever was found wrong once, in whatever round, has no figures at all.
//!
//! ```
//! use std::time::Duration;
//! use stm_benches::measure::interleave::{Case, Contender, Effort, Fate, Metric, Unit};
//!
//! let case = Case {
//!     workload: "example",
//!     name: "constants".into(),
//!     metrics: vec![Metric { name: "steps", unit: Unit::PerSecond }],
//!     contenders: vec![
//!         Contender::new("ours", |_turn| Ok(vec![20.0])),
//!         Contender::new("theirs", |_turn| Ok(vec![10.0])),
//!         Contender::new("wrong", |_turn| Err("a coin is missing".into())),
//!         Contender::cannot("unable", "nothing undoes"),
//!     ],
//! };
//! let effort = Effort { rounds: 3, time: Duration::from_millis(1) };
//! let outcome = case.measure(effort, |_round, _who| {});
//! let ahead = outcome.advantage("ours", "theirs", 0).expect("both have figures");
//! assert_eq!(ahead.median, 2.0);
//! assert_eq!(outcome.entries[2].fate, Fate::Wrong("a coin is missing".into()));
//! ```

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::engine::Ability;
use crate::measure::statistics::Spread;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Effort {
    /// How often everybody has a turn.
    pub rounds: usize,
    /// How long a turn is.
    pub time: Duration,
}

/// What a figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// What is counted.
    pub name: &'static str,
    /// In what.
    pub unit: Unit,
}

/// The unit of a figure, which says also which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// The more, the better.
    PerSecond,
    /// The less, the better.
    Nanoseconds,
    /// The less, the better.
    Bytes,
    /// A number of attempts: the less, the better.
    Times,
}

impl Unit {
    /// How much better `own` is than `other`: above 1 if it is.
    #[must_use]
    pub fn advantage(self, own: f64, other: f64) -> f64 {
        match self {
            Self::PerSecond => own / other,
            Self::Nanoseconds | Self::Bytes | Self::Times => other / own,
        }
    }
}

/// Whose a contender is: what it is compared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Ours.
    Ours,
    /// Somebody else's transactions, which promise the same.
    Transactions,
    /// Locks, atomics and ready-made structures, which promise less and are the limit of what can be reached.
    Other,
}

/// What a turn gave: a figure for each metric, or what its check found wrong.
pub type Turn = Result<Vec<f64>, String>;

type Run<'a> = Box<dyn FnMut(Duration) -> Turn + 'a>;

/// One who is measured.
pub struct Contender<'a> {
    name: String,
    side: Side,
    run: Result<Run<'a>, String>,
}

impl std::fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contender")
            .field("name", &self.name)
            .field("cannot", &self.run.as_ref().err())
            .finish()
    }
}

impl<'a> Contender<'a> {
    /// `run` takes a turn of that length, checks what came of it, and gives its figures in the order of the case's metrics. What it
    /// needs it makes at its first turn.
    pub fn new(name: impl Into<String>, run: impl FnMut(Duration) -> Turn + 'a) -> Self {
        Self {
            name: name.into(),
            side: Side::Other,
            run: Ok(Box::new(run)),
        }
    }

    /// One who cannot take part: `why` completes "cannot, because ..".
    pub fn cannot(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            side: Side::Other,
            run: Err(why.into()),
        }
    }

    /// Takes part as `then` says, if it is able to.
    pub fn able(name: &str, ability: Ability, then: impl FnOnce(&str) -> Self) -> Self {
        match ability {
            Ok(()) => then(name),
            Err(why) => Self::cannot(name, why),
        }
    }

    /// The same on that side; it is [`Side::Other`] if nothing is said.
    #[must_use]
    pub fn on(mut self, side: Side) -> Self {
        self.side = side;
        self
    }

    /// Under which it appears.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whose it is.
    #[must_use]
    pub fn side(&self) -> Side {
        self.side
    }

    fn turn(&mut self, time: Duration) -> Option<Turn> {
        let run = self.run.as_mut().ok()?;
        let turn = catch_unwind(AssertUnwindSafe(|| run(time)));
        Some(turn.unwrap_or_else(|panic| Err(format!("it panicked: {}", text_of(&*panic)))))
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "with something that is no text",
    }
}

/// Who is measured doing what.
#[derive(Debug)]
pub struct Case<'a> {
    /// The workload that it belongs to.
    pub workload: &'static str,
    /// What distinguishes it from the workload's other cases.
    pub name: String,
    /// What each turn gives.
    pub metrics: Vec<Metric>,
    /// Those who take turns.
    pub contenders: Vec<Contender<'a>>,
}

/// How a contender fared.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// Its figures, a row for each round, a column for each metric.
    Measured(Vec<Vec<f64>>),
    /// What it got wrong; what it did before that does not count (T2).
    Wrong(String),
    /// Why it could not take part.
    Cannot(String),
}

/// A contender's name and fate.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Under which it appears.
    pub name: String,
    /// Whose it is.
    pub side: Side,
    /// How it fared.
    pub fate: Fate,
}

/// What a case came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// As in the [`Case`].
    pub workload: &'static str,
    /// As in the [`Case`].
    pub name: String,
    /// As in the [`Case`].
    pub metrics: Vec<Metric>,
    /// In the order of the contenders.
    pub entries: Vec<Entry>,
}

impl Case<'_> {
    /// Lets everybody have their turns: first a short one that is checked and not counted, then as `effort` says. `watch` hears of
    /// each turn before it begins: the round (0 is the first, short one) and who.
    #[must_use]
    pub fn measure(mut self, effort: Effort, mut watch: impl FnMut(usize, &str)) -> Outcome {
        let count = self.contenders.len();
        let mut entries: Vec<Entry> = (self.contenders.iter())
            .map(|contender| Entry {
                name: contender.name.clone(),
                side: contender.side,
                fate: match &contender.run {
                    Ok(_) => Fate::Measured(Vec::new()),
                    Err(why) => Fate::Cannot(why.clone()),
                },
            })
            .collect();
        for round in 0..=effort.rounds {
            let time = if round == 0 {
                effort.time / 4
            } else {
                effort.time
            };
            for place in 0..count {
                let who = (round + place) % count;
                let Fate::Measured(rows) = &mut entries[who].fate else {
                    continue;
                };
                watch(round, &self.contenders[who].name);
                match self.contenders[who].turn(time) {
                    Some(Ok(row)) if round > 0 => rows.push(row),
                    Some(Ok(_)) | None => {}
                    Some(Err(what)) => entries[who].fate = Fate::Wrong(what),
                }
            }
        }
        Outcome {
            workload: self.workload,
            name: self.name,
            metrics: self.metrics,
            entries,
        }
    }
}

impl Outcome {
    /// The rounds of a contender, if it has figures.
    #[must_use]
    pub fn rounds_of(&self, name: &str) -> Option<&[Vec<f64>]> {
        let entry = self.entries.iter().find(|entry| entry.name == name)?;
        match &entry.fate {
            Fate::Measured(rows) => Some(rows),
            Fate::Wrong(_) | Fate::Cannot(_) => None,
        }
    }

    /// A contender's figures for one metric.
    #[must_use]
    pub fn spread(&self, name: &str, metric: usize) -> Option<Spread> {
        Spread::of(self.rounds_of(name)?.iter().map(|row| row[metric]))
    }

    /// How much better `own` is than `other` at one metric, of the rounds' ratios (T1): above 1 if it is.
    #[must_use]
    pub fn advantage(&self, own: &str, other: &str, metric: usize) -> Option<Spread> {
        let (own, other) = (self.rounds_of(own)?, self.rounds_of(other)?);
        let unit = self.metrics[metric].unit;
        let ratios = own.iter().zip(other);
        Spread::of(
            ratios
                .map(|(own, other)| unit.advantage(own[metric], other[metric]))
                .filter(|ratio| !ratio.is_nan()),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::common::watched;

    const RATE: Metric = Metric {
        name: "steps",
        unit: Unit::PerSecond,
    };
    const EFFORT: Effort = Effort {
        rounds: 4,
        time: Duration::from_millis(1),
    };

    fn case(contenders: Vec<Contender<'_>>) -> Case<'_> {
        Case {
            workload: "test",
            name: "case".into(),
            metrics: vec![RATE],
            contenders,
        }
    }

    #[test]
    fn each_round_everybody_runs_once_and_another_begins() {
        watched("each_round_everybody_runs_once_and_another_begins", || {
            let turns = RefCell::new(Vec::new());
            let who = |name: &'static str| {
                let turns = &turns;
                Contender::new(name, move |_| {
                    turns.borrow_mut().push(name);
                    Ok(vec![1.0])
                })
            };
            let mut heard = Vec::new();
            let outcome = case(vec![who("a"), who("b"), who("c")])
                .measure(EFFORT, |round, name| heard.push((round, name.to_owned())));
            let rounds: Vec<_> = turns.borrow().chunks(3).map(|r| r.concat()).collect();
            assert_eq!(rounds, ["abc", "bca", "cab", "abc", "bca"]);
            assert_eq!(heard.len(), 15);
            for name in ["a", "b", "c"] {
                let rounds = outcome.rounds_of(name).map(<[_]>::len);
                assert_eq!(rounds, Some(4), "the short round does not count");
            }
        });
    }

    #[test]
    fn ratios_are_made_of_figures_of_the_same_round() {
        watched("ratios_are_made_of_figures_of_the_same_round", || {
            // The machine slows down by half each round; the contenders do not change.
            let slowing = |start: f64| {
                let mut rate = start;
                move |_| {
                    rate /= 2.0;
                    Ok(vec![rate])
                }
            };
            let outcome = case(vec![
                Contender::new("ours", slowing(300.0)),
                Contender::new("theirs", slowing(100.0)),
            ])
            .measure(EFFORT, |_, _| {});
            let ratio = outcome.advantage("ours", "theirs", 0).expect("both ran");
            assert_eq!((ratio.min, ratio.median, ratio.max), (3.0, 3.0, 3.0));
            let ours = outcome.spread("ours", 0).expect("it ran");
            assert!(ours.max > 2.0 * ours.min, "the rates did vary");
        });
    }

    #[test]
    fn who_is_wrong_once_has_no_figures() {
        watched("who_is_wrong_once_has_no_figures", || {
            let mut turns = 0;
            let outcome = case(vec![
                Contender::new("wrong in the third", |_| {
                    turns += 1;
                    if turns == 3 {
                        return Err("5 coins are missing".into());
                    }
                    Ok(vec![1e9])
                }),
                Contender::new("panics", |_| panic!("half a commit")),
                Contender::new("right", |_| Ok(vec![1.0])),
            ])
            .measure(EFFORT, |_, _| {});
            assert_eq!(turns, 3, "it has no more turns");
            let fates: Vec<_> = outcome.entries.iter().map(|e| e.fate.clone()).collect();
            assert_eq!(fates[0], Fate::Wrong("5 coins are missing".into()));
            assert_eq!(fates[1], Fate::Wrong("it panicked: half a commit".into()));
            assert_eq!(fates[2], Fate::Measured(vec![vec![1.0]; 4]));
            assert!(outcome.advantage("right", "panics", 0).is_none());
        });
    }

    #[test]
    fn who_cannot_says_why_and_has_no_turn() {
        watched("who_cannot_says_why_and_has_no_turn", || {
            let unable = Contender::able("lock", Err("nothing undoes"), |name| {
                Contender::new(name, |_| unreachable!("it is not able to"))
            });
            let outcome = case(vec![unable]).measure(EFFORT, |_, _| unreachable!("nobody runs"));
            assert_eq!(
                outcome.entries[0].fate,
                Fate::Cannot("nothing undoes".into())
            );
        });
    }

    #[test]
    fn less_time_and_fewer_bytes_are_an_advantage() {
        watched("less_time_and_fewer_bytes_are_an_advantage", || {
            assert_eq!(Unit::PerSecond.advantage(10.0, 5.0), 2.0);
            assert_eq!(Unit::Nanoseconds.advantage(10.0, 5.0), 0.5);
            assert_eq!(Unit::Bytes.advantage(16.0, 48.0), 3.0);
        });
    }
}
