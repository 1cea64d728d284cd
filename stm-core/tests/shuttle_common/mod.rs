//! What the tests under a random scheduler share: how often they run, and variables that every execution finds in the same order.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of this"
)]

#[path = "../common/mod.rs"]
mod common;

use std::sync::Arc;
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::thread::JoinHandle;
use shuttle::{Config, Runner};
use stm_core::{ReadTx, Stm, TVar, Tx};

/// How often a schedule of the second kind sends a thread to the back that could go on.
const CHANGES: usize = 3;

/// Runs `model` under as many schedules: in one half of them any thread may be the next at each step, in the other one goes on until
/// it waits, but for a few changes (Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic
/// Guarantees of Finding Bugs", ASPLOS 2010). STM_SEED chooses the schedules; the same seed, the same schedules.
pub fn sample(name: &str, schedules: usize, model: impl Fn() + Send + Sync + 'static) {
    let model = Arc::new(model);
    common::watched(name, move || {
        let seed = common::seed();
        let start = Instant::now();
        let half = schedules / 2;
        run(RandomScheduler::new_from_seed(seed, half), &model);
        run(PctScheduler::new_from_seed(seed, CHANGES, half), &model);
        println!("{schedules:>7} schedules, {:.1?}", start.elapsed());
    });
}

fn run(scheduler: impl Scheduler + 'static, model: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    // That statics go at the end of each execution.
    config.silence_warnings = true;
    let model = Arc::clone(model);
    Runner::new(scheduler, config).run(move || model());
}

/// Waits for all of them, and fails with them.
pub fn join<R>(threads: impl IntoIterator<Item = JoinHandle<R>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

/// A value of either form.
pub trait Value: Clone + Send + Sync + 'static {
    fn new(n: u64) -> Self;
    fn number(&self) -> u64;
}

/// Kept inline.
impl Value for u64 {
    fn new(n: u64) -> Self {
        n
    }

    fn number(&self) -> u64 {
        *self
    }
}

/// Kept in a node: it is not one of the closed set of words.
#[derive(Clone, Debug)]
pub struct Boxed(u64);

impl Value for Boxed {
    fn new(n: u64) -> Self {
        Self(n)
    }

    fn number(&self) -> u64 {
        self.0
    }
}

/// A variable of a number, in either form. It lasts as long as the process.
pub struct Var<T: Value>(&'static TVar<T>);

impl<T: Value> Clone for Var<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Value> Copy for Var<T> {}

impl<T: Value> Var<T> {
    fn new(n: u64) -> Self {
        Self(Box::leak(Box::new(TVar::new(T::new(n)))))
    }

    pub fn read(self, tx: &mut impl ReadTx) -> Stm<u64> {
        self.0.read(tx).map(|value| value.number())
    }

    pub fn write(self, tx: &mut Tx<'_>, n: u64) -> Stm<()> {
        self.0.write(tx, T::new(n))
    }

    pub fn load(self) -> u64 {
        self.0.load().number()
    }

    pub fn store(self, n: u64) {
        self.0.store(T::new(n));
    }
}

/// As many variables, holding `n`, by ascending addresses: commits lock in this order, and only if it stays is a schedule the same.
pub fn vars<T: Value, const N: usize>(n: u64) -> [Var<T>; N] {
    let mut vars = [(); N].map(|()| Var::new(n));
    vars.sort_by_key(|var| {
        let shown = format!("{:?}", var.0);
        (shown.len(), shown)
    });
    vars
}

/// Names a test for each form.
#[macro_export]
macro_rules! for_both_forms {
    ($model:ident) => {
        mod $model {
            #[test]
            fn inline() {
                super::$model::<u64>(concat!(stringify!($model), ", inline"));
            }

            #[test]
            fn boxed() {
                super::$model::<super::shuttle_common::Boxed>(concat!(
                    stringify!($model),
                    ", boxed"
                ));
            }
        }
    };
}
