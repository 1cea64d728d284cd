//! The crate `dashmap`: a hash map in shards with a lock each. Its operations do not compose.

use dashmap::DashSet;
use stm_benches::workloads::intset::Set;

impl Set for DashSet<u64> {
    const IN_ORDER: bool = false;

    fn new(_size: u64) -> Self {
        DashSet::new()
    }
    fn contains(&self, key: u64) -> bool {
        DashSet::contains(self, &key)
    }
    fn insert(&self, key: u64) -> bool {
        DashSet::insert(self, key)
    }
    fn remove(&self, key: u64) -> bool {
        DashSet::remove(self, &key).is_some()
    }
    fn keys(&self) -> Vec<u64> {
        self.iter().map(|key| *key).collect()
    }
}
