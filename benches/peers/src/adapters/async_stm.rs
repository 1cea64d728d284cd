//! The crate `async-stm` as an engine.
//!
//! Its transactions are futures, and keep their log in a thread's own variable. Outside of tasks a future is driven on the spot by
//! parking the thread, which is what a runtime's `block_on` does.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use async_stm::{StmControl, TVar};
use stm_benches::engine::{Abilities, Attempt, Engine, Reads, Writes};

/// The crate.
pub struct AsyncStm;

/// Stands for the transaction that the crate keeps to itself.
pub struct Tx(());

impl Reads<AsyncStm> for Tx {
    fn read<T: Clone + Send + Sync + 'static>(&mut self, var: &TVar<T>) -> Attempt<T, AsyncStm> {
        var.read_clone()
    }
}

impl Writes<AsyncStm> for Tx {
    fn write<T: Clone + Send + Sync + 'static>(
        &mut self,
        var: &TVar<T>,
        value: T,
    ) -> Attempt<(), AsyncStm> {
        var.write(value)
    }
}

impl Engine for AsyncStm {
    const NAME: &'static str = "async-stm";
    const ABILITIES: Abilities = Abilities {
        wait: Ok(()),
        or_else: Ok(()),
        snapshot: Err("a read of what has changed since the begin starts over"),
        commute: Err("it has no operation of that kind"),
        tasks: Ok(()),
    };

    type Var<T: Clone + Send + Sync + 'static> = TVar<T>;
    type Tx<'t> = Tx;
    type View<'t> = Tx;
    type Report<'t> = Tx;
    type Stop = StmControl;

    fn var<T: Clone + Send + Sync + 'static>(value: T) -> TVar<T> {
        TVar::new(value)
    }

    fn atomically<R>(body: impl Fn(&mut Tx) -> Attempt<R, Self>) -> R {
        block_on(async_stm::atomically(|| body(&mut Tx(()))))
    }

    fn read_only<R>(body: impl Fn(&mut Tx) -> Attempt<R, Self>) -> R {
        Self::atomically(body)
    }

    fn report<R>(body: impl Fn(&mut Tx) -> Attempt<R, Self>) -> R {
        Self::atomically(body)
    }

    fn retry<R>() -> Attempt<R, Self> {
        async_stm::retry()
    }

    fn or_else<R>(
        _: &mut Tx,
        first: impl Fn(&mut Tx) -> Attempt<R, Self>,
        second: impl Fn(&mut Tx) -> Attempt<R, Self>,
    ) -> Attempt<R, Self> {
        async_stm::or(|| first(&mut Tx(())), || second(&mut Tx(())))
    }

    fn atomically_async<R: Send>(
        body: impl Fn(&mut Tx) -> Attempt<R, Self> + Send + Sync,
    ) -> impl Future<Output = R> + Send {
        async_stm::atomically(move || body(&mut Tx(())))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One for all futures of the thread, so that a transaction that does not wait allocates none.
    static WAKER: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    WAKER.with(|waker| {
        let mut context = Context::from_waker(waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    })
}
