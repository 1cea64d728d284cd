//! The read set: every variable that the attempt took a published value from, and the word it saw there.
//!
//! Entries are not deduplicated: a variable read twice has two entries with the same word (or the second
//! read has failed). Looking for a duplicate on each read would cost more than validating it twice.

use super::KEEP;
use crate::block::{Look, Pinned};
use crate::clock::Time;
use crate::word::Word;

/// One read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) block: Pinned,
    /// The word as it was when the value was taken: unlocked. LOCKED is set here once the same attempt has a pending
    /// write of the variable: it is how the commit, which locks first, will find the word if nobody has come between.
    look: Look,
}

impl Read {
    pub(crate) const fn new(block: Pinned, look: Look) -> Self {
        Self { block, look }
    }

    /// The word that the value was taken under.
    #[inline(always)]
    pub(crate) const fn seen(&self) -> Word {
        self.look.word().settled()
    }

    #[inline(always)]
    pub(crate) fn version(&self) -> Time {
        self.look.version()
    }

    /// True if `now`, sampled after the commit's locks, says that nobody has replaced the value or is about to.
    #[inline(always)]
    pub(crate) const fn is_as_committer_expects(&self, now: Word) -> bool {
        now.same_value(self.look.word())
    }

    fn expect_own_lock(&mut self) {
        self.look = self.look.with_lock();
    }

    fn expect_no_lock(&mut self) {
        self.look = self.look.without_lock();
    }
}

#[derive(Debug)]
pub(crate) struct ReadSet {
    reads: Vec<Read>,
}

impl ReadSet {
    pub(crate) const fn new() -> Self {
        Self { reads: Vec::new() }
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

    /// The attempt is about to have a pending write of `block`: notes it with the read, if that was the last one (most
    /// writes follow their read at once). Returns where, for [`ReadSet::expect_no_lock`]. A read further back is found at
    /// commit by its address.
    #[inline(always)]
    pub(crate) fn expect_own_lock(&mut self, block: Pinned) -> Option<usize> {
        match self.reads.last_mut() {
            Some(last) if last.block == block => {
                last.expect_own_lock();
                Some(self.reads.len() - 1)
            }
            _ => None,
        }
    }

    /// The pending write was rolled back.
    pub(crate) fn expect_no_lock(&mut self, at: usize) {
        self.reads[at].expect_no_lock();
    }

    /// The highest version read so far.
    pub(crate) fn newest_version(&self) -> Time {
        self.reads.iter().map(Read::version).max().unwrap_or(0)
    }

    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.reads.clear();
        if self.reads.capacity() > KEEP {
            self.reads = Vec::new();
        }
    }
}
