//! Histories: every attempt of every transaction while a recording runs, and whether they fit together.
//!
//! # The problem, and the idea
//!
//! "Every body sees one consistent state" is a promise about attempts that nobody hears of again: those that are thrown away.
//! A test that looks at results cannot see them. So the engine notes what each attempt read and published, by names that never
//! repeat, and when it began and ended. From that alone [`History::check`] decides whether one order of all attempts explains
//! everything, and [`elle::export`] writes the same down for checkers by other hands.
//!
//! ```
//! use stm_core::diagnostics::history::Recording;
//! use stm_core::{atomically, snapshot, TVar};
//!
//! let (x, y) = (TVar::new(0), TVar::new(String::from("0")));
//! let recording = Recording::start()?;
//! std::thread::scope(|s| {
//!     for n in 1..=3 {
//!         let (x, y) = (&x, &y);
//!         s.spawn(move || {
//!             atomically(|tx| {
//!                 x.modify(tx, |seen| seen + n)?;
//!                 y.write(tx, n.to_string())
//!             });
//!             snapshot(|s| Ok((x.read(s)?, y.read(s)?)));
//!         });
//!     }
//! });
//! let history = recording.stop();
//!
//! let summary = history.check().expect("the engine is opaque");
//! assert_eq!(summary.committed, 6);
//! assert!(summary.attempts >= 6); // some may have run again
//! # Ok::<(), stm_core::diagnostics::history::AlreadyRecording>(())
//! ```
//!
//! # What is recorded
//!
//! - Attempts of [`atomically`](crate::atomically) and all its kin, for threads and tasks; [`snapshot`](crate::snapshot)s;
//!   [`TVar::load`](crate::TVar::load), `store` and `swap`, each an attempt of its own.
//! - Every read that gave the body a published value. Not what it read of its own pending writes, and no
//!   [`glance`](crate::TVar::glance).
//! - A store or swap that found its quick way closed and took the long one is one attempt.
//! - Every publication: which value took which one's place. For attempts that failed, what they had staged by then.
//! - Of a [`record`](crate::TRecords) each word by itself, as a variable of its own: a commit that writes some publishes all of them,
//!   those that stay as they were included.
//!
//! A value is named by its publication (a variable's word is never the same twice; a boxed value has a number of its own), and
//! beside the name stands what was found there: the bits, or the number in the node itself. So a read that combines the name of one
//! publication with the content of another shows.
//!
//! # Limits
//!
//! - The whole process is recorded, with all its threads. Start before the threads that run transactions, and stop after they have
//!   been joined: what overlaps either is recorded in part, and may be reported for it.
//! - Begin and end draw a number from one shared counter, and each value another. This slows transactions down and orders what
//!   would otherwise not be ordered: a history shows what the protocol allows, not what a weak memory allows on top.
//! - Transactions run while a thread's locals are being destroyed are not recorded once the recorder's own is gone.
//! - Memory grows with the number of attempts.

mod check;
pub mod elle;
pub(crate) mod raw;
mod versions;
mod violation;

use std::fmt;

pub use self::check::Summary;
pub use self::violation::{Dependency, Step, Violation};
use crate::cause::Cause;
use crate::record;
use crate::word::Word;

/// A variable, under a name that no other variable ever has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct VarId(pub u64);

/// A published value, or the one that the variable was made with. No two of one variable are alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ValueId(pub u64);

impl ValueId {
    pub(crate) const fn of_word(word: Word) -> Self {
        Self(word.publication())
    }

    pub(crate) const fn of_serial(serial: u64) -> Self {
        Self(serial)
    }
}

/// A published value that a body was given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Read {
    /// Of which variable.
    pub variable: VarId,
    /// Which publication.
    pub value: ValueId,
    /// What was there: the bits of a value that is kept in place, the number in the node of a boxed one.
    pub content: u64,
}

/// A value that an attempt published.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Write {
    /// To which variable.
    pub variable: VarId,
    /// Its name.
    pub value: ValueId,
    /// As [`Read::content`].
    pub content: u64,
    /// The value whose place it took.
    pub replaces: ValueId,
}

/// A value that an attempt had pending when it failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Staged {
    /// For which variable.
    pub variable: VarId,
    /// As [`Read::content`].
    pub content: u64,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It took effect.
    Committed,
    /// The engine threw it away.
    Conflict(Cause),
    /// The body failed by its own choice.
    RolledBack,
    /// The body asked to wait.
    Retried,
    /// The body panicked.
    Unwound,
    /// It was given up half-way: a `Clone` panicked in the middle of a load or swap.
    Unfinished,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed => f.write_str("committed"),
            Self::Conflict(cause) => write!(f, "aborted: {cause}"),
            Self::RolledBack => f.write_str("rolled back"),
            Self::Retried => f.write_str("retried"),
            Self::Unwound => f.write_str("panicked"),
            Self::Unfinished => f.write_str("given up"),
        }
    }
}

/// One run of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The call that it belongs to.
    pub call: u64,
    /// Its number within the call, from 1.
    pub number: u32,
    /// What was called: `atomically`, the name of a [`Transaction`](crate::Transaction), `snapshot`, `TVar::load`, ..
    pub what: &'static str,
    /// The thread that ran it, by a number of the recorder's.
    pub thread: u64,
    /// When it began, on one clock for all threads.
    pub begin: u64,
    /// When it had ended, on the same clock.
    pub end: u64,
    /// In the order of the body.
    pub reads: Vec<Read>,
    /// In the order of publication. Empty unless it committed.
    pub writes: Vec<Write>,
    /// What it would have written, in no particular order. Empty if it committed.
    pub staged: Vec<Staged>,
    /// How it ended.
    pub outcome: Outcome,
}

/// A recording is under way; there can be one at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlreadyRecording;

impl fmt::Display for AlreadyRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a recording is under way in this process; stop it before another starts")
    }
}

impl std::error::Error for AlreadyRecording {}

/// A recording of the whole process. Dropping it ends it, too.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Recording {
    session: u64,
}

impl Recording {
    /// Starts recording, on all threads.
    ///
    /// # Errors
    ///
    /// If a recording is under way.
    ///
    /// ```
    /// use stm_core::diagnostics::history::Recording;
    ///
    /// let first = Recording::start().expect("nobody else records");
    /// assert!(Recording::start().is_err());
    /// drop(first);
    /// ```
    pub fn start() -> Result<Self, AlreadyRecording> {
        match record::start() {
            Some(session) => Ok(Self { session }),
            None => Err(AlreadyRecording),
        }
    }

    /// Ends it, and gives what was recorded. See the [module](self) for an example.
    #[must_use]
    pub fn stop(self) -> History {
        let session = self.session;
        drop(self);
        History::new(raw::resolve(record::take(session)))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        record::stop();
    }
}

/// Attempts, and what they read and published.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct History {
    attempts: Vec<Attempt>,
}

impl History {
    /// A history of these attempts, as recorded or made up.
    ///
    /// ```
    /// use stm_core::diagnostics::history::History;
    ///
    /// assert!(History::new(Vec::new()).check().is_ok());
    /// ```
    #[must_use]
    pub fn new(mut attempts: Vec<Attempt>) -> Self {
        attempts.sort_by_key(|attempt| attempt.begin);
        Self { attempts }
    }

    /// In the order of their begins.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.attempts
    }

    /// Whether one order of all attempts, those that failed included, explains everything: opacity.
    ///
    /// # What is checked, and why that is enough
    ///
    /// All attempts are nodes of a graph; those that did not commit are read-only. The edges, as Adya names them ("Weak
    /// Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions", MIT 1999):
    ///
    /// | edge | from | to |
    /// |---|---|---|
    /// | real time | an attempt that had ended | one that began afterwards |
    /// | write-read | who published a value | who read it |
    /// | write-write | who published a value | who published the next one of that variable |
    /// | read-write | who read a value | who published the next one |
    ///
    /// Which value is next is not guessed: each publication says which one it replaced.
    ///
    /// *If the graph has no cycle, the history is opaque.* Put the attempts into any order that follows the edges. Take an
    /// attempt T that read value v of x, published by W, and let N be who published the next one. W stands before T
    /// (write-read) and T before N (read-write) or is N. All who published x stand in the order of its values (write-write). So
    /// the last one before T that published x is W, and v is what T reads when all attempts run one after the other in this order, with the
    /// writes of those that failed undone. The order keeps real time by the first kind of edge. This is the sufficient half of
    /// the graph characterization of opacity in Guerraoui and Kapalka, "On the Correctness of Transactional Memory" (PPoPP 2008,
    /// doi:10.1145/1345206.1345233).
    ///
    /// The other way round, a cycle says that no order explains the history *with the values in the order in which they were
    /// published*. Some other order might, if nobody read what would give it away; but publishing in the order of the commits
    /// is what the engine claims to do.
    ///
    /// The cost is linear in the number of reads and writes, apart from sorting the begins and ends.
    ///
    /// # Errors
    ///
    /// What does not fit: the smallest cycle that was found, or a value that cannot have been there.
    pub fn check(&self) -> Result<Summary, Violation> {
        check::check(self)
    }
}

/// Sets where this thread gives the processor away, in builds that are compiled for stress (`--cfg stm_stress`). Elsewhere it does
/// nothing.
///
/// Such a build gives the processor away now and then at the engine's accesses to shared memory. Each thread does so by a
/// sequence of its own, which this call begins anew, and about once in `2^(1 + seed % 6)` times. The rest is up to the operating
/// system, so a seed replays a program but not every interleaving.
///
/// ```
/// stm_core::diagnostics::history::seed_yields(42);
/// ```
pub fn seed_yields(seed: u64) {
    crate::sync::seed_stumbles(seed);
}
