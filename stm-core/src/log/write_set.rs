//! The write set: pending values in program order, with rollback to a savepoint.
//!
//! # The problem, and the idea
//!
//! Three users want three orders. The body asks "have I written this variable?" at each access; `or_else` and
//! `nested` undo the newest entries; the commit locks in address order. So entries stay in program order, a
//! small hash index over addresses answers the first, truncation serves the second, and [`WriteSet::sort`]
//! serves the third when program order is not needed any more.
//!
//! # Picture
//!
//! ```text
//!  entries   0:x=1   1:y=5 │ 2:x=7   3:z=0        │ savepoint (floor = 2)
//!               ▲          │    │
//!               └── shadows ────┘                  index: x→2  y→1  z→3
//! ```
//!
//! # Invariants
//!
//! - L1  The index maps each address to its newest entry. `shadows` leads from there to the older ones.
//! - L2  An entry is changed in place only if it is not older than the innermost savepoint (`floor`) and no
//!   `Ref` to its value was given. Otherwise a new entry shadows it, and truncation brings it back. What is
//!   pending of a record grows in place under the same condition; else it is a larger copy that shadows it.
//! - L3  A pending node lives until the attempt is over, also when it was undone or overwritten: a `Ref` may
//!   still point to it. Such nodes wait in `undone`.
//! - L4  The index is in use exactly while there are more than [`SCANNED`] entries, and then holds them all. Its slots
//!   are freed in the reverse order of their taking (truncation goes backwards, and a rebuild takes them in entry
//!   order), so linear probing needs no tombstones.

use super::retention::{Retention, Room};
use super::{Commutes, Function, Read};
use crate::block::{Pinned, Seen};
use crate::boxed::{NodeHeader, Pending, PendingView, Unpublished};
use crate::mutant::mutant;
use crate::patch::{self, Set};
use crate::word::Word;

/// Entries up to which a scan beats the index.
const SCANNED: usize = if cfg!(any(loom, shuttle, stm_stress)) {
    2
} else {
    24
};

/// One pending write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub(crate) block: Pinned,
    pub(crate) pending: Pending,
    /// The word that the commit's lock replaced. Meaningless before.
    pub(crate) replaced: Word,
    /// The entry for the same variable that this one hides, or [`NONE`].
    shadows: u32,
    /// The read of the same variable, if it was the last one before this write, or [`NONE`].
    pub(crate) read_at: u32,
    /// A `Ref` to the pending value was given (L2).
    ref_given: bool,
    /// What becomes of the pending value.
    pub(crate) commuted: Commuted,
}

/// Whether a pending value depends on the newest one, which the commit alone knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Commuted {
    No,
    /// What is pending is to be added to the newest value. The variable is a word.
    Summand,
    /// It is still to be made from the newest value, by functions that the commit applies (see [`super::commutes`]).
    Due,
    /// The first of these functions has made it.
    Begun,
}

impl Write {
    /// The write of a word that stands for itself, outside of any set.
    #[inline(always)]
    pub(crate) const fn alone(block: Pinned, pending: Pending, read_at: u32) -> Self {
        Self {
            block,
            pending,
            replaced: Word::inline_initial(),
            shadows: NONE,
            read_at,
            ref_given: false,
            commuted: Commuted::No,
        }
    }

    /// The read of the same variable, if it is known.
    #[inline(always)]
    pub(crate) fn own_read(self, reads: &[Read]) -> Option<&Read> {
        reads.get(self.read_at as usize)
    }

    /// As [`Write::own_read`].
    #[inline(always)]
    pub(crate) fn own_read_mut(self, reads: &mut [Read]) -> Option<&mut Read> {
        reads.get_mut(self.read_at as usize)
    }
}

/// No such entry.
pub(crate) const NONE: u32 = u32::MAX;

/// A length of the write set to go back to.
#[derive(Debug)]
#[must_use = "a savepoint is either rolled back to or released"]
pub(crate) struct Savepoint {
    len: usize,
    outer_floor: usize,
}

#[derive(Debug)]
pub(crate) struct WriteSet {
    entries: Vec<Write>,
    /// A bit for each variable that was ever entered, a quick "no"; all bits where nothing is quick (see `slow_down`).
    /// Rollback leaves bits behind, which only costs a look.
    filter: u64,
    floor: usize,
    shadowed: usize,
    /// Some entry is, or was, boxed or a summand: there may be something to retire, or to drop, and to publish is not only to store.
    boxed: bool,
    /// See [`WriteSet::is_untidy`].
    untidy: bool,
    index: Index,
    /// The last entry that went into the index, in this transaction: how large the set has been, roughly.
    indexed: usize,
    retention: Retention,
    undone: Vec<Unpublished>,
}

impl WriteSet {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            filter: 0,
            floor: 0,
            shadowed: 0,
            boxed: false,
            untidy: false,
            index: Index::new(),
            indexed: 0,
            retention: Retention::new(),
            undone: Vec::new(),
        }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// False if `block` has surely no entry and the attempt is in no special state.
    #[inline(always)]
    pub(crate) fn may_contain(&self, block: Pinned) -> bool {
        self.filter & filter_bit(block) != 0
    }

    /// The attempt is not a plain update any more: every access shall take the long way, and so shall its end.
    pub(crate) fn slow_down(&mut self) {
        self.filter = u64::MAX;
        self.untidy = true;
    }

    /// The newest entry for `block`.
    #[inline]
    pub(crate) fn find(&self, block: Pinned) -> Option<usize> {
        if self.index.in_use {
            self.index.find(&self.entries, block)
        } else {
            self.entries.iter().rposition(|w| w.block == block)
        }
    }

    pub(crate) fn pending(&self, at: usize) -> &Pending {
        &self.entries[at].pending
    }

    /// What is to be added to the newest value by this entry, if that is all that it does.
    #[inline]
    pub(crate) fn summand(&self, at: usize) -> Option<u64> {
        let write = &self.entries[at];
        (write.commuted == Commuted::Summand).then(|| write.pending.plain_bits())
    }

    /// From now on the value of this entry must not change (L2).
    pub(crate) fn note_ref(&mut self, at: usize) {
        self.entries[at].ref_given = true;
    }

    /// The pending node of `block`, if it has one that may be changed in place (L2).
    #[inline]
    pub(crate) fn changeable_node(&self, block: Pinned) -> Option<*mut NodeHeader> {
        if !self.may_contain(block) {
            return None;
        }
        let at = self.find(block)?;
        match self.pending(at).view() {
            PendingView::Node(node, _) if self.changeable(at) => Some(node),
            _ => None,
        }
    }

    fn changeable(&self, at: usize) -> bool {
        at >= self.floor && !self.entries[at].ref_given
    }

    /// Makes `pending` the pending value of `block`, which has no entry yet.
    ///
    /// `last_read` is where the read set's last entry is, if that is for the same variable: most writes follow their read
    /// at once, and the commit can then check the read while it locks.
    #[inline(always)]
    pub(crate) fn stage_first(&mut self, block: Pinned, pending: Pending, last_read: u32) {
        self.push(Write::alone(block, pending, last_read));
    }

    /// As [`WriteSet::stage_first`], of what is to be added to the newest value.
    #[inline(always)]
    pub(crate) fn stage_first_summand(&mut self, block: Pinned, summand: u64) {
        self.boxed = true;
        self.push(Write {
            commuted: Commuted::Summand,
            ..Write::alone(block, Pending::bits(summand), NONE)
        });
    }

    /// Makes `pending` the pending value of `block`, which may have an entry.
    pub(crate) fn stage_again(&mut self, block: Pinned, pending: Pending, last_read: u32) {
        match self.find(block) {
            Some(at) => self.restage(at, pending, Commuted::No),
            None => self.stage_first(block, pending, last_read),
        }
    }

    /// Gives an entry that is a summand another one.
    pub(crate) fn change_summand(&mut self, at: usize, summand: u64) {
        self.restage(at, Pending::bits(summand), Commuted::Summand);
    }

    /// Something else becomes pending for the variable of an entry, in its place or over it (L2).
    fn restage(&mut self, at: usize, pending: Pending, commuted: Commuted) {
        if self.changeable(at) {
            self.entries[at].commuted = commuted;
            let old = std::mem::replace(&mut self.entries[at].pending, pending);
            self.bury(old);
        } else {
            self.shadowed += 1;
            self.untidy = true;
            self.push(Write {
                pending,
                commuted,
                shadows: at as u32,
                ref_given: false,
                ..self.entries[at]
            });
        }
    }

    /// Makes `values` pending for the words of a record that they are for, which may have an entry.
    ///
    /// # Safety
    ///
    /// `record` has `N` words (Q1).
    #[allow(unsafe_code)]
    pub(crate) unsafe fn stage_words<const N: usize, const M: usize>(
        &mut self,
        record: Pinned,
        values: [(usize, u64); M],
        last_read: u32,
    ) {
        let Some(at) = self.find(record) else {
            return self.stage_first(record, patch::pending::<N, M>(values), last_read);
        };
        let mut pending = self.entries[at].pending;
        if !self.changeable(at) {
            // SAFETY: Q1, by the caller's promise.
            pending = unsafe { patch::with_room::<N>(pending.plain_node()) };
            self.stage_again(record, pending, last_read);
        }
        for (index, value) in values {
            // SAFETY: as above, and Q2: no `Ref` is ever given to a patch.
            while unsafe { patch::set(pending.plain_node(), index, value) } == Set::Full {
                // SAFETY: as above.
                pending = unsafe { patch::with_room::<N>(pending.plain_node()) };
                self.stage_again(record, pending, last_read);
            }
        }
    }

    #[inline(always)]
    fn push(&mut self, write: Write) {
        let at = self.entries.len();
        self.filter |= filter_bit(write.block);
        self.boxed |= write.pending.is_boxed();
        self.entries.push(write);
        if at >= SCANNED {
            self.enter_into_index(at);
        }
    }

    #[inline(never)]
    fn enter_into_index(&mut self, at: usize) {
        assert!(at < NONE as usize, "a transaction may write 2^32 - 1 times");
        self.untidy = true;
        self.indexed = at;
        if self.index.in_use {
            self.index.enter(&self.entries, at);
        } else {
            self.index.rebuild(&self.entries);
        }
    }

    /// Functions are to be applied to `block` at commit: every access to it shall take the long way, and so shall the end.
    pub(super) fn expect_commute(&mut self, block: Pinned) {
        self.filter |= filter_bit(block);
        self.untidy = true;
    }

    /// An entry, where there is none, for the functions of `block`.
    fn make_room_for_commute(&mut self, block: Pinned) {
        if self.find(block).is_none() {
            let mut write = Write::alone(block, Pending::bits(0), NONE);
            write.commuted = Commuted::Due;
            self.push(write);
        }
    }

    /// Applies a function to the newest value of the entry's variable, or to what the functions before it made of that. The
    /// variable is locked, and `newest` its value. Unwinds with the function: what was pending stays owned.
    pub(crate) fn apply_commute(&mut self, at: usize, function: &dyn Function, newest: Seen<'_>) {
        let before = self.entries[at].pending;
        let made = match self.entries[at].commuted {
            Commuted::No | Commuted::Summand => return,
            Commuted::Due => function.apply(newest),
            Commuted::Begun => function.apply(Seen::pending(&before)),
        };
        self.entries[at].pending = made;
        self.entries[at].commuted = Commuted::Begun;
        self.boxed |= made.is_boxed();
        self.bury(before);
    }

    /// Keeps a value until the attempt is over: a `Ref` may point to it, and its `Drop` is user code.
    #[inline]
    pub(crate) fn bury(&mut self, pending: Pending) {
        if let Some(unpublished) = Unpublished::from_pending(pending) {
            self.boxed = true;
            self.untidy = true;
            self.undone.push(unpublished);
        }
    }

    /// Takes back what was buried a moment ago. Others may have been since.
    pub(crate) fn exhume(&mut self, pending: Pending) {
        let Some(twin) = Unpublished::from_pending(pending) else {
            return;
        };
        let at = self.undone.iter().rposition(|buried| buried.is_same(&twin));
        let buried = self.undone.remove(at.expect("it was buried"));
        // One value, described twice: it belongs to the caller again.
        buried.forget();
        twin.forget();
    }

    /// Everything staged from here on can be undone.
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        let outer_floor = std::mem::replace(&mut self.floor, self.entries.len());
        self.untidy = true;
        Savepoint {
            len: self.entries.len(),
            outer_floor,
        }
    }

    /// Keeps what was staged since; it belongs to the enclosing scope now.
    pub(crate) fn release(&mut self, savepoint: Savepoint) {
        self.floor = savepoint.outer_floor;
    }

    /// Undoes what was staged since, newest first (L4). Costs what is undone.
    pub(crate) fn roll_back(&mut self, savepoint: Savepoint) {
        // Few entries are not indexed, and `push` goes by their number alone.
        self.index.in_use &= savepoint.len > SCANNED;
        while self.entries.len() > savepoint.len {
            if self.index.in_use {
                self.index.leave(&self.entries);
            }
            let undone = self.entries.pop().expect("longer than the savepoint");
            self.shadowed -= usize::from(undone.shadows != NONE);
            self.bury(undone.pending);
        }
        self.floor = savepoint.outer_floor;
    }

    /// Leaves one entry for each variable that is to be locked: those that stand and those for functions.
    pub(crate) fn seal(&mut self, commutes: &Commutes) {
        if self.shadowed > 0 {
            self.drop_shadowed();
        }
        for (block, _) in commutes.iter() {
            self.make_room_for_commute(block);
        }
    }

    /// Puts the entries of a sealed set into the order in which one may wait for locks: ascending addresses. Program order ends
    /// here.
    pub(crate) fn sort(&mut self) {
        if mutant!("X1") || self.entries.is_sorted_by_key(|w| w.block.address()) {
            return;
        }
        self.entries.sort_unstable_by_key(|w| w.block.address());
        if self.index.in_use {
            self.index.rebuild(&self.entries);
        }
    }

    #[cold]
    fn drop_shadowed(&mut self) {
        let mut dead = vec![false; self.entries.len()];
        for write in &self.entries {
            if write.shadows != NONE {
                dead[write.shadows as usize] = true;
            }
        }
        let all = std::mem::take(&mut self.entries);
        for (mut write, dead) in all.into_iter().zip(dead) {
            if dead {
                self.bury(write.pending);
            } else {
                write.shadows = NONE;
                self.entries.push(write);
            }
        }
        self.shadowed = 0;
        // L4.
        self.index.in_use &= self.entries.len() > SCANNED;
        if self.index.in_use {
            self.index.rebuild(&self.entries);
        }
    }

    /// In program order; once sealed, the live ones in locking order.
    #[inline(always)]
    pub(crate) fn entries(&self) -> &[Write] {
        &self.entries
    }

    #[inline(always)]
    pub(crate) fn entries_mut(&mut self) -> &mut [Write] {
        &mut self.entries
    }

    /// Whether some entry may be boxed, or a summand.
    #[inline(always)]
    pub(crate) const fn has_boxed(&self) -> bool {
        self.boxed
    }

    /// The commit has published every value: nothing is pending any more.
    #[inline(always)]
    pub(crate) fn forget_published(&mut self) {
        self.entries.clear();
    }

    /// The attempt is no plain update any more, or its set holds more than plain entries: anything shadowed, indexed, undone, or waited
    /// for.
    #[inline(always)]
    pub(crate) const fn is_untidy(&self) -> bool {
        self.untidy
    }

    /// There is more to put back at the end than a plain update leaves.
    pub(crate) fn make_untidy(&mut self) {
        self.untidy = true;
    }

    /// Whether surely nothing is left that user code must drop.
    pub(super) const fn owns_nothing(&self) -> bool {
        self.undone.is_empty() && (self.entries.is_empty() || !self.boxed)
    }

    /// Takes out everything that user code must drop.
    #[cold]
    pub(super) fn take_unpublished(&mut self) -> Vec<Unpublished> {
        while let Some(write) = self.entries.pop() {
            self.bury(write.pending);
        }
        std::mem::take(&mut self.undone)
    }

    /// Empties a set that is tidy.
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.filter = 0;
        self.boxed = false;
    }

    /// Empties the set of all that `clear` leaves. Nothing boxed is left in it ([`WriteSet::take_unpublished`]).
    pub(super) fn tidy(&mut self) {
        self.floor = 0;
        self.shadowed = 0;
        self.untidy = false;
        self.index.in_use = false;
        let used = std::mem::take(&mut self.indexed);
        match self.retention.judge(used, self.entries.capacity()) {
            Room::Small => {}
            // So that the next transaction comes here, too.
            Room::ForNow => self.untidy = true,
            Room::GiveBack => {
                self.entries = Vec::new();
                self.index = Index::new();
            }
        }
    }
}

impl Drop for WriteSet {
    fn drop(&mut self) {
        if !mutant!("P-write-set") {
            drop(self.take_unpublished());
        }
    }
}

/// Addresses are 16-aligned; Fibonacci hashing spreads what is left of them over the high bits.
#[inline(always)]
fn hash(block: Pinned) -> u64 {
    ((block.address() >> 4) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Neighbours on the heap get different bits.
#[inline(always)]
fn filter_bit(block: Pinned) -> u64 {
    1 << ((block.address() >> 4) & 63)
}

/// An open-addressing table from addresses to entries; it stores positions only and compares through the entries.
#[derive(Debug)]
struct Index {
    slots: Vec<u32>,
    in_use: bool,
}

impl Index {
    const fn new() -> Self {
        Self {
            slots: Vec::new(),
            in_use: false,
        }
    }

    fn start(&self, block: Pinned) -> usize {
        (hash(block) >> (64 - self.slots.len().trailing_zeros())) as usize
    }

    /// The slot that holds `block`, or the empty one where it would go.
    fn slot(&self, entries: &[Write], block: Pinned) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = self.start(block);
        while self.slots[at] != NONE && entries[self.slots[at] as usize].block != block {
            at = (at + 1) & mask;
        }
        at
    }

    fn find(&self, entries: &[Write], block: Pinned) -> Option<usize> {
        let entry = self.slots[self.slot(entries, block)];
        (entry != NONE).then_some(entry as usize)
    }

    fn enter(&mut self, entries: &[Write], at: usize) {
        if entries.len() * 2 > self.slots.len() {
            return self.rebuild(entries);
        }
        let slot = self.slot(entries, entries[at].block);
        self.slots[slot] = at as u32;
    }

    /// Takes the newest entry out, giving its place to the one that it shadows.
    fn leave(&mut self, entries: &[Write]) {
        let newest = entries.last().expect("there is one to undo");
        let slot = self.slot(entries, newest.block);
        self.slots[slot] = newest.shadows;
    }

    #[cold]
    fn rebuild(&mut self, entries: &[Write]) {
        let size = (entries.len() * 4).next_power_of_two().max(16);
        self.slots.clear();
        self.slots.resize(size, NONE);
        self.in_use = true;
        for (at, write) in entries.iter().enumerate() {
            let slot = self.slot(entries, write.block);
            self.slots[slot] = at as u32;
        }
    }
}
