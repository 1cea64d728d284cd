//! stm-core and stm-collections beside their peers: all contenders of a workload in one run, by turns, checked.

mod adapters;
mod maps;
mod memory;
mod queues;
mod workloads;

use std::process::ExitCode;
use std::time::Duration;

use stm_benches::measure::interleave::{Effort, Fate};

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    if let Some(name) = chosen.first().and_then(|a| a.strip_prefix("--bytes-of=")) { println!("{}", memory::probe(name, chosen.len() > 1).unwrap()); return ExitCode::SUCCESS; }
    let effort = Effort { rounds: 3, time: Duration::from_millis(25) };
    for workload in workloads::ALL {
        if !chosen.is_empty() && !chosen.iter().any(|c| c == workload.name) { continue; }
        for case in (workload.cases)() {
            let began = std::time::Instant::now();
            let out = case.measure(effort, |round, who| eprint!("{round} {who}        \r"));
            println!("{} / {} ({:?})", out.workload, out.name, began.elapsed());
            for e in &out.entries {
                match &e.fate {
                    Fate::Measured(_) => { print!("  {:28}", e.name); for m in 0..out.metrics.len() { print!(" {:>12.1}", out.spread(&e.name, m).unwrap().median); } println!(); }
                    f => println!("  {:28} {f:?}", e.name),
                }
            }
        }
    }
    ExitCode::SUCCESS
}
