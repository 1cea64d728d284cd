//! Commits that wait for a decider, and how others sleep until they know.
//!
//! # The problem, and the idea
//!
//! A lock is usually held for less than a microsecond, so who finds one spins, then yields. A commit with a decider
//! ([`crate::decide`]) holds its locks for as long as a disk or a server takes, and many who yield all that time are a
//! machine that does nothing else. Telling such a lock by a bit of its own would cost every word. So the committer puts one
//! sticky event into a table beside the variables, under the address of each that it has locked, before it calls its decider;
//! who has spun on a locked word looks there, and sleeps on what it finds. It is the wait table of a futex (Franke, Russell
//! and Kirkwood, "Fuss, Futexes and Furwocks", OLS 2002) turned round: the owner registers, once, and not those who wait.
//!
//! # The race, and why nobody sleeps for ever
//!
//! - The committer (a) enters the event, calls its decider, (b) unlocks all, (c) takes the event out, (d) signals it.
//! - One who waits (e) sees the lock, (f) looks into the table, (g) sleeps on the event, (h) looks at the word again.
//!
//! (f) before (a), or after (c): nothing is there; it yields and goes back to (e). In between: (d) is yet to come, or, the event
//! being sticky, (g) does not sleep. It wakes after (b), so (h) finds the word unlocked, or locked by somebody else.
//!
//! # Who waits where
//!
//! | who | where |
//! |---|---|
//! | an update, a committer | the attempt ends ([`Cause::Undecided`](crate::cause::Cause)), the call sleeps or its task is pending |
//! | a snapshot; `load`, `store`, `swap`, `glance` | in place, pinned: the committer is pinned for as long anyway |
//! | a snapshot that a task runs, or that has a deadline | the attempt ends |
//! | the holder of the token | in place, so that its filter keeps the next off, not beyond its lease; then the attempt ends |
//!
//! # Invariants
//!
//! - D1  An event is signalled exactly once, by the drop of its [`Announced`], whatever unwinds; the variables under which
//!   it was entered are unlocked by then.
//! - D2  An address in the table is locked by the commit whose event it bears, or was until a moment ago. A later commit may
//!   enter its own over it: whoever has found the first still has it.
//! - D3  Nobody sleeps here with a lock held. No user code runs under a mutex of this file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use crate::block::Pinned;
use crate::priority;
use crate::shield;
use crate::sync::{AtomicUsize, Mutex, Ordering, statics};
use crate::wait::Waiter;

const SHARDS: usize = if cfg!(loom) { 1 } else { 16 };

/// Events by address.
type Shard = Mutex<HashMap<usize, Arc<Undecided>>>;

#[derive(Debug)]
struct Table {
    shards: Vec<CachePadded<Shard>>,
}

statics! {
    static TABLE: Table = Table::new();
}

statics! {
    /// How many events are in the table. While there are none, who waits for a lock looks no further.
    static ANNOUNCED: AtomicUsize = const AtomicUsize::new(0);
}

impl Table {
    fn new() -> Self {
        let shard = || CachePadded::new(Mutex::new(HashMap::new()));
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
        }
    }

    fn shard(&self, address: usize) -> &Shard {
        // Blocks are 16-aligned and often lie in a row.
        &self.shards[(address >> 5) % SHARDS]
    }
}

/// The sticky event: a commit that has not been decided yet, or has.
#[derive(Debug)]
pub(crate) struct Undecided(Mutex<State>);

#[derive(Debug)]
enum State {
    Pending(SmallVec<[Arc<Waiter>; 4]>),
    Over,
}

/// How a sleep with an end of its own ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Outcome {
    /// The commit is decided, and its variables are unlocked.
    Over,
    /// It is not.
    Pending,
}

/// The event of the commit that keeps `block` locked while its decider runs, if there is one.
#[cold]
pub(crate) fn on(block: Pinned) -> Option<Arc<Undecided>> {
    // Relaxed: a hint. Who misses an event yields and looks again.
    if ANNOUNCED.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let shard = TABLE.shard(block.address()).lock();
    shard.get(&block.address()).cloned()
}

/// What is to be done about an undecided commit by an attempt that holds no lock: the holder of the token waits for it as long
/// as its lease lasts. For all others, and beyond that, the attempt must end; `behind` then says what to wait for.
#[cold]
pub(crate) fn sit_out(
    undecided: Arc<Undecided>,
    protected: bool,
    behind: &mut Option<Arc<Undecided>>,
) -> Outcome {
    if protected {
        undecided.sleep(priority::lease_end());
    }
    let outcome = undecided.outcome();
    if outcome == Outcome::Pending {
        *behind = Some(undecided);
    }
    outcome
}

impl Undecided {
    fn outcome(&self) -> Outcome {
        match *self.0.lock() {
            State::Pending(_) => Outcome::Pending,
            State::Over => Outcome::Over,
        }
    }

    /// Has `waiter` woken when it is over, or at once if it is.
    pub(crate) fn enter(&self, waiter: &Arc<Waiter>) {
        let mut state = self.0.lock();
        match &mut *state {
            State::Pending(waiters) => waiters.push(Arc::clone(waiter)),
            State::Over => {
                drop(state);
                // A task has left no waker here yet; a thread is this one.
                waiter.wake();
            }
        }
    }

    /// Takes `waiter` out, if it has not been woken.
    pub(crate) fn leave(&self, waiter: &Arc<Waiter>) {
        let mut state = self.0.lock();
        let State::Pending(waiters) = &mut *state else {
            return;
        };
        let at = waiters.iter().position(|w| Arc::ptr_eq(w, waiter));
        let removed = at.map(|at| waiters.remove(at));
        drop(state);
        // D3: a waiter may own a waker.
        drop(removed);
    }

    /// Sleeps until it is over, or until `end`. For threads, with no lock held (D3).
    pub(crate) fn sleep(&self, end: Option<Instant>) {
        let waiter = Arc::new(Waiter::of_this_thread());
        self.enter(&waiter);
        match end {
            None => waiter.sleep(),
            Some(end) => waiter.sleep_until(end),
        }
        self.leave(&waiter);
    }

    /// Wakes everybody. Runs wakers: outside of every lock, pin and transaction.
    fn signal(&self) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Over);
        if let State::Pending(waiters) = before {
            for waiter in waiters {
                shield::run(|| {
                    waiter.wake();
                    drop(waiter);
                });
            }
        }
    }
}

/// A committer's event, in the table until it is [withdrawn](Announced::withdraw); dropping it signals it (D1).
#[derive(Debug)]
#[must_use = "dropping it tells everybody that the commit is decided"]
pub(crate) struct Announced {
    event: Arc<Undecided>,
    under: Vec<usize>,
}

impl Announced {
    /// Step (a), by the owner of these locks.
    pub(crate) fn announce(locked: impl Iterator<Item = Pinned>) -> Self {
        let this = Self {
            event: Arc::new(Undecided(Mutex::new(State::Pending(SmallVec::new())))),
            under: locked.map(Pinned::address).collect(),
        };
        if !this.under.is_empty() {
            // Relaxed: see `on`.
            ANNOUNCED.fetch_add(1, Ordering::Relaxed);
        }
        for &address in &this.under {
            let mut shard = TABLE.shard(address).lock();
            let earlier = shard.insert(address, Arc::clone(&this.event));
            drop(shard);
            drop(earlier);
        }
        this
    }

    /// Step (c). The locks have been given back.
    pub(crate) fn withdraw(&mut self) {
        if self.under.is_empty() {
            return;
        }
        for address in self.under.drain(..) {
            let mut shard = TABLE.shard(address).lock();
            // D2: the next owner's stays.
            if shard
                .get(&address)
                .is_some_and(|event| Arc::ptr_eq(event, &self.event))
            {
                shard.remove(&address);
            }
        }
        ANNOUNCED.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.withdraw();
        self.event.signal();
    }
}
