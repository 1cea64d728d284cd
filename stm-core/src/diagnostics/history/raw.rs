//! What the recorder writes down, before the publications of all threads are known.
//!
//! A read of a saved old value knows the value's version but not its name: of the values of one variable that carry the same
//! version only the last is saved (H1), and which one that was shows when all publications are there.

use std::collections::HashMap;

use super::{Attempt, Outcome, Read, Staged, ValueId, VarId, Write};
use crate::clock::Time;
use crate::word::Word;

#[derive(Debug)]
pub(crate) struct RawAttempt {
    pub(crate) session: u64,
    pub(crate) call: u64,
    pub(crate) number: u32,
    pub(crate) what: &'static str,
    pub(crate) thread: u64,
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) reads: Vec<(VarId, RawRead)>,
    pub(crate) writes: Vec<Write>,
    pub(crate) staged: Vec<Staged>,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RawRead {
    Value { value: ValueId, content: u64 },
    Saved { version: Time, content: u64 },
}

/// Names every value that was read.
pub(super) fn resolve(raw: Vec<RawAttempt>) -> Vec<Attempt> {
    // What was ever replaced, by variable: a saved value is one of these.
    let mut replaced: HashMap<VarId, Vec<ValueId>> = HashMap::new();
    for write in raw.iter().flat_map(|attempt| &attempt.writes) {
        replaced
            .entry(write.variable)
            .or_default()
            .push(write.replaces);
    }
    for values in replaced.values_mut() {
        values.sort_unstable();
    }
    let last_of = |variable: VarId, version: Time| {
        let named = Word::publications_of(version);
        let values = replaced.get(&variable).map_or(&[][..], Vec::as_slice);
        let upto = values.partition_point(|value| value.0 <= *named.end());
        let last = values[..upto].last();
        // One that nobody replaced was not saved either: the name of none.
        last.filter(|value| named.contains(&value.0))
            .map_or(ValueId(*named.end()), |value| *value)
    };
    let name = |(variable, read): (VarId, RawRead)| match read {
        RawRead::Value { value, content } => Read {
            variable,
            value,
            content,
        },
        RawRead::Saved { version, content } => Read {
            variable,
            value: last_of(variable, version),
            content,
        },
    };
    raw.into_iter()
        .map(|attempt| Attempt {
            call: attempt.call,
            number: attempt.number,
            what: attempt.what,
            thread: attempt.thread,
            begin: attempt.begin,
            end: attempt.end,
            reads: attempt.reads.into_iter().map(name).collect(),
            writes: attempt.writes,
            staged: attempt.staged,
            outcome: attempt.outcome,
        })
        .collect()
}
