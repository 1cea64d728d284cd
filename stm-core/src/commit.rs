//! The commit: how a write set becomes visible, all of it or nothing.
//!
//! # The order of steps, which must be exactly this
//!
//! ```text
//!  1  lock every written word; who waits for one does so in ascending order of addresses
//!  2  one load of the clock: version = time + 1, and whether snapshots live
//!  3  validate every read                            ◀── its end is the linearization point
//!  4  functions are applied to the newest values, if there are any; the decider is asked, if there is one
//!  5  inline, and records: save history, if snapshots live
//!  6  publish: each store also unlocks               ◀── nothing may fail from 5 on
//!  7  retire what was replaced; then, by the caller: unpin, wake, drop
//! ```
//!
//! A record is an inline variable with more than one word beside its lock: 5 saves those that were written, in the patch that they were
//! pending in, 6 stores them and then the one word that publishes and unlocks, and 7 frees or retires the patch. Nothing below depends on
//! how many there are. A summand is a function of which nothing can fail, so it is left to 6: what it is added to is what its lock keeps.
//!
//! # Why it is right
//!
//! The clock does not move here. `version = time + 1` says "later than every reader that began by now", and an
//! overwrite may carry the version that it replaces.
//!
//! Lemma A. Once time >= v, every transaction with version <= v has locked its whole write set. Its step 2
//! loaded a time < v, so it came before the clock reached v; step 1 came before that. Hence an unlocked word
//! that is seen after reading time >= v shows every write with version <= v.
//!
//! Lemma B. The versions of one variable never decrease. A word is locked before the clock is loaded, its
//! version came from an earlier load plus one, and the clock never goes back.
//!
//! Lemma C. If T1 validated x (step 3) before T2 locked x (step 1), then T1's load of the clock came before T2's,
//! so version(T1) <= version(T2).
//!
//! Serializability of updates. Take two committed transactions of which one read what the other wrote. If T1
//! validated x before T2 locked it, T1 comes first. If T2 had locked it by then, T1 found it locked and aborted,
//! or found the new word and aborted, or had read T2's value, and then T2 comes first. Both stand at the end of
//! their step 3, where all their reads hold and all their writes are locked: a cycle would need a transaction
//! whose validation lies both before and after another's lock. Real time: step 3 lies within the call.
//! Validation is not skipped when version = rv + 1, as TL2 does: two transactions may carry the same version.
//!
//! Readers: see [`crate::read`] (opacity by Lemma A) and [`crate::snapshot`] (Lemma C orders what a snapshot
//! sees: with T1 before T2 it never has T2's write without T1's).
//!
//! # Memory ordering
//!
//! Lock, clock load and validation are `SeqCst`, so "came before" above is one total order. With acquire and
//! release alone two committers can validate past each other's locks (store buffering), and a reader can begin
//! between a lock and a clock load that are seen in different orders. Publication is `Release`.

use smallvec::SmallVec;

use crate::block::{Field, Look, Seen};
use crate::boxed::{self, NodeHeader, NodeOps, PendingView};
use crate::cause::Cause;
use crate::clock::{Stamp, Time, clock};
use crate::contention::{Limit, Patience, Waiting};
use crate::context;
use crate::history::{self, HistoryNode};
use crate::limbo;
use crate::log::{Commuted, Log, Read, Write, WriteSet};
use crate::mutant::{self, caught, mutant};
use crate::patch;
use crate::priority;
use crate::reclaim::Pin;
use crate::record;
use crate::undecided::Outcome;
use crate::validate::{self, Failure};
use crate::wait::WakeList;
use crate::word::{AtomicWord, TryLock, Word};

/// Publishes what the log holds written if everything that it holds read still stands. Leaves in it whom to wake.
///
/// # Errors
///
/// The cause, with every lock undone and the writes as they were (but sealed): nothing has happened. The looks in the read
/// set may have been touched.
#[inline(always)]
pub(crate) fn commit(pin: &Pin, log: &mut Log) -> Result<(), Cause> {
    let reached = if log.writes.is_untidy() {
        Reached::Nothing
    } else {
        let boxed = log.writes.has_boxed();
        let (writes, reads) = (log.writes.entries_mut(), log.reads.as_slice());
        if boxed {
            commit_boxed(pin, writes, reads)
        } else {
            commit_plainly::<false>(pin, writes, reads)
        }
    };
    match reached {
        Reached::Published => {
            log.writes.forget_published();
            Ok(())
        }
        Reached::Locks => finish(pin, log),
        Reached::Nothing => commit_any(pin, log),
    }
}

/// How a commit without a log ended.
#[must_use]
pub(crate) enum Alone {
    Published,
    /// Nothing has happened: there is more to do than storing a word, which takes a log.
    NeedsLog,
}

/// Commits one word-sized write, if that is all there is to do.
#[inline(always)]
pub(crate) fn commit_alone(pin: &Pin, mut write: Write, reads: &[Read]) -> Alone {
    match commit_few::<1, false>(pin, [&mut write], reads) {
        Reached::Published => Alone::Published,
        Reached::Locks => {
            unlock(&write);
            Alone::NeedsLog
        }
        Reached::Nothing => Alone::NeedsLog,
    }
}

/// Up to so many writes, the quick way has tried to lock them at once.
const FEW: usize = 4;

/// How far a quick commit has come.
#[must_use]
enum Reached {
    /// Nothing is locked, nothing has happened.
    Nothing,
    /// Step 1: everything is locked, each entry knows what its lock replaced.
    Locks,
    /// Step 7.
    Published,
}

/// The quick way for one to four writes, which is what most transactions make.
///
/// It does the same steps in the same order, but only if each is trivial: locks that are free, reads that still hold, no
/// snapshot, nobody who waits or has priority, and a next word that needs no new time.
#[inline(always)]
fn commit_plainly<const BOXED: bool>(pin: &Pin, writes: &mut [Write], reads: &[Read]) -> Reached {
    match writes {
        [one] => commit_few::<1, BOXED>(pin, [one], reads),
        [a, b] => {
            let ascending = mutant!("X1") || a.block.address() < b.block.address();
            let (first, second) = if ascending { (a, b) } else { (b, a) };
            commit_few::<2, BOXED>(pin, [first, second], reads)
        }
        [_, _, _] | [_, _, _, _] => commit_three_or_four::<BOXED>(pin, writes, reads),
        _ => Reached::Nothing,
    }
}

/// Nobody waits here, so the order of the locks is of no matter: in ascending order, two who meet do so at the first.
#[inline(never)]
fn commit_three_or_four<const BOXED: bool>(
    pin: &Pin,
    writes: &mut [Write],
    reads: &[Read],
) -> Reached {
    match writes {
        [a, b, c] => commit_few::<3, BOXED>(pin, [a, b, c], reads),
        [a, b, c, d] => commit_few::<4, BOXED>(pin, [a, b, c, d], reads),
        _ => Reached::Nothing,
    }
}

/// The same where some value is boxed.
#[inline(never)]
fn commit_boxed(pin: &Pin, writes: &mut [Write], reads: &[Read]) -> Reached {
    commit_plainly::<true>(pin, writes, reads)
}

#[inline(always)]
fn commit_few<const N: usize, const BOXED: bool>(
    pin: &Pin,
    writes: [&mut Write; N],
    reads: &[Read],
) -> Reached {
    if mutant!("M20b") && priority::is_held() {
        return Reached::Nothing;
    }
    if mutant!("M9") {
        mutant::note(clock().sample().raw());
    }
    let mut replaced = [Word::inline_initial(); N];
    for at in 0..N {
        match writes[at].block.get().word().try_lock() {
            TryLock::Locked(word) => replaced[at] = word,
            TryLock::Busy => {
                for back in 0..at {
                    writes[back].block.get().word().restore(replaced[back]);
                }
                return Reached::Nothing;
            }
        }
    }
    // Step 2.
    let now = look_at_clock();
    // Step 3: the locks have kept what they cover since they were taken. Different variables have different reads.
    let mut trivial = !now.snapshots_live() & !mutant!("M3");
    trivial &= mutant!("M20b") || !priority::is_held();
    let mut own_reads = 0;
    for at in 0..N {
        trivial &= !(replaced[at].has_waiters() | replaced[at].seq_exhausted());
        own_reads += usize::from(
            writes[at]
                .own_read(reads)
                .is_some_and(|read| read.seen().same_value(replaced[at])),
        );
    }
    let covered = own_reads == reads.len() || skips_validation(now);
    if !trivial || !covered {
        for at in 0..N {
            writes[at].replaced = replaced[at];
        }
        if !trivial || !still_hold(reads, writes.each_ref().map(|write| &**write)) {
            return Reached::Locks;
        }
    }
    // LINEARIZATION POINT: all reads hold, all writes are locked, and from here nothing fails.
    let version = version_after(now, replaced.into_iter());
    for at in 0..N {
        if BOXED {
            publish_one(writes[at], replaced[at], version);
        } else {
            publish_word(writes[at], replaced[at], version);
        }
    }
    if BOXED {
        for at in 0..N {
            writes[at].replaced = replaced[at];
            retire_one(pin, writes[at]);
        }
    }
    Reached::Published
}

/// Step 3 for a few writes and more reads than these cover: as `validate::by_committer`, but what differs is left to that.
#[inline(never)]
fn still_hold<const N: usize>(reads: &[Read], writes: [&Write; N]) -> bool {
    let locked_by_us = |read: &Read| {
        writes
            .iter()
            .any(|w| w.block == read.block && w.replaced.same_value(read.seen()))
    };
    let now = |read: &Read| {
        let now = read.block.look().word();
        if mutant!("X8") { now.settled() } else { now }
    };
    reads
        .iter()
        .all(|read| now(read).same_value(read.seen()) || locked_by_us(read))
}

/// Every other commit, from step 1.
#[inline(never)]
fn commit_any(pin: &Pin, log: &mut Log) -> Result<(), Cause> {
    log.writes.seal(&log.commutes);
    log.announce_writes();
    if mutant!("M9") {
        mutant::note(clock().sample().raw());
    }
    let limit = match log.holder {
        None if log.reads.as_slice().is_empty() => Limit::Long,
        ref holder => Limit::of_attempt(holder.as_ref()),
    };
    if mutant!("M20b")
        && let Some(failure) = must_give_way(log.writes.entries(), limit)
    {
        return Err(log.note_failure(failure));
    }
    let mut try_at_once = log.writes.entries().len() > FEW;
    loop {
        let try_at_once = std::mem::take(&mut try_at_once);
        let locked = if try_at_once && lock_at_once(log.writes.entries_mut()) == AtOnce::Locked {
            Ok(())
        } else {
            log.writes.sort();
            lock_all(log.writes.entries_mut(), limit)
        };
        let outcome = locked
            .map_err(|failure| log.note_failure(failure))
            .and_then(|()| finish(pin, log));
        match outcome {
            Err(Cause::Undecided) if log.sit_out_as_holder() == Outcome::Over => {}
            outcome => return outcome,
        }
    }
}

/// From step 2 on.
#[inline(never)]
fn finish(pin: &Pin, log: &mut Log) -> Result<(), Cause> {
    let mut now = look_at_clock();
    let limit = Limit::of_attempt(log.holder.as_ref());
    // After the last lock, before anything is published: see `priority`.
    if !mutant!("M20b")
        && let Some(failure) = must_give_way(log.writes.entries(), limit)
    {
        unlock_all(&log.writes);
        return Err(log.note_failure(failure));
    }
    log.hooks.draw_turn();
    let found = look_at_locked(log.writes.entries(), log.reads.as_mut_slice());
    if found.seq_exhausted {
        now = move_clock_on(log.writes.entries(), now);
    }
    // Reads of what is locked here were compared just now, and the locks keep them.
    if found.own_reads < log.reads.len()
        && !skips_validation(now)
        && let Err(failure) = validate::by_committer(log.reads.as_slice(), &log.writes, limit)
    {
        give_up(log);
        return Err(log.note_failure(failure));
    }
    if mutant!("M3") {
        now = clock().sample();
    }
    if !log.commutes.is_empty() {
        apply_commutes(log).inspect_err(|_| give_up(log))?;
    }
    // LINEARIZATION POINT: all reads hold, all writes are locked, and from here nothing fails.
    publish_all(pin, log, now);
    clear_up(pin, log, found.waiters);
    Ok(())
}

/// Step 2.
///
/// SeqCst: after the last lock; pairs with `Clock::begin_snapshot` and `Clock::advance_to` (Lemma A).
#[inline(always)]
pub(crate) fn look_at_clock() -> Stamp {
    AtomicWord::after_last_lock();
    if mutant!("M9") {
        return Stamp::from_raw(mutant::noted());
    }
    if mutant!("M5") {
        let before = clock().sample();
        return clock().sample().with_snapshots_of(before);
    }
    clock().sample()
}

/// Never: see "Serializability of updates" above.
#[inline(always)]
fn skips_validation(now: Stamp) -> bool {
    mutant!("M4") && now.time() == mutant::noted()
}

/// The version of a commit that has loaded `now` and whose locks have replaced these.
#[inline(always)]
fn version_after(now: Stamp, replaced: impl Iterator<Item = Word>) -> Time {
    let mut oldest = now.time();
    if mutant!("M7") {
        let versions = replaced.map(|word| Look::at_own_lock(word).version());
        oldest = oldest.max(versions.max().unwrap_or(0));
    }
    oldest + 1
}

/// Steps 5 and 6.
#[inline(always)]
pub(crate) fn publish_all(pin: &Pin, log: &mut Log, now: Stamp) {
    log.hooks.note_commit();
    let version = version_after(now, log.writes.entries().iter().map(|w| w.replaced));
    if now.snapshots_live() {
        publish_with_history(pin, log.writes.entries(), version);
    } else {
        publish(log.writes.entries(), version, log.writes.has_boxed());
    }
}

/// Step 7, our half. `waiters`: some lock saw that somebody waits.
#[inline(always)]
pub(crate) fn clear_up(pin: &Pin, log: &mut Log, waiters: bool) {
    let writes = &mut log.writes;
    if waiters {
        note_waiters(writes.entries(), &mut log.wakes);
        writes.make_untidy();
    }
    if writes.has_boxed() {
        for write in writes.entries() {
            retire_one(pin, write);
        }
    }
    writes.forget_published();
}

fn unlock_all(writes: &WriteSet) {
    writes.entries().iter().for_each(unlock);
}

#[cold]
fn give_up(log: &mut Log) {
    unlock_all(&log.writes);
    if !mutant!("D-turn-given-up") {
        log.hooks.give_turn_up();
    }
}

/// Step 4: makes the values that were left to functions. User code under locks, as only deciders are besides; should it
/// unwind, the panic is kept for later.
#[cold]
pub(crate) fn apply_commutes(log: &mut Log) -> Result<(), Cause> {
    let Log {
        writes, commutes, ..
    } = log;
    let applied = caught!("P-commute", || {
        for (block, function) in commutes.iter() {
            let at = writes.find(block).expect("sealed with an entry for each");
            let newest = newest_of_own(&writes.entries()[at]);
            writes.apply_commute(at, function, newest);
        }
    });
    applied.map_err(|panic| {
        log.panic = Some(panic);
        Cause::CommutePanicked
    })
}

/// The value that a lock of ours keeps.
pub(crate) fn newest_of_own<'t>(write: &Write) -> Seen<'t> {
    if write.replaced.is_inline() {
        Seen::Bits(write.block.own_bits(Field::VALUE))
    } else {
        Seen::node(write.replaced.node())
    }
}

/// What the locks replaced, in sum.
#[derive(Clone, Copy)]
struct Found {
    waiters: bool,
    seq_exhausted: bool,
    /// Reads of variables that are locked here and were unchanged when the lock was taken.
    own_reads: usize,
}

/// Goes over what is locked. A read that is known to be of the same variable is compared here, with the word that the lock
/// replaced, and told to expect the lock: that spares most own locks a search in the write set.
fn look_at_locked(writes: &[Write], reads: &mut [Read]) -> Found {
    let mut found = Found {
        waiters: false,
        seq_exhausted: false,
        own_reads: 0,
    };
    for write in writes {
        let replaced = write.replaced;
        found.waiters |= replaced.has_waiters();
        found.seq_exhausted |= replaced.seq_exhausted();
        if let Some(read) = write.own_read_mut(reads)
            && read.seen().same_value(replaced)
        {
            read.look = Look::at_own_lock(replaced);
            found.own_reads += 1;
        }
    }
    found
}

/// Whether one who has locked these must give way. A holder of the token need not while its lease runs; one whose lease is over
/// may have lost the token to another.
pub(crate) fn must_give_way(locked: &[Write], limit: Limit) -> Option<Failure> {
    if !priority::is_held() || limit.is_protected() {
        return None;
    }
    let over = priority::stops(locked.iter().map(|w| w.block))?;
    Some(Failure::new(Cause::GaveWay, over))
}

/// Whether everything was free.
#[derive(PartialEq, Eq)]
enum AtOnce {
    Locked,
    /// Something was not. Nothing is locked.
    Busy,
}

/// Step 1, where nobody is in the way. Who does not wait needs no order: sorting costs more than the rest of a large commit.
fn lock_at_once(writes: &mut [Write]) -> AtOnce {
    for at in 0..writes.len() {
        match writes[at].block.get().word().try_lock() {
            TryLock::Locked(replaced) => writes[at].replaced = replaced,
            TryLock::Busy => {
                writes[..at].iter().for_each(unlock);
                return AtOnce::Busy;
            }
        }
    }
    AtOnce::Locked
}

/// Step 1. One global order, so committers that wait for each other's locks cannot form a circle.
///
/// # Errors
///
/// What was in the way, with every lock undone.
pub(crate) fn lock_all(writes: &mut [Write], limit: Limit) -> Result<(), Failure> {
    for at in 0..writes.len() {
        let (locked, rest) = writes.split_at_mut(at);
        let write = &mut rest[0];
        let replaced = match write.block.get().word().try_lock() {
            TryLock::Locked(replaced) => Ok(replaced),
            TryLock::Busy => lock_patiently(write, locked, limit),
        };
        write.replaced = replaced.inspect_err(|_| locked.iter().for_each(unlock))?;
    }
    Ok(())
}

/// Waits for a lock while `locked` are held. Those must be given up when the holder of the token wants one of them: it may
/// be waiting for it while it owns what is waited for here.
#[cold]
fn lock_patiently(write: &Write, locked: &[Write], limit: Limit) -> Result<Word, Failure> {
    let mut waiting = Waiting::up_to(limit);
    loop {
        match waiting.round(write.block) {
            Patience::Left => {}
            Patience::Spent => return Err(Failure::new(Cause::CommitLocked, write.block)),
            Patience::Undecided(undecided) => {
                return Err(Failure::undecided(undecided, write.block));
            }
        }
        if let TryLock::Locked(replaced) = write.block.get().word().try_lock() {
            return Ok(replaced);
        }
        if !mutant!("X2")
            && let Some(failure) = must_give_way(locked, limit)
        {
            return Err(failure);
        }
    }
}

/// Gives up: the word goes back to what the lock replaced, WAITERS included.
pub(crate) fn unlock(write: &Write) {
    write.block.get().word().restore(write.replaced);
}

/// Step 2 where a word has used up its `seq`: no word may follow under its own version, so the clock must move on. The
/// time and the liveness of snapshots then both come from the new load.
#[cold]
pub(crate) fn move_clock_on(writes: &[Write], mut now: Stamp) -> Stamp {
    let stuck = |now: Stamp| {
        writes
            .iter()
            .any(|w| w.replaced.seq_exhausted() && w.replaced.version() > now.time())
    };
    while stuck(now) {
        clock().advance_to(now.time() + 1);
        let before = now;
        now = clock().sample();
        if mutant!("M19") {
            now = now.with_snapshots_of(before);
        }
    }
    now
}

/// Steps 5 and 6, and 7 for what 5 made for variables.
///
/// A value whose version is not older than ours needs no saving: no snapshot could want it (H1). Of records, all are saved (Q3).
#[inline(never)]
fn publish_with_history(pin: &Pin, writes: &[Write], version: Time) {
    if mutant!("X5") {
        publish(writes, version, true);
    }
    let of_variable = |w: &&Write| w.replaced.is_inline() && !w.pending.is_boxed();
    let made: SmallVec<[*mut HistoryNode; 4]> = writes
        .iter()
        .filter(of_variable)
        .filter(|w| w.replaced.version() < version)
        .map(|w| {
            let bits = w.block.own_bits(Field::VALUE);
            history::save(w.block, w.replaced.version(), bits)
        })
        .collect();
    let mut saved = made.len() as u64;
    for write in writes.iter().filter(|_| !mutant!("X5")) {
        match write.pending.view() {
            PendingView::Node(patch, _) if is_saved_record(write, version) => {
                publish_record(write, patch, version);
                saved += 1;
            }
            _ => publish_one(write, write.replaced, version),
        }
    }
    context::tally(|tally| tally.history_nodes.add(saved));
    for node in made {
        // SAFETY: H2; snapshots that may walk to it pinned before.
        unsafe { pin.retire(move || history::free(node)) };
    }
}

/// Whether it is a record, all of which are saved (Q3).
fn is_saved_record(write: &Write, version: Time) -> bool {
    write.replaced.is_inline() && !(mutant!("X5e") && write.replaced.version() == version)
}

/// Steps 5 and 6 of a record.
fn publish_record(write: &Write, patch: *mut NodeHeader, version: Time) {
    let replaced = write.replaced;
    let word = replaced.successor(version);
    // SAFETY: Q1, and the lock is ours; `retire_one` retires it.
    unsafe { patch::apply_and_save(patch, write.block, replaced.version()) };
    record::publishes(write, replaced, word);
    write.block.get().word().publish(word);
}

/// Step 6. `boxed`: something of it may be in a node.
#[inline(always)]
fn publish(writes: &[Write], version: Time, boxed: bool) {
    if boxed {
        for write in writes {
            publish_one(write, write.replaced, version);
        }
    } else {
        for write in writes {
            publish_word(write, write.replaced, version);
        }
    }
}

/// Of a word-sized variable.
#[inline(always)]
fn publish_word(write: &Write, replaced: Word, version: Time) {
    let block = write.block;
    debug_assert!(write.commuted != Commuted::Summand, "as `has_boxed` says");
    block.store_bits(Field::VALUE, write.pending.plain_bits());
    let word = replaced.successor(version);
    record::publishes(write, replaced, word);
    block.get().word().publish(word);
}

#[inline(always)]
fn publish_one(write: &Write, replaced: Word, version: Time) {
    let block = write.block;
    let word = if replaced.is_inline() {
        store_inline(write);
        replaced.successor(version)
    } else {
        let node = write.pending.plain_node();
        // SAFETY: pending until the next store, and we own the lock of the word that it goes into.
        unsafe { boxed::prepare(node, version, replaced.node()) };
        Word::of_node(node)
    };
    record::publishes(write, replaced, word);
    block.get().word().publish(word);
}

/// Puts the pending value, or what is pending of a record, in its place, or adds it to what is there. We own the lock.
#[inline(always)]
fn store_inline(write: &Write) {
    match write.pending.view() {
        PendingView::Bits(summand) if write.commuted == Commuted::Summand => {
            let newest = match mutant!("X11") {
                true => 0,
                false => write.block.own_bits(Field::VALUE),
            };
            let sum = newest.wrapping_add(summand);
            write.block.store_bits(Field::VALUE, sum);
        }
        PendingView::Bits(bits) => write.block.store_bits(Field::VALUE, bits),
        // SAFETY: Q1, and the lock is ours.
        PendingView::Node(patch, _) => unsafe { patch::apply(patch, write.block) },
    }
}

/// The published words have lost their WAITERS bits; the lists are detached once all is unlocked and unpinned.
#[cold]
fn note_waiters(writes: &[Write], wakes: &mut WakeList) {
    for write in writes.iter().filter(|w| w.replaced.has_waiters()) {
        wakes.push(write.block);
    }
}

/// Mostly, nobody but us has ever known of it, and it needs no collector.
#[inline(never)]
fn retire_patch(pin: &Pin, node: *mut NodeHeader, ops: &'static NodeOps) {
    if mutant!("D-patch") {
        return;
    }
    // SAFETY: it has been applied, and the write set forgets it. Q2; or H2, and snapshots that may walk to it pinned before.
    unsafe {
        if patch::is_saved(node) {
            limbo::retire(pin, node, ops);
        } else {
            ops.free(node);
        }
    }
}

/// After all unlocks, so that nobody waits for the bookkeeping.
#[inline(always)]
fn retire_one(pin: &Pin, write: &Write) {
    if let PendingView::Node(node, ops) = write.pending.view() {
        if write.replaced.is_inline() {
            return retire_patch(pin, node, ops);
        }
        // SAFETY: R1, the word that led to the old node has been replaced; only those who pinned before can still reach it.
        unsafe { limbo::retire(pin, write.replaced.node(), ops) };
    }
}
