//! Every way to share state, side by side: one bank, the same requests, the same audits, and the truth about each.
//!
//! Start with `models/stm.rs`: the bank as one writes it with transactions; the other files in `models` are what it is
//! up against, a file each, the well-known wrong ones among them. The rest is the experiment, from the inside to the
//! outside: `bank.rs` says what a bank does and what it may claim, `workload` what threads do with it, `audit.rs` what can
//! be wrong, `compare.rs` lets models take turns, `scenarios.rs` lists what is compared, `summary.rs` turns figures into
//! results, `report.rs` prints them.
#![forbid(unsafe_code)]

mod audit;
mod bank;
#[cfg(test)]
mod broken;
mod calendar;
mod compare;
#[cfg(test)]
mod conformance;
mod explain;
mod guide;
mod interrupt;
mod list;
mod models;
mod options;
mod output;
mod progress;
mod report;
mod requests;
mod results;
mod scenarios;
mod session;
mod shift;
mod summary;
mod tour;
mod watchdog;
mod workload;

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::options::{Cli, Command};

/// The exit code of a run in which a model broke a claim.
const BROKEN: u8 = 1;

/// The exit code for what cannot be done as asked, and for results that cannot be written.
const USAGE: u8 = 2;

/// The exit code of a run that was interrupted.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let Cli { command, options } = Cli::parse();
    let alone = command.is_none() && env::args().len() == 1;
    let command = match command {
        None if alone && io::stdout().is_terminal() => Some(Command::Tour),
        command => command,
    };
    let done = match command {
        Some(Command::Tour) => {
            (options.prints_text("the tour")).map(|()| end(tour::tour(&options)))
        }
        Some(Command::List) => options
            .prints_text("list")
            .map(|()| print(&list::list(), 0)),
        Some(Command::Explain { model }) => options
            .prints_text("explain")
            .map(|()| print(&explain::explain(model), 0)),
        Some(Command::Guide) => guide::guide(&options).map(|(text, code)| print(&text, code)),
        command => session::run(command, &options).map(|(text, code)| print(&text, code)),
    };
    done.unwrap_or_else(|why| {
        eprintln!("error: {why}\n\nFor more information, try '--help'.");
        ExitCode::from(USAGE)
    })
}

/// Prints results.
fn print(text: &str, code: u8) -> ExitCode {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    end(written.map(|()| code))
}

/// The exit code, given how writing went.
fn end(written: io::Result<u8>) -> ExitCode {
    match written {
        // A reader such as `head` that has seen enough is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            eprintln!("stm-bank-demo: the results could not be written: {error}");
            ExitCode::from(USAGE)
        }
        Err(_) => ExitCode::SUCCESS,
        Ok(code) => ExitCode::from(code),
    }
}
