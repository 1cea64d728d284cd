//! What every model must do, on its own and under load: one suite over the traits.

use std::any::type_name;
use std::thread;
use std::time::Duration;

use crate::bank::{Bank, WaitingBank, Withdrawal};
use crate::condvars::Condvars;
use crate::ordered_mutexes::{OrderedMutexes, Padded};
use crate::shift::Timing;
use crate::stm::{AuditedInTransaction, StmBank};
use crate::watchdog::watched;
use crate::workload::{self, Outcome, Round};

/// Long enough for any machine, short beside a hanging build.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test of the bank `B`; one that hangs ends the tests and says which it was.
fn within_limit<B, R>(what: &str, test: impl FnOnce() -> R) -> R {
    watched(&format!("{what} on {}", type_name::<B>()), LIMIT, test)
}

fn round() -> Round {
    Round {
        // Few, so that threads meet.
        accounts: 4,
        threads: 3,
        auditors: 2,
        timing: Timing::with_warm_up(Duration::from_millis(30)),
        seed: 7,
    }
}

fn assert_sound(outcome: &Outcome) {
    assert!(outcome.findings.is_ok(), "{}", outcome.findings.explain());
    for (name, output) in &outcome.outputs {
        assert!(
            output.tally.attempts >= output.tally.ended,
            "{name}: {output:?}"
        );
        assert!(
            output.tally.ended >= output.tally.done,
            "{name}: {output:?}"
        );
    }
}

fn moves_money_or_refuses<B: Bank>() {
    within_limit::<B, _>("a transfer", || {
        let bank = B::open(3, 10);
        let mut attempts = 0;
        assert!(bank.try_transfer(0, 2, 10, &mut attempts));
        assert!(!bank.try_transfer(0, 1, 1, &mut attempts), "no cover");
        assert!(
            bank.try_transfer(2, 1, 5, &mut attempts),
            "either way round"
        );
        assert_eq!(bank.balances(), [0, 15, 15]);
        assert_eq!(attempts, 3);
        assert_eq!(bank.audit(&mut attempts), 30);
        assert_eq!(attempts, 4);
    });
}

fn keeps_all_money_under_load<B: Bank>() {
    let outcome =
        within_limit::<B, _>(
            "transfers and audits",
            || workload::transfers::<B>(&round()),
        );
    assert_eq!(outcome.outputs.len(), 2, "transfers and audits");
    assert_sound(&outcome);
}

fn waits_for_cover<B: WaitingBank>() {
    within_limit::<B, _>("a withdrawal", || {
        let bank = B::open(1, 0);
        thread::scope(|s| {
            let customer = s.spawn(|| bank.withdraw_when_covered(0, 10, &mut 0));
            // Whether the customer sleeps by now or comes later: neither deposit alone will do.
            bank.deposit(0, 6);
            bank.deposit(0, 6);
            assert_eq!(customer.join().expect("no panic"), Withdrawal::Paid);
        });
        assert_eq!(bank.balances(), [2]);
    });
}

/// Two customers pay each other by turns, and each must wait for the other one. A single wake that gets lost and
/// both wait for good.
fn no_wake_is_lost<B: WaitingBank>() {
    const TURNS: usize = 2000;
    within_limit::<B, _>("paying each other", || {
        let bank = B::open(2, 0);
        let pay_each_other = |own, other| {
            for _ in 0..TURNS {
                assert_eq!(bank.withdraw_when_covered(own, 1, &mut 0), Withdrawal::Paid);
                bank.deposit(other, 1);
            }
        };
        thread::scope(|s| {
            s.spawn(|| pay_each_other(0, 1));
            s.spawn(|| pay_each_other(1, 0));
            bank.deposit(0, 1);
        });
        assert_eq!(bank.balances(), [1, 0]);
    });
}

fn closing_ends_every_wait<B: WaitingBank>() {
    // Again and again, since the wait that closing could miss is one that is just about to begin.
    for _ in 0..100 {
        within_limit::<B, _>("closing", || {
            let bank = B::open(2, 5);
            thread::scope(|s| {
                for account in [0, 0, 1] {
                    let bank = &bank;
                    s.spawn(move || {
                        let withdrawal = bank.withdraw_when_covered(account, 10, &mut 0);
                        assert_eq!(withdrawal, Withdrawal::Closed);
                    });
                }
                bank.close();
            });
            assert_eq!(bank.balances(), [5, 5], "who gives up takes nothing");
            let covered = bank.withdraw_when_covered(0, 5, &mut 0);
            assert_eq!(covered, Withdrawal::Paid, "no need to wait");
        });
    }
}

fn keeps_all_money_while_threads_wait<B: WaitingBank>() {
    for threads in [2, 3, 5] {
        let round = Round { threads, ..round() };
        assert_sound(&within_limit::<B, _>("the ring", || {
            workload::waiting::<B>(&round)
        }));
    }
}

/// A test of each property for each model.
macro_rules! conform {
    ($($model:ident: $bank:ty { $($property:ident)* })*) => {$(
        mod $model {
            use super::*;
            $(
                #[test]
                fn $property() {
                    super::$property::<$bank>();
                }
            )*
        }
    )*};
}

conform! {
    ordered_mutexes: OrderedMutexes { moves_money_or_refuses keeps_all_money_under_load }
    padded_mutexes: OrderedMutexes<Padded> { moves_money_or_refuses keeps_all_money_under_load }
    stm: StmBank {
        moves_money_or_refuses keeps_all_money_under_load
        waits_for_cover no_wake_is_lost closing_ends_every_wait keeps_all_money_while_threads_wait
    }
    stm_audited_in_transaction: AuditedInTransaction { moves_money_or_refuses keeps_all_money_under_load }
    condvars: Condvars { waits_for_cover no_wake_is_lost closing_ends_every_wait keeps_all_money_while_threads_wait }
}
