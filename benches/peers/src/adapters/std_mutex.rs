//! `std::sync::Mutex`, to be taken in order.

use std::sync::{Mutex, MutexGuard};

use super::ordered::{Lock, Ordered};

/// Under which it appears.
pub const NAME: &str = "std Mutex in order";

/// Slots with such a mutex each.
pub type StdMutexes<M = i64> = Ordered<Mutex<M>, M>;

impl<T: Send + 'static> Lock<T> for Mutex<T> {
    type Guard<'a> = MutexGuard<'a, T>;

    fn new(value: T) -> Self {
        Mutex::new(value)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, T> {
        self.lock().expect("nobody panics with it locked")
    }
}
