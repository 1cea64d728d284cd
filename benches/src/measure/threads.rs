//! Threads that do a step over and over, released together, for so long or so often.

use std::panic::resume_unwind;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// As many steps as fit.
    For(Duration),
    /// So many steps, divided among the threads.
    Steps(u64),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ran {
    /// Of all threads.
    pub steps: u64,
    /// From the threads' release to the end of the last one.
    pub elapsed: Duration,
}

impl Ran {
    /// `count` of something, in the time that this took.
    #[must_use]
    pub fn rate_of(self, count: u64) -> f64 {
        count as f64 / self.elapsed.as_secs_f64()
    }

    /// Steps of all threads a second.
    #[must_use]
    pub fn rate(self) -> f64 {
        self.rate_of(self.steps)
    }
}

/// Says that time is over to those who might not notice: bodies that start over again and again.
#[derive(Debug, Default)]
pub struct Halt(AtomicBool);

impl Halt {
    /// Whether time is over.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        // Relaxed: it carries nothing but itself, and a step more or less does not matter.
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        // Relaxed: as in `is_set`; the results come by `join`.
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sets the halt if its thread panics, so that the others end, too, and the panic is seen.
struct HaltOnPanic<'a>(&'a Halt);

impl Drop for HaltOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set();
        }
    }
}

/// Runs `step` on `threads` threads, each with a state of its own that `state` makes from the thread's number; gives what was done
/// and the states. Each thread looks whether time is over after every `batch` steps: some dozens for steps of nanoseconds.
///
/// # Blocking
///
/// Until all threads have ended.
///
/// # Panics
///
/// If a step does.
///
/// ```
/// use stm_benches::measure::threads::{Amount, run};
///
/// let (ran, counts) = run(2, Amount::Steps(10), 1, |_thread| 0, |count, _halt| *count += 1);
/// assert_eq!((ran.steps, counts), (10, vec![5, 5]));
/// ```
pub fn run<S: Send>(
    threads: usize,
    amount: Amount,
    batch: u64,
    state: impl Fn(usize) -> S + Sync,
    step: impl Fn(&mut S, &Halt) + Sync,
) -> (Ran, Vec<S>) {
    let (halt, start) = (Halt::default(), Barrier::new(threads + 1));
    let share = match amount {
        Amount::For(_) => u64::MAX,
        Amount::Steps(steps) => steps.div_ceil(threads as u64),
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (halt, start, state, step) = (&halt, &start, &state, &step);
                scope.spawn(move || {
                    let mut state = state(thread);
                    let mut steps = 0;
                    start.wait();
                    let _halt_on_panic = HaltOnPanic(halt);
                    while steps < share && !halt.is_set() {
                        let batch = batch.min(share - steps);
                        for _ in 0..batch {
                            step(&mut state, halt);
                        }
                        steps += batch;
                    }
                    (steps, state)
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        if let Amount::For(time) = amount {
            std::thread::sleep(time);
            halt.set();
        }
        let mut steps = 0;
        let mut states = Vec::with_capacity(threads);
        for worker in workers {
            let (done, state) = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
            steps += done;
            states.push(state);
        }
        let elapsed = began.elapsed();
        (Ran { steps, elapsed }, states)
    })
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::common::watched;

    #[test]
    fn so_many_steps_are_so_many_steps() {
        watched("so_many_steps_are_so_many_steps", || {
            let (ran, counts) = run(3, Amount::Steps(300), 64, |_| 0u64, |n, _| *n += 1);
            assert_eq!(ran.steps, 300);
            assert_eq!(counts, [100; 3]);
        });
    }

    #[test]
    fn a_time_ends_and_every_step_was_counted() {
        watched("a_time_ends_and_every_step_was_counted", || {
            let time = Duration::from_millis(5);
            let (ran, counts) = run(2, Amount::For(time), 16, |_| 0u64, |n, _| *n += 1);
            assert!(ran.elapsed >= time);
            assert_eq!(ran.steps, counts.iter().sum::<u64>());
            assert!(counts.iter().all(|n| n % 16 == 0));
        });
    }

    #[test]
    fn a_panic_ends_the_others_and_is_passed_on() {
        watched("a_panic_ends_the_others_and_is_passed_on", || {
            let panic = catch_unwind(|| {
                run(
                    2,
                    Amount::Steps(u64::MAX),
                    1,
                    |thread| thread,
                    |thread, _| assert_ne!(*thread, 1, "the second thread fails"),
                )
            });
            assert!(panic.is_err());
        });
    }
}
