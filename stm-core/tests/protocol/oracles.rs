//! What must hold, told without regard to how the protocol brings it about.

use std::collections::HashMap;

use crate::programs::Program;
use crate::search::FastHash;
use crate::state::{At, INITIAL, RECORDS, Record, State, UNREAD, VARS, members};

/// Which oracle spoke.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// No order of all attempts, those that failed included, that keeps to real time explains what the bodies saw.
    Opacity,
    /// A node was looked into after it was freed, or freed while a body had a reference to it.
    UseAfterFree,
    /// A snapshot found no value that was old enough.
    MissingVersion,
    /// A sleeper whom nobody will wake, although something that it read has changed.
    LostWakeUp,
    /// Somebody is not done, and nobody can take a step.
    Deadlock,
    /// The holder of the token failed while its lease ran, or a body that only reads failed twice.
    Starvation,
}

/// Asks for the same histories again and again: many states share one.
#[derive(Default)]
pub struct Opacity {
    known: HashMap<[Record; RECORDS], bool, FastHash>,
}

impl Opacity {
    /// Whether some order of the records explains all reads.
    pub fn holds(&mut self, records: &[Record; RECORDS]) -> bool {
        if let Some(&known) = self.known.get(records) {
            return known;
        }
        let holds = explain(records);
        self.known.insert(*records, holds);
        holds
    }

    pub fn histories(&self) -> usize {
        self.known.len()
    }
}

/// Opacity (Guerraoui and Kapalka, PPoPP 2008) of a history in which each transaction writes a value of its own: there is a
/// sequence of all attempts, in which those that have not reached their linearization point write nothing, such that each comes
/// after all that had ended when it began, and each sees of each variable what was written last before it.
fn explain(records: &[Record; RECORDS]) -> bool {
    let mut wanted = 0u16;
    for (i, record) in records.iter().enumerate() {
        if !record.is_empty() {
            wanted |= 1 << i;
        }
    }
    place(records, wanted, [INITIAL; VARS])
}

/// Whether the `left` ones can follow one after the other upon the state `values`.
fn place(records: &[Record; RECORDS], mut left: u16, values: [u8; VARS]) -> bool {
    let fits = |i: usize, left: u16| {
        records[i].before & left == 0
            && (0..VARS).all(|v| [UNREAD, values[v]].contains(&records[i].reads[v]))
    };
    // Who writes nothing and fits is placed at once: that changes nothing for the others.
    loop {
        let before = left;
        for (i, record) in records.iter().enumerate() {
            if left >> i & 1 == 1 && record.writes == 0 && fits(i, left) {
                left &= !(1 << i);
            }
        }
        if left == before {
            break;
        }
    }
    if left == 0 {
        return true;
    }
    (0..RECORDS).any(|i| {
        if left >> i & 1 == 0 || records[i].writes == 0 || !fits(i, left) {
            return false;
        }
        let mut after = values;
        for v in members(records[i].writes) {
            after[v as usize] = records[i].value;
        }
        place(records, left & !(1 << i), after)
    })
}

/// For a state in which nobody can take a step.
pub fn at_the_end(program: &Program, state: &State) -> Option<Violation> {
    let mut all_well = true;
    for thread in &state.threads[..program.threads.len()] {
        match thread.at {
            At::Done => {}
            At::Asleep => {
                let stale = thread
                    .reads()
                    .iter()
                    .any(|r| !state.vars[r.var as usize].word.settled().same_value(r.seen));
                if stale {
                    return Some(Violation::LostWakeUp);
                }
            }
            _ => all_well = false,
        }
    }
    (!all_well).then_some(Violation::Deadlock)
}
