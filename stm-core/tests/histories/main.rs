//! Histories: the checker on ones that are made up, and random programs under the recorder.
//!
//! A failing program prints its seed; `STM_SEED=n cargo test -p stm-core --features history --test histories` begins with
//! the program of that seed. How its threads interleave is up to the operating system, so it may take a few runs to fail again.
#![cfg(all(feature = "history", not(loom)))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

#[path = "../common/mod.rs"]
mod common;
mod made_up;
mod programs;

use common::{seed, watched, watched_alone};
use programs::{Size, run};
use stm_core::diagnostics::history::{History, Outcome, Recording, Summary};

/// Programs of one run. Under stress, where they stumble inside the engine, they are what this is for.
const PROGRAMS: u64 = if cfg!(stm_stress) { 6_000 } else { 400 };

const SMALL: Size = Size {
    threads: 8,
    calls: 6,
};

fn record(work: impl FnOnce()) -> History {
    let recording = Recording::start().expect("these tests record one at a time");
    work();
    recording.stop()
}

/// Records the program of `seed` and checks it.
fn check(seed: u64, size: Size) -> (History, Summary) {
    let history = record(|| run(seed, size));
    match history.check() {
        Ok(summary) => (history, summary),
        Err(violation) => panic!("STM_SEED={seed}: {violation}"),
    }
}

#[test]
fn random_programs_are_opaque() {
    watched_alone("random_programs_are_opaque", || {
        let first = seed();
        let mut sum = Summary::default();
        for seed in first..first + PROGRAMS {
            sum += check(seed, SMALL).1;
        }
        eprintln!("{PROGRAMS} programs: {sum:?}");
    });
}
