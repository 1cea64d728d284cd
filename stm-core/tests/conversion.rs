//! P3: a reader whose reads are out of date goes on as a snapshot, where it can do so truthfully, and nowhere else.

mod common;

use std::sync::Arc;

use common::decided::decided;
use common::fire::{Boxed, collect_until, elsewhere, tick};
use common::sight::a_conflict;
use common::{Value, wait_until, watched_alone};
use stm_core::diagnostics::{stats, waiting};
use stm_core::{Decision, Stm, TRecords, TVar, Tx, atomically, snapshot};

/// More than a transaction reads before it moves the clock instead of looking at every read again.
const CROWD: usize = 12;

fn write_both<V: Value>(tx: &mut Tx<'_>, pair: &[TVar<V>; 2], n: i64) -> Stm<()> {
    pair.iter().try_for_each(|v| v.write(tx, V::of(n)))
}

/// Reads a pair that is replaced in between, and gives the number of the attempt that came through.
fn read_across_commit<V: Value>() -> u32 {
    let pair = [TVar::new(V::of(0)), TVar::new(V::of(0))];
    atomically(|tx| {
        let left = pair[0].read(tx)?.n();
        if tx.attempt() == 1 {
            elsewhere(|| {
                tick();
                atomically(|tx| write_both(tx, &pair, 1));
            });
        }
        assert_eq!(left, pair[1].read(tx)?.n());
        Ok(tx.attempt())
    })
}

/// Boxed values: it reads on in the past. Inline ones have no past before somebody keeps it: it starts over, once.
#[test]
fn reader_converts() {
    watched_alone("reader_converts", || {
        assert_eq!(read_across_commit::<Boxed>(), 1);
        assert!(read_across_commit::<i64>() <= 2);
    });
}

/// Inline values are replaced in each attempt, for as long as it takes: the second attempt reads the past that is kept for it.
#[test]
fn reader_starts_over_once() {
    watched_alone("reader_starts_over_once", || {
        let pair = [TVar::new(0), TVar::new(0)];
        let attempts = atomically(|tx| {
            let left = pair[0].read(tx)?;
            elsewhere(|| {
                tick();
                atomically(|tx| write_both(tx, &pair, left + 1));
            });
            assert_eq!(left, pair[1].read(tx)?);
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 2);
    });
}

/// The same where the words of one record are read before and after, each by itself and several at once.
#[test]
fn reader_of_records_starts_over_once() {
    watched_alone("reader_of_records_starts_over_once", || {
        let records = TRecords::<3>::new(2);
        let attempts = atomically(|tx| {
            let [n, _, last] = records.read(tx, 0)?;
            elsewhere(|| {
                tick();
                let next = [n + 1, 2 * n + 2, 3 * n + 3];
                atomically(|tx| (0..2).try_for_each(|record| records.write(tx, record, next)));
            });
            assert_eq!(records.read(tx, 1)?, [n, 2 * n, 3 * n]);
            assert_eq!(records.read_word(tx, 1, 2)?, last);
            assert_eq!(records.read_words(tx, 0, 1)?, [2 * n, 3 * n]);
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 2);
    });
}

/// Records that are written before x is: they are seen, and x as it was then.
#[test]
fn reader_converts_over_records() {
    watched_alone("reader_converts_over_records", || {
        let (records, x) = (TRecords::<2>::new(3), TVar::new(Boxed::of(0)));
        let seen = atomically(|tx| {
            let before = x.read(tx)?.n();
            records.read(tx, 0)?;
            if tx.attempt() == 1 {
                elsewhere(|| {
                    atomically(|tx| records.write(tx, 1, [5, 6]));
                    tick();
                    x.store(Boxed::of(1));
                });
            }
            let newer = records.read(tx, 1)?;
            assert_eq!(x.read(tx)?.n(), before);
            assert_eq!(records.read_words(tx, 2, 0)?, [0, 0]);
            Ok((tx.attempt(), before, newer))
        });
        assert_eq!(seen, (1, 0, [5, 6]));
    });
}

/// Whoever reads in the past has it kept for as long as it reads, and no longer.
#[test]
fn no_past_is_kept_for_readers_that_are_over() {
    watched_alone("no_past_is_kept", || {
        let x = TVar::new(0);
        let kept = || {
            let before = stats();
            tick();
            x.store(1);
            stats().since(&before).history_nodes
        };
        assert_eq!(kept(), 0);
        let pair = [TVar::new(0), TVar::new(0)];
        let attempts = atomically(|tx| {
            let left = pair[0].read(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| {
                    tick();
                    atomically(|tx| write_both(tx, &pair, 1));
                });
            } else {
                assert_eq!(elsewhere(kept), 1, "while it reads");
            }
            pair[1].read(tx)?;
            Ok((tx.attempt(), left))
        });
        assert_eq!(attempts, (2, 1));
        assert_eq!(kept(), 0, "after a transaction that was a snapshot");
        snapshot(|s| x.read(s));
        assert_eq!(kept(), 0, "after a snapshot");
    });
}

/// A commit that was refused leaves everything as it was, so the reader that it kept may go on, at a moment after its begin. The
/// clock has to be there by then: other commits would still be of that moment, and the reader would see them behind its back.
#[test]
fn reader_converts_at_a_moment_that_has_come() {
    watched_alone("reader_converts_at_a_moment_that_has_come", || {
        let [x, y, z] = [0, 0, 0].map(|n| TVar::new(Boxed::of(n)));
        let conflict = a_conflict();
        let attempts = atomically(|tx| {
            // The first attempt of a call would not wait for the refusal where it is.
            if tx.attempt() == 1 {
                return Err(conflict);
            }
            let before = x.read(tx)?.n();
            elsewhere(|| y.store(Boxed::of(1)));
            let (undecided, is_undecided) = std::sync::mpsc::channel();
            std::thread::scope(|s| {
                let x = &x;
                s.spawn(move || {
                    let refused = decided(
                        |tx| Ok(x.write(tx, Boxed::of(7))?),
                        |()| {
                            undecided.send(()).expect("the reader waits");
                            wait_until(|| !waiting().is_empty());
                            Decision::Abort("no")
                        },
                    );
                    assert_eq!(refused, Err("no"));
                });
                is_undecided.recv().expect("it is asked");
                y.read(tx)
            })?;
            elsewhere(|| {
                atomically(|tx| {
                    x.write(tx, Boxed::of(1))?;
                    z.write(tx, Boxed::of(1))
                })
            });
            assert_eq!(before, z.read(tx)?.n());
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 2);
    });
}

/// What was replaced before the reader began may be gone by now, although it is as old as the reader's time.
#[test]
fn reader_converts_not_into_freed_past() {
    watched_alone("reader_converts_not_into_freed_past", || {
        let first = Arc::new(1);
        let gone = Arc::downgrade(&first);
        let var = TVar::new(first);
        let other = TVar::new(Boxed::of(0));
        // The clock stands: the second value is newer than whoever begins now, and was there before.
        var.store(Arc::new(2));
        collect_until(|| gone.strong_count() == 0);
        let seen = atomically(|tx| {
            other.read(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| other.store(Boxed::of(1)));
            }
            Ok(*var.read(tx)?)
        });
        assert_eq!(seen, 2);
    });
}

/// A read may be newer than the moment that most reads are known to be of. There is no going on at that moment then.
#[test]
fn reader_converts_not_behind_newest_read() {
    watched_alone("reader_converts_not_behind_newest_read", || {
        let pair = [TVar::new(Boxed::of(0)), TVar::new(Boxed::of(0))];
        let crowd: Vec<_> = (0..CROWD).map(|_| TVar::new(Boxed::of(0))).collect();
        let [early, late] = [0, 0].map(|n| TVar::new(Boxed::of(n)));
        atomically(|tx| {
            let first = tx.attempt() == 1;
            if first {
                elsewhere(|| {
                    early.store(Boxed::of(1));
                    tick();
                    atomically(|tx| write_both(tx, &pair, 1));
                });
            }
            // Newer than the clock was, and than it is.
            let left = pair[0].read(tx)?.n();
            crowd.iter().try_for_each(|v| v.read(tx).map(drop))?;
            // Newer than the clock was: makes this reader one of the time that the clock shows now.
            early.read(tx)?;
            if first {
                elsewhere(|| {
                    crowd[0].store(Boxed::of(1));
                    late.store(Boxed::of(1));
                });
            }
            // Makes it look at all its reads, of which one has been replaced.
            late.read(tx)?;
            assert_eq!(left, pair[1].read(tx)?.n());
            Ok(())
        });
    });
}
