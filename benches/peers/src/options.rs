//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use stm_benches::measure::interleave::{Case, Effort};

use crate::processes;
use crate::workloads::{self, Workload};

/// How much a standard run measures: everything takes some ten minutes.
const STANDARD: Effort = Effort {
    rounds: 7,
    time: Duration::from_millis(120),
};
/// How much is enough for a look: everything takes less than two minutes.
const QUICK: Effort = Effort {
    rounds: 3,
    time: Duration::from_millis(20),
};

const AFTER_HELP: &str = "\
Each workload runs in a process of its own, where the contenders take turns, round by round; ratios are medians of the rounds' ratios,
with their range. A run of everything with the standard effort takes some ten minutes and writes docs/measurements.md, with its plots
and JSON; other runs write only where --out says. Exits with 1 if anybody's results were wrong or a workload did not finish, with 2
on bad usage.";

/// Measures stm-core and stm-collections beside their peers, and checks all results.
#[derive(Debug, Parser)]
#[command(name = "stm-peers", after_help = AFTER_HELP)]
pub struct Options {
    /// What to run; all, if none is named (see --list)
    #[arg(value_name = "WORKLOAD", value_parser = names())]
    workloads: Vec<String>,
    /// Shorter and fewer turns: for a look, not for figures
    #[arg(long)]
    quick: bool,
    /// How many rounds of turns
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// How many milliseconds a turn takes
    #[arg(long, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    turn: Option<u32>,
    /// A folder for measurements.md and its plots and JSON
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Only cases with TEXT in their names
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// Only contenders of that name: for a profiler, since nobody is left to be compared with
    #[arg(long, value_name = "NAME")]
    contender: Option<String>,
    /// Says what there is to run, and runs nothing
    #[arg(long)]
    list: bool,
    /// With which this program starts itself for each workload
    #[arg(long, hide = true, value_name = "WORKLOAD", value_parser = names(), conflicts_with = "workloads")]
    work_on: Option<String>,
    /// With which it starts itself to measure memory
    #[arg(long, hide = true, value_name = "CONTENDER")]
    bytes_of: Option<String>,
    /// See `bytes_of`
    #[arg(long, hide = true, requires = "bytes_of")]
    wide: bool,
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(workloads::ALL.iter().map(|workload| workload.name))
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Mode {
    /// Print the memory of a variable of that contender.
    BytesOf {
        /// Whose.
        name: String,
        /// Whether it holds 200 bytes.
        wide: bool,
    },
    /// Measure that workload for the process that has started this one.
    WorkOn(String),
    /// Print what there is.
    List,
    /// Measure.
    Measure,
}

impl Options {
    /// What is to be done.
    pub fn mode(&self) -> Mode {
        match (&self.bytes_of, &self.work_on) {
            (Some(name), _) => Mode::BytesOf {
                name: name.clone(),
                wide: self.wide,
            },
            (None, Some(name)) => Mode::WorkOn(name.clone()),
            (None, None) if self.list => Mode::List,
            (None, None) => Mode::Measure,
        }
    }

    /// What is to be measured, in the order of the list, each once.
    pub fn chosen(&self) -> Vec<&'static Workload> {
        let named = |workload: &&Workload| {
            self.workloads.is_empty() || self.workloads.iter().any(|name| name == workload.name)
        };
        workloads::ALL.iter().filter(named).collect()
    }

    /// The cases of `workload` that are to be measured, with those who are to take part.
    pub fn cases(&self, workload: &Workload) -> Vec<Case<'static>> {
        let mut cases = (workload.cases)();
        if let Some(text) = &self.case {
            cases.retain(|case| case.name.contains(text));
        }
        if let Some(name) = &self.contender {
            for case in &mut cases {
                case.contenders.retain(|who| who.name() == name);
            }
            cases.retain(|case| !case.contenders.is_empty());
        }
        cases
    }

    /// The arguments with which this program, started again, measures the same of `workload`.
    pub fn passed_on(&self, workload: &Workload) -> Vec<String> {
        let effort = self.effort();
        let also = [("case", &self.case), ("contender", &self.contender)];
        let mut arguments = vec![
            format!("{}={}", processes::FLAG, workload.name),
            format!("--rounds={}", effort.rounds),
            format!("--turn={}", effort.time.as_millis()),
        ];
        arguments.extend(
            also.into_iter()
                .filter_map(|(flag, value)| Some(format!("--{flag}={}", value.as_ref()?))),
        );
        arguments
    }

    /// How much is to be measured.
    pub fn effort(&self) -> Effort {
        let base = if self.quick { QUICK } else { STANDARD };
        Effort {
            rounds: self.rounds.map_or(base.rounds, |rounds| rounds as usize),
            time: self
                .turn
                .map_or(base.time, |ms| Duration::from_millis(ms.into())),
        }
    }

    /// Where to write: where it was said, or where the figures that are kept are, if these are worth it.
    pub fn folder(&self) -> Option<PathBuf> {
        let effort = self.effort();
        let is_for_keeping = self.workloads.is_empty()
            && self.case.is_none()
            && self.contender.is_none()
            && effort.rounds >= STANDARD.rounds
            && effort.time >= STANDARD.time;
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let kept = is_for_keeping.then_some(docs);
        self.out.clone().or(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    fn parse(arguments: &[&str]) -> Options {
        Options::try_parse_from([&["stm-peers"], arguments].concat()).expect("good usage")
    }

    #[test]
    fn everything_is_chosen_if_nothing_is_named() {
        watched("everything_is_chosen_if_nothing_is_named", || {
            assert_eq!(parse(&[]).chosen().len(), workloads::ALL.len());
            let chosen = parse(&["maps", "bank", "maps"]).chosen();
            let names: Vec<_> = chosen.iter().map(|workload| workload.name).collect();
            assert_eq!(names, ["bank", "maps"]);
        });
    }

    #[test]
    fn only_a_whole_run_with_all_its_effort_replaces_the_figures_that_are_kept() {
        watched(
            "only_a_whole_run_with_all_its_effort_replaces_the_figures_that_are_kept",
            || {
                assert!(parse(&[]).folder().is_some());
                assert!(parse(&["--rounds", "9"]).folder().is_some());
                for partial in [
                    &["bank"][..],
                    &["--quick"],
                    &["--rounds", "3"],
                    &["--turn", "5"],
                    &["--case", "1 thread"],
                    &["--contender", "stm-core"],
                ] {
                    assert!(parse(partial).folder().is_none(), "{partial:?}");
                }
                let named = parse(&["--quick", "--out", "elsewhere"]).folder();
                assert_eq!(named, Some("elsewhere".into()));
            },
        );
    }

    #[test]
    fn a_worker_measures_what_its_parent_was_told_to() {
        watched("a_worker_measures_what_its_parent_was_told_to", || {
            let told = [
                "bank",
                "--rounds=9",
                "--turn=7",
                "--case=1 thread",
                "--contender=stm",
            ];
            let parent = parse(&told);
            let bank = parent.chosen()[0];
            let passed = parent.passed_on(bank);
            let worker = parse(&passed.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(worker.mode(), Mode::WorkOn("bank".into()));
            assert_eq!(worker.effort(), parent.effort());
            let shown = |options: &Options| format!("{:?}", options.cases(bank));
            assert_eq!(shown(&worker), shown(&parent));
            let cases = parent.cases(bank);
            assert!(!cases.is_empty() && cases.len() < (bank.cases)().len());
            for case in cases {
                assert!(case.name.contains("1 thread"), "{}", case.name);
                assert_eq!(case.contenders.len(), 1);
                assert_eq!(case.contenders[0].name(), "stm");
            }
        });
    }

    #[test]
    fn bad_usage_says_what_to_do() {
        watched("bad_usage_says_what_to_do", || {
            for (bad, advice) in [
                (&["bnak"][..], "a similar value exists: 'bank'"),
                (&["--rounds", "0"], "0 is not in 1..=1000"),
                (&["--rounds"], "a value is required"),
            ] {
                let error = Options::try_parse_from([&["stm-peers"], bad].concat());
                let text = error.expect_err("bad usage").to_string();
                assert!(text.contains(advice), "{text}");
            }
        });
    }
}
