//! Money moves between accounts, and now and then somebody sums them all.
//!
//! The oldest of the benchmarks of transactional memory, with the parameters of TinySTM's `bank` (Felber, Fetzer, Riegel, "Dynamic
//! performance tuning of word-based software transactional memory", PPoPP 2008): so many accounts; the share of operations that read
//! them all; threads that do nothing but read all; and, in the disjoint case, accounts for each thread that no other one touches.
//!
//! Checked: every sum that is read, also in the middle of it all, is the money that was there at the beginning, and so is the sum
//! at the end of each turn.

use std::time::Duration;

use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::rng::Rng;
use crate::measure::threads::{self, Amount, Halt, Ran};
use crate::slots::Slots;

/// In each account at the beginning.
const BALANCE: i64 = 1000;

/// What distinguishes one bank from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// How many.
    pub accounts: usize,
    /// Those that transfer.
    pub threads: usize,
    /// How many of a hundred of their operations read all accounts instead.
    pub read_all_percent: u64,
    /// Threads that do nothing but read all, beside the others.
    pub read_all_threads: usize,
    /// Whether each thread keeps to accounts of its own.
    pub disjoint: bool,
}

/// 1024 accounts, one thread, and nothing but transfers.
pub const PLAIN: Params = Params {
    accounts: 1024,
    threads: 1,
    read_all_percent: 0,
    read_all_threads: 0,
    disjoint: false,
};

/// The cases of the workload.
pub const CASES: [(&str, Params); 6] = [
    ("1024 accounts, 1 thread", PLAIN),
    (
        "1024 accounts, 2 threads",
        Params {
            threads: 2,
            ..PLAIN
        },
    ),
    (
        "8 accounts, 2 threads",
        Params {
            accounts: 8,
            threads: 2,
            ..PLAIN
        },
    ),
    (
        "1024 accounts, disjoint, 2 threads",
        Params {
            threads: 2,
            disjoint: true,
            ..PLAIN
        },
    ),
    (
        "1024 accounts, 20 % read all, 2 threads",
        Params {
            threads: 2,
            read_all_percent: 20,
            ..PLAIN
        },
    ),
    (
        "1024 accounts, 1 thread and 1 that reads all",
        Params {
            read_all_threads: 1,
            ..PLAIN
        },
    ),
];

/// Transfers beside a thread that sums all accounts, over and over: the cases of the workload `audits`.
pub const AUDITS: [(&str, Params); 2] = [
    (
        "1024 accounts",
        Params {
            read_all_threads: 1,
            ..PLAIN
        },
    ),
    (
        "16384 accounts",
        Params {
            accounts: 16384,
            read_all_threads: 1,
            ..PLAIN
        },
    ),
];

/// The figures of a bank with such parameters.
#[must_use]
pub fn metrics(params: &Params) -> Vec<Metric> {
    let metric = |name, unit| Metric { name, unit };
    if params.read_all_threads > 0 {
        vec![
            metric("transfers", Unit::PerSecond),
            metric("read-alls", Unit::PerSecond),
            metric("runs for each read-all", Unit::Times),
        ]
    } else if params.read_all_percent > 0 {
        vec![metric("operations", Unit::PerSecond)]
    } else {
        vec![metric("transfers", Unit::PerSecond)]
    }
}

/// A thread of the bank.
struct Teller {
    rng: Rng,
    only_reads: bool,
    /// Where its accounts begin, and how many there are.
    accounts: (usize, usize),
    transfers: u64,
    read_alls: u64,
    runs: u64,
    /// The last wrong sum that was read.
    wrong: Option<i64>,
}

impl Teller {
    fn new(params: &Params, thread: usize) -> Self {
        let share = params.accounts / params.threads;
        let only_reads = thread >= params.threads;
        Self {
            rng: Rng::new(thread),
            only_reads,
            accounts: if params.disjoint && !only_reads {
                (thread * share, share)
            } else {
                (0, params.accounts)
            },
            transfers: 0,
            read_alls: 0,
            runs: 0,
            wrong: None,
        }
    }

    #[inline]
    fn step(&mut self, bank: &impl Slots, params: &Params, halt: &Halt) {
        if self.only_reads || self.rng.in_percent(params.read_all_percent) {
            return self.read_all(bank, params, halt);
        }
        let (first, count) = self.accounts;
        let [from, to] = self.rng.two(count);
        bank.transfer(first + from, first + to, 1);
        self.transfers += 1;
    }

    fn read_all(&mut self, bank: &impl Slots, params: &Params, halt: &Halt) {
        if let Some(total) = bank.sum(halt) {
            self.read_alls += 1;
            self.runs += total.runs;
            if total.sum != params.money() {
                self.wrong = Some(total.sum);
            }
        }
    }
}

impl Params {
    fn money(&self) -> i64 {
        BALANCE * self.accounts as i64
    }

    /// Reading all takes long and transferring does not; who might do both asks more often whether time is over.
    fn batch(&self) -> u64 {
        if self.read_all_percent > 0 || self.read_all_threads > 0 {
            1
        } else {
            64
        }
    }
}

/// A bank for [`work`].
pub fn open<A: Slots>(params: &Params) -> A {
    A::open(params.accounts, |_| BALANCE)
}

/// What the threads of a turn did.
#[derive(Debug)]
pub struct Done {
    /// Steps of all threads, and how long they took.
    pub ran: Ran,
    transfers: u64,
    read_alls: u64,
    runs: u64,
}

/// Lets the threads work.
///
/// # Errors
///
/// What the check found wrong.
pub fn work<A: Slots>(bank: &A, params: &Params, amount: Amount) -> Result<Done, String> {
    let (ran, tellers) = threads::run(
        params.threads + params.read_all_threads,
        amount,
        params.batch(),
        |thread| Teller::new(params, thread),
        |teller, halt| teller.step(bank, params, halt),
    );
    let money = params.money();
    if let Some(sum) = tellers.iter().find_map(|teller| teller.wrong) {
        return Err(format!("somebody read a sum of {sum} where {money} were"));
    }
    let left = bank.sum(&Halt::default()).map(|total| total.sum);
    if left != Some(money) {
        return Err(format!("of {money}, {left:?} are left at the end"));
    }
    let sum = |of: fn(&Teller) -> u64| tellers.iter().map(of).sum();
    Ok(Done {
        ran,
        transfers: sum(|teller| teller.transfers),
        read_alls: sum(|teller| teller.read_alls),
        runs: sum(|teller| teller.runs),
    })
}

fn turn(bank: &impl Slots, params: &Params, time: Duration) -> Turn {
    let done = work(bank, params, Amount::For(time))?;
    Ok(if params.read_all_threads > 0 {
        vec![
            done.ran.rate_of(done.transfers),
            done.ran.rate_of(done.read_alls),
            done.runs as f64 / done.read_alls as f64,
        ]
    } else {
        vec![done.ran.rate_of(done.transfers + done.read_alls)]
    })
}

/// A bank that takes part.
pub fn contender<A: Slots>(name: &str, params: Params) -> Contender<'static> {
    let mut bank = None;
    Contender::new(name, move |time| {
        let bank = bank.get_or_insert_with(|| open::<A>(&params));
        turn(bank, &params, time)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::money::Wide;
    use crate::ours::{StmCore, StmCoreAtomically};
    use crate::slots::OnEngine;
    use crate::wrong::{Forgetful, Unisolated, caught};

    const SMALL: Params = Params {
        accounts: 8,
        threads: 2,
        ..PLAIN
    };

    fn turn_of<A: Slots>(params: &Params, steps: u64) -> Result<(), String> {
        work(&open::<A>(params), params, Amount::Steps(steps)).map(drop)
    }

    #[test]
    fn a_bank_without_isolation_is_caught() {
        watched("a_bank_without_isolation_is_caught", || {
            let turn = || turn_of::<OnEngine<Unisolated>>(&SMALL, 1000);
            assert!(caught("bank", turn).contains("at the end"));
        });
    }

    #[test]
    fn a_torn_sum_is_caught_even_if_no_money_is_lost() {
        watched("a_torn_sum_is_caught_even_if_no_money_is_lost", || {
            // One thread transfers, so nothing is lost; the other one sums half-way through transfers.
            let params = Params {
                read_all_threads: 1,
                threads: 1,
                ..SMALL
            };
            let turn = || turn_of::<OnEngine<Unisolated>>(&params, 1000);
            assert!(caught("read-all", turn).contains("somebody read"));
        });
    }

    #[test]
    fn a_bank_that_forgets_is_caught_on_one_thread() {
        watched("a_bank_that_forgets_is_caught_on_one_thread", || {
            caught("bank", || turn_of::<OnEngine<Forgetful>>(&PLAIN, 1001));
        });
    }

    #[test]
    fn ours_keeps_all_books() {
        watched("ours_keeps_all_books", || {
            for (name, params) in CASES.iter().chain(&AUDITS) {
                let params = Params {
                    accounts: params.accounts.min(64),
                    ..*params
                };
                for turn in [
                    turn_of::<OnEngine<StmCore>>,
                    turn_of::<OnEngine<StmCoreAtomically>>,
                    turn_of::<OnEngine<StmCore, String>>,
                    turn_of::<OnEngine<StmCore, Wide>>,
                ] {
                    assert_eq!(turn(&params, 500), Ok(()), "{name}");
                }
            }
        });
    }

    #[test]
    fn disjoint_threads_share_no_account() {
        watched("disjoint_threads_share_no_account", || {
            let params = Params {
                disjoint: true,
                ..SMALL
            };
            let [a, b] = [0, 1].map(|thread| Teller::new(&params, thread).accounts);
            assert!(a.0 + a.1 <= b.0 && b.0 + b.1 <= params.accounts);
        });
    }
}
