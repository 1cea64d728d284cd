//! The bank on parking_lot's mutexes, in the order of the account numbers.
//!
//! The same bank as on std's, with another lock: one byte smaller than its balance, fair now and then, and without
//! poisoning. A worker that panics in the middle of a transfer leaves an unlocked account and the money gone; the
//! others go on as if nothing had happened.

use parking_lot::{Mutex, MutexGuard};

use crate::models::ordered_mutexes::{Account, OrderedMutexes};

/// Accounts that are parking_lot's mutexes.
pub(crate) type ParkingLot = OrderedMutexes<Mutex<i64>>;

impl Account for Mutex<i64> {
    type Guard<'a> = MutexGuard<'a, i64>;

    fn open(balance: i64) -> Self {
        Self::new(balance)
    }

    // explain: begin
    #[inline]
    fn lock(&self) -> MutexGuard<'_, i64> {
        self.lock() // no Result: there is no poison; the rest is as with ordered-mutexes
    }
    // explain: end
}
