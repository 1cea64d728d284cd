//! The crate `papaya`: a lock-free hash map. Its operations do not compose.

use papaya::HashSet;
use stm_benches::workloads::intset::Set;

/// A set of numbers.
pub struct Papaya(HashSet<u64>);

impl Set for Papaya {
    const IN_ORDER: bool = false;

    fn new(_size: u64) -> Self {
        Self(HashSet::new())
    }
    fn contains(&self, key: u64) -> bool {
        self.0.pin().contains(&key)
    }
    fn insert(&self, key: u64) -> bool {
        self.0.pin().insert(key)
    }
    fn remove(&self, key: u64) -> bool {
        self.0.pin().remove(&key)
    }
    fn keys(&self) -> Vec<u64> {
        self.0.pin().iter().copied().collect()
    }
}
