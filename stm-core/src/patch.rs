//! What a transaction has written to a record: some of its words.
//!
//! # The problem, and the idea
//!
//! A pending value is one word or a node. Of a record, a transaction writes a word here and a word there, and should not have to
//! read, copy and publish the others. So what is pending is a *patch*: a node with room for all words, and a bit for each that
//! counts. It is never published. The commit stores its words into the record, under the record's lock, and frees it.
//!
//! To the write set a patch is a boxed value like any other: it is owned, shadowed, undone and dropped in the same way.
//!
//! # Invariants
//!
//! - Q1  A block whose word is inline has a pending node only if it is a record, and then the node is a `Node<Patch<N>>` with
//!   the record's `N`, which is in its `len`.
//! - Q2  A patch is changed by its own attempt only, and never reached by others: it is freed as soon as it has been applied.

use std::mem::MaybeUninit;

use crate::block::{Field, Pinned};
use crate::boxed::{Node, NodeHeader, Pending};

/// All fields of a node with a patch but the words lie where they do for every `N`, and the words begin there.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Patch<const N: usize> {
    /// A bit for each word that was written.
    written: u64,
    len: usize,
    /// Those that were written hold something.
    words: [MaybeUninit<u64>; N],
}

impl<const N: usize> Patch<N> {
    /// One that writes these values to the words with these indices.
    #[inline(always)]
    pub(crate) fn pending<const M: usize>(values: [(usize, u64); M]) -> Pending {
        let fill = |place: *mut Self| {
            // SAFETY: a place for a patch; its words need not be filled.
            unsafe {
                (&raw mut (*place).written).write(0);
                (&raw mut (*place).len).write(N);
                (*place).set(values);
            }
        };
        // SAFETY: just filled.
        unsafe { Pending::boxed_in_place(fill) }
    }

    /// A copy, to be changed.
    pub(crate) fn again(&self) -> Pending {
        Pending::boxed(*self)
    }

    /// Writes these values, too.
    #[inline(always)]
    pub(crate) fn set<const M: usize>(&mut self, values: [(usize, u64); M]) {
        for (index, value) in values {
            self.words[index].write(value);
            self.written |= 1 << index;
        }
    }

    /// What `pending` is: a patch of a record with so many words.
    ///
    /// # Safety
    ///
    /// Q1, with this `N`; the attempt that owns it has not ended, and nothing else refers to it.
    #[inline(always)]
    pub(crate) unsafe fn of<'p>(pending: Pending) -> &'p mut Self {
        // SAFETY: the caller's promise.
        unsafe { &mut (*pending.plain_node().cast::<Node<Self>>()).value }
    }
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
/// Q1, and the attempt that owns it has not ended.
pub(crate) unsafe fn written(node: *mut NodeHeader, index: usize) -> Option<u64> {
    // SAFETY: the caller's promise; a bit is set for words that are there only.
    unsafe {
        let (patch, words) = parts(node);
        ((*patch).written >> index & 1 != 0).then(|| *words.add(index))
    }
}

/// How many words the record of the patch in `node` has.
///
/// # Safety
///
/// As [`written`].
pub(crate) unsafe fn len(node: *mut NodeHeader) -> usize {
    // SAFETY: the caller's promise.
    unsafe { (*parts(node).0).len }
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
        let mut left = (*patch).written;
        while left != 0 {
            let index = left.trailing_zeros() as usize;
            record.store_bits(Field::of_record(index), *words.add(index));
            left &= left - 1;
        }
    }
}

/// The words of the record that the caller has locked, whatever the patch in `node` writes.
///
/// # Safety
///
/// As [`apply`].
#[cold]
pub(crate) unsafe fn words_before(node: *mut NodeHeader, record: Pinned) -> Box<[u64]> {
    // SAFETY: the caller's promise.
    let len = unsafe { len(node) };
    let word = |index| record.own_bits(Field::of_record(index));
    (0..len).map(word).collect()
}
