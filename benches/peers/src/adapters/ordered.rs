//! A lock for each variable, taken in the order of the variables' numbers: what a perfect programmer writes, and what the figures are
//! measured against.
//!
//! It needs to know which variables an operation touches before it begins, so it is no engine: a look-up in a linked structure finds
//! that out as it goes.

use std::ops::DerefMut;

use stm_benches::measure::threads::Halt;
use stm_benches::money::Money;
use stm_benches::slots::{Slots, Total};
use stm_benches::workloads::alternatives::Payers;

/// Why locks in order cannot run bodies that find out as they go what they touch.
pub const NOT_KNOWN_BEFOREHAND: &str =
    "which locks to take is only known as a body goes along, and then it is too late for an order";

/// A lock around a value.
pub trait Lock<T>: Send + Sync + 'static {
    /// The right to the value.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// Around that value.
    fn new(value: T) -> Self;

    /// Waits until nobody else has it.
    fn lock(&self) -> Self::Guard<'_>;
}

/// Variables with a lock each.
pub struct Ordered<L, M = i64> {
    slots: Vec<L>,
    value: std::marker::PhantomData<fn() -> M>,
}

impl<M: Money, L: Lock<M>> Ordered<L, M> {
    /// Locks two, the lower number first, and gives them in the order in which they were asked for.
    #[inline]
    fn lock_two(&self, a: usize, b: usize) -> [L::Guard<'_>; 2] {
        if a < b {
            let first = self.slots[a].lock();
            [first, self.slots[b].lock()]
        } else {
            let first = self.slots[b].lock();
            [self.slots[a].lock(), first]
        }
    }

    /// Locks those, which are sorted and differ.
    fn lock_sorted(&self, sorted: &[usize]) -> Vec<L::Guard<'_>> {
        sorted.iter().map(|at| self.slots[*at].lock()).collect()
    }
}

impl<M: Money, L: Lock<M>> Slots for Ordered<L, M> {
    fn open(count: usize, amount: impl Fn(usize) -> i64) -> Self {
        Self {
            slots: (0..count).map(|at| L::new(M::of(amount(at)))).collect(),
            value: std::marker::PhantomData,
        }
    }

    #[inline]
    fn transfer(&self, from: usize, to: usize, amount: i64) {
        let [mut from, mut to] = self.lock_two(from, to);
        from.add(-amount);
        to.add(amount);
    }

    fn swap_all(&self, pairs: &[[usize; 2]]) {
        let mut sorted = pairs.concat();
        sorted.sort_unstable();
        sorted.dedup();
        let mut held = self.lock_sorted(&sorted);
        let place = |at: &usize| sorted.binary_search(at).expect("it was put in");
        for pair in pairs {
            let [a, b] = pair.each_ref().map(place);
            let [a, b] = held.get_disjoint_mut([a, b]).expect("a pair differs");
            std::mem::swap(&mut **a, &mut **b);
        }
    }

    fn add_to_all(&self, slots: &[usize]) {
        if let [at] = slots {
            return self.slots[*at].lock().add(1);
        }
        let mut sorted = slots.to_vec();
        sorted.sort_unstable();
        // The order of the additions does not show.
        for guard in &mut self.lock_sorted(&sorted) {
            guard.add(1);
        }
    }

    fn sum(&self, _: &Halt) -> Option<Total> {
        // All are held before the first is read: locked one at a time, the sum would be one that never was.
        let held: Vec<_> = self.slots.iter().map(L::lock).collect();
        let sum = held.iter().map(|value| value.amount()).sum();
        Some(Total { sum, runs: 1 })
    }

    fn amounts(&self) -> Vec<i64> {
        self.slots.iter().map(|slot| slot.lock().amount()).collect()
    }
}

impl<L: Lock<i64>> Payers for Ordered<L> {
    fn open(count: usize, balance: i64) -> Self {
        Slots::open(count, |_| balance)
    }

    /// Locks whatever it might need, since it must not lock a second payer after it has seen the first one.
    fn pay(&self, payers: [usize; 2], to: usize) -> bool {
        let accounts = [payers[0], payers[1], to];
        let mut order = [0, 1, 2];
        order.sort_unstable_by_key(|at| accounts[*at]);
        let mut held = [None, None, None];
        for at in order {
            held[at] = Some(self.slots[accounts[at]].lock());
        }
        let [first, second, payee] = held.map(|guard| guard.expect("each was locked"));
        let payer = [first, second].into_iter().find(|payer| **payer > 0);
        match (payer, payee) {
            (Some(mut payer), mut payee) => {
                *payer -= 1;
                *payee += 1;
                true
            }
            (None, _) => false,
        }
    }

    fn balances(&self) -> Vec<i64> {
        self.amounts()
    }
}
