//! The workload `wakeup`: the time of a turn between two threads, and between two tasks.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::workloads::wakeup::{self, OnEngine};

fn time_of(turns: u64, each: Result<f64, String>) -> Duration {
    let each = each.expect("turns come in order");
    Duration::from_nanos((each * turns as f64) as u64)
}

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("wakeup");
    group.bench_function(wakeup::THREADS, |b| {
        b.iter_custom(|turns| {
            let each = wakeup::between_threads::<OnEngine<StmCore>>(Amount::Steps(turns));
            time_of(turns, each)
        });
    });
    let runtime = wakeup::runtime();
    group.bench_function(wakeup::TASKS, |b| {
        b.iter_custom(|turns| {
            let amount = Amount::Steps(turns);
            let each = wakeup::between_tasks::<OnEngine<StmCore>>(&runtime, amount);
            time_of(turns, each)
        });
    });
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
