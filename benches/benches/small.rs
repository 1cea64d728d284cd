//! The parts of a short transaction, uncontended: begin and end, one read, one write, a transfer, and the same boxed.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use stm_core::{TVar, atomically, snapshot};

fn parts(c: &mut Criterion) {
    let [a, b] = &[TVar::new(0i64), TVar::new(0i64)];
    let (s, t) = (TVar::new([0i64; 2]), TVar::new([0i64; 2]));
    let mut group = c.benchmark_group("small");
    group.bench_function("empty", |g| g.iter(|| atomically(|_| Ok(()))));
    group.bench_function("read", |g| g.iter(|| atomically(|tx| a.read(tx))));
    group.bench_function("write", |g| {
        g.iter(|| atomically(|tx| a.write(tx, black_box(1))))
    });
    group.bench_function("transfer", |g| {
        g.iter(|| {
            atomically(|tx| {
                a.modify(tx, |n| n - 1)?;
                b.modify(tx, |n| n + 1)
            });
        });
    });
    group.bench_function("transfer, boxed", |g| {
        g.iter(|| {
            atomically(|tx| {
                s.modify(tx, |[x, y]| [x - 1, y])?;
                t.modify(tx, |[x, y]| [x + 1, y])
            });
        });
    });
    group.bench_function("load", |g| g.iter(|| a.load()));
    group.bench_function("store", |g| g.iter(|| a.store(black_box(1))));
    group.bench_function("snapshot of one", |g| g.iter(|| snapshot(|x| a.read(x))));
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
