//! Random programs of transactional operations: what they are made of, and the two that run them. One is the engine; the
//! other is its twin, which runs one program at a time on plain values and undoes by copying them back.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of this"
)]

use std::cell::RefCell;
use std::task::{Poll, Waker};

use quickcheck::{Arbitrary, Gen, QuickCheck};
use stm_core::diagnostics::registered_waits;
use stm_core::{
    Abort, ReadTx, Stm, TRecords, TVar, Tx, abort, atomically, atomically_async, check, retry,
    snapshot, try_atomically,
};

use crate::common::{Value, poll, seed};

/// A program's variables: by turns kept in place, boxed, and words of a record. More than a write set scans without its index.
pub const VARS: usize = 12;

/// Bounds the length of a program; its inner ones are half as long, so it also bounds the depth.
pub const SIZE: usize = 12;

/// A program carries a number along, which starts at 0: what it has seen so far. What it writes depends on that.
pub type Program = Vec<Op>;

#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Mixes a constant into the number.
    Note(i64),
    Read(usize),
    /// Reads without a copy and holds on to the reference until the body ends.
    Hold(usize),
    Write(usize, i64),
    Modify(usize, i64),
    Update(usize, i64),
    Replace(usize, i64),
    WriteAll(i64),
    UpdateAll(i64),
    /// Retries if the variable is even.
    Check(usize),
    Retry,
    /// Leaves the innermost `Nested`, or the whole program.
    Abort(i64),
    OrElse(Program, Program),
    Optionally(Program),
    Nested(Program),
}

use Op::*;

/// The number after one more thing was seen.
fn mix(number: i64, seen: i64) -> i64 {
    number.wrapping_mul(31).wrapping_add(seen)
}

/// What is mixed in for an alternative that did not come to a result.
pub const NOTHING: i64 = 99;

/// What running a program came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Done(i64),
    Aborted(i64),
    /// It waits, for a change of any of so many variables.
    Blocked(usize),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let inner = |g: &mut Gen| {
            // Half as large, so that programs end.
            let seed = u64::arbitrary(g);
            Program::arbitrary(&mut Gen::from_size_and_seed(g.size() / 2, seed))
        };
        let var = usize::arbitrary(g) % VARS;
        let n = i64::from(i8::arbitrary(g) % 8);
        let kinds = if g.size() < 2 { 22 } else { 30 };
        match u8::arbitrary(g) % kinds {
            0 => Note(n),
            1..=4 => Read(var),
            5 | 6 => Hold(var),
            7..=9 => Write(var, n),
            10 | 11 => Modify(var, n),
            12 | 13 => Update(var, n),
            14 | 15 => Replace(var, n),
            16 => WriteAll(n),
            17 => UpdateAll(n),
            18 | 19 => Check(var),
            20 => Retry,
            21 => Abort(n),
            22..=25 => OrElse(inner(g), inner(g)),
            26 | 27 => Optionally(inner(g)),
            _ => Nested(inner(g)),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        match self.clone() {
            Note(n) => Box::new(n.shrink().map(Note)),
            Write(var, n) => Box::new(n.shrink().map(move |n| Write(var, n))),
            Modify(var, n) => Box::new(n.shrink().map(move |n| Modify(var, n))),
            Update(var, n) => Box::new(n.shrink().map(move |n| Update(var, n))),
            Replace(var, n) => Box::new(n.shrink().map(move |n| Replace(var, n))),
            WriteAll(n) => Box::new((0..VARS).map(move |var| Write(var, n))),
            UpdateAll(n) => Box::new((0..VARS).map(move |var| Update(var, n))),
            OrElse(left, right) => Box::new(
                parts(&[&left, &right]).chain((left, right).shrink().map(|(l, r)| OrElse(l, r))),
            ),
            Optionally(inner) => Box::new(parts(&[&inner]).chain(inner.shrink().map(Optionally))),
            Nested(inner) => Box::new(parts(&[&inner]).chain(inner.shrink().map(Nested))),
            Read(_) | Hold(_) | Check(_) | Retry | Abort(_) => quickcheck::empty_shrinker(),
        }
    }
}

fn parts(programs: &[&[Op]]) -> impl Iterator<Item = Op> + use<> {
    programs.concat().into_iter()
}

/// Start values: small numbers that differ.
pub fn start_values(start: u64) -> Vec<i64> {
    (0..VARS)
        .map(|i| (start.rotate_right(5 * i as u32) % 8) as i64)
        .collect()
}

/// As many random cases as `tests`, from this run's seed.
pub fn quick(tests: u64) -> QuickCheck {
    // The size bounds the length of a program; its inner ones are half as long.
    QuickCheck::new()
        .tests(tests)
        .max_tests(tests * 20)
        .rng(Gen::from_size_and_seed(10, seed()))
}

/// The twin: values, and a copy of them to go back to.
#[derive(Clone, Debug)]
pub struct Twin {
    pub values: Vec<i64>,
    /// Read before they were written: what a wait is for. Never undone.
    reads: [bool; VARS],
    written: [bool; VARS],
}

enum Stop {
    Retry,
    Abort(i64),
}

impl Twin {
    pub fn new(values: Vec<i64>) -> Self {
        Self {
            values,
            reads: [false; VARS],
            written: [false; VARS],
        }
    }

    /// Runs a whole program; what does not come to a result has no effect.
    pub fn run(&mut self, program: &[Op]) -> Outcome {
        (self.reads, self.written) = Default::default();
        let before = self.values.clone();
        match self.go(program, 0) {
            Ok(number) => Outcome::Done(number),
            Err(stop) => {
                self.values = before;
                match stop {
                    Stop::Abort(error) => Outcome::Aborted(error),
                    Stop::Retry => {
                        Outcome::Blocked(self.reads.iter().filter(|&&read| read).count())
                    }
                }
            }
        }
    }

    fn read(&mut self, var: usize) -> i64 {
        self.reads[var] |= !self.written[var];
        self.values[var]
    }

    fn write(&mut self, var: usize, value: i64) {
        self.written[var] = true;
        self.values[var] = value;
    }

    fn undo(&mut self, before: Self) {
        let reads = self.reads;
        *self = before;
        self.reads = reads;
    }

    fn go(&mut self, program: &[Op], mut number: i64) -> Result<i64, Stop> {
        for op in program {
            let before = self.clone();
            number = match op {
                Note(n) => mix(number, *n),
                Read(var) | Hold(var) => mix(number, self.read(*var)),
                Write(var, n) => {
                    self.write(*var, number.wrapping_add(*n));
                    number
                }
                Modify(var, n) | Update(var, n) => {
                    let new = mix(self.read(*var), *n);
                    self.write(*var, new);
                    number
                }
                Replace(var, n) => {
                    let old = self.read(*var);
                    self.write(*var, number.wrapping_add(*n));
                    mix(number, old)
                }
                WriteAll(n) => {
                    (0..VARS).for_each(|var| self.write(var, number.wrapping_add(*n)));
                    number
                }
                UpdateAll(n) => {
                    for var in 0..VARS {
                        let new = mix(self.read(var), *n);
                        self.write(var, new);
                    }
                    number
                }
                Check(var) if self.read(*var) % 2 == 0 => return Err(Stop::Retry),
                Check(_) => number,
                Retry => return Err(Stop::Retry),
                Abort(error) => return Err(Stop::Abort(*error)),
                OrElse(left, right) => match self.go(left, number) {
                    Err(Stop::Retry) => {
                        self.undo(before);
                        self.go(right, number)?
                    }
                    other => other?,
                },
                Optionally(inner) => match self.go(inner, number) {
                    Err(Stop::Retry) => {
                        self.undo(before);
                        mix(number, NOTHING)
                    }
                    other => other?,
                },
                Nested(inner) => match self.go(inner, number) {
                    Err(Stop::Abort(error)) => {
                        self.undo(before);
                        mix(number, !error)
                    }
                    other => other?,
                },
            };
        }
        Ok(number)
    }
}

#[derive(Debug)]
enum Var {
    Word(TVar<i64>),
    Boxed(TVar<Box<i64>>),
    Record(TRecords<WORDS>, usize),
}

/// Of a record: the value and its complement.
const WORDS: usize = 2;

/// The engine's variables of a program.
#[derive(Debug)]
pub struct Vars {
    vars: Vec<Var>,
    /// Read by every program, so that one that retries at once has something to wait for.
    gate: TVar<()>,
}

/// A value behind a `Ref`, and what it was when that was given.
type Held<'t> = (Box<dyn Fn() -> i64 + 't>, i64);

/// The references that a body holds.
#[derive(Default)]
pub struct Refs<'t>(RefCell<Vec<Held<'t>>>);

impl Refs<'_> {
    /// To be called at the end of the body: a reference does not change, whatever was written or undone.
    pub fn expect_unchanged(&self) {
        for (value, was) in self.0.borrow().iter() {
            assert_eq!(value(), *was, "behind a Ref");
        }
    }
}

impl Vars {
    pub fn new(values: &[i64]) -> Self {
        let records = TRecords::new(VARS);
        let var = |(i, &value): (usize, &i64)| match i % 3 {
            0 => Var::Word(TVar::new(value)),
            1 => Var::Boxed(TVar::new(Box::new(value))),
            _ => {
                atomically(|tx| write_record(tx, &records, i, value));
                Var::Record(records.clone(), i)
            }
        };
        Self {
            vars: values.iter().enumerate().map(var).collect(),
            gate: TVar::new(()),
        }
    }

    pub fn values(&self) -> Vec<i64> {
        let value = |var: &Var| match var {
            Var::Word(var) => var.load(),
            Var::Boxed(var) => *var.load(),
            Var::Record(records, i) => snapshot(|s| read_record(s, records, *i)),
        };
        self.vars.iter().map(value).collect()
    }

    /// Runs a whole program, once. No other transaction may run in the process.
    pub fn run(&self, program: &[Op]) -> Outcome {
        let mut task = atomically_async(|tx| {
            self.gate.read(tx)?;
            tx.nested(|tx| {
                let refs = Refs::default();
                let number = self.go(tx, program, 0, &refs);
                refs.expect_unchanged();
                number
            })
        });
        match poll(&mut task, Waker::noop()) {
            Poll::Ready(Ok(number)) => Outcome::Done(number),
            Poll::Ready(Err(error)) => Outcome::Aborted(error),
            Poll::Pending => Outcome::Blocked(registered_waits() - 1),
        }
    }

    /// As [`Vars::run`], for a program that does not block, in the outermost transaction.
    pub fn run_outermost(&self, program: &[Op]) -> Outcome {
        let result = try_atomically(|tx| {
            let refs = Refs::default();
            let number = self.go(tx, program, 0, &refs);
            refs.expect_unchanged();
            number
        });
        match result {
            Ok(number) => Outcome::Done(number),
            Err(error) => Outcome::Aborted(error),
        }
    }

    /// Runs a program, or part of one, inside a transaction.
    pub fn go<'t>(
        &self,
        tx: &mut Tx<'t>,
        program: &[Op],
        mut number: i64,
        refs: &Refs<'t>,
    ) -> Result<i64, Abort<i64>> {
        for op in program {
            number = match op {
                Note(n) => mix(number, *n),
                Retry => retry()?,
                Abort(error) => return abort(*error),
                OrElse(left, right) => {
                    let both = tx.or_else(
                        |tx| carry(self.go(tx, left, number, refs)),
                        |tx| carry(self.go(tx, right, number, refs)),
                    );
                    both?.map_err(Abort::User)?
                }
                Optionally(inner) => {
                    match tx.optionally(|tx| carry(self.go(tx, inner, number, refs)))? {
                        Some(number) => number.map_err(Abort::User)?,
                        None => mix(number, NOTHING),
                    }
                }
                Nested(inner) => match tx.nested(|tx| self.go(tx, inner, number, refs))? {
                    Ok(number) => number,
                    Err(error) => mix(number, !error),
                },
                WriteAll(n) => (0..VARS).try_fold(number, |number, var| {
                    self.access(tx, var, &Write(var, *n), number, refs)
                })?,
                UpdateAll(n) => (0..VARS).try_fold(number, |number, var| {
                    self.access(tx, var, &Update(var, *n), number, refs)
                })?,
                Read(var) | Hold(var) | Check(var) => self.access(tx, *var, op, number, refs)?,
                Write(var, _) | Modify(var, _) | Update(var, _) | Replace(var, _) => {
                    self.access(tx, *var, op, number, refs)?
                }
            };
        }
        Ok(number)
    }

    fn access<'t>(
        &self,
        tx: &mut Tx<'t>,
        var: usize,
        op: &Op,
        number: i64,
        refs: &Refs<'t>,
    ) -> Stm<i64> {
        match &self.vars[var] {
            Var::Word(var) => access(tx, var, op, number, refs),
            Var::Boxed(var) => access(tx, var, op, number, refs),
            Var::Record(records, i) => access_record(tx, records, *i, op, number),
        }
    }
}

fn access<'t, T: Value>(
    tx: &mut Tx<'t>,
    var: &TVar<T>,
    op: &Op,
    number: i64,
    refs: &Refs<'t>,
) -> Stm<i64> {
    match op {
        Read(_) => Ok(mix(number, var.read(tx)?.n())),
        Hold(_) => {
            let held = var.read_ref(tx)?;
            let now = held.n();
            refs.0.borrow_mut().push((Box::new(move || held.n()), now));
            Ok(mix(number, now))
        }
        Write(_, n) => var
            .write(tx, T::of(number.wrapping_add(*n)))
            .map(|()| number),
        Modify(_, n) => var
            .modify(tx, |value| T::of(mix(value.n(), *n)))
            .map(|()| number),
        Update(_, n) => var
            .update(tx, |value| *value = T::of(mix(value.n(), *n)))
            .map(|()| number),
        Replace(_, n) => {
            let old = var.replace(tx, T::of(number.wrapping_add(*n)))?;
            Ok(mix(number, old.n()))
        }
        Check(_) => check(var.read(tx)?.n() % 2 != 0).map(|()| number),
        _ => unreachable!("not an access: {op:?}"),
    }
}

fn read_record(tx: &mut impl ReadTx, records: &TRecords<WORDS>, i: usize) -> Stm<i64> {
    let [value, complement] = records.read(tx, i)?;
    assert_eq!(complement, !value, "words of one record");
    Ok(value as i64)
}

/// By two writes, so that what is pending grows.
fn write_record(tx: &mut Tx<'_>, records: &TRecords<WORDS>, i: usize, value: i64) -> Stm<()> {
    records.write_word(tx, i, 1, !(value as u64))?;
    records.write_word(tx, i, 0, value as u64)
}

fn access_record(
    tx: &mut Tx<'_>,
    records: &TRecords<WORDS>,
    i: usize,
    op: &Op,
    number: i64,
) -> Stm<i64> {
    match op {
        Read(_) | Hold(_) => Ok(mix(number, read_record(tx, records, i)?)),
        Write(_, n) => write_record(tx, records, i, number.wrapping_add(*n)).map(|()| number),
        Modify(_, n) => {
            let now = read_record(tx, records, i)?;
            write_record(tx, records, i, mix(now, *n)).map(|()| number)
        }
        Update(_, n) => {
            let value = mix(records.read_word(tx, i, 0)? as i64, *n) as u64;
            records.write(tx, i, [value, !value]).map(|()| number)
        }
        Replace(_, n) => {
            let old = read_record(tx, records, i)?;
            write_record(tx, records, i, number.wrapping_add(*n))?;
            Ok(mix(number, old))
        }
        Check(_) => check(read_record(tx, records, i)? % 2 != 0).map(|()| number),
        _ => unreachable!("not an access: {op:?}"),
    }
}

/// Takes a user's error through an alternative as a result: the scope around it undoes the branch along with itself.
fn carry(answer: Result<i64, Abort<i64>>) -> Stm<Result<i64, i64>> {
    match answer {
        Ok(number) => Ok(Ok(number)),
        Err(Abort::User(error)) => Ok(Err(error)),
        Err(Abort::Control(control)) => Err(control),
    }
}
