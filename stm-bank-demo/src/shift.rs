//! Threads that start together, warm up together, and count what they did in the time that was measured.
//!
//! # State
//!
//! ```text
//!            all threads there       warm-up over            duration over
//!  gathering ────────────────▶ warm-up ────────────▶ measured ────────────▶ over
//! ```
//!
//! Each thread takes its own time from the moment that it noticed the second change to the moment that it noticed the
//! third one. So what a thread does beyond the end, a long audit for instance, counts with the time that it took.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a round warms up and is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Timing {
    /// Caches, branch predictors and the engine's thread contexts are warm long before a tenth of the time.
    pub(crate) fn with_warm_up(measured: Duration) -> Self {
        Self {
            warm_up: measured / 10,
            measured,
        }
    }

    /// Both together.
    pub(crate) fn total(self) -> Duration {
        self.warm_up + self.measured
    }
}

/// A thread's counters.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Operations that did what was asked.
    pub(crate) done: u64,
    /// Operations that ended, refusals included: the commits.
    pub(crate) ended: u64,
    /// How often an operation was begun.
    pub(crate) attempts: u64,
}

impl Tally {
    /// Counts an operation that has ended.
    #[inline]
    pub(crate) fn count(&mut self, done: bool) {
        self.done += u64::from(done);
        self.ended += 1;
    }
}

/// What threads with the same work did together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Output {
    pub(crate) per_second: f64,
    pub(crate) tally: Tally,
}

impl Output {
    /// What one thread did in its time.
    fn of(tally: Tally, time: Duration) -> Self {
        Self {
            per_second: tally.done as f64 / time.as_secs_f64(),
            tally,
        }
    }

    /// Adds another thread's.
    pub(crate) fn add(&mut self, other: Self) {
        self.per_second += other.per_second;
        self.tally.done += other.tally.done;
        self.tally.ended += other.tally.ended;
        self.tally.attempts += other.tally.attempts;
    }
}

/// The common clock of a round's threads.
#[derive(Debug)]
pub(crate) struct Shift {
    gathering: Barrier,
    warm: AtomicBool,
    over: AtomicBool,
}

impl Shift {
    /// For `threads` threads, each of which must call [`Shift::work`], and one that calls [`Shift::direct`].
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            gathering: Barrier::new(threads + 1),
            warm: AtomicBool::new(false),
            over: AtomicBool::new(false),
        }
    }

    /// Does `work` again and again until the end; what it counts while warming up is forgotten.
    ///
    /// The flags are `Relaxed`: they carry no data, and results go through the threads' ends.
    #[inline]
    pub(crate) fn work(&self, mut work: impl FnMut(&mut Tally)) -> Output {
        self.gathering.wait();
        let mut forgotten = Tally::default();
        while !self.warm.load(Ordering::Relaxed) {
            work(&mut forgotten);
        }
        let mut tally = Tally::default();
        let begin = Instant::now();
        while !self.over.load(Ordering::Relaxed) {
            work(&mut tally);
        }
        Output::of(tally, begin.elapsed())
    }

    /// Starts the threads and tells them when to go on and when to stop.
    pub(crate) fn direct(&self, timing: Timing) {
        self.gathering.wait();
        thread::sleep(timing.warm_up);
        self.warm.store(true, Ordering::Relaxed);
        thread::sleep(timing.measured);
        self.over.store(true, Ordering::Relaxed);
    }
}
