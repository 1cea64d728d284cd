//! Every call of user code panics, one after the other: `Clone`, `Drop`, `Eq`, `Ord`, `Hash`, hashers, closures. A collection
//! then holds what the operations that returned have put there, in order, nothing is lost or leaked, and it works on.

mod common;
#[path = "../../stm-core/tests/fuse/mod.rs"]
mod fuse;

use std::collections::BTreeMap;
use std::ops::Bound;

use common::{collect_until, elsewhere, watched_alone};
use fuse::{Crowded, End, Item, call, called, quietly};
use stm_collections::{
    TArray, TBQueue, TChannel, TMVar, TMap, TOrdMap, TOrdSet, TPriorityQueue, TPromise, TQueue,
    TSet,
};
use stm_core::diagnostics::registered_waits;
use stm_core::{Stm, Tx, abort, atomically, in_transaction, retry, try_atomically};

/// A collection, and what it must hold: a list of numbers, as `contents` gives it.
struct Subject<C> {
    collection: C,
    holds: Vec<i64>,
    contents: fn(&C, &mut Tx<'_>) -> Stm<Vec<i64>>,
}

impl<C: Sync> Subject<C> {
    /// Does `operation` in vain, in three ways, and then in earnest; `change` says what it does.
    fn step<R>(
        &mut self,
        name: &str,
        operation: impl Fn(&C, &mut Tx<'_>) -> Stm<R>,
        change: impl FnOnce(&mut Vec<i64>),
    ) {
        let collection = &self.collection;
        call(|| {
            let in_vain: Result<(), ()> = try_atomically(|tx| {
                operation(collection, tx)?;
                abort(())
            });
            assert_eq!(in_vain, Err(()));
        });
        self.expect(name, "aborted");
        call(|| {
            atomically(|tx| {
                tx.optionally(|tx| {
                    operation(collection, tx)?;
                    retry::<()>()
                })
            })
        });
        self.expect(name, "in a branch");
        call(|| {
            atomically(|tx| {
                tx.nested(|tx| {
                    operation(collection, tx)?;
                    operation(collection, tx)?;
                    abort::<(), _>(Item::of(0))
                })
            })
        });
        self.expect(name, "nested, twice");
        if call(|| atomically(|tx| operation(collection, tx))) == End::Returned {
            change(&mut self.holds);
        }
        self.expect(name, "in earnest");
    }

    /// An operation that changes nothing. In a `step` it would do as well; this is shorter.
    fn look<R>(&mut self, name: &str, operation: impl Fn(&C, &mut Tx<'_>) -> Stm<R>) {
        call(|| atomically(|tx| operation(&self.collection, tx)));
        self.expect(name, "a look");
    }

    fn expect(&self, name: &str, how: &str) {
        let now = quietly(|| atomically(|tx| (self.contents)(&self.collection, tx)));
        assert_eq!(
            now,
            self.holds,
            "after {name} ({how}), call {} of user code panicking",
            fuse::number()
        );
        assert!(!in_transaction());
        assert_eq!(registered_waits(), 0);
    }
}

/// Runs `suite` again and again, with one call after the other panicking; each of `kinds` must have had its turn.
fn exhaust<C: Sync>(
    make: impl Fn() -> C,
    contents: fn(&C, &mut Tx<'_>) -> Stm<Vec<i64>>,
    suite: impl Fn(&mut Subject<C>),
    goes_on: impl Fn(&C, &mut Tx<'_>) -> Stm<()> + Sync,
    kinds: &[&str],
) {
    let panics: BTreeMap<_, _> = fuse::one_after_the_other(|| {
        // Not none, where another test of this file has failed.
        let before = fuse::alive();
        let mut subject = Subject {
            collection: quietly(&make),
            holds: Vec::new(),
            contents,
        };
        suite(&mut subject);
        let panicked = fuse::put_out();
        let Subject { collection, .. } = subject;
        // Nothing is locked, here or for others.
        elsewhere(|| atomically(|tx| goes_on(&collection, tx)));
        atomically(|tx| goes_on(&collection, tx));
        drop(collection);
        collect_until(|| fuse::alive() == before);
        let (left, number) = (fuse::alive() - before, fuse::number());
        assert_eq!(left, 0, "items left after call {number}, {panicked:?}");
        fuse::expect_unspoiled();
        panicked
    });
    for kind in kinds {
        assert!(panics.contains_key(kind), "no panic of {kind}: {panics:?}");
    }
}

/// A key to look for. It goes quietly: the compiler forgets a result if a drop after it panics (rust-lang/rust#47949).
fn with_key<R>(n: i64, look: impl FnOnce(&Item) -> R) -> R {
    let key = Item::of(n);
    let result = look(&key);
    quietly(|| drop(key));
    result
}

fn numbers<'i>(items: impl IntoIterator<Item = &'i Item>) -> Vec<i64> {
    items.into_iter().map(Item::n).collect()
}

#[test]
fn queue() {
    watched_alone("panics_queue", || {
        exhaust(
            TQueue::new,
            |queue, tx| Ok(numbers(&queue.to_vec(tx)?)),
            |queue| {
                for n in 1..4 {
                    queue.step("push", |q, tx| q.push(tx, Item::of(n)), |v| v.push(n));
                }
                queue.step(
                    "push_front",
                    |q, tx| q.push_front(tx, Item::of(0)),
                    |v| v.insert(0, 0),
                );
                queue.step("pop", TQueue::pop, |v| {
                    v.remove(0);
                });
                queue.look("peek", |q, tx| q.peek(tx));
                queue.step(
                    "rotate",
                    |q, tx| {
                        let first = q.pop(tx)?;
                        q.push(tx, first)
                    },
                    |v| v.rotate_left(1),
                );
                queue.step("try_pop", TQueue::try_pop, |v| {
                    v.remove(0);
                });
                queue.look("to_vec", |q, tx| q.to_vec(tx));
                queue.step("drain", TQueue::drain, Vec::clear);
                queue.look("try_peek", |q, tx| q.try_peek(tx));
            },
            |queue, tx| queue.push(tx, Item::of(1)),
            &["Clone", "Drop"],
        );
    });
}

#[test]
fn bounded_queue() {
    watched_alone("panics_bounded_queue", || {
        exhaust(
            || TBQueue::new(3),
            |queue, tx| Ok(numbers(&queue.to_vec(tx)?)),
            |queue| {
                for n in 1..3 {
                    queue.step(
                        "try_push",
                        |q, tx| q.try_push(tx, Item::of(n)),
                        |v| v.push(n),
                    );
                }
                queue.step("pop", TBQueue::pop, |v| {
                    v.remove(0);
                });
                queue.step(
                    "push",
                    |q, tx| q.try_push(tx, Item::of(5)),
                    |v| {
                        if v.len() < 3 {
                            v.push(5);
                        }
                    },
                );
                queue.look("peek", |q, tx| q.try_peek(tx));
                queue.step("drain", TBQueue::drain, Vec::clear);
            },
            |queue, tx| queue.try_push(tx, Item::of(1)).map(drop),
            &["Clone", "Drop"],
        );
    });
}

#[test]
fn priority_queue() {
    watched_alone("panics_priority_queue", || {
        exhaust(
            TPriorityQueue::new,
            |queue, tx| {
                let mut all = numbers(&queue.to_vec(tx)?);
                all.sort_unstable();
                Ok(all)
            },
            |queue| {
                for n in [3, 1, 2] {
                    queue.step(
                        "push",
                        |q, tx| q.push(tx, Item::of(n)),
                        |v| {
                            v.push(n);
                            v.sort_unstable();
                        },
                    );
                }
                // The first, whichever end that is.
                let first =
                    quietly(|| atomically(|tx| queue.collection.try_peek(tx)).map(|item| item.n()));
                queue.step("try_pop", TPriorityQueue::try_pop, |v| {
                    v.retain(|n| Some(*n) != first);
                });
                queue.look("peek", |q, tx| q.try_peek(tx));
                queue.step("drain", TPriorityQueue::drain, Vec::clear);
            },
            |queue, tx| queue.push(tx, Item::of(1)),
            &["Clone", "Drop", "Ord"],
        );
    });
}

/// Key and value in one number.
fn entry(key: &Item, value: &Item) -> i64 {
    key.n() * 1000 + value.n()
}

fn put(key: i64, value: i64) -> impl FnOnce(&mut Vec<i64>) {
    move |held| {
        held.retain(|entry| entry / 1000 != key);
        held.push(key * 1000 + value);
        held.sort_unstable();
    }
}

fn map_suite(make: impl Fn() -> TMap<Item, Item, Crowded>) {
    exhaust(
        make,
        |map, tx| {
            let mut all = Vec::new();
            map.for_each(tx, |key, value| all.push(entry(key, value)))?;
            all.sort_unstable();
            Ok(all)
        },
        |map| {
            for key in 1..5 {
                map.step(
                    "insert",
                    |m, tx| m.insert(tx, Item::of(key), Item::of(1)),
                    put(key, 1),
                );
            }
            map.step(
                "insert over",
                |m, tx| m.insert(tx, Item::of(2), Item::of(7)),
                put(2, 7),
            );
            map.look("get", |m, tx| with_key(2, |key| m.get(tx, key)));
            map.look("contains_key", |m, tx| {
                with_key(9, |key| m.contains_key(tx, key))
            });
            let now = quietly(|| atomically(|tx| value_of(&map.collection, tx, 3)));
            map.step(
                "update_or_insert_with",
                |m, tx| {
                    m.update_or_insert_with(
                        tx,
                        Item::of(3),
                        || {
                            called("closure");
                            Item::of(8)
                        },
                        |value| {
                            called("closure");
                            value.set(9);
                        },
                    )
                },
                put(3, now.map_or(8, |_| 9)),
            );
            map.step(
                "remove",
                |m, tx| with_key(1, |key| m.remove(tx, key)),
                |v| {
                    v.retain(|entry| entry / 1000 != 1);
                },
            );
            map.step(
                "retain",
                |m, tx| {
                    m.retain(tx, |key, _| {
                        called("closure");
                        key.n() % 2 == 0
                    })
                },
                |v| v.retain(|entry| entry / 1000 % 2 == 0),
            );
            map.look("to_vec", |m, tx| m.to_vec(tx));
            map.step("clear", |m, tx| m.clear(tx), Vec::clear);
        },
        |map, tx| map.insert(tx, Item::of(1), Item::of(1)).map(drop),
        &[
            "Clone",
            "Drop",
            "Eq",
            "Hash",
            "Hasher",
            "BuildHasher",
            "closure",
        ],
    );
}

fn value_of(map: &TMap<Item, Item, Crowded>, tx: &mut Tx<'_>, key: i64) -> Stm<Option<i64>> {
    Ok(with_key(key, |key| map.get(tx, key))?.map(|value| value.n()))
}

#[test]
fn map() {
    watched_alone("panics_map", || map_suite(|| TMap::with_hasher(Crowded)));
}

#[test]
fn compact_map() {
    watched_alone("panics_compact_map", || {
        map_suite(|| TMap::compact(Crowded))
    });
}

#[test]
fn set() {
    watched_alone("panics_set", || {
        exhaust(
            || TSet::with_hasher(Crowded),
            |set, tx| {
                let mut all = numbers(&set.to_vec(tx)?);
                all.sort_unstable();
                Ok(all)
            },
            |set| {
                for n in 1..4 {
                    set.step("insert", |s, tx| s.insert(tx, Item::of(n)), |v| v.push(n));
                }
                set.step(
                    "insert again",
                    |s, tx| s.insert(tx, Item::of(2)),
                    |v| {
                        if !v.contains(&2) {
                            v.push(2);
                            v.sort_unstable();
                        }
                    },
                );
                set.step(
                    "remove",
                    |s, tx| with_key(1, |key| s.remove(tx, key)),
                    |v| v.retain(|n| *n != 1),
                );
                set.step(
                    "retain",
                    |s, tx| {
                        s.retain(tx, |item| {
                            called("closure");
                            item.n() == 2
                        })
                    },
                    |v| v.retain(|n| *n == 2),
                );
                set.step("clear", TSet::clear, Vec::clear);
            },
            |set, tx| set.insert(tx, Item::of(1)).map(drop),
            &["Drop", "Eq", "Hash", "Hasher", "BuildHasher", "closure"],
        );
    });
}

#[test]
fn ordered_map() {
    watched_alone("panics_ordered_map", || {
        exhaust(
            || {
                let map = TOrdMap::new();
                // Enough for a tree with several levels, about which the suite turns.
                for key in 0..40 {
                    atomically(|tx| map.insert(tx, Item::of(key * 10), Item::of(0)));
                }
                map
            },
            |map, tx| {
                let mut all = Vec::new();
                map.for_each(tx, |key, value| all.push(entry(key, value)))?;
                assert!(all.is_sorted(), "{all:?}");
                assert_eq!(map.len(tx)?, all.len());
                Ok(all)
            },
            |map| {
                map.holds = (0..40).map(|key| key * 10 * 1000).collect();
                for key in [195, 5, 396] {
                    map.step(
                        "insert",
                        |m, tx| m.insert(tx, Item::of(key), Item::of(1)),
                        put(key, 1),
                    );
                }
                map.step(
                    "insert over",
                    |m, tx| m.insert(tx, Item::of(200), Item::of(7)),
                    put(200, 7),
                );
                map.look("get", |m, tx| with_key(200, |key| m.get(tx, key)));
                map.step(
                    "remove",
                    |m, tx| with_key(210, |key| m.remove(tx, key)),
                    |v| {
                        v.retain(|entry| entry / 1000 != 210);
                    },
                );
                map.step("pop_first", TOrdMap::pop_first, |v| {
                    v.remove(0);
                });
                map.step("pop_last", TOrdMap::pop_last, |v| {
                    v.pop();
                });
                map.look("range", |m, tx| {
                    with_key(100, |from| {
                        m.range(tx, (Bound::Included(from), Bound::Unbounded))
                    })
                });
                map.step("clear", TOrdMap::clear, Vec::clear);
            },
            |map, tx| map.insert(tx, Item::of(1), Item::of(1)).map(drop),
            &["Clone", "Drop", "Ord"],
        );
    });
}

#[test]
fn ordered_set() {
    watched_alone("panics_ordered_set", || {
        exhaust(
            TOrdSet::new,
            |set, tx| Ok(numbers(&set.to_vec(tx)?)),
            |set| {
                for n in 1..5 {
                    set.step("insert", |s, tx| s.insert(tx, Item::of(n)), |v| v.push(n));
                }
                set.step(
                    "remove",
                    |s, tx| with_key(3, |key| s.remove(tx, key)),
                    |v| v.retain(|n| *n != 3),
                );
                set.step("pop_first", TOrdSet::pop_first, |v| {
                    v.remove(0);
                });
                set.step(
                    "retain",
                    |s, tx| {
                        s.retain(tx, |item| {
                            called("closure");
                            item.n() == 2
                        })
                    },
                    |v| v.retain(|n| *n == 2),
                );
            },
            |set, tx| set.insert(tx, Item::of(1)).map(drop),
            &["Clone", "Drop", "Ord", "closure"],
        );
    });
}

#[test]
fn single_places() {
    watched_alone("panics_single_places", || {
        exhaust(
            || {
                let array = TArray::from_fn(3, |n| Item::of(n as i64));
                (TMVar::<Item>::empty(), TPromise::<Item>::new(), array)
            },
            |(mvar, promise, array), tx| {
                let mut all = Vec::new();
                array.for_each(tx, |_, item| all.push(item.n()))?;
                all.extend(mvar.try_read_ref(tx)?.map(|item| item.n()));
                all.extend(promise.try_get_ref(tx)?.map(|item| item.n()));
                Ok(all)
            },
            |all| {
                all.holds = vec![0, 1, 2];
                all.step(
                    "set",
                    |(_, _, a), tx| a.set(tx, 0, Item::of(10)),
                    |v| v[0] = 10,
                );
                all.step(
                    "replace",
                    |(_, _, a), tx| a.replace(tx, 1, Item::of(11)),
                    |v| v[1] = 11,
                );
                all.step(
                    "update",
                    |(_, _, a), tx| {
                        a.update(tx, 2, |item| {
                            called("closure");
                            item.set(12);
                        })
                    },
                    |v| v[2] = 12,
                );
                all.step("swap", |(_, _, a), tx| a.swap(tx, 0, 2), |v| v.swap(0, 2));
                all.step(
                    "try_put",
                    |(m, _, _), tx| m.try_put(tx, Item::of(20)),
                    |v| v.push(20),
                );
                all.look("read", |(m, _, _), tx| m.try_read(tx));
                all.step(
                    "try_swap",
                    |(m, _, _), tx| m.try_swap(tx, Item::of(21)),
                    |v| {
                        if v.len() == 4 {
                            v[3] = 21;
                        }
                    },
                );
                all.step(
                    "try_take",
                    |(m, _, _), tx| m.try_take(tx),
                    |v| v.truncate(3),
                );
                all.step(
                    "promise",
                    |(_, p, _), tx| p.set(tx, Item::of(30)),
                    |v| v.push(30),
                );
                all.look("try_get", |(_, p, _), tx| p.try_get(tx));
            },
            |(mvar, _, array), tx| {
                mvar.try_take(tx)?;
                mvar.put(tx, Item::of(1))?;
                array.set(tx, 1, Item::of(0))
            },
            &["Clone", "Drop", "closure"],
        );
    });
}

#[test]
fn channel() {
    watched_alone("panics_channel", || {
        exhaust(
            || {
                let channel = TChannel::<Item>::new();
                let receivers = [(); 2].map(|()| atomically(|tx| channel.subscribe(tx)));
                (channel, receivers)
            },
            |(_, receivers), tx| {
                let mut all = Vec::new();
                for receiver in receivers {
                    all.push(receiver.len(tx)? as i64);
                    let first = receiver.try_peek_ref(tx)?.expect("open");
                    all.push(first.map_or(-1, |item| item.n()));
                }
                Ok(all)
            },
            |all| {
                all.holds = vec![0, -1, 0, -1];
                for n in 0..3 {
                    all.step(
                        "send",
                        |(c, _), tx| c.send(tx, Item::of(n)),
                        |v| {
                            for place in [0, 2] {
                                if v[place] == 0 {
                                    v[place + 1] = n;
                                }
                                v[place] += 1;
                            }
                        },
                    );
                }
                // What the second receiver sees next is what the first has left behind it.
                let peek = |all: &Subject<_>| quietly(|| atomically(|tx| after_next(all, tx)));
                let next = peek(all);
                all.step(
                    "try_recv",
                    |(_, [first, _]), tx| first.try_recv(tx),
                    |v| {
                        if v[0] > 0 {
                            v[0] -= 1;
                            v[1] = next;
                        }
                    },
                );
                all.look("peek", |(_, [first, _]), tx| first.try_peek(tx));
                all.look("subscribe", |(c, _), tx| c.subscribe(tx).map(drop));
            },
            |(channel, receivers), tx| {
                for receiver in receivers {
                    let _ = receiver.try_recv(tx)?;
                }
                channel.send(tx, Item::of(1))
            },
            &["Clone", "Drop"],
        );
    });
}

type Radio = (TChannel<Item>, [stm_collections::TReceiver<Item>; 2]);

/// What the first receiver would see after its next item; -1 if nothing.
fn after_next(all: &Subject<Radio>, tx: &mut Tx<'_>) -> Stm<i64> {
    let (_, [first, _]) = &all.collection;
    let seen = tx.nested(|tx| {
        let _ = first.try_recv(tx)?;
        let next = first.try_peek_ref(tx)?.expect("open");
        abort::<(), _>(next.map_or(-1, |item| item.n()))
    })?;
    Ok(seen.expect_err("it gives it as an error"))
}
