//! The workload `vacation`: the time of a transaction of the travel agency.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::workloads::vacation::{self, Agency};

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("vacation");
    for (name, params) in vacation::CASES {
        group.bench_function(name, |b| {
            b.iter_custom(|steps| {
                let agency = Agency::<StmCore>::open(&params);
                let ran = agency.work(&params, Amount::Steps(steps));
                ran.expect("the books agree").elapsed
            });
        });
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
