//! Random programs run side by side on a collection and on its sequential twin.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of this"
)]

use std::fmt::Debug;

use quickcheck::{Arbitrary, Gen, QuickCheck, Testable};
use stm_core::{Stm, Tx, abort, atomically, retry};

/// A part of a transaction.
#[derive(Clone, Debug)]
pub enum Step<O> {
    Do(O),
    /// In a nested transaction that succeeds.
    Nested(Vec<O>),
    /// In a nested transaction that fails after it all, so that nothing of it stays.
    Failed(Vec<O>),
    /// In a left branch that retries after it all, beside a right one that does the rest.
    OrElse(Vec<O>, Vec<O>),
}

/// Transactions, one after the other.
#[derive(Clone, Debug)]
pub struct Program<O>(pub Vec<Vec<Step<O>>>);

impl<O: Arbitrary> Arbitrary for Step<O> {
    fn arbitrary(g: &mut Gen) -> Self {
        let few = |g: &mut Gen| {
            let n = usize::arbitrary(g) % 4;
            (0..n).map(|_| O::arbitrary(g)).collect::<Vec<_>>()
        };
        match u8::arbitrary(g) % 8 {
            0 => Self::Nested(few(g)),
            1 => Self::Failed(few(g)),
            2 => Self::OrElse(few(g), few(g)),
            _ => Self::Do(O::arbitrary(g)),
        }
    }
}

impl<O: Arbitrary> Arbitrary for Program<O> {
    fn arbitrary(g: &mut Gen) -> Self {
        Self(Arbitrary::arbitrary(g))
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        Box::new(self.0.shrink().map(Self))
    }
}

impl<O: Clone + Debug> Program<O> {
    /// Runs it on both and compares what every single operation returns, also of those that are undone later.
    pub fn check<S: Clone, R: PartialEq + Debug>(
        &self,
        mut twin: S,
        ideal: impl Fn(&mut S, &O) -> R,
        real: impl Fn(&mut Tx<'_>, &O) -> Stm<R>,
    ) {
        let both = |tx: &mut Tx<'_>, twin: &mut S, ops: &[O]| -> Stm<()> {
            for op in ops {
                assert_eq!(real(tx, op)?, ideal(twin, op), "{op:?}");
            }
            Ok(())
        };
        for transaction in &self.0 {
            twin = atomically(|tx| {
                let mut twin = twin.clone();
                for step in transaction {
                    match step {
                        Step::Do(op) => both(tx, &mut twin, std::slice::from_ref(op))?,
                        Step::Nested(ops) => {
                            tx.nested(|tx| {
                                Ok::<_, stm_core::Abort<()>>(both(tx, &mut twin, ops)?)
                            })?
                            .expect("it does not fail");
                        }
                        Step::Failed(ops) => {
                            let mut undone = twin.clone();
                            let failed = tx.nested(|tx| {
                                both(tx, &mut undone, ops)?;
                                abort::<(), _>("undone")
                            })?;
                            assert_eq!(failed, Err("undone"));
                        }
                        Step::OrElse(left, right) => {
                            let mut undone = twin.clone();
                            tx.or_else(
                                |tx| {
                                    both(tx, &mut undone, left)?;
                                    retry()
                                },
                                |tx| both(tx, &mut twin, right),
                            )?;
                        }
                    }
                }
                Ok(twin)
            });
        }
    }
}

/// Runs `property` over `cases` random arguments; `STM_SEED` has no part in it, a failure shows its arguments.
pub fn quick(cases: u64, property: impl Testable) {
    QuickCheck::new().tests(cases).quickcheck(property);
}
