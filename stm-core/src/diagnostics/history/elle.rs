//! Histories as Elle reads them, so that others can check what this crate says of itself.
//!
//! Elle (Alvaro and Kingsbury, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020,
//! doi:10.14778/3430915.3430918) takes histories of transactions over registers or lists, one operation a line. An attempt
//! becomes two lines, its begin and its end, in the order of real time:
//!
//! ```text
//! {:index 0, :type :invoke, :process 2, :f :txn, :value [[:r 5 nil] [:w 5 1]], :time 0}
//! {:index 1, :type :ok, :process 2, :f :txn, :value [[:r 5 nil] [:w 5 1]], :time 1}
//! ```
//!
//! Attempts that neither read nor published anything are left out: they order nothing that real time does not order anyway.
//! A variable's values are numbered in the order in which they were published, from 1; the one that was there at the beginning is
//! `nil`, or the empty list.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::versions::Versions;
use super::{Attempt, History, Outcome, ValueId, VarId, Violation};

/// What the variables are to Elle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Model {
    /// Registers: a write gives a new value. Elle works the order of the values out from what it sees, as far as it can.
    RwRegister,
    /// Lists: a write appends its value's number, and a read shows all numbers up to what was read. Elle then knows the order of
    /// the values for certain and finds more; the file grows with the square of the number of writes of a variable.
    ListAppend,
}

/// Which attempts are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempts {
    /// All. Those that failed are shown as transactions that only read, and committed. If Elle finds that strictly serializable, the
    /// history is opaque.
    All,
    /// Those that committed: strict serializability. The others are shown as failed.
    Committed,
}

/// Writes `history` as EDN, an operation a line.
///
/// # Errors
///
/// If the values have no order at all; [`History::check`] says so, too.
///
/// ```
/// use stm_core::diagnostics::history::elle::{self, Attempts, Model};
/// use stm_core::diagnostics::history::Recording;
/// use stm_core::{atomically, TVar};
///
/// let x = TVar::new(5);
/// let recording = Recording::start().expect("nobody else records");
/// atomically(|tx| x.modify(tx, |n| n + 1));
/// let edn = elle::export(&recording.stop(), Model::RwRegister, Attempts::All)?;
/// let last = edn.lines().last().unwrap();
/// assert!(last.starts_with("{:index 1, :type :ok, :process "));
/// assert!(last.contains(" nil] [:w "));
/// # Ok::<(), stm_core::diagnostics::history::Violation>(())
/// ```
pub fn export(history: &History, model: Model, which: Attempts) -> Result<String, Violation> {
    let attempts = history.attempts();
    let chains = Versions::of(attempts)?.chains();
    let names = Names::new(attempts, &chains, model);
    let mut moments: Vec<(u64, Moment, &Attempt)> = attempts
        .iter()
        .filter(|a| !a.reads.is_empty() || !a.writes.is_empty())
        .flat_map(|a| [(a.begin, Moment::Begin, a), (a.end, Moment::End, a)])
        .collect();
    moments.sort_by_key(|&(stamp, moment, _)| (stamp, moment));
    let lines = moments.iter().enumerate().map(|(index, entry)| {
        let &(stamp, moment, attempt) = entry;
        let kind = match (moment, which, attempt.outcome) {
            (Moment::Begin, ..) => ":invoke",
            (Moment::End, Attempts::All, _) | (Moment::End, _, Outcome::Committed) => ":ok",
            (Moment::End, Attempts::Committed, _) => ":fail",
        };
        format!(
            "{{:index {index}, :type {kind}, :process {}, :f :txn, :value [{}], :time {stamp}}}\n",
            names.processes[&attempt.thread],
            names.operations(attempt, moment)
        )
    });
    Ok(lines.collect())
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Begin,
    End,
}

/// Small numbers for what has large ones.
struct Names {
    model: Model,
    processes: HashMap<u64, usize>,
    keys: HashMap<VarId, usize>,
    places: HashMap<(VarId, ValueId), usize>,
}

impl Names {
    fn new(attempts: &[Attempt], chains: &HashMap<VarId, Vec<ValueId>>, model: Model) -> Self {
        let mut processes = HashMap::new();
        for attempt in attempts {
            let next = processes.len();
            processes.entry(attempt.thread).or_insert(next);
        }
        let read = attempts.iter().flat_map(|a| &a.reads).map(|r| r.variable);
        let written = attempts.iter().flat_map(|a| &a.writes).map(|w| w.variable);
        let variables: BTreeSet<VarId> = read.chain(written).collect();
        let values = |(&x, chain): (&VarId, &Vec<ValueId>)| {
            let numbered = chain.iter().enumerate();
            numbered.map(|(at, &v)| ((x, v), at)).collect::<Vec<_>>()
        };
        Self {
            model,
            processes,
            keys: (0..).zip(variables).map(|(at, x)| (x, at)).collect(),
            places: chains.iter().flat_map(values).collect(),
        }
    }

    /// Reads, then writes. At the begin, what they will find is not known yet.
    fn operations(&self, attempt: &Attempt, moment: Moment) -> String {
        let reads = attempt.reads.iter().map(|read| {
            let found = match moment {
                Moment::Begin => "nil".to_string(),
                Moment::End => self.found(read.variable, read.value),
            };
            format!("[:r {} {found}]", self.keys[&read.variable])
        });
        let write = match self.model {
            Model::RwRegister => ":w",
            Model::ListAppend => ":append",
        };
        let writes = attempt.writes.iter().map(|w| {
            let key = self.keys[&w.variable];
            format!("[{write} {key} {}]", self.place(w.variable, w.value))
        });
        reads.chain(writes).collect::<Vec<_>>().join(" ")
    }

    /// Values in no order with the others, of variables whose values replace each other in a ring, share the first place.
    fn place(&self, variable: VarId, value: ValueId) -> usize {
        let place = self.places.get(&(variable, value));
        place.copied().unwrap_or(0)
    }

    fn found(&self, variable: VarId, value: ValueId) -> String {
        match (self.model, self.place(variable, value)) {
            (Model::RwRegister, 0) => "nil".to_string(),
            (Model::RwRegister, place) => place.to_string(),
            (Model::ListAppend, place) => {
                let numbers: Vec<String> = (1..=place).map(|n| n.to_string()).collect();
                format!("[{}]", numbers.join(" "))
            }
        }
    }
}

impl fmt::Display for Model {
    /// As elle-cli's option `--model` calls it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RwRegister => "rw-register",
            Self::ListAppend => "list-append",
        })
    }
}
