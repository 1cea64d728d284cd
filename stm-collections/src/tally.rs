//! A sum that many add to without conflicting: a size, for collections whose other operations touch single keys.
//!
//! # The problem, and the idea
//!
//! One variable that holds the size would make every two transactions that insert or remove conflict, whatever their keys. So
//! the sum is spread over [`CELLS`] variables, and each thread adds to its own; whoever wants the sum reads them all. The
//! ancestor is the striped counter, as in `LongAdder` of Java's `java.util.concurrent`; here the cells are read in one
//! transaction, so the sum is exact.
//!
//! # Picture
//!
//! ```text
//!  cells    0    1    2    3   ..   15
//!         ┌────┬────┬────┬────┬────┬────┐
//!         │ +9 │ -4 │ ·  │ ·  │    │ ·  │     sum = 5 = 9 - 4      · not made yet
//!         └─▲──┴─▲──┴────┴────┴────┴────┘
//!      thread 0  thread 1, which removes what the other inserts
//! ```
//!
//! # Invariants
//!
//! - N1  A cell is made when it is first needed and holds 0 then. So a cell that is not there is 0 at every past moment; but who
//!   rests on that must make it, or its growing would go unnoticed: [`Tally::sum`] makes them all.
//! - N2  The sum is what was added by committed transactions. A single cell may be negative; the sum is not, where no more is
//!   taken away than was added.
//!
//! # Cost, and what conflicts
//!
//! | | [`Tally::add`], same cell | [`Tally::add`], another cell | [`Tally::sum`] | [`Tally::estimate`] |
//! |---|---|---|---|---|
//! | [`Tally::add`]: one variable added to | no | no | yes | no |
//! | [`Tally::sum`]: [`CELLS`] variables read | yes | yes | no | no |
//! | [`Tally::estimate`]: the cells that exist, looked at | no | no | no | no |
//!
//! Threads that live at the same time have different cells as long as no more than [`CELLS`] of them use this crate.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use stm_core::{ReadTx, Stm, TVar, Tx};

/// How many variables the sum is spread over.
const CELLS: usize = 16;

/// The sum. See the module.
#[derive(Debug)]
pub(crate) struct Tally {
    cells: [OnceLock<TVar<i64>>; CELLS],
}

impl Tally {
    pub(crate) const fn new() -> Self {
        Self {
            cells: [const { OnceLock::new() }; CELLS],
        }
    }

    /// Adds `n`, which may be negative.
    #[inline]
    pub(crate) fn add(&self, tx: &mut Tx<'_>, n: i64) -> Stm<()> {
        self.cell(number_of_this_thread() % CELLS).add(tx, n)
    }

    /// The exact sum. Conflicts with every [`Tally::add`].
    pub(crate) fn sum(&self, tx: &mut impl ReadTx) -> Stm<i64> {
        let mut sum = 0_i64;
        for at in 0..CELLS {
            sum = sum.wrapping_add(self.cell(at).read(tx)?); // N1
        }
        Ok(sum)
    }

    /// About the sum, conflicting with nobody: a hint. It does not see what the transaction itself has added.
    pub(crate) fn estimate(&self, tx: &mut Tx<'_>) -> i64 {
        let made = self.cells.iter().filter_map(OnceLock::get);
        made.fold(0, |sum, cell| sum.wrapping_add(cell.glance(tx)))
    }

    /// Made by the thread that needs it, so that its allocator places it: cells of two threads are then seldom neighbours.
    fn cell(&self, at: usize) -> &TVar<i64> {
        self.cells[at].get_or_init(TVar::default)
    }
}

/// The numbers that living threads have: bit n for number n.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// A thread's number, given back when the thread ends.
struct Number(Cell<Option<u32>>);

thread_local! {
    static NUMBER: Number = const { Number(Cell::new(None)) };
}

impl Number {
    /// The lowest free number, or any if all are taken: threads that share one are right, if slower.
    #[cold]
    fn take(&self) -> u32 {
        // Relaxed, here and in `drop`: the bits stand for nothing but themselves.
        let taken = TAKEN
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                Some(taken | lowest_free(taken))
            })
            .unwrap_or_else(|taken| taken);
        match lowest_free(taken) {
            0 => 0,
            bit => {
                self.0.set(Some(bit.trailing_zeros()));
                bit.trailing_zeros()
            }
        }
    }
}

/// 0 if none is free.
const fn lowest_free(taken: u64) -> u64 {
    !taken & taken.wrapping_add(1)
}

impl Drop for Number {
    fn drop(&mut self) {
        if let Some(number) = self.0.get() {
            TAKEN.fetch_and(!(1 << number), Ordering::Relaxed);
        }
    }
}

/// 0 for a thread whose locals are gone already.
fn number_of_this_thread() -> usize {
    let number = NUMBER.try_with(|number| number.0.get().unwrap_or_else(|| number.take()));
    number.unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use stm_core::{atomically, snapshot};

    #[test]
    fn the_sum_is_of_all_cells() {
        let tally = Tally::new();
        std::thread::scope(|s| {
            for n in 1..=20 {
                let tally = &tally;
                s.spawn(move || atomically(|tx| tally.add(tx, n)));
            }
        });
        atomically(|tx| tally.add(tx, -10));
        assert_eq!(snapshot(|s| tally.sum(s)), 200);
        assert_eq!(atomically(|tx| Ok(tally.estimate(tx))), 200);
    }

    /// N1: without making them, the sum would rest on nothing.
    #[test]
    fn a_sum_notices_a_cell_that_comes_into_being() {
        let (tally, seen) = (Tally::new(), TVar::new(0));
        let attempts = atomically(|tx| {
            let sum = tally.sum(tx)?;
            if tx.attempt() == 1 {
                std::thread::scope(|s| s.spawn(|| atomically(|tx| tally.add(tx, 1))).join())
                    .expect("it ends");
            }
            seen.write(tx, sum)?;
            Ok(tx.attempt())
        });
        assert_eq!((attempts, seen.load()), (2, 1));
    }

    #[test]
    fn numbers_are_given_back() {
        // Other tests run beside this one; but they have not two hundred threads at a time.
        let numbers = (0..200).map(|_| {
            std::thread::spawn(number_of_this_thread)
                .join()
                .expect("it ends")
        });
        assert!(numbers.max() < Some(63));
        assert_eq!(lowest_free(0b1011), 0b100);
        assert_eq!(lowest_free(u64::MAX), 0);
    }
}
