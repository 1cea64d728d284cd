//! The model checker's primitives under the same names, with three of its gaps bridged.
//!
//! - A race between a load and a later store is found only if no other load of the same atomic comes between: of
//!   several loads loom remembers the last (tokio-rs/loom issues 166 and 392). The engine looks at a word before it
//!   locks it, so most of what matters would go unexplored. Hence [`Turn`].
//! - Modification orders are partial, and a plain store is not known to follow a read-modify-write that went between
//!   it and the storing thread's own one (issues 282 and 389). Hence `overwrite`.
//! - `SeqCst` accesses are acquire and release only. Hence [`seqcst_fence_for_loom`].

use super::Ordering;

pub(crate) use loom::thread::{Thread, current as current_thread, park};

#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("loom's mutexes are never poisoned")
    }
}

pub(crate) use loom::sync::MutexGuard;

#[derive(Debug)]
pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// The models have no time: it ends with a notification.
    pub(crate) fn wait_up_to<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        _: std::time::Duration,
    ) -> MutexGuard<'a, T> {
        self.0
            .wait(guard)
            .expect("loom's mutexes are never poisoned")
    }
}

/// How often the threads of one execution may yield before it is only run to its end.
const YIELDS: usize = 8;

loom::lazy_static! {
    static ref YIELDED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
}

/// Lets the others run. Two threads that wait for a third could pass the turn to each other for ever, so an execution in
/// which there was much waiting goes on by loom's own choice, which is fair, and is not branched from any more.
pub(crate) fn yield_now() {
    if YIELDED.fetch_add(1, Ordering::Relaxed) >= YIELDS {
        loom::skip_branch();
    }
    loom::thread::yield_now();
}

/// A spinning thread must let the others run, or the model never ends.
pub(crate) fn spin_hint() {
    yield_now();
}

loom::lazy_static! {
    static ref TOTAL_ORDER: loom::sync::atomic::AtomicUsize = loom::sync::atomic::AtomicUsize::new(0);
}

/// Restores the total order that loom does not give to `SeqCst` accesses.
///
/// As strong as loom's `SeqCst` fence between those who call it, but a scheduling point, so that every order of the
/// callers is explored, and no release or acquire fence besides: such a one would strengthen the `Relaxed` accesses
/// around it, and hide that they should have been stronger.
pub(crate) fn seqcst_fence_for_loom() {
    TOTAL_ORDER.fetch_add(1, Ordering::AcqRel);
}

/// A tracked cell that loom checks for races.
#[derive(Debug)]
pub(crate) struct Published(loom::cell::UnsafeCell<()>);

impl Published {
    pub(crate) fn new() -> Self {
        Self(loom::cell::UnsafeCell::new(()))
    }

    pub(crate) fn mark_written(&self) {
        self.0.with_mut(|_| ());
    }

    pub(crate) fn mark_read(&self) {
        self.0.with(|_| ());
    }
}

/// Taken before each access to an atomic. A read-modify-write that orders nothing: two of them always count as a
/// conflict, so both orders of any two accesses to the atomic are explored.
#[derive(Debug)]
struct Turn(loom::sync::atomic::AtomicUsize);

impl Turn {
    fn new() -> Self {
        Self(loom::sync::atomic::AtomicUsize::new(0))
    }

    fn take(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the turn for a change, which is then one step with it. (A load is not: its results are to be explored.)
    fn take_for<R>(&self, change: impl FnOnce() -> R) -> R {
        self.take();
        loom::stop_exploring();
        let result = change();
        loom::explore();
        result
    }
}

macro_rules! int_atomic {
    ($name:ident, $int:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name {
            turn: Turn,
            cell: loom::sync::atomic::$name,
        }

        #[allow(dead_code, reason = "as in the parent module")]
        impl $name {
            pub(crate) fn new(value: $int) -> Self {
                Self {
                    turn: Turn::new(),
                    cell: loom::sync::atomic::$name::new(value),
                }
            }

            pub(crate) fn load(&self, order: Ordering) -> $int {
                self.turn.take();
                self.cell.load(order)
            }

            pub(crate) fn store(&self, value: $int, order: Ordering) {
                self.turn.take_for(|| self.cell.store(value, order));
            }

            pub(crate) fn overwrite(&self, value: $int, order: Ordering) {
                self.turn.take_for(|| {
                    // Finds the latest of the read-modify-writes; the store then follows it.
                    self.cell.fetch_or(0, Ordering::Relaxed);
                    self.cell.store(value, order);
                });
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $int,
                new: $int,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$int, $int> {
                self.turn
                    .take_for(|| self.cell.compare_exchange(current, new, success, failure))
            }

            pub(crate) fn fetch_or(&self, bits: $int, order: Ordering) -> $int {
                self.turn.take_for(|| self.cell.fetch_or(bits, order))
            }

            pub(crate) fn fetch_add(&self, n: $int, order: Ordering) -> $int {
                self.turn.take_for(|| self.cell.fetch_add(n, order))
            }

            pub(crate) fn fetch_sub(&self, n: $int, order: Ordering) -> $int {
                self.turn.take_for(|| self.cell.fetch_sub(n, order))
            }

            pub(crate) fn swap(&self, value: $int, order: Ordering) -> $int {
                self.turn.take_for(|| self.cell.swap(value, order))
            }
        }
    };
}

int_atomic!(AtomicU64, u64);
int_atomic!(AtomicUsize, usize);
int_atomic!(AtomicU32, u32);

#[derive(Debug)]
pub(crate) struct AtomicPtr<T> {
    turn: Turn,
    cell: loom::sync::atomic::AtomicPtr<T>,
}

impl<T> AtomicPtr<T> {
    pub(crate) fn new(value: *mut T) -> Self {
        Self {
            turn: Turn::new(),
            cell: loom::sync::atomic::AtomicPtr::new(value),
        }
    }

    pub(crate) fn load(&self, order: Ordering) -> *mut T {
        self.turn.take();
        self.cell.load(order)
    }

    pub(crate) fn store(&self, value: *mut T, order: Ordering) {
        self.turn.take_for(|| self.cell.store(value, order));
    }
}

macro_rules! statics {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = const $init:expr;) => {
        loom::lazy_static! { static ref $name: $ty = $init; }
    };
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        loom::lazy_static! { static ref $name: $ty = $init; }
    };
}
pub(crate) use statics;

macro_rules! local {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        loom::thread_local! { $(#[$meta])* static $name: $ty = $init; }
    };
}
pub(crate) use local;

/// Nothing: the models look at what is written themselves.
#[inline(always)]
pub(crate) fn note_write<T>(_word: &T) {}

/// Nothing: the models take every turn anyway.
#[inline(always)]
pub(crate) fn stumble() {}

/// The models have no time: a sleep with an end is one without.
pub(crate) fn park_timeout(_: std::time::Duration) {
    park();
}
