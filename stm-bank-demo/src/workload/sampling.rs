//! Latencies: each request is timed, in rounds of their own.
//!
//! Without a rate, a request is timed from when it is made: what the next customer has to wait, if there is one, is not
//! in it. With a rate, it is timed from when it was due, so a stall counts for all who came meanwhile. Leaving that out is
//! Tene's "coordinated omission", and makes stalls look rare.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::shift::{Output, Shift, Tally};
use crate::workload::Sampling;

/// Digits that count.
const DIGITS: u8 = 3;

/// A minute, in nanoseconds: whatever took longer counts as that. A bound, so that recording never allocates.
const LONGEST: u64 = 60_000_000_000;

/// Requests of one thread among `threads`, each timed. What was timed while warming up is forgotten.
pub(super) fn work(
    shift: &Shift,
    sampling: Sampling,
    threads: usize,
    mut perform: impl FnMut(&mut Tally),
) -> (Output, Histogram<u64>) {
    let mut latencies = Histogram::new_with_max(LONGEST, DIGITS).expect("bounds that it can do");
    let apart = sampling
        .rate
        .map(|rate| Duration::from_secs_f64(threads as f64 / rate));
    let mut due = None;
    let output = shift.work(|tally| {
        if tally.ended == 0 {
            latencies.reset();
        }
        let begin = match apart {
            None => Instant::now(),
            Some(apart) => {
                let now = Instant::now();
                let begin = due.unwrap_or(now);
                due = Some(begin + apart);
                thread::sleep(begin.saturating_duration_since(now));
                begin
            }
        };
        perform(tally);
        let nanos = begin.elapsed().as_nanos();
        latencies.saturating_record(u64::try_from(nanos).unwrap_or(u64::MAX));
    });
    (output, latencies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shift::{Look, Timing};
    use crate::watchdog::watched;

    /// How many requests of one thread took a while, if one of them stalls.
    fn stalled(rate: Option<f64>) -> u64 {
        const STALL: Duration = Duration::from_millis(60);
        let shift = Shift::new(1);
        let (_, latencies) = watched("a stall", Duration::from_secs(60), || {
            thread::scope(|s| {
                let mut stalls = 0;
                let shift = &shift;
                let worker = s.spawn(move || {
                    work(shift, Sampling { rate }, 1, |tally| {
                        // The first one after the warm-up, or the first of the warm-up.
                        if tally.ended == 0 && stalls < 2 {
                            stalls += 1;
                            thread::sleep(STALL);
                        }
                        tally.count(true);
                    })
                });
                shift.direct(Timing::with_warm_up(STALL * 3), None::<fn() -> Look>);
                worker.join().expect("nothing panics")
            })
        });
        let long = STALL.as_nanos() as u64 / 6;
        latencies.count_between(long, LONGEST)
    }

    #[test]
    fn in_an_open_loop_a_stall_counts_for_all_who_came_meanwhile() {
        // Sixty were due while one stalled, and most of them long before its end.
        assert!(stalled(Some(1000.0)) >= 20, "who was due waits");
    }

    #[test]
    fn in_a_closed_loop_a_stall_counts_once() {
        let (all, one) = (stalled(Some(1000.0)), stalled(None));
        assert!(one < all, "{one} and {all}");
    }
}
