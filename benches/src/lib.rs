//! Workloads for transactional memory, generic over whose it is, and what is needed to compare several in one run.
//!
//! | | |
//! |---|---|
//! | [`engine`] | the trait through which any engine plugs in |
//! | [`ours`] | stm-core behind it |
//! | [`workloads`] | what is run: a file a workload |
//! | [`slots`] | what is done to variables that are known beforehand, which is where locks plug in |
//! | [`structures`] | lists and ordered maps made of an engine's variables |
//! | [`measure`] | threads, rounds by turns, medians |
//!
//! `cargo bench -p stm-benches --bench NAME` measures stm-core alone on the workload of that name. `cargo test -p stm-benches --bench '*'`
//! runs one iteration of each, checks included, in some ten seconds; `.ci/run` does. (`cargo test` alone leaves them out, for they do not
//! understand the test harness's options.) The peers, and the command that compares everybody and writes the tables, are in
//! `benches/peers`, a workspace of its own.
#![forbid(unsafe_code)]

mod collections;
#[cfg(test)]
#[path = "../../stm-core/tests/common/mod.rs"]
mod common;
pub mod engine;
pub mod measure;
pub mod money;
pub mod ours;
pub mod slots;
pub mod structures;
pub mod workloads;
#[cfg(test)]
mod wrong;
