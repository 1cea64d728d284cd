//! The crate `kovan-stm` as an engine.

use kovan_stm::{StmError, TVar, Transaction};
use stm_benches::engine::{Abilities, Attempt, Engine, Reads, Writes};

/// The crate.
pub struct KovanStm;

impl Reads<KovanStm> for Transaction<'_> {
    fn read<T: Clone + Send + Sync + 'static>(&mut self, var: &TVar<T>) -> Attempt<T, KovanStm> {
        self.load(var)
    }
}

impl Writes<KovanStm> for Transaction<'_> {
    fn write<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TVar<T>,
        value: T,
    ) -> Attempt<(), KovanStm> {
        self.store(var, value)
    }
}

impl Engine for KovanStm {
    const NAME: &'static str = "kovan-stm";
    const ABILITIES: Abilities = Abilities {
        wait: Err("its retry yields and runs again at once: it does not sleep"),
        or_else: Err("it has no alternatives"),
        snapshot: Err("a read of what has changed since the begin starts over"),
        commute: Err("it has no operation of that kind"),
        tasks: Err("it cannot wait, in tasks no more than in threads"),
    };

    type Var<T: Clone + Send + Sync + 'static> = TVar<T>;
    type Tx<'t> = Transaction<'t>;
    type View<'t> = Transaction<'t>;
    type Report<'t> = Transaction<'t>;
    type Stop = StmError;

    fn var<T: Clone + Send + Sync + 'static>(value: T) -> TVar<T> {
        TVar::new(value)
    }

    fn atomically<R>(body: impl Fn(&mut Transaction<'_>) -> Attempt<R, Self>) -> R {
        kovan_stm::atomically(body)
    }

    fn read_only<R>(body: impl Fn(&mut Transaction<'_>) -> Attempt<R, Self>) -> R {
        kovan_stm::atomically(body)
    }

    fn report<R>(body: impl Fn(&mut Transaction<'_>) -> Attempt<R, Self>) -> R {
        kovan_stm::atomically(body)
    }
}
