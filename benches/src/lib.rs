//! What the benchmarks share. Each workload is a file in `benches/`; run one with `cargo bench -p stm-benches --bench NAME`.
#![forbid(unsafe_code)]

use stm_core::TVar;

/// `n` inline variables, all holding `value`.
#[must_use]
pub fn cells(n: usize, value: i64) -> Vec<TVar<i64>> {
    (0..n).map(|_| TVar::new(value)).collect()
}
