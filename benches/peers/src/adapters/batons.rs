//! Ways to take turns without transactions: a condition variable, channels, and for tasks `Notify`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};

use crossbeam_channel::{Receiver, Sender, bounded};
use stm_benches::workloads::wakeup::{Baton, OVER, TaskBaton};
use tokio::sync::Notify;

/// What comes after a turn.
fn after(turn: u64, last: bool) -> u64 {
    if last { OVER } else { turn + 1 }
}

/// The standard library's condition variable.
pub struct OnCondvar {
    turn: Mutex<u64>,
    changed: Condvar,
}

impl Baton for OnCondvar {
    fn new() -> Self {
        Self {
            turn: Mutex::new(0),
            changed: Condvar::new(),
        }
    }

    fn pass(&self, me: u64, last: bool) -> Option<u64> {
        let guard = self.turn.lock().expect("no panics here");
        let waited = self
            .changed
            .wait_while(guard, |turn| *turn != OVER && *turn % 2 != me);
        let mut guard = waited.expect("no panics here");
        let turn = *guard;
        if turn == OVER {
            return None;
        }
        *guard = after(turn, last);
        drop(guard);
        self.changed.notify_one();
        Some(turn)
    }
}

/// A channel in each direction, from crossbeam.
pub struct OnChannels([(Sender<u64>, Receiver<u64>); 2]);

impl Baton for OnChannels {
    fn new() -> Self {
        let channels = [bounded(1), bounded(1)];
        channels[0].0.send(0).expect("its receiver is here, too");
        Self(channels)
    }

    fn pass(&self, me: u64, last: bool) -> Option<u64> {
        let turn = self.0[me as usize].1.recv().expect("its sender is here");
        if turn == OVER {
            return None;
        }
        let other = &self.0[1 - me as usize].0;
        other
            .send(after(turn, last))
            .expect("its receiver is here, too");
        Some(turn)
    }
}

/// tokio's `Notify`, one for each task, and a number.
pub struct OnNotify {
    turn: AtomicU64,
    yours: [Notify; 2],
}

impl TaskBaton for OnNotify {
    fn new() -> Self {
        Self {
            turn: AtomicU64::new(0),
            yours: [Notify::new(), Notify::new()],
        }
    }

    async fn pass(&self, me: u64, last: bool) -> Option<u64> {
        loop {
            // Acquire: pairs with the Release below, of the other side.
            let turn = self.turn.load(Ordering::Acquire);
            if turn == OVER {
                return None;
            }
            if turn % 2 == me {
                // Release: pairs with the Acquire above, of the other side.
                self.turn.store(after(turn, last), Ordering::Release);
                self.yours[1 - me as usize].notify_one();
                return Some(turn);
            }
            self.yours[me as usize].notified().await;
        }
    }
}
