//! The work: what the threads of one round do, on any bank.
//!
//! Everything here is generic over the bank, never `dyn`: each engine gets a loop of its own, and all of them the
//! same one. What is not the bank's is kept out of that loop. The requests come from a generator of a few
//! instructions, counters are the thread's own, and the common flag is looked at once in [`BATCH`] transfers.

use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use crate::audit::Findings;
use crate::bank::{Bank, WaitingBank, Withdrawal};
use crate::requests::{Request, Requests};
use crate::shift::{Output, Shift, Timing};

/// What each account holds at first. With up to 16 moved at a time, a few requests in a thousand find no
/// cover: enough to show that refusals are right, too few to change what is measured.
pub(crate) const OPENING_BALANCE: i64 = 1000;

/// Transfers between two looks at the flag.
const BATCH: usize = 64;

/// What goes round among those who wait.
const PORTION: i64 = 100;

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
}

/// What came of a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Each kind of work that was measured, under its name.
    pub(crate) outputs: Vec<(&'static str, Output)>,
    pub(crate) findings: Findings,
}

impl Outcome {
    /// Adds up what threads with the same work did and found.
    fn collect(&mut self, name: &'static str, threads: Vec<ScopedJoinHandle<'_, Done>>) {
        let mut sum = Output::default();
        for thread in threads {
            let (output, findings) = thread.join().expect("a thread of the workload panicked");
            sum.add(output);
            self.findings.add(&findings);
        }
        self.outputs.push((name, sum));
    }
}

/// What one thread did, and what it found wrong.
type Done = (Output, Findings);

/// Transfers between random accounts, while auditors sum up all of them.
pub(crate) fn transfers<B: Bank>(round: &Round) -> Outcome {
    let bank = B::open(round.accounts, OPENING_BALANCE);
    let expected = round.accounts as i64 * OPENING_BALANCE;
    let shift = Shift::new(round.threads + round.auditors);
    let mut outcome = Outcome::default();
    thread::scope(|s| {
        let (bank, shift) = (&bank, &shift);
        let tellers = (0..round.threads)
            .map(|teller| {
                let mut requests = Requests::new(round.seed, teller, round.accounts);
                s.spawn(move || transfer_until_over(bank, &mut requests, shift))
            })
            .collect();
        let auditors: Vec<_> = (0..round.auditors)
            .map(|_| s.spawn(move || audit_until_over(bank, expected, shift)))
            .collect();
        shift.direct(round.timing);
        outcome.collect("transfers/s", tellers);
        if !auditors.is_empty() {
            outcome.collect("audits/s", auditors);
        }
    });
    let at_the_end = Findings::at_the_end(expected, &bank.balances());
    outcome.findings.add(&at_the_end);
    outcome
}

fn transfer_until_over<B: Bank>(bank: &B, requests: &mut Requests, shift: &Shift) -> Done {
    let output = shift.work(|tally| {
        for _ in 0..BATCH {
            let Request { from, to, amount } = requests.next();
            let done = bank.try_transfer(from, to, amount, &mut tally.attempts);
            tally.count(done);
        }
    });
    (output, Findings::default())
}

fn audit_until_over<B: Bank>(bank: &B, expected: i64, shift: &Shift) -> Done {
    let mut findings = Findings::default();
    let output = shift.work(|tally| {
        findings.audited(expected, bank.audit(&mut tally.attempts));
        tally.count(true);
    });
    (output, findings)
}

/// Withdrawals that must wait for cover.
///
/// The threads sit in a ring. Each has an account, waits there for a portion, and deposits it in the account of
/// the next one. There is one portion for every two threads, so at any time somebody waits, however fast or slow
/// the engine is. Had some threads nothing to do but to deposit, the accounts would fill up while the others wake,
/// and soon nobody would wait any more.
pub(crate) fn waiting<B: WaitingBank>(round: &Round) -> Outcome {
    let bank = B::open(round.threads, 0);
    let shift = Shift::new(round.threads);
    let mut outcome = Outcome::default();
    let mut expected = 0;
    for pair in 0..round.threads / 2 {
        bank.deposit(2 * pair, PORTION);
        expected += PORTION;
    }
    thread::scope(|s| {
        let (bank, shift) = (&bank, &shift);
        let customers = (0..round.threads)
            .map(|own| {
                let next = (own + 1) % round.threads;
                s.spawn(move || pass_on_until_over(bank, own, next, shift))
            })
            .collect();
        shift.direct(round.timing);
        // After the end of the shift, so that who gives up waiting finds it over.
        bank.close();
        outcome.collect("withdrawals/s", customers);
    });
    let at_the_end = Findings::at_the_end(expected, &bank.balances());
    outcome.findings.add(&at_the_end);
    outcome
}

fn pass_on_until_over<B: WaitingBank>(bank: &B, own: usize, next: usize, shift: &Shift) -> Done {
    let mut output = shift.work(|tally| {
        let withdrawal = bank.withdraw_when_covered(own, PORTION, &mut tally.attempts);
        if withdrawal == Withdrawal::Paid {
            bank.deposit(next, PORTION);
            tally.count(true);
        }
    });
    // Threads that wake each other may take turns on one core, on the quietest machine.
    output.without_core = Duration::ZERO;
    (output, Findings::default())
}
