//! stm-core and stm-collections beside their peers: all contenders of a workload in one run, by turns, checked.
#![forbid(unsafe_code)]

mod audits;
mod interleave;
mod maps;
mod queues;

use std::process::ExitCode;
use std::time::Duration;

use interleave::Effort;

const HELP: &str = "\
Measures stm-core and stm-collections beside their peers.

usage: stm-peers [--quick] [WORKLOAD ...]

  WORKLOAD   audits   consistent sums beside a transferring thread: crates stm, fast-stm
             maps     TMap beside Mutex<HashMap>, DashMap, papaya and maps built on fast-stm
             queues   TQueue and TBQueue beside crossbeam's
             (all, if none is named)
  --quick    fewer and shorter rounds, under two minutes: for a look, not for figures

Only the ratios of one run count. Exits with 1 if anybody's results were wrong, 2 on bad usage.";

type Workload = (&'static str, fn(Effort) -> usize);

const WORKLOADS: [Workload; 3] = [
    ("audits", audits::run),
    ("maps", maps::run),
    ("queues", queues::run),
];

fn main() -> ExitCode {
    let mut effort = Effort {
        rounds: 7,
        time: Duration::from_millis(400),
    };
    let mut chosen = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "-h" | "--help" => {
                println!("{HELP}");
                return ExitCode::SUCCESS;
            }
            "--quick" => {
                effort = Effort {
                    rounds: 3,
                    time: Duration::from_millis(100),
                }
            }
            name => match WORKLOADS.iter().find(|(known, _)| *known == name) {
                Some(workload) => chosen.push(workload),
                None => {
                    eprintln!("stm-peers: there is no workload or option `{name}`\n\n{HELP}");
                    return ExitCode::from(2);
                }
            },
        }
    }
    if chosen.is_empty() {
        chosen.extend(&WORKLOADS);
    }
    let broken: usize = chosen.iter().map(|(_, run)| run(effort)).sum();
    if broken > 0 {
        eprintln!("{broken} results were wrong; their rates mean nothing");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
