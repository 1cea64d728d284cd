//! The program from outside: what it prints where, and its exit codes.

mod forms;
mod results;
#[cfg(unix)]
mod stopping;
mod usage;

use std::time::Duration;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;

/// Beyond this a run hangs: all of them are tiny, and the program's own watchdog is far quicker.
const LIMIT: Duration = Duration::from_secs(60);

/// How a run has ended.
#[derive(Debug)]
struct Run {
    /// `None` if it had to be killed.
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program to its end, or kills it at the limit.
fn run(args: &[&str]) -> Run {
    run_within(LIMIT, args)
}

fn run_within(limit: Duration, args: &[&str]) -> Run {
    let output = Command::new(cargo_bin!("stm-bank-demo"))
        .args(args)
        .timeout(limit)
        .output()
        .expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("the program writes text");
    Run {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A run of all scenarios that takes a moment.
const TINY: [&str; 6] = ["--accounts", "16", "--duration", "5ms", "--repeats", "2"];

fn tiny(more: &[&str]) -> Run {
    run(&[&TINY, more].concat())
}

/// The line of a model.
fn row<'a>(stdout: &'a str, model: &str) -> &'a str {
    let of_model = |line: &&str| line.split_whitespace().next() == Some(model);
    let row = stdout.lines().find(of_model);
    row.unwrap_or_else(|| panic!("no {model} in\n{stdout}"))
}
