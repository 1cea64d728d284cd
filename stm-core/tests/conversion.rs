//! P3: a reader whose reads are out of date goes on as a snapshot, where it can do so truthfully, and nowhere else.

mod common;

use std::sync::Arc;

use common::fire::{Boxed, collect_until, elsewhere, tick};
use common::{Value, watched_alone};
use stm_core::{Stm, TVar, Tx, atomically};

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
