//! Who waits, since when, for what: so that a program that stands still can be read.
//!
//! There is no list of waits beside the waiters' table, which every wait would have to enter: the table knows them all, each
//! under the variables that it is on, and this puts them together.

use std::collections::BTreeMap;
use std::fmt;
use std::thread::ThreadId;
use std::time::Instant;

use super::known;
use super::origin::{self, Origin, Variable};
use crate::undecided;
use crate::wait::{self, Waiter};

/// Who sleeps.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Sleeper {
    /// A thread, inside [`atomically`](crate::atomically) or the like.
    #[non_exhaustive]
    Thread {
        /// Which one.
        id: ThreadId,
        /// What it is called, if it is.
        name: Option<String>,
    },
    /// A task of some executor: its future is pending.
    Task,
}

impl fmt::Display for Sleeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread {
                name: Some(name), ..
            } => write!(f, "thread {name:?}"),
            Self::Thread { id, .. } => write!(f, "thread {id:?}"),
            Self::Task => f.write_str("a task"),
        }
    }
}

/// What ends a wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Awaited {
    /// A write to one of the variables: the body has called [`retry`](crate::retry).
    Write,
    /// The end of a commit that has the variable locked while its decider runs ([`Tx::decide`](crate::Tx::decide)).
    Decision,
}

/// A wait that is going on; from [`waiting`].
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Wait {
    /// Who waits.
    pub who: Sleeper,
    /// Since when.
    pub since: Instant,
    /// In which transaction.
    pub origin: Origin,
    /// What for.
    pub awaited: Awaited,
    /// Over these: those with labels first.
    pub variables: Vec<Variable>,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.since.elapsed().as_secs_f64();
        let on = match self.awaited {
            Awaited::Write => "on",
            Awaited::Decision => "for a decision on",
        };
        write!(
            f,
            "{} waits for {seconds:.1} s, in {}, {on} ",
            self.who, self.origin
        )?;
        origin::list(f, &self.variables)
    }
}

/// The threads and tasks that sleep now, in a [`retry`](crate::retry) or until somebody else's decider has answered, the longest
/// first.
///
/// A moment's picture, put together variable by variable while others go on: a wait that begins or ends meanwhile may be
/// there with some of its variables. In a program that stands still it is exact. Waits for a time alone
/// ([`retry_until`](crate::Tx::retry_until) with nothing read) are not shown, nor is who stands in line for priority.
///
/// ```
/// use stm_core::{check, atomically, diagnostics::waiting, TVar};
///
/// let door = TVar::new(false).named("door");
/// std::thread::scope(|s| {
///     s.spawn(|| atomically(|tx| check(door.read(tx)?)));
///     let wait = loop {
///         if let Some(wait) = waiting().pop() {
///             break wait;
///         }
///         std::thread::yield_now();
///     };
///     println!("{wait}"); // thread ThreadId(2) waits for 0.0 s, in atomically at src/main.rs:5:18, on door
///     assert_eq!(wait.variables[0].label(), Some("door"));
///     door.store(true);
/// });
/// assert!(waiting().is_empty());
/// ```
#[must_use]
pub fn waiting() -> Vec<Wait> {
    let mut waits: BTreeMap<(Instant, usize), Wait> = BTreeMap::new();
    let mut note = |awaited, address, waiter: &Waiter| {
        let key = (waiter.since(), std::ptr::from_ref::<Waiter>(waiter).addr());
        let wait = waits.entry(key).or_insert_with(|| Wait {
            who: match waiter.thread() {
                Some((id, name)) => Sleeper::Thread { id, name },
                None => Sleeper::Task,
            },
            since: waiter.since(),
            origin: waiter.origin(),
            awaited,
            variables: Vec::new(),
        });
        wait.variables.push(known::variable(address));
    };
    wait::for_each_sleeper(|address, waiter| note(Awaited::Write, address, waiter));
    undecided::for_each_sleeper(|address, waiter| note(Awaited::Decision, address, waiter));
    let mut waits: Vec<_> = waits.into_values().collect();
    for wait in &mut waits {
        wait.variables.sort_by_cached_key(|v| {
            let label = v.label().map(str::to_owned);
            (label.is_none(), label, v.address())
        });
    }
    waits
}
