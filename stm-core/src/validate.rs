//! Validation: is everything that the attempt read still what it read?
//!
//! One question, asked by two who differ in what a lock means to them. A reader holds no lock, so it may wait
//! until the owner of a locked word has published or given up. A committer holds locks, so it must not wait
//! (two of them could wait for each other): to it a word that somebody else locks has changed. A word that it
//! locked itself is judged by the word that its lock replaced.
//!
//! Equality of words is equality of values (W3).

use crate::block::Pinned;
use crate::cause::Cause;
use crate::contention::{Limit, Patience, Waiting};
use crate::log::{Read, WriteSet};
use crate::word::Word;

/// What is not as it should be, and over which variable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) over: Pinned,
}

/// For a reader: every read still holds, at some moment during this call.
///
/// # Errors
///
/// [`Cause::ReadChanged`], or [`Cause::ReadLocked`] if patience ended.
#[inline]
pub(crate) fn by_reader(reads: &[Read], limit: Limit) -> Result<(), Failure> {
    for read in reads {
        // SeqCst (in `sample`): after the newer value was read; see `AtomicWord::sample`.
        if !read.block.look().word().same_value(read.seen()) {
            still_holds(read, limit).map_err(|cause| Failure {
                cause,
                over: read.block,
            })?;
        }
    }
    Ok(())
}

/// The slow half of `by_reader`: the word differs, perhaps by its lock only.
#[cold]
fn still_holds(read: &Read, limit: Limit) -> Result<(), Cause> {
    let mut waiting = Waiting::up_to(limit);
    loop {
        let now = read.block.look().word();
        if !now.settled().same_value(read.seen()) {
            return Err(Cause::ReadChanged);
        }
        if !now.is_locked() {
            return Ok(());
        }
        if waiting.round() == Patience::Spent {
            return Err(Cause::ReadLocked);
        }
    }
}

/// For a committer that has locked `writes`: every read still holds and nobody else is about to replace it.
///
/// One that is protected waits for other locks all the same: their owners finish, or see that they must give way.
///
/// # Errors
///
/// [`Cause::CommitChanged`].
#[inline(always)]
pub(crate) fn by_committer(reads: &[Read], writes: &WriteSet, limit: Limit) -> Result<(), Failure> {
    for read in reads {
        let now = read.block.look().word();
        if now.same_value(read.seen()) || locked_by_us(read, now, writes) {
            continue;
        }
        if limit == Limit::Bounded || still_holds(read, limit).is_err() {
            return Err(Failure {
                cause: Cause::CommitChanged,
                over: read.block,
            });
        }
    }
    Ok(())
}

/// The rest: a lock of ours on what was not read last before it was written (the locking took care of those).
#[inline(never)]
fn locked_by_us(read: &Read, now: Word, writes: &WriteSet) -> bool {
    now.is_locked()
        && writes
            .find(read.block)
            .is_some_and(|at| writes.entries()[at].replaced.same_value(read.seen()))
}
