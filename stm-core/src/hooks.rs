//! Hooks: what is to follow the attempt, once, outside of it.

use crate::tx::Tx;

impl Tx<'_> {
    /// Runs `hook` after this attempt, if it commits: the place for effects that must happen exactly once.
    ///
    /// Hooks of one transaction run in the order in which they were set, on this thread, before the call returns, with no
    /// variable locked and outside of the transaction: they may run transactions. Those that were set in a branch that is undone
    /// ([`or_else`](Tx::or_else), [`nested`](Tx::nested)) are not run.
    ///
    /// Hooks of *different* transactions run in the order of the commits, one commit's after the other's, so what they
    /// append to a log tells what really happened. The price: a commit with hooks waits until the hooks of earlier
    /// commits, on other threads, are done. So a hook should be short, and it must not wait for a thread that may itself
    /// be committing with hooks. A transaction that commits within a hook has its own hooks run after that hook's turn, not
    /// before it returns.
    ///
    /// # Panics
    ///
    /// Does not. A hook that panics leaves the commit standing and the other hooks running; the panic hook reports it.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    /// use std::{cell::RefCell, rc::Rc};
    ///
    /// let (stock, mails) = (TVar::new(3), Rc::new(RefCell::new(Vec::new())));
    /// atomically(|tx| {
    ///     stock.modify(tx, |n| n - 1)?;
    ///     let (left, mails) = (stock.read(tx)?, mails.clone());
    ///     tx.on_commit(move || mails.borrow_mut().push(format!("{left} left")));
    ///     Ok(())
    /// });
    /// assert_eq!(*mails.borrow(), ["2 left"]);
    /// ```
    pub fn on_commit(&mut self, hook: impl FnOnce() + 'static) {
        self.assert_undecided();
        self.log.hooks.on_commit(Box::new(hook));
        self.log.writes.make_untidy();
    }

    /// Runs `hook` after this attempt, if it does not commit: because of a conflict, a retry (before the sleep), an error of the
    /// body's own or a panic.
    ///
    /// It is run once for each attempt that sets it and fails; of several, the newest first. Otherwise as
    /// [`on_commit`](Tx::on_commit), without the order between transactions.
    ///
    /// ```
    /// use stm_core::{abort, try_atomically};
    /// use std::{cell::Cell, rc::Rc};
    ///
    /// let failed = Rc::new(Cell::new(0));
    /// let result: Result<(), _> = try_atomically(|tx| {
    ///     let failed = failed.clone();
    ///     tx.on_abort(move || failed.set(failed.get() + 1));
    ///     abort("no")
    /// });
    /// assert_eq!((result, failed.get()), (Err("no"), 1));
    /// ```
    pub fn on_abort(&mut self, hook: impl FnOnce() + 'static) {
        self.assert_undecided();
        self.log.hooks.on_abort(Box::new(hook));
        self.log.writes.make_untidy();
    }
}
