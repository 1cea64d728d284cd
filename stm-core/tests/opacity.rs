//! P1, opacity: every body sees one state that existed, also in an attempt that will be thrown away.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::fire::{Boxed, stumble, under_fire};
use common::{Rng, Value, on_threads, seed, watched};
use stm_core::{ReadTx, Stm, TVar, atomically, snapshot};

/// Bodies begun, those included whose attempt was thrown away.
const ATTEMPTS: usize = 100_000;
/// Commits of the pair that the readers must have had against them.
const COMMITS: usize = 20_000;
const READERS: usize = 2;
/// More than a transaction reads before it moves the clock instead of looking at every read again.
const CROWD: usize = 12;

/// The order in which a body reads, and what it is besides a reader.
struct Plan {
    before: usize,
    between: usize,
    after: usize,
    right_first: bool,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Reads,
    /// Cannot go on as a snapshot where a read fails.
    WritesFirst,
    WritesLast,
    Snapshot,
}

impl Plan {
    fn random(rng: &mut Rng) -> Self {
        let mut crowd = || [0, 0, 1, 3, CROWD][rng.below(5)];
        Self {
            before: crowd(),
            between: crowd(),
            after: crowd(),
            right_first: rng.below(2) == 0,
            kind: [
                Kind::Reads,
                Kind::WritesFirst,
                Kind::WritesLast,
                Kind::Snapshot,
            ][rng.below(4)],
        }
    }
}

/// Two variables that every commit keeps equal, and a crowd of others to be read in between.
struct Pair<X, Y> {
    left: TVar<X>,
    right: TVar<Y>,
    crowd: Vec<TVar<i64>>,
    unequal: AtomicUsize,
    stumbles: usize,
}

impl<X: Value, Y: Value> Pair<X, Y> {
    fn read(&self, tx: &mut impl ReadTx, plan: &Plan, rng: &mut Rng) -> Stm<()> {
        let crowd = |tx: &mut _, n| {
            self.crowd[..n]
                .iter()
                .try_for_each(|v| v.read(tx).map(drop))
        };
        crowd(tx, plan.before)?;
        let (left, right) = if plan.right_first {
            let right = self.right.read(tx)?;
            crowd(tx, plan.between)?;
            stumble(rng, self.stumbles);
            (self.left.read(tx)?.n(), right.n())
        } else {
            let left = self.left.read(tx)?;
            crowd(tx, plan.between)?;
            stumble(rng, self.stumbles);
            (left.n(), self.right.read(tx)?.n())
        };
        self.expect_equal(left, right);
        crowd(tx, plan.after)?;
        self.expect_equal(left, self.left.read(tx)?.n());
        self.expect_equal(left, self.right.read(tx)?.n());
        Ok(())
    }

    /// Counts instead of panicking: the fight goes on to its end, and the figure says how bad it is.
    fn expect_equal(&self, a: i64, b: i64) {
        if a != b {
            self.unequal.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn zombie_pair<X: Value, Y: Value>() {
    let seed = seed();
    for stumbles in [16, 0] {
        fight_over_pair::<X, Y>(seed, stumbles);
    }
}

fn fight_over_pair<X: Value, Y: Value>(seed: u64, stumbles: usize) {
    let pair = Pair {
        left: TVar::new(X::of(0)),
        right: TVar::new(Y::of(0)),
        crowd: (0..CROWD).map(|_| TVar::new(0)).collect(),
        unequal: AtomicUsize::new(0),
        stumbles,
    };
    let own: Vec<_> = (0..READERS).map(|_| TVar::new(0)).collect();
    let (attempts, commits) = (AtomicUsize::new(0), AtomicUsize::new(0));

    let write = |writer: usize, round: u64| {
        let mut rng = Rng::new(seed ^ round, writer);
        let bystander = (rng.below(4) == 0).then(|| &pair.crowd[rng.below(CROWD)]);
        atomically(|tx| {
            pair.left.modify(tx, |n| X::of(n.n() + 1))?;
            stumble(&mut rng, stumbles);
            pair.right.modify(tx, |n| Y::of(n.n() + 1))?;
            bystander.map_or(Ok(()), |v| v.modify(tx, |n| n + 1))
        });
        commits.fetch_add(1, Ordering::Relaxed);
    };
    let read = |reader: usize| {
        let mut rng = Rng::new(seed, 100 + reader);
        while attempts.load(Ordering::Relaxed) < ATTEMPTS
            || commits.load(Ordering::Relaxed) < COMMITS
        {
            let plan = Plan::random(&mut rng);
            if let Kind::Snapshot = plan.kind {
                snapshot(|s| {
                    attempts.fetch_add(1, Ordering::Relaxed);
                    pair.read(s, &plan, &mut rng)
                });
                continue;
            }
            atomically(|tx| {
                attempts.fetch_add(1, Ordering::Relaxed);
                if let Kind::WritesFirst = plan.kind {
                    own[reader].write(tx, 1)?;
                }
                pair.read(tx, &plan, &mut rng)?;
                if let Kind::WritesLast = plan.kind {
                    own[reader].write(tx, 2)?;
                }
                Ok(())
            });
        }
    };
    under_fire(2, write, || on_threads(READERS, read));
    assert_eq!(pair.unequal.into_inner(), 0, "bodies saw half of a commit");
}

#[test]
fn zombie_pair_boxed() {
    watched("zombie_pair_boxed", zombie_pair::<Boxed, Boxed>);
}

#[test]
fn zombie_pair_inline() {
    watched("zombie_pair_inline", zombie_pair::<i64, i64>);
}

#[test]
fn zombie_pair_mixed() {
    watched("zombie_pair_mixed", zombie_pair::<i64, Boxed>);
}

/// `begin <= end < items.len()` holds always. Over half of a commit the walk from `begin` to `end` would not stop, and
/// the look at the end would be out of range.
#[test]
fn zombie_loop() {
    watched("zombie_loop", || {
        let seed = seed();
        let (begin, end) = (TVar::new(0usize), TVar::new(Boxed::of(0)));
        let items = TVar::new(vec![0u8]);
        let crowd: Vec<_> = (0..CROWD).map(|_| TVar::new(0)).collect();
        let commits = AtomicUsize::new(0);

        let write = |writer: usize, round: u64| {
            let mut rng = Rng::new(seed ^ round, writer);
            let len = 1 + rng.below(64);
            let last = rng.below(len);
            let first = rng.below(last + 1);
            atomically(|tx| {
                items.write(tx, vec![0; len])?;
                stumble(&mut rng, 16);
                end.write(tx, Boxed::of(last as i64))?;
                begin.write(tx, first)
            });
            commits.fetch_add(1, Ordering::Relaxed);
        };
        let walk = |reader: usize| {
            let mut rng = Rng::new(seed, 100 + reader);
            let mut walks = 0;
            while walks < ATTEMPTS / 4 || commits.load(Ordering::Relaxed) < COMMITS {
                let (items_first, crowded) = (rng.below(2) == 0, rng.below(4) == 0);
                atomically(|tx| {
                    walks += 1;
                    let early = items_first.then(|| items.read_ref(tx)).transpose()?;
                    let mut at = begin.read(tx)?;
                    if crowded {
                        crowd.iter().try_for_each(|v| v.read(tx).map(drop))?;
                    }
                    stumble(&mut rng, 16);
                    let end = end.read(tx)?.n() as usize;
                    while at != end {
                        at += 1;
                        assert!(at < 1_000, "this walk would never end");
                    }
                    let items = early.map_or_else(|| items.read_ref(tx), Ok)?;
                    Ok(items[end])
                });
            }
        };
        under_fire(2, write, || on_threads(READERS, walk));
    });
}
