//! The workload `pairs`: the time of a transfer in a ring whose neighbours all conflict; afterwards its percentiles.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use stm_benches::measure::statistics::Histogram;
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::slots::OnEngine;
use stm_benches::workloads::pairs;

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("pairs");
    for (name, threads) in pairs::CASES {
        let ring = pairs::open::<OnEngine<StmCore>>(threads);
        let mut all = Histogram::default();
        group.bench_function(name, |b| {
            b.iter_custom(|steps| {
                let worked = pairs::work(&ring, threads, Amount::Steps(steps));
                let (ran, times) = worked.expect("no money is lost");
                all.merge(&times);
                ran.elapsed
            });
        });
        for (part, name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
            if let Some(nanoseconds) = all.percentile(part) {
                println!("  {name}: {nanoseconds} ns");
            }
        }
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
