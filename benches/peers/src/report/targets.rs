//! What was asked of the engine, as ratios of one run, and what was seen.

use stm_benches::measure::interleave::{Outcome, Side};
use stm_benches::measure::statistics::Spread;
use stm_benches::workloads::{bank, intset, vacation, wakeup};

use super::{Report, is_compared, numbers, reference};
use crate::adapters::std_mutex;

/// A bound for a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Not more.
    AtMost(f64),
    /// Not less.
    AtLeast(f64),
}

impl Bound {
    fn holds(self, ratio: f64) -> bool {
        match self {
            Self::AtMost(most) => ratio <= most,
            Self::AtLeast(least) => ratio >= least,
        }
    }

    /// As text.
    pub fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("at most {}", numbers::digits(most)),
            Self::AtLeast(least) => format!("at least {}", numbers::digits(least)),
        }
    }
}

/// How the ratio is made of a case's figures.
#[derive(Clone, Copy, Debug)]
enum Ratio {
    /// Our time, in units of theirs.
    TimeOf(&'static str),
    /// Our rate, in units of theirs.
    RateOf(&'static str),
    /// The time of one of ours, in units of another's of ours.
    Between(&'static str, &'static str),
    /// Our figure at one metric, in units of that at another one.
    Metrics(usize, usize),
}

struct Target {
    what: &'static str,
    workload: &'static str,
    case: &'static str,
    ratio: Ratio,
    bound: Bound,
}

const ORDERED: &str = std_mutex::NAME;
const BANK_1: &str = bank::CASES[0].0;
const BANK_2: &str = bank::CASES[1].0;
const BANK_8: &str = bank::CASES[2].0;

/// The case with all forms of ours.
const BOXED: &str = "all forms of ours, transfers between 1024 accounts, 1 thread";

const fn target(
    what: &'static str,
    (workload, case): (&'static str, &'static str),
    ratio: Ratio,
    bound: Bound,
) -> Target {
    Target {
        what,
        workload,
        case,
        ratio,
        bound,
    }
}

const TARGETS: [Target; 8] = [
    target(
        "a transfer, in units of ordered std mutexes'",
        ("bank", BANK_1),
        Ratio::TimeOf(ORDERED),
        Bound::AtMost(1.4),
    ),
    target(
        "the rate of transfers, in units of ordered std mutexes'",
        ("bank", BANK_2),
        Ratio::RateOf(ORDERED),
        Bound::AtLeast(0.55),
    ),
    target(
        "the rate of transfers, in units of ordered std mutexes'",
        ("bank", BANK_8),
        Ratio::RateOf(ORDERED),
        Bound::AtLeast(0.75),
    ),
    target(
        "the rate of transfers, in units of fast-stm's",
        ("bank", BANK_1),
        Ratio::RateOf("fast-stm"),
        Bound::AtLeast(7.0),
    ),
    target(
        "the rate of transfers, in units of fast-stm's",
        ("bank", BANK_2),
        Ratio::RateOf("fast-stm"),
        Bound::AtLeast(5.0),
    ),
    target(
        "a transfer of strings, in units of one of i64",
        ("boxed", BOXED),
        Ratio::Between("stm-core, String", "stm-core, i64"),
        Bound::AtMost(3.0),
    ),
    target(
        "a turn, in units of Condvar's",
        ("wakeup", wakeup::THREADS),
        Ratio::TimeOf("Condvar"),
        Bound::AtMost(1.5),
    ),
    target(
        "an access of 65536, in units of one of 16",
        ("big", stm_benches::workloads::big::CASE),
        Ratio::Metrics(4, 1),
        Bound::AtMost(4.0),
    ),
];

/// The workloads in which ours is to be ahead of all other transactions, at every metric of every case.
fn to_be_ahead_in() -> impl Iterator<Item = (&'static str, &'static str)> {
    let audits = bank::AUDITS.iter().map(|(case, _)| ("audits", *case));
    let vacation = vacation::CASES.iter().map(|(case, _)| ("vacation", *case));
    let intset = intset::CASES.iter().map(|(case, ..)| ("intset", *case));
    audits.chain(vacation).chain(intset)
}

/// A target beside what was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// What the ratio is of.
    pub what: String,
    /// Where.
    pub case: String,
    /// What was asked.
    pub asked: Bound,
    /// What was seen; `None` if the case was not run, or one of the two has no figures.
    pub seen: Option<Spread>,
}

impl Seen {
    /// Whether the median is as was asked.
    pub fn is_met(&self) -> Option<bool> {
        self.seen.map(|seen| self.asked.holds(seen.median))
    }

    /// Whether it is, in a word.
    pub fn verdict(&self) -> &'static str {
        match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        }
    }
}

/// All targets beside what the report has of them.
pub fn compare(report: &Report) -> Vec<Seen> {
    let find = |workload: &str, case: &str| {
        let mut all = report.outcomes.iter();
        all.find(|outcome| outcome.workload == workload && outcome.name == case)
    };
    let single = TARGETS.iter().map(|target| Seen {
        what: target.what.into(),
        case: format!("{}: {}", target.workload, target.case),
        asked: target.bound,
        seen: find(target.workload, target.case).and_then(|outcome| target.ratio.of(outcome)),
    });
    let ahead = to_be_ahead_in().map(|(workload, case)| {
        let least = find(workload, case).and_then(least_advantage);
        let what = match &least {
            Some((who, _)) => format!("ahead of all other transactions; nearest: {who}"),
            None => "ahead of all other transactions".into(),
        };
        Seen {
            what,
            case: format!("{workload}: {case}"),
            asked: Bound::AtLeast(1.0),
            seen: least.map(|(_, spread)| spread),
        }
    });
    single.chain(ahead).collect()
}

impl Ratio {
    fn of(self, outcome: &Outcome) -> Option<Spread> {
        let ours = reference(outcome).name.as_str();
        match self {
            Self::TimeOf(theirs) => outcome.advantage(theirs, ours, 0),
            Self::RateOf(theirs) => outcome.advantage(ours, theirs, 0),
            Self::Between(one, other) => outcome.advantage(other, one, 0),
            Self::Metrics(one, other) => {
                let rounds = outcome.rounds_of(ours)?.iter();
                Spread::of(rounds.map(|figures| figures[one] / figures[other]))
            }
        }
    }
}

/// The least advantage over any other transactions at any metric, with who and what it is.
fn least_advantage(outcome: &Outcome) -> Option<(String, Spread)> {
    let ours = reference(outcome).name.as_str();
    let others = outcome.entries.iter();
    let others = others.filter(|entry| entry.side == Side::Transactions);
    let all = others.flat_map(|other| {
        let metrics = outcome.metrics.iter().enumerate();
        let compared = metrics.filter(|(_, metric)| is_compared(metric.unit));
        compared.filter_map(|(at, metric)| {
            let advantage = outcome.advantage(ours, &other.name, at)?;
            Some((format!("{} at {}", other.name, metric.name), advantage))
        })
    });
    all.min_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::report::fixture;

    fn seen(case: &str, what: &str) -> Seen {
        let all = compare(&fixture::report());
        let mut fitting = all
            .into_iter()
            .filter(|seen| seen.case.contains(case) && seen.what.contains(what));
        fitting.next().expect("there is such a target")
    }

    #[test]
    fn a_time_is_the_inverse_of_a_rate() {
        watched("a_time_is_the_inverse_of_a_rate", || {
            let mutexes = seen(BANK_1, "mutexes");
            let ratio = mutexes.seen.expect("both were measured").median;
            assert!((ratio - 4.0 / 3.0).abs() < 1e-9, "{ratio}");
            assert_eq!(mutexes.verdict(), "met");
            let fast = seen(BANK_1, "fast-stm");
            assert_eq!(fast.seen.map(|s| s.median), Some(10.0));
            assert_eq!(fast.verdict(), "met");
        });
    }

    #[test]
    fn what_was_not_run_is_said_to_be_open() {
        watched("what_was_not_run_is_said_to_be_open", || {
            assert_eq!(seen("wakeup", "Condvar").verdict(), "not measured");
        });
    }

    #[test]
    fn a_missed_target_is_missed() {
        watched("a_missed_target_is_missed", || {
            let missed = Seen {
                asked: Bound::AtMost(1.0),
                ..seen(BANK_1, "mutexes")
            };
            assert_eq!(missed.verdict(), "MISSED");
        });
    }

    #[test]
    fn every_target_s_case_exists() {
        watched("every_target_s_case_exists", || {
            let cases: Vec<String> = crate::workloads::ALL
                .iter()
                .flat_map(|workload| (workload.cases)())
                .map(|case| format!("{}: {}", case.workload, case.name))
                .collect();
            for seen in compare(&fixture::report()) {
                assert!(cases.contains(&seen.case), "{}", seen.case);
            }
        });
    }
}
