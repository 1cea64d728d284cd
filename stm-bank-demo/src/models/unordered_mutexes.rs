//! The bank on a mutex per account, payer first: deadlocks, and says where.
//!
//! # The problem
//!
//! One pays A to B and holds A, another one pays B to A and holds B, and both wait for good. The usual mutex leaves no
//! more than a process to kill. Here it should be found, named and survived, so that the other models get their turn.
//!
//! Whoever finds its second account locked writes down which account it holds and which one it wants before it sleeps.
//! A ring in that list is a deadlock: the wait-for graph of database systems (Holt, "Some Deadlock Properties of
//! Computer Systems", ACM Computing Surveys 4(3), 1972, doi:10.1145/356603.356607), with accounts for nodes.
//!
//! # Invariants
//!
//! - **U1** From writing down to crossing out, a thread holds the account that it says it holds: it is written after
//!   the first lock, and crossed out before any unlock.
//! - **U2** So a ring is a deadlock and not an accident of when one looked. Suppose that a thread of the ring had got
//!   what it wants and has not crossed it out yet. By U1 the next thread in the ring holds that very account. Two do
//!   not hold one mutex.
//! - **U3** Nobody spins, and nobody waits after `abandon`: a wait is cut into naps of [`NAP`], and each looks at the
//!   flag.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use crate::bank::{Accounts, Bank};

/// How long a thread waits for a lock before it looks whether to give up.
const NAP: Duration = Duration::from_millis(20);

/// A thread that waits, and what for.
#[derive(Clone, Copy)]
struct Wait {
    holds: usize,
    wants: usize,
}

/// Accounts that are mutexes, with a list of who waits.
pub(crate) struct UnorderedMutexes {
    accounts: Vec<Mutex<i64>>,
    waits: Mutex<Vec<Wait>>,
    abandoned: AtomicBool,
}

/// The lock will never come: there was a deadlock.
struct Abandoned;

impl UnorderedMutexes {
    /// Locks an account. `holds` is what this thread has locked already.
    #[inline]
    fn lock(&self, wants: usize, holds: Option<usize>) -> Result<MutexGuard<'_, i64>, Abandoned> {
        if let Some(guard) = self.accounts[wants].try_lock() {
            return Ok(guard);
        }
        let Some(holds) = holds else {
            return self.nap_for(wants);
        };
        self.waits.lock().push(Wait { holds, wants });
        let guard = self.nap_for(wants);
        let mut waits = self.waits.lock();
        // By what it holds: only one thread can.
        waits.retain(|wait| wait.holds != holds);
        guard
    }

    #[cold]
    fn nap_for(&self, wants: usize) -> Result<MutexGuard<'_, i64>, Abandoned> {
        loop {
            // Relaxed: it carries no data, and who misses it once sees it a nap later.
            if self.abandoned.load(Ordering::Relaxed) {
                return Err(Abandoned);
            }
            if let Some(guard) = self.accounts[wants].try_lock_for(NAP) {
                return Ok(guard);
            }
        }
    }

    // explain: begin
    fn transfer(&self, from: usize, to: usize, amount: i64) -> Result<bool, Abandoned> {
        let mut payer = self.lock(from, None)?;
        let mut payee = self.lock(to, Some(from))?; // whoever pays the other way round holds this one
        if *payer < amount {
            return Ok(false);
        }
        *payer -= amount;
        *payee += amount;
        Ok(true)
    }
    // explain: end
}

impl Accounts for UnorderedMutexes {
    fn open(accounts: usize, balance: i64) -> Self {
        Self {
            accounts: (0..accounts).map(|_| Mutex::new(balance)).collect(),
            waits: Mutex::new(Vec::new()),
            abandoned: AtomicBool::new(false),
        }
    }

    fn balances(&self) -> Vec<i64> {
        self.accounts
            .iter()
            .map(|account| *account.lock())
            .collect()
    }

    const CAN_DEADLOCK: bool = true;

    fn deadlock(&self) -> Option<Vec<usize>> {
        let waits = self.waits.lock();
        waits.iter().find_map(|first| ring(&waits, *first))
    }

    fn abandon(&self) {
        // Relaxed: as in `nap_for`.
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

/// The accounts of the ring that `first` is part of, if it is.
fn ring(waits: &[Wait], first: Wait) -> Option<Vec<usize>> {
    let mut accounts = vec![first.holds];
    let mut at = first;
    // A step for each that waits: more would go round a ring that `first` only leads to.
    for _ in waits {
        if at.wants == first.holds {
            return Some(accounts);
        }
        at = *waits.iter().find(|wait| wait.holds == at.wants)?;
        accounts.push(at.holds);
    }
    None
}

impl Bank for UnorderedMutexes {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        self.transfer(from, to, amount).unwrap_or(false)
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        // In the order of their numbers, which is one that transfers do not keep to.
        let mut held = Vec::with_capacity(self.accounts.len());
        for account in 0..self.accounts.len() {
            held.push(self.lock_one_more(account).ok()?);
        }
        Some(held.iter().map(|balance| **balance).sum())
    }
}

impl UnorderedMutexes {
    /// For an audit, which holds all accounts before this one.
    fn lock_one_more(&self, wants: usize) -> Result<MutexGuard<'_, i64>, Abandoned> {
        if let Some(guard) = self.accounts[wants].try_lock() {
            return Ok(guard);
        }
        self.waits
            .lock()
            .extend((0..wants).map(|holds| Wait { holds, wants }));
        let guard = self.nap_for(wants);
        self.waits.lock().retain(|wait| wait.holds >= wants);
        guard
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_found_and_a_chain_is_not() {
        let wait = |holds, wants| Wait { holds, wants };
        let chain = [wait(1, 2), wait(2, 3), wait(3, 4)];
        assert!(chain.iter().all(|first| ring(&chain, *first).is_none()));
        let with_ring = [wait(7, 1), wait(1, 2), wait(2, 3), wait(3, 1)];
        assert_eq!(ring(&with_ring, with_ring[0]), None, "only leads to it");
        assert_eq!(ring(&with_ring, with_ring[1]), Some(vec![1, 2, 3]));
    }
}
