//! The same bank on software transactional memory and on ordered mutexes, compared and audited.
//!
//! Start with `stm.rs`: the bank as one writes it with transactions; `ordered_mutexes.rs` and `condvars.rs` are
//! what it is up against. The rest is the experiment, from the inside to the outside: `bank.rs` says what a bank
//! does, `workload.rs` what threads do with it, `audit.rs` what can be wrong, `compare.rs` lets engines take turns,
//! `scenarios.rs` lists what is compared, `report.rs` prints it.
//!
//! A further model is a file of its own that implements the traits of `bank.rs`, and a line in `scenarios.rs`.
#![forbid(unsafe_code)]

mod audit;
mod bank;
#[cfg(test)]
mod broken;
mod compare;
mod condvars;
#[cfg(test)]
mod conformance;
mod options;
mod ordered_mutexes;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the commands that print reports come next")
)]
mod output;
mod report;
mod requests;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the commands that fill in reports come next")
)]
mod results;
mod scenarios;
mod shift;
mod stm;
mod watchdog;
mod workload;

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::Parser;

use crate::compare::{Scenario, Standing};
use crate::options::Options;

/// The exit code of a run in which money or an audit was wrong.
const BROKEN: u8 = 1;

fn main() -> ExitCode {
    let options = Options::parse();
    let scenarios = scenarios::scenarios(&options);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    announce(&options, &scenarios, cores);
    let results = run(scenarios, options.repeats);
    let printed = print(&options, cores, &results);
    eprint!("{}", report::disturbance(&results, cores));
    eprint!("{}", report::what_broke(&results));
    match printed {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("stm-bank-demo: the results could not be written: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::from(exit_code(&results)),
    }
}

/// What one should know before the figures come.
fn announce(options: &Options, scenarios: &[Scenario], cores: usize) {
    if cfg!(debug_assertions) {
        eprintln!(
            "warning: this is a debug build, its figures mean nothing; use cargo run --release"
        );
    }
    let busiest = scenarios.iter().map(Scenario::busy_threads).max();
    if let Some(threads) = busiest.filter(|&threads| threads > cores) {
        eprintln!(
            "warning: up to {threads} threads share {cores} cores, so the figures also show how the system \
             schedules them; lower --threads or --auditors"
        );
    }
    let turns: usize = scenarios.iter().map(|s| s.contenders.len()).sum();
    let each = scenarios
        .first()
        .map_or(Duration::ZERO, |s| s.round.timing.total());
    let seconds = (each * (turns * options.repeats) as u32).as_secs_f64();
    eprintln!("this takes about {:.0} s", seconds.ceil());
}

fn run(scenarios: Vec<Scenario>, repeats: usize) -> Vec<(Scenario, Vec<Standing>)> {
    let count = scenarios.len();
    let mut results = Vec::with_capacity(count);
    for (at, scenario) in scenarios.into_iter().enumerate() {
        eprintln!("[{}/{count}] {}", at + 1, scenario.name);
        let standings = scenario.compare(repeats);
        results.push((scenario, standings));
    }
    results
}

fn print(options: &Options, cores: usize, results: &[(Scenario, Vec<Standing>)]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} accounts, {cores} cores, rounds: {} of {:?}, seed {}\n",
        options.accounts, options.repeats, options.duration, options.seed
    )?;
    out.write_all(report::table(results).as_bytes())?;
    out.flush()
}

fn exit_code(results: &[(Scenario, Vec<Standing>)]) -> u8 {
    let mut standings = results.iter().flat_map(|(_, standings)| standings);
    if standings.all(|standing| standing.findings.is_ok()) {
        0
    } else {
        BROKEN
    }
}
