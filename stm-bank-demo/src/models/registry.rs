//! The list of models: what each is called, what it claims, and which work it does.

use crate::bank::Claims;
use crate::models::account_threads::AccountThreads;
use crate::models::actors::Actors;
use crate::models::arc_swap::Rcu;
use crate::models::condvars::Condvars;
use crate::models::global_mutex::GlobalMutex;
use crate::models::one_at_a_time::OneAtATime;
use crate::models::optimistic::Optimistic;
use crate::models::ordered_mutexes::{OrderedMutexes, Padded};
use crate::models::owner_thread::OwnerThread;
use crate::models::parking_lot::{GlobalParkingLot, ParkingLot, ParkingLotRwLock};
use crate::models::racy::Racy;
use crate::models::rwlock::OneRwLock;
use crate::models::stm::{AuditedInTransaction, StmBank};
use crate::models::unordered_mutexes::UnorderedMutexes;
use crate::models::{metrics, pipeline};
use crate::scenarios::Work;
use crate::workload::crashing::Crashes;
use crate::workload::jobs::{Batches, Choices, JointTransfers, Transfers};
use crate::workload::{self, Outcome, Round};

/// A way to share state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    /// mutex, channel, actor, optimistic, stm or racy.
    pub(crate) family: &'static str,
    pub(crate) about: &'static str,
    pub(crate) claims: Claims,
    /// Its file, as it was compiled.
    pub(crate) source: &'static str,
    pub(crate) does: &'static [(Work, Run)],
    /// More accounts than this it cannot keep.
    pub(crate) most_accounts: usize,
    /// Why it does not do the other kinds of work.
    pub(crate) why_no_more: &'static str,
}

/// A round of some work.
pub(crate) type Run = fn(&Round) -> Outcome;

impl Model {
    /// How it does this kind of work, if it does.
    pub(crate) fn run(&self, work: Work) -> Option<Run> {
        let (_, run) = self.does.iter().find(|(does, _)| *does == work)?;
        Some(*run)
    }
}

/// The model of that name.
pub(crate) fn find(name: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.name == name)
}

/// A mutex that forgets that somebody panicked, or an atomic: the money is gone, the bank goes on.
const BUT_CRASHES: Claims = Claims {
    survives_crash: false,
    ..Claims::ALL
};

const NO_LIMIT: usize = usize::MAX;

/// What a system lets a process have without being asked, and some to spare.
const MOST_THREADS: usize = 4096;

/// Beyond this a round is about starting them.
const MOST_ACTORS: usize = 65_536;

const NOT_A_BANK: &str = "counts requests and keeps no accounts";
const NOT_AN_AUDITED_BANK: &str = "a pipeline and no bank";
const OTHERS_SHOW_IT: &str = "it would be line by line as with ordered-mutexes";
const TWO_ACCOUNTS_AT_ONCE: &str = "no account can decide for another one: it would take a protocol in several steps, as with ractor";

/// All models, the reference first.
pub(crate) const MODELS: &[Model] = &[
    Model {
        name: "ordered-mutexes",
        family: "mutex",
        about: "a std mutex per account, locked in the order of their numbers",
        claims: BUT_CRASHES,
        source: include_str!("ordered_mutexes.rs"),
        does: &[
            (Work::Transfers, workload::run::<OrderedMutexes, Transfers>),
            (Work::Choices, workload::run::<OrderedMutexes, Choices>),
            (Work::Batches, workload::run::<OrderedMutexes, Batches>),
            (Work::Joint, workload::run::<OrderedMutexes, JointTransfers>),
            (Work::Crashes, workload::run::<OrderedMutexes, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: "a mutex alone cannot wait for money: see condvars",
    },
    Model {
        name: "stm",
        family: "stm",
        about: "transactional variables; transfer = withdraw, then deposit; audits are snapshots",
        claims: Claims::ALL,
        source: include_str!("stm.rs"),
        does: &[
            (Work::Transfers, workload::run::<StmBank, Transfers>),
            (Work::Waits, workload::waiting::run::<StmBank>),
            (Work::Choices, workload::run::<StmBank, Choices>),
            (Work::Batches, workload::run::<StmBank, Batches>),
            (Work::Joint, workload::run::<StmBank, JointTransfers>),
            (Work::Crashes, workload::run::<StmBank, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: "metrics and pipelines are not banks: see metrics-stm and pipeline-stm",
    },
    Model {
        name: "padded-mutexes",
        family: "mutex",
        about: "ordered-mutexes, each on cache lines of its own",
        claims: BUT_CRASHES,
        source: include_str!("ordered_mutexes.rs"),
        does: &[(
            Work::Transfers,
            workload::run::<OrderedMutexes<Padded>, Transfers>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: OTHERS_SHOW_IT,
    },
    Model {
        name: "stm-atomic-audit",
        family: "stm",
        about: "stm, with the audit in an ordinary transaction",
        claims: Claims::ALL,
        source: include_str!("stm.rs"),
        does: &[(
            Work::Transfers,
            workload::run::<AuditedInTransaction, Transfers>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: "it differs from stm only in its audits",
    },
    Model {
        name: "condvars",
        family: "mutex",
        about: "a mutex and a condition variable per account, for customers who wait",
        claims: BUT_CRASHES,
        source: include_str!("condvars.rs"),
        does: &[(Work::Waits, workload::waiting::run::<Condvars>)],
        most_accounts: NO_LIMIT,
        why_no_more: "what it adds to ordered-mutexes is waiting",
    },
    Model {
        name: "parking-lot",
        family: "mutex",
        about: "ordered-mutexes on parking_lot: smaller, and not poisoned by a panic",
        claims: BUT_CRASHES,
        source: include_str!("parking_lot.rs"),
        does: &[
            (Work::Transfers, workload::run::<ParkingLot, Transfers>),
            (Work::Crashes, workload::run::<ParkingLot, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: OTHERS_SHOW_IT,
    },
    Model {
        name: "parking-lot-global",
        family: "mutex",
        about: "global-mutex on parking_lot",
        claims: BUT_CRASHES,
        source: include_str!("parking_lot.rs"),
        does: &[(
            Work::Transfers,
            workload::run::<GlobalParkingLot, Transfers>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: "it would be line by line as with global-mutex",
    },
    Model {
        name: "parking-lot-rwlock",
        family: "mutex",
        about: "rwlock on parking_lot: readers do not keep writers out",
        claims: BUT_CRASHES,
        source: include_str!("parking_lot.rs"),
        does: &[(
            Work::Transfers,
            workload::run::<ParkingLotRwLock, Transfers>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: "whatever writes is as with global-mutex",
    },
    Model {
        name: "global-mutex",
        family: "mutex",
        about: "one std mutex around all accounts",
        claims: BUT_CRASHES,
        source: include_str!("global_mutex.rs"),
        does: &[
            (Work::Transfers, workload::run::<GlobalMutex, Transfers>),
            (Work::Choices, workload::run::<GlobalMutex, Choices>),
            (Work::Batches, workload::run::<GlobalMutex, Batches>),
            (Work::Joint, workload::run::<GlobalMutex, JointTransfers>),
            (Work::Crashes, workload::run::<GlobalMutex, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: "a mutex alone cannot wait for money: see condvars",
    },
    Model {
        name: "rwlock",
        family: "mutex",
        about: "one std readers-writer lock around all accounts; audits share it",
        claims: BUT_CRASHES,
        source: include_str!("rwlock.rs"),
        does: &[(Work::Transfers, workload::run::<OneRwLock, Transfers>)],
        most_accounts: NO_LIMIT,
        why_no_more: "whatever writes is as with global-mutex",
    },
    Model {
        name: "owner-thread",
        family: "channel",
        about: "one thread owns all accounts; requests and answers over bounded channels",
        claims: BUT_CRASHES,
        source: include_str!("owner_thread.rs"),
        does: &[
            (Work::Transfers, workload::run::<OwnerThread, Transfers>),
            (Work::Choices, workload::run::<OwnerThread, Choices>),
            (Work::Batches, workload::run::<OwnerThread, Batches>),
            (Work::Joint, workload::run::<OwnerThread, JointTransfers>),
            (Work::Crashes, workload::run::<OwnerThread, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: "the owner must not wait: it would have to keep a list of who does",
    },
    Model {
        name: "account-threads",
        family: "channel",
        about: "a thread per account; the payer's withdraws and sends a deposit: money in limbo",
        claims: Claims {
            whole_audits: false,
            ..BUT_CRASHES
        },
        source: include_str!("account_threads.rs"),
        does: &[(Work::Transfers, workload::run::<AccountThreads, Transfers>)],
        most_accounts: MOST_THREADS,
        why_no_more: TWO_ACCOUNTS_AT_ONCE,
    },
    Model {
        name: "ractor",
        family: "actor",
        about: "supervised actors; a transfer in two steps, the second tried again or compensated for",
        claims: Claims {
            whole_audits: false,
            ..Claims::ALL
        },
        source: include_str!("actors.rs"),
        does: &[
            (Work::Transfers, workload::run::<Actors, Transfers>),
            (Work::Crashes, workload::run::<Actors, Crashes>),
        ],
        most_accounts: MOST_ACTORS,
        why_no_more: "each would be one more protocol between actors",
    },
    Model {
        name: "optimistic",
        family: "optimistic",
        about: "a version per account, compare-and-swap, retry by hand; audits give up under writes",
        claims: Claims {
            no_starvation: false,
            ..BUT_CRASHES
        },
        source: include_str!("optimistic.rs"),
        does: &[(Work::Transfers, workload::run::<Optimistic, Transfers>)],
        most_accounts: NO_LIMIT,
        why_no_more: "each would be one more protocol by hand; and who crashes between swap and write locks the \
                      account for good",
    },
    Model {
        name: "arc-swap",
        family: "optimistic",
        about: "an immutable vector behind one pointer that is replaced (read-copy-update)",
        claims: Claims::ALL,
        source: include_str!("arc_swap.rs"),
        does: &[
            (Work::Transfers, workload::run::<Rcu, Transfers>),
            (Work::Joint, workload::run::<Rcu, JointTransfers>),
            (Work::Crashes, workload::run::<Rcu, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: "whatever else is changed is copied in the same way; it cannot wait",
    },
    Model {
        name: "one-at-a-time",
        family: "mutex",
        about: "WRONG: a mutex per account, never two locked at once: totals that never were",
        claims: Claims {
            whole_audits: false,
            joint_rules: false,
            ..BUT_CRASHES
        },
        source: include_str!("one_at_a_time.rs"),
        does: &[
            (Work::Transfers, workload::run::<OneAtATime, Transfers>),
            (Work::Joint, workload::run::<OneAtATime, JointTransfers>),
            (Work::Crashes, workload::run::<OneAtATime, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: "it has shown enough",
    },
    Model {
        name: "unordered-mutexes",
        family: "mutex",
        about: "WRONG: a mutex per account, payer first: deadlocks, and the watchdog says where",
        claims: Claims {
            no_deadlock: false,
            no_starvation: false,
            ..BUT_CRASHES
        },
        source: include_str!("unordered_mutexes.rs"),
        does: &[(
            Work::Transfers,
            workload::run::<UnorderedMutexes, Transfers>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: "it has shown enough",
    },
    Model {
        name: "racy",
        family: "racy",
        about: "WRONG: atomics, checked first and changed later: money made and lost",
        claims: Claims::NONE,
        source: include_str!("racy.rs"),
        does: &[
            (Work::Transfers, workload::run::<Racy, Transfers>),
            (Work::Joint, workload::run::<Racy, JointTransfers>),
            (Work::Crashes, workload::run::<Racy, Crashes>),
        ],
        most_accounts: NO_LIMIT,
        why_no_more: "it has shown enough",
    },
    Model {
        name: "metrics-mutex",
        family: "mutex",
        about: "metrics behind one mutex",
        claims: BUT_CRASHES,
        source: include_str!("metrics/shared.rs"),
        does: &[(Work::Metrics, workload::metrics::run::<metrics::Shared>)],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_A_BANK,
    },
    Model {
        name: "metrics-accountant",
        family: "channel",
        about: "metrics kept by a thread at the end of a bounded channel",
        claims: BUT_CRASHES,
        source: include_str!("metrics/accountant.rs"),
        does: &[(Work::Metrics, workload::metrics::run::<metrics::Accountant>)],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_A_BANK,
    },
    Model {
        name: "metrics-atomics",
        family: "racy",
        about: "metrics on atomics: each cell right, a reading torn",
        claims: Claims {
            whole_audits: false,
            ..BUT_CRASHES
        },
        source: include_str!("metrics/atomics.rs"),
        does: &[(Work::Metrics, workload::metrics::run::<metrics::Atomics>)],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_A_BANK,
    },
    Model {
        name: "metrics-shards",
        family: "mutex",
        about: "metrics in a shard per thread, added up by who reads",
        claims: BUT_CRASHES,
        source: include_str!("metrics/shards.rs"),
        does: &[(Work::Metrics, workload::metrics::run::<metrics::Shards>)],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_A_BANK,
    },
    Model {
        name: "metrics-stm",
        family: "stm",
        about: "metrics in transactional variables, read as a snapshot",
        claims: Claims::ALL,
        source: include_str!("metrics/transactions.rs"),
        does: &[(
            Work::Metrics,
            workload::metrics::run::<metrics::Transactions>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_A_BANK,
    },
    Model {
        name: "pipeline-condvars",
        family: "mutex",
        about: "two queues under one mutex, with condition variables",
        claims: BUT_CRASHES,
        source: include_str!("pipeline/condvars.rs"),
        does: &[(
            Work::Pipeline,
            workload::pipeline::run::<pipeline::Condvars>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_AN_AUDITED_BANK,
    },
    Model {
        name: "pipeline-channels",
        family: "channel",
        about: "WRONG: two bounded channels, read one after the other: pairs that do not belong together",
        claims: Claims::NONE,
        source: include_str!("pipeline/channels.rs"),
        does: &[(
            Work::Pipeline,
            workload::pipeline::run::<pipeline::Channels>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_AN_AUDITED_BANK,
    },
    Model {
        name: "pipeline-stm",
        family: "stm",
        about: "two transactional queues that know nothing of each other, zipped",
        claims: Claims::ALL,
        source: include_str!("pipeline/transactions.rs"),
        does: &[(
            Work::Pipeline,
            workload::pipeline::run::<pipeline::Transactions>,
        )],
        most_accounts: NO_LIMIT,
        why_no_more: NOT_AN_AUDITED_BANK,
    },
];
