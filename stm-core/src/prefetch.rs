//! Hints to the processor's caches. They change nothing that the program computes, and are empty where there is no such instruction.
//!
//! A variable that another core wrote last costs two transfers of its line: one to read it, and one to own it when the commit locks
//! it. Who knows at the read, or well before the commit, that it will write asks for ownership at once.

#[cfg(all(target_arch = "x86_64", not(any(loom, shuttle, miri))))]
mod imp {
    use std::arch::asm;
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    /// The cache line of `place` is about to be read.
    #[inline(always)]
    pub(crate) fn for_read(place: *const u8) {
        // SAFETY: a prefetch of whatever address neither faults nor accesses memory; every x86-64 processor has it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }

    /// The cache line of `place` is about to be written.
    #[inline(always)]
    pub(crate) fn for_write(place: *const u8) {
        // Not by the intrinsic, which is a prefetch for reading unless the build asks for newer processors.
        // An address and not a pointer: nothing is read or written through it, which is what `nomem` tells the compiler.
        // SAFETY: as in `for_read`; where a processor does not know this one, its encoding is that of no operation.
        unsafe {
            asm!("prefetchw [{}]", in(reg) place.addr(), options(nostack, preserves_flags, nomem));
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(any(loom, shuttle, miri)))))]
mod imp {
    #[inline(always)]
    pub(crate) fn for_read(_: *const u8) {}

    #[inline(always)]
    pub(crate) fn for_write(_: *const u8) {}
}

pub(crate) use imp::{for_read, for_write};
