//! The banks on std's locks, on parking_lot's instead.
//!
//! The same banks as `ordered-mutexes`, `global-mutex` and `rwlock`, with another lock: a mutex is one byte, fair now and
//! then, and without poisoning. A worker that panics in the middle of a transfer leaves an unlocked account and the money
//! gone; the others go on as if nothing had happened. A readers-writer lock lets no reader in while a writer waits, so
//! that many readers cannot keep the writers out.

use std::ops::{Deref, DerefMut};

use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::models::global_mutex::{GlobalMutex, Lock};
use crate::models::ordered_mutexes::{Account, OrderedMutexes};
use crate::models::rwlock::{OneRwLock, SharedLock};

/// Accounts that are parking_lot's mutexes.
pub(crate) type ParkingLot = OrderedMutexes<Mutex<i64>>;

/// All accounts behind one of its mutexes.
pub(crate) type GlobalParkingLot = GlobalMutex<Mutex<Vec<i64>>>;

/// All accounts behind its readers-writer lock.
pub(crate) type ParkingLotRwLock = OneRwLock<RwLock<Vec<i64>>>;

// explain: begin
impl Account for Mutex<i64> {
    type Guard<'a> = MutexGuard<'a, i64>;

    fn open(balance: i64) -> Self {
        Self::new(balance)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, i64> {
        self.lock() // no Result: there is no poison; the rest is as with ordered-mutexes
    }
}

impl Lock for Mutex<Vec<i64>> {
    fn around(accounts: Vec<i64>) -> Self {
        Self::new(accounts)
    }

    #[inline]
    fn lock(&self) -> impl DerefMut<Target = Vec<i64>> {
        self.lock() // the rest is as with global-mutex
    }
}

impl SharedLock for RwLock<Vec<i64>> {
    fn around(accounts: Vec<i64>) -> Self {
        Self::new(accounts)
    }

    #[inline]
    fn read(&self) -> impl Deref<Target = Vec<i64>> {
        self.read()
    }

    #[inline]
    fn write(&self) -> impl DerefMut<Target = Vec<i64>> {
        self.write() // the rest is as with rwlock
    }
}
// explain: end
