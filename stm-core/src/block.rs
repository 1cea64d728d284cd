//! The block behind a `TVar`, or of a record: its word, its value or the way to it, and the count of its handles.
//!
//! # Picture
//!
//! ```text
//!            0          8          16         24        32 bytes
//!  inline   │ word      │ value     │ handles   │ history   │   word and value share a cache line
//!  boxed    │ word      │ (unused)  │ handles   │ node ops  │   the value lies in the word's node
//!  record   │ word      │ (unused)  │ distance  │ history   │ words ..   in an array of such (`array`)
//! ```
//!
//! One layout for all forms and for every type: the engine's logs hold plain pointers to blocks, and the
//! word says which form it is (W1). A record is of the inline form, with several words beside the one lock.
//!
//! # Invariants
//!
//! - S1  A block is freed through the collector after its last handle went, so a thread that was pinned while it
//!   had a handle, or could reach one, may use the block until it unpins. [`Pinned`] stands for this.
//! - S2  What is freed with a block is the value that is current when the free runs, not when it was scheduled:
//!   the transaction that dropped the last handle may still publish into it. Neither `prev` nor history is
//!   freed with it; their committers retired them. (A record's words need no free of their own.)
//! - S3  A count that has reached zero never rises again ([`Pinned::try_acquire`] declines).
//! - S4  A record lies in an array that is freed as one, and has no count of its own: `handles` says how far before it the head of
//!   the array is, which has the count. That never changes, so any load of it tells.
//! - S5  A [`Field`] is used with blocks that have it: [`Field::VALUE`] with those of variables, [`Field::of_record`] with records
//!   of more words than its index.
//!
//! The highest bit of the count is no part of it: it says that the diagnostics' table speaks of this block (D1, D2 in
//! `diagnostics::known`).

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::array::{self, Head};
use crate::boxed::{self, NodeHeader, NodeOps, Pending, PendingView};
use crate::clock::Time;
use crate::context;
use crate::diagnostics::known;
use crate::mutant::{edge, mutant};
use crate::patch;
use crate::pool;
use crate::prefetch;
use crate::record::Serial;
use crate::sync::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::word::{AtomicWord, Word};

#[derive(Debug)]
#[repr(C, align(16))]
pub(crate) struct Block {
    word: AtomicWord,
    bits: AtomicU64,
    handles: AtomicUsize,
    /// Inline: the newest [`HistoryNode`]. Boxed: the [`NodeOps`], never changed.
    tail: AtomicPtr<()>,
    serial: Serial,
}

#[cfg(not(any(loom, shuttle, feature = "history")))]
const _: () = assert!(
    size_of::<Block>() == 32,
    "P9: a word variable stays within 48 bytes"
);

/// In `handles`: something is known of this block elsewhere.
const KNOWN: usize = 1 << (usize::BITS - 1);

/// In `handles`: this is a record, and the rest is the distance to the head of its array in bytes (S4).
const RECORD: usize = 1 << (usize::BITS - 2);

/// Distances are below this.
pub(crate) const FARTHEST: usize = RECORD;

/// More handles than there can be without somebody forgetting them on purpose.
const TOO_MANY: usize = RECORD / 2;

/// One more handle of what `count` counts.
pub(crate) fn add_handle(count: &AtomicUsize) {
    // Relaxed: a new handle is made from one that is alive; it is handed on by other means.
    let before = count.fetch_add(1, Ordering::Relaxed);
    if before & !KNOWN > TOO_MANY {
        // As `Arc` does: so many forgotten clones would wrap the count into use after free.
        std::process::abort();
    }
}

/// One handle less; whether that was the last one.
#[must_use]
pub(crate) fn remove_handle(count: &AtomicUsize) -> bool {
    // AcqRel: the Release half publishes this thread's uses of the block, the Acquire half lets the last one see all of them.
    let order = edge!(AcqRel, "O-handles" => Relaxed);
    count.fetch_sub(1, order) & !KNOWN == 1
}

/// Which word of a block: so many bytes from its beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Field(usize);

impl Field {
    /// The value of an inline variable.
    pub(crate) const VALUE: Self = Self(std::mem::offset_of!(Block, bits));

    /// The word of a record with this index: they follow their block.
    #[inline(always)]
    pub(crate) const fn of_record(index: usize) -> Self {
        Self(size_of::<Block>() + index * size_of::<AtomicU64>())
    }

    pub(crate) const fn offset(self) -> usize {
        self.0
    }

    /// The index, if it is a word of a record.
    #[inline(always)]
    pub(crate) const fn index(self) -> Option<usize> {
        match self.0.checked_sub(size_of::<Block>()) {
            Some(beyond) => Some(beyond / size_of::<AtomicU64>()),
            None => None,
        }
    }
}

impl Block {
    fn new(word: Word, bits: u64, tail: *mut ()) -> NonNull<Self> {
        pool::place(Self {
            word: AtomicWord::new(word),
            bits: AtomicU64::new(bits),
            handles: AtomicUsize::new(1),
            tail: AtomicPtr::new(tail),
            serial: Serial::next(),
        })
    }

    /// The block of a record, so many bytes behind the head of its array (S4).
    pub(crate) fn of_record(distance: usize, serial: Serial) -> Self {
        debug_assert!(distance < FARTHEST);
        Self {
            word: AtomicWord::new(Word::inline_initial()),
            bits: AtomicU64::new(0),
            handles: AtomicUsize::new(RECORD | distance),
            tail: AtomicPtr::new(std::ptr::null_mut()),
            serial,
        }
    }

    #[inline(always)]
    pub(crate) fn word(&self) -> &AtomicWord {
        &self.word
    }

    #[cfg(all(feature = "history", not(any(loom, shuttle))))]
    pub(crate) fn serial(&self) -> &Serial {
        &self.serial
    }

    /// Acquire: pairs with the Release in `set_history_head`.
    pub(crate) fn history_head(&self) -> *mut () {
        self.tail.load(edge!(Acquire, "O-history-load" => Relaxed))
    }

    /// Release: pairs with the Acquire in `history_head`.
    pub(crate) fn set_history_head(&self, head: *mut ()) {
        self.tail
            .store(head, edge!(Release, "O-history-store" => Relaxed));
    }

    /// Something is about to be entered into the diagnostics' table, which the end of this block has to take out.
    ///
    /// Relaxed: whoever frees the block comes after the caller's handle or pin (D1).
    pub(crate) fn mark_known(&self) {
        if !self.is_known() {
            self.handles.fetch_or(KNOWN, Ordering::Relaxed);
        }
    }

    /// Takes what is known of a block that is about to be freed out of the diagnostics' table.
    pub(crate) fn forget_known(&self) {
        if self.is_known() && !mutant!("D-known") {
            known::forget(std::ptr::from_ref(self).addr());
        }
    }

    /// Relaxed: as in `mark_known`.
    fn is_known(&self) -> bool {
        self.handles.load(Ordering::Relaxed) & KNOWN != 0
    }

    /// Frees the block and, if boxed, its current value.
    ///
    /// # Safety
    ///
    /// No handle is left and no thread that was pinned when the last one went is pinned any more (S1).
    unsafe fn free(block: NonNull<Self>) {
        // SAFETY: S1, nobody else can reach the block.
        let (word, tail) = unsafe {
            let block = block.as_ref();
            block.forget_known();
            // Acquire: as in `history_head`, whose partner is `set_history_head`. More than it takes: nobody stores any more, and the
            // collector has put every store that was made under a pin before this (S1).
            (block.word.sample(), block.tail.load(Ordering::Acquire))
        };
        // SAFETY: as above; it was placed by `new`.
        unsafe { pool::free(block) };
        if !word.is_inline() {
            // SAFETY: a boxed block's tail is the `&'static NodeOps` that `BlockHandle::boxed` put there, and
            // the current node is freed by nobody else (S2).
            unsafe { (*tail.cast::<NodeOps>()).free(word.node()) };
        }
    }
}

/// A counted, untyped handle: it keeps its block alive.
pub(crate) struct BlockHandle(NonNull<Block>);

// SAFETY: a block is a set of atomics; the value behind it is `Send + Sync`, which `TVar` asks of its type.
unsafe impl Send for BlockHandle {}
// SAFETY: as above.
unsafe impl Sync for BlockHandle {}

impl BlockHandle {
    pub(crate) fn inline(bits: u64) -> Self {
        Self(Block::new(
            Word::inline_initial(),
            bits,
            std::ptr::null_mut(),
        ))
    }

    pub(crate) fn boxed<T>(value: T) -> Self {
        let node = boxed::new_node(value);
        // SAFETY: just made. Version 0 is older than every time, so a new variable reads as anchored.
        unsafe { boxed::prepare(node, 0, std::ptr::null_mut()) };
        let ops: *const NodeOps = NodeOps::of::<T>();
        Self(Block::new(Word::of_node(node), 0, ops.cast_mut().cast()))
    }

    #[inline(always)]
    pub(crate) fn block(&self) -> &Block {
        // SAFETY: this handle keeps it alive.
        unsafe { self.0.as_ref() }
    }

    /// The block as a log entry.
    ///
    /// # Safety
    ///
    /// The thread is pinned, and the result is not used after it unpins (S1).
    #[inline(always)]
    pub(crate) unsafe fn pinned(&self) -> Pinned {
        Pinned(self.0)
    }

    pub(crate) fn address(&self) -> usize {
        self.0.addr().get()
    }
}

impl Clone for BlockHandle {
    fn clone(&self) -> Self {
        match Pinned(self.0).head_of_array() {
            None => add_handle(&self.block().handles),
            // SAFETY: S4, this handle keeps the array alive.
            Some(head) => add_handle(unsafe { head.as_ref() }.count()),
        }
        Self(self.0)
    }
}

impl Drop for BlockHandle {
    fn drop(&mut self) {
        if let Some(head) = Pinned(self.0).head_of_array() {
            if mutant!("D-record") {
                return;
            }
            // SAFETY: S4, this handle is one of the array's.
            return unsafe { array::release(head) };
        }
        if remove_handle(&self.block().handles) {
            let block = self.0;
            context::with(|ctx| {
                // SAFETY: S1, the count is zero, so threads that pin from now on have no way to the block.
                unsafe { ctx.pin().retire(move || Block::free(block)) };
            });
        }
    }
}

impl fmt::Debug for BlockHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:p}", self.0)
    }
}

/// A block that the current pin keeps alive (S1): what logs hold.
///
/// A `Pinned` is used only under the pin under which it was made; the logs are emptied before each unpin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pinned(NonNull<Block>);

impl Pinned {
    /// A record as a log entry.
    ///
    /// # Safety
    ///
    /// As [`BlockHandle::pinned`]; `record` points to a block in a live array, and may be used for all of that.
    #[inline(always)]
    pub(crate) unsafe fn record(record: NonNull<Block>) -> Self {
        Self(record)
    }

    /// It is about to be locked.
    #[inline(always)]
    pub(crate) fn prefetch_for_write(self) {
        prefetch::for_write(self.0.as_ptr().cast());
    }

    /// The head of the array that this record is part of, if it is one (S4).
    ///
    /// Relaxed: what says so never changes.
    fn head_of_array(self) -> Option<NonNull<Head>> {
        let handles = self.get().handles.load(Ordering::Relaxed);
        let distance = handles & !(KNOWN | RECORD);
        // SAFETY: S4, the head is that far before the block, in the same allocation.
        (handles & RECORD != 0).then(|| unsafe { self.0.byte_sub(distance).cast() })
    }

    #[inline(always)]
    fn field<'p>(self, field: Field) -> &'p AtomicU64 {
        // SAFETY: S5, and the pin lasts (S1).
        unsafe { self.0.byte_add(field.0).cast::<AtomicU64>().as_ref() }
    }

    /// The value's bits in the middle of a seqlock read.
    ///
    /// Acquire: pairs with `store_bits`; a newer value brings the lock under which it was stored, and the
    /// second look at the word then differs.
    #[inline(always)]
    pub(crate) fn load_bits(self, field: Field) -> u64 {
        self.field(field)
            .load(edge!(Acquire, "O-bits-load" => Relaxed))
    }

    /// The value's bits for the owner of the lock.
    ///
    /// Relaxed: the lock CAS acquired the last publication, and nobody else stores.
    #[inline(always)]
    pub(crate) fn own_bits(self, field: Field) -> u64 {
        self.field(field).load(Ordering::Relaxed)
    }

    /// Overwrites the value under the lock.
    ///
    /// Release: pairs with the Acquire in `load_bits`, and keeps the lock CAS before it.
    #[inline(always)]
    pub(crate) fn store_bits(self, field: Field, bits: u64) {
        self.field(field)
            .store(bits, edge!(Release, "O-bits-store" => Relaxed));
    }

    #[inline(always)]
    pub(crate) fn get<'p>(self) -> &'p Block {
        // SAFETY: S1, the pin lasts.
        unsafe { self.0.as_ref() }
    }

    /// The place of this variable in the one global locking order, and its key in tables.
    #[inline(always)]
    pub(crate) fn address(self) -> usize {
        self.0.addr().get()
    }

    #[inline(always)]
    pub(crate) fn look(self) -> Look {
        Look(self.get().word().sample())
    }

    /// A counted handle, unless the last one has gone: then nobody can write the variable again (S3).
    pub(crate) fn try_acquire(self) -> Option<BlockHandle> {
        let handles = match self.head_of_array() {
            None => &self.get().handles,
            // SAFETY: S4, and S1 keeps the array as it keeps the block.
            Some(head) => unsafe { head.as_ref() }.count(),
        };
        // Relaxed: a guess, which the exchange checks; only zero is taken at its word, and that is final (S3).
        let mut now = handles.load(Ordering::Relaxed);
        while now & !KNOWN != 0 {
            // Relaxed: as in `add_handle`; the block itself is alive by the pin.
            match handles.compare_exchange(now, now + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(BlockHandle(self.0)),
                Err(actual) => now = actual,
            }
        }
        None
    }
}

/// What the typed layer knows of a variable's form before it looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FormHint {
    Inline,
    /// The word will tell (W1).
    Unknown,
}

/// A word that was sampled from a block under the pin that still lasts, so that its node may be looked into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look(Word);

impl Look {
    #[inline(always)]
    pub(crate) const fn word(self) -> Word {
        self.0
    }

    /// The same, without the lock and the waiters.
    pub(crate) const fn settled(self) -> Self {
        Self(self.0.settled())
    }

    /// A look at what this thread has just locked: `replaced` as it is now.
    #[inline(always)]
    pub(crate) const fn at_own_lock(replaced: Word) -> Self {
        Self(replaced.with_lock())
    }

    /// The version of the newest published value (the lock does not matter).
    #[inline(always)]
    pub(crate) fn version(self) -> Time {
        if self.0.is_inline() {
            self.0.version()
        } else {
            // SAFETY: loaded from a word under the pin (see the type).
            unsafe { boxed::version(self.0.node()) }
        }
    }

    /// The version, where the form may be known beforehand.
    #[inline(always)]
    pub(crate) fn version_by(self, hint: FormHint) -> Time {
        match hint {
            FormHint::Inline => self.0.version(),
            FormHint::Unknown => self.version(),
        }
    }

    /// As [`boxed::newest_at`], from this word's node.
    ///
    /// # Safety
    ///
    /// As said there for `as_of`; and the form is boxed.
    pub(crate) unsafe fn newest_at(self, as_of: Time) -> *mut NodeHeader {
        // SAFETY: the word was loaded under the pin; the rest is the caller's promise.
        unsafe { boxed::newest_at(self.0.node(), as_of) }
    }
}

/// What a read found: enough to make a `T` of it, in the hands of the typed layer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seen<'t> {
    /// A boxed value; alive to the end of the attempt `'t`.
    Node(*mut NodeHeader, PhantomData<&'t ()>),
    /// An inline value.
    Bits(u64),
}

impl Seen<'_> {
    #[inline(always)]
    pub(crate) const fn node(node: *mut NodeHeader) -> Self {
        Seen::Node(node, PhantomData)
    }

    /// What tells this boxed value from all others.
    #[cfg(all(feature = "history", not(any(loom, shuttle))))]
    pub(crate) fn serial_of(node: *mut NodeHeader) -> u64 {
        // SAFETY: it was seen under the pin that lasts, or is pending in the log of an attempt that has not ended.
        unsafe { boxed::serial(node) }
    }

    /// How many words a record has, told by what is pending of it.
    #[cfg(all(feature = "history", not(any(loom, shuttle))))]
    pub(crate) fn words_of_record(patch: *mut NodeHeader) -> usize {
        // SAFETY: Q1; it is pending in the log of an attempt that has not ended.
        unsafe { patch::len(patch) }
    }

    /// A value that is pending, for as long as nobody frees it.
    #[inline(always)]
    pub(crate) fn pending(pending: &Pending) -> Self {
        match pending.view() {
            PendingView::Bits(bits) => Seen::Bits(bits),
            PendingView::Node(node, _) => Seen::node(node),
        }
    }

    /// As `pending`; of a record, the word at `field`, if that is pending.
    pub(crate) fn pending_field(pending: &Pending, field: Field) -> Option<Self> {
        match (pending.view(), field.index()) {
            // SAFETY: Q1, by S5; the attempt goes on.
            (PendingView::Node(patch, _), Some(index)) => unsafe {
                patch::written(patch, index).map(Seen::Bits)
            },
            _ => Some(Self::pending(pending)),
        }
    }

    /// The word, where the form is known to be inline.
    #[inline(always)]
    pub(crate) fn bits(self) -> u64 {
        match self {
            Seen::Bits(bits) => bits,
            Seen::Node(..) => unreachable!("W1"),
        }
    }
}
