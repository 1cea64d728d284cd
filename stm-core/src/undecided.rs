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
//! | a snapshot, but an attempt that has become one before any has failed; `load`, `store`, `swap`, `glance` | in place, pinned: the committer is pinned for as long anyway |
//! | a snapshot that a task runs, or that has a deadline | the attempt ends |
//! | the holder of the token | in place, so that its filter keeps the next off, not beyond its lease; then the attempt ends |
//!
//! # Invariants
//!
//! - D1  An event is signalled exactly once, by [`Announced::end`]; the variables under which it was entered are unlocked by
//!   then. Nothing unwinds between that and [`Announced::announce`] but the decider, which is caught.
//! - D2  An address in the table is locked by the commit whose event it bears, or was until a moment ago. A later commit may
//!   enter its own over it: whoever has found the first still has it.
//! - D3  Nobody sleeps here with a lock held. No user code runs under a mutex of this file.
//! - D4  While an event is pending, its committer is pinned, so the variables under which it is entered are alive.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use crate::block::Pinned;
use crate::context;
use crate::diagnostics::origin::Origin;
use crate::log::Log;
use crate::mutant::mutant;
use crate::sync::{AtomicUsize, Mutex, Ordering, statics};
use crate::wait::{DECIDED, Waiter};

const SHARDS: usize = if cfg!(any(loom, shuttle)) { 1 } else { 16 };

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
    Pending(SmallVec<[Sleeper; 4]>),
    Over,
}

/// Who waits, and over which variable.
#[derive(Debug)]
struct Sleeper {
    waiter: Arc<Waiter>,
    over: usize,
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

/// Shows `f` everybody who sleeps here, with the variable that keeps each. As a picture of one moment: it is put together shard by
/// shard.
pub(crate) fn for_each_sleeper(mut f: impl FnMut(usize, &Waiter)) {
    for shard in &TABLE.shards {
        for (&address, event) in shard.lock().iter() {
            // D4: until this is unlocked.
            if let State::Pending(sleepers) = &*event.0.lock() {
                let here = |sleeper: &&Sleeper| sleeper.over == address;
                let asleep = sleepers.iter().filter(here);
                asleep
                    .filter(|sleeper| !sleeper.waiter.is_woken())
                    .for_each(|sleeper| f(address, &sleeper.waiter));
            }
        }
    }
}

impl Undecided {
    pub(crate) fn outcome(&self) -> Outcome {
        match *self.0.lock() {
            State::Pending(_) => Outcome::Pending,
            State::Over => Outcome::Over,
        }
    }

    /// Has `waiter`, whom `over` keeps, woken when it is decided, or at once if it is.
    pub(crate) fn enter(&self, waiter: &Arc<Waiter>, over: Pinned) {
        let mut state = self.0.lock();
        match &mut *state {
            State::Pending(sleepers) => sleepers.push(Sleeper {
                waiter: Arc::clone(waiter),
                over: over.address(),
            }),
            State::Over => {
                drop(state);
                // A task has left no waker here yet; a thread is this one.
                waiter.wake(DECIDED);
            }
        }
    }

    /// Takes `waiter` out, if it has not been woken.
    pub(crate) fn leave(&self, waiter: &Arc<Waiter>) {
        let mut state = self.0.lock();
        let State::Pending(sleepers) = &mut *state else {
            return;
        };
        let at = sleepers
            .iter()
            .position(|sleeper| Arc::ptr_eq(&sleeper.waiter, waiter));
        let removed = at.map(|at| sleepers.remove(at));
        drop(state);
        // D3: a waiter may own a waker.
        drop(removed);
    }

    /// Sleeps, over this variable, until it is decided, or until `end`. For threads, with no lock held (D3).
    pub(crate) fn sleep(&self, over: Pinned, end: Option<Instant>, origin: Origin) {
        context::tally(|tally| tally.decisions_awaited.add(1));
        let waiter = Arc::new(Waiter::of_this_thread(origin));
        self.enter(&waiter, over);
        match end {
            None => waiter.sleep(),
            Some(end) => waiter.sleep_until(end),
        }
        if !mutant!("D-sleeper") {
            self.leave(&waiter);
        }
    }

    /// Wakes the threads, and adds the tasks to `tasks`: their wakers are user code.
    fn signal(&self, tasks: &mut Vec<Arc<Waiter>>) {
        let before = std::mem::replace(&mut *self.0.lock(), State::Over);
        let State::Pending(sleepers) = before else {
            return;
        };
        for Sleeper { waiter, .. } in sleepers {
            if waiter.is_a_task() {
                tasks.push(waiter);
            } else {
                waiter.wake(DECIDED);
            }
        }
    }
}

/// A committer's event, in the table until its [end](Announced::end).
#[derive(Debug)]
#[must_use = "others sleep until its end"]
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
        // Relaxed: see `on`.
        ANNOUNCED.fetch_add(1, Ordering::Relaxed);
        for &address in &this.under {
            let mut shard = TABLE.shard(address).lock();
            let earlier = shard.insert(address, Arc::clone(&this.event));
            drop(shard);
            drop(earlier);
        }
        this
    }

    /// Steps (c) and (d). The locks have been given back. Tasks are left to the end of the attempt that owns `log`.
    pub(crate) fn end(self, log: &mut Log) {
        for address in self.under {
            let mut shard = TABLE.shard(address).lock();
            // D2: the next owner's stays.
            if shard
                .get(&address)
                .is_some_and(|event| Arc::ptr_eq(event, &self.event))
                && !mutant!("D-event")
            {
                shard.remove(&address);
            }
        }
        if !mutant!("D-event-count") {
            // Relaxed: see `on`. Who still counts this event finds nothing in the table.
            ANNOUNCED.fetch_sub(1, Ordering::Relaxed);
        }
        if !mutant!("D-event-signal") {
            self.event.signal(&mut log.answered);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{Decision, TVar, try_atomically};

    #[test]
    fn nothing_is_left_of_a_decided_commit() {
        let (x, y) = (TVar::new(0), TVar::new(String::new()));
        for answer in [Decision::Commit, Decision::Abort("no")] {
            let answered = try_atomically(|tx| {
                let n = x.read(tx)?;
                y.write(tx, n.to_string())?;
                tx.decide(|| {
                    assert_eq!(ANNOUNCED.load(Ordering::Relaxed), 1);
                    answer
                })
            });
            assert_eq!(answered.is_ok(), answer == Decision::Commit);
            assert_eq!(ANNOUNCED.load(Ordering::Relaxed), 0);
            assert!(TABLE.shards.iter().all(|shard| shard.lock().is_empty()));
        }
    }
}
