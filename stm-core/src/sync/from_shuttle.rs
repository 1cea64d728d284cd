//! The primitives of a scheduler that chooses at random who runs next, under the same names.
//!
//! One thread runs at a time, and each access to shared memory is a place where another may go on. So it knows no weak memory: an access
//! is sequentially consistent whatever its ordering says, and what an ordering is worth is loom's business. It does not explore all
//! schedules either, but takes samples, so that it can run what is too large for loom: more threads, and more of what each of them does.
//!
//! As in loom's models, there is no time, and nothing is freed (see `reclaim`).

use super::Ordering;

pub(crate) use shuttle::sync::MutexGuard;
pub(crate) use shuttle::thread::{Thread, current as current_thread, park, yield_now};

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        let guard = self.0.lock();
        guard.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// There is no time: it ends with a notification.
    pub(crate) fn wait_up_to<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: std::time::Duration,
    ) -> MutexGuard<'a, T> {
        let guard = self.0.wait(guard);
        guard.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// There is no time: a sleep with an end is one without.
pub(crate) fn park_timeout(_: std::time::Duration) {
    park();
}

/// A spinning thread must let the others run.
pub(crate) fn spin_hint() {
    yield_now();
}

/// Nothing: every access is in the total order.
#[inline(always)]
pub(crate) fn seqcst_fence_for_loom() {}

/// Nothing: between accesses that are all in one order there is no race to be found.
#[derive(Debug)]
pub(crate) struct Published;

impl Published {
    pub(crate) const fn new() -> Self {
        Self
    }

    pub(crate) fn mark_written(&self) {}

    pub(crate) fn mark_read(&self) {}
}

macro_rules! int_atomic {
    ($name:ident, $int:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name(shuttle::sync::atomic::$name);

        #[allow(dead_code, reason = "as in the parent module")]
        impl $name {
            pub(crate) fn new(value: $int) -> Self {
                Self(shuttle::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, _: Ordering) -> $int {
                self.0.load(Ordering::SeqCst)
            }

            pub(crate) fn store(&self, value: $int, _: Ordering) {
                self.0.store(value, Ordering::SeqCst);
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                _: Ordering,
                _: Ordering,
            ) -> Result<$int, $int> {
                let order = Ordering::SeqCst;
                self.0.compare_exchange(current, new, order, order)
            }

            pub(crate) fn fetch_or(&self, bits: $int, _: Ordering) -> $int {
                self.0.fetch_or(bits, Ordering::SeqCst)
            }

            pub(crate) fn fetch_add(&self, n: $int, _: Ordering) -> $int {
                self.0.fetch_add(n, Ordering::SeqCst)
            }

            pub(crate) fn fetch_sub(&self, n: $int, _: Ordering) -> $int {
                self.0.fetch_sub(n, Ordering::SeqCst)
            }

            pub(crate) fn swap(&self, value: $int, _: Ordering) -> $int {
                self.0.swap(value, Ordering::SeqCst)
            }
        }
    };
}

int_atomic!(AtomicU64, u64);
int_atomic!(AtomicUsize, usize);
int_atomic!(AtomicU32, u32);

#[derive(Debug)]
pub(crate) struct AtomicPtr<T>(shuttle::sync::atomic::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        Self(shuttle::sync::atomic::AtomicPtr::new(value))
    }

    pub(crate) fn load(&self, _: Ordering) -> *mut T {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn store(&self, value: *mut T, _: Ordering) {
        self.0.store(value, Ordering::SeqCst);
    }
}

/// Made anew for each execution.
macro_rules! statics {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = const $init:expr;) => {
        shuttle::lazy_static! { $(#[$meta])* static ref $name: $ty = $init; }
    };
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        shuttle::lazy_static! { $(#[$meta])* static ref $name: $ty = $init; }
    };
}
pub(crate) use statics;

macro_rules! local {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        shuttle::thread_local! { $(#[$meta])* static $name: $ty = $init }
    };
}
pub(crate) use local;

/// Nothing: nobody asks what is written.
#[inline(always)]
pub(crate) fn note_write<T>(_word: &T) {}

/// Nothing: every access is a place where another may go on.
#[inline(always)]
pub(crate) fn stumble() {}
