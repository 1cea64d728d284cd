//! Metrics in transactional variables: three for each endpoint, written together and read together.

use stm_core::{TVar, atomically, snapshot};

use crate::workload::metrics::{Figures, Metrics};

/// An endpoint's cells.
struct Cells {
    requests: TVar<u64>,
    failures: TVar<u64>,
    micros: TVar<u64>,
}

/// Cells for each endpoint.
pub(crate) struct Transactions(Vec<Cells>);

impl Metrics for Transactions {
    fn open(endpoints: usize, _: usize) -> Self {
        let cells = |_| Cells {
            requests: TVar::new(0),
            failures: TVar::new(0),
            micros: TVar::new(0),
        };
        Self((0..endpoints).map(cells).collect())
    }

    // explain: begin
    fn record(&self, _: usize, endpoint: usize, failed: bool, micros: u64) {
        let cells = &self.0[endpoint];
        atomically(|tx| {
            cells.requests.modify(tx, |n| n + 1)?;
            if failed {
                cells.failures.modify(tx, |n| n + 1)?;
            }
            cells.micros.modify(tx, |n| n + micros)
        });
    }
    // explain: end

    fn read(&self) -> Figures {
        snapshot(|s| {
            let mut sum = Figures::default();
            for cells in &self.0 {
                sum = sum.plus(Figures {
                    requests: cells.requests.read(s)?,
                    failures: cells.failures.read(s)?,
                    micros: cells.micros.read(s)?,
                });
            }
            Ok(sum)
        })
    }
}
