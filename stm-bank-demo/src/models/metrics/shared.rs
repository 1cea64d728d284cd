//! Metrics behind one mutex.

use std::sync::Mutex;

use crate::workload::metrics::{Figures, Metrics};

/// All endpoints behind one lock.
pub(crate) struct Shared(Mutex<Vec<Figures>>);

impl Metrics for Shared {
    fn open(endpoints: usize, _: usize) -> Self {
        Self(Mutex::new(vec![Figures::default(); endpoints]))
    }

    // explain: begin
    fn record(&self, _: usize, endpoint: usize, failed: bool, micros: u64) {
        let mut endpoints = self.0.lock().expect("nothing panics with the lock held");
        endpoints[endpoint] = endpoints[endpoint].with(failed, micros);
    }
    // explain: end

    fn read(&self) -> Figures {
        let endpoints = self.0.lock().expect("nothing panics with the lock held");
        endpoints
            .iter()
            .copied()
            .fold(Figures::default(), Figures::plus)
    }
}
