//! The read set: every variable that the attempt took a published value from, and the word it saw there.
//!
//! A variable read twice in a row has one entry; otherwise entries are not deduplicated: there are two with the same
//! word (or the second read has failed). Looking for a duplicate on each read would cost more than validating it twice.

use super::NONE;
use super::retention::{Retention, Room};
use crate::block::{Look, Pinned};
use crate::clock::Time;
use crate::word::Word;

/// One read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) block: Pinned,
    /// The word as it was when the value was taken: unlocked. The commit changes it to the word that its own lock left, if
    /// it knows this read to be of a variable that it locks.
    pub(crate) look: Look,
}

impl Read {
    pub(crate) const fn new(block: Pinned, look: Look) -> Self {
        Self { block, look }
    }

    #[inline(always)]
    pub(crate) const fn seen(&self) -> Word {
        self.look.word()
    }
}

#[derive(Debug)]
pub(crate) struct ReadSet {
    reads: Vec<Read>,
    retention: Retention,
}

impl ReadSet {
    pub(crate) const fn new() -> Self {
        Self {
            reads: Vec::new(),
            retention: Retention::new(),
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, block: Pinned, look: Look) {
        self.reads.push(Read::new(block, look));
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[Read] {
        &self.reads
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.reads.len()
    }

    #[inline(always)]
    pub(crate) fn as_mut_slice(&mut self) -> &mut [Read] {
        &mut self.reads
    }

    /// Whether the last read is this very one.
    #[inline(always)]
    pub(crate) fn ends_with(&self, block: Pinned, look: Look) -> bool {
        self.reads
            .last()
            .is_some_and(|last| last.block == block && last.seen() == look.word())
    }

    /// Where the last read is, if it is of `block`; else [`NONE`].
    #[inline(always)]
    pub(crate) fn last_if(&self, block: Pinned) -> u32 {
        match self.reads.last() {
            Some(last) if last.block == block => {
                u32::try_from(self.reads.len() - 1).unwrap_or(NONE)
            }
            _ => NONE,
        }
    }

    /// The highest version read so far.
    pub(crate) fn newest_version(&self) -> Time {
        self.reads
            .iter()
            .map(|r| r.look.version())
            .max()
            .unwrap_or(0)
    }

    /// Forgets all but the first.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.reads.truncate(len);
    }

    /// Makes it hold `read` and nothing else.
    pub(crate) fn set(&mut self, read: Option<Read>) {
        self.reads.clear();
        self.reads.extend(read);
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        let used = self.reads.len();
        self.reads.clear();
        if self.retention.judge(used, self.reads.capacity()) == Room::GiveBack {
            self.reads = Vec::new();
        }
    }
}
