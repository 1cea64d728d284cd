//! Every change of the protocol that must not be made: each was found wrong when the protocol was designed, or breaks an
//! invariant that a module's documentation names.

use crate::oracles::Violation::{self, *};

/// A change of one step, or of the order of two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    /// The protocol as it is.
    None,
    /// Keep the value that was read before the clock moved.
    M1,
    /// Look at the version only after the clock moved, instead of reading again.
    M2,
    /// Validate before loading the clock.
    M3,
    /// Skip validation when the version is `rv + 1`.
    M4,
    /// Look for living snapshots before loading the clock.
    M5,
    /// Begin a snapshot without advancing the clock.
    M6,
    /// version = max(clock, old version) + 1.
    M7,
    /// A boxed read that ignores LOCKED.
    M8,
    /// Load the clock before locking.
    M9,
    /// An inline read without the second look at the word.
    M10,
    /// Float over words that are not unique: `seq` stays.
    M11,
    /// A waiter takes a locked word for an unchanged one.
    M12,
    /// `or_else` forgets the reads of its left branch.
    M13,
    /// Convert at the time of the begin.
    M14,
    /// Convert at `rv` although a read is newer.
    M15,
    /// Convert without making time >= s first.
    M16,
    /// A converted transaction follows the history of inline values.
    M17,
    /// A snapshot adopts the advance of another.
    M18,
    /// After `seq` overflowed: the time of the new load, the snapshots of the old.
    M19,
    /// The holder looks at the word, then announces.
    M20a,
    /// The committer looks at the token, then locks.
    M20b,
    /// Locks are not taken in one order.
    X1,
    /// A committer that waits for a lock does not look at the token.
    X2,
    /// A commit that is given up does not put WAITERS back.
    X3,
    /// One that only reads and has failed begins as an update once more.
    X4,
    /// History is saved after the word is published.
    X5,
    /// The clock is loaded before the pin is taken.
    X6,
    /// A waiter sets its bit first and registers then.
    X7,
    /// Validation at commit takes what another has locked for unchanged.
    X8,
    /// A holder that goes to sleep keeps the token.
    X9,
    /// A single load of a boxed value ignores LOCKED.
    X10,
}

impl Mutant {
    pub const ALL: [Self; 31] = {
        use Mutant::*;
        [
            M1, M2, M3, M4, M5, M6, M7, M8, M9, M10, M11, M12, M13, M14, M15, M16, M17, M18, M19,
            M20a, M20b, X1, X2, X3, X4, X5, X6, X7, X8, X9, X10,
        ]
    };

    /// The oracle that must speak.
    pub const fn expected(self) -> Violation {
        use Mutant as M;
        match self {
            M::M5 | M::M17 | M::M18 | M::M19 | M::X5 => MissingVersion,
            M::M6 | M::M7 | M::M14 | M::X6 => UseAfterFree,
            M::M12 | M::X3 | M::X7 => LostWakeUp,
            M::M20a | M::M20b | M::X4 => Starvation,
            M::X1 | M::X2 | M::X9 => Deadlock,
            _ => Opacity,
        }
    }
}
