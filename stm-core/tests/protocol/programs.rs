//! What the modelled threads do.

use std::fmt;

use crate::state::{At, INITIAL, Life, NIL, NOBODY, NODES, Node, RECORDS, Record, State, THREADS};
use crate::state::{Thread, VARS, Var, Word};

pub const X: u8 = 0;
pub const Y: u8 = 1;
pub const Z: u8 = 2;

pub fn name(var: u8) -> char {
    char::from(b'x' + var)
}

/// How a variable keeps its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Inline,
    Boxed,
}
pub use Form::{Boxed, Inline};

/// One operation of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    Read(u8),
    Write(u8),
    /// `commute`: sees the newest value in the commit.
    Commute(u8),
    /// `retry` if the variable, which was read, holds its initial value.
    RetryIfInitial(u8),
    /// The right branch of an `or_else` whose left branch was: read `left`, retry if it holds its initial value.
    OrElseWrite {
        left: u8,
        right: u8,
    },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Read(v) => write!(f, "r({})", name(v)),
            Self::Write(v) => write!(f, "w({})", name(v)),
            Self::Commute(v) => write!(f, "commute({})", name(v)),
            Self::RetryIfInitial(v) => write!(f, "await({})", name(v)),
            Self::OrElseWrite { left, right } => {
                write!(f, "await({}) or w({})", name(left), name(right))
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// `atomically`, with a limit of attempts.
    Atomically,
    /// `snapshot`.
    Snapshot,
    /// `load`, `store` or `swap`: one variable, without a moment of its own.
    Alone,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Txn {
    pub call: Call,
    pub ops: Vec<Op>,
    /// Attempts after which the call gives up.
    pub limit: u8,
}

impl fmt::Display for Txn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.call {
            Call::Atomically => "",
            Call::Snapshot => "snapshot ",
            Call::Alone => "alone ",
        })?;
        let ops: Vec<String> = self.ops.iter().map(ToString::to_string).collect();
        f.write_str(&ops.join(" "))
    }
}

impl Txn {
    /// It may write, so a snapshot is no way through for it.
    pub fn writes(&self) -> bool {
        self.ops
            .iter()
            .any(|op| !matches!(op, Op::Read(_) | Op::RetryIfInitial(_)))
    }

    pub fn waits(&self) -> bool {
        self.ops
            .iter()
            .any(|op| matches!(op, Op::RetryIfInitial(_)))
    }

    pub const fn at_most(mut self, limit: u8) -> Self {
        self.limit = limit;
        self
    }
}

pub fn atomically(ops: &[Op]) -> Txn {
    Txn {
        call: Call::Atomically,
        ops: ops.to_vec(),
        limit: 2,
    }
}

pub fn alone(ops: &[Op]) -> Txn {
    Txn {
        call: Call::Alone,
        ..atomically(ops)
    }
}

pub fn snapshot(ops: &[Op]) -> Txn {
    Txn {
        call: Call::Snapshot,
        ops: ops.to_vec(),
        limit: 1,
    }
}

/// Threads that run transactions one after the other, and the constants of the engine, which are small here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    pub name: String,
    pub forms: [Form; VARS],
    pub threads: Vec<Vec<Txn>>,
    /// `read::FLOAT_MAX`.
    pub float_max: u8,
    /// `word::SEQ_MAX`.
    pub seq_max: u8,
    /// A wait for a lock may end with `Patience::Spent` at any time. Else it lasts, so that deadlocks show.
    pub impatient: bool,
    /// `priority::CLAIM_AFTER`.
    pub claim_after: u8,
    /// The set of threads that have failed so often already.
    pub starving: u8,
    pub lease_may_end: bool,
    /// By thread and transaction: its number, and its first record.
    numbers: Vec<Vec<(u8, u8)>>,
    records: u8,
}

impl Program {
    /// Without threads, and with constants that rarely matter.
    pub fn new(name: &str, forms: [Form; 2]) -> Self {
        Self {
            name: name.into(),
            forms: [forms[0], forms[1], forms[1]],
            threads: Vec::new(),
            float_max: 8,
            seq_max: 8,
            impatient: false,
            claim_after: u8::MAX,
            starving: 0,
            lease_may_end: false,
            numbers: Vec::new(),
            records: 0,
        }
    }

    /// One more thread, which runs these one after the other.
    pub fn thread(mut self, txns: impl Into<Vec<Txn>>) -> Self {
        let txns = txns.into();
        let mut number = self.threads.iter().map(Vec::len).sum::<usize>() as u8;
        let mut numbers = Vec::new();
        for txn in &txns {
            number += 1;
            numbers.push((number, self.records));
            self.records += txn.limit;
        }
        self.threads.push(txns);
        self.numbers.push(numbers);
        let fits = self.threads.len() <= THREADS && self.records as usize <= RECORDS;
        assert!(fits, "{} is too large for the model", self.name);
        self
    }

    pub const fn float_max(mut self, n: u8) -> Self {
        self.float_max = n;
        self
    }

    pub const fn seq_max(mut self, n: u8) -> Self {
        self.seq_max = n;
        self
    }

    pub const fn impatient(mut self) -> Self {
        self.impatient = true;
        self
    }

    pub const fn claim_after(mut self, failures: u8) -> Self {
        self.claim_after = failures;
        self
    }

    /// `thread` begins by claiming the token.
    pub const fn starving(mut self, thread: usize) -> Self {
        self.starving |= 1 << thread;
        self
    }

    pub const fn lease_may_end(mut self) -> Self {
        self.lease_may_end = true;
        self
    }

    /// The number of a transaction, which is also the value that it writes.
    pub fn number(&self, thread: usize, txn: u8) -> u8 {
        self.numbers[thread][txn as usize].0
    }

    /// The record of a transaction's first attempt.
    pub fn first_record(&self, thread: usize, txn: u8) -> usize {
        self.numbers[thread][txn as usize].1 as usize
    }

    /// How many records its attempts may take.
    pub const fn records(&self) -> usize {
        self.records as usize
    }

    /// The attempts in a set of records, by name.
    pub fn ended_in(&self, set: u16) -> Vec<String> {
        let mut names = Vec::new();
        for (t, txns) in self.threads.iter().enumerate() {
            for (n, txn) in txns.iter().enumerate() {
                let first = self.first_record(t, n as u8);
                for attempt in (0..txn.limit as usize).filter(|a| set >> (first + a) & 1 == 1) {
                    let again = "'".repeat(attempt);
                    names.push(format!("T{}{again}", self.number(t, n as u8)));
                }
            }
        }
        names
    }

    pub fn start(&self) -> State {
        let mut nodes = [Node::FREED; NODES];
        let mut made = 0;
        let vars = self.forms.map(|form| {
            let word = match form {
                Inline => Word::UNUSED,
                Boxed => {
                    nodes[made as usize].life = Life::Alive;
                    made += 1;
                    Word::of_node(made - 1)
                }
            };
            Var {
                word,
                bits: INITIAL,
                head: NIL,
            }
        });
        let mut threads = [Thread::new(At::Done); THREADS];
        for (t, thread) in threads[..self.threads.len()].iter_mut().enumerate() {
            let starves = self.starving >> t & 1 == 1;
            thread.at = if starves { At::Claim } else { At::Begin };
        }
        State {
            time: 0,
            active: 0,
            vars,
            nodes,
            made,
            table: [0; VARS],
            token: false,
            filter: 0,
            held: NOBODY,
            lease_over: false,
            lease_has_ended: false,
            threads,
            records: [Record::EMPTY; RECORDS],
        }
    }
}
