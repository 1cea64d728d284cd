//! The workload `swaps`: the time of a transaction of so many swaps, with inline and with boxed values.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::slots::{OnEngine, Slots};
use stm_benches::workloads::swaps::{self, Params};

fn form<S: Slots>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, params: &Params) {
    let slots = swaps::filled::<S>();
    group.bench_function(name, |b| {
        b.iter_custom(|steps| {
            let ran = swaps::work(&slots, params, Amount::Steps(steps));
            ran.expect("no value is lost").elapsed
        });
    });
}

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("swaps");
    for (name, params) in swaps::CASES {
        form::<OnEngine<StmCore>>(&mut group, &format!("{name}, inline"), &params);
        form::<OnEngine<StmCore, String>>(&mut group, &format!("{name}, boxed"), &params);
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
