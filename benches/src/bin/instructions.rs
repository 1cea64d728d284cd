//! Counts the instructions that single operations take: a figure that a noisy machine cannot move.
//!
//! Valgrind's callgrind counts a run of each operation with so many rounds, and one with twice as many; the difference is what the
//! rounds took, without start and end. The counts are kept in `benches/instructions.txt`. An operation that takes
//! over 2 % more than is written there fails the check; whoever means it writes the new counts down and says why.
//!
//! ```text
//! cargo run --release -p stm-benches --bin instructions             compare with what is written down
//! cargo run --release -p stm-benches --bin instructions -- --write  write down
//! cargo run --release -p stm-benches --bin instructions -- --help
//! ```

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use stm_core::{TVar, atomically, check, snapshot};

const HELP: &str = "\
Counts the instructions of single operations by valgrind's callgrind.

usage: instructions [--write | --help]

  (nothing)  compare with benches/instructions.txt; exit code 1 if an operation takes over 2 % more
  --write    write the counts to benches/instructions.txt
  --help     this text
";

/// Rounds of the shorter run. The engine's own rare work, such as collecting garbage, comes round many times within it.
const ROUNDS: u64 = 20_000;

/// How much more is let pass, in parts of the count.
const MARGIN: f64 = 0.02;

/// A name and what it does, `rounds` times.
type Operation = (&'static str, fn(u64));

const OPERATIONS: [Operation; 17] = [
    ("empty transaction", |rounds| {
        for _ in 0..rounds {
            atomically(|_| Ok(()));
        }
    }),
    ("read", |rounds| {
        let x = TVar::new(1_i64);
        for _ in 0..rounds {
            black_box(atomically(|tx| x.read(tx)));
        }
    }),
    ("read, 16 variables", |rounds| {
        let all: Vec<_> = (0..16_i64).map(TVar::new).collect();
        for _ in 0..rounds {
            black_box(atomically(|tx| {
                all.iter().try_fold(0, |sum, x| Ok(sum + x.read(tx)?))
            }));
        }
    }),
    ("write", |rounds| {
        let x = TVar::new(1_i64);
        for n in 0..rounds as i64 {
            atomically(|tx| x.write(tx, n));
        }
    }),
    ("modify", |rounds| {
        let x = TVar::new(1_i64);
        for _ in 0..rounds {
            atomically(|tx| x.modify(tx, |n| n + 1));
        }
    }),
    ("modify, 16 variables", |rounds| {
        let all: Vec<_> = (0..16_i64).map(TVar::new).collect();
        for _ in 0..rounds {
            atomically(|tx| all.iter().try_for_each(|x| x.modify(tx, |n| n + 1)));
        }
    }),
    ("transfer", |rounds| {
        let (from, to) = (TVar::new(1_i64 << 40), TVar::new(0_i64));
        for _ in 0..rounds {
            black_box(atomically(|tx| {
                let balance = from.read(tx)?;
                if balance < 1 {
                    return Ok(false);
                }
                from.write(tx, balance - 1)?;
                to.modify(tx, |n| n + 1)?;
                Ok(true)
            }));
        }
    }),
    ("boxed read", |rounds| {
        let x = TVar::new([1_i64; 3]);
        for _ in 0..rounds {
            black_box(atomically(|tx| Ok(x.read_ref(tx)?[0])));
        }
    }),
    ("boxed write", |rounds| {
        let x = TVar::new([1_i64; 3]);
        for n in 0..rounds as i64 {
            atomically(|tx| x.write(tx, [n; 3]));
        }
    }),
    ("boxed update", |rounds| {
        let x = TVar::new([1_i64; 3]);
        for _ in 0..rounds {
            atomically(|tx| x.update(tx, |all| all[1] += 1));
        }
    }),
    ("load", |rounds| {
        let x = TVar::new(1_i64);
        for _ in 0..rounds {
            black_box(x.load());
        }
    }),
    ("store", |rounds| {
        let x = TVar::new(1_i64);
        for n in 0..rounds as i64 {
            x.store(n);
        }
    }),
    ("swap", |rounds| {
        let x = TVar::new(1_i64);
        for n in 0..rounds as i64 {
            black_box(x.swap(n));
        }
    }),
    ("snapshot of 16 variables", |rounds| {
        let all: Vec<_> = (0..16_i64).map(TVar::new).collect();
        for _ in 0..rounds {
            black_box(snapshot(|s| {
                all.iter().try_fold(0, |sum, x| Ok(sum + x.read(s)?))
            }));
        }
    }),
    ("or_else, second branch", |rounds| {
        let (first, second) = (TVar::new(0_i64), TVar::new(1_i64 << 40));
        for _ in 0..rounds {
            atomically(|tx| {
                let take = |x: &TVar<i64>, tx: &mut _| {
                    let n = x.read(tx)?;
                    check(n > 0)?;
                    x.write(tx, n - 1)
                };
                tx.or_else(|tx| take(&first, tx), |tx| take(&second, tx))
            });
        }
    }),
    ("commute", |rounds| {
        let x = TVar::new(0_i64);
        for _ in 0..rounds {
            atomically(|tx| x.commute(tx, |n| n + 1));
        }
    }),
    ("add", |rounds| {
        let x = TVar::new(0_i64);
        for _ in 0..rounds {
            atomically(|tx| x.add(tx, 1));
        }
    }),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args {
        [] => compare(),
        ["--write"] => write(),
        ["--help" | "-h"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        // What callgrind is given to run.
        ["--run", name, rounds] => run(name, rounds),
        _ => {
            eprint!("instructions: unknown arguments {args:?}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(name: &str, rounds: &str) -> ExitCode {
    let operation = OPERATIONS.iter().find(|(known, _)| *known == name);
    let (Some((_, operation)), Ok(rounds)) = (operation, rounds.parse()) else {
        eprintln!("instructions: no operation {name:?}, or {rounds:?} is no number of rounds");
        return ExitCode::from(2);
    };
    operation(rounds);
    ExitCode::SUCCESS
}

fn kept_in() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt")
}

fn compare() -> ExitCode {
    if !has_valgrind() {
        println!("instructions: skipped, for there is no valgrind here");
        return ExitCode::SUCCESS;
    }
    let path = kept_in();
    let kept = match std::fs::read_to_string(&path) {
        Ok(kept) => kept,
        Err(error) => {
            eprintln!(
                "instructions: {}: {error}; make it with --write",
                path.display()
            );
            return ExitCode::from(2);
        }
    };
    let mut worse = 0;
    println!("{:>9} {:>9} {:>7}  operation", "kept", "now", "");
    for (name, _) in OPERATIONS {
        let now = match count(name) {
            Ok(now) => now,
            Err(error) => return failed(&error),
        };
        let Some(before) = lookup(&kept, name) else {
            eprintln!("instructions: no count of {name:?} is kept; make one with --write");
            return ExitCode::from(2);
        };
        let change = now / before - 1.0;
        let verdict = match change {
            c if c > MARGIN => "  WORSE",
            c if c < -MARGIN => "  better: write it down with --write",
            _ => "",
        };
        worse += usize::from(change > MARGIN);
        println!(
            "{before:>9.1} {now:>9.1} {:>+6.1}%  {name}{verdict}",
            change * 100.0
        );
    }
    if worse > 0 {
        eprintln!("instructions: {worse} operations take over 2 % more than is written down");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn write() -> ExitCode {
    if !has_valgrind() {
        eprintln!("instructions: there is no valgrind here to count with; install it");
        return ExitCode::from(2);
    }
    let mut text = String::from(
        "# Instructions for each operation, by `cargo run --release -p stm-benches --bin instructions -- --write`.\n",
    );
    for (name, _) in OPERATIONS {
        match count(name) {
            Ok(count) => {
                println!("{count:>9.1}  {name}");
                writeln!(text, "{count:>9.1}  {name}").expect("a string takes everything");
            }
            Err(error) => return failed(&error),
        }
    }
    let path = kept_in();
    match std::fs::write(&path, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{}: {error}", path.display())),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("instructions: {why}");
    ExitCode::from(2)
}

/// The count of `name` in the text that is kept.
fn lookup(kept: &str, name: &str) -> Option<f64> {
    kept.lines().find_map(|line| {
        let (count, of) = line.trim().split_once("  ")?;
        (of == name).then(|| count.parse().ok())?
    })
}

fn has_valgrind() -> bool {
    let version = Command::new("valgrind").arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Instructions for one round of an operation.
fn count(name: &str) -> Result<f64, String> {
    let short = collected(name, ROUNDS)?;
    let long = collected(name, 2 * ROUNDS)?;
    Ok((long - short) / ROUNDS as f64)
}

/// What callgrind counts for a whole run.
fn collected(name: &str, rounds: u64) -> Result<f64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(this)
        .args(["--run", name, &rounds.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = said.lines().find_map(|line| {
        let (_, count) = line.split_once("Collected :")?;
        count.trim().parse().ok()
    });
    count
        .filter(|_| output.status.success())
        .ok_or_else(|| format!("callgrind gave no count for {name:?}:\n{said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_by_its_whole_name() {
        let kept = "# a comment\n    107.0  empty transaction\n     12.5  read\n    900.1  read, 16 variables\n";
        assert_eq!(lookup(kept, "read"), Some(12.5));
        assert_eq!(lookup(kept, "read, 16 variables"), Some(900.1));
        assert_eq!(lookup(kept, "write"), None);
    }

    #[test]
    fn each_operation_has_a_name_of_its_own_and_runs() {
        for (at, (name, operation)) in OPERATIONS.iter().enumerate() {
            assert!(
                OPERATIONS[..at].iter().all(|(other, _)| other != name),
                "{name}"
            );
            operation(3);
        }
    }
}
