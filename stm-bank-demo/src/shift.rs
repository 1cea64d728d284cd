//! Threads that start together, warm up together, and count what they did in the time that was measured.
//!
//! # State
//!
//! ```text
//!            all threads there       warm-up over            duration over
//!  gathering ────────────────▶ warm-up ────────────▶ measured ────────────▶ over
//! ```
//!
//! A thread's rate is what it did from the end of the warm-up, which is one moment for all, to when it noticed the end. So
//! what it does beyond the end, a long audit for instance, counts with the time that it took; and of what it was at when
//! the warm-up ended, that part counts which lay behind that moment. Were the time taken from when a thread notices that
//! the warm-up is over, one that had no core at that moment would seem to have worked all the time: threads that are more
//! than the cores would add up to more than the cores can do.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, OnceLock, RwLock};
use std::time::{Duration, Instant};

use crate::interrupt::{self, Slept};

/// How often the director looks whether to end a shift early, where that can be.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

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
    /// How long it was watched whether the threads had a core, added up.
    pub(crate) watched: Duration,
    /// Of that, how long they were ready to go on and had none.
    pub(crate) without_core: Duration,
}

impl Output {
    /// Adds another thread's.
    pub(crate) fn add(&mut self, other: Self) {
        self.per_second += other.per_second;
        self.tally.done += other.tally.done;
        self.tally.ended += other.tally.ended;
        self.tally.attempts += other.tally.attempts;
        self.watched += other.watched;
        self.without_core += other.without_core;
    }
}

/// The common clock of a round's threads.
#[derive(Debug)]
pub(crate) struct Shift {
    gathering: Barrier,
    /// Write-locked until all have gathered.
    gate: RwLock<()>,
    /// When the warm-up ended.
    warm: OnceLock<Instant>,
    over: AtomicBool,
}

impl Shift {
    /// For `threads` threads, each of which must call [`Shift::work`], and one that calls [`Shift::direct`].
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            gathering: Barrier::new(threads + 1),
            gate: RwLock::new(()),
            warm: OnceLock::new(),
            over: AtomicBool::new(false),
        }
    }

    /// Does `work` again and again until the end; what it counts while warming up is forgotten. On a machine so busy
    /// that the end comes before the thread does, it is still done once each time: no rate is made of nothing.
    ///
    /// The flag is `Relaxed`: it carries no data, and results go through the threads' ends.
    #[inline]
    pub(crate) fn work(&self, mut work: impl FnMut(&mut Tally)) -> Output {
        self.gathering.wait();
        drop(self.gate.read().expect("nothing panics at the gate"));
        let (mut forgotten, mut at_last) = (Tally::default(), 0);
        let (warm, straddling) = loop {
            let started = Instant::now();
            work(&mut forgotten);
            if let Some(&warm) = self.warm.get() {
                let done = (forgotten.done - at_last) as f64;
                let behind = warm.elapsed().as_secs_f64() / started.elapsed().as_secs_f64();
                break (warm, done * behind.min(1.0));
            }
            at_last = forgotten.done;
        };
        let mut tally = Tally::default();
        // Around both looks at `without_core`, or a thread that loses its core at one of them would seem to have been
        // without it for longer than it was watched: many times as long, where the round has ended early.
        let watch = Instant::now();
        let without_core_before = without_core();
        loop {
            work(&mut tally);
            if self.over.load(Ordering::Relaxed) {
                break;
            }
        }
        let time = warm.elapsed();
        let without_core = without_core().saturating_sub(without_core_before);
        Output {
            per_second: (straddling + tally.done as f64) / time.as_secs_f64(),
            tally,
            watched: watch.elapsed(),
            without_core,
        }
    }

    /// Starts the threads and tells them when to go on and when to stop. With `look`, asks every so often whether to
    /// end early. An interrupt ends early anyway.
    pub(crate) fn direct(&self, timing: Timing, mut look: Option<impl FnMut() -> Look>) {
        let gate = self.gate.write().expect("nothing panics at the gate");
        self.gathering.wait();
        // Only now may they work: where threads are many and cores are few, the first ones through the barrier
        // would keep this one from getting through it for seconds.
        drop(gate);
        let warmed_up = pass(timing.warm_up, &mut look);
        // Nobody else sets it.
        _ = self.warm.set(Instant::now());
        if warmed_up == Look::GoOn {
            // Over either way.
            _ = pass(timing.measured, &mut look);
        }
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Whether a shift is worth going on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Look {
    GoOn,
    End,
}

/// Lets time pass.
fn pass(time: Duration, look: &mut Option<impl FnMut() -> Look>) -> Look {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let nap = if look.is_some() { left.min(LOOK) } else { left };
        if interrupt::sleep(nap) == Slept::Interrupted {
            return Look::End;
        }
        if let Some(look) = look
            && look() == Look::End
        {
            return Look::End;
        }
        if nap == left {
            return Look::GoOn;
        }
    }
}

/// How long this thread has been ready to run, and not running, in its life. Zero where the system does not say.
fn without_core() -> Duration {
    // Linux, Documentation/scheduler/sched-stats.rst: time on a core, time waiting for one, number of turns.
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = stat.split_whitespace().nth(1);
    Duration::from_nanos(waited.and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watchdog::watched;
    use std::thread;

    /// Threads that are over as soon as they begin, and so many of them that they push each other off the cores.
    #[test]
    fn who_has_no_core_is_so_no_longer_than_watched_and_gets_no_rate_for_it() {
        const THREADS: usize = 32;
        watched("threads that crowd", Duration::from_secs(60), || {
            for _ in 0..20 {
                let shift = &Shift::new(THREADS);
                let timing = Timing::with_warm_up(Duration::from_millis(1));
                thread::scope(|s| {
                    let crowd: Vec<_> = (0..THREADS)
                        .map(|_| s.spawn(|| shift.work(|tally| tally.count(true))))
                        .collect();
                    shift.direct(timing, None::<fn() -> Look>);
                    for one in crowd {
                        let output = one.join().expect("nothing panics");
                        assert!(output.without_core <= output.watched, "{output:?}");
                        // Whenever it began, the time is at least what is measured; one more may have straddled.
                        let most = (output.tally.done + 1) as f64 / timing.measured.as_secs_f64();
                        assert!(output.per_second <= most, "{output:?} and not {most}");
                    }
                });
            }
        });
    }
}
