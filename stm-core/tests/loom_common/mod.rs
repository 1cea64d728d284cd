//! What the loom models share: the explorer's settings, and variables that every execution finds in the same order.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of this"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use stm_core::{Snapshot, Stm, TVar, Tx, atomically, diagnostics, snapshot};

/// Runs `model` under every schedule with at most `preemptions` switches away from a thread that could go on, and under
/// every value that each atomic load may return.
///
/// `LOOM_MAX_PREEMPTIONS` overrules the bound.
pub fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let bound = *builder.preemption_bound.get_or_insert(preemptions);
    // No model comes near it: an execution that does waits for what never happens.
    builder.max_branches = 5_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let start = Instant::now();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        make_statics();
        model();
    });
    println!(
        "{:>7} executions, at most {bound} preemptions, {:.1?}",
        executions.load(Ordering::Relaxed),
        start.elapsed()
    );
}

/// All that commits and waits share is made before any thread starts: its first use orders whoever comes next after
/// whatever went before, and would hide that nothing else does. So everything is used once: a begin, a commit, a look at the waits.
fn make_statics() {
    let any = Var::<u64>::new();
    atomically(|tx| any.write(tx, 1));
    any.store(2);
    assert_eq!(any.load(), 2);
    assert_eq!(diagnostics::registered_waits(), 0);
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

/// A variable of a number, in either form. It lasts as long as the process: to drop it would only add to the schedules.
pub struct Var<T: Value>(&'static TVar<T>);

impl<T: Value> Clone for Var<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Value> Copy for Var<T> {}

impl<T: Value> Var<T> {
    /// Holding 0.
    pub fn new() -> Self {
        Self(Box::leak(Box::new(TVar::new(T::new(0)))))
    }

    pub fn read(self, tx: &mut Tx<'_>) -> Stm<u64> {
        self.0.read(tx).map(|value| value.number())
    }

    pub fn read_as_of(self, s: &mut Snapshot<'_>) -> Stm<u64> {
        self.0.read(s).map(|value| value.number())
    }

    pub fn write(self, tx: &mut Tx<'_>, n: u64) -> Stm<()> {
        self.0.write(tx, T::new(n))
    }

    pub fn commute(self, tx: &mut Tx<'_>, f: impl Fn(u64) -> u64 + Send + 'static) -> Stm<()> {
        self.0.commute(tx, move |value| T::new(f(value.number())))
    }

    pub fn load(self) -> u64 {
        self.0.load().number()
    }

    pub fn store(self, n: u64) {
        self.0.store(T::new(n));
    }

    pub fn swap(self, n: u64) -> u64 {
        self.0.swap(T::new(n)).number()
    }

    fn place(self) -> (usize, String) {
        let shown = format!("{:?}", self.0);
        (shown.len(), shown)
    }
}

impl Var<u64> {
    pub fn add(self, tx: &mut Tx<'_>, n: u64) -> Stm<()> {
        self.0.add(tx, n)
    }
}

/// Two variables; the first has the lower address. Commits lock in this order, and an execution can be replayed only if
/// the order stays.
pub fn pair<A: Value, B: Value>() -> (Var<A>, Var<B>) {
    let (mut a, mut b) = (Var::new(), Var::new());
    while a.place() > b.place() {
        a = [a, Var::new()]
            .into_iter()
            .min_by_key(|a| a.place())
            .unwrap();
        b = [b, Var::new()]
            .into_iter()
            .max_by_key(|b| b.place())
            .unwrap();
    }
    (a, b)
}

/// Writes `n` to both in one transaction.
pub fn write_both<A: Value, B: Value>(a: Var<A>, b: Var<B>, n: u64) {
    atomically(|tx| {
        a.write(tx, n)?;
        b.write(tx, n)
    });
}

/// Moves the clock on by one, which commits do not do.
pub fn tick() {
    snapshot(|_| Ok(()));
}

/// Names a model for each pair of forms.
#[macro_export]
macro_rules! for_each_form {
    ($model:ident) => {
        mod $model {
            use super::loom_common::Boxed;

            #[test]
            fn inline() {
                super::$model::<u64, u64>();
            }

            #[test]
            fn boxed() {
                super::$model::<Boxed, Boxed>();
            }

            #[test]
            fn inline_and_boxed() {
                super::$model::<u64, Boxed>();
            }

            #[test]
            fn boxed_and_inline() {
                super::$model::<Boxed, u64>();
            }
        }
    };
}
