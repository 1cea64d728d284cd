//! What every model must do: each what it claims, alone and under load. And the wrong ones must be caught.
//!
//! Two suites. One is over the traits, for what an operation does when nobody else is there, and for waiting. The other
//! is over the list of models, as the program sees them: whatever a model does is run under load and held to the model's
//! claims. Then the models that do not claim something are run until the workload has seen why.

use std::any::type_name;
use std::thread;
use std::time::Duration;

use crate::audit::Findings;
use crate::bank::{Bank, BatchBank, ChoosingBank, Joint, JointBank, WaitingBank, Withdrawal};
use crate::models::testing::*;
use crate::models::{MODELS, find};
use crate::scenarios::Work;
use crate::shift::Timing;
use crate::watchdog::watched;
use crate::workload::{Round, Sampling};

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
        zipf: None,
        sampling: None,
    }
}

/// What a model did wrong in a round.
fn findings(model: &str, work: Work, round: &Round) -> Findings {
    let run = find(model)
        .and_then(|model| model.run(work))
        .expect("the model does that");
    // As in the program: who crashes is not audited meanwhile.
    let auditors = if work == Work::Crashes {
        0
    } else {
        round.auditors
    };
    let round = Round { auditors, ..*round };
    let outcome = watched(&format!("{work:?} on {model}"), LIMIT, || run(&round));
    for output in &outcome.outputs {
        assert!(
            output.tally.ended >= output.tally.done,
            "{model}: {output:?}"
        );
    }
    outcome.findings
}

/// Every model keeps what it claims, in all that it does.
fn keeps_its_claims(model: &str) {
    let model = find(model).expect("a model of that name");
    for (work, _) in model.does {
        let mut rounds = vec![
            round(),
            Round {
                threads: 2,
                auditors: 0,
                zipf: Some(0.99),
                ..round()
            },
        ];
        rounds.push(Round {
            sampling: Some(Sampling { rate: Some(5000.0) }),
            ..round()
        });
        for round in rounds {
            let findings = findings(model.name, *work, &round);
            let broken = findings.break_claims(model.claims, *work == Work::Crashes);
            assert!(
                !broken,
                "{work:?} on {}: {findings}: {}",
                model.name,
                findings.explain()
            );
        }
    }
}

/// A test for each model, and one that says that none was forgotten.
macro_rules! every_model {
    ($($test:ident: $model:literal)*) => {
        mod claims {
            $(
                #[test]
                fn $test() {
                    super::keeps_its_claims($model);
                }
            )*
        }

        #[test]
        fn every_model_is_held_to_its_claims() {
            let tested = [$($model),*];
            let all: Vec<_> = MODELS.iter().map(|model| model.name).collect();
            assert_eq!(tested[..], all[..]);
        }
    };
}

every_model! {
    ordered_mutexes: "ordered-mutexes"
    stm: "stm"
    padded_mutexes: "padded-mutexes"
    stm_atomic_audit: "stm-atomic-audit"
    condvars: "condvars"
    parking_lot: "parking-lot"
    parking_lot_global: "parking-lot-global"
    parking_lot_rwlock: "parking-lot-rwlock"
    global_mutex: "global-mutex"
    rwlock: "rwlock"
    owner_thread: "owner-thread"
    account_threads: "account-threads"
    ractor: "ractor"
    optimistic: "optimistic"
    arc_swap: "arc-swap"
    one_at_a_time: "one-at-a-time"
    unordered_mutexes: "unordered-mutexes"
    racy: "racy"
    metrics_mutex: "metrics-mutex"
    metrics_accountant: "metrics-accountant"
    metrics_atomics: "metrics-atomics"
    metrics_shards: "metrics-shards"
    metrics_stm: "metrics-stm"
    pipeline_condvars: "pipeline-condvars"
    pipeline_channels: "pipeline-channels"
    pipeline_stm: "pipeline-stm"
}

/// Runs a model until it was caught: what one round shows depends on how its threads meet.
fn is_caught(model: &str, work: Work, round: &Round, wrong: impl Fn(&Findings) -> bool) {
    watched(&format!("catching {model}"), LIMIT, || {
        for repeat in 0.. {
            let round = Round {
                seed: round.seed + repeat,
                ..*round
            };
            if wrong(&findings(model, work, &round)) {
                break;
            }
        }
    });
}

#[test]
fn racy_makes_or_loses_money() {
    is_caught("racy", Work::Transfers, &round(), |found| {
        found.lost + found.made > 0
    });
}

#[test]
fn racy_overdraws_where_two_see_the_same_cover() {
    is_caught("racy", Work::Transfers, &round(), |found| {
        found.overdrawn > 0
    });
}

#[test]
fn racy_allows_write_skew() {
    is_caught("racy", Work::Joint, &round(), |found| found.skewed > 0);
}

#[test]
fn unordered_mutexes_deadlock_and_let_go() {
    // The accounts are named, and the round has ended: no thread stays behind.
    is_caught("unordered-mutexes", Work::Transfers, &round(), |found| {
        found.deadlock.as_ref().is_some_and(|accounts| {
            assert!(
                accounts.len() >= 2 && accounts.iter().all(|&account| account < 4),
                "{accounts:?}"
            );
            true
        })
    });
}

#[test]
fn one_lock_at_a_time_tears_audits() {
    is_caught("one-at-a-time", Work::Transfers, &round(), |found| {
        found.torn_audits > 0
    });
}

#[test]
fn one_lock_at_a_time_allows_write_skew() {
    is_caught("one-at-a-time", Work::Joint, &round(), |found| {
        found.skewed > 0
    });
}

#[test]
fn accounts_that_are_threads_have_money_in_limbo() {
    is_caught("account-threads", Work::Transfers, &round(), |found| {
        found.torn_audits > 0 && found.limbo > 0
    });
}

#[test]
fn accounts_that_are_actors_have_money_in_limbo() {
    is_caught("ractor", Work::Transfers, &round(), |found| {
        found.torn_audits > 0 && found.limbo > 0
    });
}

#[test]
fn crashes_lose_money_where_locks_have_no_poison() {
    for model in ["parking-lot", "racy"] {
        is_caught(model, Work::Crashes, &round(), |found| found.lost > 0);
    }
}

#[test]
fn crashes_end_the_service_where_locks_are_poisoned_or_the_owner_dies() {
    for model in ["ordered-mutexes", "global-mutex", "owner-thread"] {
        is_caught(model, Work::Crashes, &round(), |found| {
            found.broken.is_some()
        });
    }
}

#[test]
fn metrics_on_atomics_are_torn() {
    is_caught("metrics-atomics", Work::Metrics, &round(), |found| {
        found.torn_audits > 0
    });
}

#[test]
fn two_channels_mix_up_pairs() {
    is_caught("pipeline-channels", Work::Pipeline, &round(), |found| {
        found.mismatched > 0
    });
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
        assert_eq!(bank.audit(&mut attempts), Some(30));
        assert_eq!(attempts, 4);
    });
}

fn pays_from_the_first_that_can<B: ChoosingBank>() {
    within_limit::<B, _>("a choice", || {
        let bank = B::open(3, 10);
        assert!(bank.pay_from_first([2, 0], 1, 10, &mut 0));
        assert_eq!(bank.balances(), [10, 20, 0], "the first");
        assert!(bank.pay_from_first([2, 0], 1, 10, &mut 0));
        assert_eq!(bank.balances(), [0, 30, 0], "the second");
        assert!(!bank.pay_from_first([2, 0], 1, 1, &mut 0));
        assert_eq!(bank.balances(), [0, 30, 0], "neither");
    });
}

fn pays_all_or_none<B: BatchBank>() {
    within_limit::<B, _>("a batch", || {
        let bank = B::open(4, 10);
        assert!(bank.pay_all(1, &[3, 0], 5, &mut 0));
        assert_eq!(bank.balances(), [15, 0, 10, 15]);
        assert!(
            !bank.pay_all(2, &[0, 1, 3], 4, &mut 0),
            "covers two of three"
        );
        assert_eq!(bank.balances(), [15, 0, 10, 15]);
    });
}

fn lets_one_of_two_go_below_zero<B: JointBank>() {
    within_limit::<B, _>("a joint rule", || {
        let bank = B::open(3, 10);
        assert_eq!(bank.try_joint_transfer(1, 0, 2, 15, &mut 0), Joint::Paid);
        assert_eq!(bank.balances(), [10, -5, 25]);
        assert_eq!(bank.try_joint_transfer(0, 1, 2, 6, &mut 0), Joint::Refused);
        assert_eq!(bank.balances(), [10, -5, 25]);
        assert_eq!(bank.try_joint_transfer(0, 1, 2, 5, &mut 0), Joint::Paid);
        assert_eq!(bank.balances(), [5, -5, 30]);
    });
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
    ordered_mutexes: OrderedMutexes {
        moves_money_or_refuses pays_from_the_first_that_can pays_all_or_none lets_one_of_two_go_below_zero
    }
    padded_mutexes: OrderedMutexes<Padded> { moves_money_or_refuses }
    parking_lot: ParkingLot { moves_money_or_refuses }
    parking_lot_global: GlobalParkingLot { moves_money_or_refuses }
    parking_lot_rwlock: ParkingLotRwLock { moves_money_or_refuses }
    global_mutex: GlobalMutex {
        moves_money_or_refuses pays_from_the_first_that_can pays_all_or_none lets_one_of_two_go_below_zero
    }
    rwlock: OneRwLock { moves_money_or_refuses }
    owner_thread: OwnerThread {
        moves_money_or_refuses pays_from_the_first_that_can pays_all_or_none lets_one_of_two_go_below_zero
    }
    account_threads: AccountThreads { moves_money_or_refuses }
    ractor: Actors { moves_money_or_refuses }
    optimistic: Optimistic { moves_money_or_refuses }
    arc_swap: Rcu { moves_money_or_refuses lets_one_of_two_go_below_zero }
    one_at_a_time: OneAtATime { moves_money_or_refuses lets_one_of_two_go_below_zero }
    unordered_mutexes: UnorderedMutexes { moves_money_or_refuses }
    racy: Racy { moves_money_or_refuses lets_one_of_two_go_below_zero }
    stm: StmBank {
        moves_money_or_refuses pays_from_the_first_that_can pays_all_or_none lets_one_of_two_go_below_zero
        waits_for_cover no_wake_is_lost closing_ends_every_wait
    }
    stm_audited_in_transaction: AuditedInTransaction { moves_money_or_refuses }
    condvars: Condvars { waits_for_cover no_wake_is_lost closing_ends_every_wait }
}
