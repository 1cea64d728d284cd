//! The sets of stm-collections, ready-made, where the workloads make their own from an engine's variables.

use stm_collections::{TOrdSet, TSet};
use stm_core::{atomically, snapshot};

use crate::workloads::intset::Set;

/// Both sets have the same operations.
macro_rules! set {
    ($set:ty, in_order: $in_order:literal) => {
        impl Set for $set {
            const IN_ORDER: bool = $in_order;

            fn new(_size: u64) -> Self {
                <$set>::new()
            }
            fn contains(&self, key: u64) -> bool {
                atomically(|tx| <$set>::contains(self, tx, &key))
            }
            fn insert(&self, key: u64) -> bool {
                atomically(|tx| <$set>::insert(self, tx, key))
            }
            fn remove(&self, key: u64) -> bool {
                atomically(|tx| <$set>::remove(self, tx, &key))
            }
            fn keys(&self) -> Vec<u64> {
                snapshot(|s| self.to_vec(s))
            }
        }
    };
}

set!(TSet<u64>, in_order: false);
set!(TOrdSet<u64>, in_order: true);
