//! Records a random program, checks its history, and writes it down for Elle.
//!
//! ```text
//! cargo run --release -p stm-core --features history --example history -- --seed 1 --out history.edn
//! ```

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/histories/programs.rs"]
mod programs;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use programs::{Size, run};
use stm_core::diagnostics::history::Recording;
use stm_core::diagnostics::history::elle::{self, Attempts, Model};

const HELP: &str = "\
Records every attempt of a random program of transactions, checks that all of them together are opaque, and writes the
history down as EDN for Elle (https://github.com/jepsen-io/elle) or elle-cli.

USAGE: history [OPTIONS]

  --seed N       the program; how its threads interleave is up to the operating system   [1]
  --threads N    the most threads that it may have, 2 to 64                              [8]
  --calls N      calls of each thread                                                    [20]
  --out FILE     where the history goes; without it, it is only checked
  --model M      what the variables are to Elle: rw-register or list-append              [rw-register]
  --committed    tell the attempts that failed as failed, not as transactions that only read: strict
                 serializability then, instead of opacity
  --help         this

It exits with 0 if the history is opaque, with 1 if it is not, with 2 if it was called wrongly.
";

struct Options {
    seed: u64,
    size: Size,
    out: Option<PathBuf>,
    model: Model,
    attempts: Attempts,
}

/// What the arguments ask for; `None` for the help.
fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    fn number<N: FromStr>(option: &str, value: &str) -> Result<N, String> {
        let number = value.parse();
        number.map_err(|_| format!("{option} takes a number, and {value:?} is none"))
    }
    let mut options = Options {
        seed: 1,
        size: Size {
            threads: 8,
            calls: 20,
        },
        out: None,
        model: Model::RwRegister,
        attempts: Attempts::All,
    };
    while let Some(option) = args.next() {
        let mut value = || {
            let value = args.next();
            value.ok_or_else(|| format!("{option} takes a value"))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(None),
            "--seed" => options.seed = number(&option, &value()?)?,
            "--threads" => options.size.threads = number(&option, &value()?)?,
            "--calls" => options.size.calls = number(&option, &value()?)?,
            "--out" => options.out = Some(value()?.into()),
            "--committed" => options.attempts = Attempts::Committed,
            "--model" => {
                let name = value()?;
                let all = [Model::RwRegister, Model::ListAppend];
                let model = all.into_iter().find(|model| model.to_string() == name);
                options.model = model.ok_or_else(|| {
                    format!("--model takes rw-register or list-append, not {name:?}")
                })?;
            }
            _ => return Err(format!("{option:?} is no option")),
        }
    }
    if !(2..=64).contains(&options.size.threads) {
        return Err("--threads takes 2 to 64: one alone has no history to speak of".to_string());
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            let _ = std::io::stdout().write_all(HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("{wrong}; see --help");
            return ExitCode::from(2);
        }
    };
    let recording = Recording::start().expect("nothing else is recorded in this process");
    run(options.seed, options.size);
    let history = recording.stop();

    let checked = history.check();
    let mut report = match &checked {
        Ok(summary) => format!("opaque: {summary:?}\n"),
        Err(violation) => format!("NOT OPAQUE: {violation}"),
    };
    let mut exit = ExitCode::from(u8::from(checked.is_err()));
    if let Some(path) = &options.out {
        let written = elle::export(&history, options.model, options.attempts)
            .map_err(|_| "its values are in no order, so there is nothing to tell".to_string())
            .and_then(|edn| std::fs::write(path, edn).map_err(|error| error.to_string()));
        let path = path.display();
        match written {
            Ok(()) => report += &format!("written to {path}, to be read as {}\n", options.model),
            Err(why) => {
                eprintln!("cannot write the history to {path}: {why}");
                exit = ExitCode::from(2);
            }
        }
    }
    // Nobody may be there to read it any more.
    let _ = std::io::stdout().write_all(report.as_bytes());
    exit
}
