//! A pipeline on two queues under one mutex, with a condition variable for each thing that one can wait for.
//!
//! To take from both at once, both must be under one lock: each of the queues alone, as good as it may be, cannot be
//! combined with the other one.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};

use crate::workload::pipeline::{BOUND, Put, Side, Zipper};

#[derive(Default)]
struct Queues {
    sides: [VecDeque<u64>; 2],
    stopping: bool,
    closed: bool,
}

/// Two queues behind one lock.
#[derive(Default)]
pub(crate) struct Condvars {
    queues: Mutex<Queues>,
    /// Something was put in, or the queues were closed.
    filled: Condvar,
    /// Something was taken out, or nobody is to wait for that any more.
    emptied: Condvar,
}

impl Condvars {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues
            .lock()
            .expect("nothing panics with the lock held")
    }
}

impl Zipper for Condvars {
    fn open() -> Self {
        Self::default()
    }

    fn put(&self, side: Side, item: u64) -> Put {
        let side = side as usize;
        let queues = self.lock();
        let must_wait = |queues: &mut Queues| queues.sides[side].len() == BOUND && !queues.stopping;
        let waited = self.emptied.wait_while(queues, must_wait);
        let mut queues = waited.expect("nothing panics with the lock held");
        if queues.sides[side].len() == BOUND {
            return Put::Stopped;
        }
        queues.sides[side].push_back(item);
        if queues.sides.iter().all(|side| !side.is_empty()) {
            self.filled.notify_one();
        }
        Put::Done
    }

    // explain: begin
    fn take_both(&self) -> Option<(u64, u64)> {
        let queues = self.lock();
        let one_is_empty = |queues: &Queues| queues.sides.iter().any(VecDeque::is_empty);
        let waited = self
            .filled
            .wait_while(queues, |queues| !queues.closed && one_is_empty(queues));
        let mut queues = waited.expect("nothing panics with the lock held");
        if one_is_empty(&queues) {
            return None;
        }
        let [left, right] = &mut queues.sides;
        let both = left.pop_front().zip(right.pop_front());
        // all: one producer may wait for each side
        self.emptied.notify_all();
        both
    }
    // explain: end

    fn stop(&self) {
        self.lock().stopping = true;
        self.emptied.notify_all();
    }

    fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }
}
