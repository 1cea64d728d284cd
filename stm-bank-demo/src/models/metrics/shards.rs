//! Metrics in a shard for each thread, added up by who reads.
//!
//! Each thread has a mutex that nobody else wants, except now and then a reader. What one request writes is in one shard
//! and under one lock, so no reading tears it. A reading is still of no one moment: it has one shard's now and another's a
//! little earlier. Here no request is in two shards, so nothing shows.

use std::sync::Mutex;

use crate::workload::metrics::{Figures, Metrics};

/// Two cache lines, or the shards would share them.
#[repr(align(128))]
struct Shard(Mutex<Vec<Figures>>);

/// Endpoints for each thread.
pub(crate) struct Shards(Vec<Shard>);

impl Metrics for Shards {
    fn open(endpoints: usize, threads: usize) -> Self {
        let shard = |_| Shard(Mutex::new(vec![Figures::default(); endpoints]));
        Self((0..threads).map(shard).collect())
    }

    // explain: begin
    fn record(&self, thread: usize, endpoint: usize, failed: bool, micros: u64) {
        let mut own = self.0[thread]
            .0
            .lock()
            .expect("nothing panics with the lock held");
        own[endpoint] = own[endpoint].with(failed, micros);
    }
    // explain: end

    fn read(&self) -> Figures {
        self.0.iter().fold(Figures::default(), |sum, shard| {
            let endpoints = shard.0.lock().expect("nothing panics with the lock held");
            endpoints.iter().copied().fold(sum, Figures::plus)
        })
    }
}
