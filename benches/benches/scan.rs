//! The workload `scan`: the time of a scan or a write beside it, whichever of the two threads is slower, in snapshots and without.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use stm_benches::engine::Engine;
use stm_benches::measure::threads::Amount;
use stm_benches::ours::{StmCore, StmCoreAtomically};
use stm_benches::slots::OnEngine;
use stm_benches::workloads::scan;

fn engine<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>) {
    let slots = scan::filled::<OnEngine<E>>(scan::SLOTS);
    group.bench_function(E::NAME, |b| {
        b.iter_custom(|steps| {
            let done = scan::work(&slots, scan::SLOTS, Amount::Steps(2 * steps));
            done.expect("no scan is torn").ran.elapsed
        });
    });
}

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("scan");
    engine::<StmCore>(&mut group);
    engine::<StmCoreAtomically>(&mut group);
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
