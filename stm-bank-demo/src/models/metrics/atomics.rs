//! Metrics on atomics: the fastest that is shared, and each cell right on its own.
//!
//! What belongs together is not read together: a reading can have the request and not yet its time. Nothing is lost, and
//! for a dashboard that is mostly good enough.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::workload::metrics::{Figures, Metrics};

/// An endpoint's cells. Relaxed: each is a sum of its own.
#[derive(Default)]
struct Cells {
    requests: AtomicU64,
    failures: AtomicU64,
    micros: AtomicU64,
}

/// Cells for each endpoint.
pub(crate) struct Atomics(Vec<Cells>);

impl Metrics for Atomics {
    fn open(endpoints: usize, _: usize) -> Self {
        Self((0..endpoints).map(|_| Cells::default()).collect())
    }

    // explain: begin
    fn record(&self, _: usize, endpoint: usize, failed: bool, micros: u64) {
        let cells = &self.0[endpoint];
        cells.requests.fetch_add(1, Ordering::Relaxed);
        if failed {
            cells.failures.fetch_add(1, Ordering::Relaxed);
        }
        cells.micros.fetch_add(micros, Ordering::Relaxed);
    }
    // explain: end

    fn read(&self) -> Figures {
        self.0.iter().fold(Figures::default(), |sum, cells| {
            sum.plus(Figures {
                requests: cells.requests.load(Ordering::Relaxed),
                failures: cells.failures.load(Ordering::Relaxed),
                micros: cells.micros.load(Ordering::Relaxed),
            })
        })
    }
}
