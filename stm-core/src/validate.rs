//! Validation: is everything that the attempt read still what it read?
//!
//! One question, asked by two who differ in what a lock means to them. A reader holds no lock, so it may wait
//! until the owner of a locked word has published or given up. A committer holds locks, so it must not wait
//! (two of them could wait for each other): to it a word that somebody else locks has changed. A word that it
//! locked itself is judged by the word that its lock replaced.
//!
//! Equality of words is equality of values (W3).

use std::sync::Arc;

use crate::block::Pinned;
use crate::cause::Cause;
use crate::contention::{Limit, Patience, Waiting};
use crate::log::{Read, WriteSet};
use crate::mutant::mutant;
use crate::undecided::{self, Undecided};
use crate::word::Word;

/// What is not as it should be, and over which variable.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) over: Pinned,
    /// What to wait for: of [`Cause::Undecided`].
    pub(crate) behind: Option<Arc<Undecided>>,
}

impl Failure {
    pub(crate) const fn new(cause: Cause, over: Pinned) -> Self {
        Self {
            cause,
            over,
            behind: None,
        }
    }

    pub(crate) const fn undecided(behind: Arc<Undecided>, over: Pinned) -> Self {
        Self {
            cause: Cause::Undecided,
            over,
            behind: Some(behind),
        }
    }
}

/// For a reader: every read still holds, at some moment during this call.
///
/// # Errors
///
/// [`Cause::ReadChanged`]; [`Cause::ReadLocked`] if patience ended; [`Cause::Undecided`].
#[inline]
pub(crate) fn by_reader(reads: &[Read], limit: Limit) -> Result<(), Failure> {
    for read in reads {
        // SeqCst (in `sample`): after the newer value was read; see `AtomicWord::sample`.
        if !read.block.look().word().same_value(read.seen()) {
            still_holds(read, limit)?;
        }
    }
    Ok(())
}

/// The slow half of `by_reader`: the word differs, perhaps by its lock only.
#[cold]
fn still_holds(read: &Read, limit: Limit) -> Result<(), Failure> {
    let mut waiting = Waiting::up_to(limit);
    loop {
        let now = read.block.look().word();
        if !now.settled().same_value(read.seen()) {
            return Err(Failure::new(Cause::ReadChanged, read.block));
        }
        if !now.is_locked() {
            return Ok(());
        }
        match waiting.round(read.block) {
            Patience::Left => {}
            Patience::Spent => return Err(Failure::new(Cause::ReadLocked, read.block)),
            Patience::Undecided(undecided) => {
                return Err(Failure::undecided(undecided, read.block));
            }
        }
    }
}

/// For a committer that has locked `writes`: every read still holds and nobody else is about to replace it.
///
/// One that is protected waits for other locks all the same: their owners finish, or see that they must give way.
///
/// # Errors
///
/// [`Cause::CommitChanged`]; [`Cause::Undecided`].
#[inline(always)]
pub(crate) fn by_committer(reads: &[Read], writes: &WriteSet, limit: Limit) -> Result<(), Failure> {
    for read in reads {
        let now = read.block.look().word();
        let now = if mutant!("X8") { now.settled() } else { now };
        if now.same_value(read.seen()) || locked_by_us(read, now, writes) {
            continue;
        }
        holds_for_committer(read, limit)?;
    }
    Ok(())
}

/// The word differs, and the lock is not ours. Others wait for what we have locked, so there is no sleep here.
#[cold]
fn holds_for_committer(read: &Read, limit: Limit) -> Result<(), Failure> {
    let undecided = if limit == Limit::Bounded {
        undecided::on(read.block)
    } else {
        match still_holds(read, limit) {
            Ok(()) => return Ok(()),
            Err(failure) => failure.behind,
        }
    };
    Err(match undecided {
        Some(undecided) => Failure::undecided(undecided, read.block),
        None => Failure::new(Cause::CommitChanged, read.block),
    })
}

/// The rest: a lock of ours on what was not read last before it was written (the locking took care of those).
#[inline(never)]
fn locked_by_us(read: &Read, now: Word, writes: &WriteSet) -> bool {
    now.is_locked()
        && writes
            .find(read.block)
            .is_some_and(|at| writes.entries()[at].replaced.same_value(read.seen()))
}
