//! What the tests share: a watchdog, seeded randomness, and the joy of many threads.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses some of this"
)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::mpsc;
use std::time::Duration;

/// How long a test may take before its watchdog ends the process. Far beyond what any takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs `test` on a thread of its own; aborts the process with a message if it does not end.
pub fn watched(name: &str, test: impl FnOnce() + Send + 'static) {
    watched_with_stack(name, 8 << 20, test);
}

/// As [`watched`], with a stack of `bytes`.
pub fn watched_with_stack(name: &str, bytes: usize, test: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel();
    std::thread::Builder::new()
        .name(name.to_string())
        .stack_size(bytes)
        .spawn(move || {
            let result = catch_unwind(AssertUnwindSafe(test));
            done.send(result).expect("the watchdog waits");
        })
        .expect("a thread for the test");
    match ended.recv_timeout(PATIENCE) {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => {
            eprintln!("watchdog: {name} has not ended after {PATIENCE:?}; something waits for ever");
            std::process::abort();
        }
    }
}

/// Runs `work(0..threads)` on as many threads, released together, and joins them.
pub fn on_threads<R: Send>(threads: usize, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let start = Barrier::new(threads);
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|id| {
                let (start, work) = (&start, &work);
                scope.spawn(move || {
                    start.wait();
                    work(id)
                })
            })
            .collect();
        handles
            .into_iter()
            .map(|h| h.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    })
}

/// The seed of this run: STM_SEED from the environment, or a fixed one. Printed, so that a failure shows it.
pub fn seed() -> u64 {
    let seed = std::env::var("STM_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0x5EED);
    eprintln!("seed: STM_SEED={seed}");
    seed
}

/// A small generator (xorshift64*), good enough to choose accounts and replayable from its seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64, stream: usize) -> Self {
        Self((seed ^ (stream as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    /// Two different numbers below `n`.
    pub fn pair(&mut self, n: usize) -> (usize, usize) {
        let a = self.below(n);
        (a, (a + 1 + self.below(n - 1)) % n)
    }
}
