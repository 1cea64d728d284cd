//! The protocol as an explicit-state model: every interleaving of small programs, judged by oracles that do not know how the
//! protocol works, and every change of the protocol that must not be made, found.
//!
//! # The problem, and the idea
//!
//! The tests beside this run the engine and see some interleavings; loom runs pieces of it and sees those of few preemptions. The
//! argument in `commit`, `read` and `snapshot` is about all of them. So here the protocol is written once more, as a function from a
//! state and a thread to the next state, and a search visits every state that can be reached: explicit-state model checking, as in
//! SPIN (Holzmann, "The Model Checker SPIN", IEEE TSE 1997, doi:10.1109/32.588521). What it buys is "there is none", for these
//! programs, and a shortest schedule where there is one.
//!
//! A model proves what it says and not what the code says. So each step names the function that it stands for (`steps`), and
//! the mutants show that the model is not too coarse for the mistakes that the protocol is there to avoid.
//!
//! # What a step is
//!
//! One access to what is shared, with what the thread does by itself until its next. Some accesses are merged, each with its
//! reason beside it: where it makes the model stricter than the code (the pin with the first look at the clock, retiring and
//! unpinning with the last publication, freeing at the first moment allowed), where the second access cannot tell when it
//! happens (walking a chain), or where a mutex or a compare-and-swap makes one of the two in the code as well.
//!
//! # What is assumed, and what is left out
//!
//! - Sequential consistency. Whether the orderings in the code suffice for that is the business of the loom models and of the
//!   argument in the modules. None of the mutants needs a weak memory to show.
//! - No time. Patience with a lock ends never or at any moment, by program; a lease once in a run, at any moment.
//! - Bodies pass their errors on, so a doomed attempt ends. Values are who wrote them.
//! - Left out: tasks and alarms, the end of a `TVar`, the short ways through a read and a commit (the
//!   same steps, where none has to wait), the count of snapshots when it is full, sizes of filters, hooks and their turns,
//!   panics, nested transactions.
//!
//! # Where the code differs from what was designed
//!
//! The model follows the code.
//!
//! - A conversion asks whether the attempt has anchored and not what the clock was at its begin: whoever has anchored has an `rv`
//!   that is greater.
//! - A variable that is read twice in a row is not looked at any more closely the second time, if its word is the same
//!   (`ReadSet::ends_with`).
//! - There is no external decider.
//!
//! # Oracles
//!
//! | oracle | says no when | fails for |
//! |---|---|---|
//! | opacity | no sequence of all attempts, failed ones too, that keeps to real time explains what they saw | M1 M2 M3 M4 M8 M9 M10 M11 M13 M15 M16 X8 X10 |
//! | use after free | a freed node is looked into, or freed under a body's reference | M6 M7 M14 X6 |
//! | missing version | a snapshot finds nothing that is old enough | M5 M17 M18 M19 X5 |
//! | lost wake-up | nobody can go on, and what a sleeper has read has changed | M12 X3 X7 |
//! | deadlock | nobody can go on, and somebody is neither done nor asleep | X1 X2 X9 |
//! | starvation | the holder of the token fails while its lease runs; a body that only reads fails twice | M20a M20b X4 |
//!
//! M1 to M20 are the alternatives that were refuted when the protocol was designed; X1 to X10 were added with the model.
//!
//! # Running it
//!
//! ```text
//! cargo test -p stm-core --test protocol                                          everything, as in the usual run
//! cargo test -p stm-core --test protocol -- --nocapture --exact finds_M7          one mutant, with its schedule
//! STM_MODEL=all cargo test --release -p stm-core --test protocol -- --nocapture   more
//! ```
#![allow(unreachable_pub, reason = "a test is a crate of its own")]

mod mutants;
mod oracles;
mod programs;
mod search;
mod state;
mod steps;
mod suite;
mod sweep;

#[path = "../common/mod.rs"]
mod common;

use std::collections::HashSet;
use std::fmt;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, Mutex};

use common::{seed, watched};
use mutants::Mutant;
use programs::Program;
use search::{FastHash, explore};
use state::{At, Cause};

/// What a number of searches came to.
#[derive(Default)]
struct Sum {
    programs: usize,
    states: usize,
    most: usize,
    steps: usize,
    ends: usize,
    histories: usize,
    places: HashSet<Discriminant<At>, FastHash>,
    causes: HashSet<Cause, FastHash>,
}

impl Sum {
    /// Explores each of the programs; none may have a violation.
    fn add(&mut self, programs: &[Program]) {
        for program in programs {
            let report = explore(program, Mutant::None);
            if let Some(found) = report.found {
                panic!("{}:\n{found}", program.name);
            }
            self.programs += 1;
            self.states += report.states;
            self.most = self.most.max(report.states);
            self.steps += report.steps;
            self.ends += report.ends;
            self.histories += report.histories;
            self.places.extend(report.places);
            self.causes.extend(report.causes);
        }
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} programs, {} states (at most {} in one), {} steps, {} ends, {} histories",
            self.programs, self.states, self.most, self.steps, self.ends, self.histories
        )
    }
}

/// Explores all of `programs`, some at a time, so that the watchdog of each is not about all.
fn hold(what: &'static str, programs: &[Program]) -> Sum {
    let sum = Arc::new(Mutex::new(Sum::default()));
    for some in programs.chunks(20) {
        let (some, sum) = (some.to_vec(), Arc::clone(&sum));
        watched(what, move || {
            sum.lock().expect("those before held").add(&some)
        });
    }
    let sum = std::mem::take(&mut *sum.lock().expect("all held"));
    println!("{what}: {sum}");
    sum
}

#[test]
fn as_designed_holds() {
    let sum = hold("made by hand", &suite::made_by_hand());
    // What no program comes to is not checked by any.
    for place in suite::places() {
        let reached = sum.places.contains(&discriminant(&place));
        assert!(reached, "nobody was ever at {place:?}");
    }
    for cause in Cause::ALL {
        let met = sum.causes.contains(&cause);
        assert!(met, "nothing ever failed for {cause:?}");
    }
}

#[test]
fn as_designed_holds_for_every_pair() {
    hold("pairs", &sweep::pairs());
}

/// One triple in so many is explored, unless all are wanted, and more.
const EVERY: usize = 37;

#[test]
fn as_designed_holds_for_triples() {
    let triples = sweep::triples();
    if std::env::var("STM_MODEL").is_ok_and(|wanted| wanted == "all") {
        hold("all triples", &triples);
        hold("fours", &sweep::fours());
        return;
    }
    let first = seed() as usize % EVERY;
    let some: Vec<_> = triples.into_iter().skip(first).step_by(EVERY).collect();
    hold("some triples", &some);
}

/// Finds `mutant` in the program that was made for it, by the oracle that it offends.
fn finds(mutant: Mutant) {
    watched(&format!("finds {mutant:?}"), move || {
        let program = suite::program_against(mutant);
        let report = explore(&program, mutant);
        let Some(found) = report.found else {
            panic!(
                "{mutant:?} survives \"{}\", all {} states of it",
                program.name, report.states
            );
        };
        println!(
            "{mutant:?} in \"{}\", after {} states:\n{found}",
            program.name, report.states
        );
        assert_eq!(found.violation, mutant.expected());
    });
}

macro_rules! finds {
    ($($test:ident: $mutant:ident;)*) => {$(
        #[test]
        #[allow(non_snake_case)]
        fn $test() {
            finds(Mutant::$mutant);
        }
    )*};
}

finds! {
    finds_M1: M1; finds_M2: M2; finds_M3: M3; finds_M4: M4; finds_M5: M5;
    finds_M6: M6; finds_M7: M7; finds_M8: M8; finds_M9: M9; finds_M10: M10;
    finds_M11: M11; finds_M12: M12; finds_M13: M13; finds_M14: M14; finds_M15: M15;
    finds_M16: M16; finds_M17: M17; finds_M18: M18; finds_M19: M19;
    finds_M20a: M20a; finds_M20b: M20b;
    finds_X1: X1; finds_X2: X2; finds_X3: X3; finds_X4: X4; finds_X5: X5;
    finds_X6: X6; finds_X7: X7; finds_X8: X8; finds_X9: X9; finds_X10: X10;
}
