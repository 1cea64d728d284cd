//! The protocol as an explicit-state model.
#![allow(unreachable_pub, reason = "a test is a crate of its own")]

mod mutants;
mod oracles;
mod programs;
mod search;
mod state;
mod steps;
mod suite;

#[path = "../common/mod.rs"]
mod common;

use common::watched;
use mutants::Mutant;
use programs::Program;
use search::explore;

/// Explores each of the programs; none may have a violation.
fn hold(what: &str, programs: &[Program]) {
    let (mut states, mut steps, mut ends, mut histories, mut most) = (0, 0, 0, 0, 0);
    for program in programs {
        let report = explore(program, Mutant::None);
        if let Some(found) = report.found {
            panic!("{}:\n{found}", program.name);
        }
        states += report.states;
        steps += report.steps;
        ends += report.ends;
        histories += report.histories;
        most = most.max(report.states);
    }
    println!(
        "{what}: {} programs, {states} states (at most {most} in one), {steps} steps, {histories} histories, {ends} ends",
        programs.len()
    );
}

#[test]
fn as_designed_holds() {
    watched("as_designed_holds", || {
        hold("made by hand", &suite::made_by_hand())
    });
}

#[test]
fn as_designed_holds_for_every_pair() {
    watched("as_designed_holds_for_every_pair", || {
        hold("pairs", &suite::pairs())
    });
}

#[test]
fn as_designed_holds_for_triples() {
    watched("as_designed_holds_for_triples", || {
        hold("triples", &suite::triples())
    });
}

/// Finds `mutant` in the program that was made for it, by the oracle that it offends.
fn finds(mutant: Mutant) {
    watched("a mutant", move || {
        let program = suite::program_against(mutant);
        let report = explore(&program, mutant);
        let Some(found) = report.found else {
            panic!(
                "{mutant:?} survives {} ({} states)",
                program.name, report.states
            );
        };
        println!(
            "{mutant:?} in {}, after {} states:\n{found}",
            program.name, report.states
        );
        assert!(
            mutant.expected().contains(&found.violation),
            "{:?}",
            found.violation
        );
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
