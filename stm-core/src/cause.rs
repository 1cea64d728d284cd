//! Why an attempt ended without a commit.
//!
//! The user sees [`Control`], one opaque word that travels up through `?`. The engine keeps beside it, in the
//! transaction, a [`Cause`]: one value for each place in the protocol that can turn an attempt away. Policy
//! (what to try next) and statistics work on causes, never on the place in the code.

use std::fmt;

/// The reason why a transaction's body must stop here: to start over, or to wait.
///
/// Bodies pass it on with `?` and cannot tell the two apart: a conflict is the engine's business, and
/// [`or_else`](crate::Tx::or_else) is how to react to a [`retry`](crate::retry).
///
/// A body that swallows a conflict (say, by matching on the result of a read) cannot make the transaction go on:
/// the attempt is doomed, every later operation fails and the attempt is thrown away at its end. A body that
/// swallows a retry has decided not to wait, which is its right.
///
/// ```
/// use stm_core::{atomically, check, Stm, TVar, Tx};
///
/// fn take_one(tx: &mut Tx<'_>, stock: &TVar<u32>) -> Stm<()> {
///     let n = stock.read(tx)?; // a conflict leaves the body here
///     check(n > 0)?; // a wish to wait, here
///     stock.write(tx, n - 1)
/// }
///
/// let stock = TVar::new(2);
/// atomically(|tx| take_one(tx, &stock));
/// assert_eq!(stock.load(), 1);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Control(Kind);

/// A whole word, so that a result of several words is copied word by word: of a byte that overlaps a word of the value, the compiler
/// makes copies that the processor cannot forward from the stores before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(crate) enum Kind {
    /// Something was seen that cannot be part of a consistent commit: start over.
    Conflict,
    /// The body asks to wait until something that it has read changes.
    Retry,
    /// The same, but not by way of another branch, before its time is over.
    RetryUntil,
}

const _: () = assert!(
    size_of::<Result<(), Control>>() == 8,
    "Stm<()> costs a register"
);

impl Control {
    pub(crate) const CONFLICT: Self = Self(Kind::Conflict);
    pub(crate) const RETRY: Self = Self(Kind::Retry);
    pub(crate) const RETRY_UNTIL: Self = Self(Kind::RetryUntil);

    pub(crate) const fn kind(self) -> Kind {
        self.0
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Control::{:?}", self.0)
    }
}

impl fmt::Display for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Conflict => "the attempt met a conflict and must start over",
            Kind::Retry | Kind::RetryUntil => {
                "the attempt asked to wait until something that it read changes"
            }
        })
    }
}

impl std::error::Error for Control {}

/// Why an attempt was thrown away: what [`Stats`](crate::diagnostics::Stats) counts by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// A variable stayed locked for longer than a reader waits.
    ReadLocked,
    /// A variable read earlier had been replaced by the time a newer one was read.
    ReadChanged,
    /// An attempt that had gone on as a snapshot needs an old word-sized value, which is kept only for those that are
    /// snapshots from their begin: as such it runs again.
    OldValueGone,
    /// The body wrote after the attempt had become a snapshot.
    WroteInSnapshot,
    /// A variable to be written stayed locked for longer than a committer waits.
    CommitLocked,
    /// A variable read was replaced, or was being replaced, at commit.
    CommitChanged,
    /// The body went on after an operation had failed, or after it had caught a panic out of one.
    Swallowed,
    /// Something to be written had been read by the transaction that has priority.
    GaveWay,
    /// A variable is locked by a commit whose decider has not answered ([`Tx::decide`](crate::Tx::decide)): the call slept until
    /// it had.
    Undecided,
    /// A function that was to be applied at commit panicked.
    CommutePanicked,
    /// The body returned a conflict that this attempt had not given it.
    Foreign,
}

impl Cause {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 11] = [
        Self::ReadLocked,
        Self::ReadChanged,
        Self::OldValueGone,
        Self::WroteInSnapshot,
        Self::CommitLocked,
        Self::CommitChanged,
        Self::Swallowed,
        Self::GaveWay,
        Self::Undecided,
        Self::CommutePanicked,
        Self::Foreign,
    ];

    /// What reports call it.
    ///
    /// ```
    /// use stm_core::diagnostics::Cause;
    ///
    /// assert_eq!(Cause::CommitChanged.name(), "read changed at commit");
    /// assert_eq!(Cause::CommitChanged.to_string(), Cause::CommitChanged.name());
    /// ```
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadLocked => "read locked",
            Self::ReadChanged => "read changed",
            Self::OldValueGone => "old value gone",
            Self::WroteInSnapshot => "wrote in a snapshot",
            Self::CommitLocked => "locked at commit",
            Self::CommitChanged => "read changed at commit",
            Self::Swallowed => "error swallowed",
            Self::GaveWay => "gave way to priority",
            Self::Undecided => "undecided",
            Self::CommutePanicked => "commute function panicked",
            Self::Foreign => "foreign conflict",
        }
    }

    /// True if the attempt failed over what it read, before its commit: a snapshot would not have. (Or that may be the reason;
    /// whoever asks knows what was written.)
    pub(crate) const fn spares_a_snapshot(self) -> bool {
        matches!(
            self,
            Self::ReadLocked | Self::ReadChanged | Self::OldValueGone | Self::Undecided
        )
    }

    /// True if some variable was in the way: the body's own doing is nobody's fault.
    pub(crate) const fn is_over_a_variable(self) -> bool {
        !matches!(
            self,
            Self::Swallowed | Self::CommutePanicked | Self::Foreign
        )
    }
}

const _: () = {
    let mut at = 0;
    while at < Cause::ALL.len() {
        assert!(
            Cause::ALL[at] as usize == at,
            "a histogram counts by these numbers"
        );
        at += 1;
    }
};

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
