//! What an attempt remembers: the read set and the write set.
//!
//! One log lives as long as its thread and goes from attempt to attempt; short transactions find their
//! entries in the same few cache lines each time. A log that one large transaction has blown up is cut back
//! when it is emptied, so that a thread does not hold on to megabytes.

mod read_set;
mod write_set;

pub(crate) use read_set::{Read, ReadSet};
pub(crate) use write_set::{Payload, Write, WriteSet};

use crate::boxed::PendingNode;

/// Entries beyond which an emptied log gives its memory back.
const KEEP: usize = if cfg!(stm_stress) { 32 } else { 16 * 1024 };

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) reads: ReadSet,
    pub(crate) writes: WriteSet,
}

impl Log {
    /// Empties the log; gives what user code must drop later, outside the transaction.
    #[inline]
    pub(crate) fn clear(&mut self) -> Leftovers {
        self.reads.clear();
        Leftovers(self.writes.clear())
    }
}

/// Pending values that were not published: rolled back, overwritten, or of an attempt that failed.
///
/// They are dropped when this is, each shielded. That runs user code: the pin is gone by then, the thread's
/// log is back in its place, and the thread does not count as being inside a transaction.
#[derive(Debug)]
#[must_use = "dropping these runs user code: choose the place"]
pub(crate) struct Leftovers(#[allow(dead_code, reason = "held to be dropped")] Vec<PendingNode>);
