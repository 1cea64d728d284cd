//! A global allocator that counts, for tests about what the engine costs and gives back.
#![allow(
    unsafe_code,
    dead_code,
    unreachable_pub,
    reason = "a global allocator is unsafe to implement; each test file uses some of this"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
    static BALANCE: Cell<isize> = const { Cell::new(0) };
}

/// Bytes of heap that the process has in use.
pub fn in_use() -> isize {
    IN_USE.load(Ordering::Relaxed)
}

/// Bytes that this thread has asked for so far, given back or not.
pub fn asked_here() -> usize {
    ASKED.get()
}

/// Bytes that this thread has taken, less what it has given back.
pub fn balance_here() -> isize {
    BALANCE.get()
}

fn count(bytes: isize) {
    IN_USE.fetch_add(bytes, Ordering::Relaxed);
    // A thread that is ending may have lost its locals; nobody reads them then.
    let _ = BALANCE.try_with(|balance| balance.set(balance.get() + bytes));
    if bytes > 0 {
        let _ = ASKED.try_with(|asked| asked.set(asked.get() + bytes as usize));
    }
}

// SAFETY: the system's allocator, beside which bytes are counted; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promise; `alloc` took it from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}
