//! The primitives as they ship.

use std::sync::PoisonError;
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
pub(crate) use std::thread::{Thread, current as current_thread, park, park_timeout, yield_now};

/// A mutex without poisoning: what it guards here is only touched by code of this crate that cannot panic half-way.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
        note_write(self);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) use std::sync::MutexGuard;

/// For waits that end with their time.
#[derive(Debug)]
pub(crate) struct Condvar(std::sync::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(std::sync::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    pub(crate) fn wait_up_to<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        patience: std::time::Duration,
    ) -> MutexGuard<'a, T> {
        let waited = self.0.wait_timeout(guard, patience);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[inline(always)]
pub(crate) fn spin_hint() {
    std::hint::spin_loop();
}

/// Nothing: on real hardware the `SeqCst` accesses themselves give the order (see the parent module).
#[inline(always)]
pub(crate) fn seqcst_fence_for_loom() {}

/// Nothing, where it ships.
#[cfg(not(stm_stress))]
#[inline(always)]
pub(crate) fn stumble() {}

#[cfg(stm_stress)]
thread_local! {
    /// Where the thread is in its sequence, and the bits that are zero when it stumbles.
    static STUMBLES: std::cell::Cell<(u32, u32)> = const { std::cell::Cell::new((0x9E37_79B9, 63)) };
}

/// Gives the processor away, about once in 64 times.
#[cfg(stm_stress)]
pub(crate) fn stumble() {
    // A xorshift generator. Unless it is seeded, every thread has the same sequence; what makes them differ is where they are
    // in it.
    let (mut x, mask) = STUMBLES.get();
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    STUMBLES.set((x, mask));
    if x & mask == 0 {
        yield_now();
    }
}

/// Begins the thread's sequence anew, somewhere else, and has it stumble once in 2 to 64 times.
#[cfg(all(feature = "history", stm_stress))]
pub(crate) fn seed_stumbles(seed: u64) {
    let mixed = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    // Zero is the one state that the generator does not leave.
    STUMBLES.set((mixed as u32 | 1, (2 << (seed % 6)) - 1));
}

/// Nothing: no thread stumbles.
#[cfg(all(feature = "history", not(stm_stress)))]
pub(crate) fn seed_stumbles(_seed: u64) {}
/// Nothing, where it ships.
#[cfg(not(stm_stress))]
#[inline(always)]
pub(crate) fn note_write<T>(_word: &T) {}

#[cfg(stm_stress)]
thread_local! {
    /// Where this thread has written since somebody asked.
    static WRITTEN: std::cell::RefCell<Option<Vec<usize>>> = const { std::cell::RefCell::new(None) };
}

/// A shared word is about to be written, or a mutex taken, by this thread.
#[cfg(stm_stress)]
pub(crate) fn note_write<T>(word: &T) {
    // While thread-locals go, nobody is asking.
    let _ = WRITTEN.try_with(|written| {
        if let Some(written) = &mut *written.borrow_mut() {
            written.push(std::ptr::from_ref(word).addr());
        }
    });
}

/// The addresses of the shared words that `f` writes on this thread, in order, with repetitions.
#[cfg(stm_stress)]
pub(crate) fn written_words(f: impl FnOnce()) -> Vec<usize> {
    WRITTEN.with(|written| written.replace(Some(Vec::new())));
    f();
    WRITTEN.with(|written| written.take()).unwrap_or_default()
}

/// Nothing: the tracked cell exists in the models only.
#[derive(Debug)]
pub(crate) struct Published;

impl Published {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn mark_written(&self) {}

    #[inline(always)]
    pub(crate) fn mark_read(&self) {}
}

/// A process-wide value, made on first use or before.
macro_rules! statics {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = const $init:expr;) => {
        $(#[$meta])* static $name: $ty = $init;
    };
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        $(#[$meta])* static $name: std::sync::LazyLock<$ty> = std::sync::LazyLock::new(|| $init);
    };
}
pub(crate) use statics;

/// A thread-local value whose initialiser is a constant.
macro_rules! local {
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        thread_local! { $(#[$meta])* static $name: $ty = const { $init } }
    };
}
pub(crate) use local;
