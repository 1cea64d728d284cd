//! A count that its writers do not fight over: a cell for each of up to sixteen threads.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use stm_core::{ReadTx, Stm, TVar, Tx};

const CELLS: usize = 16;

/// The cell is the thread's, so that two threads meet in one only when there are more than sixteen of them.
pub(crate) struct Tally {
    cells: [TVar<i64>; CELLS],
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            cells: std::array::from_fn(|_| TVar::new(0)),
        }
    }

    pub(crate) fn add(&self, tx: &mut Tx<'_>, n: i64) -> Stm<()> {
        self.cells[of_this_thread()].modify(tx, |count| count.wrapping_add(n))
    }

    /// Reads every cell, so it conflicts with every `add`.
    pub(crate) fn sum(&self, tx: &mut impl ReadTx) -> Stm<i64> {
        let mut sum = 0i64;
        for cell in &self.cells {
            sum = sum.wrapping_add(cell.read(tx)?);
        }
        Ok(sum)
    }

    #[allow(dead_code, reason = "part of the interface; used by other collections")]
    pub(crate) fn estimate(&self, tx: &mut Tx<'_>) -> i64 {
        self.cells
            .iter()
            .fold(0, |sum, cell| sum.wrapping_add(cell.glance(tx)))
    }
}

fn of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        // Relaxed: any distribution of the numbers will do.
        static CELL: usize = NEXT.fetch_add(1, Ordering::Relaxed) % CELLS;
    }
    CELL.with(|cell| *cell)
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tally").finish_non_exhaustive()
    }
}
