//! The trait through which a workload runs on anybody's transactions.
//!
//! A workload is written once, over [`Engine`], so that what differs between two contenders is the engine and nothing else: no
//! cleverer body, no other data structure, no kinder check. Schemes that are no engine (locks taken in order need to know
//! beforehand which ones; maps that do not compose) plug in one step higher, at the operations that each workload names in a
//! trait of its own ([`Slots`](crate::slots::Slots), [`Set`](crate::workloads::intset::Set) and so on), which
//! every engine implements once and for all.
//!
//! What an engine cannot do, it says in [`Abilities`], with the reason. Whoever puts a table together asks there first and
//! prints the reason in the place of a figure.
//!
//! The bounds of values are spelled out at each place, for a linked node holds variables of links to such nodes: the compiler
//! sees through that circle while only auto traits are in it, and a trait that stood for the four bounds would end it.
//!
//! ```
//! use stm_benches::engine::{Engine, Reads, Writes};
//! use stm_benches::ours::StmCore;
//!
//! fn transfer<E: Engine>(from: &E::Var<i64>, to: &E::Var<i64>, amount: i64) {
//!     E::atomically(|tx| {
//!         tx.modify(from, |balance| balance - amount)?;
//!         tx.modify(to, |balance| balance + amount)
//!     });
//! }
//!
//! fn balances<E: Engine>(accounts: [&E::Var<i64>; 2]) -> (i64, i64) {
//!     E::read_only(|tx| Ok((tx.read(accounts[0])?, tx.read(accounts[1])?)))
//! }
//!
//! let (a, b) = (StmCore::var(30), StmCore::var(0));
//! transfer::<StmCore>(&a, &b, 10);
//! assert_eq!(balances::<StmCore>([&a, &b]), (20, 10));
//! assert!(StmCore::ABILITIES.wait.is_ok());
//! ```

use std::future::Future;

/// What a body's step comes to: a value, or the reason to end the attempt, to be passed on with `?`.
pub type Attempt<R, E> = Result<R, <E as Engine>::Stop>;

/// Whether something can be done, or why not: the text completes "cannot, because ..".
pub type Ability = Result<(), &'static str>;

/// What an engine can do beyond atomic blocks of reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// To sleep in [`Engine::retry`] until something that was read has changed.
    pub wait: Ability,
    /// To take the second alternative where the first cannot go on, with what the first wrote undone.
    pub or_else: Ability,
    /// To read everything consistently without ever starting over, whatever is written meanwhile.
    pub snapshot: Ability,
    /// To change a value at the commit without having read it.
    pub commute: Ability,
    /// To run, and wait, in tasks.
    pub tasks: Ability,
}

/// Reads inside an atomic block.
pub trait Reads<E: Engine> {
    /// The value of `var` in this block.
    ///
    /// # Errors
    ///
    /// The engine's reason to end the attempt.
    fn read<T: Clone + Send + Sync + 'static>(&mut self, var: &E::Var<T>) -> Attempt<T, E>;
}

/// Reads and writes inside an atomic block.
pub trait Writes<E: Engine>: Reads<E> {
    /// Makes `value` the value of `var`, to be seen by others when the block has taken effect.
    ///
    /// # Errors
    ///
    /// The engine's reason to end the attempt.
    fn write<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &E::Var<T>,
        value: T,
    ) -> Attempt<(), E>;

    /// Replaces the value of `var` by `f` of it.
    ///
    /// # Errors
    ///
    /// The engine's reason to end the attempt.
    fn modify<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &E::Var<T>,
        f: impl FnOnce(T) -> T,
    ) -> Attempt<(), E> {
        let value = self.read(var)?;
        self.write(var, f(value))
    }
}

/// Transactions, or a lock that is as good.
///
/// Operations behind an [`Ability`] that the engine denies are never called; their default panics with the reason.
pub trait Engine: Send + Sync + Sized + 'static {
    /// Under which it appears in tables.
    const NAME: &'static str;
    /// What it can and what it cannot.
    const ABILITIES: Abilities;

    /// A shared variable.
    type Var<T: Clone + Send + Sync + 'static>: Send + Sync + 'static;
    /// What a body reads and writes through.
    type Tx<'t>: Writes<Self>;
    /// What a body that only reads, reads through.
    type View<'t>: Reads<Self>;
    /// What a report reads through.
    type Report<'t>: Reads<Self>;
    /// Why an attempt ends early.
    type Stop;

    /// A new variable.
    fn var<T: Clone + Send + Sync + 'static>(value: T) -> Self::Var<T>;

    /// Runs `body` so that it takes effect at one moment, as often as it takes.
    fn atomically<R>(body: impl Fn(&mut Self::Tx<'_>) -> Attempt<R, Self>) -> R;

    /// The same for a short body that only reads.
    fn read_only<R>(body: impl Fn(&mut Self::View<'_>) -> Attempt<R, Self>) -> R;

    /// The same for a long body that only reads, beside writers.
    fn report<R>(body: impl Fn(&mut Self::Report<'_>) -> Attempt<R, Self>) -> R;

    /// Ends the attempt; the next one begins when something that it has read has changed.
    ///
    /// # Errors
    ///
    /// Always: what is to be passed on with `?`.
    fn retry<R>() -> Attempt<R, Self> {
        denied::<Self>(Self::ABILITIES.wait)
    }

    /// `first`, or if that retries, `second` with nothing of `first` left.
    ///
    /// # Errors
    ///
    /// The engine's reason to end the attempt.
    fn or_else<R>(
        _tx: &mut Self::Tx<'_>,
        _first: impl Fn(&mut Self::Tx<'_>) -> Attempt<R, Self>,
        _second: impl Fn(&mut Self::Tx<'_>) -> Attempt<R, Self>,
    ) -> Attempt<R, Self> {
        denied::<Self>(Self::ABILITIES.or_else)
    }

    /// Has `f` applied to `var` when the block commits.
    ///
    /// # Errors
    ///
    /// The engine's reason to end the attempt.
    fn commute<T: Clone + Send + Sync + 'static>(
        _tx: &mut Self::Tx<'_>,
        _var: &Self::Var<T>,
        _f: impl Fn(&T) -> T + Send + 'static,
    ) -> Attempt<(), Self> {
        denied::<Self>(Self::ABILITIES.commute)
    }

    /// [`Engine::atomically`] for tasks.
    fn atomically_async<R: Send>(
        _body: impl Fn(&mut Self::Tx<'_>) -> Attempt<R, Self> + Send + Sync,
    ) -> impl Future<Output = R> + Send {
        async { denied::<Self>(Self::ABILITIES.tasks) }
    }
}

/// The end of an operation that the engine cannot do: its caller did not ask.
fn denied<E: Engine>(ability: Ability) -> ! {
    match ability {
        Err(why) => panic!(
            "{} cannot, because {why}; ask its `ABILITIES` first",
            E::NAME
        ),
        Ok(()) => panic!(
            "the adapter of {} claims an ability that it does not implement",
            E::NAME
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::common::watched;
    use crate::wrong::Unisolated;

    #[test]
    fn a_denied_operation_says_why() {
        watched("a_denied_operation_says_why", || {
            let counter = Unisolated::var(0);
            let panic = catch_unwind(AssertUnwindSafe(|| {
                Unisolated::atomically(|tx| Unisolated::commute(tx, &counter, |n| n + 1));
            }))
            .expect_err("it cannot commute");
            let text = panic
                .downcast_ref::<String>()
                .expect("a message with the reason in it");
            assert!(
                text.contains("cannot, because it has no notion of a conflict"),
                "{text}"
            );
        });
    }
}
