//! Collections behind one lock, and lock-free counters: the ready-made things that a program would take first.

use std::collections::{BTreeSet, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};

use stm_benches::workloads::counter::Counter;
use stm_benches::workloads::intset::Set;

/// Something behind a mutex.
#[derive(Default)]
pub struct Locked<T>(Mutex<T>);

/// Both sets have the same operations.
macro_rules! behind_a_mutex {
    ($set:ty, in_order: $in_order:literal) => {
        impl Set for Locked<$set> {
            const IN_ORDER: bool = $in_order;

            fn new(_size: u64) -> Self {
                Self::default()
            }
            fn contains(&self, key: u64) -> bool {
                self.0.lock().expect("no panics here").contains(&key)
            }
            fn insert(&self, key: u64) -> bool {
                self.0.lock().expect("no panics here").insert(key)
            }
            fn remove(&self, key: u64) -> bool {
                self.0.lock().expect("no panics here").remove(&key)
            }
            fn keys(&self) -> Vec<u64> {
                let keys = self.0.lock().expect("no panics here");
                keys.iter().copied().collect()
            }
        }
    };
}

behind_a_mutex!(HashSet<u64>, in_order: false);
behind_a_mutex!(BTreeSet<u64>, in_order: true);

impl Counter for Locked<i64> {
    fn new() -> Self {
        Self::default()
    }
    #[inline]
    fn add(&self) {
        *self.0.lock().expect("no panics here") += 1;
    }
    fn value(&self) -> i64 {
        *self.0.lock().expect("no panics here")
    }
}

/// A number that needs no lock.
pub struct Atomic(AtomicI64);

impl Counter for Atomic {
    fn new() -> Self {
        Self(AtomicI64::new(0))
    }
    #[inline]
    fn add(&self) {
        // Relaxed: the number carries nothing but itself.
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn value(&self) -> i64 {
        // Relaxed: nobody counts any more, and those who did were joined.
        self.0.load(Ordering::Relaxed)
    }
}
