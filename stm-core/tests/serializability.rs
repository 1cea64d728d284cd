//! P2, strict serializability of what commits: as if one after the other, in an order that respects real time.

mod common;

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use common::fire::{Boxed, stumble, under_fire};
use common::{Rng, Value, on_threads, seed, watched};
use stm_core::{ReadTx, Stm, TVar, Tx, abort, atomically, check, retry, snapshot, try_atomically};

/// Two doctors, one of whom must be on call. Each reads both and writes its own: a commit that checked only what it
/// writes would let both leave.
fn doctors<V: Value>(seed: u64) {
    let on_call = [TVar::new(V::of(1)), TVar::new(V::of(1))];
    let count =
        |tx: &mut Tx<'_>| -> Stm<i64> { Ok(on_call[0].read(tx)?.n() + on_call[1].read(tx)?.n()) };
    on_threads(2, |me| {
        let mut rng = Rng::new(seed, me);
        for _ in 0..20_000 {
            atomically(|tx| {
                let present = count(tx)?;
                assert!(present >= 1, "nobody is on call");
                stumble(&mut rng, 32);
                if present == 2 {
                    on_call[me].write(tx, V::of(0))?;
                }
                Ok(())
            });
            atomically(|tx| {
                assert!(count(tx)? >= 1, "nobody is on call");
                on_call[me].write(tx, V::of(1))
            });
        }
    });
}

#[test]
fn write_skew() {
    watched("write_skew", || {
        let seed = seed();
        doctors::<i64>(seed);
        doctors::<Boxed>(seed);
    });
}

fn increments<V: Value>(seed: u64) {
    const THREADS: usize = 4;
    const EACH: i64 = 8_000;
    let sum = TVar::new(V::of(0));
    on_threads(THREADS, |id| {
        let mut rng = Rng::new(seed, id);
        for n in 0..EACH {
            match n % 4 {
                0 => atomically(|tx| sum.modify(tx, |n| V::of(n.n() + 1))),
                1 => atomically(|tx| sum.update(tx, |n| *n = V::of(n.n() + 1))),
                2 => atomically(|tx| {
                    let old = sum.read(tx)?.n();
                    stumble(&mut rng, 32);
                    sum.write(tx, V::of(old + 1))
                }),
                _ => atomically(|tx| {
                    let old = sum.replace(tx, V::of(-1))?.n();
                    sum.write(tx, V::of(old + 1))
                }),
            }
        }
    });
    assert_eq!(sum.load().n(), THREADS as i64 * EACH);
}

#[test]
fn lost_update() {
    watched("lost_update", || {
        let seed = seed();
        increments::<i64>(seed);
        increments::<Boxed>(seed);
    });
}

/// What one committed transaction of the flipper did.
struct Flip {
    /// Its place in the order of commits, read and written in the same transaction.
    turn: i64,
    cells: Vec<usize>,
    found: Vec<i64>,
}

/// A function of all that was found: not one read may be out of date, nor two flips change places.
fn flipped(turn: i64, cell: usize, found: &[i64]) -> i64 {
    found.iter().fold(turn ^ cell as i64, |h, n| {
        h.wrapping_mul(31).wrapping_add(*n)
    })
}

/// Threads flip random cells at once; the same flips one after the other, in the order of commits, must find and leave
/// the same.
#[test]
fn flipper() {
    const CELLS: usize = 16;
    const EACH: usize = 3_000;

    watched("flipper", || {
        let seed = seed();
        // Half the cells in place, half boxed.
        let words: Vec<_> = (0..CELLS / 2).map(|_| TVar::new(0i64)).collect();
        let boxes: Vec<_> = (0..CELLS / 2).map(|_| TVar::new(Boxed::of(0))).collect();
        let turns = TVar::new(0i64);
        let get = |tx: &mut Tx<'_>, cell: usize| match cell % 2 {
            0 => words[cell / 2].read(tx),
            _ => boxes[cell / 2].read(tx).map(|b| b.n()),
        };
        let put = |tx: &mut Tx<'_>, cell: usize, n: i64| match cell % 2 {
            0 => words[cell / 2].write(tx, n),
            _ => boxes[cell / 2].write(tx, Boxed::of(n)),
        };

        let flip = |rng: &mut Rng| {
            let mut cells: Vec<_> = (0..1 + rng.below(5)).map(|_| rng.below(CELLS)).collect();
            cells.sort_unstable();
            cells.dedup();
            let (turn, found) = atomically(|tx| {
                let found = cells.iter().map(|&c| get(tx, c)).collect::<Stm<Vec<_>>>()?;
                stumble(rng, 32);
                // Last, so that the cells are what most conflicts are over.
                let turn = turns.read(tx)?;
                stumble(rng, 32);
                turns.write(tx, turn + 1)?;
                for &cell in &cells {
                    put(tx, cell, flipped(turn, cell, &found))?;
                }
                Ok((turn, found))
            });
            Flip { turn, cells, found }
        };
        let mut flips: Vec<_> = on_threads(4, |id| {
            let mut rng = Rng::new(seed, id);
            (0..EACH).map(|_| flip(&mut rng)).collect::<Vec<_>>()
        })
        .into_iter()
        .flatten()
        .collect();

        flips.sort_by_key(|f| f.turn);
        let mut replay = [0; CELLS];
        for (turn, flip) in flips.iter().enumerate() {
            assert_eq!(flip.turn, turn as i64, "each turn is taken once");
            let found: Vec<_> = flip.cells.iter().map(|&c| replay[c]).collect();
            assert_eq!(flip.found, found, "turn {turn}");
            for &cell in &flip.cells {
                replay[cell] = flipped(flip.turn, cell, &found);
            }
        }
        for (cell, n) in replay.into_iter().enumerate() {
            assert_eq!(atomically(|tx| get(tx, cell)), n, "cell {cell}");
        }
    });
}

/// Each thread waits for the token, counts and hands it on. Who misses a wake-up stops them all.
#[test]
fn token_ring() {
    const THREADS: usize = 4;
    const LAPS: u64 = 500;

    watched("token_ring", || {
        let slots: Vec<TVar<Option<u64>>> = (0..THREADS).map(|_| TVar::new(None)).collect();
        let holder = TVar::new(0usize);
        slots[0].store(Some(0));
        on_threads(THREADS, |me| {
            let next = (me + 1) % THREADS;
            for lap in 0..LAPS {
                // Boxed: from slot to slot.
                let token = atomically(|tx| match slots[me].replace(tx, None)? {
                    Some(token) => {
                        slots[next].write(tx, Some(token + 1))?;
                        Ok(token)
                    }
                    None => retry(),
                });
                assert_eq!(token, lap * THREADS as u64 + me as u64);
            }
            for _ in 0..LAPS {
                // Inline: by name.
                atomically(|tx| {
                    check(holder.read(tx)? == me)?;
                    holder.write(tx, next)
                });
            }
        });
        assert_eq!(slots[0].load(), Some(LAPS * THREADS as u64));
        assert_eq!(holder.load(), 0);
    });
}

/// Swaps lose no number and make none: between the cells by transactions, and with a number in each thread's hand by
/// [`TVar::swap`].
#[test]
fn swap() {
    const CELLS: usize = 24;
    const HANDS: usize = 2;

    fn expect_no_doubles(numbers: impl IntoIterator<Item = i64>) {
        let mut seen = [false; CELLS + HANDS];
        for n in numbers {
            assert!(!seen[n as usize], "{n} is there twice");
            seen[n as usize] = true;
        }
    }

    fn look<V: Value>(tx: &mut impl ReadTx, cells: &[TVar<V>]) -> Stm<Vec<i64>> {
        cells.iter().map(|c| Ok(c.read(tx)?.n())).collect()
    }

    fn swaps<V: Value>(seed: u64) {
        let cells: Vec<_> = (0..CELLS).map(|n| TVar::new(V::of(n as i64))).collect();
        let shuffle = |id: usize, round: u64| {
            let mut rng = Rng::new(seed ^ round, id);
            let (a, b) = rng.pair(CELLS);
            atomically(|tx| {
                let old = cells[a].read(tx)?;
                stumble(&mut rng, 16);
                let old = cells[b].replace(tx, old)?;
                cells[a].write(tx, old)
            });
        };
        let in_hands = under_fire(2, shuffle, || {
            on_threads(HANDS, |id| {
                let mut rng = Rng::new(seed, 100 + id);
                let mut hand = V::of((CELLS + id) as i64);
                for _ in 0..4_000 {
                    // Few cells, so that the hands meet.
                    for _ in 0..4 {
                        hand = cells[rng.below(2)].swap(hand);
                    }
                    stumble(&mut rng, 4);
                    let seen = match rng.below(2) {
                        0 => atomically(|tx| look(tx, &cells)),
                        _ => snapshot(|s| look(s, &cells)),
                    };
                    expect_no_doubles(seen);
                }
                hand.n()
            })
        });
        let in_cells = snapshot(|s| look(s, &cells));
        expect_no_doubles(in_cells.into_iter().chain(in_hands));
    }

    watched("swap", || {
        let seed = seed();
        swaps::<i64>(seed);
        swaps::<Boxed>(seed);
    });
}

/// A variable goes from 0 to 1 and back while another counts. Equal values do not make an equal moment.
#[test]
fn aba() {
    fn there_and_back<X: Value, Y: Value>(seed: u64) {
        let (parity, count) = (TVar::new(X::of(0)), TVar::new(Y::of(0)));
        let committed = TVar::new((0, 0));
        let go_on = |_, round: u64| {
            let n = round as i64 + 1;
            atomically(|tx| {
                parity.write(tx, X::of(n % 2))?;
                count.write(tx, Y::of(n))
            });
            stumble(&mut Rng::new(seed ^ round, 0), 8);
        };
        let fit = |(parity, count): (i64, i64)| {
            assert_eq!(parity, count % 2, "two different times at once");
        };
        under_fire(1, go_on, || {
            on_threads(2, |id| {
                let mut rng = Rng::new(seed, 100 + id);
                for round in 0..20_000 {
                    let parity_first = rng.below(2) == 0;
                    atomically(|tx| {
                        let early = parity_first.then(|| parity.read(tx)).transpose()?;
                        stumble(&mut rng, 16);
                        let now = count.read(tx)?.n();
                        let was = early.map_or_else(|| parity.read(tx), Ok)?.n();
                        fit((was, now));
                        stumble(&mut rng, 16);
                        if round % 2 == 0 {
                            committed.write(tx, (was, now))?;
                        }
                        Ok(())
                    });
                    fit(committed.load());
                }
            })
        });
    }

    watched("aba", || {
        let seed = seed();
        there_and_back::<i64, i64>(seed);
        there_and_back::<Boxed, Boxed>(seed);
        there_and_back::<i64, Boxed>(seed);
    });
}

/// A variable made in a transaction is published by it with all that the transaction put in.
#[test]
fn new_var_publish() {
    #[derive(Clone)]
    struct Offer {
        number: i64,
        word: TVar<i64>,
        boxed: TVar<Boxed>,
    }

    watched("new_var_publish", || {
        let seed = seed();
        let offers: Vec<TVar<Option<Offer>>> = (0..2).map(|_| TVar::new(None)).collect();
        let publish = |id: usize, round: u64| {
            let number = round as i64;
            let withdrawn = round % 4 == 3;
            let published = try_atomically(|tx| {
                let offer = Offer {
                    number: if withdrawn { -1 } else { number },
                    word: TVar::new(-1),
                    boxed: TVar::new(Boxed::of(-1)),
                };
                offers[id].write(tx, Some(offer.clone()))?;
                offer.word.write(tx, number)?;
                offer.boxed.update(tx, |n| *n = Boxed::of(number))?;
                if withdrawn { abort(()) } else { Ok(()) }
            });
            assert_eq!(published.is_err(), withdrawn);
            stumble(&mut Rng::new(seed ^ round, id), 8);
        };
        let mut taken = 0;
        under_fire(2, publish, || {
            taken = on_threads(2, |id| {
                let mut rng = Rng::new(seed, 100 + id);
                let mut taken = 0;
                for _ in 0..20_000 {
                    let shelf = &offers[rng.below(2)];
                    taken += atomically(|tx| {
                        let Some(offer) = shelf.read(tx)? else {
                            return Ok(0);
                        };
                        assert!(offer.number >= 0, "a withdrawn offer");
                        stumble(&mut rng, 16);
                        let (word, boxed) = (offer.word.read(tx)?, offer.boxed.read(tx)?.n());
                        assert_eq!(word, boxed, "the variables of one offer");
                        assert!(word >= offer.number, "less than was put in");
                        // So that the new variables are fought over as well.
                        offer.word.write(tx, word + 1)?;
                        offer.boxed.write(tx, Boxed::of(boxed + 1))?;
                        Ok(1)
                    });
                }
                taken
            })
            .iter()
            .sum();
        });
        assert!(taken > 0);
    });
}

/// Real time: once a write has returned, whatever begins later sees it; and two reads one after the other, or two writes,
/// are seen in that order.
#[test]
fn sequential_reads() {
    const WRITES: i64 = 30_000;

    fn writes<X: Value, Y: Value>(seed: u64) {
        let (first, second) = (TVar::new(X::of(0)), TVar::new(Y::of(0)));
        let returned = AtomicI64::new(0);
        on_threads(3, |id| {
            let mut rng = Rng::new(seed, id);
            if id == 0 {
                for n in 1..=WRITES {
                    match n % 3 {
                        0 => first.store(X::of(n)),
                        1 => atomically(|tx| first.write(tx, X::of(n))),
                        _ => assert_eq!(first.swap(X::of(n)).n(), n - 1),
                    }
                    second.store(Y::of(n));
                    returned.store(n, Ordering::Release);
                    stumble(&mut rng, 16);
                }
                return;
            }
            let mut last = (0, 0);
            while last.1 < WRITES {
                let before = returned.load(Ordering::Acquire);
                let now = match rng.below(4) {
                    0 => atomically(|tx| {
                        let first = first.read(tx)?.n();
                        Ok((first, second.read(tx)?.n()))
                    }),
                    1 => atomically(|tx| {
                        let second = second.read(tx)?.n();
                        Ok((first.read(tx)?.n(), second))
                    }),
                    2 => snapshot(|s| Ok((first.read(s)?.n(), second.read(s)?.n()))),
                    _ => {
                        // Newest last: it may have gone on in between, but not back.
                        let second = second.load().n();
                        (first.load().n().min(second + 1), second)
                    }
                };
                assert!(now.1 >= before, "a finished write is not seen");
                assert!(now.0 >= last.0 && now.1 >= last.1, "time went back");
                assert!(
                    now.0 == now.1 || now.0 == now.1 + 1,
                    "the writes out of order: {now:?}"
                );
                last = now;
                stumble(&mut rng, 16);
            }
        });
    }

    watched("sequential_reads", || {
        let seed = seed();
        writes::<i64, i64>(seed);
        writes::<Boxed, Boxed>(seed);
        writes::<Boxed, i64>(seed);
    });
}

/// Who sees the later of two transactions sees the earlier. A copier numbers its copies of a counter that another thread
/// counts up: whoever finds the counter at n and copy k, but not k + 1, knows that copy k + 1 comes later, so it must be
/// one of n or more.
#[test]
fn read_only_anomaly() {
    const COPIES: usize = 40_000;

    fn copies<X: Value, Y: Value>(seed: u64) {
        let (counter, copy) = (TVar::new(X::of(0)), TVar::new(Y::of(0)));
        let copied = OnceLock::new();
        let count = |_, round| counter.store(X::of(round as i64 + 1));
        let make_copies = || {
            let copies = 1..=COPIES as i64;
            let counts = copies.map(|k| {
                atomically(|tx| {
                    let n = counter.read(tx)?.n();
                    copy.write(tx, Y::of(k))?;
                    Ok(n)
                })
            });
            copied
                .set([0].into_iter().chain(counts).collect())
                .expect("one copier");
        };
        // The lowest and the highest count that was seen beside each copy.
        let look_on = |id: usize| {
            let mut rng = Rng::new(seed, id);
            let mut seen = vec![None; COPIES + 1];
            while copied.get().is_none() {
                let (n, k) = match rng.below(3) {
                    0 => snapshot(|s| Ok((counter.read(s)?.n(), copy.read(s)?.n()))),
                    1 => atomically(|tx| Ok((counter.read(tx)?.n(), copy.read(tx)?.n()))),
                    _ => atomically(|tx| {
                        let k = copy.read(tx)?.n();
                        Ok((counter.read(tx)?.n(), k))
                    }),
                };
                let (low, high) = seen[k as usize].get_or_insert((n, n));
                (*low, *high) = (n.min(*low), n.max(*high));
            }
            seen
        };
        let all_seen = under_fire(1, count, || {
            on_threads(3, |id| match id {
                0 => {
                    make_copies();
                    Vec::new()
                }
                _ => look_on(id),
            })
        });
        let copied: Vec<i64> = copied.into_inner().expect("the copier has ended");
        for (k, seen) in all_seen.iter().flat_map(|seen| seen.iter().enumerate()) {
            let Some((low, high)) = *seen else { continue };
            assert!(
                copied[k] <= low,
                "copy {k} is of {}, beside {low}",
                copied[k]
            );
            if let Some(&next) = copied.get(k + 1) {
                assert!(
                    high <= next,
                    "copy {k} beside {high}, the next is of {next}"
                );
            }
        }
    }

    watched("read_only_anomaly", || {
        let seed = seed();
        copies::<i64, i64>(seed);
        copies::<Boxed, Boxed>(seed);
        copies::<i64, Boxed>(seed);
    });
}

/// Elements move between two queues; at every moment each is in one of them, once.
#[test]
fn two_queue() {
    const ELEMENTS: usize = 32;

    fn expect_each_once(tx: &mut impl ReadTx, queues: &[TVar<VecDeque<usize>>; 2]) -> Stm<()> {
        let mut times = [0; ELEMENTS];
        for queue in queues {
            queue.read_ref(tx)?.iter().for_each(|&n| times[n] += 1);
        }
        assert_eq!(times, [1; ELEMENTS]);
        Ok(())
    }

    watched("two_queue", || {
        let seed = seed();
        let queues = [
            TVar::new((0..ELEMENTS).collect()),
            TVar::new(VecDeque::new()),
        ];
        let hand_over = |id: usize, round: u64| {
            let mut rng = Rng::new(seed ^ round, id);
            let from = rng.below(2);
            atomically(|tx| {
                let element = queues[from].update(tx, VecDeque::pop_front)?;
                stumble(&mut rng, 16);
                match element {
                    Some(element) => queues[1 - from].update(tx, |q| q.push_back(element)),
                    None => Ok(()),
                }
            });
        };
        under_fire(2, hand_over, || {
            on_threads(2, |id| {
                let mut rng = Rng::new(seed, 100 + id);
                for _ in 0..10_000 {
                    match rng.below(2) {
                        0 => atomically(|tx| expect_each_once(tx, &queues)),
                        _ => snapshot(|s| expect_each_once(s, &queues)),
                    }
                    stumble(&mut rng, 4);
                }
            })
        });
        snapshot(|s| expect_each_once(s, &queues));
    });
}
