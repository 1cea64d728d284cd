//! What is known of some variables beside what they hold: a label, and what they have cost.
//!
//! # The problem, and the idea
//!
//! A label in every variable would make all of them larger for the few that have one. So it lies in a table beside the
//! variables, keyed by address, as the waiters do. But an address outlives its variable: the next one to be allocated may get
//! it, and would be shown under a dead one's name. Hence a bit in the block ([`Block::mark_known`]) says that the table speaks
//! of this variable, and the block's end takes the entry out before its memory is given back.
//!
//! # Invariants
//!
//! - D1  Whoever enters something marks the block, and holds a handle to it or a pin under which it could be reached, until
//!   the entry is there. So both come before the block is freed, and the free sees the bit.
//! - D2  The free of a marked block removes its entries before the memory can be allocated anew: an address in the table
//!   means one variable.
//! - D3  A shard's mutex is the innermost: nothing is called under it but the allocator.
//!
//! [`Block::mark_known`]: crate::block::Block::mark_known
#![allow(
    clippy::disallowed_types,
    reason = "plain mutual exclusion around a table; no step of the protocol that the models check"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use crossbeam_utils::CachePadded;

use super::hot::Costs;
use super::origin::Variable;

/// How many there are, so that unrelated variables rarely meet.
pub(super) const SHARDS: usize = 64;

/// Ordered maps, since they can be made at compile time and need no hasher.
#[derive(Debug)]
pub(super) struct Shard {
    labels: BTreeMap<usize, Arc<str>>,
    pub(super) costs: Costs,
}

impl Shard {
    const fn new() -> Self {
        Self {
            labels: BTreeMap::new(),
            costs: Costs::new(),
        }
    }

    pub(super) fn variable(&self, address: usize) -> Variable {
        Variable::new(address, self.labels.get(&address).cloned())
    }
}

static TABLE: [CachePadded<Mutex<Shard>>; SHARDS] =
    [const { CachePadded::new(Mutex::new(Shard::new())) }; SHARDS];

fn place(address: usize) -> &'static Mutex<Shard> {
    // Blocks are 16-aligned and often lie in a row.
    &TABLE[(address >> 5) % SHARDS]
}

fn shard(address: usize) -> MutexGuard<'static, Shard> {
    place(address)
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
}

/// The shard of this address, unless somebody else is there.
pub(super) fn shard_if_free(address: usize) -> Option<MutexGuard<'static, Shard>> {
    match place(address).try_lock() {
        Ok(shard) => Some(shard),
        Err(TryLockError::Poisoned(shard)) => Some(shard.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// All of them, one after the other.
pub(super) fn shards() -> impl Iterator<Item = MutexGuard<'static, Shard>> {
    TABLE
        .iter()
        .map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Gives the variable a label, in place of the one that it has. D1 is the caller's part.
pub(crate) fn set_label(address: usize, label: &str) {
    let label = Arc::from(label);
    let before = shard(address).labels.insert(address, label);
    drop(before);
}

/// The label of a variable that is alive.
pub(crate) fn label(address: usize) -> Option<Arc<str>> {
    shard(address).labels.get(&address).cloned()
}

/// The noun for a variable that is alive, or can be reached under this thread's pin.
pub(crate) fn variable(address: usize) -> Variable {
    shard(address).variable(address)
}

/// The variable is about to be freed (D2).
#[cold]
pub(crate) fn forget(address: usize) {
    let mut shard = shard(address);
    let label = shard.labels.remove(&address);
    let cost = shard.costs.remove(address);
    drop(shard);
    drop((label, cost));
}
