//! Alternatives and nested transactions.
//!
//! Both run a closure behind a savepoint and undo its writes if it does not come to a result. What it *read*
//! stays in the read set: that the left branch could not go on is part of why the right one ran, so it must
//! still be true at the commit, and a wait must end when it stops being true. An implementation that forgets
//! the left branch's reads lets two transactions both take "right" where no order of them would. The semantics
//! are those of "Composable Memory Transactions" (doi:10.1145/1065944.1065952).
//!
//! A conflict is not a retry: it never runs the other branch.

use std::convert::Infallible;
use std::time::Instant;

use crate::cause::{Cause, Control, Kind};
use crate::error::{Abort, Stm};
use crate::mutant::mutant;
use crate::tx::{Mode, Tx};

/// How a scope ended that did not conflict.
enum Scope<R, E> {
    /// Its writes belong to the enclosing scope now.
    Done(R),
    /// Asked to wait; its writes are undone.
    Retry,
    /// Failed by its own choice; its writes are undone.
    User(E),
}

impl<'t> Tx<'t> {
    /// Runs `left`; if it calls [`retry`](crate::retry), undoes its writes and runs `right` instead.
    ///
    /// If both retry, the whole retries, and a wait then ends by a change of anything that *either* branch read.
    /// `right` runs only on a retry, never because of a conflict. Alternatives can be chained and nested to any
    /// depth; undoing costs what is undone.
    ///
    /// Source: Harris, Marlow, Peyton Jones and Herlihy, "Composable Memory Transactions", PPoPP 2005,
    /// doi:10.1145/1065944.1065952.
    ///
    /// # Errors
    ///
    /// A retry if both branches retried, or a conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// Passes a branch's panic on. A body that catches it has a doomed transaction in its hands.
    ///
    /// ```
    /// use stm_core::{atomically, check, Stm, TVar, Tx};
    ///
    /// fn withdraw(tx: &mut Tx<'_>, account: &TVar<i64>, amount: i64) -> Stm<()> {
    ///     check(account.read(tx)? >= amount)?;
    ///     account.modify(tx, |balance| balance - amount)
    /// }
    ///
    /// let (wallet, savings) = (TVar::new(5), TVar::new(100));
    /// atomically(|tx| tx.or_else(|tx| withdraw(tx, &wallet, 30), |tx| withdraw(tx, &savings, 30)));
    /// assert_eq!((wallet.load(), savings.load()), (5, 70));
    /// ```
    pub fn or_else<R>(
        &mut self,
        left: impl FnOnce(&mut Tx<'t>) -> Stm<R>,
        right: impl FnOnce(&mut Tx<'t>) -> Stm<R>,
    ) -> Stm<R> {
        let read_before = self.log.reads.len();
        match self.scope(without_user_error(left))? {
            Scope::Done(result) => return Ok(result),
            Scope::User(never) => match never {},
            Scope::Retry if mutant!("M13") => self.log.reads.truncate(read_before),
            Scope::Retry => {}
        }
        match self.scope(without_user_error(right))? {
            Scope::Done(result) => Ok(result),
            Scope::User(never) => match never {},
            Scope::Retry => Err(Control::RETRY),
        }
    }

    /// Runs `body`; `None` if it calls [`retry`](crate::retry), with its writes undone.
    ///
    /// The same as `tx.or_else(|tx| body(tx).map(Some), |_| Ok(None))`.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{atomically, retry, TVar};
    ///
    /// let inbox: TVar<Option<u8>> = TVar::new(None);
    /// let got = atomically(|tx| {
    ///     tx.optionally(|tx| match inbox.replace(tx, None)? {
    ///         Some(message) => Ok(message),
    ///         None => retry(),
    ///     })
    /// });
    /// assert_eq!(got, None);
    /// ```
    pub fn optionally<R>(&mut self, body: impl FnOnce(&mut Tx<'t>) -> Stm<R>) -> Stm<Option<R>> {
        self.or_else(|tx| body(tx).map(Some), |_| Ok(None))
    }

    /// Runs `body` as a transaction inside this one: if it fails with an error of its own, its writes are
    /// undone and this transaction goes on with `Ok(Err(error))`.
    ///
    /// Other transactions see nothing of either before the outermost one commits. A retry inside is a retry of
    /// the whole.
    ///
    /// # Errors
    ///
    /// A conflict, or a retry. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// Passes the body's panic on. An outer body that catches it has a doomed transaction in its hands.
    ///
    /// ```
    /// use stm_core::{abort, atomically, TVar};
    ///
    /// let seats = TVar::new(3);
    /// let booked = atomically(|tx| {
    ///     tx.nested(|tx| {
    ///         seats.modify(tx, |n| n - 5)?;
    ///         if seats.read(tx)? < 0 {
    ///             return abort("sold out");
    ///         }
    ///         Ok(())
    ///     })
    /// });
    /// assert_eq!(booked, Err("sold out"));
    /// assert_eq!(seats.load(), 3);
    /// ```
    pub fn nested<R, E>(
        &mut self,
        body: impl FnOnce(&mut Tx<'t>) -> Result<R, Abort<E>>,
    ) -> Stm<Result<R, E>> {
        match self.scope(body)? {
            Scope::Done(result) => Ok(Ok(result)),
            Scope::User(error) => Ok(Err(error)),
            Scope::Retry => Err(Control::RETRY),
        }
    }

    /// Waits as [`retry`](crate::retry) does, but not beyond `until`: from then on it gives way, and
    /// [`or_else`](Tx::or_else) takes the other branch.
    ///
    /// Before that, the other branch is *not* tried: the whole transaction waits, for whatever it has read and for the time.
    /// Without another branch, it is a plain [`retry`](crate::retry) once its time is over.
    ///
    /// # Errors
    ///
    /// Always: what is to be passed on with `?` or returned.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use stm_core::{atomically, TVar};
    ///
    /// let job = TVar::new(0);
    /// let patience = Instant::now() + Duration::from_millis(10);
    /// let got = atomically(|tx| {
    ///     tx.or_else(
    ///         |tx| match job.read(tx)? {
    ///             0 => tx.retry_until(patience),
    ///             n => Ok(Some(n)),
    ///         },
    ///         |_| Ok(None),
    ///     )
    /// });
    /// assert_eq!(got, None);
    /// ```
    pub fn retry_until<T>(&mut self, until: Instant) -> Stm<T> {
        self.assert_undecided();
        if Instant::now() >= until {
            return Err(Control::RETRY);
        }
        let earliest = self.log.wait_until.map_or(until, |other| other.min(until));
        self.log.wait_until = Some(earliest);
        self.log.writes.make_untidy();
        Err(Control::RETRY_UNTIL)
    }

    /// Runs `body` behind a savepoint. Its reads stay, whatever it does.
    ///
    /// # Errors
    ///
    /// A conflict only.
    fn scope<R, E>(
        &mut self,
        body: impl FnOnce(&mut Tx<'t>) -> Result<R, Abort<E>>,
    ) -> Result<Scope<R, E>, Control> {
        self.assert_undecided();
        if self.mode == Mode::Doomed {
            return Err(Control::CONFLICT);
        }
        let savepoint = self.log.savepoint();
        let answer = self.shielded(body);
        if self.mode == Mode::Doomed {
            // The savepoint goes with the attempt.
            return Err(Control::CONFLICT);
        }
        match answer {
            Ok(result) => {
                self.log.release(savepoint);
                Ok(Scope::Done(result))
            }
            // It cannot be undone any more.
            Err(_) if self.mode == Mode::Decided => self.refuse_when_decided(),
            Err(Abort::User(error)) => {
                self.log.roll_back(savepoint);
                Ok(Scope::User(error))
            }
            Err(Abort::Control(control)) => match control.kind() {
                Kind::Retry => {
                    self.log.roll_back(savepoint);
                    Ok(Scope::Retry)
                }
                // No branch beside this one may run before its time.
                Kind::RetryUntil => {
                    self.log.roll_back(savepoint);
                    Err(control)
                }
                Kind::Conflict => Err(self.doom(Cause::Foreign)),
            },
        }
    }
}

fn without_user_error<'t, R>(
    body: impl FnOnce(&mut Tx<'t>) -> Stm<R>,
) -> impl FnOnce(&mut Tx<'t>) -> Result<R, Abort<Infallible>> {
    |tx| body(tx).map_err(Abort::Control)
}
