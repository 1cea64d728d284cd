//! What must hold, told without regard to how the protocol brings it about.

use std::collections::HashMap;

use crate::programs::{Program, name};
use crate::search::{IdentityHash, fingerprint_of};
use crate::state::{At, INITIAL, Record, State, UNREAD, VARS, members};

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
    known: HashMap<u128, bool, IdentityHash>,
}

impl Opacity {
    /// Whether some order of the records explains all reads.
    pub fn holds(&mut self, records: &[Record]) -> bool {
        let key = fingerprint_of(&records);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let holds = explain(records);
        self.known.insert(key, holds);
        holds
    }

    pub fn histories(&self) -> usize {
        self.known.len()
    }
}

/// Opacity (Guerraoui and Kapalka, PPoPP 2008) of a history in which each transaction writes a value of its own: there is a
/// sequence of all attempts, in which those that have not reached their linearization point write nothing, such that each comes
/// after all that had ended when it began, and each sees of each variable what was written last before it.
fn explain(records: &[Record]) -> bool {
    let mut wanted = 0u16;
    for (i, record) in records.iter().enumerate() {
        if !record.is_empty() {
            wanted |= 1 << i;
        }
    }
    place(records, wanted, [INITIAL; VARS])
}

/// Whether the `left` ones can follow one after the other upon the state `values`.
fn place(records: &[Record], mut left: u16, values: [u8; VARS]) -> bool {
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
    (0..records.len()).any(|i| {
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

/// The history of a state, a line an attempt.
pub fn tell(program: &Program, state: &State) -> Vec<String> {
    let mut lines = Vec::new();
    for (t, txns) in program.threads.iter().enumerate() {
        for (n, txn) in txns.iter().enumerate() {
            let first = program.first_record(t, n as u8);
            for attempt in 0..txn.limit as usize {
                let record = &state.records[first + attempt];
                if record.is_empty() {
                    continue;
                }
                let number = program.number(t, n as u8);
                let mut line = format!("T{number}, attempt {}:", attempt + 1);
                for v in (0..VARS).filter(|&v| record.reads[v] != UNREAD) {
                    line += &format!(" saw {} = {}", name(v as u8), record.reads[v]);
                }
                for v in members(record.writes) {
                    line += &format!(" wrote {} = {}", name(v), record.value);
                }
                let after = program.ended_in(record.before);
                if !after.is_empty() {
                    line += &format!(", began after {}", after.join(", "));
                }
                lines.push(line);
            }
        }
    }
    for (t, thread) in state.threads.iter().enumerate() {
        if thread.at != At::Done {
            let number = program.number(t, thread.txn);
            lines.push(format!("T{number} stands at {:?}", thread.at));
        }
    }
    lines
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

mod tests {
    //! The opacity oracle is the one that could be wrong unnoticed: it is asked about histories whose answer is known.

    use super::*;

    fn record(reads: &[(usize, u8)], writes: &[u8], value: u8, before: u16) -> Record {
        let mut record = Record {
            value,
            before,
            ended: true,
            ..Record::EMPTY
        };
        for &(var, seen) in reads {
            record.reads[var] = seen;
        }
        for &var in writes {
            record.writes |= 1 << var;
        }
        record
    }

    fn holds(history: &[Record]) -> bool {
        Opacity::default().holds(history)
    }

    #[test]
    fn an_order_other_than_that_of_the_commits_is_found() {
        // The second writer comes first, as the reader shows; nothing in real time forbids it.
        let writers = [record(&[], &[0], 1, 0), record(&[], &[1], 2, 0)];
        let reader = record(&[(0, 0), (1, 2)], &[], 3, 0);
        assert!(holds(&[writers[0], writers[1], reader]));
    }

    #[test]
    fn real_time_is_kept() {
        let writer = record(&[], &[0], 1, 0);
        assert!(holds(&[writer, record(&[(0, 0)], &[], 2, 0)]));
        assert!(!holds(&[writer, record(&[(0, 0)], &[], 2, 0b1)]));
    }

    #[test]
    fn readers_agree_on_the_order_of_independent_writers() {
        let writers = [record(&[], &[0], 1, 0), record(&[], &[1], 2, 0)];
        let one = record(&[(0, 1), (1, 0)], &[], 3, 0);
        let other = record(&[(0, 0), (1, 2)], &[], 4, 0);
        assert!(holds(&[writers[0], writers[1], one]));
        assert!(holds(&[writers[0], writers[1], other]));
        assert!(!holds(&[writers[0], writers[1], one, other]));
    }

    #[test]
    fn write_skew_and_half_commits_are_refused() {
        let skew = [record(&[(0, 0)], &[1], 1, 0), record(&[(1, 0)], &[0], 2, 0)];
        assert!(!holds(&skew));
        let writer = record(&[], &[0, 1], 1, 0);
        let reader = record(&[(0, 1), (1, 0)], &[], 2, 0);
        assert!(!holds(&[writer, reader]));
    }

    #[test]
    fn a_value_that_nobody_has_committed_is_refused() {
        let reader = record(&[(0, 1)], &[], 2, 0);
        assert!(!holds(&[record(&[(1, 0)], &[], 1, 0), reader]));
    }
}
