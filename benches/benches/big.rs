//! The workload `big`: what an access costs as transactions grow. Criterion shows accesses a second; the page of the peers, nanoseconds.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::slots::OnEngine;
use stm_benches::workloads::big::{Big, SIZES};

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("big");
    for accesses in SIZES {
        let mut big = Big::<OnEngine<StmCore>>::new(accesses);
        group.throughput(Throughput::Elements(accesses as u64));
        group.bench_function(BenchmarkId::from_parameter(accesses), |b| {
            b.iter_custom(|transactions| {
                let ran = big.work(Amount::Steps(transactions));
                ran.expect("no write is lost").elapsed
            });
        });
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
