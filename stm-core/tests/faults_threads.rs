//! Threads that come to grief beside transactions, or in them; many at once; variables that go while others write them; forks.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
mod fuse;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, OnceLock, mpsc};
use std::task::Poll;

use common::fire::{collect_until, stumble, under_fire};
use common::{Rng, Value, Wakes, on_threads, poll, seed, wait_until, watched_alone};
use fuse::Item;
use stm_core::diagnostics::registered_waits;
use stm_core::{TVar, Tx, atomically, atomically_async, check, snapshot};

/// Runs the test `name` of this program again, in a process of its own with the environment variable [`ROLE`].
fn in_a_process(name: &str, role: &str) -> Output {
    Command::new(std::env::current_exe().expect("the test's own program"))
        .args(["--exact", "--nocapture", name])
        .env(ROLE, role)
        .output()
        .expect("the test's own program runs")
}

const ROLE: &str = "STM_FAULTS_ROLE";

/// A process ends though threads sleep in transactions, are in the middle of one, or hold values that they would drop.
#[test]
fn a_process_ends_over_its_sleeping_threads() {
    fn child() {
        let (door, other) = (TVar::new(0), TVar::new(Item::of(1)));
        let (inside, is_inside) = mpsc::channel();
        for n in 1..=8 {
            let (door, other, inside) = (door.clone(), other.clone(), inside.clone());
            std::thread::spawn(move || {
                atomically(|tx| {
                    other.write(tx, Item::of(n))?;
                    if n == 8 {
                        // For ever in the body, with a pin.
                        inside.send(()).expect("it listens");
                        std::thread::park();
                    }
                    check(door.read(tx)? > n)
                });
                unreachable!("nobody opens the door");
            });
        }
        is_inside.recv().expect("it comes to that");
        wait_until(|| registered_waits() == 7);
        // Not by a panic of this thread, and without a word to the others.
        std::process::exit(17);
    }

    watched_alone("process_ends_over_sleepers", || {
        if std::env::var(ROLE).is_ok() {
            return child();
        }
        let end = in_a_process("a_process_ends_over_its_sleeping_threads", "exit");
        assert_eq!(end.status.code(), Some(17), "{end:?}");
        let said = String::from_utf8_lossy(&end.stderr);
        assert!(!said.contains("panicked"), "{said}");
    });
}

/// A thread whose handle was dropped sleeps on, and goes on when it is woken.
#[test]
fn a_thread_without_a_handle_is_woken_like_any_other() {
    watched_alone("detached_thread", || {
        let (door, through) = (TVar::new(0), TVar::new(0));
        for _ in 0..5 {
            let (door, through) = (door.clone(), through.clone());
            drop(std::thread::spawn(move || {
                atomically(|tx| {
                    check(door.read(tx)? > 0)?;
                    through.modify(tx, |n| n + 1)
                });
            }));
        }
        wait_until(|| registered_waits() == 5);
        door.store(1);
        atomically(|tx| check(through.read(tx)? == 5));
        assert_eq!(registered_waits(), 0);
    });
}

/// Threads die of panics, in bodies and between them, while siblings sleep on what they write. Each death is seen by its joiner
/// and by nobody else.
#[test]
fn the_death_of_a_thread_is_no_matter_of_its_siblings() {
    fn dying<T: Value>() {
        const THREADS: i64 = 8;
        let turn = TVar::new(T::of(0));
        let ends = on_threads(THREADS as usize, |id| {
            let id = id as i64;
            catch_unwind(AssertUnwindSafe(|| {
                for lap in 0.. {
                    atomically(|tx| {
                        let now = turn.read(tx)?.n();
                        if now >= THREADS * 10 {
                            return Ok(());
                        }
                        check(now % THREADS == id)?;
                        turn.write(tx, T::of(now + 1))?;
                        if id % 2 == 1 && lap == 3 {
                            // In the middle of its body: it still owes the turn to the next one.
                            resume_unwind(Box::new(id));
                        }
                        Ok(())
                    });
                    if turn.load().n() >= THREADS * 10 {
                        return;
                    }
                }
            }))
            .map_err(|panic| {
                // Somebody takes the turns of the dead over, or all would wait for them.
                std::thread::scope(|s| {
                    s.spawn(|| {
                        loop {
                            let over = atomically(|tx| {
                                let now = turn.read(tx)?.n();
                                check(now % THREADS == id || now >= THREADS * 10)?;
                                if now < THREADS * 10 {
                                    turn.write(tx, T::of(now + 1))?;
                                }
                                Ok(now + 1 >= THREADS * 10)
                            });
                            if over {
                                break;
                            }
                        }
                    });
                });
                *panic.downcast::<i64>().expect("its own")
            })
        });
        for (id, end) in (0..THREADS).zip(ends) {
            assert_eq!(end, if id % 2 == 1 { Err(id) } else { Ok(()) });
        }
        assert_eq!(turn.load().n(), THREADS * 10);
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("dying_threads", || {
        dying::<i64>();
        dying::<Box<i64>>();
    });
}

/// The owner lets variables go while others write them, wait for them and look at them.
#[test]
fn a_variable_whose_owner_lets_go_while_others_commit_to_it() {
    const ROUNDS: usize = 4_000;

    watched_alone("owner_lets_go", || {
        let seed = seed();
        let before = fuse::alive();
        let slots: Vec<_> = (0..3).map(|_| TVar::new(TVar::new(Item::of(0)))).collect();
        let writes = AtomicUsize::new(0);
        under_fire(
            3,
            |thread, round| {
                let mut rng = Rng::new(seed ^ round.wrapping_mul(0x9E37), thread);
                let slot = &slots[rng.below(slots.len())];
                let add = |tx: &mut Tx<'_>| {
                    let var = slot.read(tx)?;
                    let seen = var.read_ref(tx)?;
                    stumble(&mut rng, 4);
                    var.update(tx, |item| item.set(item.n() + 1))?;
                    // Ours may be the last handle from here on.
                    drop(var);
                    stumble(&mut rng, 4);
                    Ok(seen.n())
                };
                match thread {
                    0 => {
                        atomically(add);
                        writes.fetch_add(1, Ordering::Relaxed);
                    }
                    1 => {
                        // Waits for it, and is cancelled over it.
                        let mut task = atomically_async(|tx| {
                            let var = slot.read(tx)?;
                            let n = var.read_ref(tx)?.n();
                            drop(var);
                            check(n > 1_000_000_000)
                        });
                        let (_, waker) = Wakes::new();
                        assert_eq!(poll(&mut task, &waker), Poll::Pending);
                        std::thread::yield_now();
                        let _ = poll(&mut task, &waker);
                    }
                    _ => {
                        snapshot(|s| {
                            // Held while others replace and free what they can.
                            let mut held = Vec::new();
                            for slot in &slots {
                                held.push(slot.read_ref(s)?.read_ref(s)?);
                            }
                            let sum = || held.iter().map(|item| item.n()).sum::<i64>();
                            let before = sum();
                            (0..3).for_each(|_| std::thread::yield_now());
                            assert_eq!(sum(), before);
                            Ok(())
                        });
                    }
                }
            },
            || {
                let mut rng = Rng::new(seed, 99);
                for round in 0..ROUNDS {
                    let slot = &slots[rng.below(slots.len())];
                    match round % 3 {
                        0 => slot.store(TVar::new(Item::of(0))),
                        1 => drop(slot.swap(TVar::new(Item::of(0)))),
                        _ => atomically(|tx| {
                            let mine = slot.replace(tx, TVar::new(Item::of(0)))?;
                            mine.update(tx, |item| item.set(item.n() + 1))
                        }),
                    }
                }
                wait_until(|| writes.load(Ordering::Relaxed) > 0);
            },
        );
        assert_eq!(registered_waits(), 0);
        drop(slots);
        collect_until(|| fuse::alive() == before);
        assert_eq!(fuse::alive(), before, "items are left");
        fuse::expect_unspoiled();
    });
}

/// The crowd that the count of snapshots, the waiters' table and the queues must hold at once.
const CROWD: usize = 2_500;

#[test]
fn a_crowd_of_tasks_sleeps_and_wakes_at_once() {
    fn crowd<T: Value>() {
        let doors: Vec<_> = (0..50).map(|_| TVar::new(T::of(0))).collect();
        let through = TVar::new(0_usize);
        let (wakes, waker) = Wakes::new();
        let mut tasks: Vec<_> = (0..CROWD)
            .map(|n| {
                let (doors, through) = (&doors, &through);
                atomically_async(move |tx| {
                    let (mine, all) = (&doors[n % 50], &doors[0]);
                    let open = mine.read(tx)?.n() > 0 && all.read(tx)?.n() > 0;
                    through.commute(tx, |n| n + 1)?;
                    check(open)
                })
            })
            .collect();
        for task in &mut tasks {
            assert!(poll(task, &waker).is_pending());
        }
        // Those whose door is the first wait on one variable, all others on one, too: the first that is shut.
        assert_eq!(registered_waits(), CROWD);
        for door in &doors[1..] {
            door.store(T::of(1));
        }
        assert_eq!(wakes.count(), CROWD - CROWD / 50);
        for (n, task) in tasks.iter_mut().enumerate() {
            assert!(
                poll(task, &waker).is_pending(),
                "task {n}: the first is shut"
            );
        }
        // Every one of them waits for both doors now, but those for which they are the same.
        assert_eq!(registered_waits(), 2 * CROWD - CROWD / 50);
        // Every other one gives up; the rest go through.
        let mut n = 0;
        tasks.retain(|_| {
            n += 1;
            n % 2 == 0
        });
        doors[0].store(T::of(1));
        for task in &mut tasks {
            assert!(poll(task, &waker).is_ready());
        }
        assert_eq!(through.load(), CROWD / 2);
        assert_eq!(registered_waits(), 0);
    }

    watched_alone("crowd_of_tasks", || {
        crowd::<i64>();
        crowd::<Box<i64>>();
    });
}

/// Threads, each in the middle of its body at the same time: half of them hold a snapshot, half have written.
#[test]
fn a_crowd_of_threads_is_in_its_bodies_at_once() {
    const CELLS: usize = 64;

    struct Crowd {
        cells: Vec<TVar<i64>>,
        boxes: Vec<TVar<Item>>,
        /// Lets go when all are in their bodies. Known when it is known how many there are.
        all_inside: OnceLock<Barrier>,
    }

    impl Crowd {
        fn member(&self, id: usize) {
            let (a, b) = (id % CELLS, (id / CELLS + id) % CELLS);
            if id.is_multiple_of(2) {
                snapshot(|s| {
                    self.all_inside.wait().wait();
                    // The others commit from here on, all at once.
                    for (cell, item) in self.cells.iter().zip(&self.boxes) {
                        assert_eq!((cell.read(s)?, item.read_ref(s)?.n()), (1, 1));
                    }
                    Ok(())
                });
            } else {
                atomically(|tx| {
                    self.cells[a].modify(tx, |n| n - 1)?;
                    if tx.attempt() == 1 {
                        self.all_inside.wait().wait();
                    }
                    self.boxes[b].update(tx, |item| item.set(item.n() + 1))
                });
            }
        }
    }

    watched_alone("crowd_of_threads", || {
        let before = fuse::alive();
        let crowd = Arc::new(Crowd {
            cells: (0..CELLS).map(|_| TVar::new(1)).collect(),
            boxes: (0..CELLS).map(|_| TVar::new(Item::of(1))).collect(),
            all_inside: OnceLock::new(),
        });
        let mut threads = Vec::new();
        for id in 0..CROWD {
            let crowd = Arc::clone(&crowd);
            let small = std::thread::Builder::new().stack_size(256 << 10);
            match small.spawn(move || crowd.member(id)) {
                Ok(thread) => threads.push(thread),
                Err(refused) => {
                    eprintln!("the machine lets no more: {refused}");
                    break;
                }
            }
        }
        let members = threads.len();
        eprintln!("{members} threads are in their bodies at once");
        assert!(members > 1, "no crowd");
        crowd
            .all_inside
            .set(Barrier::new(members))
            .unwrap_or_else(|_| unreachable!("set once"));
        for thread in threads {
            thread.join().expect("it ends in peace");
        }
        let [cells, boxes] = snapshot(|s| {
            let (mut cells, mut boxes) = (0, 0);
            for (cell, item) in crowd.cells.iter().zip(&crowd.boxes) {
                cells += cell.read(s)?;
                boxes += item.read_ref(s)?.n();
            }
            Ok([cells, boxes])
        });
        let moved = (members / 2) as i64;
        assert_eq!([cells, boxes], [CELLS as i64 - moved, CELLS as i64 + moved]);
        drop(crowd);
        collect_until(|| fuse::alive() == before);
        assert_eq!(fuse::alive(), before, "items are left");
        fuse::expect_unspoiled();
    });
}

/// What the documentation promises of a child that was forked: where nobody was in a call of the crate but sleepers, transactions
/// run in it, and those of the parent go on.
#[cfg(target_os = "linux")]
#[test]
#[allow(unsafe_code, reason = "there is no safe fork")]
fn a_forked_child_of_a_quiet_process_runs_transactions() {
    unsafe extern "C" {
        fn fork() -> i32;
        fn waitpid(child: i32, status: *mut i32, options: i32) -> i32;
        fn _exit(code: i32) -> !;
    }

    fn work(door: &TVar<i64>, item: &TVar<Item>) -> bool {
        let sum = atomically(|tx| {
            item.update(tx, |item| item.set(item.n() + 1))?;
            door.modify(tx, |n| n + 1)?;
            Ok(item.read_ref(tx)?.n() + door.read(tx)?)
        });
        // Nobody but the parent's sleeper would have been woken; a wait that ends by its deadline does so here, too.
        let soon = stm_core::Transaction::new().timeout(std::time::Duration::from_millis(1));
        let stopped = soon.run(|tx| check(door.read(tx)? < 0));
        sum == 3 && stopped.is_err() && snapshot(|s| door.read(s)) == 1
    }

    fn parent() {
        let (door, item) = (TVar::new(0), TVar::new(Item::of(1)));
        let sleeper = std::thread::spawn({
            let door = door.clone();
            move || atomically(|tx| check(door.read(tx)? == 1))
        });
        wait_until(|| registered_waits() == 1);
        // SAFETY: the other threads sleep: the engine's, in a wait, and the harness's, for this one.
        match unsafe { fork() } {
            0 => {
                let right = catch_unwind(AssertUnwindSafe(|| work(&door, &item)));
                // SAFETY: ends the child without what the parent's exit would do a second time.
                unsafe { _exit(if matches!(right, Ok(true)) { 21 } else { 22 }) }
            }
            child => {
                assert!(child > 0, "fork");
                let mut status = 0;
                // SAFETY: a child of this process and a place for its status.
                assert_eq!(unsafe { waitpid(child, &raw mut status, 0) }, child);
                // The child's writes are its own.
                assert_eq!((door.load(), registered_waits()), (0, 1));
                assert!(work(&door, &item));
                sleeper.join().expect("it was woken");
                println!("child: {}", status >> 8);
            }
        }
    }

    watched_alone("fork", || {
        if std::env::var(ROLE).is_ok() {
            return parent();
        }
        let end = in_a_process(
            "a_forked_child_of_a_quiet_process_runs_transactions",
            "fork",
        );
        assert!(end.status.success(), "{end:?}");
        let said = String::from_utf8_lossy(&end.stdout);
        assert!(said.contains("child: 21"), "{said}");
    });
}
