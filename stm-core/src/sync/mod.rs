//! The ground: atomics, mutexes, parking and thread-locals, from std, from the model checker or from a scheduler.
//!
//! Every other module takes its shared-memory primitives from here, so that `--cfg loom` runs the very
//! code that ships, and so does `--cfg shuttle`: the one explores weak memory in small models, the other
//! samples the schedules of larger ones. The types are newtypes and not re-exports: a lint on the std names
//! then catches whoever goes round this file, and the set of operations that the protocol uses stays
//! visible in one place.
//!
//! Two helpers exist for the models' sake and vanish otherwise. [`seqcst_fence_for_loom`] stands where
//! the protocol relies on the single total order of `SeqCst` accesses, which loom weakens to
//! acquire/release. [`Published`] is a tracked cell: the writer marks it before publication, a reader
//! after, and loom reports a race when no ordering edge lies between.
//!
//! Where the constants are shrunk for stress (`--cfg stm_stress`), each access to a shared number now and then gives the
//! processor away first: between any two steps of the protocol, also with locks held, another thread gets its turn. There, too,
//! a test can have the words listed that a call writes (`written_words`).

#[cfg(not(any(loom, shuttle)))]
mod from_std;
#[cfg(not(any(loom, shuttle)))]
use from_std as imp;

#[cfg(loom)]
mod from_loom;
#[cfg(loom)]
use from_loom as imp;

#[cfg(shuttle)]
mod from_shuttle;
#[cfg(shuttle)]
use from_shuttle as imp;

#[cfg(all(feature = "history", not(any(loom, shuttle))))]
pub(crate) use imp::seed_stumbles;
#[cfg(all(stm_stress, not(any(loom, shuttle))))]
pub(crate) use imp::written_words;
pub(crate) use imp::{
    Condvar, Mutex, MutexGuard, Published, Thread, current_thread, local, note_write, park,
    park_timeout, seqcst_fence_for_loom, spin_hint, statics, stumble, yield_now,
};
pub(crate) use std::sync::atomic::Ordering;

macro_rules! int_atomic {
    ($name:ident, $int:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(imp::$name);

        #[allow(
            dead_code,
            reason = "one set of operations for each width keeps the shim regular"
        )]
        impl $name {
            #[cfg(not(any(loom, shuttle)))]
            pub(crate) const fn new(value: $int) -> Self {
                Self(imp::$name::new(value))
            }

            #[cfg(any(loom, shuttle))]
            pub(crate) fn new(value: $int) -> Self {
                Self(imp::$name::new(value))
            }

            #[inline(always)]
            pub(crate) fn load(&self, order: Ordering) -> $int {
                stumble();
                self.0.load(order)
            }

            #[inline(always)]
            pub(crate) fn store(&self, value: $int, order: Ordering) {
                stumble();
                note_write(self);
                self.0.store(value, order);
            }

            /// A store by the owner of a bit that the owner has set, while others may be setting other bits.
            ///
            /// No more than a store; the models must be told that it follows those changes.
            #[inline(always)]
            pub(crate) fn overwrite(&self, value: $int, order: Ordering) {
                stumble();
                note_write(self);
                #[cfg(not(loom))]
                self.0.store(value, order);
                #[cfg(loom)]
                self.0.overwrite(value, order);
            }

            #[inline(always)]
            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                stumble();
                note_write(self);
                self.0.compare_exchange(current, new, success, failure)
            }

            #[inline(always)]
            pub(crate) fn fetch_or(&self, bits: $int, order: Ordering) -> $int {
                stumble();
                note_write(self);
                self.0.fetch_or(bits, order)
            }

            #[inline(always)]
            pub(crate) fn fetch_add(&self, n: $int, order: Ordering) -> $int {
                stumble();
                note_write(self);
                self.0.fetch_add(n, order)
            }

            #[inline(always)]
            pub(crate) fn fetch_sub(&self, n: $int, order: Ordering) -> $int {
                stumble();
                note_write(self);
                self.0.fetch_sub(n, order)
            }

            #[inline(always)]
            pub(crate) fn swap(&self, value: $int, order: Ordering) -> $int {
                stumble();
                note_write(self);
                self.0.swap(value, order)
            }
        }
    };
}

int_atomic!(AtomicU64, u64);
int_atomic!(AtomicUsize, usize);
int_atomic!(AtomicU32, u32);

/// An atomic pointer; see the module docs for why it is a newtype.
#[derive(Debug)]
pub(crate) struct AtomicPtr<T>(imp::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        Self(imp::AtomicPtr::new(value))
    }

    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        self.0.load(order)
    }

    #[inline(always)]
    pub(crate) fn store(&self, value: *mut T, order: Ordering) {
        note_write(self);
        self.0.store(value, order);
    }
}
