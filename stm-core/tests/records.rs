//! Records: words under one lock are one variable, records beside each other are many.
//!
//! What counts attempts runs alone, and so does what has threads contend: one of them may take priority, and others then give way.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

use common::fire::{elsewhere, panic_of, tick, under_fire};
use common::{Rng, Wakes, on_threads, poll, seed, wait_until, watched, watched_alone};
use stm_core::diagnostics::{collect_garbage, registered_waits};
use stm_core::{
    Decision, ReadTx, Stm, TRecords, TVar, Tx, abort, atomically, atomically_async, check, retry,
    snapshot, try_atomically,
};

#[test]
fn own_writes_are_seen_also_partly() {
    watched("own_writes_are_seen_also_partly", || {
        let records = TRecords::<4>::new(3);
        atomically(|tx| records.write(tx, 1, [1, 2, 3, 4]));
        atomically(|tx| {
            records.write_word(tx, 1, 2, 30)?;
            assert_eq!(records.read_word(tx, 1, 2)?, 30);
            assert_eq!(records.read_word(tx, 1, 3)?, 4);
            assert_eq!(records.read(tx, 1)?, [1, 2, 30, 4]);
            records.write_words(tx, 1, 2, [31, 41])?;
            assert_eq!(records.read_words(tx, 1, 1)?, [2, 31, 41]);
            records.write(tx, 1, [9; 4])?;
            assert_eq!(records.read(tx, 1)?, [9; 4]);
            assert_eq!(records.read(tx, 0)?, [0; 4], "its neighbour");
            records.write_word(tx, 1, 0, 10)
        });
        assert_eq!(snapshot(|s| records.read(s, 1)), [10, 9, 9, 9]);
        assert_eq!(snapshot(|s| records.read(s, 0)), [0; 4]);
        assert_eq!(snapshot(|s| records.read(s, 2)), [0; 4]);
    });
}

#[test]
fn what_is_undone_leaves_the_words_as_they_were() {
    watched("what_is_undone_leaves_the_words_as_they_were", || {
        let records = TRecords::<3>::new(2);
        atomically(|tx| records.write(tx, 0, [1, 2, 3]));
        let other_branch = |tx: &mut Tx<'_>| {
            tx.or_else(
                |tx| {
                    records.write_word(tx, 0, 1, 20)?;
                    records.write(tx, 1, [7; 3])?;
                    retry()
                },
                |tx| records.read(tx, 0),
            )
        };
        let failed_inner = |tx: &mut Tx<'_>| {
            let failed = tx.nested(|tx| {
                records.write_word(tx, 0, 1, 20)?;
                assert_eq!(records.read_word(tx, 0, 1)?, 20);
                records.write(tx, 0, [5; 3])?;
                abort::<(), _>(())
            })?;
            assert_eq!(failed, Err(()));
            Ok(())
        };
        // Where nothing was pending, and where some words were.
        atomically(|tx| {
            assert_eq!(other_branch(tx)?, [1, 2, 3]);
            failed_inner(tx)?;
            assert_eq!(records.read(tx, 0)?, [1, 2, 3]);
            records.write_word(tx, 0, 2, 30)?;
            assert_eq!(other_branch(tx)?, [1, 2, 30]);
            failed_inner(tx)?;
            assert_eq!(records.read(tx, 0)?, [1, 2, 30]);
            // What is kept of an inner one adds to what there was.
            let kept: Result<(), ()> = tx.nested(|tx| Ok(records.write_word(tx, 0, 0, 10)?))?;
            assert_eq!(kept, Ok(()));
            assert_eq!(records.read(tx, 0)?, [10, 2, 30]);
            Ok(())
        });
        assert_eq!(snapshot(|s| records.read(s, 0)), [10, 2, 30]);
        assert_eq!(snapshot(|s| records.read(s, 1)), [0; 3]);
        let aborted = try_atomically(|tx| {
            records.write(tx, 0, [8; 3])?;
            abort::<(), _>("on purpose")
        });
        assert_eq!(aborted, Err("on purpose"));
        assert_eq!(snapshot(|s| records.read(s, 0)), [10, 2, 30]);
    });
}

#[test]
fn a_record_is_written_whole_or_word_by_word() {
    watched("a_record_is_written_whole_or_word_by_word", || {
        let records = TRecords::<5>::new(3);
        atomically(|tx| (0..3).try_for_each(|record| records.write(tx, record, [1; 5])));
        let words = [5, 4, 3, 2, 1];
        atomically(|tx| {
            records.write(tx, 0, words)?;
            for word in [3, 0, 4, 2, 1] {
                records.write_word(tx, 1, word, words[word])?;
            }
            records.write_words(tx, 2, 0, [5, 4, 7, 7])?;
            records.write_words(tx, 2, 2, [3, 2, 1])
        });
        let all = snapshot(|s| (0..3).map(|record| records.read(s, record)).collect());
        let all: Vec<[u64; 5]> = all;
        assert_eq!(all, [words; 3]);
    });
}

fn each_word_has_a_place<const N: usize>() {
    const LEN: usize = 5;
    let records = TRecords::<N>::new(LEN);
    let n = |record: usize, word: usize| (1 + record * N + word) as u64;
    for record in 0..LEN {
        for word in 0..N {
            atomically(|tx| records.write_word(tx, record, word, n(record, word)));
        }
    }
    for record in 0..LEN {
        let whole = std::array::from_fn(|word| n(record, word));
        assert_eq!(snapshot(|s| records.read(s, record)), whole);
        assert_eq!(atomically(|tx| records.read(tx, record)), whole);
        for (word, &n) in whole.iter().enumerate() {
            assert_eq!(snapshot(|s| records.read_word(s, record, word)), n);
            assert_eq!(atomically(|tx| records.read_word(tx, record, word)), n);
        }
        let others = whole.map(|n| !n);
        atomically(|tx| records.write(tx, record, others));
        assert_eq!(snapshot(|s| records.read(s, record)), others);
    }
}

#[test]
fn each_word_of_each_record_has_a_place_of_its_own() {
    watched("each_word_of_each_record_has_a_place_of_its_own", || {
        each_word_has_a_place::<1>();
        each_word_has_a_place::<2>();
        each_word_has_a_place::<3>();
        each_word_has_a_place::<31>();
        each_word_has_a_place::<63>();
        each_word_has_a_place::<64>();
    });
}

/// Several words that say the same in different ways, and a sum over all records.
struct Ledger {
    records: TRecords<WORDS>,
    seed: u64,
}

const WORDS: usize = 6;
const LEN: usize = 8;
const EACH: u64 = 1_000;

const INVERSE_OF_3: u64 = 0xAAAA_AAAA_AAAA_AAAB;

/// What a record holds that stands for `n`.
fn derived(n: u64) -> [u64; WORDS] {
    std::array::from_fn(|word| n.wrapping_mul(word as u64 + 1) ^ word as u64)
}

impl Ledger {
    fn new() -> Self {
        let records = TRecords::new(LEN);
        atomically(|tx| (0..LEN).try_for_each(|at| records.write(tx, at, derived(EACH))));
        let seed = seed();
        Self { records, seed }
    }

    /// Moves something between two records, whose words it writes at once or in parts.
    fn transfer(&self, writer: usize, round: u64) {
        let mut rng = Rng::new(self.seed ^ round, writer);
        let (from, to) = rng.pair(LEN);
        let amount = rng.below(10) as u64;
        let in_parts = rng.below(2) == 0;
        atomically(|tx| {
            let (a, b) = (self.read(tx, from)?, self.read(tx, to)?);
            self.write(tx, from, a.wrapping_sub(amount), in_parts)?;
            self.write(tx, to, b.wrapping_add(amount), in_parts)
        });
    }

    fn write(&self, tx: &mut Tx<'_>, record: usize, n: u64, in_parts: bool) -> Stm<()> {
        let words = derived(n);
        if !in_parts {
            return self.records.write(tx, record, words);
        }
        let [first, middle @ .., last] = words;
        self.records.write_word(tx, record, WORDS - 1, last)?;
        self.records.write_words(tx, record, 1, middle)?;
        assert_eq!(self.records.read_words(tx, record, 1)?, middle);
        self.records.write_word(tx, record, 0, first)
    }

    /// All at once.
    fn read(&self, tx: &mut impl ReadTx, record: usize) -> Stm<u64> {
        let words = self.records.read(tx, record)?;
        assert_eq!(words, derived(words[0]), "torn");
        Ok(words[0])
    }

    /// One word after the other, each by a look of its own.
    fn read_in_parts(&self, tx: &mut impl ReadTx, record: usize) -> Stm<u64> {
        let last = self.records.read_word(tx, record, WORDS - 1)?;
        std::thread::yield_now();
        let n = self.records.read_word(tx, record, 0)?;
        assert_eq!(last, derived(n)[WORDS - 1], "torn");
        let middle: [u64; 3] = self.records.read_words(tx, record, 2)?;
        assert_eq!(middle, derived(n)[2..5], "torn");
        Ok(n)
    }

    /// Every body must find this, also one whose attempt is thrown away.
    fn audit(&self, tx: &mut impl ReadTx) -> Stm<()> {
        let mut sum = 0_u64;
        for record in 0..LEN {
            sum = sum.wrapping_add(match record % 2 {
                0 => self.read(tx, record)?,
                _ => self.read_in_parts(tx, record)?,
            });
        }
        assert_eq!(sum, LEN as u64 * EACH);
        Ok(())
    }
}

#[test]
fn words_are_never_torn() {
    watched_alone("words_are_never_torn", || {
        let ledger = Ledger::new();
        let rounds = if cfg!(debug_assertions) { 100 } else { 1_000 };
        under_fire(
            2,
            |writer, round| ledger.transfer(writer, round),
            || {
                on_threads(2, |_| {
                    for round in 0..rounds {
                        atomically(|tx| ledger.audit(tx));
                        snapshot(|s| ledger.audit(s));
                        // Some words of its own, the others as they were published: of one moment all the same.
                        let undone = try_atomically(|tx| {
                            let own = round as u64;
                            ledger.records.write_words(tx, 0, 0, [own, own])?;
                            let words = ledger.records.read(tx, 0)?;
                            let n = (words[2] ^ 2).wrapping_mul(INVERSE_OF_3);
                            assert_eq!(words[..2], [own; 2]);
                            assert_eq!(words[2..], derived(n)[2..], "torn");
                            abort::<(), _>(())
                        });
                        assert_eq!(undone, Err(()));
                    }
                })
            },
        );
        atomically(|tx| ledger.audit(tx));
    });
}

/// Reads what was written `back` commits ago, by each way to read.
fn old_words(back: u64) {
    let records = TRecords::<3>::new(2);
    let write = |n: u64| {
        atomically(|tx| {
            records.write(tx, 0, [n, 2 * n, 3 * n])?;
            records.write_word(tx, 1, 1, n)
        });
    };
    write(1);
    snapshot(|s| {
        elsewhere(|| {
            for n in 2..2 + back {
                // Some commits repeat a version, some do not.
                if n % 2 == 0 {
                    tick();
                }
                write(n);
            }
        });
        assert_eq!(records.read(s, 0)?, [1, 2, 3]);
        assert_eq!(records.read(s, 1)?, [0, 1, 0]);
        for word in [2, 0, 1] {
            assert_eq!(records.read_word(s, 0, word)?, word as u64 + 1);
        }
        elsewhere(|| write(100));
        assert_eq!(records.read_words(s, 0, 1)?, [2, 3]);
        Ok(())
    });
    assert_eq!(snapshot(|s| records.read(s, 0)), [100, 200, 300]);
}

#[test]
fn a_snapshot_reads_words_of_its_moment() {
    watched("a_snapshot_reads_words_of_its_moment", || {
        (0..8).for_each(old_words);
    });
}

/// Half of its words were read before somebody wrote, half after.
#[test]
fn a_snapshot_between_two_commits_to_one_record() {
    watched("a_snapshot_between_two_commits_to_one_record", || {
        let records = TRecords::<2>::new(1);
        for n in 1..100 {
            snapshot(|s| {
                let first = records.read_word(s, 0, 0)?;
                elsewhere(|| atomically(|tx| records.write(tx, 0, [n, n])));
                assert_eq!((first, records.read_word(s, 0, 1)?), (n - 1, n - 1));
                Ok(())
            });
        }
    });
}

/// Q3: the clock stands still between them, so all but the first replace a record of their own version.
#[test]
fn a_snapshot_undoes_commits_of_one_version() {
    watched("a_snapshot_undoes_commits_of_one_version", || {
        let records = TRecords::<3>::new(1);
        for n in 1..50 {
            snapshot(|s| {
                elsewhere(|| {
                    (0..3).for_each(|word| atomically(|tx| records.write_word(tx, 0, word, n)))
                });
                assert_eq!(records.read(s, 0)?, [n - 1; 3]);
                Ok(())
            });
            assert_eq!(snapshot(|s| records.read(s, 0)), [n; 3]);
        }
    });
}

#[test]
fn a_wait_ends_when_any_word_is_written() {
    watched_alone("a_wait_ends_when_any_word_is_written", || {
        for written in 0..4 {
            let records = TRecords::<4>::new(3);
            let mut task = Box::pin(atomically_async(|tx| {
                check(records.read_word(tx, 1, 2)? > 0)?;
                records.read(tx, 1)
            }));
            let (wakes, waker) = Wakes::new();
            assert!(poll(&mut task, &waker).is_pending());
            assert_eq!(registered_waits(), 1, "a record is one variable");
            atomically(|tx| {
                records.write(tx, 0, [1; 4])?;
                records.write(tx, 2, [1; 4])
            });
            assert_eq!(wakes.count(), 0, "its neighbours");
            atomically(|tx| records.write_word(tx, 1, written, 1));
            assert_eq!(wakes.count(), 1, "word {written}");
            assert_eq!(poll(&mut task, &waker).is_ready(), written == 2);
        }
    });
}

#[test]
fn a_sleeper_is_woken_by_a_record() {
    watched_alone("a_sleeper_is_woken_by_a_record", || {
        let records = TRecords::<2>::new(1);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                atomically(|tx| {
                    let [ready, answer] = records.read(tx, 0)?;
                    check(ready == 1)?;
                    Ok(answer)
                })
            });
            wait_until(|| registered_waits() > 0);
            atomically(|tx| records.write(tx, 0, [1, 42]));
            assert_eq!(sleeper.join().expect("it ends"), 42);
        });
    });
}

/// How many attempts it takes to run `body`, while `rival` gets a commit in at the first.
fn attempts(
    body: impl Fn(&mut Tx<'_>) -> Stm<()>,
    rival: impl Fn(&mut Tx<'_>) -> Stm<()> + Sync,
) -> u32 {
    atomically(|tx| {
        body(tx)?;
        if tx.attempt() == 1 {
            elsewhere(|| atomically(|tx| rival(tx)));
        }
        Ok(tx.attempt())
    })
}

#[test]
fn records_conflict_with_themselves_only() {
    watched_alone("records_conflict_with_themselves_only", || {
        let records = TRecords::<3>::new(9);
        let increment = |record: usize, word: usize| {
            let records = &records;
            move |tx: &mut Tx<'_>| {
                let n = records.read_word(tx, record, word)?;
                records.write_word(tx, record, word, n + 1)
            }
        };
        for other in (0..9).filter(|&other| other != 4) {
            assert_eq!(attempts(increment(4, 1), increment(other, 1)), 1, "{other}");
        }
        for word in 0..3 {
            assert_eq!(attempts(increment(4, 1), increment(4, word)), 2, "{word}");
        }
        let [a, b, c] = snapshot(|s| records.read(s, 4));
        assert_eq!((a, b, c), (1, 12, 1));
    });
}

#[test]
fn blind_writes_do_not_conflict() {
    watched_alone("blind_writes_do_not_conflict", || {
        let records = TRecords::<3>::new(1);
        let write = |word: usize, n: u64| {
            let records = &records;
            move |tx: &mut Tx<'_>| records.write_word(tx, 0, word, n)
        };
        assert_eq!(attempts(write(0, 1), write(1, 2)), 1);
        assert_eq!(snapshot(|s| records.read(s, 0)), [1, 2, 0]);
        // The later commit has the last word, where both wrote.
        assert_eq!(attempts(write(0, 3), write(0, 4)), 1);
        assert_eq!(snapshot(|s| records.read(s, 0)), [3, 2, 0]);
        // Reading a word of its own is no read.
        let body = |tx: &mut Tx<'_>| {
            records.write_word(tx, 0, 2, 5)?;
            assert_eq!(records.read_word(tx, 0, 2)?, 5);
            Ok(())
        };
        assert_eq!(attempts(body, write(0, 6)), 1);
        // Reading another is one.
        let body = |tx: &mut Tx<'_>| {
            records.write_word(tx, 0, 2, 5)?;
            records.read_word(tx, 0, 1).map(drop)
        };
        assert_eq!(attempts(body, write(0, 7)), 2);
    });
}

#[test]
fn increments_of_different_words_are_all_there() {
    const ROUNDS: u64 = 2_000;

    watched_alone("increments_of_different_words_are_all_there", || {
        let records = TRecords::<3>::new(1);
        on_threads(3, |word| {
            for _ in 0..ROUNDS {
                atomically(|tx| {
                    let n = records.read_word(tx, 0, word)?;
                    records.write_word(tx, 0, word, n + 1)
                });
            }
        });
        assert_eq!(snapshot(|s| records.read(s, 0)), [ROUNDS; 3]);
    });
}

#[test]
fn a_decider_commits_records_or_not() {
    watched("a_decider_commits_records_or_not", || {
        let records = TRecords::<2>::new(2);
        let decided = |n: u64, decision: Decision<u64>| {
            try_atomically(|tx| {
                let [_, before] = records.read(tx, 1)?;
                records.write_word(tx, 0, 1, n + before)?;
                tx.decide(|| decision)
            })
        };
        assert_eq!(decided(1, Decision::Commit), Ok(()));
        assert_eq!(decided(2, Decision::Abort(7)), Err(7));
        assert_eq!(snapshot(|s| records.read(s, 0)), [0, 1]);
    });
}

#[test]
fn snapshots_do_not_write_records() {
    watched("snapshots_do_not_write_records", || {
        let records = TRecords::<2>::new(2);
        // One that fails as a reader is a snapshot when it runs again, and writes then.
        let attempts = atomically(|tx| {
            let [n, _] = records.read(tx, 0)?;
            if tx.attempt() == 1 {
                elsewhere(|| {
                    tick();
                    atomically(|tx| {
                        records.write_word(tx, 0, 0, n + 1)?;
                        records.write_word(tx, 1, 0, n + 1)
                    });
                });
            }
            assert_eq!(records.read_word(tx, 1, 0)?, n);
            records.write(tx, 1, [n, 5])?;
            Ok(tx.attempt())
        });
        assert!(attempts > 1);
        assert_eq!(snapshot(|s| records.read(s, 1)), [1, 5]);
    });
}

/// All that a transaction needs of records it may see; their memory is there as long.
#[test]
fn a_transaction_may_be_the_last_to_see_its_records() {
    watched("a_transaction_may_be_the_last_to_see_its_records", || {
        let sum = TVar::new(0_u64);
        for n in 1..=300 {
            atomically(|tx| {
                let records = TRecords::<4>::new(50);
                for record in 0..50 {
                    records.write_word(tx, record, 3, n)?;
                    sum.modify(tx, |sum| sum + n)?;
                }
                let kept = records.read(tx, 49)?;
                drop(records);
                elsewhere(collect_garbage);
                assert_eq!(kept, [0, 0, 0, n]);
                Ok(())
            });
            collect_garbage();
        }
        assert_eq!(sum.load(), 50 * (1..=300).sum::<u64>());
    });
}

/// A wait keeps what it waits for, also where the body has let go of it.
#[test]
fn a_wait_keeps_its_records() {
    watched_alone("a_wait_keeps_its_records", || {
        let records = TRecords::<2>::new(3);
        let mut held = Some(records.clone());
        let mut task = Box::pin(atomically_async(move |tx| match held.take() {
            None => Ok(()),
            Some(records) => check(records.read_word(tx, 2, 0)? > 0),
        }));
        let (wakes, waker) = Wakes::new();
        assert!(poll(&mut task, &waker).is_pending());
        atomically(|tx| records.write_word(tx, 2, 1, 1));
        assert_eq!(wakes.count(), 1);
        // Only the wait has a handle now, to one record in the middle of all.
        drop(records);
        (0..100).for_each(|_| collect_garbage());
        assert!(poll(&mut task, &waker).is_ready());
        assert_eq!(registered_waits(), 0);
    });
}

#[test]
fn nothing_can_be_waited_for_in_records_without_a_handle() {
    watched_alone(
        "nothing_can_be_waited_for_in_records_without_a_handle",
        || {
            let message = panic_of(|| {
                atomically(|tx| {
                    let records = TRecords::<2>::new(3);
                    records.read(tx, 1)?;
                    drop(records);
                    retry::<()>()
                });
            });
            assert!(message.contains("retry"), "{message}");
        },
    );
}

#[test]
fn many_records_in_one_transaction() {
    const MANY: usize = 5_000;

    watched("many_records_in_one_transaction", || {
        let records = TRecords::<3>::new(MANY);
        let n = |record: usize| record as u64 + 1;
        let all = |tx: &mut Tx<'_>| {
            (0..MANY).try_for_each(|record| records.write_word(tx, record, 0, n(record)))
        };
        let aborted = try_atomically(|tx| {
            all(tx)?;
            abort::<(), _>(())
        });
        assert_eq!(aborted, Err(()));
        atomically(|tx| {
            all(tx)?;
            let failed = tx.nested(|tx| {
                (0..MANY).try_for_each(|record| records.write(tx, record, [9; 3]))?;
                assert_eq!(records.read(tx, MANY / 2)?, [9; 3]);
                abort::<(), _>(())
            })?;
            assert_eq!(failed, Err(()));
            (0..MANY).try_for_each(|record| records.write_word(tx, record, 2, 7 * n(record)))?;
            (0..MANY).try_for_each(|record| {
                assert_eq!(records.read(tx, record)?, [n(record), 0, 7 * n(record)]);
                Ok(())
            })
        });
        snapshot(|s| {
            // They are all overwritten while it reads.
            elsewhere(|| {
                atomically(|tx| (0..MANY).try_for_each(|at| records.write(tx, at, [8; 3])))
            });
            (0..MANY).try_for_each(|record| {
                assert_eq!(records.read(s, record)?, [n(record), 0, 7 * n(record)]);
                Ok(())
            })
        });
        assert_eq!(snapshot(|s| records.read(s, MANY - 1)), [8; 3]);
    });
}

#[test]
fn a_wrong_index_is_told() {
    watched("a_wrong_index_is_told", || {
        let records = TRecords::<3>::new(5);
        let told = |f: fn(&mut Tx<'_>, &TRecords<3>) -> Stm<()>| {
            panic_of(|| atomically(|tx| f(tx, &records)))
        };
        let no_record = "there is no record 5, only 5 in all";
        assert_eq!(told(|tx, r| r.read(tx, 5).map(drop)), no_record);
        assert_eq!(told(|tx, r| r.read_word(tx, 5, 0).map(drop)), no_record);
        assert_eq!(told(|tx, r| r.write(tx, 5, [0; 3])), no_record);
        assert_eq!(told(|tx, r| r.write_word(tx, 5, 0, 1)), no_record);
        let no_word = "a record of 3 words has no 1 from index 3 on";
        assert_eq!(told(|tx, r| r.read_word(tx, 4, 3).map(drop)), no_word);
        assert_eq!(told(|tx, r| r.write_word(tx, 4, 3, 1)), no_word);
        let no_words = "a record of 3 words has no 2 from index 2 on";
        assert_eq!(told(|tx, r| r.write_words(tx, 4, 2, [1, 2])), no_words);
        let beyond = told(|tx, r| r.read_words::<2, _>(tx, 4, usize::MAX).map(drop));
        assert!(beyond.contains("no 2 from index"), "{beyond}");
        assert_eq!(
            snapshot(|s| records.read(s, 4)),
            [0; 3],
            "nothing has happened"
        );
        let empty = TRecords::<1>::new(0);
        assert!(empty.is_empty());
        let none = panic_of(|| snapshot(|s| empty.read(s, 0)));
        assert_eq!(none, "there is no record 0, only 0 in all");
    });
}

/// Also where a layout would fit the address space, but not the way back from a record to its head.
#[test]
fn too_many_records_are_told() {
    watched("too_many_records_are_told", || {
        // With 48 bytes each, or 64 where a block is larger, the last are more than half of all that a layout may have.
        for len in [usize::MAX, usize::MAX / 48, 3 << (usize::BITS - 9)] {
            let message = panic_of(|| TRecords::<2>::new(len));
            let expected = format!("{len} records of 2 words are more than memory can hold");
            assert_eq!(message, expected);
        }
    });
}

#[test]
fn a_handle_says_which_records_it_leads_to() {
    watched("a_handle_says_which_records_it_leads_to", || {
        let (records, others) = (TRecords::<2>::new(7), TRecords::<2>::new(7));
        let shown = format!("{records:?}");
        assert_eq!(shown, format!("{:?}", records.clone()));
        assert_ne!(shown, format!("{others:?}"));
        assert!(shown.starts_with("TRecords { at: 0x"), "{shown}");
        assert!(shown.ends_with("len: 7 }"), "{shown}");
    });
}

/// A handle can go where a `TVar` can.
const _: () = {
    const fn goes_everywhere<T: Clone + Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}
    goes_everywhere::<TRecords<3>>();
};

/// Handles of all threads lead to one array, and it goes with the last.
#[test]
fn handles_come_and_go_on_all_threads() {
    watched_alone("handles_come_and_go_on_all_threads", || {
        let total = AtomicU64::new(0);
        for _ in 0..50 {
            let mut handles: Vec<_> = {
                let records = TRecords::<2>::new(4);
                (0..3).map(|_| records.clone()).collect()
            };
            std::thread::scope(|scope| {
                for (at, records) in handles.drain(..).enumerate() {
                    let total = &total;
                    scope.spawn(move || {
                        for _ in 0..20 {
                            let again = records.clone();
                            atomically(|tx| {
                                let n = again.read_word(tx, 3, 0)?;
                                again.write_word(tx, at, 1, n)?;
                                again.write_word(tx, 3, 0, n + 1)
                            });
                        }
                        let n = snapshot(|s| records.read_word(s, 3, 0));
                        total.fetch_max(n, Ordering::Relaxed);
                    });
                }
            });
        }
        assert_eq!(total.into_inner(), 60);
    });
}
