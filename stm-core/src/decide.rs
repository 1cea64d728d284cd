//! Commits that somebody else has the last word about, so that memory and a store commit together.
//!
//! # The problem, and the idea
//!
//! A transfer is to be in memory and in a journal, or in neither. Written to the journal before the commit, it may be there and
//! the commit fail; written after, the process may die in between, and two commits may be journalled in the wrong order. So the
//! commit asks, at the one moment when nothing can come between any more: everything is locked, everything read still
//! holds, nothing is published. The decider writes to its store, and its answer is the transaction's. It is the second phase of
//! a two-phase commit with one resource that cannot prepare (Gray, "Notes on Data Base Operating Systems", 1978: the *last
//! resource*); Scala STM has it as `Txn.setExternalDecider`.
//!
//! # Why what was read is locked, too
//!
//! T1 reads x and writes y; T2 writes x. T1 validates x, then T2 commits: that is T1 before T2, and both may publish in any order.
//! Their deciders may not: were T2's row first, the journal would tell that T2 came first. So a commit with a decider locks what
//! it has read as well, in the same global order, until its answer is there. Of two that conflict in any way, by writes
//! or by a read and a write, the second cannot hold all its locks before the first has given its own back, after
//! its row is in the store. What transactions *without* a decider do is in no store; they may commit in between.
//!
//! # Why it is asked inside the body
//!
//! The usual shape is a hook: registered somewhere in the body, called when that has returned. Then the decider's error comes
//! from nowhere: neither `Tx` nor the log knows the error type of the call, which need not even be `'static`, so it would have to
//! be boxed, cast back, and found wrong at run time; the same in `atomically`, which has no error; and two deciders could be
//! registered. As an operation that is the body's last, `decide` returns to the body what the decider has said, in the body's own
//! type, and alternatives and nested transactions treat a refusal as any other.
//!
//! # Invariants
//!
//! - E1  A decider is called at most once, and only if its answer is the last thing missing: if it says Commit, all is published
//!   before `decide` returns, whatever happens but the end of the process.
//! - E2  While it runs, everything that the attempt has read or written is locked and bears an event ([`crate::undecided`]);
//!   nothing is published, and the token of priority is not held (Q3).
//! - E3  An attempt that is a snapshot asks none: it may have read what is not the newest, and that cannot be locked.
//! - E4  After Commit the attempt is over but for its body's end: nothing reads or writes in it, nothing undoes or repeats it.
//! - E5  After a refusal it is as before, savepoints included: nothing of the log was moved or changed. (More may be buried.)

use std::any::Any;
use std::panic::resume_unwind;

use crate::block::Pinned;
use crate::boxed::Pending;
use crate::cause::{Cause, Control};
use crate::clock::Stamp;
use crate::commit;
use crate::contention::Limit;
use crate::error::Abort;
use crate::log::{Log, NONE, Write};
use crate::mutant::{caught, mutant};
use crate::tx::{Mode, Tx};
use crate::undecided::{Announced, Outcome};
use crate::validate::Failure;

/// What a decider says about the transaction that waits for it; see [`Tx::decide`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use = "the transaction waits for it"]
pub enum Decision<E> {
    /// It happens.
    Commit,
    /// It does not happen now: [`Tx::decide`] returns a [`retry`](crate::retry). If the body passes it on, nothing is written, and
    /// the call waits until something that the body has read changes; then it runs the body again.
    Retry,
    /// It does not happen: [`Tx::decide`] returns this error of the body's own. If the body passes it on, nothing is written.
    Abort(E),
}

impl Tx<'_> {
    /// Commits, if `decider` agrees: so that memory and a store, a journal or another server commit together. The last thing that
    /// a body does.
    ///
    /// Everything that the body has read or written is locked, and all that it has read is checked to hold still. Then, when nothing
    /// but its answer is missing, `decider` is called. If it says [`Decision::Commit`], the writes are published before this
    /// returns; nothing can come between. It is never asked for an attempt that would have failed otherwise; an attempt that meets a
    /// conflict here ends like any other, and a later one may come here again.
    ///
    /// After a refusal this returns what the decider has said, as if the body had: the writes are still pending, and go with
    /// the attempt, or with the branch of [`or_else`](Tx::or_else) or [`nested`](Tx::nested) that passes the refusal on. So
    /// another branch may ask another decider.
    ///
    /// After [`Decision::Commit`] the transaction has happened. The body may still make its result, and should return at once: tasks and
    /// waits are woken when it has.
    ///
    /// Deciders of transactions that conflict run one after the other, in the order of their commits, also where one has only read
    /// what the other writes: rows that they append to a store tell what really happened. Those of others run side by side. A
    /// transaction that has written nothing may ask, too: nothing that it has read changes before the answer.
    ///
    /// The error is the body's, so it needs one that can fail, as that of [`try_atomically`](crate::try_atomically). Where a body
    /// cannot, as in [`atomically`](crate::atomically), neither can its decider: see [`Abort::into_control`].
    ///
    /// # What it cannot promise
    ///
    /// - *The store's answer may be lost.* A store that has committed but says that it failed (a server that cannot be reached any
    ///   more, a timeout) makes memory and store disagree. Where that can happen, the store must be asked again, or the process must
    ///   end and load everything anew. That the process dies after the store's commit and before ours does no harm:
    ///   memory dies with it.
    /// - *Others see the store first.* Whoever looks into it directly may find what this process does not show yet.
    /// - *One store.* Two of them in one decider do not commit together.
    ///
    /// # Blocking
    ///
    /// As long as `decider` takes. Meanwhile, transactions, snapshots and loads that need one of the variables sleep; tasks are
    /// pending. Others go on, but no thread's garbage is freed. So a decider should take no longer than its store does. It
    /// must not wait for somebody who may need these variables. Limits of a [`Transaction`](crate::Transaction) do not end it.
    ///
    /// In a task it blocks the executor's thread.
    ///
    /// # Errors
    ///
    /// A conflict, or the refusal. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `decider`'s panic: then nothing is written, so it must not panic once the store has committed. In a decider, every way
    /// to reach a variable panics, as [`forbid_in_transaction`](crate::forbid_in_transaction) does: it cannot use this transaction, and
    /// must not run another.
    ///
    /// After [`Decision::Commit`], whatever else the body does with the transaction panics, and so does the call if the body
    /// returns an error then. The commit stands.
    ///
    /// ```
    /// use stm_core::{abort, try_atomically, Decision, TVar};
    /// use std::sync::Mutex;
    ///
    /// struct Full;
    /// /// Stands for a store: it has room for one row.
    /// fn append(journal: &Mutex<Vec<(u32, i64)>>, row: (u32, i64)) -> Result<(), Full> {
    ///     let mut rows = journal.lock().unwrap();
    ///     if rows.is_empty() { Ok(rows.push(row)) } else { Err(Full) }
    /// }
    ///
    /// let (balance, number, journal) = (TVar::new(100), TVar::new(0), Mutex::new(vec![]));
    /// let withdraw = |amount| {
    ///     try_atomically(|tx| {
    ///         let (rest, row) = (balance.read(tx)? - amount, number.read(tx)? + 1);
    ///         if rest < 0 {
    ///             return abort("no cover");
    ///         }
    ///         balance.write(tx, rest)?;
    ///         number.write(tx, row)?;
    ///         tx.decide(|| match append(&journal, (row, amount)) {
    ///             Ok(()) => Decision::Commit,
    ///             Err(Full) => Decision::Abort("the journal is full"),
    ///         })?;
    ///         Ok(row)
    ///     })
    /// };
    /// assert_eq!(withdraw(30), Ok(1));
    /// assert_eq!(withdraw(80), Err("no cover"));
    /// assert_eq!(withdraw(50), Err("the journal is full"));
    /// assert_eq!((balance.load(), number.load()), (70, 1));
    /// ```
    ///
    /// A body that cannot fail, with a decider that can, does not compile,
    ///
    /// ```compile_fail,E0277
    /// use stm_core::{atomically, Decision};
    /// atomically(|tx| Ok(tx.decide(|| Decision::Abort("no"))?));
    /// ```
    ///
    /// and neither does one with an error of another type:
    ///
    /// ```compile_fail,E0277
    /// use stm_core::{try_atomically, Decision};
    /// let _: Result<(), u8> = try_atomically(|tx| Ok(tx.decide(|| Decision::Abort("no"))?));
    /// ```
    pub fn decide<E>(&mut self, decider: impl FnOnce() -> Decision<E>) -> Result<(), Abort<E>> {
        let ready = self.make_ready()?;
        match caught!("P-decider", decider) {
            Ok(Decision::Commit) => {
                self.publish_decided(ready);
                Ok(())
            }
            Ok(Decision::Retry) => {
                ready.undo(self.log);
                Err(Abort::Control(Control::RETRY))
            }
            Ok(Decision::Abort(error)) => {
                ready.undo(self.log);
                Err(Abort::User(error))
            }
            Err(panic) => {
                ready.undo(self.log);
                self.unwind(panic)
            }
        }
    }

    /// Steps 1 to 4, up to the decider.
    ///
    /// # Errors
    ///
    /// A conflict, with nothing locked.
    #[inline(never)]
    fn make_ready(&mut self) -> Result<Ready, Control> {
        // E3, E4.
        self.check_writable()?;
        let log = &mut *self.log;
        // It has no plain end, whatever the decider says.
        log.writes.make_untidy();
        log.announce_writes();
        let mut locks = Locks::of(log);
        let now = match locks.take(log).and_then(|()| locks.check(log)) {
            Ok(now) => now,
            Err(cause) => return Err(self.doom(cause)),
        };
        let functions = caught!("P-decider-commute", || locks.apply_commutes(log));
        let made = functions.unwrap_or_else(|panic| {
            locks.give_back();
            self.unwind(panic)
        });
        if self.log.holder.take().is_some() && !mutant!("D-token-decider") {
            self.call.let_go_under_locks();
        }
        let announced = Announced::announce(locks.0.iter().map(|lock| lock.block));
        Ok(Ready {
            locks,
            now,
            made,
            announced,
        })
    }

    /// Steps 5 to 7: the decider has said Commit.
    #[inline(never)]
    fn publish_decided(&mut self, ready: Ready) {
        let Ready {
            locks,
            now,
            made,
            announced,
        } = ready;
        let (pin, log) = (self.pin(), &mut *self.log);
        for (block, pending) in made {
            log.writes.exhume(pending);
            log.writes.stage_first(block, pending, NONE);
        }
        log.writes.seal(&log.commutes);
        let only_read = locks.split(log);
        let waiters = log
            .writes
            .entries()
            .iter()
            .any(|w| w.replaced.has_waiters());
        // Only now: until the decider had answered, hooks of others would have waited for this turn (see `turn`).
        log.hooks.draw_turn();
        // The LINEARIZATION POINT was the end of the validation. E1: from here nothing fails.
        commit::publish_all(pin, log, now);
        only_read.iter().for_each(commit::unlock);
        announced.end(log);
        commit::clear_up(pin, log, waiters);
        self.mode = Mode::Decided;
        self.log.writes.slow_down();
    }

    /// A decider or a function has unwound, and all has been undone.
    fn unwind(&mut self, panic: Box<dyn Any + Send>) -> ! {
        self.doom(Cause::Swallowed);
        resume_unwind(panic)
    }

    /// E4.
    #[cold]
    #[inline(never)]
    pub(crate) fn refuse_when_decided(&self) -> ! {
        panic!(
            "the transaction has committed, as its decider said, and the body went on with it or failed: `decide` must be the \
             last thing that a body does with its transaction; do everything else before, or when the call has returned"
        );
    }
}

/// An attempt of which nothing is missing but an answer (E2).
#[must_use = "everything is locked"]
struct Ready {
    locks: Locks,
    now: Stamp,
    /// What the functions have made of the variables that were left to them. Buried, in case of a refusal.
    made: Vec<(Pinned, Pending)>,
    announced: Announced,
}

impl Ready {
    fn undo(self, log: &mut Log) {
        self.locks.give_back();
        self.announced.end(log);
    }
}

/// Everything that is to be locked, once each, by ascending addresses: entries without a value. The steps are those of
/// [`crate::commit`], in their order.
struct Locks(Vec<Write>);

impl Locks {
    fn of(log: &Log) -> Self {
        let written = log.writes.entries().iter().map(|write| write.block);
        let commuted = log.commutes.iter().map(|(block, _)| block);
        let read = log.reads.as_slice().iter().map(|read| read.block);
        let mut all: Vec<_> = written
            .chain(commuted)
            .chain(read)
            .map(|block| Write::alone(block, Pending::bits(0), NONE))
            .collect();
        all.sort_unstable_by_key(|lock| lock.block.address());
        all.dedup_by_key(|lock| lock.block.address());
        Self(all)
    }

    fn find(&self, block: Pinned) -> Option<&Write> {
        let at = self
            .0
            .binary_search_by_key(&block.address(), |lock| lock.block.address());
        at.ok().map(|at| &self.0[at])
    }

    /// Step 1.
    fn take(&mut self, log: &mut Log) -> Result<(), Cause> {
        let limit = Limit::of_attempt(log.holder.as_ref());
        loop {
            match commit::lock_all(&mut self.0, limit).map_err(|failure| log.note_failure(failure))
            {
                Err(Cause::Undecided) if log.sit_out_as_holder() == Outcome::Over => {}
                outcome => return outcome,
            }
        }
    }

    /// Steps 2 and 3. Unlocks if they fail.
    fn check(&self, log: &mut Log) -> Result<Stamp, Cause> {
        let mut now = commit::look_at_clock();
        if let Some(failure) = self.what_fails(log) {
            self.give_back();
            return Err(log.note_failure(failure));
        }
        if !mutant!("M19b") && self.0.iter().any(|lock| lock.replaced.seq_exhausted()) {
            now = commit::move_clock_on(&self.0, now);
        }
        Ok(now)
    }

    fn what_fails(&self, log: &Log) -> Option<Failure> {
        // A committer gives way before it decides: afterwards nobody may ask it to.
        let limit = Limit::of_attempt(log.holder.as_ref());
        if let Some(failure) = commit::must_give_way(&self.0, limit) {
            return Some(failure);
        }
        // All of them are locked by us, so what the locks replaced is what there is.
        let changed = log.reads.as_slice().iter().find(|read| {
            self.find(read.block)
                .is_none_or(|lock| !lock.replaced.same_value(read.seen()))
        });
        changed.map(|read| Failure::new(Cause::CommitChanged, read.block))
    }

    /// Step 4, without a change to the write set (E5): unwinds as the functions do.
    fn apply_commutes(&self, log: &mut Log) -> Vec<(Pinned, Pending)> {
        let mut made: Vec<(Pinned, Pending)> = Vec::new();
        for (block, _) in log.commutes.iter() {
            // Of those with an entry none is in force (F1).
            if log.writes.find(block).is_some() || made.iter().any(|(other, _)| *other == block) {
                continue;
            }
            let lock = self.find(block).expect("locked with the rest");
            let newest = commit::newest_of_own(lock);
            let all = log.commutes.apply(block, newest, &mut log.writes);
            let pending = all.expect("it has some");
            log.writes.bury(pending);
            made.push((block, pending));
        }
        made
    }

    /// Leaves the locks of what is written to the write set, which has been sealed, and gives the others.
    fn split(self, log: &mut Log) -> Vec<Write> {
        for write in log.writes.entries_mut() {
            write.replaced = self
                .find(write.block)
                .expect("locked with the rest")
                .replaced;
        }
        let mut only_read = self.0;
        only_read.retain(|lock| log.writes.find(lock.block).is_none());
        only_read
    }

    /// Undoes step 1.
    fn give_back(&self) {
        self.0.iter().for_each(commit::unlock);
    }
}
