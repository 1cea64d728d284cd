//! The boxed form: any value, in a node that is immutable once it is published.
//!
//! # Picture
//!
//! ```text
//!  Block                    Node (newest)             Node                  (retired: freed when
//! ┌───────────────┐        ┌────────────────┐        ┌────────────────┐     no pin is older)
//! │ word ─────────┼───────▶│ version   9    │   ┌───▶│ version   4    │
//! │ node + flags  │        │ prev ──────────┼───┘    │ prev ──────────┼──▶ may dangle
//! │ ..            │        │ value          │        │ value          │
//! └───────────────┘        └────────────────┘        └────────────────┘
//! ```
//!
//! A read is one load and one dereference. Publishing is one store of a pointer.
//!
//! # Invariants
//!
//! - B1  `version` and `prev` are written by the committer before it publishes the node and never after.
//! - B2  `value` is changed only while the node is pending (private to one attempt), and not after a `Ref` to
//!   it was given.
//! - B3  Versions along `prev` never increase. `prev` of a node with version <= s may dangle for whoever reads
//!   as of s: it is never followed. For a node with version > s, `prev` was retired by a committer that had
//!   seen time >= s, hence after the reader's pin (R2), and is alive.

use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};

use crate::clock::Time;
use crate::mutant::shielded;
use crate::pool::{self, Room};
use crate::record::Serial;
use crate::sync::Published;

/// What the engine knows of a node without knowing its value's type.
#[derive(Debug)]
#[repr(C, align(8))]
pub(crate) struct NodeHeader {
    version: UnsafeCell<Time>,
    prev: UnsafeCell<*mut NodeHeader>,
    published: Published,
    serial: Serial,
}

/// A node with its value.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Node<T> {
    header: NodeHeader,
    pub(crate) value: T,
}

/// What differs between value types: how to free a node.
#[derive(Debug)]
pub(crate) struct NodeOps {
    free: unsafe fn(*mut NodeHeader),
}

impl NodeOps {
    pub(crate) const fn of<T>() -> &'static Self {
        const { &Self { free: free::<T> } }
    }

    /// Drops the value and frees the node.
    ///
    /// # Safety
    ///
    /// `node` came from [`new_node`] of the type that these are the operations of, nobody else frees it, and nobody can reach it.
    pub(crate) unsafe fn free(&self, node: *mut NodeHeader) {
        // SAFETY: the caller's promise.
        unsafe { (self.free)(node) }
    }
}

/// A value that is not published yet: owned by one write set, private to one attempt.
///
/// Two words that travel in registers: the bits of an inline value, or the node and operations of a boxed value or a patch. Plain
/// data, so that emptying a write set of inline values costs nothing; [`Unpublished`] is what frees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    data: u64,
    /// None says inline.
    ops: Option<&'static NodeOps>,
}

impl Pending {
    #[inline(always)]
    pub(crate) const fn bits(bits: u64) -> Self {
        Self {
            data: bits,
            ops: None,
        }
    }

    #[inline(always)]
    pub(crate) fn boxed<T>(value: T) -> Self {
        Self::of_node::<T>(new_node(value))
    }

    /// The value that `make` returns. The memory comes first, so that the value is made in it and need not be moved there.
    #[inline(always)]
    pub(crate) fn boxed_by<T>(make: impl FnOnce() -> T) -> Self {
        let room = begin_node::<T>();
        // SAFETY: room for a node with its header; with its value it is filled.
        Self::of_node::<T>(unsafe {
            (&raw mut (*room.as_ptr()).value).write(make());
            room.filled().as_ptr().cast()
        })
    }

    /// The value that `fill` makes in the place that it is given.
    ///
    /// # Safety
    ///
    /// After `fill` the place holds a `T`.
    #[inline(always)]
    pub(crate) unsafe fn boxed_in_place<T>(fill: impl FnOnce(*mut T)) -> Self {
        let room = begin_node::<T>();
        // SAFETY: room for a node with its header; with its value it is filled, by the caller's promise.
        Self::of_node::<T>(unsafe {
            fill(&raw mut (*room.as_ptr()).value);
            room.filled().as_ptr().cast()
        })
    }

    #[inline(always)]
    fn of_node<T>(node: *mut NodeHeader) -> Self {
        Self {
            data: node.expose_provenance() as u64,
            ops: Some(NodeOps::of::<T>()),
        }
    }

    /// The bits, where the form is known to be inline.
    #[inline(always)]
    pub(crate) const fn plain_bits(&self) -> u64 {
        debug_assert!(!self.is_boxed());
        self.data
    }

    /// The node, where the form is known to be boxed.
    #[inline(always)]
    pub(crate) fn plain_node(&self) -> *mut NodeHeader {
        debug_assert!(self.is_boxed());
        ptr::with_exposed_provenance_mut(self.data as usize)
    }

    #[inline(always)]
    pub(crate) fn view(&self) -> PendingView {
        match self.ops {
            None => PendingView::Bits(self.data),
            Some(ops) => {
                PendingView::Node(ptr::with_exposed_provenance_mut(self.data as usize), ops)
            }
        }
    }

    #[inline(always)]
    pub(crate) const fn is_boxed(&self) -> bool {
        self.ops.is_some()
    }
}

/// What a [`Pending`] is.
pub(crate) enum PendingView {
    Bits(u64),
    Node(*mut NodeHeader, &'static NodeOps),
}

/// A boxed value that will not be published. Dropping this drops the value, shielded.
#[derive(Debug)]
pub(crate) struct Unpublished {
    node: *mut NodeHeader,
    ops: &'static NodeOps,
}

impl Unpublished {
    /// Takes over what `pending` owns, if that is anything. The caller forgets `pending`.
    pub(crate) fn from_pending(pending: Pending) -> Option<Self> {
        match pending.view() {
            PendingView::Bits(_) => None,
            PendingView::Node(node, ops) => Some(Self { node, ops }),
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.node == other.node
    }

    /// Gives up the ownership: the value has a place again.
    pub(crate) fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Unpublished {
    fn drop(&mut self) {
        // SAFETY: owned and never published (a commit forgets what it has published), and the attempt that could hold a
        // `Ref` to it is over (L3 in the write set).
        shielded!("P-unpublished", || unsafe { self.ops.free(self.node) });
    }
}

/// # Safety
///
/// As [`NodeOps::free`].
unsafe fn free<T>(node: *mut NodeHeader) {
    // SAFETY: the node was made by `new_node::<T>` as a `Node<T>`, whose header is its first field; the rest is the
    // caller's promise.
    unsafe { pool::free(NonNull::new_unchecked(node.cast::<Node<T>>())) };
}

/// A pending node of version 0 without predecessor.
#[inline(always)]
pub(crate) fn new_node<T>(value: T) -> *mut NodeHeader {
    let room = begin_node::<T>();
    // SAFETY: room for a node with its header; with its value it is filled.
    unsafe {
        (&raw mut (*room.as_ptr()).value).write(value);
        room.filled().as_ptr().cast()
    }
}

/// Room for a pending node, of which only the value is missing.
#[inline(always)]
fn begin_node<T>() -> Room<Node<T>> {
    let room = Room::<Node<T>>::new();
    // SAFETY: room for a node.
    unsafe {
        (&raw mut (*room.as_ptr()).header).write(NodeHeader {
            version: UnsafeCell::new(0),
            prev: UnsafeCell::new(ptr::null_mut()),
            published: Published::new(),
            serial: Serial::next(),
        });
    }
    room
}

/// Fills in B1's fields of a pending node, just before it is published.
///
/// # Safety
///
/// `node` is pending: no other thread can reach it yet. `prev` is the node that it replaces, or null.
#[inline(always)]
pub(crate) unsafe fn prepare(node: *mut NodeHeader, version: Time, prev: *mut NodeHeader) {
    // SAFETY: pending, so nobody reads these fields now; `Ref`s point at `value` alone.
    unsafe {
        *(*node).version.get() = version;
        *(*node).prev.get() = prev;
        (*node).published.mark_written();
    }
}

/// What tells this node from all others, also from one that had its place before.
///
/// # Safety
///
/// `node` is alive.
#[cfg(all(feature = "history", not(any(loom, shuttle))))]
pub(crate) unsafe fn serial(node: *mut NodeHeader) -> u64 {
    // SAFETY: the caller's promise; written once, before anybody knew the node.
    unsafe { (*node).serial.number() }
}

/// The version of a published node.
///
/// # Safety
///
/// `node` was loaded from a word, or reached by B3, under a pin that still lasts.
#[inline(always)]
pub(crate) unsafe fn version(node: *mut NodeHeader) -> Time {
    // SAFETY: alive by R1; B1 says that it is not written any more.
    unsafe {
        (*node).published.mark_read();
        *(*node).version.get()
    }
}

/// What a published node replaced. It may dangle (B3), so it is not looked into but where that is known.
///
/// # Safety
///
/// As [`version`].
pub(crate) unsafe fn prev(node: *mut NodeHeader) -> *mut NodeHeader {
    // SAFETY: alive by R1; B1 says that it is not written any more.
    unsafe { *(*node).prev.get() }
}

/// The newest node at or behind `node` with version <= `as_of`.
///
/// # Safety
///
/// `node` was loaded from a word under a pin that still lasts, and `as_of` is greater than the time that the
/// clock showed some time after that pin was taken, or the clock had been moved there by the reader itself (B3, R2).
pub(crate) unsafe fn newest_at(mut node: *mut NodeHeader, as_of: Time) -> *mut NodeHeader {
    // SAFETY: B3. Only a node with version > as_of is left for its predecessor.
    unsafe {
        while version(node) > as_of {
            node = *(*node).prev.get();
            #[cfg(any(loom, shuttle))]
            assert!(!node.is_null(), "the version as of {as_of} is missing");
        }
    }
    node
}
