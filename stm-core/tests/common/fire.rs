//! Transactions under fire: noise beside the work, threads that stumble, values that notice when they are used too late.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use stm_core::diagnostics::collect_garbage;
use stm_core::snapshot;

use super::{Rng, Value};

/// Runs `work` while `threads` others do `round(thread, 0)`, `round(thread, 1)`, .. without pause. They end with it,
/// also if it panics.
pub fn under_fire<R>(
    threads: usize,
    round: impl Fn(usize, u64) + Sync,
    work: impl FnOnce() -> R,
) -> R {
    struct CeaseFire<'a>(&'a AtomicBool);
    impl Drop for CeaseFire<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _cease = CeaseFire(&over);
        for id in 0..threads {
            let (over, round) = (&over, &round);
            scope.spawn(move || {
                (0..)
                    .take_while(|_| !over.load(Ordering::Relaxed))
                    .for_each(|n| round(id, n));
            });
        }
        work()
    })
}

/// Gives the processor away every `n`-th time or so, and never if `n` is 0.
///
/// Few processors alone would hardly ever stop a body half-way. But who gives way of its own accord is hardly ever stopped
/// elsewhere, in the middle of a commit: a test does well to run both ways.
pub fn stumble(rng: &mut Rng, n: usize) {
    if n > 0 && rng.below(n) == 0 {
        std::thread::yield_now();
    }
}

/// A number too wide for a word, which notices when it is looked at after its drop.
#[derive(Debug)]
pub struct Boxed {
    n: i64,
    /// Atomic, so that the compiler does not take the last store for a dead one.
    canary: AtomicI64,
}

const SONG: i64 = 0x0CA7_0CA7_0CA7;

impl Value for Boxed {
    fn of(n: i64) -> Self {
        Self {
            n,
            canary: AtomicI64::new(n ^ SONG),
        }
    }

    fn n(&self) -> i64 {
        let canary = self.canary.load(Ordering::Relaxed);
        assert_eq!(canary ^ self.n, SONG, "a value was seen after its drop");
        self.n
    }
}

impl Clone for Boxed {
    fn clone(&self) -> Self {
        Self::of(self.n())
    }
}

impl PartialEq for Boxed {
    fn eq(&self, other: &Self) -> bool {
        self.n() == other.n()
    }
}

impl Drop for Boxed {
    fn drop(&mut self) {
        self.canary.store(0, Ordering::Relaxed);
    }
}

/// Runs `f` to its end on another thread: a rival that gets its commit in, in the middle of somebody's body.
pub fn elsewhere<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|s| match s.spawn(f).join() {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    })
}

/// Moves the clock: what is committed from now on is newer than a transaction that runs now can take for current.
pub fn tick() {
    snapshot(|_| Ok(()));
}

/// Collects garbage until `done`. It gives up after a while: the caller then asserts what it expects, and shows the figures.
pub fn collect_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() && Instant::now() < deadline {
        collect_garbage();
        std::thread::yield_now();
    }
}

/// Runs what is to panic, and gives the panic's message.
pub fn panic_of<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("this was to panic"),
        Err(payload) => match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => payload
                .downcast::<&str>()
                .map_or_else(|_| String::new(), |s| s.to_string()),
        },
    }
}
