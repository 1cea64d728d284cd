//! stm-core as an [`Engine`], twice: they differ in how they report.

use std::future::Future;

use stm_core::{Control, ReadTx, Snapshot, TVar, Tx};

use crate::engine::{Abilities, Attempt, Engine, Reads, Writes};

/// stm-core with reports in [`snapshot`](stm_core::snapshot), as its documentation advises.
#[derive(Clone, Copy, Debug)]
pub struct StmCore;

/// stm-core with reports in [`atomically`](stm_core::atomically), like those of most others.
#[derive(Clone, Copy, Debug)]
pub struct StmCoreAtomically;

macro_rules! ours {
    ($engine:ident, $name:literal, report: $run:path, $report:ident, snapshot: $snapshot:expr) => {
        impl<X: ReadTx> Reads<$engine> for X {
            #[inline(always)]
            fn read<T: Clone + Send + Sync + 'static>(
                &mut self,
                var: &TVar<T>,
            ) -> Result<T, Control> {
                var.read(self)
            }
        }

        impl Writes<$engine> for Tx<'_> {
            #[inline(always)]
            fn write<T: Clone + Send + Sync + 'static>(
                &mut self,
                var: &TVar<T>,
                value: T,
            ) -> Result<(), Control> {
                var.write(self, value)
            }

            #[inline(always)]
            fn modify<T: Clone + Send + Sync + 'static>(
                &mut self,
                var: &TVar<T>,
                f: impl FnOnce(T) -> T,
            ) -> Result<(), Control> {
                var.modify(self, f)
            }
        }

        impl Engine for $engine {
            const NAME: &'static str = $name;
            const ABILITIES: Abilities = Abilities {
                wait: Ok(()),
                or_else: Ok(()),
                snapshot: $snapshot,
                commute: Ok(()),
                tasks: Ok(()),
            };

            type Var<T: Clone + Send + Sync + 'static> = TVar<T>;
            type Tx<'t> = Tx<'t>;
            type View<'t> = Tx<'t>;
            type Report<'t> = $report<'t>;
            type Stop = Control;

            fn var<T: Clone + Send + Sync + 'static>(value: T) -> TVar<T> {
                TVar::new(value)
            }

            #[inline(always)]
            fn atomically<R>(body: impl Fn(&mut Tx<'_>) -> Attempt<R, Self>) -> R {
                stm_core::atomically(body)
            }

            #[inline(always)]
            fn read_only<R>(body: impl Fn(&mut Tx<'_>) -> Attempt<R, Self>) -> R {
                stm_core::atomically(body)
            }

            #[inline(always)]
            fn report<R>(body: impl Fn(&mut $report<'_>) -> Attempt<R, Self>) -> R {
                $run(body)
            }

            #[inline(always)]
            fn retry<R>() -> Attempt<R, Self> {
                stm_core::retry()
            }

            #[inline(always)]
            fn or_else<R>(
                tx: &mut Tx<'_>,
                first: impl Fn(&mut Tx<'_>) -> Attempt<R, Self>,
                second: impl Fn(&mut Tx<'_>) -> Attempt<R, Self>,
            ) -> Attempt<R, Self> {
                tx.or_else(first, second)
            }

            #[inline(always)]
            fn commute<T: Clone + Send + Sync + 'static>(
                tx: &mut Tx<'_>,
                var: &TVar<T>,
                f: impl Fn(&T) -> T + Send + 'static,
            ) -> Attempt<(), Self> {
                var.commute(tx, f)
            }

            fn atomically_async<R: Send>(
                body: impl Fn(&mut Tx<'_>) -> Attempt<R, Self> + Send + Sync,
            ) -> impl Future<Output = R> + Send {
                stm_core::atomically_async(body)
            }
        }
    };
}

ours!(StmCore, "stm-core", report: stm_core::snapshot, Snapshot, snapshot: Ok(()));
ours!(
    StmCoreAtomically,
    "stm-core, atomically",
    report: stm_core::atomically,
    Tx,
    snapshot: Err("this is the same engine without them, for comparison")
);
