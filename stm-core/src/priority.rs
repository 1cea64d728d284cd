//! Priority: the way through for a transaction that has failed too often, while all that do not conflict with it go on.
//!
//! # The problem, and the idea
//!
//! A long transaction that writes loses against any stream of short ones: each of them invalidates what it has read.
//! Stopping everybody until it is through would be a cure worse than the disease, and it deadlocks as soon as the long one
//! waits for somebody who is stopped. So a starving transaction takes the one token of the process and announces *what it
//! reads* in a filter; a committer that has locked one of these variables gives way, all others do not notice. What it only
//! writes it announces before it locks: a variable that others keep locked for long, one after the other
//! ([`crate::undecided`]), would hardly ever be free for it.
//!
//! # The race, and why the holder gets through
//!
//! For each variable that the holder reads:
//!
//! - The holder (a) sets the variable's bit, then (b) looks at the word: if it is locked, it waits.
//! - The committer (c) locks the word, then (d) looks at the token and the bit: if it is set, it unlocks and gives way.
//!
//! All four are `SeqCst`. If (a) comes before (d), the committer sees the bit. Otherwise (c) came before (d), before (a), before
//! (b), and the holder sees the lock, or what was published under it. So nothing that the holder has read is replaced
//! before it is done. A committer that looks into a filter which has been emptied or replaced meanwhile had its locks
//! before it looked at the token, hence before the reads that the new filter announces.
//!
//! # State
//!
//! | token | meaning |
//! |---|---|
//! | 0 | nobody holds it: the one load that a committer pays |
//! | class + 1 | held; the filter of that size class counts |
//!
//! # Invariants
//!
//! - Q1  The token changes under the mutex of the line only, by whoever has the present tenure. The bits of a larger filter are
//!   set before the token leads there.
//! - Q2  Nobody waits for the token, or for its release, inside a transaction or with a lock held. Nor pinned, but for single
//!   stores (`TVar::store`, `swap`), whose wait ends with the lease.
//! - Q3  The holder lets go whenever its call ends, waits or returns to its executor; and before it calls a decider, which
//!   needs no more protection than its locks, and may take long or wait for somebody who stands in line. (The one wait that
//!   it keeps the token for, because it would starve otherwise, ends with the lease: see [`crate::undecided`].)
//! - Q4  A lease that has run out stops nobody, and whoever wants the token takes it over: a holder that waits for somebody who
//!   is stopped by it, or who wants the token himself (it joins a thread), holds up the world for that long and no longer.
//!   It doubles with each attempt that fails under the token in one call, so every call has a lease that is long enough
//!   after a few.
//!
//! # Who comes first
//!
//! Threads stand in line. A task has no place there, since one that is not polled would hold up those behind it: it claims
//! the token when it finds it free, and is told each time it becomes so.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::alarm::Alarm;
use crate::block::Pinned;
use crate::diagnostics::origin::Origin;
use crate::filter::{self, CLASSES, Filter};
use crate::mutant::{edge, mutant, shielded, total_order};
use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, statics, yield_now};

/// Failures after which a call wants the token.
const CLAIM_AFTER: u32 = if cfg!(stm_stress) { 3 } else { 12 };

/// The same, as calls go by it.
#[cfg(not(any(loom, shuttle)))]
#[inline(always)]
pub(crate) fn claim_after() -> u32 {
    CLAIM_AFTER
}

#[cfg(any(loom, shuttle))]
pub(crate) use for_models::claim_after;

/// A model of the token cannot afford a dozen failures, and the others cannot afford the token.
#[cfg(any(loom, shuttle))]
#[allow(
    clippy::disallowed_types,
    reason = "set before a model runs, and no step of it"
)]
mod for_models {
    use std::sync::atomic::{AtomicU32, Ordering};

    static AFTER: AtomicU32 = AtomicU32::new(super::CLAIM_AFTER);

    pub(crate) fn claim_after() -> u32 {
        AFTER.load(Ordering::Relaxed)
    }

    /// For all models of this process.
    #[doc(hidden)]
    pub fn let_models_claim_after(failures: u32) {
        AFTER.store(failures, Ordering::Relaxed);
    }
}
#[cfg(any(loom, shuttle))]
pub use for_models::let_models_claim_after;

/// The lease of a holder's first attempt.
const FIRST_LEASE: Duration = Duration::from_millis(4);
/// How often it doubles at most: to some four seconds.
const DOUBLINGS: u32 = 10;

/// How long the first in line may take to claim the token before others may.
const GRACE: Duration = Duration::from_millis(1);

/// See the module's table.
#[derive(Debug)]
struct Token(CachePadded<AtomicU64>);

impl Token {
    #[cfg(not(any(loom, shuttle)))]
    const fn new() -> Self {
        Self(CachePadded::new(AtomicU64::new(0)))
    }

    #[cfg(any(loom, shuttle))]
    fn new() -> Self {
        Self(CachePadded::new(AtomicU64::new(0)))
    }

    /// SeqCst: (d), pairs with `Filter::insert` and with the stores of `set`.
    #[inline(always)]
    fn get(&self) -> u64 {
        self.0.load(edge!(SeqCst, "O-token-load" => Relaxed))
    }

    /// SeqCst: pairs with `get`; only the holder calls it (Q1).
    fn set(&self, token: u64) {
        self.0
            .store(token, edge!(SeqCst, "O-token-store" => Relaxed));
    }
}

statics! {
    static TOKEN: Token = const Token::new();
}

/// A claim's place in line, and everything else that is not looked at by committers that nobody stops.
struct Line {
    /// Who holds it, by the number of the tenure.
    held: Option<Tenure>,
    last_tenure: u64,
    /// Meaningful while nobody holds the token.
    free_since: Option<Instant>,
    /// Meaningful while somebody does.
    lease_ends: Option<Instant>,
    waiting: VecDeque<u64>,
    next_place: u64,
    /// By the number of the wait, so that each can be taken out.
    tasks: BTreeMap<u64, Waker>,
}

statics! {
    static LINE: Mutex<Line> = const Mutex::new(Line {
        held: None,
        last_tenure: 0,
        free_since: None,
        lease_ends: None,
        waiting: VecDeque::new(),
        next_place: 0,
        tasks: BTreeMap::new(),
    });
}

statics! {
    static CHANGED: Condvar = const Condvar::new();
}

fn line() -> MutexGuard<'static, Line> {
    LINE.lock()
}

impl Line {
    /// Whether one who is first in line, or has no place in it, may take the token now.
    fn is_free_for(&self, place: Option<u64>) -> bool {
        if self.lease_runs() {
            return false;
        }
        match self.waiting.front() {
            None => true,
            first if first.copied() == place => true,
            Some(_) if cfg!(any(loom, shuttle)) => false,
            Some(_) => self.free_since.is_none_or(|since| since.elapsed() >= GRACE),
        }
    }

    /// From the last holder, if its lease has run out.
    fn take(&mut self, place: Option<u64>) -> Tenure {
        self.last_tenure += 1;
        let tenure = Tenure(self.last_tenure);
        self.held = Some(tenure);
        // The filter that the token leads to is the last holder's, until this one's attempt begins.
        TOKEN.set(0);
        self.renew_lease(0);
        if !mutant!("D-place-claimed") {
            self.waiting.retain(|waiting| Some(*waiting) != place);
        }
        tenure
    }

    /// For the `n`-th attempt of the holder, from 0.
    fn renew_lease(&mut self, n: u32) {
        // The models have no time.
        if !cfg!(any(loom, shuttle)) {
            let lease = FIRST_LEASE * (1 << n.min(DOUBLINGS));
            self.lease_ends = Instant::now().checked_add(lease);
        }
    }

    /// Whether somebody holds the token, with a lease that runs. In the models, which have no time, it always does.
    fn lease_runs(&self) -> bool {
        if cfg!(any(loom, shuttle)) {
            return self.held.is_some();
        }
        self.lease_left().is_some()
    }

    /// What is left of the lease; None if nobody holds the token, or its lease has run out.
    fn lease_left(&self) -> Option<Duration> {
        let end = self.lease_ends.filter(|_| self.held.is_some())?;
        let left = end.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn number(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }

    fn await_change(&mut self, waker: Waker, until: Instant) -> TaskWait {
        let number = self.number();
        self.tasks.insert(number, waker);
        TaskWait { number, until }
    }
}

/// One holder's time with the token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Tenure(u64);

/// A task that waits for a change of the token. Dropping it ends that.
#[derive(Debug)]
#[must_use = "dropping it means not to be woken"]
pub(crate) struct TaskWait {
    number: u64,
    until: Instant,
}

impl TaskWait {
    /// When to go on at the latest.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }
}

impl Drop for TaskWait {
    fn drop(&mut self) {
        if mutant!("D-task-wait") {
            return;
        }
        let waker = line().tasks.remove(&self.number);
        // A waker is user code: not under the mutex.
        drop(waker);
    }
}

/// Whether anybody holds the token: if not, a committer need not look further.
#[inline(always)]
pub(crate) fn is_held() -> bool {
    TOKEN.get() != 0
}

/// Whether a committer that has locked these must give way: for the sake of this one.
pub(crate) fn stops(mut locked: impl Iterator<Item = Pinned>) -> Option<Pinned> {
    let token = TOKEN.get();
    if token == 0 {
        return None;
    }
    let filter = filter::of_class(token as usize - 1);
    let wanted = locked.find(|block| filter.contains(block.address()))?;
    some_lease_runs().then_some(wanted)
}

fn some_lease_runs() -> bool {
    // The models look at the token alone: each step more multiplies their schedules.
    cfg!(any(loom, shuttle)) || line().lease_runs()
}

impl Tenure {
    /// Whether what its holder announces still stops anybody (Q4).
    pub(crate) fn lease_runs(self) -> bool {
        let line = line();
        line.held == Some(self) && line.lease_runs()
    }

    /// When that ends, which may have been. None: never, as the models have no time.
    pub(crate) fn lease_end(self) -> Option<Instant> {
        if cfg!(any(loom, shuttle)) {
            return None;
        }
        let line = line();
        let end = line.lease_ends.filter(|_| line.held == Some(self));
        Some(end.unwrap_or_else(Instant::now))
    }
}

/// How a wish for the token ended.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a claimed token stops others until it is released"]
pub(crate) enum Claim {
    Claimed(Tenure),
    /// The deadline came first.
    TimedOut,
}

/// Stands in line for the token. For threads.
pub(crate) fn claim(deadline: Option<Instant>) -> Claim {
    let mut line = line();
    let place = line.number();
    line.waiting.push_back(place);
    loop {
        if line.is_free_for(Some(place)) {
            return Claim::Claimed(line.take(Some(place)));
        }
        if deadline.is_some_and(|end| Instant::now() >= end) {
            if !mutant!("D-place-timed-out") {
                line.waiting.retain(|waiting| *waiting != place);
            }
            CHANGED.notify_all();
            return Claim::TimedOut;
        }
        // While it is free, the first in line has its grace.
        let patience = line.lease_left().unwrap_or(GRACE);
        let patience = deadline.map_or(patience, |end| {
            patience.min(end.saturating_duration_since(Instant::now()))
        });
        line = wait_for_change(line, patience);
    }
}

fn wait_for_change(
    line: MutexGuard<'static, Line>,
    patience: Duration,
) -> MutexGuard<'static, Line> {
    CHANGED.wait_up_to(line, patience)
}

/// How a task's wish for the token stands.
#[derive(Debug)]
#[must_use = "a claimed token stops others until it is released"]
pub(crate) enum PollClaim {
    Claimed(Tenure),
    Wait(TaskWait),
}

/// Takes the token if it can be had. For tasks.
pub(crate) fn poll_claim(waker: &Waker) -> PollClaim {
    let waker = waker.clone();
    let mut line = line();
    if line.is_free_for(None) {
        return PollClaim::Claimed(line.take(None));
    }
    // While it is free, the first in line has its grace.
    let patience = line.lease_left().unwrap_or(GRACE);
    PollClaim::Wait(line.await_change(waker, Instant::now() + patience))
}

/// Waits until the token is free or its lease has run out. For threads.
pub(crate) fn wait_for_release(deadline: Option<Instant>) {
    if cfg!(any(loom, shuttle)) {
        return yield_now();
    }
    let mut line = line();
    while let Some(left) = line.lease_left() {
        let left = deadline.map_or(left, |end| {
            left.min(end.saturating_duration_since(Instant::now()))
        });
        if left.is_zero() {
            return;
        }
        line = wait_for_change(line, left);
    }
}

/// As [`wait_for_release`], for tasks; None if there is nothing to wait for.
pub(crate) fn poll_release(waker: &Waker) -> Option<TaskWait> {
    let waker = waker.clone();
    let mut line = line();
    let left = line.lease_left()?;
    Some(line.await_change(waker, Instant::now() + left))
}

/// The holder's side of the token, for one attempt.
#[derive(Debug)]
pub(crate) struct Holder {
    tenure: Tenure,
    /// Whose attempt it is.
    origin: Origin,
    class: usize,
    reads: usize,
}

impl Holder {
    /// Begins an attempt under the token, after `failed` such of the same call, with an empty filter and a new lease. None if
    /// somebody else has taken it over (Q4).
    pub(crate) fn begin(tenure: Tenure, failed: u32, origin: Origin) -> Option<Self> {
        let mut line = line();
        if line.held != Some(tenure) {
            return None;
        }
        line.renew_lease(failed);
        let this = Self {
            tenure,
            origin,
            class: 0,
            reads: 0,
        };
        if !mutant!("D-filter") {
            this.filter().clear();
        }
        TOKEN.set(this.token());
        drop(line);
        CHANGED.notify_all();
        Some(this)
    }

    pub(crate) fn tenure(&self) -> Tenure {
        self.tenure
    }

    pub(crate) fn origin(&self) -> Origin {
        self.origin
    }

    fn filter(&self) -> &'static Filter {
        filter::of_class(self.class)
    }

    fn token(&self) -> u64 {
        self.class as u64 + 1
    }

    /// Announces that `block` is about to be read: step (a). `before` is what was read so far.
    pub(crate) fn announce(&mut self, block: Pinned, before: impl Iterator<Item = Pinned>) {
        self.reads += 1;
        if !self.filter().holds(self.reads) && self.class + 1 < CLASSES.len() {
            self.grow(before);
        }
        self.filter().insert(block.address());
        // Between (a) and (b); its partner is `AtomicWord::after_last_lock`, between (c) and (d).
        total_order!("S-announce");
    }

    #[cold]
    fn grow(&mut self, before: impl Iterator<Item = Pinned>) {
        let line = line();
        // Q1: whoever has taken over may be using the larger filter.
        if line.held != Some(self.tenure) {
            return;
        }
        self.class += 1;
        self.filter().clear();
        if !mutant!("M20c") {
            before.for_each(|block| self.filter().insert(block.address()));
        }
        TOKEN.set(self.token());
    }
}

/// Gives the token back, unless it has been taken over.
pub(crate) fn release(tenure: Tenure) {
    wake(free(tenure));
}

/// As [`release`], by somebody who has variables locked: wakers are user code, so another thread runs them.
pub(crate) fn release_under_locks(tenure: Tenure) {
    let tasks = free(tenure);
    if !tasks.is_empty() {
        Alarm::ring_now(move || wake(tasks));
    }
}

#[must_use = "tasks wait for the token"]
fn free(tenure: Tenure) -> Vec<Waker> {
    let mut line = line();
    if line.held != Some(tenure) {
        return Vec::new();
    }
    TOKEN.set(0);
    line.held = None;
    line.free_since = Some(Instant::now());
    line.lease_ends = None;
    let tasks = std::mem::take(&mut line.tasks);
    drop(line);
    CHANGED.notify_all();
    tasks.into_values().collect()
}

fn wake(tasks: Vec<Waker>) {
    for task in tasks {
        shielded!("P-token-waker", || task.wake());
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn who_has_been_served_or_has_gone_stands_in_line_no_more() {
        // The first lease is over before long: whoever is late here claims it again.
        loop {
            let Claim::Claimed(tenure) = claim(None) else {
                unreachable!("without a deadline");
            };
            let second = claim(Some(Instant::now()));
            assert!(line().waiting.is_empty());
            release(tenure);
            match second {
                Claim::TimedOut => return,
                Claim::Claimed(other) => release(other),
            }
        }
    }
}
