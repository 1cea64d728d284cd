//! One transaction that reads and writes n variables, for n from 1 to 32768, which is 2 to 65536 accesses.
//!
//! The figure to look at is the time for each access, which should stay nearly flat: a look-up among the variables that were
//! written must not become slower with their number, and checking and locking must be linear. Uncontended, on one thread.
//!
//! The variables are gone through in an order that is not the heap's, or who sorts them would have nothing to do.
//!
//! Checked: every variable has been counted up by every transaction.

use std::time::Duration;

use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::threads::{self, Amount, Ran};
use crate::slots::Slots;

/// Accesses in a transaction: half of them reads, half writes.
pub const SIZES: [usize; 5] = [2, 16, 256, 4096, 65536];

/// The case of the workload.
pub const CASE: &str = "half reads, half writes, 1 thread";

/// The figures of the workload, one for each size.
pub const METRICS: [Metric; SIZES.len()] = {
    const fn at(name: &'static str) -> Metric {
        Metric {
            name,
            unit: Unit::Nanoseconds,
        }
    }
    [
        at("an access of 2"),
        at("an access of 16"),
        at("an access of 256"),
        at("an access of 4096"),
        at("an access of 65536"),
    ]
};

/// Variables, and the order in which a transaction goes through them.
#[derive(Debug)]
pub struct Big<S> {
    slots: S,
    order: Vec<usize>,
    /// Transactions so far.
    done: u64,
}

impl<S: Slots> Big<S> {
    /// For transactions of so many accesses.
    #[must_use]
    pub fn new(accesses: usize) -> Self {
        let count = accesses / 2;
        Self {
            slots: S::open(count, |_| 0),
            // Odd, so it reaches all of them where the count is a power of two.
            order: (0..count).map(|at| at * 40503 % count).collect(),
            done: 0,
        }
    }

    /// Runs transactions.
    ///
    /// # Errors
    ///
    /// What the check found wrong.
    pub fn work(&mut self, amount: Amount) -> Result<Ran, String> {
        let (slots, order) = (&self.slots, &self.order);
        let batch = (256 / order.len() as u64).max(1);
        let (ran, _) = threads::run(1, amount, batch, |_| (), |(), _| slots.add_to_all(order));
        self.done += ran.steps;
        let wrong = |amount: &i64| *amount != self.done as i64;
        match slots.amounts().into_iter().find(wrong) {
            Some(amount) => Err(format!(
                "a variable was counted up {amount} times by {} transactions",
                self.done
            )),
            None => Ok(ran),
        }
    }
}

/// Slots that take part, in transactions of every size.
pub fn contender<S: Slots>(name: &str) -> Contender<'static> {
    let mut sizes = Vec::new();
    Contender::new(name, move |time: Duration| -> Turn {
        if sizes.is_empty() {
            sizes.extend(SIZES.map(Big::<S>::new));
        }
        let mut figures = Vec::new();
        for (big, accesses) in sizes.iter_mut().zip(SIZES) {
            let ran = big.work(Amount::For(time / SIZES.len() as u32))?;
            let accesses = ran.steps * accesses as u64;
            figures.push(ran.elapsed.as_nanos() as f64 / accesses as f64);
        }
        Ok(figures)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::slots::OnEngine;
    use crate::wrong::{Forgetful, caught};

    #[test]
    fn a_lost_write_is_caught_in_every_size() {
        watched("a_lost_write_is_caught_in_every_size", || {
            for size in &SIZES[..4] {
                caught("big", || {
                    let mut big = Big::<OnEngine<Forgetful>>::new(*size);
                    big.work(Amount::Steps(101)).map(drop)
                });
            }
        });
    }

    #[test]
    fn ours_writes_all_of_every_size() {
        watched("ours_writes_all_of_every_size", || {
            for size in SIZES {
                let mut big = Big::<OnEngine<StmCore>>::new(size);
                for _ in 0..2 {
                    let ran = big.work(Amount::Steps(2)).expect("nothing is lost");
                    assert_eq!(ran.steps, 2);
                }
            }
        });
    }

    #[test]
    fn the_order_has_every_variable_once() {
        watched("the_order_has_every_variable_once", || {
            for size in SIZES {
                let mut order = Big::<OnEngine<StmCore>>::new(size).order;
                order.sort_unstable();
                assert!(order.into_iter().eq(0..size / 2));
            }
        });
    }
}
