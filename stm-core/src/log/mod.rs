//! What an attempt remembers: the read set and the write set.
//!
//! One log lives as long as its thread and goes from attempt to attempt; short transactions find their
//! entries in the same few cache lines each time. A log that one large transaction has blown up is cut back
//! when it is emptied, so that a thread does not hold on to megabytes.

mod commutes;
mod hooks;
mod read_set;
mod retention;
mod write_set;

use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

pub(crate) use commutes::{Commutes, Function};
pub(crate) use hooks::{DueHooks, Hooks};
pub(crate) use read_set::{Read, ReadSet};
pub(crate) use write_set::{Commuted, NONE, Write, WriteSet};

use crate::block::Pinned;
use crate::boxed::Unpublished;
use crate::cause::Cause;
use crate::mutant::{mutant, shielded};
use crate::priority::Holder;
use crate::turn::Owed;
use crate::undecided::{Outcome, Undecided};
use crate::validate::Failure;
use crate::wait::{DECIDED, Waiter, WakeList};
use commutes::IdleFunctions;
use hooks::HooksSavepoint;

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) reads: ReadSet,
    pub(crate) writes: WriteSet,
    pub(crate) commutes: Commutes,
    pub(crate) hooks: Hooks,
    /// Filled by the commit: who is to be woken.
    pub(crate) wakes: WakeList,
    /// A wait of this attempt is to end at this moment (`retry_until`).
    pub(crate) wait_until: Option<Instant>,
    /// Of a function or a decider that unwound in the commit.
    pub(crate) panic: Option<Box<dyn Any + Send>>,
    /// The undecided commit that was in the way.
    pub(crate) behind: Option<Arc<Undecided>>,
    /// Tasks that waited for the answers of this attempt's deciders: to be woken.
    pub(crate) answered: Vec<Arc<Waiter>>,
    /// The attempt holds the token: what it reads is announced.
    pub(crate) holder: Option<Holder>,
    /// The variable over which the attempt fails, if it does.
    pub(crate) blamed: Option<Pinned>,
}

/// A state of the log to go back to.
#[derive(Debug)]
#[must_use = "a savepoint is either rolled back to or released"]
pub(crate) struct Savepoint {
    writes: write_set::Savepoint,
    hooks: HooksSavepoint,
    commutes: usize,
}

impl Log {
    pub(crate) const fn new() -> Self {
        Self {
            reads: ReadSet::new(),
            writes: WriteSet::new(),
            commutes: Commutes::new(),
            hooks: Hooks::new(),
            wakes: WakeList::new(),
            wait_until: None,
            panic: None,
            behind: None,
            answered: Vec::new(),
            holder: None,
            blamed: None,
        }
    }

    /// Everything staged from here on can be undone. What was read stays.
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        Savepoint {
            writes: self.writes.savepoint(),
            hooks: self.hooks.savepoint(),
            commutes: self.commutes.len(),
        }
    }

    /// Keeps what was staged since; it belongs to the enclosing scope now.
    pub(crate) fn release(&mut self, savepoint: Savepoint) {
        self.writes.release(savepoint.writes);
    }

    /// Undoes what was staged since. Costs what is undone.
    pub(crate) fn roll_back(&mut self, savepoint: Savepoint) {
        self.writes.roll_back(savepoint.writes);
        self.hooks.roll_back(savepoint.hooks);
        self.commutes.roll_back(savepoint.commutes);
    }

    /// Leaves `function` to be applied to `block`, which has no entry in the write set, at commit.
    pub(crate) fn commute(&mut self, block: Pinned, function: Box<dyn Function>) {
        self.commutes.push(block, function);
        self.writes.expect_commute(block);
    }

    /// The holder of the token keeps others off what it is about to lock, too (see [`crate::priority`]).
    pub(crate) fn announce_writes(&mut self) {
        let Self {
            reads,
            writes,
            holder,
            ..
        } = self;
        let Some(holder) = holder else {
            return;
        };
        let writes = writes.entries().iter().map(|w| w.block);
        let all = reads
            .as_slice()
            .iter()
            .map(|r| r.block)
            .chain(writes.clone());
        for block in writes {
            holder.announce(block, all.clone());
        }
    }

    /// Gives the cause of the failure; the rest of it stays here.
    #[cold]
    pub(crate) fn note_failure(&mut self, failure: Failure) -> Cause {
        self.blamed = Some(failure.over);
        self.behind = failure.behind;
        failure.cause
    }

    /// After [`Cause::Undecided`] was noted, with no lock held: has the holder of the token wait for what was in the way, as long
    /// as its lease lasts. For all others, and beyond that, the attempt must end.
    #[cold]
    pub(crate) fn sit_out_as_holder(&mut self) -> Outcome {
        let (Some(holder), Some(undecided), Some(over)) = (&self.holder, &self.behind, self.blamed)
        else {
            return Outcome::Pending;
        };
        undecided.sleep(over, holder.tenure().lease_end(), holder.origin());
        undecided.outcome()
    }

    /// Keeps `function` until the attempt is over, without leaving it to the commit.
    pub(crate) fn lay_aside(&mut self, block: Pinned, function: Box<dyn Function>) {
        self.commutes.lay_aside(block, function);
        self.writes.make_untidy();
    }

    pub(crate) fn laid_aside_last(&self) -> &dyn Function {
        self.commutes.laid_aside_last()
    }

    /// Whether a commit would write nothing.
    pub(crate) fn is_read_only(&self) -> bool {
        self.writes.is_empty() && self.commutes.is_empty()
    }

    /// Empties the log; gives what is to be done, or dropped, outside of the transaction.
    pub(crate) fn clear(&mut self) -> Option<Box<Aftermath>> {
        let nothing_left = self.wakes.is_empty()
            && self.writes.owns_nothing()
            && self.commutes.owes_nothing()
            && self.hooks.is_empty()
            && self.panic.is_none()
            && self.answered.is_empty();
        let aftermath = if nothing_left {
            self.commutes.clear();
            None
        } else {
            Some(self.aftermath())
        };
        if !mutant!("D-wait-until") {
            self.wait_until = None;
        }
        self.behind = None;
        if !mutant!("D-holder") {
            self.holder = None;
        }
        self.blamed = None;
        self.writes.tidy();
        self.clear_tidy();
        aftermath
    }

    /// As [`Log::clear`], where nothing is untidy.
    #[inline(always)]
    pub(crate) fn clear_tidy(&mut self) {
        self.reads.clear();
        self.writes.clear();
    }

    #[cold]
    #[inline(never)]
    fn aftermath(&mut self) -> Box<Aftermath> {
        Box::new(Aftermath {
            wakes: std::mem::take(&mut self.wakes),
            unpublished: self.writes.take_unpublished(),
            functions: self.commutes.take(),
            put_off: Vec::new(),
            hooks: self.hooks.take(),
            panic: self.panic.take(),
            answered: std::mem::take(&mut self.answered),
        })
    }
}

/// What shall run once the transaction is over.
pub(crate) type PutOff = Box<dyn FnOnce()>;

/// What an attempt leaves to do that runs user code: the pin is gone by then, the thread's log is free, and the thread does
/// not count as being inside a transaction.
#[derive(Default)]
#[must_use = "who is to be woken sleeps until somebody does it"]
pub(crate) struct Aftermath {
    wakes: WakeList,
    /// Pending values that were not published: rolled back, overwritten, or of an attempt that failed. Each is dropped shielded.
    unpublished: Vec<Unpublished>,
    functions: IdleFunctions,
    /// What the body wanted done outside of the transaction. Each is run shielded.
    pub(crate) put_off: Vec<PutOff>,
    hooks: DueHooks,
    panic: Option<Box<dyn Any + Send>>,
    answered: Vec<Arc<Waiter>>,
}

impl Aftermath {
    /// Wakes, then hooks, then what is dropped and put off (U3 of the turns), then the panic of a function or a decider that
    /// unwound in the commit.
    pub(crate) fn settle(self) {
        let hooks = Owed::new(self.hooks);
        for waiter in self.answered {
            shielded!("P-answered", || {
                waiter.wake(DECIDED);
                drop(waiter);
            });
        }
        self.wakes.wake_all();
        hooks.settle();
        drop(self.unpublished);
        self.functions.drop_shielded();
        for put_off in self.put_off {
            shielded!("P-put-off", put_off);
        }
        if let Some(panic) = self.panic {
            std::panic::resume_unwind(panic);
        }
    }
}
