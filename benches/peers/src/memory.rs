//! The workload `memory`: each figure is taken in a fresh process, which is this program again with a flag that the help does not show.

use std::process::Command;

use stm_benches::engine::Engine;
use stm_benches::measure::interleave::{Case, Contender, Side, Turn};
use stm_benches::money::{Money, Wide};
use stm_benches::ours::StmCore;
use stm_benches::workloads::memory::{METRICS, bytes_each, of_engine};

use crate::adapters::async_stm::AsyncStm;
use crate::adapters::fast_stm::FastStm;
use crate::adapters::global_mutex::GlobalMutex;
use crate::adapters::kovan_stm::KovanStm;
use crate::adapters::stm::Stm;
use crate::adapters::{parking_lot, std_mutex};

/// The flag with which this program starts itself.
pub const FLAG: &str = "--bytes-of";

/// Whose variables are made, and how; the flag's argument says whether they are wide.
type Probe = (&'static str, Side, fn(bool) -> Result<f64, String>);

const PROBES: [Probe; 8] = [
    (StmCore::NAME, Side::Ours, of_engine::<StmCore>),
    (FastStm::NAME, Side::Transactions, of_engine::<FastStm>),
    (Stm::NAME, Side::Transactions, of_engine::<Stm>),
    (AsyncStm::NAME, Side::Transactions, of_engine::<AsyncStm>),
    (KovanStm::NAME, Side::Transactions, of_engine::<KovanStm>),
    (GlobalMutex::NAME, Side::Other, of_engine::<GlobalMutex>),
    (std_mutex::NAME, Side::Other, |wide| {
        locked(wide, std::sync::Mutex::new, std::sync::Mutex::new)
    }),
    (parking_lot::NAME, Side::Other, |wide| {
        locked(wide, ::parking_lot::Mutex::new, ::parking_lot::Mutex::new)
    }),
];

fn locked<N, W>(
    wide: bool,
    narrow_lock: impl Fn(i64) -> N,
    wide_lock: impl Fn(Wide) -> W,
) -> Result<f64, String> {
    if wide {
        bytes_each(size_of::<Wide>(), |n| wide_lock(Wide::of(n)))
    } else {
        bytes_each(size_of::<i64>(), narrow_lock)
    }
}

/// What the process that was started with [`FLAG`] and these arguments does: prints the bytes of a variable.
pub fn probe(name: &str, wide: bool) -> Result<f64, String> {
    let probe = PROBES.iter().find(|(known, ..)| *known == name);
    let (.., run) = probe.ok_or_else(|| format!("nobody is called `{name}`"))?;
    run(wide)
}

fn in_a_fresh_process(name: &str, wide: bool) -> Result<f64, String> {
    let this = std::env::current_exe().map_err(|why| why.to_string())?;
    let output = Command::new(this)
        .arg(format!("{FLAG}={name}"))
        .args(wide.then_some("--wide"))
        .output()
        .map_err(|why| format!("no fresh process can be had: {why}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = text.trim().parse::<f64>();
    bytes.map_err(|why| format!("`{text}` is no number: {why}"))
}

/// The case of the workload. What a million of them take hardly varies, so one process is asked once.
pub fn cases() -> Vec<Case<'static>> {
    let contenders = PROBES.iter().map(|&(name, side, _)| {
        let mut known = None;
        Contender::new(name, move |_| -> Turn {
            if known.is_none() {
                known = Some(vec![
                    in_a_fresh_process(name, false)?,
                    in_a_fresh_process(name, true)?,
                ]);
            }
            Ok(known.clone().expect("it was just asked"))
        })
        .on(side)
    });
    vec![Case {
        workload: "memory",
        name: "a variable, its value and its handle".into(),
        metrics: METRICS.into(),
        contenders: contenders.collect(),
    }]
}
