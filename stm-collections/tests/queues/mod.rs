//! What both queues must do: each test here is run for each of them.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of this"
)]

pub mod kinds;
pub mod twin;

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use stm_collections::{TBQueue, TQueue};
use stm_core::{
    ReadTx, Stm, TVar, Tx, abort, atomically, atomically_async, snapshot, try_atomically,
};

use crate::common::{
    Rng, Wakes, block_on, collect_until, elsewhere, on_threads, poll, seed, stumble, under_fire,
    wait_until,
};

pub trait Element: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Element for T {}

/// Either queue.
pub trait Queue<T: Element>: Clone + Send + Sync + 'static {
    /// `capacity` matters if the queue has a bound.
    fn with_room(capacity: usize) -> Self;
    fn push(&self, tx: &mut Tx<'_>, value: T) -> Stm<()>;
    fn push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<()>;
    fn try_push(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>>;
    fn try_push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>>;
    fn pop(&self, tx: &mut Tx<'_>) -> Stm<T>;
    fn try_pop(&self, tx: &mut Tx<'_>) -> Stm<Option<T>>;
    fn drain(&self, tx: &mut Tx<'_>) -> Stm<Vec<T>>;
    fn peek(&self, tx: &mut impl ReadTx) -> Stm<T>;
    fn try_peek(&self, tx: &mut impl ReadTx) -> Stm<Option<T>>;
    fn try_peek_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Option<impl Deref<Target = T> + use<Self, T, X>>>;
    fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool>;
    fn is_full(&self, tx: &mut impl ReadTx) -> Stm<bool>;
    fn len(&self, tx: &mut impl ReadTx) -> Stm<usize>;
    fn for_each(&self, tx: &mut impl ReadTx, f: impl FnMut(&T)) -> Stm<()>;
    fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<T>>;
}

macro_rules! queue {
    ($Queue:ident { $($own:item)* }) => {
        impl<T: Element> Queue<T> for $Queue<T> {
            fn push(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
                self.push(tx, value)
            }
            fn push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
                self.push_front(tx, value)
            }
            fn pop(&self, tx: &mut Tx<'_>) -> Stm<T> {
                self.pop(tx)
            }
            fn try_pop(&self, tx: &mut Tx<'_>) -> Stm<Option<T>> {
                self.try_pop(tx)
            }
            fn drain(&self, tx: &mut Tx<'_>) -> Stm<Vec<T>> {
                self.drain(tx)
            }
            fn peek(&self, tx: &mut impl ReadTx) -> Stm<T> {
                self.peek(tx)
            }
            fn try_peek(&self, tx: &mut impl ReadTx) -> Stm<Option<T>> {
                self.try_peek(tx)
            }
            fn try_peek_ref<X: ReadTx>(&self, tx: &mut X) -> Stm<Option<impl Deref<Target = T> + use<T, X>>> {
                self.try_peek_ref(tx)
            }
            fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
                self.is_empty(tx)
            }
            fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
                self.len(tx)
            }
            fn for_each(&self, tx: &mut impl ReadTx, f: impl FnMut(&T)) -> Stm<()> {
                self.for_each(tx, f)
            }
            fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<T>> {
                self.to_vec(tx)
            }
            $($own)*
        }
    };
}

queue!(TQueue {
    fn with_room(_capacity: usize) -> Self {
        Self::new()
    }
    fn try_push(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        self.push(tx, value).map(Ok)
    }
    fn try_push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        self.push_front(tx, value).map(Ok)
    }
    fn is_full(&self, _tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(false)
    }
});

queue!(TBQueue {
    fn with_room(capacity: usize) -> Self {
        Self::new(capacity)
    }
    fn try_push(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        self.try_push(tx, value)
    }
    fn try_push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<Result<(), T>> {
        self.try_push_front(tx, value)
    }
    fn is_full(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.is_full(tx)
    }
});

/// Puts `values` in, each in a transaction of its own.
pub fn fill<T: Element>(queue: &impl Queue<T>, values: impl IntoIterator<Item = T>) {
    for value in values {
        atomically(|tx| queue.push(tx, value.clone()));
    }
}

/// Puts `n` through, so that the ends stand somewhere else.
pub fn rotate(queue: &impl Queue<u32>, n: u32) {
    for _ in 0..n {
        atomically(|tx| queue.push(tx, 0));
        atomically(|tx| queue.pop(tx));
    }
}

// ---- Threads ----

/// What goes to and fro between two queues is always in exactly one of them.
pub fn moved_elements_are_in_one_place<Q: Queue<u32>>(capacity: usize) {
    const ELEMENTS: u32 = 40;
    let seed = seed();
    let queues = [Q::with_room(capacity), Q::with_room(capacity)];
    fill(&queues[0], 0..ELEMENTS);
    let check = |(left, right): (Vec<u32>, Vec<u32>)| {
        let mut all = [left, right].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..ELEMENTS));
    };
    let moves = |id: usize, round: u64| {
        let mut rng = Rng::new(seed, id + 10 * round as usize);
        let (from, to) = rng.pair(2);
        let (front, all) = (rng.below(3) == 0, rng.below(50) == 0);
        atomically(|tx| {
            if all {
                for n in queues[from].drain(tx)? {
                    queues[to].push(tx, n)?;
                }
            } else if let Some(n) = queues[from].try_pop(tx)? {
                stumble(&mut rng, 8);
                match front {
                    true => queues[to].push_front(tx, n)?,
                    false => queues[to].push(tx, n)?,
                }
            }
            Ok(())
        });
    };
    under_fire(2, moves, || {
        for _ in 0..150 {
            check(snapshot(|s| {
                Ok((queues[0].to_vec(s)?, queues[1].to_vec(s)?))
            }));
            check(atomically(|tx| {
                Ok((queues[0].to_vec(tx)?, queues[1].to_vec(tx)?))
            }));
            let both = snapshot(|s| Ok(queues[0].len(s)? + queues[1].len(s)?));
            assert_eq!(both, ELEMENTS as usize);
        }
    });
}

/// Every consumer gets what it gets of any one producer in order, and all is got once.
pub fn each_producers_order_is_kept<Q: Queue<(usize, u32)>>(capacity: usize) {
    const EACH: u32 = 400;
    let queue = Q::with_room(capacity);
    let got = on_threads(4, |id| match id {
        0 | 1 => {
            fill(&queue, (0..EACH).map(|n| (id, n)));
            Vec::new()
        }
        _ => (0..EACH).map(|_| atomically(|tx| queue.pop(tx))).collect(),
    });
    for producer in 0..2 {
        let mut all = Vec::new();
        for consumed in &got {
            let of_it: Vec<_> = consumed
                .iter()
                .filter(|(id, _)| *id == producer)
                .map(|(_, n)| *n)
                .collect();
            assert!(of_it.is_sorted());
            all.extend(of_it);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..EACH));
    }
    assert!(atomically(|tx| queue.is_empty(tx)));
}

/// A report sees one moment, at its first attempt, whatever is done to the queue meanwhile.
pub fn reports_see_one_moment<Q: Queue<u32>>(capacity: usize) {
    let queue = Q::with_room(capacity);
    fill(&queue, 0..100);
    let pass_on = |_, _| {
        atomically(|tx| {
            let first = queue.pop(tx)?;
            queue.push(tx, first + 100)
        });
    };
    under_fire(1, pass_on, || {
        for _ in 0..100 {
            let mut runs = 0;
            let (all, shown, len, first) = snapshot(|s| {
                runs += 1;
                let all = queue.to_vec(s)?;
                std::thread::yield_now();
                let mut shown = Vec::new();
                queue.for_each(s, |n| shown.push(*n))?;
                let first = queue.try_peek_ref(s)?.map(|n| *n);
                Ok((all, shown, queue.len(s)?, first))
            });
            assert_eq!(runs, 1);
            assert_eq!(all, shown);
            assert_eq!(len, 100);
            assert_eq!(first, all.first().copied());
            assert!(all.iter().copied().eq(all[0]..all[0] + 100), "{all:?}");
        }
    });
}

// ---- Conflicts ----

/// How many attempts `body` takes if `rival` commits once, at the end of the first.
pub fn attempts<R>(
    mut body: impl FnMut(&mut Tx<'_>) -> Stm<R>,
    rival: impl Fn() + Send + Sync,
) -> u32 {
    atomically(|tx| {
        body(tx)?;
        if tx.attempt() == 1 {
            elsewhere(&rival);
        }
        Ok(tx.attempt())
    })
}

/// With a few elements between them, the ends go on without each other, wherever in their arrays they are.
pub fn push_and_pop_do_not_conflict<Q: Queue<u32>>(capacity: usize) -> usize {
    let queue = Q::with_room(capacity);
    fill(&queue, 0..3);
    let mut again = 0;
    for _ in 0..100 {
        let pop = || {
            atomically(|tx| queue.pop(tx));
        };
        again += (attempts(|tx| queue.push(tx, 1), pop) > 1) as usize;
        let push = || atomically(|tx| queue.push(tx, 1));
        again += (attempts(|tx| queue.pop(tx), push) > 1) as usize;
        let pop_and_push = || {
            pop();
            push();
        };
        let asked = TVar::new(false);
        let ask = |tx: &mut Tx<'_>| {
            let empty = queue.is_empty(tx)?;
            asked.write(tx, empty)
        };
        assert_eq!(attempts(ask, push), 1);
        assert_eq!(attempts(ask, pop_and_push), 2);
        // A rival at the same end does conflict.
        assert_eq!(attempts(|tx| queue.push(tx, 1), push), 2);
        assert_eq!(attempts(|tx| queue.pop(tx), pop_and_push), 2);
        assert_eq!(snapshot(|s| queue.len(s)), 5);
        (0..2).for_each(|_| pop());
    }
    again
}

/// A consumer that dawdles in its transactions gets everything, though producers never pause.
pub fn consumer_not_starved<Q: Queue<u32>>() {
    let queue = Q::with_room(usize::MAX);
    let pushed = AtomicUsize::new(1);
    fill(&queue, [0]);
    let push = |_, _| {
        atomically(|tx| queue.push(tx, 0));
        pushed.fetch_add(1, Ordering::SeqCst);
    };
    under_fire(2, push, || {
        for _ in 0..300 {
            let attempts = atomically(|tx| {
                queue.pop(tx)?;
                let before = pushed.load(Ordering::SeqCst);
                wait_until(|| pushed.load(Ordering::SeqCst) > before);
                Ok(tx.attempt())
            });
            // Both ends may have been at the spare; not twice in a row.
            assert!(attempts <= 3, "{attempts} attempts");
        }
    });
}

// ---- Values ----

/// A value that counts those alive, and its clones.
#[derive(Debug)]
pub struct Counted {
    alive: Arc<AtomicUsize>,
    clones: Arc<AtomicUsize>,
}

#[derive(Clone, Debug, Default)]
pub struct Counts {
    alive: Arc<AtomicUsize>,
    clones: Arc<AtomicUsize>,
}

impl Counts {
    pub fn value(&self) -> Counted {
        self.alive.fetch_add(1, Ordering::SeqCst);
        Counted {
            alive: Arc::clone(&self.alive),
            clones: Arc::clone(&self.clones),
        }
    }
    pub fn alive(&self) -> usize {
        self.alive.load(Ordering::SeqCst)
    }
    pub fn clones(&self) -> usize {
        self.clones.load(Ordering::SeqCst)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.alive.fetch_add(1, Ordering::SeqCst);
        self.clones.fetch_add(1, Ordering::SeqCst);
        Self {
            alive: Arc::clone(&self.alive),
            clones: Arc::clone(&self.clones),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let before = self.alive.fetch_sub(1, Ordering::SeqCst);
        assert_ne!(before, 0, "dropped once too often");
    }
}

/// Each operation clones what it gives out and nothing else: there is no pop that touches more than one element.
pub fn only_what_goes_out_is_cloned<Q: Queue<Counted>>() {
    let queue = Q::with_room(usize::MAX);
    let counts = Counts::default();
    let clones_in = |what: &str, n: usize, f: &dyn Fn()| {
        let before = counts.clones();
        f();
        assert_eq!(counts.clones() - before, n, "{what}");
    };
    let put = |n: usize| {
        for _ in 0..n {
            let mut value = Some(counts.value());
            atomically(|tx| queue.push(tx, value.take().expect("nobody is in the way")));
        }
    };
    clones_in("push", 0, &|| put(200));
    for _ in 0..100 {
        clones_in("pop", 1, &|| drop(atomically(|tx| queue.pop(tx))));
        clones_in("push", 0, &|| put(1));
    }
    clones_in("peek", 1, &|| drop(atomically(|tx| queue.peek(tx))));
    clones_in("looks", 0, &|| {
        snapshot(|s| {
            queue.for_each(s, |_| ())?;
            assert!(queue.try_peek_ref(s)?.is_some());
            assert!(!queue.is_empty(s)?);
            queue.len(s)
        });
    });
    clones_in("to_vec", 200, &|| drop(snapshot(|s| queue.to_vec(s))));
    clones_in("drain", 200, &|| drop(atomically(|tx| queue.drain(tx))));
}

/// What was taken out is freed while the queue lives, by each way to take it out, and the rest with the queue.
pub fn every_value_is_freed<Q: Queue<Counted>>() {
    let queue = Q::with_room(usize::MAX);
    let counts = Counts::default();
    let alive_in_the_end = |n: usize| {
        collect_until(|| counts.alive() == n);
        assert_eq!(counts.alive(), n);
    };
    let put = |n: usize| {
        for front in (0..n).map(|n| n % 3 == 0) {
            atomically(|tx| match front {
                true => queue.push_front(tx, counts.value()),
                false => queue.push(tx, counts.value()),
            });
        }
    };
    put(150);
    alive_in_the_end(150);
    for left in (0..150).rev() {
        drop(atomically(|tx| queue.pop(tx)));
        if left % 50 < 3 {
            alive_in_the_end(left);
        }
    }
    put(150);
    drop(atomically(|tx| queue.drain(tx)));
    alive_in_the_end(0);
    put(150);
    // Undone: neither the taken nor the put ones are lost or left.
    let undone = try_atomically(|tx| {
        queue.drain(tx)?;
        (0..50).try_for_each(|_| queue.push(tx, counts.value()))?;
        abort::<(), _>(())
    });
    assert_eq!(undone, Err(()));
    alive_in_the_end(150);
    drop(queue);
    alive_in_the_end(0);
}

/// The last handle may go inside a transaction, while others look at what was in the queue.
pub fn a_queue_may_be_dropped_in_a_body<Q: Queue<Counted>>() {
    let counts = Counts::default();
    let queue = Q::with_room(usize::MAX);
    for _ in 0..200 {
        atomically(|tx| queue.push(tx, counts.value()));
    }
    let mut queue = Some(queue);
    let still_there = atomically(|tx| {
        let Some(queue) = queue.take() else {
            return Ok(true);
        };
        let first = queue.try_peek_ref(tx)?;
        drop(queue);
        Ok(first.is_some())
    });
    assert!(still_there);
    collect_until(|| counts.alive() == 0);
    assert_eq!(counts.alive(), 0);
}

/// A value whose drop runs a transaction, as that of any value in a variable may.
#[derive(Clone, Debug)]
pub struct Transactional(pub TVar<u32>);

impl Drop for Transactional {
    fn drop(&mut self) {
        self.0.store(1);
    }
}

// ---- Waiting ----

/// A task that waits for an element is woken by what puts one in, at either end, and by nothing else.
pub fn a_waiting_task_is_woken_by_a_push<Q: Queue<u32>>() {
    for turned in [0, 3, 4, 5, 36] {
        for front in [false, true] {
            let (queue, other) = (Q::with_room(9), Q::with_room(9));
            rotate(&queue, turned);
            let (wakes, waker) = Wakes::new();
            let mut popping = atomically_async(|tx| queue.pop(tx));
            let mut peeking = atomically_async(|tx| queue.peek(tx));
            assert_eq!(poll(&mut popping, &waker), Poll::Pending);
            assert_eq!(poll(&mut peeking, &waker), Poll::Pending);
            fill(&other, [1]);
            assert_eq!(atomically(|tx| queue.try_pop(tx)), None);
            assert_eq!(wakes.count(), 0);
            atomically(|tx| match front {
                true => queue.push_front(tx, 7),
                false => queue.push(tx, 7),
            });
            assert_eq!(wakes.count(), 2, "turned {turned}, front {front}");
            assert_eq!(poll(&mut peeking, &waker), Poll::Ready(7));
            assert_eq!(poll(&mut popping, &waker), Poll::Ready(7));
        }
    }
}

/// The same for a thread. That it gets on at all is the point.
pub fn a_waiting_thread_is_woken_by_a_push<Q: Queue<u32>>() {
    let queue = Q::with_room(1);
    for turned in 0..10 {
        let waits = AtomicBool::new(false);
        std::thread::scope(|s| {
            let consumer = s.spawn(|| {
                atomically(|tx| {
                    waits.store(true, Ordering::SeqCst);
                    queue.pop(tx)
                })
            });
            wait_until(|| waits.load(Ordering::SeqCst));
            fill(&queue, [turned]);
            assert_eq!(consumer.join().unwrap(), turned);
        });
    }
}

/// Tasks on both sides, one thread each.
pub fn tasks_pass_everything_on<Q: Queue<u32>>(capacity: usize) {
    let queue = Q::with_room(capacity);
    let got = Mutex::new(Vec::new());
    on_threads(2, |id| {
        for n in 0..300 {
            if id == 0 {
                block_on(atomically_async(|tx| queue.push(tx, n)));
            } else {
                got.lock()
                    .unwrap()
                    .push(block_on(atomically_async(|tx| queue.pop(tx))));
            }
        }
    });
    assert!(got.into_inner().unwrap().into_iter().eq(0..300));
}
