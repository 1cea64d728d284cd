//! stm-core and stm-collections beside their peers: all contenders of a workload in one run, by turns, checked.

mod adapters;
#[cfg(test)]
#[path = "../../../stm-core/tests/common/mod.rs"]
mod common;
mod maps;
mod memory;
mod options;
mod queues;
mod report;
mod workloads;

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use stm_benches::measure::interleave::Outcome;

use options::{Mode, Options};
use report::machine::Machine;
use report::{Report, json, markdown, plots, table, targets};
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
    let chosen = options.chosen();
    let report = Report {
        machine: Machine::this(),
        effort: options.effort(),
        outcomes: run(&chosen, options),
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
    failed
}

fn run(chosen: &[&Workload], options: &Options) -> Vec<Outcome> {
    let effort = options.effort();
    let mut stderr = std::io::stderr();
    let on_terminal = stderr.is_terminal();
    let mut outcomes = Vec::new();
    for (number, workload) in (1..).zip(chosen) {
        let cases = (workload.cases)();
        let count = cases.len();
        for (at, case) in (1..).zip(cases) {
            let place = format!(
                "[{number}/{}] {} {at}/{count}: {}",
                chosen.len(),
                workload.name,
                case.name
            );
            if !on_terminal {
                eprintln!("{place}");
            }
            let outcome = case.measure(effort, |round, who| {
                if on_terminal {
                    // A terminal that is gone takes nothing from the figures.
                    let _ = write!(
                        stderr,
                        "\r\x1b[K{place}, round {round}/{}: {who}",
                        effort.rounds
                    );
                    let _ = stderr.flush();
                }
            });
            if on_terminal {
                eprint!("\r\x1b[K");
            }
            println!("{}", table::case(&outcome));
            outcomes.push(outcome);
        }
    }
    outcomes
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
