//! The algebra of alternatives and nesting, over random programs: both sides of a law come to the same result, leave the
//! same state, and if they block, wait for as many variables.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod programs;

use common::watched_alone;
use programs::Op::{Abort, Check, Nested, Note, Optionally, OrElse, Retry};
use programs::{NOTHING, Op, Outcome, Program, Vars, quick, start_values};
use quickcheck::{Arbitrary, Gen, Testable};
use stm_core::{Stm, TVar, Tx, atomically, retry};

const CASES: u64 = 3_000;

fn law(name: &str, property: impl Testable + Send) {
    watched_alone(name, || quick(CASES).quickcheck(property));
}

fn run(program: &[Op], start: u64) -> (Outcome, Vec<i64>) {
    let vars = Vars::new(&start_values(start));
    (vars.run(program), vars.values())
}

#[track_caller]
fn same(left: &[Op], right: &[Op], start: u64) {
    assert_eq!(run(left, start), run(right, start));
}

fn or_else(left: &[Op], right: &[Op]) -> Program {
    vec![OrElse(left.to_vec(), right.to_vec())]
}

fn then(first: &[Op], second: &[Op]) -> Program {
    [first, second].concat()
}

/// A program that never retries.
#[derive(Clone, Debug)]
struct Calm(Program);

impl Arbitrary for Calm {
    fn arbitrary(g: &mut Gen) -> Self {
        Self(calm(&Program::arbitrary(g)))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(|program| Self(calm(&program))))
    }
}

fn calm(program: &[Op]) -> Program {
    let calm_op = |op: &Op| match op {
        Check(_) | Retry => Note(1),
        OrElse(left, right) => OrElse(calm(left), calm(right)),
        Optionally(inner) => Optionally(calm(inner)),
        Nested(inner) => Nested(calm(inner)),
        other => other.clone(),
    };
    program.iter().map(calm_op).collect()
}

#[test]
fn retry_is_unit_of_or_else() {
    fn property(m: Program, start: u64) {
        same(&or_else(&[Retry], &m), &m, start);
        same(&or_else(&m, &[Retry]), &m, start);
    }
    law("retry_is_unit_of_or_else", property as fn(Program, u64));
}

#[test]
fn or_else_is_associative() {
    fn property(a: Program, b: Program, c: Program, start: u64) {
        same(
            &or_else(&or_else(&a, &b), &c),
            &or_else(&a, &or_else(&b, &c)),
            start,
        );
    }
    law(
        "or_else_is_associative",
        property as fn(Program, Program, Program, u64),
    );
}

#[test]
fn or_else_is_left_biased() {
    fn property(m: Program, n: Program, start: u64) {
        if !matches!(run(&m, start).0, Outcome::Blocked(_)) {
            same(&or_else(&m, &n), &m, start);
        }
    }
    law(
        "or_else_is_left_biased",
        property as fn(Program, Program, u64),
    );
}

#[test]
fn or_else_distributes() {
    /// From the left always: what comes before is the same for both branches.
    fn from_the_left(m: Program, a: Program, b: Program, start: u64) {
        same(
            &then(&m, &or_else(&a, &b)),
            &or_else(&then(&m, &a), &then(&m, &b)),
            start,
        );
    }
    /// From the right if what comes after does not retry.
    fn from_the_right(a: Program, b: Program, Calm(c): Calm, start: u64) {
        same(
            &then(&or_else(&a, &b), &c),
            &or_else(&then(&a, &c), &then(&b, &c)),
            start,
        );
    }
    law(
        "or_else_distributes",
        from_the_left as fn(Program, Program, Program, u64),
    );
    law(
        "or_else_distributes",
        from_the_right as fn(Program, Program, Calm, u64),
    );
    watched_alone("or_else_distributes", not_over_a_later_retry);
}

/// A branch that came to a result is not gone back on: a retry after it is a retry of the whole.
fn not_over_a_later_retry() {
    let (left, right) = (TVar::new(0), TVar::new(0));
    let outside = |tx: &mut Tx<'_>| -> Stm<()> {
        tx.or_else(|tx| left.write(tx, 1), |tx| right.write(tx, 1))?;
        retry()
    };
    let inside = |tx: &mut Tx<'_>| -> Stm<()> {
        tx.or_else(
            |tx| left.write(tx, 1).and_then(|()| retry()),
            |tx| right.write(tx, 1),
        )
    };
    assert_eq!(atomically(|tx| tx.optionally(outside)), None);
    assert_eq!((left.load(), right.load()), (0, 0));
    assert_eq!(atomically(|tx| tx.optionally(inside)), Some(()));
    assert_eq!((left.load(), right.load()), (0, 1));
}

#[test]
fn optionally_is_or_else() {
    fn property(m: Program, start: u64) {
        same(
            &[Optionally(m.clone())],
            &or_else(&m, &[Note(NOTHING)]),
            start,
        );
    }
    law("optionally_is_or_else", property as fn(Program, u64));
}

#[test]
fn nested_ok_is_identity() {
    fn property(m: Program, start: u64) {
        // What is outermost here runs in a `nested` itself, so an error is the same with one more around it.
        match run(&m, start).0 {
            Outcome::Aborted(error) => {
                same(&[Nested(m), Abort(error)], &[Abort(error)], start);
            }
            Outcome::Done(_) | Outcome::Blocked(_) => same(&[Nested(m.clone())], &m, start),
        }
    }
    law("nested_ok_is_identity", property as fn(Program, u64));
}

#[test]
fn nested_abort_has_no_effect() {
    fn property(m: Program, after: Program, error: i64, start: u64) {
        let undone = then(&[Nested(then(&m, &[Abort(error)]))], &after);
        let error = match run(&m, start).0 {
            Outcome::Done(_) => error,
            Outcome::Aborted(own) => own,
            Outcome::Blocked(_) => return same(&undone, &m, start),
        };
        let (outcome, values) = run(&undone, start);
        let (expected, expected_values) = run(&then(&[Nested(vec![Abort(error)])], &after), start);
        assert_eq!(values, expected_values);
        match (outcome, expected) {
            // What the undone part has read is waited for as well.
            (Outcome::Blocked(on), Outcome::Blocked(at_least)) => assert!(on >= at_least),
            (outcome, expected) => assert_eq!(outcome, expected),
        }
    }
    law(
        "nested_abort_has_no_effect",
        property as fn(Program, Program, i64, u64),
    );
}
