//! What the workers do: a random one of everything, with random faults.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use stm_collections::TReceiver;
use stm_core::{
    Stm, TVar, Transaction, Tx, abort, atomically, atomically_async, check, retry, snapshot,
    try_atomically,
};

use super::world::{ACCOUNTS, CROWDED, Coin, PERMITS, TOTAL, World};

/// xorshift64*: replayable, and good enough to choose accounts.
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self((seed ^ (stream + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A panic on purpose, past the panic hook.
struct Fault;

fn fault<T>() -> T {
    resume_unwind(Box::new(Fault))
}

/// What a worker has seen happen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) done: u64,
    pub(crate) faults: u64,
    pub(crate) timeouts: u64,
    pub(crate) cancelled: u64,
    pub(crate) audits: u64,
    pub(crate) received: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.faults += other.faults;
        self.timeouts += other.timeouts;
        self.cancelled += other.cancelled;
        self.audits += other.audits;
        self.received += other.received;
    }
}

pub(crate) struct Worker<'w> {
    world: &'w World,
    rng: Rng,
    pub(crate) tally: Tally,
}

impl<'w> Worker<'w> {
    pub(crate) fn new(world: &'w World, rng: Rng) -> Self {
        let tally = Tally::default();
        Self { world, rng, tally }
    }

    /// One thing at random. A panic that is no fault of this program's goes on.
    pub(crate) fn step(&mut self) {
        match catch_unwind(AssertUnwindSafe(|| self.any())) {
            Ok(()) => self.tally.done += 1,
            Err(panic) if panic.is::<Fault>() => self.tally.faults += 1,
            Err(panic) => resume_unwind(panic),
        }
    }

    fn any(&mut self) {
        match self.rng.below(32) {
            0..10 => self.transfer(),
            10..20 => self.carry(),
            20 => self.audit(),
            21 => self.elder(),
            22 => self.wait_for_cover(),
            23 | 24 => self.task(),
            25 | 26 => self.permit(),
            27 | 28 => self.come_and_go(),
            29 => self.commute(),
            30 => self.alone(),
            _ => self.send(),
        }
    }

    /// A time limit that now and then is over at once.
    fn limited(&mut self) -> Transaction {
        let most = Duration::from_micros(self.rng.below(4_000) as u64);
        Transaction::new().named("soak").timeout(most)
    }

    /// Between two accounts, by one of several ways; a hook counts it; it may panic anywhere.
    fn transfer(&mut self) {
        let World { words, boxes, .. } = self.world;
        let mut rng = self.rng.clone();
        let (a, b) = (self.rng.below(ACCOUNTS), self.rng.below(ACCOUNTS));
        let n = self.rng.below(10) as i64;
        let hooks = &self.world.hooks;
        let _: Result<(), ()> = try_atomically(|tx| {
            words[a].modify(tx, |have| have - n)?;
            stumble(&mut rng);
            let hooks = Arc::clone(hooks);
            let bad_hook = rng.one_in(200);
            tx.on_commit(move || {
                hooks.fetch_add(1, Ordering::SeqCst);
                if bad_hook {
                    fault()
                }
            });
            self.world.hooked.commute(tx, |n| n + 1)?;
            let undone = tx.nested(|tx| {
                boxes[b].update(tx, |coin| *coin = Coin::of(coin.worth() + 1000))?;
                abort::<(), _>(Coin::of(0))
            })?;
            assert!(undone.is_err());
            stumble(&mut rng);
            if rng.one_in(100) {
                fault()
            }
            tx.or_else(
                |tx| {
                    boxes[b].modify(tx, |coin| Coin::of(coin.worth() + n + 1))?;
                    retry()
                },
                |tx| boxes[b].modify(tx, |coin| Coin::of(coin.worth() + n)),
            )?;
            if rng.one_in(50) {
                return abort(());
            }
            Ok(())
        });
    }

    /// From an account to a collection or back, so that the collection stays of a size.
    fn carry(&mut self) {
        let world = self.world;
        let word = &world.words[self.rng.below(ACCOUNTS)];
        let mut rng = self.rng.clone();
        let (place, put, n) = (
            self.rng.below(5),
            self.rng.one_in(2),
            self.rng.below(9) as i64,
        );
        let key = self.rng.below(CROWDED) as u64;
        let ended = self.limited().run(|tx| {
            let moved = match (place, put) {
                (0, true) if world.queue.len(tx)? < CROWDED => {
                    world.queue.push(tx, Coin::of(n))?;
                    -n
                }
                (0, _) => world.queue.try_pop(tx)?.map_or(0, |coin| coin.worth()),
                // Waits while it is full or empty, until its time is over.
                (1, true) => {
                    world.bounded.push(tx, Coin::of(n))?;
                    -n
                }
                (1, false) => world.bounded.pop(tx)?.worth(),
                (2, true) => {
                    let before = world.map.insert(tx, key, Coin::of(n))?;
                    before.map_or(0, |coin| coin.worth()) - n
                }
                (2, false) => {
                    let gone = world.map.remove(tx, &key)?;
                    gone.map_or(0, |coin| coin.worth())
                }
                (3, true) => {
                    let before = world.ordered.insert(tx, key, Coin::of(n))?;
                    before.map_or(0, |coin| coin.worth()) - n
                }
                (3, false) => {
                    let gone = match world.ordered.first_in_range(tx, key..)? {
                        Some((key, _)) => world.ordered.remove(tx, &key)?,
                        None => None,
                    };
                    gone.map_or(0, |coin| coin.worth())
                }
                (_, true) if world.heap.len(tx)? < CROWDED => {
                    world.heap.push(tx, n)?;
                    -n
                }
                _ => world.heap.try_pop(tx)?.unwrap_or(0),
            };
            stumble(&mut rng);
            if rng.one_in(300) {
                fault()
            }
            word.modify(tx, |have| have + moved)
        });
        self.tally.timeouts += u64::from(ended.is_err());
    }

    /// Everybody sees all the money, always: in a snapshot, and in a transaction that reads.
    fn audit(&mut self) {
        let sum = if self.rng.one_in(2) {
            snapshot(|s| self.world.total(s))
        } else {
            // Also in an attempt that will be thrown away.
            atomically(|tx| {
                let sum = self.world.total(tx)?;
                assert_eq!(sum, TOTAL, "seen in an attempt");
                Ok(sum)
            })
        };
        assert_eq!(sum, TOTAL, "seen by an auditor");
        self.tally.audits += 1;
    }

    /// Reads everything and writes one of it, against all the others: it lives on priority.
    fn elder(&mut self) {
        let world = self.world;
        let (a, b) = (self.rng.below(ACCOUNTS), self.rng.below(ACCOUNTS));
        let fails = self.rng.one_in(20);
        atomically(|tx| {
            let mut sum = 0;
            for (n, word) in world.words.iter().enumerate() {
                sum += word.read(tx)?;
                if n % 16 == 0 {
                    // Others get in, so that it fails, until it has priority.
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            world.words[a].modify(tx, |n| n - 1)?;
            world.words[b].modify(tx, |n| n + 1)?;
            if fails && tx.attempt() > 2 {
                fault()
            }
            std::hint::black_box(sum);
            Ok(())
        });
    }

    /// Waits for cover that may never come, until its time is over; a moment in it gives way to the other branch.
    fn wait_for_cover(&mut self) {
        let word = &self.world.words[self.rng.below(ACCOUNTS)];
        let needed = self.rng.below(400) as i64;
        let soon = Instant::now() + Duration::from_micros(self.rng.below(3_000) as u64);
        let covered = atomically(|tx| {
            tx.or_else(
                |tx| {
                    if word.read(tx)? >= needed {
                        return Ok(true);
                    }
                    tx.retry_until(soon)
                },
                |_| Ok(false),
            )
        });
        self.tally.timeouts += u64::from(!covered);
    }

    /// A task that takes from the bounded queue, polled a few times and maybe dropped.
    fn task(&mut self) {
        let world = self.world;
        let word = &world.words[self.rng.below(ACCOUNTS)];
        let mut task = atomically_async(|tx| {
            let coin = world.bounded.pop(tx)?;
            word.modify(tx, |n| n + coin.worth())
        });
        self.poll_for_a_while(&mut task);
    }

    fn poll_for_a_while(&mut self, task: &mut (impl Future + Unpin)) {
        struct Unpark(Thread, AtomicBool);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.1.store(true, Ordering::Release);
                self.0.unpark();
            }
        }
        let unpark = Arc::new(Unpark(std::thread::current(), AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&unpark));
        let polls = 1 + self.rng.below(4);
        for _ in 0..polls {
            let polled = Pin::new(&mut *task).poll(&mut Context::from_waker(&waker));
            if polled.is_ready() {
                return;
            }
            if !unpark.1.swap(false, Ordering::Acquire) {
                let pause = self.rng.below(300) as u64;
                std::thread::park_timeout(Duration::from_micros(pause));
            }
        }
        self.tally.cancelled += 1;
    }

    /// Takes permits, by a guard, by a task or not at all; never are there more out than there are.
    fn permit(&mut self) {
        let n = 1 + self.rng.below(2);
        let world = self.world;
        let guard = if self.rng.one_in(2) {
            world.permits.try_acquire_permit(n)
        } else {
            let mut got = None;
            let mut task =
                Box::pin(async { got = Some(world.permits.acquire_permit_async(n).await) });
            self.poll_for_a_while(&mut task);
            drop(task);
            got
        };
        if let Some(guard) = guard {
            let out = world.permits_out.fetch_add(n, Ordering::SeqCst) + n;
            assert!(out <= PERMITS, "{out} permits are out");
            stumble(&mut self.rng);
            world.permits_out.fetch_sub(n, Ordering::SeqCst);
            drop(guard);
        }
    }

    /// Variables whose last handle goes while others write them.
    fn come_and_go(&mut self) {
        let slot = &self.world.slots[self.rng.below(self.world.slots.len())];
        let word = &self.world.words[self.rng.below(ACCOUNTS)];
        let mut rng = self.rng.clone();
        let replace = self.rng.one_in(2);
        atomically(|tx| {
            let var = slot.read(tx)?;
            let worth = var.read_ref(tx)?.worth();
            stumble(&mut rng);
            if replace {
                slot.write(tx, TVar::new(Coin::of(worth)))?;
                // It goes with its old value: nobody reaches it any more.
                return var.write(tx, Coin::of(-1));
            }
            var.update(tx, |coin| *coin = Coin::of(worth + 1))?;
            drop(var);
            word.modify(tx, |n| n - 1)
        });
    }

    /// Functions that are applied at commit, one of which may panic there.
    fn commute(&mut self) {
        let World { words, boxes, .. } = self.world;
        let (a, b) = (self.rng.below(ACCOUNTS), self.rng.below(ACCOUNTS));
        let fails = self.rng.one_in(20);
        atomically(|tx| {
            words[a].commute(tx, |n| n - 3)?;
            boxes[b].commute(tx, move |coin| {
                if fails {
                    fault()
                }
                Coin::of(coin.worth() + 3)
            })
        });
    }

    /// Single operations, outside of transactions.
    fn alone(&mut self) {
        let word = &self.world.hooked;
        std::hint::black_box(word.load());
        let coin = self.world.boxes[self.rng.below(ACCOUNTS)].load();
        std::hint::black_box(coin.worth());
    }

    /// Sends the next number, unless a receiver lags.
    fn send(&mut self) {
        let world = self.world;
        atomically(|tx| {
            let n = world.next_item.read(tx)?;
            if world.channel.try_send(tx, n)?.is_ok() {
                world.next_item.write(tx, n + 1)?;
            }
            Ok(())
        });
    }
}

/// Receives until `over`, and finds that not one number is missing.
pub(crate) fn receive(world: &World, over: &TVar<bool>) -> Tally {
    let mut tally = Tally::default();
    let (receiver, mut next): (TReceiver<u64>, u64) =
        atomically(|tx| Ok((world.channel.subscribe(tx)?, world.next_item.read(tx)?)));
    let or_over = |tx: &mut Tx<'_>| -> Stm<Option<u64>> {
        tx.or_else(
            |tx| Ok(Some(receiver.recv(tx)?.expect("the world holds a sender"))),
            |tx| check(over.read(tx)?).map(|()| None),
        )
    };
    while let Some(n) = atomically(or_over) {
        assert_eq!(n, next, "received");
        next += 1;
        tally.received += 1;
    }
    tally
}

/// Gives the processor away, rarely: few processors alone would hardly ever stop a body half-way.
fn stumble(rng: &mut Rng) {
    if rng.one_in(64) {
        std::thread::yield_now();
    }
}
