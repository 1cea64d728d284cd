//! The word of a transactional variable: its lock, its waiters' bit, and what a reader must compare.
//!
//! # State
//!
//! ```text
//!  63                                 12 11       3    2        1         0
//! ┌─────────────────────────────────────┬─────────┬────────┬─────────┬────────┐
//! │ version                             │ seq     │ INLINE │ WAITERS │ LOCKED │  inline: the value lies beside it
//! ├─────────────────────────────────────┴─────────┼────────┼─────────┼────────┤
//! │ node pointer (8-aligned)                      │ 0      │ WAITERS │ LOCKED │  boxed: the value lies in the node
//! └───────────────────────────────────────────────┴────────┴─────────┴────────┘
//! ```
//!
//! | LOCKED | WAITERS | meaning |
//! |---|---|---|
//! | 0 | 0 | the newest value is published, nobody waits for another |
//! | 0 | 1 | published; the next committer must look into the waiter table after its unlock |
//! | 1 | as the lock found it | a committer owns the variable; pointer and version are still the old ones |
//! | 1 | set later | by a waiter that then sees LOCKED and does not sleep; the unlocking store may lose it |
//!
//! # Invariants
//!
//! - W1  INLINE never changes in the life of a variable, so any load of the word tells its form.
//! - W2  Only the owner of LOCKED stores; everybody else only sets WAITERS or takes LOCKED by CAS.
//! - W3  Two publications of one inline variable never carry the same word: versions never decrease, and
//!   `seq` moves when the version is repeated. A boxed word is unique among those seen while pinned, since
//!   a node is not reused before. So an equal word means an unchanged value: there is no ABA.
//! - W4  WAITERS is no part of the value: [`Word::same_value`] masks it.

use crate::clock::Time;
use crate::mutant::{edge, mutant, total_order};
use crate::sync::{AtomicU64, Ordering};

const LOCKED: u64 = 1;
const WAITERS: u64 = 1 << 1;
const INLINE: u64 = 1 << 2;
const FLAGS: u64 = LOCKED | WAITERS | INLINE;

const SEQ_SHIFT: u32 = 3;
const VERSION_SHIFT: u32 = 12;
const SEQ_FIELD: u64 = (1 << (VERSION_SHIFT - SEQ_SHIFT)) - 1;
/// The largest `seq`. Shrunk where the overflow is to run all the time.
const SEQ_MAX: u64 = if cfg!(any(loom, shuttle, stm_stress)) {
    1
} else {
    SEQ_FIELD
};

/// The largest version that fits.
pub(crate) const VERSION_MAX: u64 = u64::MAX >> VERSION_SHIFT;

/// What a word held when somebody looked: a plain copy that answers questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    /// The first word of an inline variable. Version 0 is older than every time, so new variables read as anchored.
    pub(crate) const fn inline_initial() -> Self {
        Self(INLINE)
    }

    /// The word that publishes the boxed value in `node`, unlocked and with nobody waiting.
    #[inline(always)]
    pub(crate) fn of_node<N>(node: *mut N) -> Self {
        let addr = node.expose_provenance() as u64;
        debug_assert_eq!(addr & FLAGS, 0, "nodes are 8-aligned");
        Self(addr)
    }

    #[inline(always)]
    pub(crate) const fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    #[inline(always)]
    pub(crate) const fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }

    #[inline(always)]
    pub(crate) const fn is_inline(self) -> bool {
        self.0 & INLINE != 0
    }

    /// The version of an inline value.
    #[inline(always)]
    pub(crate) const fn version(self) -> Time {
        debug_assert!(self.is_inline());
        self.0 >> VERSION_SHIFT
    }

    /// What tells this publication of an inline variable from its others (W3): version and `seq`.
    #[cfg(all(feature = "history", not(any(loom, shuttle))))]
    pub(crate) const fn publication(self) -> u64 {
        self.0 >> SEQ_SHIFT
    }

    /// The smallest and the largest [`Word::publication`] of `version`.
    #[cfg(all(feature = "history", not(any(loom, shuttle))))]
    pub(crate) const fn publications_of(version: Time) -> std::ops::RangeInclusive<u64> {
        let first = version << (VERSION_SHIFT - SEQ_SHIFT);
        first..=first | SEQ_FIELD
    }

    /// The node of a boxed value.
    #[inline(always)]
    pub(crate) fn node<N>(self) -> *mut N {
        debug_assert!(!self.is_inline());
        std::ptr::with_exposed_provenance_mut((self.0 & !FLAGS) as usize)
    }

    /// The same word as its owner will restore it if it gives up, and as no waiter has touched it.
    #[inline(always)]
    pub(crate) const fn settled(self) -> Self {
        Self(self.0 & !(LOCKED | WAITERS))
    }

    /// W4: the same published value, and the same state of the lock.
    #[inline(always)]
    pub(crate) const fn same_value(self, other: Self) -> bool {
        (self.0 ^ other.0) & !WAITERS == 0
    }

    /// The same word once it is locked.
    #[inline(always)]
    pub(crate) const fn with_lock(self) -> Self {
        Self(self.0 | LOCKED)
    }

    /// Whether this inline word cannot be followed by another of the same version: the clock must move first.
    #[inline(always)]
    pub(crate) const fn seq_exhausted(self) -> bool {
        self.0 & INLINE != 0 && self.0 >> SEQ_SHIFT & SEQ_FIELD >= SEQ_MAX
    }

    /// The word that publishes `version` over this inline word (W3).
    ///
    /// `version` is not older than this word's, and newer if [`Word::seq_exhausted`].
    #[inline(always)]
    pub(crate) fn successor(self, version: Time) -> Self {
        debug_assert!(self.version() <= version, "versions never decrease");
        if self.version() == version {
            if mutant!("M11") {
                return Self(self.0 & !FLAGS | INLINE);
            }
            debug_assert!(!self.seq_exhausted(), "two publications of one word");
            Self((self.0 & !FLAGS | INLINE) + (1 << SEQ_SHIFT))
        } else {
            Self(version << VERSION_SHIFT | INLINE)
        }
    }
}

/// How an attempt to lock ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum TryLock {
    /// Ours now; this is the word that the lock replaced.
    Locked(Word),
    /// Somebody else's, or it moved under the CAS.
    Busy,
}

/// What a waiter found when it set its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Announce {
    /// The value that was read is still the newest: whoever replaces it will see the bit.
    Unchanged,
    /// Locked or replaced: do not sleep.
    Moved,
}

/// The shared word.
#[derive(Debug)]
pub(crate) struct AtomicWord(AtomicU64);

impl AtomicWord {
    pub(crate) fn new(word: Word) -> Self {
        Self(AtomicU64::new(word.0))
    }

    /// The word for a reader or a validator.
    ///
    /// SeqCst: acquires the publication (pairs with the Release in `publish`), and stands in one total order
    /// with the lock CAS and the clock, so that two committers that validate what the other writes cannot
    /// both miss the other's lock, and two readers cannot disagree about the order of two writers.
    #[inline(always)]
    pub(crate) fn sample(&self) -> Word {
        Word(self.0.load(edge!(SeqCst, "O-sample" => Relaxed)))
    }

    /// The second look of an inline read.
    ///
    /// Relaxed: the Acquire load of the value before it (pairs with the Release store in
    /// `Block::store_bits`) keeps it from being older than the lock under which a newer value was stored.
    #[inline(always)]
    pub(crate) fn sample_again(&self) -> Word {
        Word(self.0.load(Ordering::Relaxed))
    }

    /// The word where only W1's form, or a hint, is wanted.
    ///
    /// Relaxed: nothing is concluded from it but what never changes.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Word {
        Word(self.0.load(Ordering::Relaxed))
    }

    /// Takes LOCKED if it is free.
    ///
    /// SeqCst: pairs with `sample` and `Clock::sample` as said there. Relaxed on failure: nothing is concluded.
    #[inline(always)]
    pub(crate) fn try_lock(&self) -> TryLock {
        let now = self.peek();
        if now.is_locked() {
            return TryLock::Busy;
        }
        match self.0.compare_exchange(
            now.0,
            now.0 | LOCKED,
            edge!(SeqCst, "O-lock" => Relaxed),
            Ordering::Relaxed,
        ) {
            Ok(_) => TryLock::Locked(now),
            Err(_) => TryLock::Busy,
        }
    }

    /// Publishes `word` and unlocks in the same store. The caller owns LOCKED.
    ///
    /// Release: pairs with the SeqCst load in `sample`; value, node and history were written before.
    #[inline(always)]
    pub(crate) fn publish(&self, word: Word) {
        debug_assert!(!word.is_locked() && !word.has_waiters());
        self.0
            .overwrite(word.0, edge!(Release, "O-publish" => Relaxed));
    }

    /// Unlocks without a change: puts back what [`TryLock::Locked`] gave, WAITERS included.
    ///
    /// Release: whoever locks next sees all that was done under this lock. A WAITERS bit that was set
    /// meanwhile is lost on purpose: its setter saw LOCKED and does not sleep.
    #[inline(always)]
    pub(crate) fn restore(&self, replaced: Word) {
        debug_assert!(!replaced.is_locked());
        let replaced = if mutant!("X3") {
            replaced.settled()
        } else {
            replaced
        };
        self.0
            .overwrite(replaced.0, edge!(Release, "O-restore" => Relaxed));
    }

    /// Sets WAITERS and tells whether `seen`, which the waiter read, is still what a committer would replace.
    ///
    /// AcqRel: the Release half pairs with the lock CAS that sees the bit, so that its owner finds the
    /// registration in the table; the Acquire half pairs with `publish`, so that a rerun after
    /// [`Announce::Moved`] sees the new value.
    pub(crate) fn announce_waiter(&self, seen: Word) -> Announce {
        let order = edge!(AcqRel, "O-announce-acquire" => Release, "O-announce-release" => Acquire);
        let found = Word(self.0.fetch_or(WAITERS, order));
        let found = if mutant!("M12") {
            found.settled()
        } else {
            found
        };
        if found.same_value(seen.settled()) {
            Announce::Unchanged
        } else {
            Announce::Moved
        }
    }

    /// The last lock of a commit has been taken.
    ///
    /// The fence of the models is more than what it stands for, a lock and a load of the clock that are `SeqCst`: it alone would
    /// have all readers agree, whatever their loads are. So where the mutants weaken these, commits are without it.
    #[inline(always)]
    pub(crate) fn after_last_lock() {
        if !mutant!("S-float") && !mutant!("S-alone") {
            total_order!("S-lock");
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn every_publication_has_a_word_of_its_own() {
        let mut words = vec![Word::inline_initial()];
        for version in [0, 1, 1, 5] {
            words.push(words[words.len() - 1].successor(version));
        }
        for (i, a) in words.iter().enumerate() {
            for b in &words[i + 1..] {
                assert!(!a.same_value(*b), "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn seq_ends_before_it_reaches_the_version() {
        let mut now = Word::inline_initial();
        let mut steps = 0;
        while !now.seq_exhausted() {
            now = now.successor(0);
            assert_eq!(now.version(), 0);
            steps += 1;
        }
        assert_eq!(steps, SEQ_MAX);
        assert_eq!(now.successor(1).version(), 1);
    }

    #[test]
    fn waiters_do_not_change_the_value_and_the_lock_keeps_them() {
        let shared = AtomicWord::new(Word::inline_initial());
        let seen = shared.sample();
        assert_eq!(shared.announce_waiter(seen), Announce::Unchanged);
        assert!(shared.sample().same_value(seen));
        let TryLock::Locked(replaced) = shared.try_lock() else {
            panic!("free")
        };
        assert!(replaced.has_waiters());
        assert_eq!(shared.try_lock(), TryLock::Busy);
        assert_eq!(shared.announce_waiter(seen), Announce::Moved);
        shared.restore(replaced);
        assert!(shared.sample().has_waiters());
        let next = replaced.successor(3);
        shared.publish(next);
        assert_eq!(shared.announce_waiter(seen), Announce::Moved);
    }
}
