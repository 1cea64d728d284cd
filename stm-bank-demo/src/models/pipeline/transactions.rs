//! A pipeline on two transactional queues that know nothing of each other: taken from together all the same.

use stm_collections::TBQueue;
use stm_core::{Stm, TVar, Tx, atomically, check};

use crate::workload::pipeline::{BOUND, Put, Side, Zipper};

/// Two queues, and how far the shutdown is.
pub(crate) struct Transactions {
    left: TBQueue<u64>,
    right: TBQueue<u64>,
    stopping: TVar<bool>,
    closed: TVar<bool>,
}

// explain: begin
/// One of each, or none of either: waits until both have one.
fn zip(tx: &mut Tx<'_>, left: &TBQueue<u64>, right: &TBQueue<u64>) -> Stm<(u64, u64)> {
    Ok((left.pop(tx)?, right.pop(tx)?))
}
// explain: end

impl Zipper for Transactions {
    fn open() -> Self {
        Self {
            left: TBQueue::new(BOUND),
            right: TBQueue::new(BOUND),
            stopping: TVar::new(false),
            closed: TVar::new(false),
        }
    }

    fn put(&self, side: Side, item: u64) -> Put {
        let queue = match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        };
        atomically(|tx| {
            tx.or_else(
                |tx| queue.push(tx, item).map(|()| Put::Done),
                |tx| {
                    check(self.stopping.read(tx)?)?;
                    Ok(Put::Stopped)
                },
            )
        })
    }

    fn take_both(&self) -> Option<(u64, u64)> {
        atomically(|tx| {
            tx.or_else(
                |tx| zip(tx, &self.left, &self.right).map(Some),
                |tx| {
                    check(self.closed.read(tx)?)?;
                    Ok(None)
                },
            )
        })
    }

    fn stop(&self) {
        self.stopping.store(true);
    }

    fn close(&self) {
        self.closed.store(true);
    }
}
