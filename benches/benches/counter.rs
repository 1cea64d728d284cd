//! The workload `counter`: the time of adding one to a hot variable, by `modify`, by `commute` and by `add`.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::workloads::counter::{self, Added, Commute, Counter, Modify, OnEngine};

fn way<C: Counter>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, threads: usize) {
    let counter = C::new();
    group.bench_function(name, |b| {
        b.iter_custom(|steps| {
            let ran = counter::work(&counter, threads, Amount::Steps(steps));
            ran.expect("every step is counted").elapsed
        });
    });
}

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("counter");
    for (name, threads) in counter::CASES {
        way::<OnEngine<StmCore, Modify>>(&mut group, &format!("modify, {name}"), threads);
        way::<OnEngine<StmCore, Commute>>(&mut group, &format!("commute, {name}"), threads);
        way::<Added>(&mut group, &format!("add, {name}"), threads);
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
