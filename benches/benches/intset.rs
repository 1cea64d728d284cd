//! The workload `intset`: the time of an operation on a set, made of stm-core's variables or from stm-collections.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use stm_benches::measure::threads::Amount;
use stm_benches::ours::StmCore;
use stm_benches::workloads::intset::{self, Kind, Params, Set};
use stm_collections::{TOrdSet, TSet};

fn set<S: Set>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, params: &Params) {
    let (set, mut size) = (intset::filled::<S>(params), params.size as i64);
    group.bench_function(name, |b| {
        b.iter_custom(|steps| {
            let ran = intset::work(&set, &mut size, params, Amount::Steps(steps));
            ran.expect("every key is there once").elapsed
        });
    });
}

fn run(c: &mut Criterion) {
    let mut group = c.benchmark_group("intset");
    for (name, kind, params) in intset::CASES {
        match kind {
            Kind::List => set::<intset::ListSet<StmCore>>(&mut group, name, &params),
            Kind::Hash => {
                set::<intset::HashSet<StmCore>>(&mut group, name, &params);
                set::<TSet<u64>>(&mut group, &format!("{name}, TSet"), &params);
            }
            Kind::Ordered => {
                set::<intset::OrderedSet<StmCore>>(&mut group, name, &params);
                set::<TOrdSet<u64>>(&mut group, &format!("{name}, TOrdSet"), &params);
            }
        }
    }
    group.finish();
}

criterion_group!(benches, run);
criterion_main!(benches);
