//! Alternatives and nested transactions: what is undone, what stays, what is waited for, and what it costs.
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod counting;

use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::Poll;

use common::{Value, Wakes, on_threads, poll, wait_until, watched, watched_alone};
use stm_core::diagnostics::registered_waits;
use stm_core::{Stm, TVar, Tx, abort, atomically, atomically_async, check, retry, try_atomically};

/// Numbers of written variables: few, just as many as are scanned without an index, one more, and many.
const WIDTHS: [usize; 7] = [1, 2, 3, 8, 9, 10, 40];

fn vars<T: Value>(width: usize) -> Vec<TVar<T>> {
    (0..width).map(|_| TVar::new(T::of(0))).collect()
}

fn write_all<T: Value>(tx: &mut Tx<'_>, vars: &[TVar<T>], n: i64) -> Stm<()> {
    vars.iter().try_for_each(|var| var.write(tx, T::of(n)))
}

#[track_caller]
fn expect_all<T: Value>(tx: &mut Tx<'_>, vars: &[TVar<T>], n: i64) -> Stm<()> {
    for (i, var) in vars.iter().enumerate() {
        assert_eq!(var.read(tx)?.n(), n, "variable {i} of {}", vars.len());
    }
    Ok(())
}

#[track_caller]
fn expect_published<T: Value>(vars: &[TVar<T>], n: i64) {
    for (i, var) in vars.iter().enumerate() {
        assert_eq!(var.load().n(), n, "variable {i} of {}", vars.len());
    }
}

/// The ways to give a variable the value `n`.
const WAYS: usize = 4;

fn change<T: Value>(tx: &mut Tx<'_>, way: usize, var: &TVar<T>, n: i64) -> Stm<()> {
    match way % WAYS {
        0 => var.write(tx, T::of(n)),
        1 => var.modify(tx, |_| T::of(n)),
        2 => var.update(tx, |value| *value = T::of(n)),
        _ => var.replace(tx, T::of(n)).map(drop),
    }
}

#[test]
fn or_else_rollback() {
    /// Each level overwrites what the levels around it wrote, lets the next one do the same, finds its own values
    /// again, and gives up.
    fn dive<T: Value>(tx: &mut Tx<'_>, vars: &[TVar<T>], level: i64) -> Stm<()> {
        for (i, var) in vars.iter().enumerate() {
            change(tx, level as usize + i, var, level)?;
        }
        if level < 6 {
            assert_eq!(tx.optionally(|tx| dive(tx, vars, level + 1))?, None);
            expect_all(tx, vars, level)?;
            assert_eq!(
                tx.nested(|tx| fail(tx, vars, level + 1))?,
                Err("on purpose")
            );
            expect_all(tx, vars, level)?;
        }
        retry()
    }

    fn fail<T: Value>(
        tx: &mut Tx<'_>,
        vars: &[TVar<T>],
        level: i64,
    ) -> Result<(), stm_core::Abort<&'static str>> {
        write_all(tx, vars, level)?;
        tx.optionally(|tx| dive(tx, vars, level + 1))?;
        expect_all(tx, vars, level)?;
        abort("on purpose")
    }

    fn undoes_every_level<T: Value>(width: usize) {
        let (all, fresh) = (vars::<T>(width), vars::<T>(3));
        let outer = width / 2;
        atomically(|tx| {
            write_all(tx, &all[..outer], 1)?;
            tx.or_else(
                |tx| dive(tx, &all, 2),
                |tx| {
                    expect_all(tx, &all[..outer], 1)?;
                    expect_all(tx, &all[outer..], 0)
                },
            )?;
            // What is written first after a rollback is found again, too.
            write_all(tx, &fresh, 5)?;
            expect_all(tx, &fresh, 5)?;
            write_all(tx, &fresh, 6)?;
            expect_all(tx, &fresh, 6)?;
            expect_all(tx, &all[..outer], 1)?;
            expect_all(tx, &all[outer..], 0)
        });
        expect_published(&all[..outer], 1);
        expect_published(&all[outer..], 0);
        expect_published(&fresh, 6);
    }

    watched("or_else_rollback", || {
        for width in WIDTHS {
            undoes_every_level::<i64>(width);
            undoes_every_level::<Box<i64>>(width);
        }
    });
}

#[test]
fn or_else_keeps_outer() {
    fn keeps<T: Value>(width: usize, outer_way: usize, left_way: usize) {
        let vars = vars::<T>(width);
        atomically(|tx| {
            for var in &vars {
                change(tx, outer_way, var, 1)?;
            }
            let before = vars[0].read_ref(tx)?;
            let (undone, undone_twice) = tx.or_else(
                |_| retry(),
                |tx| {
                    // A branch that ends well, around one that does not.
                    let kept = tx.optionally(|tx| {
                        for var in &vars {
                            change(tx, left_way, var, 2)?;
                            change(tx, left_way, var, 3)?;
                        }
                        expect_all(tx, &vars, 3)?;
                        retry::<()>()
                    })?;
                    expect_all(tx, &vars, 1)?;
                    Ok((kept, tx.optionally(|_| retry::<()>())?))
                },
            )?;
            assert_eq!((undone, undone_twice), (None, None));
            expect_all(tx, &vars, 1)?;
            change(tx, left_way, &vars[0], 4)?;
            assert_eq!((before.n(), vars[0].read(tx)?.n()), (1, 4));
            Ok(())
        });
        assert_eq!(vars[0].load().n(), 4);
        expect_published(&vars[1..], 1);
    }

    /// What the right branch writes replaces what the outer transaction wrote; what left wrote is nowhere.
    fn hands_over<T: Value>(width: usize) {
        let vars = vars::<T>(width);
        atomically(|tx| {
            write_all(tx, &vars, 1)?;
            tx.or_else(
                |tx| {
                    write_all(tx, &vars, 2)?;
                    retry()
                },
                |tx| {
                    vars.iter()
                        .step_by(2)
                        .try_for_each(|var| var.update(tx, |value| *value = T::of(value.n() + 10)))
                },
            )
        });
        for (i, var) in vars.iter().enumerate() {
            assert_eq!(var.load().n(), if i % 2 == 0 { 11 } else { 1 });
        }
    }

    watched("or_else_keeps_outer", || {
        for width in WIDTHS {
            for way in 0..WAYS * WAYS {
                keeps::<i64>(width, way / WAYS, way % WAYS);
                keeps::<Box<i64>>(width, way / WAYS, way % WAYS);
            }
            hands_over::<i64>(width);
            hands_over::<Box<i64>>(width);
        }
    });
}

/// Takes left if `theirs` is set, else right, which sets `mine`. Of two that watch each other only the first takes right.
fn choose(tx: &mut Tx<'_>, theirs: &TVar<bool>, mine: &TVar<bool>) -> Stm<&'static str> {
    tx.or_else(
        |tx| check(theirs.read(tx)?).map(|()| "left"),
        |tx| mine.write(tx, true).map(|()| "right"),
    )
}

#[test]
fn or_else_serializable() {
    watched("or_else_serializable", || {
        // One runs between the other's branches.
        let (x, y) = (TVar::new(false), TVar::new(false));
        std::thread::scope(|scope| {
            let (left_failed, may_go) = mpsc::channel();
            let (went, other_is_done) = mpsc::channel();
            let (x, y) = (&x, &y);
            scope.spawn(move || {
                may_go.recv().expect("the first transaction gets there");
                went.send(atomically(|tx| choose(tx, y, x)))
                    .expect("it waits");
            });
            let mut handshake = Some(other_is_done);
            let mine = atomically(|tx| {
                tx.or_else(
                    |tx| check(x.read(tx)?).map(|()| "left"),
                    |tx| {
                        if let Some(other_is_done) = handshake.take() {
                            left_failed.send(()).expect("it listens");
                            assert_eq!(other_is_done.recv(), Ok("right"));
                        }
                        y.write(tx, true).map(|()| "right")
                    },
                )
            });
            assert_eq!(mine, "left", "x was set before y could be");
        });

        // And freely.
        const ROUNDS: usize = 3_000;
        let rounds: Vec<_> = (0..ROUNDS)
            .map(|_| (TVar::new(false), TVar::new(false)))
            .collect();
        let turn = Barrier::new(2);
        let took = on_threads(2, |id| {
            rounds
                .iter()
                .map(|(x, y)| {
                    let (theirs, mine) = if id == 0 { (x, y) } else { (y, x) };
                    turn.wait();
                    atomically(|tx| choose(tx, theirs, mine))
                })
                .collect::<Vec<_>>()
        });
        for (round, both) in took[0].iter().zip(&took[1]).enumerate() {
            assert!(
                [("left", "right"), ("right", "left")].contains(&(both.0, both.1)),
                "round {round}: {both:?}"
            );
        }
    });
}

#[test]
fn wait_union() {
    struct Doors {
        before: TVar<bool>,
        left: TVar<bool>,
        right: TVar<Box<i64>>,
        failed: TVar<bool>,
    }

    fn first_open(tx: &mut Tx<'_>, doors: &Doors) -> Stm<&'static str> {
        if doors.before.read(tx)? {
            return Ok("before");
        }
        let failed = tx.nested(|tx| {
            let open = doors.failed.read(tx)?;
            doors.failed.write(tx, true)?;
            abort::<(), _>(open)
        })?;
        if failed == Err(true) {
            return Ok("failed");
        }
        tx.or_else(
            |tx| {
                // Written as well as read: undoing the write must not undo the read.
                check(doors.left.replace(tx, true)?).map(|()| "left")
            },
            |tx| check(doors.right.read_ref(tx)?.n() == 1).map(|()| "right"),
        )
    }

    fn shut() -> Doors {
        Doors {
            before: TVar::new(false),
            left: TVar::new(false),
            right: TVar::new(Box::new(0)),
            failed: TVar::new(false),
        }
    }

    type Opening = (&'static str, fn(&Doors));
    let openings: [Opening; 4] = [
        ("before", |doors| doors.before.store(true)),
        ("left", |doors| doors.left.store(true)),
        ("right", |doors| doors.right.store(Box::new(1))),
        ("failed", |doors| doors.failed.store(true)),
    ];
    watched_alone("wait_union", move || {
        for (which, open) in openings {
            let doors = shut();
            let (wakes, waker) = Wakes::new();
            let mut task = atomically_async(|tx| first_open(tx, &doors));
            assert_eq!(poll(&mut task, &waker), Poll::Pending);
            assert_eq!(registered_waits(), 4, "one for each variable read");
            open(&doors);
            assert_eq!(wakes.count(), 1, "{which}");
            assert_eq!(poll(&mut task, &waker), Poll::Ready(which));

            let doors = shut();
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| atomically(|tx| first_open(tx, &doors)));
                wait_until(|| registered_waits() == 4);
                open(&doors);
                assert_eq!(thread.join().expect("no panic"), which);
            });
        }
    });
}

#[test]
fn conflict_is_not_retry() {
    /// What the left branch makes of the conflict that it meets.
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Reaction {
        PassOn,
        /// Calls `retry` all the same; the attempt is doomed by then.
        SwallowAndRetry,
        /// Meets it in an alternative of its own.
        InAnAlternative,
        InNested,
    }

    fn with(reaction: Reaction) {
        let (x, y, written) = (TVar::new(0), TVar::new(0), TVar::new(0));
        let rights = AtomicUsize::new(0);
        let right = |_: &mut Tx<'_>| {
            rights.fetch_add(1, Ordering::Relaxed);
            Ok((-1, -1))
        };
        std::thread::scope(|scope| {
            let (x_is_read, may_write) = mpsc::channel();
            let (written_both, go_on) = mpsc::channel();
            let writer = scope.spawn({
                let (x, y) = (&x, &y);
                move || {
                    may_write.recv().expect("the reader gets there");
                    atomically(|tx| x.write(tx, 1).and_then(|()| y.write(tx, 1)));
                    written_both.send(()).expect("the reader waits");
                }
            });
            let (x_is_read, go_on) = (Cell::new(Some(x_is_read)), Cell::new(Some(go_on)));
            let mut attempts = 0;
            let seen = atomically(|tx| {
                attempts += 1;
                // With a write pending it cannot go on as a snapshot: the read of `y` must fail.
                written.write(tx, attempts)?;
                tx.or_else(
                    |tx| {
                        let x = x.read(tx)?;
                        if let (Some(x_is_read), Some(go_on)) = (x_is_read.take(), go_on.take()) {
                            x_is_read.send(()).expect("the writer listens");
                            go_on.recv().expect("the writer writes");
                        }
                        let y = match reaction {
                            Reaction::PassOn => y.read(tx)?,
                            Reaction::SwallowAndRetry => match y.read(tx) {
                                Ok(y) => y,
                                Err(_) => return retry(),
                            },
                            Reaction::InAnAlternative => {
                                tx.or_else(|tx| y.read(tx), |tx| right(tx).map(|both| both.0))?
                            }
                            Reaction::InNested => tx
                                .nested::<_, ()>(|tx| Ok(y.read(tx)?))?
                                .expect("it has no error of its own"),
                        };
                        Ok((x, y))
                    },
                    right,
                )
            });
            writer.join().expect("no panic");
            assert_eq!((seen, attempts), ((1, 1), 2), "{reaction:?}");
        });
        assert_eq!(rights.load(Ordering::Relaxed), 0, "{reaction:?}");
        assert_eq!(written.load(), 2);
    }

    watched("conflict_is_not_retry", || {
        with(Reaction::PassOn);
        with(Reaction::SwallowAndRetry);
        with(Reaction::InAnAlternative);
        with(Reaction::InNested);
    });
}

/// What running some alternatives came to.
#[derive(Default)]
struct Work {
    bodies: Cell<usize>,
    clones: Cell<usize>,
}

/// A boxed value that knows how often it was cloned on this thread.
#[derive(Debug)]
struct Tracked(i64);

thread_local! {
    static CLONES: Cell<usize> = const { Cell::new(0) };
}

impl Clone for Tracked {
    fn clone(&self) -> Self {
        CLONES.set(CLONES.get() + 1);
        Self(self.0)
    }
}

/// `alternatives` in a row of which only the last comes to a result. Each reads and writes a little.
struct Row {
    alternatives: usize,
    shared: TVar<Tracked>,
    words: Vec<TVar<i64>>,
    work: Work,
}

impl Row {
    fn new(alternatives: usize) -> Self {
        Self {
            alternatives,
            shared: TVar::new(Tracked(0)),
            words: (0..16).map(|_| TVar::new(0)).collect(),
            work: Work::default(),
        }
    }

    fn one(&self, tx: &mut Tx<'_>, i: usize) -> Stm<usize> {
        self.work.bodies.set(self.work.bodies.get() + 1);
        self.shared.update(tx, |value| value.0 += 1)?;
        self.shared.update(tx, |value| value.0 += 1)?;
        self.words[i % 16].modify(tx, |n| n + 1)?;
        check(i + 1 == self.alternatives)?;
        Ok(i)
    }

    fn in_a_loop(&self, tx: &mut Tx<'_>) -> Stm<usize> {
        for i in 0..self.alternatives {
            if let Some(i) = tx.optionally(|tx| self.one(tx, i))? {
                return Ok(i);
            }
        }
        retry()
    }

    /// `a or (b or (c or ..))`
    fn right_nested(&self, tx: &mut Tx<'_>, from: usize) -> Stm<usize> {
        if from + 1 == self.alternatives {
            return self.one(tx, from);
        }
        tx.or_else(
            |tx| self.one(tx, from),
            |tx| self.right_nested(tx, from + 1),
        )
    }

    /// `((a or b) or c) or ..`
    fn left_nested(&self, tx: &mut Tx<'_>, to: usize) -> Stm<usize> {
        if to == 0 {
            return self.one(tx, 0);
        }
        tx.or_else(|tx| self.left_nested(tx, to - 1), |tx| self.one(tx, to))
    }

    /// Runs it and gives the bytes of heap that it asked for.
    fn run(&self, run: impl Fn(&Self, &mut Tx<'_>) -> Stm<usize>) -> usize {
        let (asked, clones) = (counting::asked_here(), CLONES.get());
        let last = atomically(|tx| {
            // Pending writes that every alternative builds upon.
            write_all(tx, &self.words, 1)?;
            self.shared.write(tx, Tracked(0))?;
            run(self, tx)
        });
        self.work.clones.set(CLONES.get() - clones);
        let asked = counting::asked_here() - asked;
        assert_eq!(last + 1, self.alternatives);
        assert_eq!(self.shared.load().0, 2, "of the last one only");
        let sum: i64 = self.words.iter().map(TVar::load).sum();
        assert_eq!(sum, 17, "of the last one only");
        asked
    }
}

type Shape = (&'static str, fn(&Row, &mut Tx<'_>) -> Stm<usize>);

#[test]
fn wide_or_else() {
    const MANY: usize = 20_000;
    const SHAPES: [Shape; 3] = [
        ("loop", Row::in_a_loop),
        ("right-nested", |row, tx| row.right_nested(tx, 0)),
        ("left-nested", |row, tx| {
            row.left_nested(tx, row.alternatives - 1)
        }),
    ];
    common::watched_with_stack("wide_or_else", 1 << 30, || {
        for (shape, run) in SHAPES {
            let heap_of_few = Row::new(MANY / 10).run(run);
            let row = Row::new(MANY);
            let heap_of_many = row.run(run);
            assert_eq!(row.work.bodies.get(), MANY, "{shape}: each body once");
            assert_eq!(
                row.work.clones.get(),
                MANY,
                "{shape}: each copies the pending value once"
            );
            // Tables grow by doubling, so ten times as many cost up to twenty times as much.
            assert!(
                heap_of_many < heap_of_few * 20,
                "{shape}: {heap_of_few} bytes for {}, {heap_of_many} for {MANY}",
                MANY / 10,
            );
        }
    });
}

#[test]
fn update_in_place() {
    watched("update_in_place", || {
        // Scopes that are over, whatever became of them, do not keep the values around them from being changed in place.
        let var = TVar::new(Tracked(0));
        let before = CLONES.get();
        atomically(|tx| {
            var.update(tx, |value| value.0 += 1)?;
            for _ in 0..10 {
                tx.optionally(|_| Ok(()))?;
                tx.optionally(|_| retry::<()>())?;
                tx.nested(|_| abort::<(), _>("on purpose"))?
                    .expect_err("it fails");
                var.update(tx, |value| value.0 += 1)?;
            }
            Ok(())
        });
        assert_eq!(CLONES.get() - before, 1);

        // A `Ref` does: what it shows must not change.
        let copies = atomically(|tx| {
            let (first, before) = (var.read_ref(tx)?, CLONES.get());
            var.update(tx, |value| value.0 += 1)?;
            let second = var.read_ref(tx)?;
            var.update(tx, |value| value.0 += 1)?;
            var.update(tx, |value| value.0 += 1)?;
            assert_eq!((first.0, second.0), (11, 12));
            Ok(CLONES.get() - before)
        });
        assert_eq!((copies, var.load().0), (2, 14));
    });
}

#[test]
fn nested_err() {
    fn undoes_and_goes_on<T: Value>(width: usize) {
        let vars = vars::<T>(width);
        let result = try_atomically(|tx| {
            write_all(tx, &vars, 1)?;
            let inner = tx.nested(|tx| {
                write_all(tx, &vars, 2)?;
                let innermost = tx.nested(|tx| {
                    write_all(tx, &vars, 3)?;
                    abort::<(), _>("innermost")
                })?;
                expect_all(tx, &vars, 2)?;
                assert_eq!(innermost, Err("innermost"));
                let good = tx.nested::<_, &str>(|tx| Ok(write_all(tx, &vars, 4)?))?;
                expect_all(tx, &vars, 4)?;
                assert_eq!(good, Ok(()));
                abort::<(), _>("inner")
            })?;
            assert_eq!(inner, Err("inner"));
            expect_all(tx, &vars, 1)?;
            let kept = tx.nested::<_, &str>(|tx| Ok(vars[0].replace(tx, T::of(5))?.n()))?;
            assert_eq!((kept, vars[0].read(tx)?.n()), (Ok(1), 5));
            Ok::<_, stm_core::Abort<()>>("outer goes on")
        });
        assert_eq!(result, Ok("outer goes on"));
        assert_eq!(vars[0].load().n(), 5);
        expect_published(&vars[1..], 1);

        let failed = try_atomically(|tx| {
            let kept = tx.nested::<_, ()>(|tx| Ok(write_all(tx, &vars, 7)?))?;
            assert_eq!(kept, Ok(()));
            abort::<(), _>("all of it")
        });
        assert_eq!(failed, Err("all of it"));
        assert_eq!(vars[0].load().n(), 5);
        expect_published(&vars[1..], 1);
    }

    /// A retry passes through `nested` and is caught by the alternative around it, which undoes both.
    fn between_alternatives<T: Value>(width: usize) {
        let vars = vars::<T>(width);
        let result = atomically(|tx| {
            tx.nested(|tx| {
                write_all(tx, &vars, 1)?;
                let taken = tx.or_else(
                    |tx| {
                        write_all(tx, &vars, 2)?;
                        tx.nested::<(), ()>(|tx| {
                            write_all(tx, &vars, 3)?;
                            Ok(retry()?)
                        })?
                        .expect("it retries");
                        Ok("left")
                    },
                    |tx| {
                        expect_all(tx, &vars, 1)?;
                        let inner = tx.nested(|tx| {
                            write_all(tx, &vars, 4)?;
                            abort::<(), _>("inner")
                        })?;
                        assert_eq!(inner, Err("inner"));
                        expect_all(tx, &vars, 1)?;
                        vars[0].write(tx, T::of(6))?;
                        Ok("right")
                    },
                )?;
                Ok::<_, stm_core::Abort<()>>(taken)
            })
        });
        assert_eq!(result, Ok("right"));
        assert_eq!(vars[0].load().n(), 6);
        expect_published(&vars[1..], 1);
    }

    watched("nested_err", || {
        for width in WIDTHS {
            undoes_and_goes_on::<i64>(width);
            undoes_and_goes_on::<Box<i64>>(width);
            between_alternatives::<i64>(width);
            between_alternatives::<Box<i64>>(width);
        }
        // With nobody around it to catch it, the retry waits.
        let door = TVar::new(false);
        let (_, waker) = Wakes::new();
        let mut task = atomically_async(|tx| tx.nested::<_, ()>(|tx| Ok(check(door.read(tx)?)?)));
        assert_eq!(poll(&mut task, &waker), Poll::Pending);
        door.store(true);
        assert_eq!(poll(&mut task, &waker), Poll::Ready(Ok(())));
    });
}

#[test]
fn optionally() {
    fn some_and_none<T: Value>(width: usize) {
        let vars = vars::<T>(width);
        let take = |tx: &mut Tx<'_>, at_least: i64| {
            write_all(tx, &vars[1..], at_least)?;
            let now = vars[0].read(tx)?.n();
            check(now >= at_least)?;
            vars[0].write(tx, T::of(now - at_least))?;
            Ok(now)
        };
        vars[0].store(T::of(10));
        assert_eq!(atomically(|tx| tx.optionally(|tx| take(tx, 11))), None);
        assert_eq!(vars[0].load().n(), 10);
        expect_published(&vars[1..], 0);

        assert_eq!(atomically(|tx| tx.optionally(|tx| take(tx, 7))), Some(10));
        assert_eq!(vars[0].load().n(), 3);
        expect_published(&vars[1..], 7);

        // One in another: what the inner one undoes is not what the outer one wrote.
        let both = atomically(|tx| {
            tx.optionally(|tx| {
                let first = take(tx, 2)?;
                Ok((first, tx.optionally(|tx| take(tx, 2))?))
            })
        });
        assert_eq!(both, Some((3, None)));
        assert_eq!(vars[0].load().n(), 1);
        expect_published(&vars[1..], 2);
    }

    watched("optionally", || {
        for width in WIDTHS {
            some_and_none::<i64>(width);
            some_and_none::<Box<i64>>(width);
        }
    });
}
