//! What an attempt remembers: the read set and the write set.
//!
//! One log lives as long as its thread and goes from attempt to attempt; short transactions find their
//! entries in the same few cache lines each time. A log that one large transaction has blown up is cut back
//! when it is emptied, so that a thread does not hold on to megabytes.

mod read_set;
mod write_set;

pub(crate) use read_set::{Read, ReadSet};
pub(crate) use write_set::{NONE, Write, WriteSet};

use crate::boxed::Unpublished;
use crate::shield;
use crate::wait::WakeList;

/// Entries beyond which an emptied log gives its memory back.
const KEEP: usize = if cfg!(stm_stress) { 32 } else { 16 * 1024 };

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) reads: ReadSet,
    pub(crate) writes: WriteSet,
    /// Filled by the commit: who is to be woken.
    pub(crate) wakes: WakeList,
}

impl Log {
    pub(crate) const fn new() -> Self {
        Self {
            reads: ReadSet::new(),
            writes: WriteSet::new(),
            wakes: WakeList::new(),
        }
    }

    /// Empties the log; gives what is to be done, or dropped, outside of the transaction.
    pub(crate) fn clear(&mut self) -> Option<Box<Aftermath>> {
        let aftermath = if self.wakes.is_empty() && self.writes.owns_nothing() {
            None
        } else {
            Some(self.aftermath())
        };
        self.writes.tidy();
        self.clear_tidy();
        aftermath
    }

    /// As [`Log::clear`], where nothing is untidy.
    #[inline(always)]
    pub(crate) fn clear_tidy(&mut self) {
        self.reads.clear();
        self.writes.clear();
    }

    #[cold]
    #[inline(never)]
    fn aftermath(&mut self) -> Box<Aftermath> {
        Box::new(Aftermath {
            wakes: std::mem::take(&mut self.wakes),
            unpublished: self.writes.take_unpublished(),
            put_off: Vec::new(),
        })
    }
}

/// What shall run once the transaction is over.
pub(crate) type PutOff = Box<dyn FnOnce()>;

/// What an attempt leaves to do that runs user code: the pin is gone by then, the thread's log is free, and the thread does
/// not count as being inside a transaction.
#[derive(Default)]
#[must_use = "who is to be woken sleeps until somebody does it"]
pub(crate) struct Aftermath {
    wakes: WakeList,
    /// Pending values that were not published: rolled back, overwritten, or of an attempt that failed. Each is dropped shielded.
    unpublished: Vec<Unpublished>,
    /// What the body wanted done outside of the transaction. Each is run shielded.
    pub(crate) put_off: Vec<PutOff>,
}

impl Aftermath {
    pub(crate) fn settle(self) {
        self.wakes.wake_all();
        drop(self.unpublished);
        self.put_off.into_iter().for_each(shield::run);
    }
}
