//! The cells that hold what was sent: a chain of short rows, each owned by its predecessor and by whoever is at it.
//!
//! # Picture
//!
//! ```text
//!   a receiver ──▶┌─────────────┐ next ┌─────────────┐ next ┌─────────────┐◀── the hub's tail
//!                 │ 0 1 2 .. 31 │─────▶│ 32 33 .. 63 │─────▶│ 64 65 .     │◀── another receiver
//!                 └─────────────┘      └─────────────┘      └─────────────┘
//!        nobody behind the slowest: what is before it has been freed
//! ```
//!
//! # Why rows, and why the links are no variables
//!
//! A chain in which a variable owns the next cell, as in Haskell's `TChan`, is freed one link per epoch of the collector: a reader
//! that lags by 100,000 items and is dropped would take 100,000 epochs to give them back. A link need not be a variable. That
//! there *is* a next row, empty, tells nobody anything, so it may be made outside of the transaction, by whoever needs it first,
//! and stay when that transaction is thrown away: the next attempt finds it. Then the chain is ordinary memory, freed at one go.
//!
//! # Invariants
//!
//! - C1  A cell is written once, by the send that has its number, and with `Some`. So a cell seen full stays as it is.
//! - C2  A link is set once, to a row whose cells are all empty then.

use std::array;
use std::sync::{Arc, OnceLock};

use stm_core::TVar;

/// The number of an item: how many were sent before it, to anybody, since the channel was made.
///
/// It does not overflow: at one item a nanosecond that takes five centuries.
pub(super) type Number = u64;

/// Cells in a row.
const CELLS: usize = 32;

/// A row of cells.
pub(super) struct Row<T> {
    cells: [TVar<Option<T>>; CELLS],
    next: OnceLock<Arc<Self>>,
}

impl<T: Send + Sync + 'static> Row<T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            cells: array::from_fn(|_| TVar::new(None)),
            next: OnceLock::new(),
        })
    }

    /// The cell of item `number`, which must belong to this row.
    pub(super) fn cell(&self, number: Number) -> &TVar<Option<T>> {
        &self.cells[place(number)]
    }

    /// The row of item `number + 1`, if that is not this one, `number`'s; made if need be (C2).
    pub(super) fn after(&self, number: Number) -> Option<Arc<Self>> {
        let is_last = place(number) == CELLS - 1;
        is_last.then(|| Arc::clone(self.next.get_or_init(Self::new)))
    }
}

/// Where in its row an item lies.
fn place(number: Number) -> usize {
    (number % CELLS as Number) as usize
}

/// Not left to the compiler: it would go down a long chain by recursion.
impl<T> Drop for Row<T> {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut row) = next.and_then(Arc::into_inner) {
            next = row.next.take();
        }
    }
}
