//! What the tests share: the engine's test support, and the search for an order that explains a concurrent history.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of this"
)]

#[path = "../../../stm-core/tests/common/mod.rs"]
mod engine;

use std::fmt::Debug;
use std::sync::Mutex;

pub use engine::fire::{collect_until, elsewhere, panic_of, stumble, tick, under_fire};
pub use engine::{
    Rng, Wakes, block_on, on_threads, poll, seed, wait_until, watched, watched_alone,
};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

/// How a concurrent history is made.
#[derive(Clone, Copy, Debug)]
pub struct Histories {
    /// Histories, each on a fresh collection.
    pub rounds: usize,
    pub threads: usize,
    /// Per thread. The search is exponential: keep `threads * operations` near a dozen.
    pub operations: usize,
}

impl Default for Histories {
    fn default() -> Self {
        Self {
            rounds: 300,
            threads: 3,
            operations: 4,
        }
    }
}

impl Histories {
    /// Lets threads loose on a collection and checks that some sequential order of their operations explains all that they
    /// returned, respecting real time.
    ///
    /// `spec` is the sequential twin as the collection begins, `make` makes the collection, `choose` an operation, and
    /// `run` does it, for real. An operation must not wait.
    pub fn check<S, C>(
        self,
        spec: &S,
        make: impl Fn() -> C,
        choose: impl Fn(&mut Rng) -> S::Op + Sync,
        run: impl Fn(&C, S::Op) -> S::Ret + Sync,
    ) where
        S: SequentialSpec + Clone + Send + Debug,
        S::Op: Clone + Send + Debug,
        S::Ret: Clone + PartialEq + Send + Debug,
        C: Sync,
    {
        let seed = seed();
        for round in 0..self.rounds {
            let collection = make();
            let history = Mutex::new(LinearizabilityTester::new(spec.clone()));
            on_threads(self.threads, |id| {
                let mut rng = Rng::new(seed, round * self.threads + id);
                for _ in 0..self.operations {
                    let op = choose(&mut rng);
                    history
                        .lock()
                        .unwrap()
                        .on_invoke(id, op.clone())
                        .expect("a thread does one thing at a time");
                    stumble(&mut rng, 3);
                    let ret = run(&collection, op);
                    history
                        .lock()
                        .unwrap()
                        .on_return(id, ret)
                        .expect("it was invoked");
                }
            });
            let history = history.into_inner().unwrap();
            assert!(
                history.is_consistent(),
                "round {round}, seed {seed}: no order explains {history:#?}"
            );
        }
    }
}
