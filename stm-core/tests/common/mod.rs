//! What the tests share: a watchdog, seeded randomness, and the joy of many threads.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_types,
    reason = "each test file is a crate of its own and uses some of this"
)]

use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
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
            eprintln!(
                "watchdog: {name} has not ended after {PATIENCE:?}; something waits for ever"
            );
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
        // Zero is the one state that the generator does not leave.
        Self((seed ^ (stream as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)).max(1))
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

/// As [`watched`], but one at a time within a test file: for tests that look at figures of the whole process.
pub fn watched_alone(name: &str, test: impl FnOnce() + Send + 'static) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    watched(name, test);
}

/// Gives way until `happened`; the watchdog ends it if that never comes.
pub fn wait_until(happened: impl Fn() -> bool) {
    while !happened() {
        std::thread::yield_now();
    }
}

/// A value for either form of storage: `i64` is kept in place, `Box<i64>` in a node.
pub trait Value: Clone + Debug + PartialEq + Send + Sync + 'static {
    fn of(n: i64) -> Self;
    fn n(&self) -> i64;
}

impl Value for i64 {
    fn of(n: i64) -> Self {
        n
    }
    fn n(&self) -> i64 {
        *self
    }
}

impl Value for Box<i64> {
    fn of(n: i64) -> Self {
        Box::new(n)
    }
    fn n(&self) -> i64 {
        **self
    }
}

/// A waker that counts how often it was woken.
#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    /// The counter and a waker that counts in it.
    pub fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, with `waker`.
pub fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Polls on this thread until ready; the thread sleeps while the future waits.
pub fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        if let Poll::Ready(result) = poll(&mut future, &waker) {
            return result;
        }
        std::thread::park();
    }
}

pub mod decided;
pub mod fire;
pub mod sight;
