//! Engines that are wrong on purpose: a check that does not catch them checks nothing.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::{Abilities, Ability, Attempt, Engine, Reads, Writes};

const CANNOT: Ability = Err("it has no notion of a conflict");

/// Run again, with nothing undone.
pub(crate) struct Again;

macro_rules! wrong {
    ($(#[$doc:meta])* $engine:ident, $tx:ident, read: $read:expr, write: $write:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $engine;

        /// An atomic block, or so it says.
        pub(crate) struct $tx(());

        impl Reads<$engine> for $tx {
            fn read<T: Clone + Send + Sync + 'static>(
                &mut self,
                var: &Mutex<T>,
            ) -> Attempt<T, $engine> {
                let value = var.lock().expect("no panics here").clone();
                $read();
                Ok(value)
            }
        }

        impl Writes<$engine> for $tx {
            fn write<T: Clone + Send + Sync + 'static>(
                &mut self,
                var: &Mutex<T>,
                value: T,
            ) -> Attempt<(), $engine> {
                if $write() {
                    *var.lock().expect("no panics here") = value;
                }
                Ok(())
            }
        }

        impl Engine for $engine {
            const NAME: &'static str = stringify!($engine);
            const ABILITIES: Abilities = Abilities {
                wait: Ok(()),
                or_else: Ok(()),
                snapshot: CANNOT,
                commute: CANNOT,
                tasks: CANNOT,
            };

            type Var<T: Clone + Send + Sync + 'static> = Mutex<T>;
            type Tx<'t> = $tx;
            type View<'t> = $tx;
            type Report<'t> = $tx;
            type Stop = Again;

            fn var<T: Clone + Send + Sync + 'static>(value: T) -> Mutex<T> {
                Mutex::new(value)
            }

            fn atomically<R>(body: impl Fn(&mut $tx) -> Attempt<R, Self>) -> R {
                loop {
                    if let Ok(result) = body(&mut $tx(())) {
                        return result;
                    }
                    std::thread::yield_now();
                }
            }

            fn read_only<R>(body: impl Fn(&mut $tx) -> Attempt<R, Self>) -> R {
                Self::atomically(body)
            }

            fn report<R>(body: impl Fn(&mut $tx) -> Attempt<R, Self>) -> R {
                Self::atomically(body)
            }

            fn retry<R>() -> Attempt<R, Self> {
                Err(Again)
            }

            /// What the first alternative did before it gave up stays.
            fn or_else<R>(
                tx: &mut $tx,
                first: impl Fn(&mut $tx) -> Attempt<R, Self>,
                second: impl Fn(&mut $tx) -> Attempt<R, Self>,
            ) -> Attempt<R, Self> {
                first(tx).or_else(|Again| second(tx))
            }
        }
    };
}

wrong!(
    /// Every read and every write on its own, with others let in after each read, so between it and the write that rests on it.
    Unisolated, Unguarded, read: std::thread::yield_now, write: || true
);

static WRITES: AtomicU64 = AtomicU64::new(0);

wrong!(
    /// Every hundredth write is lost, which a single thread can see.
    Forgetful, Forgetting, read: || {}, write: || WRITES.fetch_add(1, Ordering::Relaxed) % 100 != 99
);

/// Whether `turn` finds something wrong within some hundred attempts; panics with the name of the workload if it does not.
pub(crate) fn caught(workload: &str, mut turn: impl FnMut() -> Result<(), String>) -> String {
    for _ in 0..300 {
        if let Err(what) = turn() {
            eprintln!("{workload}: {what}");
            return what;
        }
    }
    panic!("{workload}: the wrong engine was not caught");
}
