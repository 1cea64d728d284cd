//! The crate `fast-stm` as an engine.
//!
//! Reads are checked at the commit and not before, so a body may see half of somebody's commit; it will be run again, but has to
//! survive that. Nothing here rests on what a body saw before it has committed.

use fast_stm::{StmError, TVar, Transaction};
use stm_benches::engine::{Abilities, Attempt, Engine, Reads, Writes};

/// The crate.
pub struct FastStm;

impl Reads<FastStm> for Transaction {
    fn read<T: Clone + Send + Sync + 'static>(&mut self, var: &TVar<T>) -> Attempt<T, FastStm> {
        Transaction::read(self, var)
    }
}

impl Writes<FastStm> for Transaction {
    fn write<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TVar<T>,
        value: T,
    ) -> Attempt<(), FastStm> {
        Transaction::write(self, var, value)
    }
}

impl Engine for FastStm {
    const NAME: &'static str = "fast-stm";
    const ABILITIES: Abilities = Abilities {
        wait: Ok(()),
        or_else: Ok(()),
        snapshot: Err("a body that only reads is checked at its end like any other"),
        commute: Err("it has no operation of that kind"),
        tasks: Err("its waiting blocks the thread"),
    };

    type Var<T: Clone + Send + Sync + 'static> = TVar<T>;
    type Tx<'t> = Transaction;
    type View<'t> = Transaction;
    type Report<'t> = Transaction;
    type Stop = StmError;

    fn var<T: Clone + Send + Sync + 'static>(value: T) -> TVar<T> {
        TVar::new(value)
    }

    fn atomically<R>(body: impl Fn(&mut Transaction) -> Attempt<R, Self>) -> R {
        fast_stm::atomically(body)
    }

    fn read_only<R>(body: impl Fn(&mut Transaction) -> Attempt<R, Self>) -> R {
        Self::atomically(body)
    }

    fn report<R>(body: impl Fn(&mut Transaction) -> Attempt<R, Self>) -> R {
        Self::atomically(body)
    }

    fn retry<R>() -> Attempt<R, Self> {
        fast_stm::retry()
    }

    fn or_else<R>(
        tx: &mut Transaction,
        first: impl Fn(&mut Transaction) -> Attempt<R, Self>,
        second: impl Fn(&mut Transaction) -> Attempt<R, Self>,
    ) -> Attempt<R, Self> {
        tx.or(first, second)
    }
}
