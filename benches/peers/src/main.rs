//! stm-core and stm-collections beside their peers: all contenders of a workload in one process, by turns, checked.

mod adapters;
#[cfg(test)]
#[path = "../../../stm-core/tests/common/mod.rs"]
mod common;
mod maps;
mod memory;
mod options;
mod processes;
mod queues;
mod report;
mod workloads;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use stm_benches::measure::interleave::Outcome;

use options::{Mode, Options};
use processes::Event;
use report::machine::Machine;
use report::{Report, Unfinished, json, markdown, plots, table, targets};
use workloads::Workload;

fn main() -> ExitCode {
    let options = Options::parse();
    match options.mode() {
        Mode::BytesOf { name, wide } => match memory::probe(&name, wide) {
            Ok(bytes) => {
                println!("{bytes}");
                ExitCode::SUCCESS
            }
            Err(why) => {
                eprintln!("{why}");
                ExitCode::FAILURE
            }
        },
        Mode::WorkOn(name) => {
            let mut all = workloads::ALL.iter();
            let workload = all.find(|workload| workload.name == name);
            let workload = workload.expect("only names of workloads are accepted");
            match processes::work(options.cases(workload), options.effort()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    eprintln!("stm-peers: nobody listens to the figures of {name}: {why}");
                    ExitCode::FAILURE
                }
            }
        }
        Mode::List => {
            for workload in workloads::ALL {
                println!("{:14}{}", workload.name, workload.about);
                for case in (workload.cases)() {
                    println!(
                        "{:16}{}, {} contenders",
                        "",
                        case.name,
                        case.contenders.len()
                    );
                }
            }
            ExitCode::SUCCESS
        }
        Mode::Measure => measure(&options),
    }
}

fn measure(options: &Options) -> ExitCode {
    let mut chosen = options.chosen();
    chosen.retain(|workload| !options.cases(workload).is_empty());
    if chosen.is_empty() {
        eprintln!(
            "stm-peers: no case is left by --case and --contender; --list shows the cases, and their tables show the contenders"
        );
        return ExitCode::from(2);
    }
    let (outcomes, unfinished) = run(&chosen, options);
    let report = Report {
        machine: Machine::this(),
        effort: options.effort(),
        outcomes,
        unfinished,
    };
    print!("{}", table::losses(&report));
    println!();
    print!("{}", table::targets(&targets::compare(&report)));
    if let Some(folder) = options.folder() {
        if let Err(why) = write(&report, &chosen, &folder) {
            eprintln!(
                "stm-peers: the report cannot be written: {why}; name another folder with --out"
            );
            return ExitCode::FAILURE;
        }
        eprintln!("wrote measurements.md and the folder measurements");
    } else {
        eprintln!(
            "no files written: only a run of everything with the standard effort is for keeping, or name a folder with --out"
        );
    }
    let mut failed = ExitCode::SUCCESS;
    for (outcome, entry, what) in report.wrong() {
        eprintln!(
            "WRONG: {}: {}: {}: {what}",
            outcome.workload, outcome.name, entry.name
        );
        failed = ExitCode::FAILURE;
    }
    for unfinished in &report.unfinished {
        eprintln!("UNFINISHED: {}: {}", unfinished.workload, unfinished.why);
        failed = ExitCode::FAILURE;
    }
    failed
}

/// The outcomes of all, each of them in a process of its own, and which of them did not finish.
fn run(chosen: &[&Workload], options: &Options) -> (Vec<Outcome>, Vec<Unfinished>) {
    let effort = options.effort();
    let (mut outcomes, mut unfinished) = (Vec::new(), Vec::new());
    for (number, workload) in (1..).zip(chosen) {
        let cases = options.cases(workload);
        let mut progress = Progress::new(|case: usize| {
            format!(
                "[{number}/{}] {} {}/{}: {}",
                chosen.len(),
                workload.name,
                case + 1,
                cases.len(),
                cases[case].name
            )
        });
        let end = processes::worker(&options.passed_on(workload)).and_then(|worker| {
            processes::supervise(worker, &cases, |event| match event {
                Event::Turn { case, round, who } => {
                    progress.turn(case, &format!("round {round}/{}: {who}", effort.rounds));
                }
                Event::Done(outcome) => {
                    progress.clear();
                    println!("{}", table::case(&outcome));
                    outcomes.push(outcome);
                }
            })
        });
        progress.clear();
        if let Err(why) = end {
            eprintln!("UNFINISHED: {}: {why}", workload.name);
            unfinished.push(Unfinished {
                workload: workload.name,
                why,
            });
        }
    }
    (outcomes, unfinished)
}

/// Says on stderr what is being done: on a terminal every turn, in one line that changes; else every case, a line each.
struct Progress<P> {
    place: P,
    on_terminal: bool,
    last_case: Option<usize>,
}

impl<P: Fn(usize) -> String> Progress<P> {
    fn new(place: P) -> Self {
        Self {
            place,
            on_terminal: std::io::stderr().is_terminal(),
            last_case: None,
        }
    }

    fn turn(&mut self, case: usize, what: &str) {
        let is_new = self.last_case.replace(case) != Some(case);
        // A stderr that is gone takes nothing from the figures.
        let mut stderr = std::io::stderr();
        if self.on_terminal {
            let _ = write!(stderr, "\r\x1b[K{}, {what}", (self.place)(case));
            let _ = stderr.flush();
        } else if is_new {
            let _ = writeln!(stderr, "{}", (self.place)(case));
        }
    }

    fn clear(&self) {
        if self.on_terminal {
            eprint!("\r\x1b[K");
        }
    }
}

fn write(report: &Report, chosen: &[&Workload], folder: &Path) -> std::io::Result<()> {
    let plots_folder = folder.join(markdown::FOLDER);
    std::fs::create_dir_all(&plots_folder)?;
    std::fs::write(
        folder.join("measurements.md"),
        markdown::page(report, chosen),
    )?;
    std::fs::write(plots_folder.join("measurements.json"), json::text(report))?;
    for workload in chosen {
        let of_it = |outcome: &&Outcome| outcome.workload == workload.name;
        let outcomes: Vec<_> = report.outcomes.iter().filter(of_it).collect();
        if let Some(svg) = plots::workload(&outcomes) {
            std::fs::write(plots_folder.join(format!("{}.svg", workload.name)), svg)?;
        }
    }
    Ok(())
}
