//! What an access costs as transactions grow: n reads and n writes in one, for n from 16 to 65536.
//!
//! The figure to look at is the time per element (two accesses), which must stay nearly flat: lookup in the write set is
//! O(1), validation and locking are linear, and sorting for the locks is the only n log n.
#![allow(
    missing_docs,
    reason = "criterion's macros make undocumented functions"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use stm_benches::cells;
use stm_core::atomically;

fn read_and_write_each(c: &mut Criterion) {
    let mut group = c.benchmark_group("big");
    for n in [16, 256, 4096, 65536] {
        let cells = cells(n, 0);
        // In an order that is not the heap's, or the sort would have nothing to do.
        let order: Vec<_> = (0..n).map(|i| &cells[(i * 40503) % n]).collect();
        group.throughput(Throughput::Elements(2 * n as u64));
        group.bench_with_input(BenchmarkId::from_parameter(n), &order, |b, order| {
            b.iter(|| {
                atomically(|tx| {
                    for cell in order {
                        let value = cell.read(tx)?;
                        cell.write(tx, value + 1)?;
                    }
                    Ok(())
                });
            });
        });
    }
    group.finish();
}

criterion_group!(benches, read_and_write_each);
criterion_main!(benches);
