//! The workload `memory`: the bytes of a variable. No time is taken, so criterion has no part in it.
//!
//! Each form is measured in a process of its own, which is this program again.

use std::process::{Command, ExitCode};

use stm_benches::ours::StmCore;
use stm_benches::workloads::memory::of_engine;

/// In the environment of the fresh process: which form it is to measure.
const FORM: &str = "STM_BENCHES_MEMORY_OF";

fn main() -> ExitCode {
    let result = match std::env::var(FORM) {
        Ok(form) => of_engine::<StmCore>(form == "wide").map(|bytes| println!("{bytes:.1}")),
        Err(_) => ["narrow", "wide"].into_iter().try_for_each(ask),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn ask(form: &str) -> Result<(), String> {
    let this = std::env::current_exe().map_err(|why| why.to_string())?;
    let output = Command::new(this).env(FORM, form).output();
    let output = output.map_err(|why| format!("no fresh process can be had: {why}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let bytes = String::from_utf8_lossy(&output.stdout);
    let value = if form == "wide" { "200 bytes" } else { "i64" };
    println!("a variable of {value}: {} bytes", bytes.trim());
    Ok(())
}
