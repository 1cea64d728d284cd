//! All variables in one vector behind a pointer that is replaced: read-copy-update (crate `arc-swap`).
//!
//! Whoever reads has a whole state in hand and disturbs nobody. Each write copies everything.

use std::sync::Arc;

use arc_swap::ArcSwap;
use stm_benches::measure::threads::Halt;
use stm_benches::money::Money;
use stm_benches::slots::{Slots, Total};

/// Under which it appears.
pub const NAME: &str = "arc-swap, rcu";

/// All values as they are now, in a vector that nobody changes.
pub struct Rcu<M = i64>(ArcSwap<Vec<M>>);

impl<M: Money> Rcu<M> {
    fn change(&self, change: impl Fn(&mut [M])) {
        self.0.rcu(|values| {
            let mut copy = Vec::clone(values);
            change(&mut copy);
            Arc::new(copy)
        });
    }
}

impl<M: Money> Slots for Rcu<M> {
    fn open(count: usize, amount: impl Fn(usize) -> i64) -> Self {
        let values: Vec<_> = (0..count).map(|at| M::of(amount(at))).collect();
        Self(ArcSwap::from_pointee(values))
    }

    fn transfer(&self, from: usize, to: usize, amount: i64) {
        self.change(|values| {
            values[from].add(-amount);
            values[to].add(amount);
        });
    }

    fn swap_all(&self, pairs: &[[usize; 2]]) {
        self.change(|values| {
            for &[a, b] in pairs {
                values.swap(a, b);
            }
        });
    }

    fn add_to_all(&self, slots: &[usize]) {
        self.change(|values| {
            for at in slots {
                values[*at].add(1);
            }
        });
    }

    fn sum(&self, _: &Halt) -> Option<Total> {
        let sum = self.0.load().iter().map(M::amount).sum();
        Some(Total { sum, runs: 1 })
    }

    fn amounts(&self) -> Vec<i64> {
        self.0.load().iter().map(M::amount).collect()
    }
}
