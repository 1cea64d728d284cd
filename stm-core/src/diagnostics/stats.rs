//! Counting what happens, without anybody noticing.
//!
//! # The problem, and the idea
//!
//! One shared counter of commits would be the only cache line that all transactions write, and it would cost more than the
//! commits. So each thread counts for itself, in a [`Tally`] that it alone writes, and whoever asks adds them up. The
//! ancestors are statistical counters (McKenney, "Is Parallel Programming Hard, And, If So, What Can You Do About It?",
//! chapter 5), the histogram over causes is that of Scala STM.
//!
//! # State
//!
//! | thread | its counts are |
//! |---|---|
//! | has not run a transaction | nowhere |
//! | lives | in its tally, which the list knows |
//! | has gone | in `gone`, all threads' together |
//!
//! # Invariants
//!
//! - G1  A tally is written by its own thread only: a load and a store, never a read-modify-write. It has cache lines of
//!   its own (P5).
//! - G2  Each count is in one tally of the list or in `gone`; moving it happens under the list's mutex, as adding up does.
//!   So no sum ever shrinks.
//! - G3  A commit costs one increment. All else is counted where something slow has happened anyway.
//!
//! # Memory ordering
//!
//! Relaxed throughout: nothing is concluded from a count. Who has joined a thread sees all that it counted, by the join.
#![allow(
    clippy::disallowed_types,
    reason = "figures about the protocol, and no step of it: the models need not see them"
)]

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_utils::CachePadded;

use crate::cause::Cause;
use crate::mutant::mutant;

/// A number that one thread writes and others may read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// By the tally's own thread (G1), so a load and a store are as good as one step.
    ///
    /// Relaxed, as in `get`: nothing is concluded from a count.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one thread has counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) commits: Count,
    aborts: [Count; Cause::ALL.len()],
    pub(crate) rolled_back: Count,
    pub(crate) panicked: Count,
    pub(crate) waits: Count,
    pub(crate) wakes: Count,
    pub(crate) empty_wakes: Count,
    pub(crate) decisions_awaited: Count,
    pub(crate) conversions: Count,
    pub(crate) priorities: Count,
    pub(crate) history_nodes: Count,
}

impl Tally {
    pub(crate) fn abort(&self, cause: Cause) {
        self.aborts[cause as usize].add(1);
    }

    fn read(&self) -> Stats {
        Stats {
            commits: self.commits.get(),
            aborts: std::array::from_fn(|at| self.aborts[at].get()),
            rolled_back: self.rolled_back.get(),
            panicked: self.panicked.get(),
            waits: self.waits.get(),
            wakes: self.wakes.get(),
            empty_wakes: self.empty_wakes.get(),
            decisions_awaited: self.decisions_awaited.get(),
            conversions: self.conversions.get(),
            priorities: self.priorities.get(),
            history_nodes: self.history_nodes.get(),
        }
    }
}

struct Tallies {
    alive: Vec<Arc<CachePadded<Tally>>>,
    gone: Stats,
}

static TALLIES: Mutex<Tallies> = Mutex::new(Tallies {
    alive: Vec::new(),
    gone: Stats::NONE,
});

fn tallies() -> MutexGuard<'static, Tallies> {
    TALLIES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's place in the list; its counts outlive it (G2).
#[derive(Debug)]
pub(crate) struct Membership(Arc<CachePadded<Tally>>);

impl Membership {
    pub(crate) fn register() -> Self {
        let tally = Arc::<CachePadded<Tally>>::default();
        tallies().alive.push(Arc::clone(&tally));
        Self(tally)
    }

    #[inline(always)]
    pub(crate) fn tally(&self) -> &Tally {
        &self.0
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut all = tallies();
        if !mutant!("D-tally") {
            all.alive.retain(|tally| !Arc::ptr_eq(tally, &self.0));
        }
        if !mutant!("D-tally-kept") {
            all.gone = all.gone.plus(&self.0.read());
        }
    }
}

/// What all threads have done since the process began; from [`stats`].
///
/// Of interest is mostly the difference of two: [`Stats::since`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// Transactions that took effect, those that only read included, and [`TVar::store`](crate::TVar::store) and
    /// [`swap`](crate::TVar::swap). [`snapshot`](crate::snapshot) and [`load`](crate::TVar::load) are not counted.
    pub commits: u64,
    aborts: [u64; Cause::ALL.len()],
    /// Attempts that ended with the body's own error.
    pub rolled_back: u64,
    /// Attempts whose body panicked.
    pub panicked: u64,
    /// Times that a thread or a task went to sleep after a [`retry`](crate::retry).
    pub waits: u64,
    /// Waits that ended because something that was waited for had been written. (Others end by their time, or are
    /// cancelled.)
    pub wakes: u64,
    /// Those of `wakes` that came for nothing: the body ran again and called [`retry`](crate::retry) again.
    pub empty_wakes: u64,
    /// Times that a thread or a task slept until somebody else's decider had answered ([`Tx::decide`](crate::Tx::decide)): between two
    /// attempts, which is an abort, too, or in the middle of one, as snapshots and loads do.
    pub decisions_awaited: u64,
    /// Attempts that would have failed over what they had read, and went on as a snapshot instead.
    pub conversions: u64,
    /// Times that a transaction which had failed often was given priority.
    pub priorities: u64,
    /// Old values of word-sized variables that were saved for running snapshots.
    pub history_nodes: u64,
}

impl Stats {
    const NONE: Self = Self {
        commits: 0,
        aborts: [0; Cause::ALL.len()],
        rolled_back: 0,
        panicked: 0,
        waits: 0,
        wakes: 0,
        empty_wakes: 0,
        decisions_awaited: 0,
        conversions: 0,
        priorities: 0,
        history_nodes: 0,
    };

    fn combine(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            commits: f(self.commits, other.commits),
            aborts: std::array::from_fn(|at| f(self.aborts[at], other.aborts[at])),
            rolled_back: f(self.rolled_back, other.rolled_back),
            panicked: f(self.panicked, other.panicked),
            waits: f(self.waits, other.waits),
            wakes: f(self.wakes, other.wakes),
            empty_wakes: f(self.empty_wakes, other.empty_wakes),
            decisions_awaited: f(self.decisions_awaited, other.decisions_awaited),
            conversions: f(self.conversions, other.conversions),
            priorities: f(self.priorities, other.priorities),
            history_nodes: f(self.history_nodes, other.history_nodes),
        }
    }

    fn plus(&self, other: &Self) -> Self {
        self.combine(other, u64::wrapping_add)
    }

    /// What came between `earlier` and this one.
    ///
    /// ```
    /// use stm_core::{diagnostics::stats, TVar};
    ///
    /// let x = TVar::new(0);
    /// let before = stats();
    /// x.store(1);
    /// let between = stats().since(&before);
    /// assert_eq!((between.commits, between.aborts()), (1, 0));
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.combine(earlier, u64::saturating_sub)
    }

    /// Attempts that were thrown away over a conflict, for whatever cause; each was followed by another, or by the end of a
    /// limit.
    #[must_use]
    pub fn aborts(&self) -> u64 {
        self.aborts.iter().sum()
    }

    /// Attempts that were thrown away for this cause.
    #[must_use]
    pub fn aborts_by(&self, cause: Cause) -> u64 {
        self.aborts[cause as usize]
    }

    /// The causes that there were, the most frequent first.
    pub fn causes(&self) -> impl Iterator<Item = (Cause, u64)> + use<> {
        let mut causes: Vec<_> = Cause::ALL
            .into_iter()
            .zip(self.aborts)
            .filter(|&(_, n)| n > 0)
            .collect();
        causes.sort_by_key(|&(_, n)| std::cmp::Reverse(n));
        causes.into_iter()
    }
}

/// A table, a line for each figure.
impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &dyn fmt::Display, n: u64| {
            writeln!(f, "{n:>12}  {name}")
        };
        line(f, &"commits", self.commits)?;
        line(f, &"aborts", self.aborts())?;
        for (cause, n) in self.causes() {
            line(f, &format_args!("  {cause}"), n)?;
        }
        line(f, &"ended by the body's own error", self.rolled_back)?;
        line(f, &"ended by a panic", self.panicked)?;
        line(f, &"waits", self.waits)?;
        line(f, &"wakes", self.wakes)?;
        line(f, &"wakes for nothing", self.empty_wakes)?;
        line(f, &"sleeps until a decision", self.decisions_awaited)?;
        line(f, &"conversions to a snapshot", self.conversions)?;
        line(f, &"priorities taken", self.priorities)?;
        write!(f, "{:>12}  history nodes", self.history_nodes)
    }
}

/// What has been counted so far, over all threads, also those that have gone.
///
/// It may stay on in production: a commit costs one increment in memory of the thread's own, and everything else is counted
/// where something slow has happened already. Threads are read one after the other while they go on, so figures that belong
/// together may be a few apart; they are exact when nothing runs.
///
/// ```
/// use stm_core::{diagnostics, atomically, TVar};
///
/// let before = diagnostics::stats();
/// let x = TVar::new(0);
/// for _ in 0..10 {
///     atomically(|tx| x.modify(tx, |n| n + 1));
/// }
/// let work = diagnostics::stats().since(&before);
/// println!("{work}");
/// assert_eq!(work.commits, 10);
/// ```
#[must_use]
pub fn stats() -> Stats {
    let all = tallies();
    all.alive
        .iter()
        .fold(all.gone, |sum, tally| sum.plus(&tally.read()))
}
