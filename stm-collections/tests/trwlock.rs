//! The read-write lock: readers share, a writer is alone, nobody starves, inside and outside alike.

mod common;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use common::{
    Histories, Rng, Wakes, block_on, on_threads, panic_of, poll, seed, stumble, under_fire,
    wait_until, watched_alone,
};
use quickcheck::{QuickCheck, TestResult};
use stateright::semantics::SequentialSpec;
use stm_collections::{TRwLock, TRwLockReadGuard, TRwLockWriteGuard};
use stm_core::{abort, atomically, atomically_async, retry, snapshot};

/// Either guard, to be kept in one list.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its drop")]
enum Guard {
    Read(TRwLockReadGuard),
    Write(TRwLockWriteGuard),
}

type Acquiring = Pin<Box<dyn Future<Output = Guard> + Send>>;

fn acquiring(lock: &TRwLock, write: bool) -> Acquiring {
    if write {
        let guard = lock.write_async();
        Box::pin(async { Guard::Write(guard.await) })
    } else {
        let guard = lock.read_async();
        Box::pin(async { Guard::Read(guard.await) })
    }
}

fn is_pending(task: &mut Acquiring) -> bool {
    poll(task, Waker::noop()).is_pending()
}

fn in_line(lock: &TRwLock, write: bool) -> Acquiring {
    let mut task = acquiring(lock, write);
    assert!(is_pending(&mut task), "there was to be a line");
    task
}

fn served(task: &mut Acquiring) -> Guard {
    match poll(task, Waker::noop()) {
        Poll::Ready(guard) => guard,
        Poll::Pending => panic!("it was to be served by now"),
    }
}

/// Readers, whether there is a writer, and how many wait.
fn state(lock: &TRwLock) -> (usize, bool, usize) {
    snapshot(|s| Ok((lock.readers(s)?, lock.is_write_locked(s)?, lock.waiting(s)?)))
}

const FREE: (usize, bool, usize) = (0, false, 0);

/// The twin: who holds it, and a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Twin {
    readers: usize,
    writer: bool,
    line: VecDeque<(usize, bool)>,
    granted: Vec<usize>,
}

impl Twin {
    fn fits(&self, write: bool) -> bool {
        !self.writer && (!write || self.readers == 0)
    }

    fn take(&mut self, write: bool) -> bool {
        let can = self.line.is_empty() && self.fits(write);
        if can {
            self.admit(write);
        }
        can
    }

    fn admit(&mut self, write: bool) {
        if write {
            self.writer = true;
        } else {
            self.readers += 1;
        }
    }

    fn give(&mut self, write: bool) {
        if write {
            self.writer = false;
        } else {
            self.readers -= 1;
        }
        self.serve();
    }

    fn serve(&mut self) {
        while let Some(&(id, write)) = self.line.front()
            && self.fits(write)
        {
            self.admit(write);
            self.granted.push(id);
            self.line.pop_front();
        }
    }
}

#[test]
fn spec() {
    fn program(ops: Vec<(u8, u8)>) -> TestResult {
        let mut twin = Twin::default();
        let lock = TRwLock::new();
        let mut tasks: Vec<(usize, bool, Acquiring)> = Vec::new();
        let mut guards: Vec<(bool, Guard)> = Vec::new();
        // Taken inside.
        let (mut reads, mut writes) = (0, 0);
        for (id, (op, arg)) in ops.into_iter().enumerate() {
            let write = arg % 3 == 0;
            let pick = |len: usize| (len > 0).then(|| usize::from(arg) % len);
            match op % 9 {
                0 => {
                    let took = atomically(|tx| {
                        if write {
                            lock.try_acquire_write(tx)
                        } else {
                            lock.try_acquire_read(tx)
                        }
                    });
                    assert_eq!(took, twin.take(write));
                    if took {
                        *(if write { &mut writes } else { &mut reads }) += 1;
                    }
                }
                1 if reads > 0 => {
                    atomically(|tx| lock.release_read(tx));
                    reads -= 1;
                    twin.give(false);
                }
                2 if writes > 0 => {
                    atomically(|tx| lock.release_write(tx));
                    writes -= 1;
                    twin.give(true);
                }
                3 | 4 => {
                    let mut task = acquiring(&lock, write);
                    if twin.take(write) {
                        guards.push((write, served(&mut task)));
                    } else {
                        assert!(is_pending(&mut task));
                        twin.line.push_back((id, write));
                        tasks.push((id, write, task));
                    }
                }
                5 => {
                    if let Some(at) = pick(tasks.len()) {
                        let (id, write, task) = &mut tasks[at];
                        if twin.granted.contains(id) {
                            guards.push((*write, served(task)));
                            drop(tasks.swap_remove(at));
                        } else {
                            assert!(is_pending(task));
                        }
                    }
                }
                6 => {
                    if let Some(at) = pick(tasks.len()) {
                        let (id, write, task) = tasks.swap_remove(at);
                        drop(task);
                        if twin.granted.contains(&id) {
                            twin.give(write);
                        } else {
                            twin.line.retain(|&(other, _)| other != id);
                            twin.serve();
                        }
                    }
                }
                7 => {
                    if let Some(at) = pick(guards.len()) {
                        let (write, guard) = guards.swap_remove(at);
                        drop(guard);
                        twin.give(write);
                    }
                }
                // Several in one transaction, of which some are undone.
                _ => {
                    let took = atomically(|tx| {
                        let undone = tx.nested(|tx| {
                            lock.try_acquire_read(tx)?;
                            abort(())
                        })?;
                        assert_eq!(undone, Err::<(), ()>(()));
                        tx.optionally(|tx| {
                            tx.or_else(
                                |tx| {
                                    lock.try_acquire_write(tx)?;
                                    retry()
                                },
                                |tx| {
                                    lock.acquire_write(tx)?;
                                    lock.release_write(tx)?;
                                    lock.try_acquire_read(tx)
                                },
                            )
                        })
                    });
                    match took {
                        Some(took) => {
                            assert!(took && twin.take(true));
                            twin.give(true);
                            assert!(twin.take(false));
                            reads += 1;
                        }
                        None => assert!(!twin.clone().take(true)),
                    }
                }
            }
            assert_eq!(
                state(&lock),
                (twin.readers, twin.writer, twin.line.len()),
                "{op} {arg}"
            );
        }
        drop((tasks, guards));
        for _ in 0..reads {
            atomically(|tx| lock.release_read(tx));
        }
        for _ in 0..writes {
            atomically(|tx| lock.release_write(tx));
        }
        assert_eq!(state(&lock), FREE);
        TestResult::passed()
    }
    watched_alone("spec", || {
        QuickCheck::new()
            .tests(400)
            .quickcheck(program as fn(Vec<(u8, u8)>) -> TestResult);
    });
}

#[derive(Clone, Copy, Debug)]
enum Op {
    TryRead,
    TryWrite,
    /// Of whatever is held, by whomever.
    Release,
    Look,
}

impl SequentialSpec for Twin {
    type Op = Op;
    type Ret = (usize, bool);

    fn invoke(&mut self, op: &Op) -> (usize, bool) {
        match op {
            Op::TryRead => (0, self.take(false)),
            Op::TryWrite => (0, self.take(true)),
            Op::Release => {
                let held = self.writer || self.readers > 0;
                if held {
                    self.give(self.writer);
                }
                (0, held)
            }
            Op::Look => (self.readers, self.writer),
        }
    }
}

#[test]
fn linearizable() {
    watched_alone("linearizable", || {
        Histories::default().check(
            &Twin::default(),
            TRwLock::new,
            |rng| match rng.below(6) {
                0 | 1 => Op::TryRead,
                2 => Op::TryWrite,
                3 | 4 => Op::Release,
                _ => Op::Look,
            },
            |lock, op| match op {
                Op::TryRead => (0, atomically(|tx| lock.try_acquire_read(tx))),
                Op::TryWrite => (0, atomically(|tx| lock.try_acquire_write(tx))),
                Op::Release => atomically(|tx| {
                    if lock.is_write_locked(tx)? {
                        lock.release_write(tx)?;
                    } else if lock.readers(tx)? > 0 {
                        lock.release_read(tx)?;
                    } else {
                        return Ok((0, false));
                    }
                    Ok((0, true))
                }),
                Op::Look => atomically(|tx| Ok((lock.readers(tx)?, lock.is_write_locked(tx)?))),
            },
        );
    });
}

#[test]
fn a_write_lock_moved_between_two_is_always_on_one() {
    watched_alone("moved", || {
        let seed = seed();
        let locks = [TRwLock::new(), TRwLock::new()];
        atomically(|tx| locks[0].acquire_write(tx));
        under_fire(
            2,
            |_, round| {
                let from = round as usize % 2;
                atomically(|tx| {
                    if locks[from].is_write_locked(tx)? {
                        locks[from].release_write(tx)?;
                        locks[1 - from].acquire_write(tx)?;
                    }
                    Ok(())
                });
            },
            || {
                let mut rng = Rng::new(seed, 9);
                for _ in 0..2_000 {
                    stumble(&mut rng, 8);
                    let both = atomically(|tx| {
                        Ok([locks[0].is_write_locked(tx)?, locks[1].is_write_locked(tx)?])
                    });
                    assert_ne!(both[0], both[1]);
                    let both = snapshot(|s| {
                        Ok([locks[0].is_write_locked(s)?, locks[1].is_write_locked(s)?])
                    });
                    assert_ne!(both[0], both[1]);
                }
            },
        );
    });
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    watched_alone("share", || {
        let lock = TRwLock::default();
        let readers = [lock.read(), lock.read(), lock.try_read().unwrap()];
        assert_eq!(state(&lock), (3, false, 0));
        assert!(lock.try_write().is_none());
        drop(readers);
        let writer = lock.write();
        assert_eq!(state(&lock), (0, true, 0));
        assert!(lock.try_read().is_none() && lock.try_write().is_none());
        drop(writer);
        drop(lock.try_write().unwrap());
        assert_eq!(state(&lock), FREE);
    });
}

#[test]
fn guards_and_operations_inside_exclude_each_other() {
    watched_alone("inside, outside", || {
        let lock = TRwLock::new();
        atomically(|tx| lock.acquire_write(tx));
        assert!(lock.try_read().is_none() && lock.try_write().is_none());
        let mut reader = in_line(&lock, false);
        atomically(|tx| lock.release_write(tx));
        let reader = served(&mut reader);

        assert!(atomically(|tx| lock.try_acquire_read(tx)), "two readers");
        assert!(!atomically(|tx| lock.try_acquire_write(tx)));
        let mut inside = atomically_async(|tx| lock.acquire_write(tx));
        assert!(poll(&mut inside, Waker::noop()).is_pending());
        drop(reader);
        assert!(poll(&mut inside, Waker::noop()).is_pending());
        atomically(|tx| lock.release_read(tx));
        assert!(poll(&mut inside, Waker::noop()).is_ready());
        assert_eq!(state(&lock), (0, true, 0));
    });
}

#[test]
fn readers_that_come_after_a_waiting_writer_wait_behind_it() {
    watched_alone("behind the writer", || {
        let lock = TRwLock::new();
        let reader = lock.read();
        let mut writer = in_line(&lock, true);
        let mut late = [in_line(&lock, false), in_line(&lock, false)];
        assert!(lock.try_read().is_none());
        assert!(!atomically(|tx| lock.try_acquire_read(tx)));
        drop(reader);
        let writer = served(&mut writer);
        assert!(late.iter_mut().all(is_pending));
        drop(writer);
        // Let in together.
        let late = late.each_mut().map(served);
        assert_eq!(state(&lock), (2, false, 0));
        drop(late);
    });
}

#[test]
fn a_stream_of_readers_does_not_starve_a_writer() {
    watched_alone("writer", || {
        let lock = TRwLock::new();
        // Each keeps its guard until it has the next, so that without the line there would always be a reader.
        let over = AtomicBool::new(false);
        let streaming = AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    let mut kept = lock.read();
                    streaming.fetch_add(1, Ordering::SeqCst);
                    while !over.load(Ordering::SeqCst) {
                        match lock.try_read() {
                            Some(next) => kept = next,
                            // The writer waits: who held on now would wait for himself.
                            None => {
                                drop(kept);
                                kept = lock.read();
                            }
                        }
                        std::thread::yield_now();
                    }
                });
            }
            wait_until(|| streaming.load(Ordering::SeqCst) == 2);
            for _ in 0..100 {
                let _writer = lock.write();
                assert_eq!(state(&lock).0, 0);
            }
            over.store(true, Ordering::SeqCst);
        });
    });
}

#[test]
fn a_cancelled_writer_lets_the_readers_behind_it_in() {
    watched_alone("cancelled writer", || {
        let lock = TRwLock::new();
        let reader = lock.read();
        let writer = in_line(&lock, true);
        let (wakes, waker) = Wakes::new();
        let mut late = acquiring(&lock, false);
        assert!(poll(&mut late, &waker).is_pending());
        drop(writer);
        assert_eq!(wakes.count(), 1);
        let late = served(&mut late);
        assert_eq!(state(&lock), (2, false, 0));
        drop((reader, late));

        // Granted, and never fetched.
        let reader = lock.read();
        let writer = in_line(&lock, true);
        drop(reader);
        assert_eq!(state(&lock), (0, true, 0));
        drop(writer);
        assert_eq!(state(&lock), FREE);
    });
}

#[test]
fn threads_and_tasks_are_served_in_one_order() {
    watched_alone("fifo", || {
        let lock = TRwLock::new();
        let served = Mutex::new(Vec::new());
        std::thread::scope(|s| {
            let writer = lock.write();
            for id in 0..10 {
                let (lock, served) = (&lock, &served);
                s.spawn(move || {
                    // Writers at the even places, so that the order is visible.
                    let _guard = match id % 4 {
                        0 => Guard::Write(lock.write()),
                        1 => Guard::Read(lock.read()),
                        2 => block_on(acquiring(lock, true)),
                        _ => block_on(acquiring(lock, false)),
                    };
                    served.lock().unwrap().push(id);
                });
                wait_until(|| state(lock).2 == id + 1);
            }
            drop(writer);
        });
        assert_eq!(served.into_inner().unwrap(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_guard_dropped_inside_a_body_is_back_after_the_attempt() {
    watched_alone("dropped inside", || {
        let lock = TRwLock::new();
        let writer = RefCell::new(Some(lock.write()));
        let seen = atomically(|tx| {
            drop(writer.take());
            lock.is_write_locked(tx)
        });
        assert!(seen, "not while the body runs");
        assert_eq!(state(&lock), FREE);
        let reader = RefCell::new(Some(lock.read()));
        atomically(|_| {
            drop(reader.take());
            Ok(())
        });
        assert_eq!(state(&lock), FREE);
    });
}

#[test]
fn a_panic_while_holding_gives_the_lock_back() {
    watched_alone("panic", || {
        let lock = TRwLock::new();
        for write in [true, false] {
            panic_of(|| {
                let _guard = block_on(acquiring(&lock, write));
                panic!("on purpose");
            });
            assert_eq!(state(&lock), FREE);
        }
    });
}

#[test]
fn releasing_what_is_not_held_is_told_and_changes_nothing() {
    watched_alone("misuse", || {
        let lock = TRwLock::new();
        let release_read = || panic_of(|| atomically(|tx| lock.release_read(tx)));
        let release_write = || panic_of(|| atomically(|tx| lock.release_write(tx)));
        assert!(release_read().contains("without a reader"));
        assert!(release_write().contains("without a writer"));
        let reader = lock.read();
        assert!(release_write().contains("without a writer"));
        drop(reader);
        let writer = lock.write();
        assert!(release_read().contains("without a reader"));
        assert_eq!(state(&lock), (0, true, 0));
        drop(writer);
        assert_eq!(state(&lock), FREE);
        let message = panic_of(|| {
            atomically(|_| {
                drop(lock.read());
                Ok(())
            });
        });
        assert!(message.contains("inside a transaction"), "{message}");
    });
}

#[test]
fn or_else_takes_whichever_lock_is_free() {
    watched_alone("or_else", || {
        let (a, b) = (TRwLock::new(), TRwLock::new());
        let either =
            || atomically_async(|tx| tx.or_else(|tx| a.acquire_write(tx), |tx| b.acquire_read(tx)));
        let reader = a.read();
        assert!(poll(&mut either(), Waker::noop()).is_ready());
        assert_eq!((state(&a), state(&b)), ((1, false, 0), (1, false, 0)));
        atomically(|tx| b.release_read(tx));
        let writer = b.write();
        let mut waits = either();
        assert!(poll(&mut waits, Waker::noop()).is_pending());
        drop(reader);
        assert!(poll(&mut waits, Waker::noop()).is_ready());
        assert_eq!((state(&a), state(&b)), ((0, true, 0), (0, true, 0)));
        drop(writer);
    });
}

#[test]
fn under_fire_nobody_is_where_he_should_not_be() {
    watched_alone("fire", || {
        let seed = seed();
        let lock = TRwLock::new();
        let (readers, writers) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let hold = |rng: &mut Rng, write: bool| {
            let mine = if write { &writers } else { &readers };
            let before = mine.fetch_add(1, Ordering::SeqCst);
            stumble(rng, 2);
            if write {
                assert_eq!((before, readers.load(Ordering::SeqCst)), (0, 0));
            } else {
                assert_eq!(writers.load(Ordering::SeqCst), 0);
            }
            mine.fetch_sub(1, Ordering::SeqCst);
        };
        on_threads(4, |id| {
            let mut rng = Rng::new(seed, id);
            for _ in 0..1_000 {
                let write = rng.below(3) == 0;
                match rng.below(5) {
                    0 => {
                        let guard = if write {
                            Guard::Write(lock.write())
                        } else {
                            Guard::Read(lock.read())
                        };
                        hold(&mut rng, write);
                        drop(guard);
                    }
                    1 => {
                        let guard = block_on(acquiring(&lock, write));
                        hold(&mut rng, write);
                        drop(guard);
                    }
                    2 => {
                        let mut task = acquiring(&lock, write);
                        for _ in 0..rng.below(4) {
                            if let Poll::Ready(guard) = poll(&mut task, Waker::noop()) {
                                hold(&mut rng, write);
                                drop(guard);
                                break;
                            }
                            stumble(&mut rng, 2);
                        }
                    }
                    3 => {
                        let guard = if write {
                            lock.try_write().map(Guard::Write)
                        } else {
                            lock.try_read().map(Guard::Read)
                        };
                        if guard.is_some() {
                            hold(&mut rng, write);
                        }
                    }
                    _ if write => {
                        atomically(|tx| lock.acquire_write(tx));
                        hold(&mut rng, write);
                        atomically(|tx| lock.release_write(tx));
                    }
                    _ => {
                        atomically(|tx| lock.acquire_read(tx));
                        hold(&mut rng, write);
                        atomically(|tx| lock.release_read(tx));
                    }
                }
            }
        });
        assert_eq!(state(&lock), FREE);
    });
}

#[test]
fn debug_opens_no_transaction() {
    watched_alone("debug", || {
        let lock = TRwLock::new();
        let shown = format!("{:?}", lock.write()) + &format!("{:?}", lock.read());
        let shown = atomically(|_| Ok(format!("{lock:?} {shown}")));
        for name in ["TRwLock", "TRwLockReadGuard", "TRwLockWriteGuard"] {
            assert!(shown.contains(name), "{shown}");
        }
    });
}
