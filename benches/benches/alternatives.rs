//! The workload `alternatives`: the time of a payment from the first payer that has cover.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::workloads::alternatives::{self, OnEngine};

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("alternatives");
    for (name, threads) in alternatives::CASES {
        let bank = alternatives::open::<OnEngine<StmCore>>();
        group.bench_function(name, |b| {
            b.iter_custom(|steps| {
                let ran = alternatives::work(&bank, threads, Amount::Steps(steps));
                ran.expect("no coin is lost").elapsed
            });
        });
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
