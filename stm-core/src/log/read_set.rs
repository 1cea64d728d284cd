//! The read set: every variable that the attempt took a published value from, and the word it saw there.
//!
//! Entries are not deduplicated: a variable read twice has two entries with the same word (or the second
//! read has failed). Looking for a duplicate on each read would cost more than validating it twice.

use smallvec::SmallVec;

use super::KEEP;
use crate::block::{Look, Pinned};
use crate::clock::Time;

/// One read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) block: Pinned,
    /// The word as it was when the value was taken: unlocked.
    pub(crate) look: Look,
}

#[derive(Debug)]
pub(crate) struct ReadSet {
    reads: SmallVec<[Read; 16]>,
}

impl ReadSet {
    pub(crate) const fn new() -> Self {
        Self {
            reads: SmallVec::new_const(),
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, block: Pinned, look: Look) {
        self.reads.push(Read { block, look });
    }

    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[Read] {
        &self.reads
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.reads.len()
    }

    /// The highest version read so far.
    pub(crate) fn newest_version(&self) -> Time {
        self.reads
            .iter()
            .map(|r| r.look.version())
            .max()
            .unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.reads.clear();
        if self.reads.capacity() > KEEP {
            self.reads = SmallVec::new_const();
        }
    }
}
