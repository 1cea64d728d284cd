//! Which variables cost most attempts, and whom.
//!
//! # The problem, and the idea
//!
//! "There are many aborts" helps nobody; "they are all over `stock`, in `order` at shop.rs:40" does. Each attempt that fails
//! over a variable is entered there, on the failing thread, where the variable is known for sure. Two things must not
//! happen: that the list grows with the number of variables, and that failing threads wait for each other at the list, whose
//! hottest entry is by nature what they all want.
//!
//! - Each shard keeps [`KEPT`] variables. A newcomer to a full one takes the place, *and the count*, of the one that
//!   has cost least: the Space-Saving algorithm (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and
//!   Top-k Elements in Data Streams", ICDT 2005, doi:10.1007/978-3-540-30570-5_27). What is really hot is never lost, and by
//!   how much a count may be too high is known.
//! - A failure that finds the shard taken is not entered. What is measured thus loses some counts, and keeps its order: a
//!   variable misses more the hotter it is, but never so many that it would fall behind.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use super::known;
use super::origin::{Origin, Variable};

/// Variables in each of the shards: four thousand in all.
const KEPT: usize = if cfg!(stm_stress) { 8 } else { 64 };

/// Transactions that are told apart for each variable.
const ORIGINS: usize = 8;

#[derive(Debug)]
struct Cost {
    attempts: u64,
    too_high_by: u64,
    by: Vec<Victim>,
}

/// What the variables of one shard have cost.
#[derive(Debug)]
pub(super) struct Costs(BTreeMap<usize, Cost>);

impl Costs {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn add(&mut self, address: usize, origin: Origin) {
        let cost = self.entry(address);
        cost.attempts += 1;
        if let Some(victim) = cost.by.iter_mut().find(|victim| victim.origin == origin) {
            victim.attempts += 1;
        } else if cost.by.len() < ORIGINS {
            let attempts = 1;
            cost.by.push(Victim { origin, attempts });
        }
    }

    fn entry(&mut self, address: usize) -> &mut Cost {
        let inherited = if self.0.len() < KEPT || self.0.contains_key(&address) {
            0
        } else {
            self.give_up_one()
        };
        self.0.entry(address).or_insert(Cost {
            attempts: inherited,
            too_high_by: inherited,
            by: Vec::new(),
        })
    }

    /// Removes the variable that has cost least, and gives its count.
    fn give_up_one(&mut self) -> u64 {
        let least = self.0.iter().min_by_key(|(_, cost)| cost.attempts);
        let least = least.map(|(&address, _)| address);
        least
            .and_then(|address| self.0.remove(&address))
            .map_or(0, |cost| cost.attempts)
    }

    pub(super) fn remove(&mut self, address: usize) -> Option<impl Sized + use<>> {
        self.0.remove(&address)
    }
}

/// An attempt of `origin` has failed over the variable. D1 is the caller's part.
pub(crate) fn blame(address: usize, origin: Origin) {
    if let Some(mut shard) = known::shard_if_free(address) {
        shard.costs.add(address, origin);
    }
}

/// A variable over which attempts have failed; from [`hot_vars`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct HotVar {
    /// Which one.
    pub variable: Variable,
    /// How many attempts failed over it: it had changed since it was read, or was locked by another commit, or had been read
    /// by a transaction with priority.
    pub attempts: u64,
    /// By how much that may be too high: this variable took the place of another when there were too many. 0 unless
    /// thousands of variables have cost something.
    pub too_high_by: u64,
    /// Whose attempts they were, most first: up to eight transactions.
    pub by: Vec<Victim>,
}

/// A transaction that failed over some variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Victim {
    /// Which one.
    pub origin: Origin,
    /// How many of its attempts failed over this variable.
    pub attempts: u64,
}

/// A line for the variable, and one for each transaction.
impl fmt::Display for HotVar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12}  {}", self.attempts, self.variable)?;
        for victim in &self.by {
            write!(f, "\n{:>12}    {}", victim.attempts, victim.origin)?;
        }
        Ok(())
    }
}

/// The `n` variables that cost most attempts since the process began, or since [`clear_hot_vars`], with the transactions that
/// failed over them.
///
/// It tells who lost, not against whom: an engine that knew the winner of each conflict would have to write it down at each
/// commit. But those who write a variable mostly read it, too, and stand in the list themselves.
///
/// It is gathered only where an attempt has failed, in bounded memory: some four thousand variables, of which those that cost
/// least are given up for others. A variable's figures end with the variable. Counts are a little too low where many threads
/// fail over one variable at the same time.
///
/// ```
/// use stm_core::{diagnostics::hot_vars, atomically, TVar};
///
/// let stock = TVar::new(10).named("stock");
/// atomically(|tx| {
///     let n = stock.read(tx)?;
///     if tx.attempt() == 1 {
///         std::thread::scope(|s| { s.spawn(|| stock.store(20)); }); // another gets in
///     }
///     stock.write(tx, n - 1)
/// });
/// let hottest = &hot_vars(1)[0];
/// println!("{hottest}");
/// assert_eq!(hottest.variable.label(), Some("stock"));
/// assert_eq!(hottest.attempts, 1);
/// assert_eq!(hottest.by[0].origin.name(), "atomically");
/// ```
#[must_use]
pub fn hot_vars(n: usize) -> Vec<HotVar> {
    let mut all = Vec::new();
    for shard in known::shards() {
        all.extend(shard.costs.0.iter().map(|(&address, cost)| HotVar {
            variable: shard.variable(address),
            attempts: cost.attempts,
            too_high_by: cost.too_high_by,
            by: cost.by.clone(),
        }));
    }
    all.sort_by_key(|hot| Reverse(hot.attempts));
    all.truncate(n);
    for hot in &mut all {
        hot.by.sort_by_key(|victim| Reverse(victim.attempts));
    }
    all
}

/// Begins the list of [`hot_vars`] anew, say when a program has warmed up.
///
/// ```
/// use stm_core::diagnostics::{clear_hot_vars, hot_vars};
///
/// clear_hot_vars();
/// assert!(hot_vars(10).is_empty());
/// ```
pub fn clear_hot_vars() {
    for mut shard in known::shards() {
        let before = std::mem::replace(&mut shard.costs, Costs::new());
        drop(shard);
        drop(before);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::panic::Location;

    #[test]
    fn what_is_hot_survives_a_crowd_of_others() {
        let origin = Origin::new("crowd", Location::caller());
        let mut costs = Costs::new();
        let rounds = 100 * KEPT;
        for round in 0..rounds {
            costs.add(1, origin);
            costs.add(100 + round, origin);
        }
        assert!(costs.0.len() <= KEPT);
        let hot = &costs.0[&1];
        let real = rounds as u64;
        assert!(hot.attempts >= real && hot.attempts - hot.too_high_by <= real);
        let counted: u64 = costs.0.values().map(|cost| cost.attempts).sum();
        assert_eq!(counted, 2 * real, "an evicted count is inherited");
    }
}
