//! The crate `papaya`: a lock-free hash map. Its operations do not compose.

use papaya::HashSet;
use stm_benches::workloads::intset::Set;

impl Set for HashSet<u64> {
    const IN_ORDER: bool = false;

    fn new(_size: u64) -> Self {
        HashSet::new()
    }
    fn contains(&self, key: u64) -> bool {
        self.pin().contains(&key)
    }
    fn insert(&self, key: u64) -> bool {
        self.pin().insert(key)
    }
    fn remove(&self, key: u64) -> bool {
        self.pin().remove(&key)
    }
    fn keys(&self) -> Vec<u64> {
        self.pin().iter().copied().collect()
    }
}
