//! What to do when another transaction is in the way.
//!
//! Two situations, two policies, each a column of guard clauses. Both are heuristics: correctness never
//! depends on a number here, only speed and fairness do.
//!
//! - A word is locked. Its owner is inside a commit, which takes well under a microsecond unless the owner lost its
//!   processor. So: spin briefly, then give the processor away, and after a bounded number of rounds report back
//!   ([`Patience::Spent`]). Only a commit with a decider may take long; it says so where one looks before the
//!   processor is given away ([`Patience::Undecided`]).
//! - An attempt failed. Its rival has just committed, and running into the next rival at once is likely when
//!   many threads share few processors. So: pause for a time that doubles with each failure, up to a bound. What
//!   comes beyond the bound is in [`crate::call`].

use std::sync::Arc;

use crate::block::Pinned;
use crate::diagnostics::origin::Origin;
use crate::priority::{Holder, Tenure};
use crate::sync::{spin_hint, yield_now};
use crate::undecided::{self, Undecided};

/// Rounds of doubling spins before the processor is given away: about 100 pause instructions in all.
const SPIN_ROUNDS: u32 = if cfg!(any(loom, shuttle)) { 0 } else { 6 };
/// Rounds in all before patience is spent. A descheduled owner is back within these on a busy machine.
const ROUNDS: u32 = if cfg!(any(loom, shuttle)) { 2 } else { 256 };

/// Whether a wait for a lock should go on.
#[derive(Debug)]
#[must_use]
pub(crate) enum Patience {
    Left,
    Spent,
    /// The lock will be held until somebody has decided: there is something to sleep on.
    Undecided(Arc<Undecided>),
}

/// One wait for a locked word.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    rounds: u32,
    limit: Limit,
}

/// How long a wait for a lock may last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Limit {
    /// A number of rounds.
    #[default]
    Bounded,
    /// The same, but not before the lease of the token, which the waiter holds, has run out: others give way to it, so the lock
    /// will come free.
    Protected(Tenure),
    /// Many times the number: the waiter has read nothing, so another attempt would only come back for the same lock. Not
    /// without end, for a call may have a deadline, which is looked at between attempts.
    Long,
}

impl Limit {
    /// For an attempt that may hold the token.
    pub(crate) fn of_attempt(holder: Option<&Holder>) -> Self {
        holder.map_or(Self::Bounded, |holder| Self::Protected(holder.tenure()))
    }

    /// Whether others give way to the waiter now.
    pub(crate) fn is_protected(self) -> bool {
        matches!(self, Self::Protected(tenure) if tenure.lease_runs())
    }

    fn is_reached(self, rounds: u32) -> bool {
        match self {
            Self::Bounded => rounds >= ROUNDS,
            Self::Protected(tenure) => rounds >= ROUNDS && !tenure.lease_runs(),
            Self::Long => rounds >= 64 * ROUNDS,
        }
    }
}

impl Waiting {
    pub(crate) const fn up_to(limit: Limit) -> Self {
        Self { rounds: 0, limit }
    }

    /// Waits a little for the owner of `block`; longer, and by yielding, with each round.
    #[cold]
    pub(crate) fn round(&mut self, block: Pinned) -> Patience {
        if let Some(undecided) = self.undecided(block) {
            return Patience::Undecided(undecided);
        }
        if self.limit.is_reached(self.rounds) {
            return Patience::Spent;
        }
        self.pause();
        Patience::Left
    }

    /// As [`Waiting::round`], without end: for those who hold no lock and need this very value.
    #[cold]
    pub(crate) fn round_without_end(&mut self, block: Pinned) -> Option<Arc<Undecided>> {
        let undecided = self.undecided(block);
        if undecided.is_none() {
            self.pause();
        }
        undecided
    }

    /// As [`Waiting::round_without_end`], for those who may sleep where they are.
    #[cold]
    pub(crate) fn sit_out(&mut self, block: Pinned, origin: Origin) {
        if let Some(undecided) = self.round_without_end(block) {
            undecided.sleep(block, None, origin);
        }
    }

    /// What keeps `block` locked for long, for one who has spun.
    fn undecided(&self, block: Pinned) -> Option<Arc<Undecided>> {
        if self.rounds < SPIN_ROUNDS {
            return None;
        }
        undecided::on(block)
    }

    fn pause(&mut self) {
        if self.rounds < SPIN_ROUNDS {
            for _ in 0..1u32 << self.rounds {
                spin_hint();
            }
        } else {
            yield_now();
        }
        self.rounds = self.rounds.saturating_add(1);
    }
}

/// The pause after the `failures`-th failed attempt of a call (1 for the first).
#[cold]
pub(crate) fn back_off(failures: u32) {
    // The first failure costs the rival's commit at most; run again at once.
    if failures <= 1 {
        return;
    }
    // A few doublings stay below the cost of a switch of context.
    if failures <= SPIN_ROUNDS {
        for _ in 0..1u32 << failures {
            spin_hint();
        }
        return;
    }
    // Beyond that somebody else probably needs the processor in order to finish.
    yield_now();
}
