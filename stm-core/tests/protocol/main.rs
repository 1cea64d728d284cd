//! The protocol as an explicit-state model.
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
    for some in programs.chunks(200) {
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

/// One triple in so many is explored, unless all are wanted.
const EVERY: usize = 23;

#[test]
fn as_designed_holds_for_triples() {
    let triples = sweep::triples();
    if std::env::var("STM_MODEL").is_ok_and(|wanted| wanted == "all") {
        hold("all triples", &triples);
        return;
    }
    let first = seed() as usize % EVERY;
    let some: Vec<_> = triples.into_iter().skip(first).step_by(EVERY).collect();
    hold("some triples", &some);
}

/// Finds `mutant` in the program that was made for it, by the oracle that it offends.
fn finds(mutant: Mutant) {
    watched("finds a mutant", move || {
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
    finds_X6: X6; finds_X7: X7; finds_X8: X8; finds_X9: X9;
}
