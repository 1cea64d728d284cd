//! Withdrawals that must wait for cover.

use std::thread;
use std::time::Duration;

use crate::audit::Findings;
use crate::bank::{WaitingBank, Withdrawal};
use crate::shift::{Look, Shift, Tally};
use crate::workload::{Done, Outcome, Round, join, sampling};

/// What goes round among those who wait.
const PORTION: i64 = 100;

/// The threads sit in a ring. Each has an account, waits there for a portion, and deposits it in the account of
/// the next one. There is one portion for every two threads, so at any time somebody waits, however fast or slow
/// the engine is. Had some threads nothing to do but to deposit, the accounts would fill up while the others wake,
/// and soon nobody would wait any more.
pub(crate) fn run<B: WaitingBank>(round: &Round) -> Outcome {
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
                s.spawn(move || pass_on_until_over(bank, own, next, shift, round))
            })
            .collect();
        shift.direct(round.timing, None::<fn() -> Look>);
        // After the end of the shift, so that who gives up waiting finds it over.
        bank.close();
        outcome.collect(join(customers));
    });
    let at_the_end = Findings::at_the_end(expected, &bank.balances());
    outcome.findings.add(&at_the_end);
    outcome
}

fn pass_on_until_over<B: WaitingBank>(
    bank: &B,
    own: usize,
    next: usize,
    shift: &Shift,
    round: &Round,
) -> Done {
    let pass_on = |tally: &mut Tally| {
        let withdrawal = bank.withdraw_when_covered(own, PORTION, &mut tally.attempts);
        if withdrawal == Withdrawal::Paid {
            bank.deposit(next, PORTION);
            tally.count(true);
        }
    };
    let (mut output, latencies) = match round.sampling {
        None => (shift.work(pass_on), None),
        Some(sampling) => {
            let (output, latencies) = sampling::work(shift, sampling, round.threads, pass_on);
            (output, Some(latencies))
        }
    };
    // Threads that wake each other may take turns on one core, on the quietest machine.
    output.without_core = Duration::ZERO;
    Done {
        output,
        findings: Findings::default(),
        latencies,
    }
}
