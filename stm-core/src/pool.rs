//! Memory for what the engine makes and frees all the time: nodes, blocks, history.
//!
//! # The problem, and the idea
//!
//! A boxed write allocates a node and, some epochs later, frees one. The collector frees in bursts, more at a time than an
//! allocator's caches for single threads are made for, so nearly every allocation and every free would take its long
//! way: more instructions than all the rest of the commit. So each thread keeps what it frees in lists by size, up to a
//! bound, and takes from there first.
//!
//! What is kept is memory without a value: values are dropped as soon as ever. A thread keeps at most [`KEPT`] pieces of each
//! of [`CLASSES`] sizes, 2.6 MiB if it has used them all, and gives them back when it ends.
//!
//! Under the models and under stress nothing is kept, so that tools that watch the allocator see every use after free.
//!
//! # Invariants
//!
//! - G1  A piece in a list has the size and alignment of its class, came from the global allocator, and nobody else knows it.
//! - G2  The lists are reached by their own thread only, and not while they are being changed.
//! - G3  Once closed, at the end of the thread, they stay empty.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::mutant::mutant;

/// Sizes are multiples of this, and so are addresses.
const STEP: usize = 16;
const CLASSES: usize = 36;
const KEPT: u32 = if cfg!(any(loom, shuttle, stm_stress)) {
    0
} else {
    256
};

/// A piece that is kept begins with the way to the next.
struct Free {
    next: *mut Free,
}

struct List {
    first: Cell<*mut Free>,
    len: Cell<u32>,
}

struct Lists {
    by_class: [List; CLASSES],
    closed: Cell<bool>,
}

thread_local! {
    /// Needs no destructor: the thread's context empties it when it goes.
    static LISTS: Lists = const {
        Lists {
            by_class: [const { List { first: Cell::new(ptr::null_mut()), len: Cell::new(0) } }; CLASSES],
            closed: Cell::new(false),
        }
    };
}

/// The class that serves `layout`, if one does.
const fn class_of(layout: Layout) -> Option<usize> {
    if layout.size() == 0 || layout.size() > STEP * CLASSES || layout.align() > STEP {
        return None;
    }
    Some((layout.size() - 1) / STEP)
}

/// What is asked of the global allocator for `layout`: all pieces of a class are alike (G1).
const fn granted(layout: Layout) -> Layout {
    let Some(class) = class_of(layout) else {
        return layout;
    };
    match Layout::from_size_align((class + 1) * STEP, STEP) {
        Ok(granted) => granted,
        Err(_) => layout,
    }
}

/// Memory for a `T`, which goes back if it is not filled.
pub(crate) struct Room<T>(NonNull<T>);

impl<T> Room<T> {
    #[inline]
    pub(crate) fn new() -> Self {
        const { assert!(size_of::<T>() > 0, "what has no size needs no place") };
        let place = match const { class_of(Layout::new::<T>()) } {
            Some(class) => take(class),
            None => None,
        };
        let place = place.unwrap_or_else(|| allocate(const { granted(Layout::new::<T>()) }));
        Self(place.cast())
    }

    /// Large and aligned enough for a `T` (G1), and nobody else's.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// The memory with what is in it. To be freed by [`free`].
    ///
    /// # Safety
    ///
    /// A `T` has been written there.
    #[inline]
    pub(crate) unsafe fn filled(self) -> NonNull<T> {
        let value = self.0;
        std::mem::forget(self);
        value
    }
}

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        if mutant!("P-memory") && std::thread::panicking() {
            return;
        }
        keep_or_return(self.0.cast(), const { Layout::new::<T>() });
    }
}

/// Puts `value` on the heap. To be freed by [`free`].
#[inline]
pub(crate) fn place<T>(value: T) -> NonNull<T> {
    let room = Room::<T>::new();
    // SAFETY: `as_ptr` says so; filled by that.
    unsafe {
        room.as_ptr().write(value);
        room.filled()
    }
}

/// Drops the value and takes the memory back, also if the drop unwinds.
///
/// # Safety
///
/// `value` came from [`Room::filled`] of the same type, nobody can reach it any more, and nobody else frees it.
#[inline]
pub(crate) unsafe fn free<T>(value: NonNull<T>) {
    let room = Room(value);
    // SAFETY: the caller's promise.
    unsafe { room.0.drop_in_place() };
}

#[inline]
fn take(class: usize) -> Option<NonNull<u8>> {
    LISTS.with(|lists| {
        let list = &lists.by_class[class];
        let piece = NonNull::new(list.first.get())?;
        // SAFETY: G1, G2: a piece in the list holds a `Free`.
        list.first.set(unsafe { piece.as_ref() }.next);
        list.len.set(list.len.get() - 1);
        Some(piece.cast())
    })
}

#[cold]
#[inline(never)]
fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no layout here has size zero (`Room::new`).
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Takes over memory of `layout` that nobody uses any more.
#[inline]
fn keep_or_return(memory: NonNull<u8>, layout: Layout) {
    if let Some(class) = class_of(layout) {
        let kept = LISTS.with(|lists| {
            let list = &lists.by_class[class];
            if list.len.get() >= KEPT || lists.closed.get() {
                return false;
            }
            let piece = memory.cast::<Free>();
            // SAFETY: ours, and at least `STEP` bytes, aligned to `STEP` (G1).
            unsafe {
                piece.write(Free {
                    next: list.first.get(),
                })
            };
            list.first.set(piece.as_ptr());
            list.len.set(list.len.get() + 1);
            true
        });
        if kept {
            return;
        }
    }
    // SAFETY: `Room::new` got it with this layout.
    unsafe { dealloc(memory.as_ptr(), granted(layout)) };
}

/// Gives back what this thread keeps; it keeps nothing from now on (G3).
#[cfg(not(any(loom, shuttle)))]
pub(crate) fn close() {
    LISTS.with(|lists| {
        lists.closed.set(true);
        for class in 0..CLASSES {
            while !mutant!("D-pool")
                && let Some(piece) = take(class)
            {
                let size = (class + 1) * STEP;
                let layout = Layout::from_size_align(size, STEP).expect("small");
                // SAFETY: G1.
                unsafe { dealloc(piece.as_ptr(), layout) };
            }
        }
    });
}

#[cfg(all(test, not(any(loom, shuttle, stm_stress))))]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::ptr::NonNull;
    use std::rc::Rc;

    use super::*;

    fn kept<T>() -> u32 {
        let class = class_of(Layout::new::<T>()).expect("small");
        LISTS.with(|lists| lists.by_class[class].len.get())
    }

    #[test]
    fn memory_is_used_again_by_types_of_one_class() {
        close_and_reopen();
        let first = place([1_u64; 5]);
        // SAFETY: just made, and not used again.
        unsafe { free(first) };
        assert_eq!(kept::<[u8; 48]>(), 1);
        let second = place([2_u8; 40]);
        assert_eq!(second.cast::<u8>(), first.cast());
        assert_eq!(kept::<[u8; 48]>(), 0);
        // SAFETY: as above.
        unsafe { free(second) };
    }

    #[test]
    fn no_more_is_kept_than_the_bound() {
        close_and_reopen();
        let pieces: Vec<_> = (0..KEPT + 10).map(|n| place(u64::from(n))).collect();
        for (n, piece) in pieces.into_iter().enumerate() {
            // SAFETY: made above.
            assert_eq!(unsafe { *piece.as_ref() }, n as u64);
            // SAFETY: freed once.
            unsafe { free(piece) };
        }
        assert_eq!(kept::<u64>(), KEPT);
        close();
        assert_eq!(kept::<u64>(), 0);
        let late = place(7_u64);
        // SAFETY: made above.
        unsafe { free(late) };
        assert_eq!(kept::<u64>(), 0, "closed for good");
    }

    #[test]
    fn large_and_widely_aligned_values_go_straight_back() {
        #[repr(align(64))]
        struct Wide(#[expect(dead_code, reason = "only its place matters")] u8);
        let (large, wide) = (place([0_u8; 1000]), place(Wide(1)));
        assert_eq!(wide.addr().get() % 64, 0);
        // SAFETY: made above, each freed once.
        unsafe {
            free(large);
            free(wide);
        }
    }

    #[test]
    fn a_drop_that_unwinds_gives_the_memory_back() {
        struct Explodes(
            Rc<Cell<u32>>,
            #[expect(dead_code, reason = "a size of its own")] [u64; 9],
        );
        impl Drop for Explodes {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                panic!("on purpose");
            }
        }
        close_and_reopen();
        let drops = Rc::new(Cell::new(0));
        let value: NonNull<_> = place(Explodes(Rc::clone(&drops), [0; 9]));
        // SAFETY: made above.
        catch_unwind(AssertUnwindSafe(|| unsafe { free(value) })).expect_err("its panic");
        assert_eq!((drops.get(), kept::<Explodes>()), (1, 1));
    }

    #[test]
    fn room_that_is_not_filled_goes_back() {
        type Odd = [u64; 11];
        close_and_reopen();
        let unwinds = || {
            let _room = Room::<Odd>::new();
            panic!("on purpose");
        };
        catch_unwind(unwinds).expect_err("its panic");
        assert_eq!(kept::<Odd>(), 1);
    }

    /// The test's thread may have served another test.
    fn close_and_reopen() {
        close();
        LISTS.with(|lists| lists.closed.set(false));
    }
}
