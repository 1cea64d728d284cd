//! Metrics with an accountant of their own: a thread at the end of a bounded channel.
//!
//! Who records goes on at once, unless the accountant is behind. Who reads sends a question down the same channel, so
//! the answer covers all that was recorded before.

use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use crate::workload::metrics::{Figures, Metrics};

/// Notes that may lie before the accountant until who records must wait.
const BOUND: usize = 1024;

enum Note {
    Served {
        endpoint: usize,
        failed: bool,
        micros: u64,
    },
    Read(Sender<Figures>),
}

/// The way to the accountant.
pub(crate) struct Accountant {
    /// `None` only at the end.
    notes: Option<Sender<Note>>,
    accountant: Option<JoinHandle<()>>,
}

impl Accountant {
    fn tell(&self, note: Note) {
        let notes = self.notes.as_ref().expect("open until dropped");
        notes
            .send(note)
            .expect("the accountant lives as long as the channel");
    }
}

impl Metrics for Accountant {
    fn open(endpoints: usize, _: usize) -> Self {
        let (notes, to_book) = bounded(BOUND);
        let accountant = thread::spawn(move || {
            let mut book = vec![Figures::default(); endpoints];
            for note in to_book {
                match note {
                    Note::Served {
                        endpoint,
                        failed,
                        micros,
                    } => {
                        book[endpoint] = book[endpoint].with(failed, micros);
                    }
                    // Who does not wait for the answer any more needs none.
                    Note::Read(answer) => {
                        _ = answer
                            .send(book.iter().copied().fold(Figures::default(), Figures::plus));
                    }
                }
            }
        });
        Self {
            notes: Some(notes),
            accountant: Some(accountant),
        }
    }

    // explain: begin
    fn record(&self, _: usize, endpoint: usize, failed: bool, micros: u64) {
        self.tell(Note::Served {
            endpoint,
            failed,
            micros,
        });
    }
    // explain: end

    fn read(&self) -> Figures {
        let (answer, answered) = bounded(1);
        self.tell(Note::Read(answer));
        answered.recv().expect("the accountant answers")
    }
}

impl Drop for Accountant {
    fn drop(&mut self) {
        drop(self.notes.take());
        let ended = self.accountant.take().map(JoinHandle::join);
        ended.expect("once").expect("the accountant does not panic");
    }
}
