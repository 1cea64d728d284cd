//! Random programs: threads and tasks that do anything that a transaction can do, over a few variables of all forms.
//!
//! What a program is follows from its seed alone. How its threads interleave does not: the seed only says where each gives the
//! processor away.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use stm_core::diagnostics::history::seed_yields;
use stm_core::{
    Abort, Decision, ReadTx, Stm, TRecords, TVar, Transaction, Tx, abort, atomically,
    atomically_async, retry, snapshot, try_atomically,
};

use crate::common::{Rng, on_threads};

/// How long a wait of a program may last: nobody may be left to end it.
const PATIENCE: Duration = Duration::from_micros(200);

/// Any form of storage; words of records share these. Values are sums and products of all sorts: what they are does not matter to a history.
pub(crate) enum Var {
    Inline(TVar<u64>),
    Boxed(TVar<Box<u64>>),
    Word {
        records: TRecords<WORDS>,
        record: usize,
        word: usize,
    },
}

use Var::{Boxed, Inline, Word};

const WORDS: usize = 3;

impl Var {
    fn read(&self, tx: &mut Tx<'_>) -> Stm<u64> {
        match self {
            Inline(x) => x.read(tx),
            Boxed(x) => Ok(**x.read_ref(tx)?),
            Word {
                records,
                record,
                word,
            } => records.read_word(tx, *record, *word),
        }
    }

    /// By the other ways to read.
    fn look(&self, tx: &mut impl ReadTx) -> Stm<u64> {
        match self {
            Inline(x) => x.read(tx),
            Boxed(x) => Ok(*x.read(tx)?),
            Word {
                records,
                record,
                word,
            } => Ok(records.read(tx, *record)?[*word]),
        }
    }

    fn write(&self, tx: &mut Tx<'_>, n: u64) -> Stm<()> {
        match self {
            Inline(x) => x.write(tx, n),
            Boxed(x) => x.write(tx, Box::new(n)),
            // One word, or all.
            Word {
                records,
                record,
                word,
            } if n % 4 != 3 => records.write_word(tx, *record, *word, n),
            Word {
                records, record, ..
            } => records.write(tx, *record, [n; WORDS]),
        }
    }

    fn modify(&self, tx: &mut Tx<'_>, k: u64) -> Stm<()> {
        match self {
            Inline(x) => x.modify(tx, |n| mix(n, k)),
            Boxed(x) => x.update(tx, |n| **n = mix(**n, k)),
            Word { .. } => {
                let n = self.look(tx)?;
                self.write(tx, mix(n, k))
            }
        }
    }

    fn commute(&self, tx: &mut Tx<'_>, k: u64) -> Stm<()> {
        match self {
            Inline(x) => x.commute(tx, move |n| mix(*n, k)),
            Boxed(x) => x.commute(tx, move |n| Box::new(mix(**n, k))),
            Word { .. } => self.modify(tx, k),
        }
    }

    fn add(&self, tx: &mut Tx<'_>, k: u64) -> Stm<()> {
        match self {
            Inline(x) => x.add(tx, k),
            Boxed(_) | Word { .. } => self.modify(tx, k),
        }
    }

    fn replace(&self, tx: &mut Tx<'_>, n: u64) -> Stm<u64> {
        match self {
            Inline(x) => x.replace(tx, n),
            Boxed(x) => Ok(*x.replace(tx, Box::new(n))?),
            Word { .. } => {
                let old = self.read(tx)?;
                self.write(tx, n)?;
                Ok(old)
            }
        }
    }

    /// Not at records, which have nothing of the kind.
    fn glance(&self, tx: &mut Tx<'_>) {
        match self {
            Inline(x) => drop(x.glance(tx)),
            Boxed(x) => drop(x.glance(tx)),
            Word { .. } => {}
        }
    }

    fn load(&self) -> u64 {
        match self {
            Inline(x) => x.load(),
            Boxed(x) => *x.load(),
            Word { .. } => snapshot(|s| self.look(s)),
        }
    }

    fn store(&self, n: u64) {
        match self {
            Inline(x) => x.store(n),
            Boxed(x) => x.store(Box::new(n)),
            Word { .. } => atomically(|tx| self.write(tx, n)),
        }
    }

    fn swap(&self, n: u64) -> u64 {
        match self {
            Inline(x) => x.swap(n),
            Boxed(x) => *x.swap(Box::new(n)),
            Word { .. } => atomically(|tx| self.replace(tx, n)),
        }
    }
}

fn mix(n: u64, k: u64) -> u64 {
    n.wrapping_mul(31).wrapping_add(k)
}

/// How large the programs of a run are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// At most so many threads, and at least two.
    pub(crate) threads: usize,
    /// Calls of each thread.
    pub(crate) calls: usize,
}

/// Runs the program of `seed` to its end.
pub(crate) fn run(seed: u64, size: Size) {
    // Neighbouring seeds are to give programs that have nothing in common.
    let seed = scatter(seed);
    let mut rng = Rng::new(seed, 0);
    let threads = 2 + rng.below(size.threads - 1);
    let records = TRecords::new(2);
    let vars: Vec<Var> = (0..2 + rng.below(5))
        .map(|_| match rng.below(3) {
            0 => Inline(TVar::new(0)),
            1 => Boxed(TVar::new(Box::new(0))),
            _ => Word {
                records: records.clone(),
                record: rng.below(2),
                word: rng.below(WORDS),
            },
        })
        .collect();
    // Few yields in the bodies leave more to those inside the engine.
    let yields = [0, 2, 8][rng.below(3)];
    on_threads(threads, |id| {
        seed_yields(scatter(seed ^ id as u64));
        let mut thread = Thread {
            rng: Rng::new(seed, id + 1),
            vars: &vars,
            yields,
        };
        for _ in 0..size.calls {
            thread.call();
        }
    });
}

/// The finalizer of splitmix64: any bit of the seed changes about half of the result's.
fn scatter(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

struct Thread<'a> {
    rng: Rng,
    vars: &'a [Var],
    yields: usize,
}

impl<'a> Thread<'a> {
    fn call(&mut self) {
        let body = self.body();
        let var = &self.vars[self.rng.below(self.vars.len())];
        let n = self.rng.next();
        match self.rng.below(16) {
            0..=2 => {
                atomically(|tx| body.run(tx));
            }
            3 => {
                // A decider that takes its time, and sometimes refuses.
                let agrees = self.rng.below(4) > 0;
                let decided = try_atomically(|tx| {
                    body.run(tx)?;
                    tx.decide(|| {
                        body.stumble();
                        match agrees {
                            true => Decision::Commit,
                            false => Decision::Abort(n),
                        }
                    })
                });
                assert_eq!(decided.is_ok(), agrees);
            }
            4 | 5 => {
                // Only reads, as far as the engine can tell: where it would fail, it goes on as a snapshot.
                let late = self.rng.below(4) == 0;
                atomically(|tx| {
                    body.look(tx)?;
                    if late { var.write(tx, n) } else { Ok(()) }
                });
            }
            6 | 7 => {
                // Undone at its end, whatever it has done: reads only.
                let undone = try_atomically(|tx| {
                    body.run(tx)?;
                    abort::<(), _>(n)
                });
                assert_eq!(undone, Err(n));
            }
            8 | 9 => {
                snapshot(|s| body.look(s));
            }
            10 => {
                // It may wait for what does not come.
                let _: Result<(), _> = Transaction::new().timeout(PATIENCE).run(|tx| {
                    body.run(tx)?;
                    if var.read(tx)? % 4 == 0 {
                        retry()
                    } else {
                        Ok(())
                    }
                });
            }
            11 => {
                var.load();
            }
            12 => var.store(n),
            13 => {
                var.swap(n);
            }
            _ => {
                let other = self.body();
                run_all(vec![
                    Box::pin(atomically_async(move |tx| body.run(tx))),
                    Box::pin(atomically_async(move |tx| other.run(tx))),
                ]);
            }
        }
    }

    fn body(&mut self) -> Body<'a> {
        // The same each time that it runs: its steps depend on the seed, and on what it reads.
        Body {
            rng: Rng::new(self.rng.next(), 0),
            steps: 1 + self.rng.below(6),
            vars: self.vars,
            yields: self.yields,
            yielding: Cell::new(self.rng.next()),
            until: Instant::now() + PATIENCE / 4,
        }
    }
}

/// The body of a transaction.
struct Body<'a> {
    rng: Rng,
    steps: usize,
    vars: &'a [Var],
    yields: usize,
    yielding: Cell<u64>,
    /// No wait lasts beyond this.
    until: Instant,
}

impl Body<'_> {
    fn run(&self, tx: &mut Tx<'_>) -> Stm<()> {
        let mut rng = self.rng.clone();
        for _ in 0..self.steps {
            self.step(tx, &mut rng, 2)?;
            self.stumble();
        }
        Ok(())
    }

    /// Reads, and nothing else.
    fn look(&self, tx: &mut impl ReadTx) -> Stm<()> {
        let mut rng = self.rng.clone();
        for _ in 0..=self.steps {
            self.vars[rng.below(self.vars.len())].look(tx)?;
            self.stumble();
        }
        Ok(())
    }

    /// Gives the processor away now and then, differently each time that the body runs.
    fn stumble(&self) {
        let mut rng = Rng::new(self.yielding.get(), 1);
        self.yielding.set(rng.next());
        if self.yields > 0 && rng.below(self.yields) == 0 {
            std::thread::yield_now();
        }
    }

    fn step(&self, tx: &mut Tx<'_>, rng: &mut Rng, depth: usize) -> Stm<()> {
        let var = &self.vars[rng.below(self.vars.len())];
        let k = rng.next();
        match rng.below(if depth > 0 { 15 } else { 11 }) {
            0..=3 => {
                var.read(tx)?;
            }
            4 | 5 => var.write(tx, k)?,
            6 | 7 => var.modify(tx, k)?,
            8 => var.commute(tx, k)?,
            9 => {
                var.glance(tx);
                var.replace(tx, k)?;
            }
            10 => var.add(tx, k)?,
            11 | 12 => {
                let (mut left, mut right) = (rng.clone(), rng.clone());
                let gives_way = rng.below(2) == 0;
                let waits = rng.below(16) == 0;
                tx.or_else(
                    |tx| {
                        self.step(tx, &mut left, depth - 1)?;
                        let odd = var.read(tx)? % 2 == 1;
                        match gives_way || odd {
                            true if waits => tx.retry_until(self.until),
                            true => retry(),
                            false => Ok(()),
                        }
                    },
                    |tx| self.step(tx, &mut right, depth - 1),
                )?;
            }
            _ => {
                let fails = rng.below(2) == 0;
                let _: Result<(), ()> = tx.nested(|tx| {
                    self.step(tx, rng, depth - 1).map_err(Abort::Control)?;
                    if fails { abort(()) } else { Ok(()) }
                })?;
            }
        }
        Ok(())
    }
}

/// A tiny executor: polls all futures on this thread, whenever one of them is woken, until all are ready.
fn run_all(futures: Vec<Pin<Box<dyn Future<Output = ()> + '_>>>) {
    /// With a flag of its own: a body may park this thread in the middle of a poll (a glance behind a decider does), and that
    /// may take the token that a wake-up has left.
    struct Unpark(std::thread::Thread, AtomicBool);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(true, Ordering::SeqCst);
            self.0.unpark();
        }
    }
    let unpark = Arc::new(Unpark(std::thread::current(), AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&unpark));
    let mut cx = Context::from_waker(&waker);
    let mut left = futures;
    loop {
        left.retain_mut(|future| future.as_mut().poll(&mut cx) == Poll::Pending);
        if left.is_empty() {
            return;
        }
        while !unpark.1.swap(false, Ordering::SeqCst) {
            std::thread::park();
        }
    }
}
