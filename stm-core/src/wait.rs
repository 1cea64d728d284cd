//! Waiting: how a transaction that called `retry` sleeps until something that it read has changed.
//!
//! # The problem, and the idea
//!
//! A waiter must not miss the commit that changes what it read, and a committer must not pay for waiting when
//! nobody waits. So each word has a WAITERS bit: the committer's lock sees it for free, and only then looks
//! into a table beside the variables for whom to wake. Blocking `retry` is from Harris, Marlow, Peyton Jones
//! and Herlihy, "Composable Memory Transactions" (PPoPP 2005, doi:10.1145/1065944.1065952).
//!
//! # The race, and why no wake-up is lost
//!
//! For each variable that it read:
//!
//! - The waiter (a) registers in the table, then (b) sets WAITERS and looks at the word it replaced: locked or
//!   changed means do not sleep.
//! - The committer (c) locks the word, then (d) publishes, unlocks, and if its lock saw WAITERS, (e) detaches the
//!   variable's list from the table and wakes everybody on it.
//!
//! (b) and (c) are read-modify-writes of one word, so one of them is first. If (b) is first, (c) sees the bit and
//! acquires (a), so (e) finds the registration. If (c) is first, (b) finds the word locked or, after (d), changed,
//! and the waiter does not sleep. An aborting committer puts the bit back with the word.
//!
//! A registration made after (d) may be detached by (e), too: it wakes for nothing, once (P6 allows it: that
//! commit overlapped the registration).
//!
//! # Invariants
//!
//! - N1  A [`Waiter`] serves one wait and is woken at most once.
//! - N2  No user code runs under a shard's mutex: wakers are cloned before and dropped after, counted handles
//!   are dropped outside, wakes happen outside.
//! - N3  A registration holds handles to its variables, so an address in the table means one variable as long as
//!   anybody waits on it, and dropping the registration removes all of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::thread::ThreadId;
use std::time::Instant;

use crossbeam_utils::CachePadded;
use smallvec::SmallVec;

use crate::alarm::Alarm;
use crate::block::{BlockHandle, Pinned};
use crate::diagnostics::observer::WakeReason;
use crate::diagnostics::origin::Origin;
use crate::log::Read;
use crate::mutant::{edge, mutant, shielded};
use crate::sync::{
    AtomicU32, Mutex, Ordering, Thread, current_thread, park, park_timeout, statics,
};
use crate::undecided::Undecided;
use crate::word::Announce;

const SHARDS: usize = if cfg!(any(loom, shuttle)) { 1 } else { 64 };

type Queue = SmallVec<[Arc<Waiter>; 2]>;

/// Waiters by variable. Sharded, so that unrelated waits rarely meet.
#[derive(Debug)]
struct Table {
    shards: Vec<CachePadded<Mutex<HashMap<usize, Queue>>>>,
}

statics! {
    static TABLE: Table = Table::new();
}

impl Table {
    fn new() -> Self {
        let shard = || CachePadded::new(Mutex::new(HashMap::new()));
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
        }
    }

    fn shard(&self, address: usize) -> &Mutex<HashMap<usize, Queue>> {
        // Blocks are 16-aligned and often lie in a row.
        &self.shards[(address >> 5) % SHARDS]
    }

    fn add(&self, address: usize, waiter: Arc<Waiter>) {
        self.shard(address)
            .lock()
            .entry(address)
            .or_default()
            .push(waiter);
    }

    fn remove(&self, address: usize, waiter: &Arc<Waiter>) {
        let mut shard = self.shard(address).lock();
        let Some(queue) = shard.get_mut(&address) else {
            return;
        };
        // Order is kept: who waits longest is woken first.
        let removed = queue
            .iter()
            .position(|w| Arc::ptr_eq(w, waiter))
            .map(|at| queue.remove(at));
        let gone = if queue.is_empty() {
            shard.remove(&address)
        } else {
            None
        };
        drop(shard);
        // N2: a waiter may own a waker.
        drop((removed, gone));
    }

    fn detach(&self, address: usize) -> Queue {
        self.shard(address)
            .lock()
            .remove(&address)
            .unwrap_or_default()
    }
}

/// How many waits are registered now, counting each variable of each wait.
pub(crate) fn registered() -> usize {
    let count = |shard: &CachePadded<Mutex<HashMap<usize, Queue>>>| {
        shard.lock().values().map(SmallVec::len).sum::<usize>()
    };
    TABLE.shards.iter().map(count).sum()
}

/// Calls `f` with each variable of each wait that nobody has ended yet. N2 holds for `f`.
pub(crate) fn for_each_sleeper(mut f: impl FnMut(usize, &Waiter)) {
    for shard in &TABLE.shards {
        for (&address, queue) in shard.lock().iter() {
            let asleep = queue.iter().filter(|waiter| !waiter.is_woken());
            asleep.for_each(|waiter| f(address, waiter));
        }
    }
}

/// Who sleeps.
enum Sleeper {
    Thread(Thread, ThreadId),
    /// The waker that the last poll left. Taken by whoever wakes.
    Task(Mutex<Option<Waker>>),
}

/// One wait of one thread or task (N1).
pub(crate) struct Waiter {
    /// 0, or how it was woken.
    woken: AtomicU32,
    sleeper: Sleeper,
    origin: Origin,
    since: Instant,
}

/// By a commit.
const WRITTEN: u32 = 1;
/// By an alarm.
const TIME_OVER: u32 = 2;
/// By the end of an undecided commit.
pub(crate) const DECIDED: u32 = 3;

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.sleeper {
            Sleeper::Thread(..) => "thread",
            Sleeper::Task(_) => "task",
        };
        f.debug_struct("Waiter")
            .field("sleeper", &kind)
            .field("woken", &self.is_woken())
            .finish()
    }
}

impl Waiter {
    fn new(sleeper: Sleeper, origin: Origin) -> Self {
        Self {
            woken: AtomicU32::new(0),
            sleeper,
            origin,
            since: Instant::now(),
        }
    }

    pub(crate) fn of_this_thread(origin: Origin) -> Self {
        let id = std::thread::current().id();
        Self::new(Sleeper::Thread(current_thread(), id), origin)
    }

    /// A task's, still without a waker: the poll that made it leaves one by `refresh` and then asks `is_woken`.
    pub(crate) fn of_a_task(origin: Origin) -> Self {
        Self::new(Sleeper::Task(Mutex::new(None)), origin)
    }

    /// Whose wait it is.
    pub(crate) const fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) const fn since(&self) -> Instant {
        self.since
    }

    /// The thread that sleeps, if it is one.
    pub(crate) fn thread(&self) -> Option<(ThreadId, Option<String>)> {
        match &self.sleeper {
            Sleeper::Thread(thread, id) => Some((*id, thread.name().map(str::to_owned))),
            Sleeper::Task(_) => None,
        }
    }

    pub(crate) const fn is_a_task(&self) -> bool {
        matches!(self.sleeper, Sleeper::Task(_))
    }

    /// How the wait ended, once it has. Relaxed: for reports.
    pub(crate) fn wake_reason(&self) -> WakeReason {
        match self.woken.load(Ordering::Relaxed) {
            WRITTEN => WakeReason::Written,
            _ => WakeReason::TimeOver,
        }
    }

    /// Acquire: pairs with the swap in `wake`; the rerun sees at least what the waking commit published.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(edge!(Acquire, "O-woken" => Relaxed)) != 0
    }

    /// Runs the task's waker, which is user code: the caller shields it, so that one that panics does not keep the others
    /// asleep.
    pub(crate) fn wake(&self, how: u32) {
        // AcqRel: the Release half pairs with `is_woken`.
        if self.woken.swap(how, edge!(AcqRel, "O-wake" => Relaxed)) != 0 {
            return;
        }
        match &self.sleeper {
            Sleeper::Thread(thread, _) => thread.unpark(),
            Sleeper::Task(slot) => {
                let waker = slot.lock().take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
    }

    /// Sleeps until woken. For threads.
    pub(crate) fn sleep(&self) {
        // The token of `park` may be somebody else's, so `woken` decides.
        while !self.is_woken() {
            park();
        }
    }

    /// As [`Waiter::sleep`], not beyond `end`.
    pub(crate) fn sleep_until(&self, end: Instant) {
        while !self.is_woken() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            park_timeout(left);
        }
    }

    /// Leaves a fresh waker for the task. Either the waking side finds it, or `is_woken` is true afterwards.
    pub(crate) fn refresh(&self, waker: &Waker) {
        if let Sleeper::Task(slot) = &self.sleeper {
            let fresh = waker.clone();
            let stale = slot.lock().replace(fresh);
            drop(stale);
        }
    }
}

/// A wait in the table (N3). Dropping it takes it out again, whatever the reason.
#[derive(Debug)]
pub(crate) struct Registration {
    waiter: Arc<Waiter>,
    on: Vec<BlockHandle>,
    /// What it waits for instead of a change, if that is it.
    behind: Option<Arc<Undecided>>,
    /// The wait ends at this moment if nothing ends it before.
    until: Option<Instant>,
    /// Rings then, for a task.
    alarm: Option<Alarm>,
}

/// How a wish to wait ended.
#[derive(Debug)]
#[must_use]
pub(crate) enum Register {
    /// Every variable is unchanged and bears the bit: sleep.
    Asleep(Registration),
    /// Something has changed already: run again.
    Changed,
    /// Nothing was read that anybody could ever write: the wait would not end.
    NothingToWaitFor,
}

/// Why a call waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// Its body asked for it.
    Retry,
    /// An undecided commit was in the way: a conflict, with what follows from one.
    Undecided,
}

impl Registration {
    /// Registers `waiter` for every variable in `reads`, steps (a) and (b). Called pinned.
    ///
    /// A wait with an end of its own may be on nothing else.
    pub(crate) fn register(waiter: Waiter, reads: &[Read], until: Option<Instant>) -> Register {
        let mut once: SmallVec<[Read; 16]> = SmallVec::from_slice(reads);
        once.sort_unstable_by_key(|r| r.block.address());
        once.dedup_by_key(|r| r.block.address());

        let mut this = Self {
            waiter: Arc::new(waiter),
            on: Vec::with_capacity(once.len()),
            behind: None,
            until,
            alarm: None,
        };
        for read in once {
            let Some(handle) = read.block.try_acquire() else {
                continue;
            };
            // Entered before the table is: should anything unwind from here, the drop removes it.
            this.on.push(handle);
            let early = mutant!("X7").then(|| read.block.get().word().announce_waiter(read.seen()));
            TABLE.add(read.block.address(), Arc::clone(&this.waiter));
            match early.unwrap_or_else(|| read.block.get().word().announce_waiter(read.seen())) {
                Announce::Unchanged => {}
                Announce::Moved => return Register::Changed,
            }
        }
        if this.on.is_empty() && until.is_none() {
            return Register::NothingToWaitFor;
        }
        Register::Asleep(this)
    }

    /// Has `waiter` wait for an undecided commit that was in the way, over this variable.
    pub(crate) fn behind(waiter: Waiter, undecided: Arc<Undecided>, over: Pinned) -> Self {
        let waiter = Arc::new(waiter);
        undecided.enter(&waiter, over);
        Self {
            waiter,
            on: Vec::new(),
            behind: Some(undecided),
            until: None,
            alarm: None,
        }
    }

    /// Why it waits.
    pub(crate) fn reason(&self) -> Reason {
        match self.behind {
            None => Reason::Retry,
            Some(_) => Reason::Undecided,
        }
    }

    pub(crate) fn waiter(&self) -> &Waiter {
        &self.waiter
    }

    /// The variables that it is on.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = usize> {
        self.on.iter().map(BlockHandle::address)
    }

    /// Sleeps until woken, or until the wait's own end or `deadline`. For threads.
    pub(crate) fn sleep(&self, deadline: Option<Instant>) {
        match earlier(self.until, deadline) {
            None => self.waiter.sleep(),
            Some(end) => self.waiter.sleep_until(end),
        }
    }

    /// Has the waiter woken at the wait's own end or at `deadline`. For tasks.
    pub(crate) fn end_at(&mut self, deadline: Option<Instant>) {
        let Some(end) = earlier(self.until, deadline) else {
            return;
        };
        if self.alarm.is_none() {
            let waiter = Arc::clone(&self.waiter);
            self.alarm = Some(Alarm::set(end, move || waiter.wake(TIME_OVER)));
        }
    }
}

/// The earlier of two ends, where none is later than all.
fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        for handle in self.on.iter().filter(|_| !mutant!("D-registration")) {
            TABLE.remove(handle.address(), &self.waiter);
        }
        if let Some(undecided) = &self.behind
            && !mutant!("D-behind")
        {
            undecided.leave(&self.waiter);
        }
    }
}

/// The variables of a commit whose lock saw WAITERS; to be woken once all is unlocked and unpinned.
#[derive(Debug, Default)]
#[must_use = "who waits on these sleeps until somebody wakes them"]
pub(crate) struct WakeList(Vec<usize>);

impl WakeList {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    #[inline(always)]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cold]
    pub(crate) fn push(&mut self, block: Pinned) {
        self.0.push(block.address());
    }

    /// Step (e). Runs wakers: outside of every lock, pin and transaction.
    pub(crate) fn wake_all(self) {
        for address in self.0 {
            for waiter in TABLE.detach(address) {
                // The last owner of a waiter drops the waker in it: user code, like the wake.
                shielded!("P-waker", || {
                    waiter.wake(WRITTEN);
                    drop(waiter);
                });
            }
        }
    }
}
