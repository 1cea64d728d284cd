//! The crate `dashmap`: a hash map in shards with a lock each. Its operations do not compose.

use dashmap::DashSet;
use stm_benches::workloads::intset::Set;

/// A set of numbers.
pub struct Dash(DashSet<u64>);

impl Set for Dash {
    const IN_ORDER: bool = false;

    fn new(_size: u64) -> Self {
        Self(DashSet::new())
    }
    fn contains(&self, key: u64) -> bool {
        self.0.contains(&key)
    }
    fn insert(&self, key: u64) -> bool {
        self.0.insert(key)
    }
    fn remove(&self, key: u64) -> bool {
        self.0.remove(&key).is_some()
    }
    fn keys(&self) -> Vec<u64> {
        self.0.iter().map(|key| *key).collect()
    }
}
