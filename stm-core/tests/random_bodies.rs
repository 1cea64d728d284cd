//! Random bodies on one thread, beside plain vectors: everything that a body can do, in any order and nesting, with values
//! that notice when they are dropped twice or looked at too late.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use common::fire::collect_until;
use common::{Rng, seed, watched};
use stm_core::{Abort, Ref, TRecords, TVar, Tx, abort, retry, snapshot, try_atomically};

/// The numbers of all values that are alive.
type Living = Arc<Mutex<(u64, HashSet<u64>)>>;

#[derive(Debug)]
struct Value {
    n: i64,
    number: u64,
    living: Living,
}

fn value(living: &Living, n: i64) -> Value {
    let mut all = living.lock().unwrap();
    all.0 += 1;
    let number = all.0;
    all.1.insert(number);
    drop(all);
    Value {
        n,
        number,
        living: Arc::clone(living),
    }
}

impl Value {
    fn n(&self) -> i64 {
        let alive = self.living.lock().unwrap().1.contains(&self.number);
        assert!(alive, "a value was looked at after its drop");
        self.n
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        value(&self.living, self.n())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        if !self.living.lock().unwrap().1.remove(&self.number) {
            eprintln!("a value was dropped twice");
            std::process::abort();
        }
    }
}

/// Either form of storage.
enum Var {
    Boxed(TVar<Value>),
    Inline(TVar<i64>),
}

/// So many variables, behind which come the words of so many records.
const VARS: usize = 12;
const RECORDS: usize = 2;
const WORDS: usize = 3;
const ALL: usize = VARS + RECORDS * WORDS;

/// What a record holds whose first value this is.
fn as_words(values: &[i64]) -> [u64; WORDS] {
    std::array::from_fn(|at| values[at] as u64)
}

/// What a body should come to.
#[derive(Clone)]
struct Model {
    values: Vec<i64>,
    on_commit: Vec<i64>,
    on_abort: Vec<i64>,
}

struct Body<'a, 't> {
    rng: Rng,
    vars: &'a [Var],
    records: &'a TRecords<WORDS>,
    living: &'a Living,
    model: Model,
    /// References that must go on showing what they showed.
    refs: Vec<(Ref<'t, Value>, i64)>,
    /// What hooks have done.
    marks: Rc<RefCell<Vec<i64>>>,
}

impl<'t> Body<'_, 't> {
    fn steps(&mut self, tx: &mut Tx<'t>, depth: usize) -> Result<(), Abort<()>> {
        for _ in 0..self.rng.below(14) {
            self.step(tx, depth)?;
            for (reference, n) in &self.refs {
                assert_eq!(reference.n(), *n, "a reference has changed");
            }
        }
        Ok(())
    }

    fn step(&mut self, tx: &mut Tx<'t>, depth: usize) -> Result<(), Abort<()>> {
        let at = self.rng.below(ALL);
        let k = self.rng.below(100) as i64;
        if at >= VARS {
            return self.step_in_record(tx, (at - VARS) / WORDS, (at - VARS) % WORDS, k);
        }
        let (var, living) = (&self.vars[at], self.living);
        let now = self.model.values[at];
        let next = match self.rng.below(15) {
            0 => {
                let seen = match var {
                    Var::Boxed(x) => x.read(tx)?.n(),
                    Var::Inline(x) => x.read(tx)?,
                };
                assert_eq!(seen, now);
                now
            }
            1 => {
                match var {
                    Var::Boxed(x) => x.write(tx, value(living, k))?,
                    Var::Inline(x) => x.write(tx, k)?,
                }
                k
            }
            2 => {
                match var {
                    Var::Boxed(x) => x.modify(tx, |v| value(living, v.n() + k))?,
                    Var::Inline(x) => x.modify(tx, |n| n + k)?,
                }
                now + k
            }
            3 => {
                match var {
                    Var::Boxed(x) => x.update(tx, |v| v.n = v.n() + k)?,
                    Var::Inline(x) => x.update(tx, |n| *n += k)?,
                }
                now + k
            }
            4 => {
                let old = match var {
                    Var::Boxed(x) => x.replace(tx, value(living, k))?.n(),
                    Var::Inline(x) => x.replace(tx, k)?,
                };
                assert_eq!(old, now);
                k
            }
            5..=7 => {
                let mix = move |n: i64| (n * 3 + k) % 1000;
                match var {
                    Var::Boxed(x) => x.commute(tx, move |v| value(&v.living, mix(v.n())))?,
                    Var::Inline(x) => x.commute(tx, move |n| mix(*n))?,
                }
                mix(now)
            }
            8 => {
                if let Var::Boxed(x) = var {
                    let reference = x.read_ref(tx)?;
                    assert_eq!(reference.n(), now);
                    self.refs.push((reference, now));
                }
                now
            }
            9 => {
                let marks = Rc::clone(&self.marks);
                tx.on_commit(move || marks.borrow_mut().push(k));
                self.model.on_commit.push(k);
                now
            }
            10 => {
                let marks = Rc::clone(&self.marks);
                tx.on_abort(move || marks.borrow_mut().push(-k));
                self.model.on_abort.push(-k);
                now
            }
            11 if depth > 0 => return self.nested(tx, depth - 1),
            12 if depth > 0 => return self.alternatives(tx, depth - 1),
            13 | 14 => match var {
                Var::Boxed(_) => now,
                Var::Inline(x) => {
                    x.add(tx, k)?;
                    now + k
                }
            },
            _ => now,
        };
        self.model.values[at] = next;
        Ok(())
    }

    /// Reads or writes some of a record's words, of which others may be pending.
    fn step_in_record(
        &mut self,
        tx: &mut Tx<'t>,
        record: usize,
        word: usize,
        k: i64,
    ) -> Result<(), Abort<()>> {
        let records = self.records;
        let first = VARS + record * WORDS;
        let now = as_words(&self.model.values[first..]);
        let mut next = now;
        match self.rng.below(7) {
            0 => assert_eq!(records.read_word(tx, record, word)?, now[word]),
            1 => assert_eq!(records.read(tx, record)?, now),
            2 => assert_eq!(records.read_words::<2, _>(tx, record, 1)?, now[1..]),
            3 | 4 => {
                next[word] = k as u64;
                records.write_word(tx, record, word, next[word])?;
            }
            5 => {
                next[1..].fill(k as u64);
                records.write_words::<2>(tx, record, 1, [k as u64; 2])?;
            }
            _ => {
                let seen = records.read_word(tx, record, word)?;
                next = now.map(|n| n.wrapping_mul(3).wrapping_add(seen) % 1000);
                records.write(tx, record, next)?;
            }
        }
        for (value, word) in self.model.values[first..].iter_mut().zip(next) {
            *value = word as i64;
        }
        Ok(())
    }

    fn nested(&mut self, tx: &mut Tx<'t>, depth: usize) -> Result<(), Abort<()>> {
        let before = self.model.clone();
        let fails = self.rng.below(2) == 0;
        let outcome = tx.nested(|tx| {
            self.steps(tx, depth)?;
            if fails { abort(()) } else { Ok(()) }
        })?;
        if outcome.is_err() {
            self.model = before;
        }
        Ok(())
    }

    fn alternatives(&mut self, tx: &mut Tx<'t>, depth: usize) -> Result<(), Abort<()>> {
        let before = self.model.clone();
        let gives_way = self.rng.below(2) == 0;
        let this = RefCell::new(self);
        tx.or_else(
            |tx| match this.borrow_mut().steps(tx, depth) {
                Ok(()) if gives_way => retry(),
                Ok(()) => Ok(()),
                Err(Abort::User(())) => retry(),
                Err(Abort::Control(control)) => Err(control),
            },
            |tx| {
                let this = &mut *this.borrow_mut();
                this.model = before;
                match this.steps(tx, 0) {
                    Ok(()) | Err(Abort::User(())) => Ok(()),
                    Err(Abort::Control(control)) => Err(control),
                }
            },
        )?;
        Ok(())
    }
}

fn program(seed: u64, living: &Living) {
    let vars: Vec<Var> = (0..VARS as i64)
        .map(|n| match n % 3 {
            2 => Var::Inline(TVar::new(n)),
            _ => Var::Boxed(TVar::new(value(living, n))),
        })
        .collect();
    let records = TRecords::new(RECORDS);
    let mut values: Vec<i64> = (0..VARS as i64).collect();
    values.resize(ALL, 0);
    for round in 0..6 {
        let rng = Rng::new(seed, round);
        let fails = rng.clone().below(4) == 0;
        let marks = Rc::new(RefCell::new(Vec::new()));
        let mut model = None;
        let outcome = try_atomically(|tx| {
            let mut body = Body {
                rng: rng.clone(),
                vars: &vars,
                records: &records,
                living,
                model: Model {
                    values: values.clone(),
                    on_commit: Vec::new(),
                    on_abort: Vec::new(),
                },
                refs: Vec::new(),
                marks: Rc::clone(&marks),
            };
            body.steps(tx, 3)?;
            model = Some(body.model);
            if fails { abort(()) } else { Ok(()) }
        });
        let mut model = model.expect("nobody is in the way");
        let expected = if outcome.is_ok() {
            values = model.values;
            model.on_commit
        } else {
            model.on_abort.reverse();
            model.on_abort
        };
        assert_eq!(*marks.borrow(), expected, "hooks, seed {seed}");
        for (var, n) in vars.iter().zip(&values) {
            let now = match var {
                Var::Boxed(x) => x.load().n(),
                Var::Inline(x) => x.load(),
            };
            assert_eq!(now, *n, "seed {seed}");
        }
        for (record, words) in values[VARS..].chunks(WORDS).enumerate() {
            let now = snapshot(|s| records.read(s, record));
            assert_eq!(now, as_words(words), "seed {seed}");
        }
    }
}

#[test]
fn random_bodies_do_what_vectors_do() {
    watched("random_bodies", || {
        let living = Living::default();
        let first = seed();
        let programs = if cfg!(debug_assertions) { 1_000 } else { 5_000 };
        for seed in first..first + programs {
            program(seed, &living);
        }
        let left = || living.lock().unwrap().1.len();
        collect_until(|| left() == 0);
        assert_eq!(left(), 0, "each value is dropped once");
    });
}
