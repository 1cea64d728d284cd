//! Reclamation: when a value that was replaced, or a variable that was dropped, may be freed.
//!
//! # The problem, and the idea
//!
//! A transaction logs raw pointers and touches no reference count, so nothing that it may still look at
//! can be freed when it is replaced. Epoch-based reclamation (Fraser, "Practical lock-freedom", PhD
//! thesis, Cambridge 2004, UCAM-CL-TR-579; here by `crossbeam-epoch`) defers the free until every thread
//! that was pinned when the value was retired has unpinned since.
//!
//! This is the only file that names the collector. It is a private one: the pins, flushes and garbage of
//! other users of the same crate neither delay ours nor run inside ours.
//!
//! # Invariants
//!
//! - R1  Whatever a pinned thread can reach from a word that it loads while pinned stays allocated until it
//!   unpins: publishers retire the old value only after the store that replaced it.
//! - R2  The pin comes before the first look at the clock. Whoever replaces a value with a version above that
//!   time therefore retires it after the pin, and the old value outlives the attempt (snapshots rest on this).
//! - R3  User code that runs here is a retired value's `Drop`, called from [`Participant::pin`], from [`Pin::flush`], or when
//!   the thread leaves the collector; replaced values are mostly dropped by `limbo`, when a transaction is over. None of these
//!   happens between a commit's first lock and its last unlock, nor while the thread is inside a transaction (a pin taken
//!   there is not the outermost one, and runs nothing). Each `Drop` is shielded, so that one that panics does not leak its
//!   neighbours.
//!
//! # Memory ordering
//!
//! An outermost pin ends in a full fence, which orders it before the clock load that follows. `repin` has
//! no such fence and is not used: an attempt drops its pin and takes a new one.

pub(crate) use imp::{Participant, Pin};

#[cfg(not(any(loom, shuttle)))]
mod imp {
    use std::sync::LazyLock;

    use crossbeam_epoch::{Collector, Guard, LocalHandle};

    use crate::mutant::shielded;

    static COLLECTOR: LazyLock<Collector> = LazyLock::new(Collector::new);

    /// A thread's membership in the collector.
    #[derive(Debug)]
    pub(crate) struct Participant(LocalHandle);

    impl Participant {
        pub(crate) fn register() -> Self {
            Self(COLLECTOR.register())
        }

        /// Pins the thread. An outermost pin may run the `Drop` of retired values (R3).
        #[inline(always)]
        pub(crate) fn pin(&self) -> Pin {
            Pin(self.0.pin())
        }
    }

    /// While it lives, nothing that was reachable since it was taken is freed (R1).
    #[derive(Debug)]
    pub(crate) struct Pin(Guard);

    impl Pin {
        /// Runs `free` once no thread that is pinned now is pinned any more.
        ///
        /// # Safety
        ///
        /// What `free` frees is unreachable for threads that pin from now on, `free` may run on any thread
        /// and at any later time, and nobody else frees the same.
        #[inline]
        pub(crate) unsafe fn retire(&self, free: impl FnOnce() + 'static) {
            // SAFETY: the caller's promise is the collector's contract; `free` borrows nothing.
            unsafe { self.0.defer_unchecked(move || shielded!("P-retired", free)) };
        }

        /// Hands this thread's garbage over and frees some of what is due. Runs `Drop`s (R3).
        pub(crate) fn flush(&self) {
            self.0.flush();
        }
    }
}

/// The models stay away from the collector's internals: nothing is ever freed, a model's run is short.
#[cfg(any(loom, shuttle))]
mod imp {
    #[derive(Debug)]
    pub(crate) struct Participant;

    impl Participant {
        pub(crate) fn register() -> Self {
            Self
        }

        pub(crate) fn pin(&self) -> Pin {
            Pin
        }
    }

    #[derive(Debug)]
    pub(crate) struct Pin;

    impl Pin {
        pub(crate) unsafe fn retire(&self, free: impl FnOnce() + 'static) {
            std::mem::forget(free);
        }

        pub(crate) fn flush(&self) {}
    }
}
