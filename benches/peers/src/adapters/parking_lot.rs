//! `parking_lot::Mutex`, to be taken in order: a byte where the standard library's has four and a flag.

use parking_lot::{Mutex, MutexGuard};

use super::ordered::{Lock, Ordered};

/// Under which it appears.
pub const NAME: &str = "parking_lot in order";

/// Slots with such a mutex each.
pub type ParkingLots<M = i64> = Ordered<Mutex<M>, M>;

impl<T: Send + 'static> Lock<T> for Mutex<T> {
    type Guard<'a> = MutexGuard<'a, T>;

    fn new(value: T) -> Self {
        Mutex::new(value)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, T> {
        Mutex::lock(self)
    }
}
