//! A barrier: a group meets, and goes on together.
//!
//! # The problem, and the idea
//!
//! Threads or tasks that work in rounds wait for each other at the end of each. The obvious way is a counter to wait on; then each
//! arrival wakes all who have arrived already, n² wake-ups a round, and who is slow to wake may find the counter of the next round.
//! Ours has a second variable, the number of the round, and waits on that alone: it changes once a round. The ancestor is the
//! sense-reversing barrier, whose bit is the parity of the round here (Mellor-Crummey and Scott, "Algorithms for Scalable
//! Synchronization on Shared-Memory Multiprocessors", TOCS 1991, doi:10.1145/103727.103729).
//!
//! There is no operation that takes a transaction: to arrive is to be seen by others before one goes on, and a transaction is
//! seen when it has ended. Arriving is one transaction, waiting another.
//!
//! # Picture
//!
//! ```text
//!  arrived 0 ─▶ 1 ─▶ 2 ─▶ (3 = n: leader) ─▶ 0 ─▶ 1 ─▶ ..
//!  round   7 ───────────────────────────────▶ 8 ─────────
//!               └────┴── asleep on `round` ──▶ awake
//! ```
//!
//! # Cost
//!
//! Arriving: O(1), two variables. Each wait wakes once. Cancelling: O(1).
//!
//! # Conflicts
//!
//! ```text
//!                    arrive, cancel   the last arrival   wait
//!  arrive, cancel          ×                 ×             ·
//!  the last arrival        ×                 ×             ×
//!  wait                    ·                 ×             ·
//! ```
//!
//! # Invariants
//!
//! - B1  `arrived < n`, and it is how many wait for the end of `round`.
//! - B2  `round` grows by one whenever the n-th arrives, and in no other way.
//! - B3  Who waits for a round has arrived in it, and either stays until it ends or takes the arrival back.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, TVar, Tx, after_attempt, atomically, atomically_async, check};

/// Lets `n` threads or tasks wait for each other, again and again. As [`std::sync::Barrier`], and for tasks also.
///
/// A handle: clones are the same barrier.
///
/// ```
/// use stm_collections::TBarrier;
/// use stm_core::TVar;
///
/// let barrier = TBarrier::new(3);
/// let done = [0; 3].map(TVar::new);
/// std::thread::scope(|s| {
///     for i in 0..3 {
///         let (barrier, done) = (&barrier, &done);
///         s.spawn(move || {
///             done[i].store(1);
///             barrier.wait();
///             assert!(done.iter().all(|d| d.load() == 1));
///         });
///     }
/// });
/// ```
#[derive(Clone)]
pub struct TBarrier {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    n: usize,
    arrived: TVar<usize>,
    round: TVar<u64>,
}

/// What an arrival came to.
#[must_use]
enum Arrival {
    Last,
    /// In the round of this number.
    Early(u64),
}

impl State {
    fn arrive(&self, tx: &mut Tx<'_>) -> Stm<Arrival> {
        let arrived = self.arrived.read(tx)? + 1;
        let round = self.round.read(tx)?;
        if arrived < self.n {
            self.arrived.write(tx, arrived)?;
            return Ok(Arrival::Early(round));
        }
        self.arrived.write(tx, 0)?;
        self.round.write(tx, round + 1)?;
        Ok(Arrival::Last)
    }
}

impl TBarrier {
    /// A barrier for `n`. For none is as for one: nobody waits.
    ///
    /// ```
    /// use stm_collections::TBarrier;
    ///
    /// assert!(TBarrier::new(1).wait().is_leader());
    /// assert!(TBarrier::new(0).wait().is_leader());
    /// ```
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self {
            state: Arc::new(State {
                n,
                arrived: TVar::new(0),
                round: TVar::new(0),
            }),
        }
    }

    /// Arrives and waits for the others.
    ///
    /// # Blocking
    ///
    /// Until `n` have arrived, this one included.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread.
    ///
    /// ```
    /// use stm_collections::TBarrier;
    ///
    /// let barrier = TBarrier::new(2);
    /// let leaders = std::thread::scope(|s| {
    ///     let both = [(); 2].map(|()| s.spawn(|| barrier.wait().is_leader()));
    ///     both.map(|one| one.join().unwrap()).iter().filter(|&&leads| leads).count()
    /// });
    /// assert_eq!(leaders, 1);
    /// ```
    #[track_caller]
    pub fn wait(&self) -> TBarrierWaitResult {
        match atomically(|tx| self.state.arrive(tx)) {
            Arrival::Last => TBarrierWaitResult { leads: true },
            Arrival::Early(round) => {
                let stay = Stay::new(&self.state, round);
                atomically(|tx| stay.over(tx));
                stay.end()
            }
        }
    }

    /// As [`wait`](Self::wait), for tasks of any executor. Threads and tasks can meet at the same barrier.
    ///
    /// # Blocking
    ///
    /// The task is pending until `n` have arrived. It arrives when the future is polled first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the arrival back, unless the round is complete by then. (Inside a transaction: as soon as
    /// that attempt is over.)
    ///
    /// # Panics
    ///
    /// Polling it panics inside a transaction on the same thread.
    ///
    /// ```
    /// use stm_collections::TBarrier;
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let barrier = TBarrier::new(2);
    /// let mut task = pin!(barrier.wait_async());
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(task.as_mut().poll(&mut cx).is_pending());
    /// assert!(barrier.wait().is_leader()); // wakes the task
    /// assert!(task.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn wait_async(&self) -> impl Future<Output = TBarrierWaitResult> + Send + use<> {
        let state = Arc::clone(&self.state);
        async move {
            match atomically_async(|tx| state.arrive(tx)).await {
                Arrival::Last => TBarrierWaitResult { leads: true },
                Arrival::Early(round) => {
                    let stay = Stay::new(&state, round);
                    atomically_async(|tx| stay.over(tx)).await;
                    stay.end()
                }
            }
        }
    }

    /// How many have arrived and wait for the others.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TBarrier;
    /// use stm_core::snapshot;
    ///
    /// assert_eq!(snapshot(|s| TBarrier::new(3).waiting(s)), 0);
    /// ```
    pub fn waiting(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.state.arrived.read(tx)
    }
}

impl fmt::Debug for TBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TBarrier")
            .field("n", &self.state.n)
            .finish_non_exhaustive()
    }
}

/// An early arrival that waits (B3).
struct Stay {
    state: Arc<State>,
    /// Absent once it has ended well.
    round: Option<u64>,
}

impl Stay {
    fn new(state: &Arc<State>, round: u64) -> Self {
        Self {
            state: Arc::clone(state),
            round: Some(round),
        }
    }

    /// Waits for the round to end, on its variable and nothing else.
    fn over(&self, tx: &mut Tx<'_>) -> Stm<()> {
        check(self.round != Some(self.state.round.read(tx)?))
    }

    fn end(mut self) -> TBarrierWaitResult {
        self.round = None;
        TBarrierWaitResult { leads: false }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(round) = self.round {
            let state = Arc::clone(&self.state);
            after_attempt(move || {
                atomically(|tx| {
                    if state.round.read(tx)? == round {
                        state.arrived.modify(tx, |n| n - 1)?;
                    }
                    Ok(())
                });
            });
        }
    }
}

/// What [`TBarrier::wait`] gives: whether this was the one that made the group complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TBarrierWaitResult {
    leads: bool,
}

impl TBarrierWaitResult {
    /// True for one of each group, the last to arrive.
    ///
    /// ```
    /// assert!(stm_collections::TBarrier::new(1).wait().is_leader());
    /// ```
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leads
    }
}
