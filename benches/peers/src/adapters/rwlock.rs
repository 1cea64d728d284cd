//! One read-write lock around everything, as an engine: as the global mutex, but bodies that only read let each other in.

use std::convert::Infallible;
use std::sync::{LazyLock, RwLock};

use qcell::{TCell, TCellOwner};
use stm_benches::engine::{Abilities, Attempt, Engine, Reads, Writes};

/// The lock.
pub struct GlobalRwLock;

/// Marks the cells that the lock's owner opens.
pub struct Cells;

static LOCK: LazyLock<RwLock<TCellOwner<Cells>>> = LazyLock::new(|| RwLock::new(TCellOwner::new()));

/// The right to change the cells.
pub struct Writing<'t>(&'t mut TCellOwner<Cells>);

/// The right to look into the cells.
pub struct Reading<'t>(&'t TCellOwner<Cells>);

impl Reads<GlobalRwLock> for Writing<'_> {
    #[inline]
    fn read<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TCell<Cells, T>,
    ) -> Attempt<T, GlobalRwLock> {
        Ok(self.0.ro(var).clone())
    }
}

impl Reads<GlobalRwLock> for Reading<'_> {
    #[inline]
    fn read<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TCell<Cells, T>,
    ) -> Attempt<T, GlobalRwLock> {
        Ok(self.0.ro(var).clone())
    }
}

impl Writes<GlobalRwLock> for Writing<'_> {
    #[inline]
    fn write<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TCell<Cells, T>,
        value: T,
    ) -> Attempt<(), GlobalRwLock> {
        *self.0.rw(var) = value;
        Ok(())
    }
}

impl Engine for GlobalRwLock {
    const NAME: &'static str = "one global RwLock";
    const ABILITIES: Abilities = Abilities {
        wait: Err("a read-write lock has no condition variable"),
        or_else: Err("nothing undoes what the first alternative wrote under a lock"),
        snapshot: Err("a report shuts all writers out"),
        commute: Err("under a lock there is nothing to gain by it"),
        tasks: Err("a task must not block its thread"),
    };

    type Var<T: Clone + Send + Sync + 'static> = TCell<Cells, T>;
    type Tx<'t> = Writing<'t>;
    type View<'t> = Reading<'t>;
    type Report<'t> = Reading<'t>;
    type Stop = Infallible;

    fn var<T: Clone + Send + Sync + 'static>(value: T) -> TCell<Cells, T> {
        TCell::new(value)
    }

    #[inline]
    fn atomically<R>(body: impl Fn(&mut Writing<'_>) -> Attempt<R, Self>) -> R {
        let mut owner = LOCK.write().expect("bodies do not panic");
        let Ok(result) = body(&mut Writing(&mut owner));
        result
    }

    #[inline]
    fn read_only<R>(body: impl Fn(&mut Reading<'_>) -> Attempt<R, Self>) -> R {
        let owner = LOCK.read().expect("bodies do not panic");
        let Ok(result) = body(&mut Reading(&owner));
        result
    }

    #[inline]
    fn report<R>(body: impl Fn(&mut Reading<'_>) -> Attempt<R, Self>) -> R {
        Self::read_only(body)
    }
}
