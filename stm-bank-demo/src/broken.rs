//! Banks that are wrong on purpose: a check that has never failed is not known to work.
//!
//! Each is wrong in one way, on every run and on any schedule, and goes the whole way from the threads to the
//! exit code.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::bank::{Accounts, Bank, Claims, WaitingBank, Withdrawal};
use crate::compare::{Contender, Limits, Scenario};
use crate::models::Run;
use crate::output::{self, Format};
use crate::shift::Timing;
use crate::summary::summarize;
use crate::workload::jobs::Transfers;
use crate::workload::{self, Round};
use crate::{BROKEN, report, session};

/// The accounts of all banks below, behind one lock.
struct Ledger(Mutex<Vec<i64>>);

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Vec<i64>> {
        self.0
            .lock()
            .expect("nothing panics with the ledger locked")
    }
}

/// Declares banks that keep a ledger.
macro_rules! on_a_ledger {
    ($($bank:ident),*) => {$(
        struct $bank(Ledger);

        impl Accounts for $bank {
            fn open(accounts: usize, balance: i64) -> Self {
                Self(Ledger(Mutex::new(vec![balance; accounts])))
            }

            fn balances(&self) -> Vec<i64> {
                self.0.lock().clone()
            }
        }
    )*};
}

on_a_ledger!(
    Right,
    Embezzler,
    Counterfeiter,
    Creditor,
    Overlooker,
    Procrastinator,
    Forgetter
);

/// Right. With it the others are known to be found out for what they do, not for how they are built.
impl Bank for Right {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, _: &mut u64) -> bool {
        let mut accounts = self.0.lock();
        let covered = accounts[from] >= amount;
        if covered {
            accounts[from] -= amount;
            accounts[to] += amount;
        }
        covered
    }

    fn audit(&self, _: &mut u64) -> Option<i64> {
        Some(self.0.lock().iter().sum())
    }
}

/// Withdraws and does not deposit.
impl Bank for Embezzler {
    fn try_transfer(&self, from: usize, _: usize, amount: i64, _: &mut u64) -> bool {
        self.0.lock()[from] -= amount;
        true
    }

    fn audit(&self, _: &mut u64) -> Option<i64> {
        Some(self.0.lock().iter().sum())
    }
}

/// Deposits and does not withdraw.
impl Bank for Counterfeiter {
    fn try_transfer(&self, _: usize, to: usize, amount: i64, _: &mut u64) -> bool {
        self.0.lock()[to] += amount;
        true
    }

    fn audit(&self, _: &mut u64) -> Option<i64> {
        Some(self.0.lock().iter().sum())
    }
}

/// Lets one customer take more than there is.
impl Bank for Creditor {
    fn try_transfer(&self, _: usize, _: usize, _: i64, _: &mut u64) -> bool {
        let mut accounts = self.0.lock();
        if accounts[0] >= 0 {
            accounts[0] -= 1_000_000;
            accounts[1] += 1_000_000;
        }
        true
    }

    fn audit(&self, _: &mut u64) -> Option<i64> {
        Some(self.0.lock().iter().sum())
    }
}

/// Sums up one account after the other, while money moves from one that is still to come to one that was
/// counted. The move is made here, and undone, so that it does not take luck.
impl Bank for Overlooker {
    fn try_transfer(&self, _: usize, _: usize, _: i64, _: &mut u64) -> bool {
        true
    }

    fn audit(&self, _: &mut u64) -> Option<i64> {
        let mut accounts = self.0.lock();
        let first = accounts[0];
        accounts[0] += 1;
        accounts[1] -= 1;
        let others: i64 = accounts[1..].iter().sum();
        accounts[0] -= 1;
        accounts[1] += 1;
        Some(first + others)
    }
}

/// Never gets an audit done.
impl Bank for Procrastinator {
    fn try_transfer(&self, _: usize, _: usize, _: i64, _: &mut u64) -> bool {
        true
    }

    fn audit(&self, _: &mut u64) -> Option<i64> {
        None
    }
}

/// Takes deposits and does not write them down.
impl WaitingBank for Forgetter {
    fn deposit(&self, _: usize, _: i64) {}

    fn withdraw_when_covered(&self, _: usize, _: i64, _: &mut u64) -> Withdrawal {
        Withdrawal::Closed
    }

    fn close(&self) {}
}

/// The verdict on a bank, after the whole way that a real one goes.
fn verdict(run: Run) -> String {
    let told = with_claims(run, Claims::ALL);
    let unclaimed = with_claims(run, Claims::NONE);
    assert_eq!(
        told == "OK",
        unclaimed == "OK",
        "{told} and {unclaimed}: claims hide nothing"
    );
    told
}

fn with_claims(run: Run, claims: Claims) -> String {
    let scenario = Scenario {
        name: "broken".to_owned(),
        about: String::new(),
        round: Round {
            accounts: 4,
            threads: 2,
            auditors: 1,
            timing: Timing::with_warm_up(Duration::from_millis(2)),
            seed: 1,
            zipf: None,
            sampling: None,
        },
        reference: "a bank",
        crashing: false,
        busy_threads: 3,
        repeats: 2,
        contenders: vec![Contender {
            model: "a bank",
            family: "mutex",
            claims,
            run,
        }],
    };
    let limits = Limits {
        grace: Duration::from_secs(60),
        rate: None,
    };
    let standings = scenario.compare(limits, |_| {});
    let verdict = standings[0].findings.to_string();
    let mut report = session::blank(1, 2);
    report.scenarios.push(summarize(&scenario, &standings));

    let mut table = Vec::new();
    output::write(Format::Table, &report, false, &mut table).expect("a vector takes everything");
    let table = String::from_utf8(table).expect("text");
    assert!(table.contains(&verdict), "{verdict}");
    let told = report::what_broke(&report.scenarios);
    if verdict == "OK" || claims == Claims::NONE {
        assert_eq!(session::exit_code(&report), 0);
        assert_eq!(told, "");
    } else {
        assert_eq!(session::exit_code(&report), BROKEN);
        assert!(told.starts_with("'broken' on a bank: "), "{told}");
        assert!(told.contains(&verdict), "{verdict} is not in {told}");
    }
    verdict
}

fn transferring<B: Bank>() -> String {
    verdict(workload::run::<B, Transfers>)
}

#[test]
fn a_right_bank_is_ok() {
    assert_eq!(transferring::<Right>(), "OK");
}

#[test]
fn lost_money_is_noticed() {
    let verdict = transferring::<Embezzler>();
    assert!(verdict.starts_with("LOST "), "{verdict}");
}

#[test]
fn made_money_is_noticed() {
    let verdict = transferring::<Counterfeiter>();
    assert!(verdict.starts_with("MADE "), "{verdict}");
}

#[test]
fn an_overdrawn_account_is_noticed_though_the_total_is_right() {
    assert_eq!(transferring::<Creditor>(), "OVERDRAWN 3", "one a round");
}

#[test]
fn a_torn_audit_is_noticed_though_the_final_count_is_right() {
    let verdict = transferring::<Overlooker>();
    assert!(verdict.starts_with("TORN AUDITS "), "{verdict}");
}

#[test]
fn audits_that_never_end_are_noticed() {
    assert_eq!(transferring::<Procrastinator>(), "STARVED");
}

#[test]
fn a_lost_deposit_is_noticed_though_all_wait_for_it() {
    let verdict = verdict(workload::waiting::run::<Forgetter>);
    assert_eq!(verdict, "LOST 300", "a portion a round");
}
