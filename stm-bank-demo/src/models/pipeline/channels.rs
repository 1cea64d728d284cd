//! A pipeline on two bounded channels: right with one worker, wrong with more.
//!
//! `select` takes from either of two channels. Nothing takes from both.

use std::convert::Infallible;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use parking_lot::{Mutex, RwLock};

use crate::workload::pipeline::{BOUND, Put, Side, Zipper};

/// Two channels, and a third in which nothing is ever sent: that it is disconnected is the message.
pub(crate) struct Channels {
    /// `None` once closed. Producers read it, each with its sending; closing comes after them.
    send: RwLock<Option<[Sender<u64>; 2]>>,
    receive: [Receiver<u64>; 2],
    goes_on: Mutex<Option<Sender<Infallible>>>,
    stopping: Receiver<Infallible>,
}

impl Zipper for Channels {
    fn open() -> Self {
        let ((left, to_left), (right, to_right)) = (bounded(BOUND), bounded(BOUND));
        let (goes_on, stopping) = bounded(0);
        Self {
            send: RwLock::new(Some([left, right])),
            receive: [to_left, to_right],
            goes_on: Mutex::new(Some(goes_on)),
            stopping,
        }
    }

    fn put(&self, side: Side, item: u64) -> Put {
        let send = self.send.read();
        let sides = send.as_ref().expect("not closed yet");
        select! {
            send(sides[side as usize], item) -> sent => {
                sent.expect("the receivers live as long as this");
                Put::Done
            }
            recv(self.stopping) -> _ => Put::Stopped,
        }
    }

    // explain: begin
    fn take_both(&self) -> Option<(u64, u64)> {
        let left = self.receive[0].recv().ok()?;
        // another worker may take the right item that goes with it
        let right = self.receive[1].recv().ok()?;
        Some((left, right))
    }
    // explain: end

    fn stop(&self) {
        self.goes_on.lock().take();
    }

    fn close(&self) {
        self.send.write().take();
    }
}
