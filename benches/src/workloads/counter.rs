//! One hot variable that everybody adds one to.
//!
//! No transactional memory is any good at this when it reads and writes; who lets transactions commute need not abort.
//!
//! Checked: the counter has counted every step.

use std::marker::PhantomData;

use stm_core::{TVar, atomically};

use crate::engine::{Engine, Reads, Writes};
use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::threads::{self, Amount, Ran};

/// What a counter must be able to do.
pub trait Counter: Sync + Sized + 'static {
    /// At zero.
    fn new() -> Self;

    /// Counts one.
    fn add(&self);

    /// How many were counted, while nobody counts.
    fn value(&self) -> i64;
}

/// A variable of an engine, changed in the way of `W`.
#[derive(Debug)]
pub struct OnEngine<E: Engine, W>(E::Var<i64>, PhantomData<fn(W)>);

/// A way to change a variable.
pub trait Way: 'static {
    /// Adds one.
    fn add<E: Engine>(counter: &E::Var<i64>);
}

/// Read and written.
#[derive(Clone, Copy, Debug)]
pub struct Modify;

impl Way for Modify {
    #[inline]
    fn add<E: Engine>(counter: &E::Var<i64>) {
        E::atomically(|tx| tx.modify(counter, |n| n + 1));
    }
}

/// Changed at the commit, unread; for engines that are able to.
#[derive(Clone, Copy, Debug)]
pub struct Commute;

impl Way for Commute {
    #[inline]
    fn add<E: Engine>(counter: &E::Var<i64>) {
        E::atomically(|tx| E::commute(tx, counter, |n| n + 1));
    }
}

/// A variable of ours that is added to: the one function for which the engine needs neither a read nor a closure.
#[derive(Debug)]
pub struct Added(TVar<i64>);

impl Counter for Added {
    fn new() -> Self {
        Self(TVar::new(0))
    }
    #[inline]
    fn add(&self) {
        atomically(|tx| self.0.add(tx, 1));
    }
    fn value(&self) -> i64 {
        self.0.load()
    }
}

impl<E: Engine, W: Way> Counter for OnEngine<E, W> {
    fn new() -> Self {
        Self(E::var(0), PhantomData)
    }
    #[inline]
    fn add(&self) {
        W::add::<E>(&self.0);
    }
    fn value(&self) -> i64 {
        E::read_only(|tx| tx.read(&self.0))
    }
}

/// The cases of the workload: how many threads count.
pub const CASES: [(&str, usize); 2] = [("1 thread", 1), ("2 threads", 2)];

/// The figure of every case.
pub const METRICS: [Metric; 1] = [Metric {
    name: "counted",
    unit: Unit::PerSecond,
}];

/// Lets the threads count.
///
/// # Errors
///
/// What the check found wrong.
pub fn work<C: Counter>(counter: &C, threads: usize, amount: Amount) -> Result<Ran, String> {
    let before = counter.value();
    let (ran, _) = threads::run(threads, amount, 64, |_| (), |(), _| counter.add());
    let counted = counter.value() - before;
    if counted == ran.steps as i64 {
        Ok(ran)
    } else {
        Err(format!("{counted} were counted of {}", ran.steps))
    }
}

/// A counter that takes part.
pub fn contender<C: Counter>(name: &str, threads: usize) -> Contender<'static> {
    let mut counter = None;
    Contender::new(name, move |time| -> Turn {
        let counter = counter.get_or_insert_with(C::new);
        Ok(vec![work(counter, threads, Amount::For(time))?.rate()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::wrong::{Forgetful, Unisolated, caught};

    fn turn<C: Counter>(threads: usize) -> Result<(), String> {
        work(&C::new(), threads, Amount::Steps(1000)).map(drop)
    }

    #[test]
    fn lost_updates_are_caught() {
        watched("lost_updates_are_caught", || {
            caught("counter", || turn::<OnEngine<Unisolated, Modify>>(2));
            caught("counter", || turn::<OnEngine<Forgetful, Modify>>(1));
        });
    }

    #[test]
    fn ours_counts_every_step() {
        watched("ours_counts_every_step", || {
            for (name, threads) in CASES {
                let modify = turn::<OnEngine<StmCore, Modify>>(threads);
                let commute = turn::<OnEngine<StmCore, Commute>>(threads);
                let add = turn::<Added>(threads);
                assert_eq!((modify, commute, add), (Ok(()), Ok(()), Ok(())), "{name}");
            }
        });
    }
}
