//! What a transaction has written to a record: some of its words.
//!
//! # The problem, and the idea
//!
//! A pending value is one word or a node. Of a record, a transaction writes a word here and a word there, and should not have to
//! read, copy and publish the others. So what is pending is a *patch*: a node with the words that were written, and a bit
//! for each. It is never published. The commit stores its words into the record, under the record's lock, and frees it; or, while
//! a snapshot may want what they replace, it changes places with them: what was pending is in the record, and the node keeps what was
//! there. A record's history is therefore a chain of patches that undo one commit each, and a commit saves no more than it writes.
//!
//! To the write set a patch is a boxed value like any other: it is owned, shadowed, undone and dropped in the same way.
//!
//! # Invariants
//!
//! - Q1  A block whose word is inline has a pending node only if it is a record, and then the node is a `Node<Patch<_>>` of some
//!   capacity, with the record's number of words in its `len`.
//! - Q2  A patch is changed by its own attempt only, and not reached by others before it is history. One that does not become
//!   that is freed as soon as it has been applied.
//! - Q3  While the clock shows that a snapshot lives, every commit that writes a record leaves a patch in its chain, also one whose
//!   version is that of the record already. So who undoes them one by one, from the newest to the first that was made over a version
//!   <= s, has undone every commit with a version above s and nothing else; H3 says that all these nodes are alive.

use std::mem::MaybeUninit;

use crate::block::{Field, Pinned};
use crate::boxed::{self, Node, NodeHeader, Pending};
use crate::clock::Time;
use crate::mutant::mutant;

/// So many words of a record have a bit of their own.
pub(crate) const MOST_WORDS: usize = u64::BITS as usize;

/// All fields of a node with a patch but the words lie where they do for every capacity, and the words begin there.
#[derive(Debug)]
#[repr(C)]
struct Patch<const CAPACITY: usize> {
    /// A bit for each word that was written.
    written: u64,
    /// Of the record.
    len: u32,
    capacity: u16,
    /// It has become history: what is in `words` was there before.
    saved: bool,
    /// As many as there are bits in `written`, in the order of their indices.
    words: [MaybeUninit<u64>; CAPACITY],
}

/// The capacity of most patches.
const FEW: usize = 4;

/// A patch for a record of `N` words that writes these values.
#[inline(always)]
pub(crate) fn pending<const N: usize, const M: usize>(values: [(usize, u64); M]) -> Pending {
    let pending = if M <= FEW {
        begin::<FEW>(N)
    } else {
        begin::<N>(N)
    };
    let node = pending.plain_node();
    for (at, (index, value)) in values.into_iter().enumerate() {
        // SAFETY: Q1, Q2: just made, and large enough.
        unsafe {
            let (patch, words) = parts(node);
            let (before, bit) = ((*patch).written, 1 << index);
            if bit > before {
                // In ascending order, as mostly: the words so far are `at`.
                *words.add(at) = value;
                (*patch).written = before | bit;
            } else {
                return in_any_order::<N, M>(pending, values, at);
            }
        }
    }
    pending
}

/// The rest of [`pending`], from `values[done]` on.
#[cold]
fn in_any_order<const N: usize, const M: usize>(
    pending: Pending,
    values: [(usize, u64); M],
    done: usize,
) -> Pending {
    for &(index, value) in &values[done..] {
        // SAFETY: Q1, Q2: just made, and large enough.
        let set = unsafe { set(pending.plain_node(), index, value) };
        assert_eq!(set, Set::Done, "there is room for {M} of {N} words");
    }
    pending
}

/// One that writes nothing yet, to a record of so many words.
#[inline(always)]
fn begin<const CAPACITY: usize>(len: usize) -> Pending {
    const { assert!(CAPACITY <= MOST_WORDS) }
    let fill = |place: *mut Patch<CAPACITY>| {
        // SAFETY: a place for a patch; its words need not be filled.
        unsafe {
            (&raw mut (*place).written).write(0);
            (&raw mut (*place).len).write(len as u32);
            (&raw mut (*place).capacity).write(CAPACITY as u16);
            (&raw mut (*place).saved).write(false);
        }
    };
    // SAFETY: just filled.
    unsafe { Pending::boxed_in_place(fill) }
}

/// What the patch in `node` writes, with room for all `N` words of the record.
///
/// # Safety
///
/// Q1, and the attempt that owns it has not ended.
pub(crate) unsafe fn with_room<const N: usize>(node: *mut NodeHeader) -> Pending {
    let larger = begin::<N>(N);
    // SAFETY: both are patches of this attempt's, and what there is fits the larger one.
    unsafe {
        let ((from, words), (to, room)) = (parts(node), parts(larger.plain_node()));
        (*to).written = (*from).written;
        let count = (*from).written.count_ones() as usize;
        room.copy_from_nonoverlapping(words, count);
    }
    larger
}

/// Whether there was room for a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Set {
    Done,
    /// No: nothing has happened.
    Full,
}

/// Has the patch in `node` write `value` to the word with this index, which the record has.
///
/// # Safety
///
/// Q1, Q2: the caller's attempt owns it.
#[inline(always)]
pub(crate) unsafe fn set(node: *mut NodeHeader, index: usize, value: u64) -> Set {
    // SAFETY: the words before `count` are there, and those before `capacity` have room.
    unsafe {
        let (patch, words) = parts(node);
        let bit = 1 << index;
        let at = rank((*patch).written, index);
        if (*patch).written & bit == 0 {
            let count = (*patch).written.count_ones() as usize;
            if count == usize::from((*patch).capacity) {
                return Set::Full;
            }
            words.add(at + 1).copy_from(words.add(at), count - at);
            (*patch).written |= bit;
        }
        *words.add(at) = value;
    }
    Set::Done
}

/// How many bits below this one are set: where the word with this index is, or would be.
#[inline(always)]
fn rank(written: u64, index: usize) -> usize {
    (written & ((1 << index) - 1)).count_ones() as usize
}

/// What all patches have in common.
type AnyPatch = Patch<0>;

/// Where the patch in `node` is, and where its words begin.
///
/// # Safety
///
/// `node` holds a patch and is alive.
unsafe fn parts(node: *mut NodeHeader) -> (*mut AnyPatch, *mut u64) {
    // SAFETY: computes addresses within the node (`repr(C)`).
    unsafe {
        let patch = &raw mut (*node.cast::<Node<AnyPatch>>()).value;
        (patch, (&raw mut (*patch).words).cast())
    }
}

/// The word that the patch in `node` writes to `index`, if it writes that.
///
/// # Safety
///
/// Q1, and the attempt that owns it has not ended; or it is history, and H3.
pub(crate) unsafe fn written(node: *mut NodeHeader, index: usize) -> Option<u64> {
    // SAFETY: the caller's promise; there is a word for each bit.
    unsafe {
        let (patch, words) = parts(node);
        let written = (*patch).written;
        (written >> index & 1 != 0).then(|| *words.add(rank(written, index)))
    }
}

/// How many words the record of the patch in `node` has.
///
/// # Safety
///
/// As [`written`].
#[cfg(all(feature = "history", not(any(loom, shuttle))))]
pub(crate) unsafe fn len(node: *mut NodeHeader) -> usize {
    // SAFETY: the caller's promise.
    unsafe { (*parts(node).0).len as usize }
}

/// Stores what the patch in `node` writes into the locked record.
///
/// # Safety
///
/// Q1 for `record`, which the caller has locked.
#[inline(never)]
pub(crate) unsafe fn apply(node: *mut NodeHeader, record: Pinned) {
    // SAFETY: as in `written`.
    unsafe {
        let (patch, words) = parts(node);
        for (at, index) in indices((*patch).written).enumerate() {
            record.store_bits(Field::of_record(index), *words.add(at));
        }
    }
}

/// As [`apply`], and the node keeps what its words have replaced: it is the history of the record now, as of `version`.
///
/// # Safety
///
/// As [`apply`]; the caller retires the node (H2), and does not use it as a patch any more.
pub(crate) unsafe fn apply_and_save(node: *mut NodeHeader, record: Pinned, version: Time) {
    // SAFETY: the caller's promise; nobody else knows the node before it becomes the head.
    unsafe {
        let (patch, words) = parts(node);
        let mut newer = [0; MOST_WORDS];
        for (at, index) in indices((*patch).written).enumerate() {
            newer[at] = *words.add(at);
            if !mutant!("X5b") {
                *words.add(at) = record.own_bits(Field::of_record(index));
            }
        }
        (*patch).saved = true;
        boxed::prepare(node, version, record.get().history_head().cast());
        // H1: before anything of it is overwritten; see `saved_at`.
        if !mutant!("X5c") {
            record.get().set_history_head(node.cast());
        }
        for (at, index) in indices((*patch).written).enumerate() {
            record.store_bits(Field::of_record(index), newer[at]);
        }
        if mutant!("X5c") {
            record.get().set_history_head(node.cast());
        }
    }
}

/// Whether the patch in `node` has become history.
///
/// # Safety
///
/// Q1, and it has not been freed.
pub(crate) unsafe fn is_saved(node: *mut NodeHeader) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (*parts(node).0).saved }
}

/// What the word of `record` with this index was as of `as_of`, and the version of the record then.
///
/// The word is loaded before the head of the chain. Whoever overwrites it has made a node that undoes it the head before (H1), both by
/// Release stores; so the Acquire load of a new value (`Pinned::load_bits`, pairs with `store_bits`) brings the node along, and the head
/// that is loaded after it is that one or a newer one. An old value needs no undoing, and a node that has it too says the same.
///
/// # Safety
///
/// H3, for a record that has such a word.
pub(crate) unsafe fn saved_at(record: Pinned, index: usize, as_of: Time) -> (Time, u64) {
    let early = mutant!("X5d").then(|| record.get().history_head());
    let mut word = record.load_bits(Field::of_record(index));
    let head = early.unwrap_or_else(|| record.get().history_head());
    let mut node: *mut NodeHeader = head.cast();
    // SAFETY: H3, every node up to and including the one that ends the walk is alive and published.
    unsafe {
        loop {
            #[cfg(any(loom, shuttle))]
            assert!(!node.is_null(), "the version as of {as_of} is missing");
            let version = boxed::version(node);
            word = written(node, index).unwrap_or(word);
            if version <= as_of {
                return (version, word);
            }
            node = boxed::prev(node);
        }
    }
}

/// The indices of the bits that are set, the lowest first.
#[inline(always)]
fn indices(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(index)
    })
}
