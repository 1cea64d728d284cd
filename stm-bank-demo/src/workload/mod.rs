//! The work: what the threads of one round do, on any model.
//!
//! Everything here is generic over the model, never `dyn`: each gets a loop of its own, and all of them the same one.
//! What is not the model's is kept out of that loop. The requests come from a generator of a few instructions, counters
//! are the thread's own, and the common flag is looked at once in [`BATCH`] requests. Latencies are taken in rounds of
//! their own, for the same reason.

pub(crate) mod crashing;
pub(crate) mod jobs;
pub(crate) mod metrics;
pub(crate) mod pipeline;
mod sampling;
pub(crate) mod waiting;

use std::thread::{self, ScopedJoinHandle};

use hdrhistogram::Histogram;

use crate::audit::Findings;
use crate::bank::Bank;
use crate::requests::{Requests, Skewed, Source};
use crate::shift::{LOOK, Look, Output, Shift, Tally, Timing};

/// What each account holds at first. With up to 16 moved at a time, a few requests in a thousand find no
/// cover: enough to show that refusals are right, too few to change what is measured.
pub(crate) const OPENING_BALANCE: i64 = 1000;

/// Requests between two looks at the flag.
const BATCH: usize = 64;

/// One round: how much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Accounts, where they are not one for each thread.
    pub(crate) accounts: usize,
    /// Threads that transfer, or that withdraw and deposit.
    pub(crate) threads: usize,
    /// Threads that sum up all accounts, again and again.
    pub(crate) auditors: usize,
    pub(crate) timing: Timing,
    pub(crate) seed: u64,
    /// How much some accounts are preferred; none are without it.
    pub(crate) zipf: Option<f64>,
    /// Whether, and how, each request is timed.
    pub(crate) sampling: Option<Sampling>,
}

/// How latencies are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sampling {
    /// Requests a second, of all threads together, whether they are served that fast or not: an open loop. Without it
    /// each thread asks as soon as it has its answer.
    pub(crate) rate: Option<f64>,
}

/// What came of a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Each kind of work that was measured: first what the scenario is about, then audits, if there were.
    pub(crate) outputs: Vec<Output>,
    pub(crate) findings: Findings,
    /// Of the first kind of work, in nanoseconds, if asked for.
    pub(crate) latencies: Option<Histogram<u64>>,
}

impl Outcome {
    /// Adds up what threads with the same work did and found.
    fn collect(&mut self, threads: impl IntoIterator<Item = Done>) {
        let mut sum = Output::default();
        for done in threads {
            sum.add(done.output);
            self.findings.add(&done.findings);
            match (&mut self.latencies, done.latencies) {
                (Some(all), Some(own)) => all.add(own).expect("all have the same bounds"),
                (all @ None, own) => *all = own,
                (Some(_), None) => {}
            }
        }
        self.outputs.push(sum);
    }
}

/// Waits for threads.
fn join<'a, R>(threads: Vec<ScopedJoinHandle<'a, R>>) -> impl Iterator<Item = R> + use<'a, R> {
    let join = |thread: ScopedJoinHandle<'a, R>| thread.join();
    threads
        .into_iter()
        .map(move |thread| join(thread).expect("a thread of the workload panicked"))
}

/// What one thread did, and what it found wrong.
#[derive(Clone, Debug, Default)]
struct Done {
    output: Output,
    findings: Findings,
    latencies: Option<Histogram<u64>>,
}

/// A kind of request.
pub(crate) trait Job<B> {
    /// Makes the next request.
    fn perform(bank: &B, source: &mut impl Source, accounts: usize, done: &mut Doing<'_>);

    /// Counts the accounts when all is quiet.
    fn at_the_end(bank: &B, expected: i64) -> Findings
    where
        B: Bank,
    {
        Findings::at_the_end(expected, &bank.balances())
    }
}

/// What a thread counts and what it finds.
#[derive(Debug)]
pub(crate) struct Doing<'a> {
    pub(crate) tally: &'a mut Tally,
    pub(crate) findings: &'a mut Findings,
}

/// Requests of one kind, while auditors sum up all accounts.
pub(crate) fn run<B: Bank, J: Job<B>>(round: &Round) -> Outcome {
    match round.zipf {
        None => run_from::<B, J, _>(round, |teller| {
            Requests::new(round.seed, teller, round.accounts)
        }),
        Some(theta) => run_from::<B, J, _>(round, |teller| {
            Skewed::new(round.seed, teller, round.accounts, theta)
        }),
    }
}

fn run_from<B: Bank, J: Job<B>, S: Source>(round: &Round, source: impl Fn(usize) -> S) -> Outcome {
    let bank = B::open(round.accounts, OPENING_BALANCE);
    let expected = round.accounts as i64 * OPENING_BALANCE;
    let shift = Shift::new(round.threads + round.auditors);
    let mut outcome = Outcome::default();
    let mut deadlock = None;
    thread::scope(|s| {
        let (bank, shift) = (&bank, &shift);
        let tellers: Vec<_> = (0..round.threads)
            .map(|teller| {
                let mut source = source(teller);
                s.spawn(move || work_until_over::<B, J>(bank, &mut source, shift, round))
            })
            .collect();
        let auditors: Vec<_> = (0..round.auditors)
            .map(|_| s.spawn(move || audit_until_over(bank, expected, shift)))
            .collect();
        let mut look = || match bank.deadlock() {
            Some(accounts) => {
                deadlock.get_or_insert(accounts);
                bank.abandon();
                Look::End
            }
            None => Look::GoOn,
        };
        shift.direct(round.timing, B::CAN_DEADLOCK.then_some(&mut look));
        if B::CAN_DEADLOCK {
            // The last requests can do it, too, after the end.
            while !tellers
                .iter()
                .chain(&auditors)
                .all(ScopedJoinHandle::is_finished)
            {
                _ = look();
                thread::park_timeout(LOOK);
            }
        }
        outcome.collect(join(tellers));
        if !auditors.is_empty() {
            outcome.collect(join(auditors));
        }
    });
    outcome.findings.deadlock = deadlock;
    outcome.findings.add(&J::at_the_end(&bank, expected));
    outcome.findings.overdrawn += bank.overdrafts();
    outcome
}

fn work_until_over<B: Bank, J: Job<B>>(
    bank: &B,
    source: &mut impl Source,
    shift: &Shift,
    round: &Round,
) -> Done {
    let mut findings = Findings::default();
    let accounts = round.accounts;
    if let Some(sampling) = round.sampling {
        let (output, latencies) = sampling::work(shift, sampling, round.threads, |tally| {
            let findings = &mut findings;
            J::perform(bank, source, accounts, &mut Doing { tally, findings });
        });
        return Done {
            output,
            findings,
            latencies: Some(latencies),
        };
    }
    let output = shift.work(|tally| {
        for _ in 0..BATCH {
            let findings = &mut findings;
            J::perform(bank, source, accounts, &mut Doing { tally, findings });
        }
    });
    Done {
        output,
        findings,
        latencies: None,
    }
}

fn audit_until_over<B: Bank>(bank: &B, expected: i64, shift: &Shift) -> Done {
    let mut findings = Findings::default();
    let output = shift.work(|tally| {
        let total = bank.audit(&mut tally.attempts);
        if let Some(total) = total {
            findings.audited(expected, total);
        }
        tally.count(total.is_some());
    });
    findings.starved = u64::from(output.tally.done == 0);
    Done {
        output,
        findings,
        latencies: None,
    }
}
