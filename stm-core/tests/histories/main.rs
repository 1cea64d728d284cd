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
mod recorded;

use std::collections::HashSet;
use std::sync::mpsc;

use common::{seed, watched_alone};
use programs::{Size, run};
use stm_core::diagnostics::history::{History, Outcome, Recording, Summary};
use stm_core::diagnostics::{Cause, stats};

/// Programs of one run. Under stress, where they stumble inside the engine, they are what this is for.
const PROGRAMS: u64 = if cfg!(stm_stress) { 12_000 } else { 400 };

const BATCH: usize = 200;

const SMALL: Size = Size {
    threads: 8,
    calls: 6,
};

/// Records `work`.
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

/// What a run of programs came to.
#[derive(Default)]
struct Seen {
    sum: Summary,
    outcomes: HashSet<Outcome>,
    called: HashSet<&'static str>,
}

#[test]
fn random_programs_are_opaque() {
    let first = seed();
    let before = stats();
    let conversions = || stats().conversions - before.conversions;
    let mut seen = Seen::default();
    let mut programs = 0;
    // What they meet is a matter of chance, and of how many processors they have: if it was little, some more are run. Each batch has
    // a watchdog of its own: all of them together may take a while on a loaded machine.
    while programs < PROGRAMS || programs < 4 * PROGRAMS && conversions() <= 10 {
        let batch = first + programs;
        programs += BATCH as u64;
        let (tell, told) = mpsc::channel();
        watched_alone("random_programs_are_opaque", move || {
            for seed in batch..batch + BATCH as u64 {
                tell.send(check(seed, SMALL)).expect("the test waits");
            }
        });
        for (history, summary) in told {
            seen.sum += summary;
            let attempts = history.attempts().iter();
            seen.outcomes.extend(attempts.clone().map(|a| a.outcome));
            seen.called.extend(attempts.map(|a| a.what));
        }
    }
    let Seen {
        sum,
        outcomes,
        called,
    } = seen;
    eprintln!("{programs} programs: {sum:?}");
    // The programs do what they are for: they fail in all ways, and commit all the same.
    let often = [sum.committed, sum.conflicts, sum.retried, sum.failed];
    assert!(often.iter().all(|&n| n > 100), "{sum:?}");
    let conversions = conversions();
    assert!(conversions > 10, "{conversions} went on as a snapshot");
    for outcome in [
        Outcome::RolledBack,
        Outcome::Retried,
        Outcome::Conflict(Cause::ReadChanged),
        Outcome::Conflict(Cause::CommitChanged),
        Outcome::Conflict(Cause::WroteInSnapshot),
    ] {
        assert!(outcomes.contains(&outcome), "{outcome}: {outcomes:?}");
    }
    for what in [
        "atomically",
        "try_atomically",
        "atomically_async",
        "snapshot",
        "Transaction::run",
        "TVar::load",
        "TVar::store",
        "TVar::swap",
    ] {
        assert!(called.contains(what), "{what}: {called:?}");
    }
}

#[test]
fn a_long_program_is_opaque() {
    watched_alone("a_long_program_is_opaque", || {
        let calls = if cfg!(debug_assertions) { 1_000 } else { 4_000 };
        let long = Size { threads: 8, calls };
        let (_, summary) = check(seed(), long);
        eprintln!("{summary:?}");
        assert!(summary.attempts > 2 * calls, "two threads at least");
    });
}
