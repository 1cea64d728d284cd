//! One mutex around everything, as an engine: what a program does that wants to be right and nothing more.
//!
//! The variables are cells that only the mutex's owner can open, which the compiler checks and which costs nothing (crate `qcell`).
//! A body runs once, and what it has written is written: nothing can be undone.

use std::convert::Infallible;
use std::sync::{LazyLock, Mutex};

use qcell::{TCell, TCellOwner};
use stm_benches::engine::{Abilities, Attempt, Engine, Reads, Writes};

/// The mutex.
pub struct GlobalMutex;

/// Marks the cells that the mutex's owner opens.
pub struct Cells;

static LOCK: LazyLock<Mutex<TCellOwner<Cells>>> = LazyLock::new(|| Mutex::new(TCellOwner::new()));

/// The right to open the cells.
pub struct Locked<'t>(&'t mut TCellOwner<Cells>);

impl Reads<GlobalMutex> for Locked<'_> {
    #[inline]
    fn read<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TCell<Cells, T>,
    ) -> Attempt<T, GlobalMutex> {
        Ok(self.0.ro(var).clone())
    }
}

impl Writes<GlobalMutex> for Locked<'_> {
    #[inline]
    fn write<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TCell<Cells, T>,
        value: T,
    ) -> Attempt<(), GlobalMutex> {
        *self.0.rw(var) = value;
        Ok(())
    }
}

impl Engine for GlobalMutex {
    const NAME: &'static str = "one global mutex";
    const ABILITIES: Abilities = Abilities {
        wait: Err("a body that has written cannot be undone; see Condvar for waiting under a lock"),
        or_else: Err("nothing undoes what the first alternative wrote under a lock"),
        snapshot: Err("a report shuts all others out"),
        commute: Err("under a lock there is nothing to gain by it"),
        tasks: Err("a task must not block its thread"),
    };

    type Var<T: Clone + Send + Sync + 'static> = TCell<Cells, T>;
    type Tx<'t> = Locked<'t>;
    type View<'t> = Locked<'t>;
    type Report<'t> = Locked<'t>;
    type Stop = Infallible;

    fn var<T: Clone + Send + Sync + 'static>(value: T) -> TCell<Cells, T> {
        TCell::new(value)
    }

    #[inline]
    fn atomically<R>(body: impl Fn(&mut Locked<'_>) -> Attempt<R, Self>) -> R {
        let mut owner = LOCK.lock().expect("bodies do not panic");
        let Ok(result) = body(&mut Locked(&mut owner));
        result
    }

    #[inline]
    fn read_only<R>(body: impl Fn(&mut Locked<'_>) -> Attempt<R, Self>) -> R {
        Self::atomically(body)
    }

    #[inline]
    fn report<R>(body: impl Fn(&mut Locked<'_>) -> Attempt<R, Self>) -> R {
        Self::atomically(body)
    }
}
