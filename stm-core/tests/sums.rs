//! What is added to a variable at commit: it conflicts with nobody who only adds, and is like any other write otherwise.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use common::fire::{elsewhere, under_fire};
use common::{on_threads, wait_until, watched, watched_alone};
use stm_core::diagnostics::registered_waits;
use stm_core::{
    Abort, Decision, Stm, TVar, abort, atomically, check, retry, snapshot, try_atomically,
};

#[test]
fn sums_keep_the_order_of_the_body() {
    watched("sums_order", || {
        let x = TVar::new(1_i64);
        atomically(|tx| {
            x.add(tx, 2)?;
            x.add(tx, -10)
        });
        assert_eq!(x.load(), -7, "two summands");

        let seen = atomically(|tx| {
            x.add(tx, 8)?;
            let seen = x.read(tx)?;
            x.add(tx, 1)?;
            Ok((seen, *x.read_ref(tx)?))
        });
        assert_eq!((seen, x.load()), ((1, 2), 2), "read between summands");

        let seen = atomically(|tx| {
            let before = x.read(tx)?;
            x.add(tx, 1)?;
            Ok((before, x.replace(tx, 10)?))
        });
        assert_eq!((seen, x.load()), ((2, 3), 10), "between two reads");

        atomically(|tx| {
            x.add(tx, 100)?;
            x.write(tx, 5)
        });
        assert_eq!(x.load(), 5, "a write discards what was added before");

        atomically(|tx| {
            x.write(tx, 7)?;
            x.add(tx, 1)
        });
        assert_eq!(x.load(), 8, "added to what was written");

        atomically(|tx| {
            x.commute(tx, |n| n * 2)?;
            x.add(tx, 1)?;
            x.commute(tx, |n| n * 10)
        });
        assert_eq!(x.load(), 170, "between functions");

        atomically(|tx| {
            x.add(tx, 1)?;
            x.commute(tx, |n| n * 2)?;
            x.add(tx, 1)
        });
        assert_eq!(x.load(), 343, "around a function");
    });
}

#[test]
fn sums_wrap_around() {
    watched("sums_wrap", || {
        let (signed, unsigned) = (TVar::new(i64::MAX), TVar::new(1_u64));
        atomically(|tx| {
            signed.add(tx, 1)?;
            unsigned.add(tx, u64::MAX - 1)?;
            unsigned.add(tx, 2)
        });
        assert_eq!((signed.load(), unsigned.load()), (i64::MIN, 1));
    });
}

#[test]
fn summands_are_undone_with_their_alternative() {
    watched("sums_undone", || {
        let x = TVar::new(0_i64);
        let seen = atomically(|tx| {
            x.add(tx, 1)?;
            tx.or_else(
                |tx| {
                    x.add(tx, 10)?;
                    retry::<()>()
                },
                |tx| x.add(tx, 100),
            )?;
            // What comes in the place of the sum does so only there.
            let inner: Result<(), _> = tx.nested(|tx| {
                assert_eq!(x.read(tx)?, 101);
                x.write(tx, 5)?;
                abort("inner")
            })?;
            assert_eq!(inner, Err("inner"));
            x.add(tx, 1000)?;
            tx.nested(|tx| Ok::<_, Abort<()>>(x.add(tx, 10_000)?))
        });
        assert_eq!((seen, x.load()), (Ok(()), 11_101));

        let refused: Result<(), _> = try_atomically(|tx| {
            x.add(tx, 1)?;
            abort(())
        });
        assert_eq!((refused, x.load()), (Err(()), 11_101));
    });
}

#[test]
fn who_only_adds_conflicts_with_nobody() {
    watched("sums_conflicts", || {
        let (x, y) = (TVar::new(0_i64), TVar::new(0_i64));
        let attempts = atomically(|tx| {
            x.add(tx, 1)?;
            y.write(tx, 1)?;
            elsewhere(|| atomically(|tx| x.add(tx, 10)));
            elsewhere(|| x.store(x.load() + 100));
            x.add(tx, 1)?;
            Ok(tx.attempt())
        });
        assert_eq!((attempts, x.load()), (1, 112));
    });
}

#[test]
fn who_reads_conflicts_with_who_adds() {
    watched("sums_read", || {
        for adds_first in [false, true] {
            let (x, y) = (TVar::new(0_i64), TVar::new(0_i64));
            let attempts = atomically(|tx| {
                if adds_first {
                    x.add(tx, 1)?;
                }
                let seen = x.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| atomically(|tx| x.add(tx, 10)));
                }
                y.write(tx, seen)?;
                Ok(tx.attempt())
            });
            assert_eq!((attempts, y.load()), (2, 10 + i64::from(adds_first)));
        }
    });
}

#[test]
fn a_sum_that_grows_wakes_who_waits_for_it() {
    watched_alone("sums_wake", || {
        let x = TVar::new(0_u64);
        on_threads(2, |id| {
            if id == 0 {
                atomically(|tx| check(x.read(tx)? == 3));
            } else {
                for _ in 0..3 {
                    wait_until(|| registered_waits() == 1);
                    atomically(|tx| x.add(tx, 1));
                }
            }
        });
    });
}

#[test]
fn a_ref_to_a_sum_does_not_change() {
    watched("sums_ref", || {
        let x = TVar::new(1_i64);
        let seen = atomically(|tx| {
            x.add(tx, 1)?;
            let at_first = x.read_ref(tx)?;
            let inner: Result<(), _> = tx.nested(|tx| {
                x.add(tx, 10)?;
                assert_eq!(*x.read_ref(tx)?, 12);
                abort("inner")
            })?;
            assert_eq!(inner, Err("inner"));
            x.add(tx, 100)?;
            Ok((*at_first, *x.read_ref(tx)?))
        });
        assert_eq!((seen, x.load()), ((2, 102), 102));
    });
}

#[test]
fn a_decider_decides_on_sums_too() {
    watched("sums_decider", || {
        let x = TVar::new(1_i64);
        let decided = |decision: Decision<()>| {
            let mut decision = Some(decision);
            try_atomically(|tx| {
                x.add(tx, 1)?;
                let decision = decision.take().expect("nobody is in the way");
                tx.decide(|| decision)
            })
        };
        assert_eq!(decided(Decision::Abort(())), Err(()));
        assert_eq!(x.load(), 1);
        assert_eq!(decided(Decision::Commit), Ok(()));
        assert_eq!(x.load(), 2);
    });
}

/// What is taken from one is added to the other, by thousands of transactions; whoever looks finds as much as there was.
#[test]
fn nothing_is_lost_between_sums() {
    watched_alone("sums_transfers", || {
        let sums: [TVar<i64>; 3] = std::array::from_fn(|_| TVar::new(100));
        let rounds = if cfg!(debug_assertions) {
            3_000
        } else {
            20_000
        };
        let transfer = |id: usize, n: u64| {
            let from = (id + n as usize) % 3;
            atomically(|tx| {
                sums[from].add(tx, -1)?;
                sums[(from + 1) % 3].add(tx, 1)
            });
        };
        under_fire(2, transfer, || {
            for n in 0..rounds {
                let seen = match n % 2 {
                    0 => snapshot(|s| sums.iter().map(|x| x.read(s)).sum::<Stm<i64>>()),
                    _ => atomically(|tx| sums.iter().map(|x| x.read(tx)).sum::<Stm<i64>>()),
                };
                assert_eq!(seen, 300);
            }
        });
    });
}
