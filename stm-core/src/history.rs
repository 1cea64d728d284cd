//! Old values of inline variables, kept only while a snapshot may want them.
//!
//! An inline commit overwrites the value in place. If the clock says that a snapshot lives, the committer
//! first saves the old version and value in a node that the snapshot finds from the block. The history of a record is found in the same
//! way, and consists of the patches that wrote it, each with what it replaced ([`crate::patch`]).
//!
//! # Invariants
//!
//! - H1  A node is pushed before the word that replaces its version is published; of a record, before any of its words is
//!   overwritten. For a variable, not at all where the version stays the same: a snapshot that may see the old one has no use for
//!   the new. For a record always (Q3).
//! - H2  A node is retired once, by the committer that made it, after publication. So the head of the chain and
//!   every `prev` may dangle for whoever pins later. That is sound by H3.
//! - H3  Only a tracked snapshot follows the chain, and only from a word with version > s, to the first node
//!   with version <= s. Every commit with a version above s loaded the clock after the snapshot was counted
//!   (K2, K3), so it saved what it overwrote, and retired it after the snapshot's pin (R2). The walk ends at
//!   or before the first of these nodes and never leaves it.
//!
//! # Memory ordering
//!
//! The head is stored Release and loaded Acquire: the node's fields come with it. A reader that saw the new
//! word (Release/SeqCst) sees at least the head that was stored before it.

use std::ptr::NonNull;

use crate::block::{Field, Pinned};
use crate::clock::Time;
use crate::patch;
use crate::pool;
use crate::sync::Published;

/// A value that was overwritten, and the version that it had.
#[derive(Debug)]
pub(crate) struct HistoryNode {
    version: Time,
    bits: u64,
    prev: *mut HistoryNode,
    published: Published,
}

/// Saves the current value of the locked inline block as of `version`; the caller retires the node that it gets (H2).
pub(crate) fn save(block: Pinned, version: Time, bits: u64) -> *mut HistoryNode {
    let node = pool::place(HistoryNode {
        version,
        bits,
        prev: block.get().history_head().cast(),
        published: Published::new(),
    })
    .as_ptr();
    // SAFETY: just made, not yet shared.
    unsafe { (*node).published.mark_written() };
    block.get().set_history_head(node.cast());
    node
}

/// What `field` of the block was: the newest with version <= `as_of`, and its version.
///
/// # Safety
///
/// H3: the caller is a tracked snapshot at `as_of` and has seen a version above it on this block, which has the field.
pub(crate) unsafe fn saved_at(block: Pinned, field: Field, as_of: Time) -> (Time, u64) {
    if let Some(index) = field.index() {
        // SAFETY: the caller's promise.
        return unsafe { patch::saved_at(block, index, as_of) };
    }
    let mut node: *mut HistoryNode = block.get().history_head().cast();
    // SAFETY: H3, every node up to and including the one that ends the walk is alive and published.
    unsafe {
        loop {
            #[cfg(any(loom, shuttle))]
            assert!(!node.is_null(), "the version as of {as_of} is missing");
            (*node).published.mark_read();
            if (*node).version <= as_of {
                return ((*node).version, (*node).bits);
            }
            node = (*node).prev;
        }
    }
}

/// Frees a node.
///
/// # Safety
///
/// `node` came from [`save`], no reader can reach it any more (H2, R1), and nobody else frees it.
pub(crate) unsafe fn free(node: *mut HistoryNode) {
    // SAFETY: the caller's promise; it was placed by `save`.
    unsafe { pool::free(NonNull::new_unchecked(node)) };
}
