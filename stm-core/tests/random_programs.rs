//! Random programs against the obvious twin: alone, and from several threads in the order in which they committed.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod programs;

use common::{Rng, on_threads, seed, watched, watched_alone};
use programs::{Op, Outcome, Program, Refs, SIZE, Twin, VARS, Vars, quick, start_values};
use quickcheck::{Arbitrary, Gen};
use stm_core::{Abort, Stm, TVar, Tx, atomically};

#[test]
fn random_programs() {
    /// Twice in a row, since the log goes from one transaction to the next.
    fn agrees_with_twin(programs: (Program, Program), start: u64) {
        let values = start_values(start);
        let (engine, outermost) = (Vars::new(&values), Vars::new(&values));
        let mut twin = Twin::new(values);
        for program in [&programs.0, &programs.1] {
            let expected = twin.run(program);
            assert_eq!(engine.run(program), expected);
            assert_eq!(engine.values(), twin.values);
            if !matches!(expected, Outcome::Blocked(_)) {
                assert_eq!(outermost.run_outermost(program), expected);
            }
            assert_eq!(outermost.values(), twin.values);
        }
    }
    watched_alone("random_programs", || {
        quick(20_000).quickcheck(agrees_with_twin as fn((Program, Program), u64));
    });
}

/// What one thread did in one transaction.
#[derive(Debug)]
struct Committed {
    /// How many updates had committed before.
    number: u64,
    kind: Kind,
    program: Program,
    outcome: Result<i64, i64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    /// The program's effects are undone at its end: what commits has read only.
    Look,
    /// Takes a number and moves it on.
    Update,
}

/// What stands for the result of a program that would have to wait.
const WOULD_BLOCK: Result<i64, i64> = Err(i64::MIN);

fn take_number(tx: &mut Tx<'_>, numbers: &TVar<u64>, kind: Kind) -> Stm<u64> {
    match kind {
        Kind::Look => numbers.read(tx),
        Kind::Update => numbers.update(tx, |n| std::mem::replace(n, *n + 1)),
    }
}

/// Runs `program` in one transaction and notes where that stands in the order of all.
fn commit(
    vars: &Vars,
    numbers: &TVar<u64>,
    kind: Kind,
    number_first: bool,
    program: Program,
) -> Committed {
    let (number, outcome) = atomically(|tx| {
        let refs = Refs::default();
        let early = match number_first {
            true => Some(take_number(tx, numbers, kind)?),
            false => None,
        };
        let outcome = tx.optionally(|tx| {
            let outcome = tx.nested(|tx| match (kind, vars.go(tx, &program, 0, &refs)) {
                (Kind::Look, Ok(number)) => Err(Abort::User(Ok(number))),
                (_, outcome) => outcome.map_err(|stop| match stop {
                    Abort::User(error) => Abort::User(Err(error)),
                    Abort::Control(control) => Abort::Control(control),
                }),
            })?;
            Ok(outcome.or_else(|undone| undone))
        })?;
        refs.expect_unchanged();
        let number = match early {
            Some(number) => number,
            None => take_number(tx, numbers, kind)?,
        };
        Ok((number, outcome.unwrap_or(WOULD_BLOCK)))
    });
    Committed {
        number,
        kind,
        program,
        outcome,
    }
}

#[test]
fn random_programs_concurrently() {
    const THREADS: usize = 3;
    const ROUNDS: usize = 250;
    const PROGRAMS: usize = 40;

    watched_alone("random_programs_concurrently", || {
        let seed = seed();
        for round in 0..ROUNDS {
            let values = start_values(Rng::new(seed, round).next());
            let (vars, numbers) = (Vars::new(&values), TVar::new(0));
            let mut committed: Vec<Committed> = on_threads(THREADS, |id| {
                let mut rng = Rng::new(seed, round * THREADS + id);
                let mut programs = Gen::from_size_and_seed(SIZE, rng.next());
                (0..PROGRAMS)
                    .map(|_| {
                        let kind = [Kind::Look, Kind::Update, Kind::Update][rng.below(3)];
                        let number_first = rng.below(4) == 0;
                        let program = Program::arbitrary(&mut programs);
                        commit(&vars, &numbers, kind, number_first, program)
                    })
                    .collect::<Vec<_>>()
            })
            .into_iter()
            .flatten()
            .collect();

            // One after the other, as they say that it was. Those that looked come before the update of their number.
            committed.sort_by_key(|c| (c.number, c.kind));
            let mut twin = Twin::new(values);
            let mut updates = 0;
            for (at, this) in committed.iter().enumerate() {
                assert_eq!(this.number, updates, "round {round}, {at}: {this:?}");
                let before = twin.values.clone();
                let expected = match twin.run(&this.program) {
                    Outcome::Done(number) => Ok(number),
                    Outcome::Aborted(error) => Err(error),
                    Outcome::Blocked(_) => WOULD_BLOCK,
                };
                assert_eq!(this.outcome, expected, "round {round}, {at}: {this:?}");
                match this.kind {
                    Kind::Look => twin.values = before,
                    Kind::Update => updates += 1,
                }
            }
            assert_eq!(vars.values(), twin.values, "round {round}");
            assert_eq!(numbers.load(), updates);
        }
    });
}

/// The generator makes what the tests are for: enough programs of each outcome, and deep enough ones.
#[test]
fn programs_are_varied() {
    fn depth(program: &[Op]) -> usize {
        let deeper = |op: &Op| match op {
            Op::OrElse(left, right) => 1 + depth(left).max(depth(right)),
            Op::Optionally(inner) | Op::Nested(inner) => 1 + depth(inner),
            _ => 0,
        };
        program.iter().map(deeper).max().unwrap_or(0)
    }

    watched("programs_are_varied", || {
        let mut programs = Gen::from_size_and_seed(SIZE, seed());
        let (mut done, mut aborted, mut blocked, mut deep) = (0, 0, 0, 0);
        for _ in 0..1_000 {
            let program = Program::arbitrary(&mut programs);
            match Twin::new(vec![1; VARS]).run(&program) {
                Outcome::Done(_) => done += 1,
                Outcome::Aborted(_) => aborted += 1,
                Outcome::Blocked(_) => blocked += 1,
            }
            deep += usize::from(depth(&program) >= 3);
        }
        let counts = [done, aborted, blocked, deep];
        assert!(
            counts.iter().all(|&n| n > 50),
            "done, aborted, blocked, deep: {counts:?}"
        );
    });
}
