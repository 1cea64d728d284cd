//! The workload `bank`: the time of a transfer or a sum over all accounts, on stm-core alone.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::slots::OnEngine;
use stm_benches::workloads::bank;

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("bank");
    for (name, params) in bank::CASES {
        let accounts = bank::open::<OnEngine<StmCore>>(&params);
        group.bench_function(name, |b| {
            b.iter_custom(|steps| {
                let done = bank::work(&accounts, &params, Amount::Steps(steps));
                done.expect("no money is lost").ran.elapsed
            });
        });
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
