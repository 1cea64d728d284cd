//! The workload `lee`: the time to lay all wires of the board.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use stm_benches::ours::StmCore;
use stm_benches::workloads::lee::{self, Board};

fn run(c: &mut Criterion) {
    let (name, params) = lee::CASE;
    c.bench_function(&format!("lee/{name}"), |b| {
        b.iter_custom(|boards| {
            let lay = |_| {
                let ran = Board::<StmCore>::new(params).work();
                ran.expect("no wires cross").elapsed
            };
            (0..boards).map(lay).sum::<Duration>()
        });
    });
}

criterion_group!(benches, run);
criterion_main!(benches);
