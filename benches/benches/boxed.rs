//! The workload `boxed`: the time of a transfer with balances in place, in strings, and in records of 200 bytes.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::money::Wide;
use stm_benches::ours::StmCore;
use stm_benches::slots::{OnEngine, Slots};
use stm_benches::workloads::{bank, boxed};

fn form<S: Slots>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
    let accounts = bank::open::<S>(&bank::PLAIN);
    group.bench_function(name, |b| {
        b.iter_custom(|steps| {
            let done = bank::work(&accounts, &bank::PLAIN, Amount::Steps(steps));
            done.expect("no money is lost").ran.elapsed
        });
    });
}

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("boxed");
    let [inline, string, wide] = boxed::FORMS;
    form::<OnEngine<StmCore, i64>>(&mut group, inline);
    form::<OnEngine<StmCore, String>>(&mut group, string);
    form::<OnEngine<StmCore, Wide>>(&mut group, wide);
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
