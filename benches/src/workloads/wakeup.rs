//! Two who take turns: each waits until it is its turn, and then wakes the other.
//!
//! What waiting and waking cost: by `retry` where there is one, beside a condition variable for threads and `Notify` for tasks.
//!
//! Checked: every turn comes after the other's, and as many were taken as were given.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::engine::{Engine, Reads, Writes};
use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::threads::Amount;

/// In the place of a turn's number: there are no more.
pub const OVER: u64 = u64::MAX;

/// What two threads pass to each other.
pub trait Baton: Send + Sync + 'static {
    /// At turn 0.
    fn new() -> Self;

    /// Waits for a turn whose number is `me` modulo 2 and gives the next one away, or [`OVER`] if this is the `last`. The turn's
    /// number; `None` if it was [`OVER`].
    fn pass(&self, me: u64, last: bool) -> Option<u64>;
}

/// What two tasks pass to each other.
pub trait TaskBaton: Send + Sync + 'static {
    /// At turn 0.
    fn new() -> Self;

    /// As [`Baton::pass`].
    fn pass(&self, me: u64, last: bool) -> impl Future<Output = Option<u64>> + Send;
}

/// A variable of an engine with the number of the turn.
#[derive(Debug)]
pub struct OnEngine<E: Engine>(E::Var<u64>);

impl<E: Engine> OnEngine<E> {
    fn body(
        &self,
        tx: &mut E::Tx<'_>,
        me: u64,
        last: bool,
    ) -> Result<Option<u64>, <E as Engine>::Stop> {
        let turn = tx.read(&self.0)?;
        if turn == OVER {
            return Ok(None);
        }
        if turn % 2 != me {
            return E::retry();
        }
        tx.write(&self.0, if last { OVER } else { turn + 1 })?;
        Ok(Some(turn))
    }
}

impl<E: Engine> Baton for OnEngine<E> {
    fn new() -> Self {
        Self(E::var(0))
    }

    fn pass(&self, me: u64, last: bool) -> Option<u64> {
        E::atomically(|tx| self.body(tx, me, last))
    }
}

impl<E: Engine> TaskBaton for OnEngine<E> {
    fn new() -> Self {
        Self(E::var(0))
    }

    fn pass(&self, me: u64, last: bool) -> impl Future<Output = Option<u64>> + Send {
        E::atomically_async(move |tx| self.body(tx, me, last))
    }
}

/// The case for a [`Baton`].
pub const THREADS: &str = "2 threads";
/// The case for a [`TaskBaton`].
pub const TASKS: &str = "2 tasks on a runtime with 2 threads";

/// The figure of every case.
pub const METRICS: [Metric; 1] = [Metric {
    name: "a turn",
    unit: Unit::Nanoseconds,
}];

/// One of the two.
struct Side {
    me: u64,
    amount: Amount,
    began: Instant,
    taken: u64,
    wrong: Option<u64>,
}

impl Side {
    fn new(me: u64, amount: Amount, began: Instant) -> Self {
        Self {
            me,
            amount,
            began,
            taken: 0,
            wrong: None,
        }
    }

    /// Whether the next turn of the first one is the last; the second one only follows.
    fn is_last(&self) -> bool {
        self.me == 0
            && match self.amount {
                Amount::For(time) => self.began.elapsed() >= time,
                Amount::Steps(steps) => 2 * self.taken >= steps,
            }
    }

    /// Counts a turn, which must be the next one of this side.
    fn took(&mut self, turn: u64) {
        if turn != 2 * self.taken + self.me {
            self.wrong = self.wrong.or(Some(turn));
        }
        self.taken += 1;
    }
}

/// The time of a turn, of both sides together.
fn settle(sides: [Side; 2], elapsed: Duration) -> Result<f64, String> {
    for side in &sides {
        if let Some(turn) = side.wrong {
            return Err(format!("turn {turn} was taken out of order"));
        }
    }
    let [first, second] = sides.map(|side| side.taken);
    // The first one ends it, so it has had one more.
    if first != second + 1 {
        return Err(format!("{first} turns were answered by {second}"));
    }
    Ok(elapsed.as_nanos() as f64 / (first + second) as f64)
}

/// Lets two threads take turns; gives the nanoseconds of one.
///
/// # Errors
///
/// What the check found wrong.
pub fn between_threads<B: Baton>(amount: Amount) -> Result<f64, String> {
    let baton = B::new();
    let began = Instant::now();
    let sides = std::thread::scope(|scope| {
        let sides = [0, 1].map(|me| {
            let baton = &baton;
            scope.spawn(move || {
                let mut side = Side::new(me, amount, began);
                loop {
                    let last = side.is_last();
                    match baton.pass(me, last) {
                        Some(turn) => side.took(turn),
                        None => return side,
                    }
                    if last {
                        return side;
                    }
                }
            })
        });
        sides.map(|side| side.join().expect("passing does not panic"))
    });
    settle(sides, began.elapsed())
}

/// Lets two tasks take turns; gives the nanoseconds of one.
///
/// # Errors
///
/// What the check found wrong.
pub fn between_tasks<B: TaskBaton>(runtime: &Runtime, amount: Amount) -> Result<f64, String> {
    let baton = Arc::new(B::new());
    let began = Instant::now();
    let sides = [0, 1].map(|me| {
        let baton = Arc::clone(&baton);
        runtime.spawn(async move {
            let mut side = Side::new(me, amount, began);
            loop {
                let last = side.is_last();
                match baton.pass(me, last).await {
                    Some(turn) => side.took(turn),
                    None => return side,
                }
                if last {
                    return side;
                }
            }
        })
    });
    let sides = sides.map(|side| runtime.block_on(side).expect("passing does not panic"));
    settle(sides, began.elapsed())
}

/// A runtime for tasks.
#[must_use]
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("two threads can be had")
}

/// Two threads that take part.
pub fn contender<B: Baton>(name: &str) -> Contender<'static> {
    Contender::new(name, |time| -> Turn {
        Ok(vec![between_threads::<B>(Amount::For(time))?])
    })
}

/// Two tasks that take part.
pub fn task_contender<B: TaskBaton>(name: &str) -> Contender<'static> {
    let mut on = None;
    Contender::new(name, move |time| -> Turn {
        let on = on.get_or_insert_with(runtime);
        Ok(vec![between_tasks::<B>(on, Amount::For(time))?])
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::wrong::caught;

    /// Does not wait for its turn.
    struct Impatient(AtomicU64);

    impl Baton for Impatient {
        fn new() -> Self {
            Self(AtomicU64::new(0))
        }
        fn pass(&self, _: u64, last: bool) -> Option<u64> {
            // SeqCst: it is a test.
            let turn = self.0.fetch_add(1, Ordering::SeqCst);
            if last {
                self.0.store(1 << 60, Ordering::SeqCst);
            }
            (turn < 1 << 60).then_some(turn)
        }
    }

    #[test]
    fn who_does_not_wait_is_caught() {
        watched("who_does_not_wait_is_caught", || {
            caught("wakeup", || {
                between_threads::<Impatient>(Amount::Steps(1000)).map(drop)
            });
        });
    }

    #[test]
    fn a_turn_out_of_order_and_a_missing_answer_are_caught_each_on_its_own() {
        let name = "a_turn_out_of_order_and_a_missing_answer_are_caught_each_on_its_own";
        watched(name, || {
            let settled = |turns: [&[u64]; 2]| {
                let mut sides = [0, 1].map(|me| Side::new(me, Amount::Steps(3), Instant::now()));
                for (side, turns) in sides.iter_mut().zip(turns) {
                    turns.iter().for_each(|turn| side.took(*turn));
                }
                settle(sides, Duration::from_nanos(300))
            };
            assert_eq!(settled([&[0, 2], &[1]]), Ok(100.0));
            let order = settled([&[0, 4], &[1]]).expect_err("turn 2 was left out");
            assert!(order.contains("out of order"), "{order}");
            let answers = settled([&[0, 2], &[]]).expect_err("nobody answered");
            assert!(answers.contains("answered by 0"), "{answers}");
        });
    }

    #[test]
    fn ours_takes_turns_in_threads_and_tasks() {
        watched("ours_takes_turns_in_threads_and_tasks", || {
            let runtime = runtime();
            for _ in 0..5 {
                let steps = Amount::Steps(200);
                between_threads::<OnEngine<StmCore>>(steps).expect("turns in order");
                between_tasks::<OnEngine<StmCore>>(&runtime, steps).expect("turns in order");
            }
        });
    }
}
