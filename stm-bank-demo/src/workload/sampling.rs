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
