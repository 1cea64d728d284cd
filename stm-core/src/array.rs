//! Arrays of records: blocks side by side in one allocation, each with words of its own behind it.
//!
//! # Picture
//!
//! ```text
//!  Head                   Record 0                                   Record 1
//! ┌───────────────────┐  ┌──────┬───┬──────────┬─────────┬────────┐  ┌──────┬─ ..
//! │ count  len  free  │  │ word │   │ distance │ history │ words  │  │ word │
//! └───────────────────┘  └──────┴───┴──────────┴─────────┴────────┘  └──────┴─ ..
//!           ◀───────────────────────── distance
//! ```
//!
//! The way to a record is an addition: no pointer is loaded but the handle's, and no node lies between a record and its words.
//!
//! # Invariants
//!
//! - A1  A head is followed by `len` records of the size that its `free` was made for, all initialised. All of it is one
//!   allocation, which goes through the collector after the last handle went (S1).
//! - A2  Every pointer to a record is made from one to the head, and may be used for the whole allocation (S4 goes back from it).
//! - A3  No record is [`block::FARTHEST`] or farther from its head, so that a distance and what is noted beside it fit one number.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::block::{self, Block, Field, Pinned};
use crate::context;
use crate::mutant::mutant;
use crate::patch;
use crate::prefetch;
use crate::record::Serial;
use crate::sync::{AtomicU64, AtomicUsize};

/// Bytes of a cache line.
const LINE: usize = 64;

/// What the array has but once. Aligned to a cache line, so that records which fill lines do not straddle them.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Head {
    count: AtomicUsize,
    len: usize,
    free: unsafe fn(NonNull<Head>),
}

impl Head {
    pub(crate) fn count(&self) -> &AtomicUsize {
        &self.count
    }
}

#[repr(C, align(16))]
struct Record<const N: usize> {
    block: Block,
    words: [AtomicU64; N],
}

impl<const N: usize> Record<N> {
    /// So many words have each a bit in a patch.
    const FITS: () = assert!(
        N > 0 && N <= patch::MOST_WORDS,
        "a record has 1 to 64 words"
    );

    const fn distance(index: usize) -> usize {
        size_of::<Head>() + index * size_of::<Self>()
    }

    /// `None` if there is no memory that large, or one could not find back in it (A3).
    fn layout(len: usize) -> Option<Layout> {
        let records = Layout::array::<Self>(len).ok()?;
        let (layout, start) = Layout::new::<Head>().extend(records).ok()?;
        debug_assert_eq!(start, Self::distance(0));
        let layout = layout.pad_to_align();
        (layout.size() <= block::FARTHEST).then_some(layout)
    }
}

/// A counted handle to an array of records with `N` words. It knows their number, so that the head need not be looked at on the way
/// to one.
pub(crate) struct Array<const N: usize> {
    head: NonNull<Head>,
    len: usize,
}

// SAFETY: a head and records are atomics and what never changes.
unsafe impl<const N: usize> Send for Array<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Array<N> {}

impl<const N: usize> Array<N> {
    /// `len` records of zeros.
    ///
    /// # Panics
    ///
    /// If no memory could be that large. Aborts if there is none.
    pub(crate) fn new(len: usize) -> Self {
        const { Record::<N>::FITS }
        const { assert!(Field::of_record(0).offset() == std::mem::offset_of!(Record<N>, words)) }
        let layout = Record::<N>::layout(len)
            .unwrap_or_else(|| panic!("{len} records of {N} words are more than memory can hold"));
        // SAFETY: not of size zero, for the head has a size.
        let Some(memory) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout)
        };
        let head: NonNull<Head> = memory.cast();
        // SAFETY: fresh memory of the layout that A1 asks for; nobody else knows it.
        unsafe {
            head.write(Head {
                count: AtomicUsize::new(1),
                len,
                free: free::<N>,
            });
            for index in 0..len {
                let distance = Record::<N>::distance(index);
                head.byte_add(distance).cast().write(Record::<N> {
                    block: Block::of_record(distance, Serial::first_of(N)),
                    words: std::array::from_fn(|_| AtomicU64::new(0)),
                });
            }
        }
        Self { head, len }
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn address(&self) -> usize {
        self.head.addr().get()
    }

    /// A record as a log entry.
    ///
    /// # Panics
    ///
    /// If there is none with that index.
    ///
    /// # Safety
    ///
    /// The thread is pinned, and the result is not used after it unpins (S1).
    #[inline(always)]
    pub(crate) unsafe fn pinned(&self, index: usize) -> Pinned {
        let len = self.len;
        assert!(index < len, "there is no record {index}, only {len} in all");
        // SAFETY: A1, A2; the rest is the caller's promise.
        unsafe { Pinned::record(self.head.byte_add(Record::<N>::distance(index)).cast()) }
    }

    /// Asks the processor for all cache lines of a record, if there is one of that index. A hint.
    #[inline(always)]
    pub(crate) fn prefetch(&self, index: usize) {
        if index >= self.len() {
            return;
        }
        let record = self.head.as_ptr().cast::<u8>();
        let record = record.wrapping_add(Record::<N>::distance(index));
        for line in (0..size_of::<Record<N>>()).step_by(LINE) {
            prefetch::for_read(record.wrapping_add(line));
        }
    }
}

impl<const N: usize> Clone for Array<N> {
    fn clone(&self) -> Self {
        // SAFETY: this handle keeps it alive.
        block::add_handle(&unsafe { self.head.as_ref() }.count);
        let Self { head, len } = *self;
        Self { head, len }
    }
}

impl<const N: usize> Drop for Array<N> {
    fn drop(&mut self) {
        // SAFETY: this handle is one of those that are counted.
        unsafe { release(self.head) }
    }
}

/// Gives up a counted handle.
///
/// # Safety
///
/// It is counted, and not used any more.
pub(crate) unsafe fn release(head: NonNull<Head>) {
    // SAFETY: alive by the handle, up to here.
    let (last, free) = unsafe {
        let head = head.as_ref();
        let free = head.free;
        (block::remove_handle(&head.count), free)
    };
    if last && !mutant!("D-array") {
        context::with(|ctx| {
            // SAFETY: S1, the count is zero, so threads that pin from now on have no way to the records.
            unsafe { ctx.pin().retire(move || free(head)) };
        });
    }
}

/// Frees an array.
///
/// # Safety
///
/// It was made by [`Array::<N>::new`], no handle is left, and no thread that was pinned when the last one went is pinned any
/// more (S1).
unsafe fn free<const N: usize>(head: NonNull<Head>) {
    // SAFETY: A1, and nobody else can reach it.
    unsafe {
        let len = head.as_ref().len;
        for index in 0..len {
            let distance = Record::<N>::distance(index);
            let record = head.byte_add(distance).cast::<Record<N>>();
            record.as_ref().block.forget_known();
            record.drop_in_place();
        }
        head.drop_in_place();
        let layout = Record::<N>::layout(len).expect("it was allocated");
        dealloc(head.as_ptr().cast(), layout);
    }
}
