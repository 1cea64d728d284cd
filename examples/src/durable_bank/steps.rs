//! Where the process may be told to die, to show that it may die anywhere.

use std::sync::atomic::{AtomicU32, Ordering};

/// The moments of a transfer between which nothing that lasts happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// The decider has been asked.
    Asked,
    /// The journal's row is in the store's transaction.
    RowWritten,
    /// The balances are, too.
    BalancesWritten,
    /// The store has committed; the memory has not.
    StoreCommitted,
    /// Both have.
    MemoryCommitted,
}

impl Step {
    pub(crate) const ALL: [(&str, Self); 5] = [
        ("asked", Self::Asked),
        ("row-written", Self::RowWritten),
        ("balances-written", Self::BalancesWritten),
        ("store-committed", Self::StoreCommitted),
        ("memory-committed", Self::MemoryCommitted),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, step)| *step)
    }
}

/// Ends the process, without any clearing up, when a step is reached for the n-th time.
#[derive(Debug)]
pub(crate) struct Fate(Option<(Step, AtomicU32)>);

impl Fate {
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    pub(crate) const fn to_die_at(step: Step, nth: u32) -> Self {
        Self(Some((step, AtomicU32::new(nth))))
    }

    pub(crate) fn reach(&self, step: Step) {
        if let Some((fatal, left)) = &self.0
            && *fatal == step
            && left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            std::process::abort();
        }
    }
}
