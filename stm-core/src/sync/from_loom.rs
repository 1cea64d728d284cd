//! The model checker's primitives under the same names.

pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
pub(crate) use loom::thread::{Thread, current as current_thread, park, yield_now};

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

/// A spinning thread must let the others run, or the model never ends.
pub(crate) fn spin_hint() {
    loom::thread::yield_now();
}

/// Restores the total order that loom does not give to `SeqCst` accesses.
pub(crate) fn seqcst_fence_for_loom() {
    loom::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
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
