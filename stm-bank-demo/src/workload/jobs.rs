//! What can be asked of a bank that does not wait.

use crate::bank::{Bank, BatchBank, ChoosingBank, Joint, JointBank};
use crate::requests::{Request, Source};
use crate::workload::{Doing, Job};

/// Amounts that accounts often do not cover, where the work is about what happens then.
const LARGE: i64 = 100;

/// Who is paid in one batch, at most.
const PAYROLL: usize = 8;

/// Money from one account to another one.
#[derive(Debug)]
pub(crate) struct Transfers;

impl<B: Bank> Job<B> for Transfers {
    #[inline]
    fn perform(bank: &B, source: &mut impl Source, _: usize, doing: &mut Doing<'_>) {
        let Request { from, to, amount } = source.next();
        let done = bank.try_transfer(from, to, amount, &mut doing.tally.attempts);
        doing.tally.count(done);
    }
}

/// Two different accounts, and the neighbour of the first that is neither.
#[inline]
fn three(request: Request, accounts: usize) -> [usize; 3] {
    let Request { from, to, .. } = request;
    let mut other = (from + 1) % accounts;
    if other == to {
        other = (other + 1) % accounts;
    }
    [from, other, to]
}

/// Money from the first of two accounts that can.
#[derive(Debug)]
pub(crate) struct Choices;

impl<B: ChoosingBank> Job<B> for Choices {
    #[inline]
    fn perform(bank: &B, source: &mut impl Source, accounts: usize, doing: &mut Doing<'_>) {
        let request = source.next();
        let [first, second, to] = three(request, accounts);
        let attempts = &mut doing.tally.attempts;
        let done = bank.pay_from_first([first, second], to, request.amount * LARGE, attempts);
        doing.tally.count(done);
    }
}

/// Money from one account to many, or to none.
#[derive(Debug)]
pub(crate) struct Batches;

impl<B: BatchBank> Job<B> for Batches {
    #[inline]
    fn perform(bank: &B, source: &mut impl Source, accounts: usize, doing: &mut Doing<'_>) {
        let Request { from, amount, .. } = source.next();
        let mut payees = [0; PAYROLL];
        let count = PAYROLL.min(accounts - 1);
        for (at, payee) in payees[..count].iter_mut().enumerate() {
            *payee = (from + 1 + at) % accounts;
        }
        let done = bank.pay_all(from, &payees[..count], amount, &mut doing.tally.attempts);
        doing.tally.count(done);
    }
}

/// Money from one of two accounts that may go below zero as long as both together do not.
///
/// Accounts 2i and 2i+1 stand in for each other.
#[derive(Debug)]
pub(crate) struct JointTransfers;

impl<B: JointBank> Job<B> for JointTransfers {
    #[inline]
    fn perform(bank: &B, source: &mut impl Source, accounts: usize, doing: &mut Doing<'_>) {
        let Request { from, to, amount } = source.next();
        // An account without a partner neither pays nor is paid.
        let paired = accounts & !1;
        let (from, mut to) = (from % paired, to % paired);
        let partner = from ^ 1;
        if to == from || to == partner {
            to = (from + 2) % paired;
        }
        let attempts = &mut doing.tally.attempts;
        let joint = bank.try_joint_transfer(from, partner, to, amount * LARGE, attempts);
        doing.findings.skewed += u64::from(joint == Joint::Skewed);
        doing.tally.count(joint == Joint::Paid);
    }

    /// One account may be below zero here.
    fn at_the_end(bank: &B, expected: i64) -> crate::audit::Findings {
        let balances = bank.balances();
        let mut findings = crate::audit::Findings::at_the_end(expected, &balances);
        findings.overdrawn = 0;
        let skewed = balances
            .chunks_exact(2)
            .filter(|pair| pair[0] + pair[1] < 0);
        findings.skewed = skewed.count() as u64;
        findings
    }
}
