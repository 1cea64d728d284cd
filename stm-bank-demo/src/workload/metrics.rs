//! Requests counted by endpoint, with how long they took and how many failed, while somebody reads the figures.
//!
//! Every request here takes the same time. So the sum of times is known from the number of requests, and a reading in
//! which they do not belong together is torn. It is the bank in another dress: three cells that must agree.

use std::thread;

use crate::audit::Findings;
use crate::requests::{Requests, Source};
use crate::shift::{Look, Shift, Tally};
use crate::workload::{BATCH, Done, Outcome, Round, join, sampling};

/// Endpoints of the service.
const ENDPOINTS: usize = 16;

/// What each request takes.
pub(crate) const MICROS: u64 = 25;

/// What is known about an endpoint, or about all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    pub(crate) micros: u64,
}

impl Figures {
    /// With one more request.
    #[inline]
    #[must_use]
    pub(crate) fn with(self, failed: bool, micros: u64) -> Self {
        Self {
            requests: self.requests + 1,
            failures: self.failures + u64::from(failed),
            micros: self.micros + micros,
        }
    }

    #[inline]
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            failures: self.failures + other.failures,
            micros: self.micros + other.micros,
        }
    }
}

/// Somewhere to count requests.
pub(crate) trait Metrics: Sync + Sized {
    /// For `threads` threads that record.
    fn open(endpoints: usize, threads: usize) -> Self;

    /// Counts a request to an endpoint, served by a thread.
    fn record(&self, thread: usize, endpoint: usize, failed: bool, micros: u64);

    /// The sum over all endpoints as of one moment.
    fn read(&self) -> Figures;
}

/// Threads that record, and others that read.
pub(crate) fn run<M: Metrics>(round: &Round) -> Outcome {
    let metrics = M::open(ENDPOINTS, round.threads);
    let shift = Shift::new(round.threads + round.auditors);
    let mut outcome = Outcome::default();
    let mut recorded = 0;
    thread::scope(|s| {
        let (metrics, shift) = (&metrics, &shift);
        let servers: Vec<_> = (0..round.threads)
            .map(|own| s.spawn(move || serve_until_over(metrics, own, shift, round)))
            .collect();
        let readers: Vec<_> = (0..round.auditors)
            .map(|_| s.spawn(move || read_until_over(metrics, shift)))
            .collect();
        shift.direct(round.timing, None::<fn() -> Look>);
        let (done, totals): (Vec<_>, Vec<u64>) = join(servers).unzip();
        recorded = totals.iter().sum();
        outcome.collect(done);
        if !readers.is_empty() {
            outcome.collect(join(readers));
        }
    });
    let at_the_end = metrics.read();
    outcome.findings.lost = recorded.saturating_sub(at_the_end.requests);
    outcome.findings.made = at_the_end.requests.saturating_sub(recorded);
    outcome
}

/// Also says how many it recorded in all, the warm-up included.
fn serve_until_over<M: Metrics>(
    metrics: &M,
    own: usize,
    shift: &Shift,
    round: &Round,
) -> (Done, u64) {
    let mut requests = Requests::new(round.seed, own, ENDPOINTS);
    let mut recorded = 0;
    let mut serve = |tally: &mut Tally| {
        let request = requests.next();
        metrics.record(own, request.from, request.amount == 1, MICROS);
        recorded += 1;
        tally.attempts += 1;
        tally.count(true);
    };
    let (output, latencies) = match round.sampling {
        None => {
            let batch = |tally: &mut Tally| (0..BATCH).for_each(|_| serve(tally));
            (shift.work(batch), None)
        }
        Some(sampling) => {
            let (output, latencies) = sampling::work(shift, sampling, round.threads, serve);
            (output, Some(latencies))
        }
    };
    let done = Done {
        output,
        findings: Findings::default(),
        latencies,
    };
    (done, recorded)
}

fn read_until_over<M: Metrics>(metrics: &M, shift: &Shift) -> Done {
    let mut findings = Findings::default();
    let output = shift.work(|tally| {
        let Figures {
            requests, micros, ..
        } = metrics.read();
        findings.audited((requests * MICROS) as i64, micros as i64);
        tally.attempts += 1;
        tally.count(true);
    });
    Done {
        output,
        findings,
        latencies: None,
    }
}
