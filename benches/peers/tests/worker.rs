//! The process that measures a workload, seen from outside.

#[path = "../../../stm-core/tests/common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use common::watched;

#[test]
fn a_worker_does_not_outlive_its_parent() {
    watched("a_worker_does_not_outlive_its_parent", || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stm-peers"));
        // Its turns alone would take it far beyond the watchdog's patience.
        command.args(["--work-on=pairs", "--rounds=3", "--turn=60000"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut worker = command.spawn().expect("it starts");
        let stdout = worker.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = lines.next().expect("it begins").expect("it says so");
        assert!(first.contains("Turn"), "{first}");
        // What a parent that goes, however it goes, does to it. The other pipe stays, so it is not that which ends the worker.
        drop(worker.stdin.take());
        let status = worker.wait().expect("it is ours");
        assert!(!status.success(), "{status}");
        assert!(
            lines.next().is_none(),
            "the short turn of the first alone takes longer"
        );
    });
}
