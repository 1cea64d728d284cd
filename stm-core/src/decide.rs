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
//! # Invariants
//!
//! - E1  The decider is called at most once an attempt, and only if its answer is the last thing missing: an attempt whose
//!   decider says Commit is published, whatever happens but the end of the process.
//! - E2  While it runs, everything that the attempt has read or written is locked and bears an event ([`crate::undecided`]);
//!   nothing is published, and the token of priority is not held (Q3).
//! - E3  Such an attempt is never a snapshot: it may have read what is not the newest, and that cannot be locked.

use std::any::Any;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use crate::block::Pinned;
use crate::boxed::Pending;
use crate::call::Call;
use crate::cause::{Cause, Control};
use crate::clock::{Stamp, clock};
use crate::commit;
use crate::contention::Limit;
use crate::context::Context;
use crate::error::Abort;
use crate::log::{Log, NONE, Read, Write};
use crate::options::{Limits, Unlimited};
use crate::reclaim::Pin;
use crate::run::{self, Parting, Step};
use crate::tx::{Mode, Tx, Verdict};
use crate::undecided::{Announced, Outcome};
use crate::wait::Waiter;
use crate::word::AtomicWord;

/// What a decider says about the transaction that waits for it; see [`try_atomically_decided`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[must_use = "the transaction waits for it"]
pub enum Decision<E> {
    /// It happens.
    Commit,
    /// It does not happen now: nothing is written, and the call waits, as after a [`retry`](crate::retry), until something that
    /// the body has read changes; then it runs the body again.
    Retry,
    /// It does not happen: nothing is written, and the call fails with this error.
    Abort(E),
}

/// As [`try_atomically`](crate::try_atomically), with a *decider* that has the last word: so that memory and a store, a journal or
/// another server commit together.
///
/// The body runs as any other. When its transaction is about to commit, `decider` is called with the body's result: everything
/// that the body has read or written is locked by then, all that it has read still holds, and nothing is to be seen by
/// others. If it says [`Decision::Commit`], the writes are published; nothing can come between. It is called once for each commit,
/// never for an attempt that would have failed otherwise, and again only after a [`Decision::Retry`]. It may change the result,
/// say, to put in what the store has answered.
///
/// Deciders of transactions that conflict run one after the other, in the order of their commits, also where one has only read what
/// the other writes: rows that they append to a store tell what really happened. Those of others run side by side.
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
/// As [`try_atomically`](crate::try_atomically), and for as long as `decider` takes. Meanwhile, transactions, snapshots and loads that need one of
/// the variables sleep; tasks are pending. Others go on, but no thread's garbage is freed. So a decider should take no
/// longer than its store does. It must not wait for somebody who may need these variables.
///
/// There is none for tasks, on purpose: it would block its executor.
///
/// # Errors
///
/// That of the body, or of [`Decision::Abort`]. Nothing is written then.
///
/// # Panics
///
/// As [`try_atomically`](crate::try_atomically), and with `decider`'s panic: then it is as if this call had not been, so it must not panic once the
/// store has committed. In a decider every way to reach a variable panics, as
/// [`forbid_in_transaction`](crate::forbid_in_transaction) does: it has no transaction to use, and must not run another.
///
/// ```
/// use stm_core::{abort, try_atomically_decided, Decision, TVar};
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
///     try_atomically_decided(
///         |tx| {
///             let (rest, row) = (balance.read(tx)? - amount, number.read(tx)? + 1);
///             if rest < 0 {
///                 return abort("no cover");
///             }
///             balance.write(tx, rest)?;
///             number.write(tx, row)?;
///             Ok((row, amount))
///         },
///         |row| match append(&journal, *row) {
///             Ok(()) => Decision::Commit,
///             Err(Full) => Decision::Abort("the journal is full"),
///         },
///     )
/// };
/// assert_eq!(withdraw(30), Ok((1, 30)));
/// assert_eq!(withdraw(80), Err("no cover"));
/// assert_eq!(withdraw(50), Err("the journal is full"));
/// assert_eq!((balance.load(), number.load()), (70, 1));
/// ```
#[track_caller]
pub fn try_atomically_decided<R, E>(
    body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
    decider: impl FnMut(&mut R) -> Decision<E>,
) -> Result<R, E> {
    let caller = Location::caller();
    let Ok(result) = run("try_atomically_decided", caller, &Unlimited, body, decider);
    result
}

/// Attempts until a result, or a limit.
pub(crate) fn run<R, E, L: Limits>(
    what: &'static str,
    caller: &'static Location<'static>,
    limits: &L,
    mut body: impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
    mut decider: impl FnMut(&mut R) -> Decision<E>,
) -> Result<Result<R, E>, L::Stopped> {
    let mut call = Call::new();
    // E3.
    call.may_be_snapshot = false;
    run::run_attempts(what, caller, limits, call, |call, ctx| {
        attempt(call, ctx, &mut body, &mut decider)
    })
}

/// As [`run::attempt`], with a decider.
fn attempt<R, E>(
    call: &mut Call,
    ctx: &Context,
    body: &mut impl FnMut(&mut Tx<'_>) -> Result<R, Abort<E>>,
    decider: &mut impl FnMut(&mut R) -> Decision<E>,
) -> Step<R, E> {
    call.attempt += 1;
    let waiter = Waiter::of_this_thread;
    let pin = ctx.pin();
    let mut inside = ctx.enter();
    let mut tx = Tx::begin(&pin, inside.log(), call);
    tx.begin_as_due();
    // What did not come to be is the user's to drop, with nothing locked and outside.
    let mut refused = None;
    let (verdict, answer) = match catch_unwind(AssertUnwindSafe(|| body(&mut tx))) {
        Ok(Ok(mut result)) => {
            let outcome = tx.commit_decided(&mut || match decider(&mut result) {
                Decision::Commit => Ruling::Commit,
                Decision::Retry => Ruling::Retry,
                Decision::Abort(error) => {
                    refused = Some(error);
                    Ruling::Abort
                }
            });
            match outcome {
                Ok(Ruling::Commit) => {
                    tx.end();
                    run::conclude(inside, pin, Parting::Over, call);
                    return Step::Done(Ok(result));
                }
                Ok(Ruling::Retry) => (tx.stop(Control::RETRY, waiter), Ok(Ok(result))),
                Ok(Ruling::Abort) => {
                    tx.end_failed(&Verdict::RolledBack);
                    let step = run::not_committed(
                        inside,
                        pin,
                        Verdict::RolledBack,
                        Ok(Err(refused)),
                        call,
                    );
                    drop(result);
                    return step;
                }
                // The panic is in the log, and goes on from there.
                Err(Cause::CommutePanicked | Cause::DeciderPanicked) => {
                    (Verdict::Unwound, Ok(Ok(result)))
                }
                Err(cause) => (tx.conflict(cause, waiter), Ok(Ok(result))),
            }
        }
        Ok(Err(Abort::User(error))) => (tx.roll_back(waiter), Ok(Err(Some(error)))),
        Ok(Err(Abort::Control(control))) => (tx.stop(control, waiter), Ok(Err(None))),
        Err(panic) => (Verdict::Unwound, Err(panic)),
    };
    tx.end_failed(&verdict);
    run::not_committed(inside, pin, verdict, answer, call)
}

/// A [`Decision`] whose error lies elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Ruling {
    Commit,
    Retry,
    Abort,
}

impl Tx<'_> {
    /// The body returned normally: asks the decider if all that was read still holds, and does as it says.
    ///
    /// # Errors
    ///
    /// The cause, without the decider having been called, or because it unwound. As after any other answer than Commit, nothing is
    /// locked and nothing has happened.
    fn commit_decided(&mut self, decide: &mut dyn FnMut() -> Ruling) -> Result<Ruling, Cause> {
        // It has no plain end, whatever the body did.
        self.log.writes.make_untidy();
        if self.mode == Mode::Doomed {
            return self.commit().map(|()| Ruling::Commit);
        }
        debug_assert_eq!(self.mode, Mode::Update, "E3");
        let log = &mut *self.log;
        log.writes.seal(&log.commutes);
        log.announce_writes();
        let mut locks = Locks::of(log);
        locks.take(log)?;
        let outcome = match locks.check(log) {
            Ok(now) => {
                if log.holder.take().is_some() {
                    self.call.let_go_under_locks();
                }
                log.announced = Some(Announced::announce(locks.blocks()));
                match catch_unwind(AssertUnwindSafe(decide)) {
                    Ok(Ruling::Commit) => {
                        locks.publish(self.pin(), self.log, now);
                        return Ok(Ruling::Commit);
                    }
                    Ok(refusal) => Ok(refusal),
                    Err(panic) => Err(keep(panic, self.log)),
                }
            }
            Err(cause) => Err(cause),
        };
        locks.give_back();
        if let Some(announced) = &mut self.log.announced {
            announced.withdraw();
        }
        outcome
    }
}

fn keep(panic: Box<dyn Any + Send>, log: &mut Log) -> Cause {
    log.panic = Some(panic);
    Cause::DeciderPanicked
}

/// Everything that is to be locked, by ascending addresses: the entries of the write set, and an entry without a value for each
/// variable that was only read. The steps are those of [`crate::commit`], in their order.
struct Locks(Vec<Write>);

impl Locks {
    /// The write set has been sealed.
    fn of(log: &Log) -> Self {
        let only_read = |read: &&Read| log.writes.find(read.block).is_none();
        let reads = log.reads.as_slice().iter().filter(only_read);
        let mut all = log.writes.entries().to_vec();
        all.extend(reads.map(|read| Write::alone(read.block, Pending::bits(0), NONE)));
        all.sort_unstable_by_key(|lock| lock.block.address());
        all.dedup_by_key(|lock| lock.block.address());
        Self(all)
    }

    fn blocks(&self) -> impl Iterator<Item = Pinned> {
        self.0.iter().map(|lock| lock.block)
    }

    /// Step 1.
    fn take(&mut self, log: &mut Log) -> Result<(), Cause> {
        loop {
            let limit = Limit::of_attempt(log.holder.is_some());
            match commit::lock_all(&mut self.0, limit, &mut log.behind) {
                Err(Cause::Undecided) if log.sit_out_as_holder() == Outcome::Over => {}
                outcome => return outcome,
            }
        }
    }

    /// Steps 2 to 4, up to the decider.
    fn check(&self, log: &mut Log) -> Result<Stamp, Cause> {
        AtomicWord::after_last_lock();
        // SeqCst: as in `commit`.
        let mut now = clock().sample();
        // A committer gives way before it decides: afterwards nobody may ask it to.
        if log.holder.is_none() && commit::must_give_way(&self.0) {
            return Err(Cause::GaveWay);
        }
        let mut locks = self.0.iter();
        for write in log.writes.entries_mut() {
            let own = locks.find(|lock| lock.block == write.block);
            write.replaced = own.expect("locked with the rest").replaced;
        }
        let writes = log.writes.entries();
        if writes.iter().any(|write| write.replaced.seq_exhausted()) {
            now = commit::move_clock_on(writes, now);
        }
        // All of them are locked by us, so what the locks replaced is what there is.
        let holds = |read: &Read| {
            let at = self
                .0
                .binary_search_by_key(&read.block.address(), |lock| lock.block.address());
            at.is_ok_and(|at| self.0[at].replaced.same_value(read.seen()))
        };
        if !log.reads.as_slice().iter().all(holds) {
            return Err(Cause::CommitChanged);
        }
        if !log.commutes.is_empty() {
            commit::apply_commutes(log)?;
        }
        Ok(now)
    }

    /// Steps 5 to 7: the decider has said Commit.
    fn publish(self, pin: &Pin, log: &mut Log, now: Stamp) {
        let waiters = log
            .writes
            .entries()
            .iter()
            .any(|w| w.replaced.has_waiters());
        let only_read = |lock: &&Write| log.writes.find(lock.block).is_none();
        let only_read: Vec<_> = self.0.iter().filter(only_read).collect();
        // Only now: until the decider had answered, hooks of others would have waited for this turn (see `turn`).
        log.hooks.draw_turn();
        // The LINEARIZATION POINT was the end of the validation. E1: from here nothing fails.
        commit::publish_all(pin, log, now);
        only_read.into_iter().for_each(commit::unlock);
        if let Some(announced) = &mut log.announced {
            announced.withdraw();
        }
        commit::clear_up(pin, log, waiters);
    }

    /// Undoes step 1.
    fn give_back(&self) {
        self.0.iter().for_each(commit::unlock);
    }
}
