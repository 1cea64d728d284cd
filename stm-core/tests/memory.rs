//! What the engine costs in heap, and that it gives everything back.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod counting;

use std::task::{Poll, Waker};

use common::fire::elsewhere;
use common::{Rng, Value, on_threads, poll, seed, watched_alone};
use stm_core::diagnostics::{collect_garbage, registered_waits};
use stm_core::{
    Abort, Stm, TRecords, TVar, Tx, abort, atomically, atomically_async, check, retry, snapshot,
    try_atomically,
};

/// What may remain allocated: half-filled bags of the collector, tables that have grown to their size.
const SLACK: isize = 32 << 10;

/// Heap in use when nothing is under way any more.
fn settled() -> isize {
    // Far more than the collector needs to get round.
    for _ in 0..1_000 {
        collect_garbage();
    }
    counting::in_use()
}

/// Bytes that `work` leaves behind when it is done for the second time: the first warms up.
fn growth(work: impl Fn()) -> isize {
    work();
    let before = settled();
    work();
    settled() - before
}

#[test]
fn a_word_variable_costs_at_most_48_bytes() {
    fn costs<T: Copy + Send + Sync + 'static>(value: T) -> isize {
        const MANY: usize = 1_000;
        let mut vars = Vec::with_capacity(MANY);
        let before = counting::balance_here();
        vars.extend((0..MANY).map(|_| TVar::new(value)));
        let cost = counting::balance_here() - before;
        drop(vars);
        cost / MANY as isize
    }

    watched_alone("a_word_variable_costs_at_most_48_bytes", || {
        let costs = [
            costs(7_u64),
            costs(7_i64),
            costs(7_usize),
            costs(7_u8),
            costs(7.0_f64),
            costs('7'),
            costs(true),
        ];
        assert!(
            costs.iter().all(|bytes| (1..=48).contains(bytes)),
            "{costs:?}"
        );

        // Handles cost none, and neither does writing such a variable.
        let var = TVar::new(0_u64);
        atomically(|tx| var.modify(tx, |n| n + 1)); // the thread's log has its room from here on
        let asked = counting::asked_here();
        let handle = var.clone();
        for _ in 0..100 {
            atomically(|tx| handle.modify(tx, |n| n + 1));
        }
        assert_eq!(counting::asked_here() - asked, 0, "bytes for 100 commits");
    });
}

#[test]
fn a_record_costs_a_block_and_its_words() {
    fn costs<const N: usize>() -> isize {
        const MANY: usize = 1_000;
        let before = counting::balance_here();
        let records = TRecords::<N>::new(MANY);
        let cost = counting::balance_here() - before;
        // The array itself has a cache line.
        assert_eq!((cost - 64) % records.len() as isize, 0);
        (cost - 64) / MANY as isize
    }

    watched_alone("a_record_costs_a_block_and_its_words", || {
        let block = if cfg!(feature = "history") { 48 } else { 32 };
        let costs = [costs::<2>(), costs::<3>(), costs::<4>(), costs::<64>()];
        assert_eq!(costs, [16, 32, 32, 512].map(|words| block + words));

        // To write words costs nothing that stays.
        let records = TRecords::<4>::new(2);
        let write = || {
            atomically(|tx| {
                records.write_word(tx, 0, 3, 1)?;
                records.write(tx, 1, [2; 4])
            });
        };
        write(); // the thread's log has its room from here on
        let before = counting::balance_here();
        (0..100).for_each(|_| write());
        let grown = counting::balance_here() - before;
        assert_eq!(grown, 0, "bytes for 100 commits");
    });
}

#[test]
fn records_are_given_back() {
    fn every_end(records: &TRecords<4>, n: u64) {
        let write = |record: usize| {
            atomically(|tx| {
                records.write_word(tx, record, n as usize % 4, n)?;
                tx.optionally(|tx| {
                    records.write(tx, record, [n; 4])?;
                    retry::<()>()
                })?;
                records.write_word(tx, record, 0, n)
            });
        };
        (0..records.len()).for_each(write);
        let failed = try_atomically(|tx| {
            records.write(tx, 7, [n; 4])?;
            abort::<(), _>("on purpose")
        });
        assert_eq!(failed, Err("on purpose"));
        // What is kept for the snapshot goes after it.
        snapshot(|s| {
            let before = records.read_word(s, 3, 0)?;
            elsewhere(|| write(3));
            assert_eq!(records.read_word(s, 3, 0)?, before);
            Ok(())
        });
        let mut cancelled = atomically_async(|tx| {
            records.read(tx, 5)?;
            retry::<()>()
        });
        assert_eq!(poll(&mut cancelled, Waker::noop()), Poll::Pending);
    }

    watched_alone("records_are_given_back", || {
        let grown = growth(|| {
            for n in 0..1_000 {
                every_end(&TRecords::new(20), n);
            }
        });
        assert_eq!(registered_waits(), 0);
        assert!(grown < SLACK, "{grown} bytes");
    });
}

/// Each way for a transaction to end, over a few variables.
fn every_end<T: Value>(vars: &[TVar<T>], rng: &mut Rng) {
    let (a, b) = rng.pair(vars.len());
    let (a, b) = (&vars[a], &vars[b]);
    let move_one = |tx: &mut Tx<'_>| -> Stm<()> {
        a.modify(tx, |value| T::of(value.n() - 1))?;
        b.update(tx, |value| *value = T::of(value.n() + 1))?;
        b.update(tx, |value| *value = T::of(value.n()))
    };
    match rng.below(8) {
        0 => a.store(T::of(1)),
        1 => drop(a.swap(T::of(2))),
        2 => {
            let held = snapshot(|s| Ok(a.read(s)?.n() + b.read_ref(s)?.n()));
            let read = atomically(|tx| Ok(a.read(tx)?.n() + b.read_ref(tx)?.n()));
            std::hint::black_box((held, read));
        }
        3 => {
            let failed = try_atomically(|tx| {
                move_one(tx)?;
                abort::<(), _>("on purpose")
            });
            assert_eq!(failed, Err("on purpose"));
        }
        4 => {
            let undone = atomically(|tx| {
                move_one(tx)?;
                let failed = tx.nested(|tx| {
                    move_one(tx)?;
                    abort::<(), _>("on purpose")
                })?;
                let retried = tx.optionally(|tx| {
                    move_one(tx)?;
                    retry::<()>()
                })?;
                Ok((failed, retried))
            });
            assert_eq!(undone, (Err("on purpose"), None));
        }
        5 => {
            let mut cancelled = atomically_async(|tx| {
                move_one(tx)?;
                retry::<()>()
            });
            assert_eq!(poll(&mut cancelled, Waker::noop()), Poll::Pending);
        }
        _ => atomically(move_one),
    }
}

#[test]
fn nothing_leaks() {
    const TRANSACTIONS: usize = 100_000;

    fn alone<T: Value>(seed: u64) {
        let grown = growth(|| {
            let mut rng = Rng::new(seed, 0);
            let vars: Vec<_> = (0..8).map(|_| TVar::new(T::of(0))).collect();
            (0..TRANSACTIONS).for_each(|_| every_end(&vars, &mut rng));
        });
        assert!(grown < SLACK, "{grown} bytes");
    }

    /// With conflicts, and with snapshots that live while others commit, so that history is kept.
    fn together<T: Value>(seed: u64) {
        let grown = growth(|| {
            let vars: Vec<_> = (0..8).map(|_| TVar::new(T::of(0))).collect();
            on_threads(3, |id| {
                let mut rng = Rng::new(seed, id);
                for _ in 0..TRANSACTIONS / 10 {
                    every_end(&vars, &mut rng);
                    if id == 0 {
                        let read = |var: &TVar<T>| snapshot(|s| var.read(s).map(|value| value.n()));
                        std::hint::black_box(vars.iter().map(read).max());
                    }
                }
            });
        });
        assert!(grown < SLACK, "{grown} bytes");
    }

    /// A wait that ends, again and again: over and by cancellation of its future.
    fn waits<T: Value>() {
        let grown = growth(|| {
            let var = TVar::new(T::of(0));
            for n in 1..=20_000 {
                let mut task = atomically_async(|tx| check(var.read(tx)?.n() == n));
                assert_eq!(poll(&mut task, Waker::noop()), Poll::Pending);
                if n % 2 == 0 {
                    var.store(T::of(n));
                    assert_eq!(poll(&mut task, Waker::noop()), Poll::Ready(()));
                }
            }
        });
        assert!(grown < SLACK, "{grown} bytes");
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("nothing_leaks", || {
        let seed = seed();
        alone::<i64>(seed);
        alone::<Box<i64>>(seed);
        together::<i64>(seed);
        together::<Box<i64>>(seed);
        waits::<i64>();
        waits::<Box<i64>>();
    });
}

#[test]
fn a_wait_that_is_over_costs_nothing() {
    fn bytes_for_100_commits(var: &TVar<i64>) -> usize {
        let asked = counting::asked_here();
        for _ in 0..100 {
            atomically(|tx| var.modify(tx, |n| n + 1));
        }
        counting::asked_here() - asked
    }

    watched_alone("a_wait_that_is_over_costs_nothing", || {
        let var = TVar::new(0);
        bytes_for_100_commits(&var); // makes room in the thread's log
        let mut woken = atomically_async(|tx| check(var.read(tx)? > 100));
        let mut cancelled = atomically_async(|tx| check(var.read(tx)? < 0));
        assert_eq!(poll(&mut woken, Waker::noop()), Poll::Pending);
        var.store(101);
        assert_eq!(poll(&mut woken, Waker::noop()), Poll::Ready(()));
        assert_eq!(bytes_for_100_commits(&var), 0, "after one that was woken");

        assert_eq!(poll(&mut cancelled, Waker::noop()), Poll::Pending);
        drop(cancelled);
        atomically(|tx| var.modify(tx, |n| n + 1)); // finds nobody
        assert_eq!(
            bytes_for_100_commits(&var),
            0,
            "after one that was cancelled"
        );
    });
}

#[test]
fn a_giant_log_is_given_back() {
    const GIANT: usize = 100_000;

    /// Heap that the transaction had in use, and what is left of it afterwards.
    fn run<T: Value>(
        vars: &[TVar<T>],
        end: fn(&mut Tx<'_>) -> Result<(), Abort<()>>,
    ) -> [isize; 2] {
        let before = settled();
        let mut during = 0;
        let _ = try_atomically(|tx| {
            for var in vars {
                var.modify(tx, |value| T::of(value.n() + 1))?;
            }
            during = counting::in_use() - before;
            end(tx)
        });
        small_ones();
        [during, settled() - before]
    }

    /// As many as it takes until it is clear that giant transactions are not the thread's habit.
    fn small_ones() {
        let small = TVar::new(0);
        for _ in 0..70 {
            atomically(|tx| small.read(tx));
        }
    }

    fn given_back<T: Value>() {
        let vars: Vec<_> = (0..GIANT).map(|_| TVar::new(T::of(0))).collect();
        for end in [|_: &mut Tx<'_>| Ok(()), |_: &mut Tx<'_>| abort(())] {
            let [during, after] = run(&vars, end);
            assert!(during > 1 << 20, "a giant indeed: {during} bytes");
            assert!(after < SLACK, "{after} of {during} bytes are left");
        }

        // Undone already when it ends, and never more than read.
        let before = settled();
        atomically(|tx| {
            tx.optionally(|tx| {
                for var in &vars {
                    var.modify(tx, |value| T::of(value.n() + 1))?;
                }
                retry::<()>()
            })
        });
        atomically(|tx| vars.iter().try_for_each(|var| var.read(tx).map(drop)));
        small_ones();
        let after = settled() - before;
        assert!(after < SLACK, "{after} bytes are left");
    }

    watched_alone("a_giant_log_is_given_back", || {
        given_back::<i64>();
        given_back::<Box<i64>>();
    });
}
