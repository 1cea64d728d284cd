//! A row of variables, and what several workloads do to some of them at one moment.
//!
//! All these operations know beforehand which variables they touch. So a scheme that takes locks in order can do them, too, and it
//! plugs in here. What an operation does is fixed to the letter, for an engine and for a lock alike: values are changed in the
//! order of the arguments.

use std::cell::Cell;

use crate::engine::{Engine, Reads, Writes};
use crate::measure::threads::Halt;
use crate::money::Money;

/// A sum over all slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The sum.
    pub sum: i64,
    /// How often the body ran for it.
    pub runs: u64,
}

/// A row of variables.
pub trait Slots: Sync + Sized + 'static {
    /// So many, with amounts by their numbers.
    fn open(count: usize, amount: impl Fn(usize) -> i64) -> Self;

    /// Moves `amount` from a slot to another one.
    fn transfer(&self, from: usize, to: usize, amount: i64);

    /// Swaps the values of each pair, one pair after the other. A slot may be in several of them.
    fn swap_all(&self, pairs: &[[usize; 2]]);

    /// Adds one to each of these, which differ.
    fn add_to_all(&self, slots: &[usize]);

    /// The sum of all amounts at one moment; `None` if `halt` was set before it got through.
    fn sum(&self, halt: &Halt) -> Option<Total>;

    /// All amounts, while nobody changes them.
    fn amounts(&self) -> Vec<i64>;
}

/// Slots that are variables of an engine.
#[derive(Debug)]
pub struct OnEngine<E: Engine, M: Money = i64>(Vec<E::Var<M>>);

impl<E: Engine, M: Money> Slots for OnEngine<E, M> {
    fn open(count: usize, amount: impl Fn(usize) -> i64) -> Self {
        Self((0..count).map(|at| E::var(M::of(amount(at)))).collect())
    }

    #[inline]
    fn transfer(&self, from: usize, to: usize, amount: i64) {
        E::atomically(|tx| {
            tx.modify(&self.0[from], |money| money.plus(-amount))?;
            tx.modify(&self.0[to], |money| money.plus(amount))
        });
    }

    #[inline]
    fn swap_all(&self, pairs: &[[usize; 2]]) {
        E::atomically(|tx| {
            for &[a, b] in pairs {
                let (x, y) = (tx.read(&self.0[a])?, tx.read(&self.0[b])?);
                tx.write(&self.0[a], y)?;
                tx.write(&self.0[b], x)?;
            }
            Ok(())
        });
    }

    #[inline]
    fn add_to_all(&self, slots: &[usize]) {
        E::atomically(|tx| {
            for &at in slots {
                let value = tx.read(&self.0[at])?;
                tx.write(&self.0[at], value.plus(1))?;
            }
            Ok(())
        });
    }

    fn sum(&self, halt: &Halt) -> Option<Total> {
        let runs = Cell::new(0);
        let sum = E::report(|report| {
            if halt.is_set() {
                return Ok(None);
            }
            runs.set(runs.get() + 1);
            let mut sum = 0;
            for slot in &self.0 {
                sum += report.read(slot)?.amount();
            }
            Ok(Some(sum))
        });
        let runs = runs.get();
        sum.map(|sum| Total { sum, runs })
    }

    fn amounts(&self) -> Vec<i64> {
        let slots = self.0.iter();
        slots
            .map(|slot| E::read_only(|tx| tx.read(slot)).amount())
            .collect()
    }
}
