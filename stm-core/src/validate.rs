//! Validation: is everything that the attempt read still what it read?
//!
//! One question, asked by two who differ in what a lock means to them. A reader holds no lock, so it may wait
//! until the owner of a locked word has published or given up. A committer holds locks, so it must not wait
//! (two of them could wait for each other): to it a word that somebody else locks has changed. A word that it
//! locked itself is judged by the word that its lock replaced.
//!
//! Equality of words is equality of values (W3).

use std::sync::Arc;

use crate::cause::Cause;
use crate::contention::{Limit, Patience, Waiting};
use crate::log::{Read, WriteSet};
use crate::undecided::{self, Outcome, Undecided};
use crate::word::Word;

/// For a reader: every read still holds, at some moment during this call.
///
/// # Errors
///
/// [`Cause::ReadChanged`]; [`Cause::ReadLocked`] if patience ended; [`Cause::Undecided`], with `behind` what it is.
#[inline]
pub(crate) fn by_reader(
    reads: &[Read],
    protected: bool,
    behind: &mut Option<Arc<Undecided>>,
) -> Result<(), Cause> {
    for read in reads {
        // SeqCst (in `sample`): after the newer value was read; see `AtomicWord::sample`.
        if !read.block.look().word().same_value(read.seen()) {
            holds_for_reader(read, protected, behind)?;
        }
    }
    Ok(())
}

/// The slow half of `by_reader`: the word differs, perhaps by its lock only.
#[cold]
fn holds_for_reader(
    read: &Read,
    protected: bool,
    behind: &mut Option<Arc<Undecided>>,
) -> Result<(), Cause> {
    loop {
        match still_holds(read, protected) {
            Still::Holds => return Ok(()),
            Still::Gone(cause) => return Err(cause),
            Still::Undecided(undecided) => match undecided::sit_out(undecided, protected, behind) {
                Outcome::Over => {}
                Outcome::Pending => return Err(Cause::Undecided),
            },
        }
    }
}

/// What became of a read whose word differs.
enum Still {
    Holds,
    Gone(Cause),
    /// The value is unchanged. It is locked, and will be until somebody has decided.
    Undecided(Arc<Undecided>),
}

/// Waits while it is locked, as far as patience goes.
fn still_holds(read: &Read, protected: bool) -> Still {
    let mut waiting = Waiting::up_to(Limit::of_attempt(protected));
    loop {
        let now = read.block.look().word();
        if !now.settled().same_value(read.seen()) {
            return Still::Gone(Cause::ReadChanged);
        }
        if !now.is_locked() {
            return Still::Holds;
        }
        match waiting.round(read.block) {
            Patience::Left => {}
            Patience::Spent => return Still::Gone(Cause::ReadLocked),
            Patience::Undecided(undecided) => return Still::Undecided(undecided),
        }
    }
}

/// For a committer that has locked `writes`: every read still holds and nobody else is about to replace it.
///
/// One that is `protected` waits for other locks all the same: their owners finish, or see that they must give way.
///
/// # Errors
///
/// [`Cause::CommitChanged`]; [`Cause::Undecided`], with `behind` what it is.
#[inline(always)]
pub(crate) fn by_committer(
    reads: &[Read],
    writes: &WriteSet,
    protected: bool,
    behind: &mut Option<Arc<Undecided>>,
) -> Result<(), Cause> {
    for read in reads {
        let now = read.block.look().word();
        if now.same_value(read.seen()) || locked_by_us(read, now, writes) {
            continue;
        }
        holds_for_committer(read, protected, behind)?;
    }
    Ok(())
}

/// The word differs, and the lock is not ours. Others wait for what we have locked, so there is no sleep here.
#[cold]
fn holds_for_committer(
    read: &Read,
    protected: bool,
    behind: &mut Option<Arc<Undecided>>,
) -> Result<(), Cause> {
    let undecided = if protected {
        match still_holds(read, protected) {
            Still::Holds => return Ok(()),
            Still::Gone(_) => None,
            Still::Undecided(undecided) => Some(undecided),
        }
    } else {
        undecided::on(read.block)
    };
    match undecided {
        Some(_) => {
            *behind = undecided;
            Err(Cause::Undecided)
        }
        None => Err(Cause::CommitChanged),
    }
}

/// The rest: a lock of ours on what was not read last before it was written (the locking took care of those).
#[inline(never)]
fn locked_by_us(read: &Read, now: Word, writes: &WriteSet) -> bool {
    now.is_locked()
        && writes
            .find(read.block)
            .is_some_and(|at| writes.entries()[at].replaced.same_value(read.seen()))
}
