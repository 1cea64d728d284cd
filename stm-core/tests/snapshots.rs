//! P3: a long read under any write load ends at its first attempt as a snapshot, at its second at the latest otherwise.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use common::fire::{Boxed, under_fire};
use common::{Rng, Value, on_threads, seed, wait_until, watched};
use stm_core::diagnostics::collect_garbage;
use stm_core::{ReadTx, Stm, TVar, atomically, snapshot};

const ACCOUNTS: usize = 10_000;
const EACH: i64 = 100;
/// Commits that every audit must have had against it between its first half and its second.
const SALVO: u64 = 200;

/// Many accounts, money on the move between them, and how often it moved.
struct Bank<V> {
    accounts: Vec<TVar<V>>,
    transfers: AtomicU64,
    seed: u64,
}

impl<V: Value> Bank<V> {
    fn new() -> Self {
        Self {
            accounts: (0..ACCOUNTS).map(|_| TVar::new(V::of(EACH))).collect(),
            transfers: AtomicU64::new(0),
            seed: seed(),
        }
    }

    fn transfer(&self, writer: usize, round: u64) {
        let mut rng = Rng::new(self.seed ^ round, writer);
        let (from, to) = rng.pair(ACCOUNTS);
        let amount = rng.below(10) as i64;
        atomically(|tx| {
            self.accounts[from].modify(tx, |n| V::of(n.n() - amount))?;
            self.accounts[to].modify(tx, |n| V::of(n.n() + amount))
        });
        self.transfers.fetch_add(1, Ordering::Relaxed);
    }

    /// Half-way it waits until the writers, who must not wait for it, have fired their salvo.
    fn audit(&self, tx: &mut impl ReadTx) -> Stm<()> {
        let (first, second) = self.accounts.split_at(ACCOUNTS / 2);
        let sum = |tx: &mut _, half: &[TVar<V>]| {
            half.iter()
                .try_fold(0, |sum, account| Ok(sum + account.read(tx)?.n()))
        };
        let fired = || self.transfers.load(Ordering::Relaxed);

        let mut total = sum(tx, first)?;
        let so_far = fired();
        wait_until(|| fired() >= so_far + SALVO);
        total += sum(tx, second)?;
        assert_eq!(total, ACCOUNTS as i64 * EACH);
        Ok(())
    }
}

fn audits<V: Value>() {
    let bank = Bank::<V>::new();
    under_fire(
        2,
        |writer, round| bank.transfer(writer, round),
        || {
            // More at once than the clock has slots for under stress.
            on_threads(4, |_| {
                for _ in 0..8 {
                    let runs = AtomicUsize::new(0);
                    snapshot(|s| {
                        runs.fetch_add(1, Ordering::Relaxed);
                        bank.audit(s)
                    });
                    assert_eq!(runs.into_inner(), 1, "a snapshot runs once");

                    let attempts = atomically(|tx| {
                        let attempt = tx.attempt();
                        bank.audit(tx).map(|()| attempt)
                    });
                    assert!(attempts <= 2, "{attempts} attempts to read");
                }
            })
        },
    );
}

#[test]
fn audit_under_fire_boxed() {
    watched("audit_under_fire_boxed", audits::<Boxed>);
}

#[test]
fn audit_under_fire_inline() {
    watched("audit_under_fire_inline", audits::<i64>);
}

/// What was replaced after a snapshot's moment is there for it, however eagerly others collect.
#[test]
fn snapshots_beside_a_collector() {
    watched("snapshots_beside_a_collector", || {
        let var = TVar::new(Boxed::of(0));
        under_fire(
            2,
            |_, n| {
                var.store(Boxed::of(n as i64));
                collect_garbage();
            },
            || {
                for _ in 0..5_000 {
                    snapshot(|s| var.read_ref(s).map(|value| value.n()));
                }
            },
        );
    });
}
