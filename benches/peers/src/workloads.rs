//! Who takes part in what: the cases of every workload, with everybody who can run them and with the reasons of those who cannot.

use std::collections::{BTreeSet, HashSet};

use stm_benches::engine::Engine;
use stm_benches::measure::interleave::{Case, Contender, Metric};
use stm_benches::ours::{StmCore, StmCoreAtomically};
use stm_benches::slots::OnEngine;
use stm_benches::money::Wide;
use stm_benches::workloads::{
    alternatives, bank, big, boxed, counter, intset, lee, pairs, scan, swaps, vacation, wakeup,
};
use stm_collections::{TOrdSet, TSet};

use crate::adapters::arc_swap::{self, Rcu};
use crate::adapters::async_stm::AsyncStm;
use crate::adapters::batons::{OnChannels, OnCondvar, OnNotify};
use crate::adapters::dashmap::Dash;
use crate::adapters::fast_stm::FastStm;
use crate::adapters::global_mutex::GlobalMutex;
use crate::adapters::kovan_stm::KovanStm;
use crate::adapters::ordered::NOT_KNOWN_BEFOREHAND;
use crate::adapters::papaya::Papaya;
use crate::adapters::parking_lot::{self, ParkingLots};
use crate::adapters::rwlock::GlobalRwLock;
use crate::adapters::std_mutex::{self, StdMutexes};
use crate::adapters::stm::Stm;
use crate::adapters::whole::{Atomic, Locked};
use crate::{maps, memory, queues};

/// Something to run.
pub struct Workload {
    /// By which it is chosen.
    pub name: &'static str,
    /// What it is about, in a line.
    pub about: &'static str,
    /// Its cases, with all contenders.
    pub cases: fn() -> Vec<Case<'static>>,
}

/// In the order in which they run.
pub const ALL: [Workload; 16] = [
    Workload {
        name: "bank",
        about: "transfers between accounts, with read-alls among them or beside them (TinySTM)",
        cases: bank_cases,
    },
    Workload {
        name: "audits",
        about: "sums over all accounts beside a transferring thread",
        cases: audits_cases,
    },
    Workload {
        name: "intset",
        about: "sets as list, hash and ordered; small and large, reads and updates (TinySTM)",
        cases: intset_cases,
    },
    Workload {
        name: "vacation",
        about: "a travel agency with little and with more contention (STAMP)",
        cases: vacation_cases,
    },
    Workload {
        name: "lee",
        about: "wires on a board, found and laid in one transaction each (Lee-TM)",
        cases: lee_cases,
    },
    Workload {
        name: "swaps",
        about: "2, 32 and 128 swaps a transaction, inline and boxed",
        cases: swaps_cases,
    },
    Workload {
        name: "pairs",
        about: "threads in a ring that conflict with their neighbours: latencies",
        cases: pairs_cases,
    },
    Workload {
        name: "scan",
        about: "65536 variables read at one moment beside a writer",
        cases: scan_cases,
    },
    Workload {
        name: "counter",
        about: "one hot variable, modified and commuted",
        cases: counter_cases,
    },
    Workload {
        name: "wakeup",
        about: "two threads, or tasks, that take turns and wait for each other",
        cases: wakeup_cases,
    },
    Workload {
        name: "big",
        about: "2 to 65536 accesses in a transaction",
        cases: big_cases,
    },
    Workload {
        name: "alternatives",
        about: "or_else: the first payer that has cover",
        cases: alternatives_cases,
    },
    Workload {
        name: "boxed",
        about: "transfers of i64, of strings and of 200-byte records",
        cases: boxed_cases,
    },
    Workload {
        name: "memory",
        about: "bytes a variable",
        cases: memory::cases,
    },
    Workload {
        name: "maps",
        about: "TMap beside maps that do not compose, and moves between two maps",
        cases: maps::cases,
    },
    Workload {
        name: "queues",
        about: "TQueue and TBQueue beside crossbeam's and tokio's",
        cases: queues::cases,
    },
];

/// The contender that `$make` makes of each engine, `$engine` standing for it.
macro_rules! engines {
    ($engine:ident => $make:expr) => {
        vec![
            { type $engine = StmCore; $make },
            { type $engine = FastStm; $make },
            { type $engine = Stm; $make },
            { type $engine = AsyncStm; $make },
            { type $engine = KovanStm; $make },
            { type $engine = GlobalMutex; $make },
            { type $engine = GlobalRwLock; $make },
        ]
    };
}

/// The contender that `$make` makes of everybody who has slots, `$slots` standing for them and `$name` for their name.
macro_rules! slots {
    ($money:ty; $slots:ident, $name:ident => $make:expr) => {{
        let mut all = engines!(E => { type $slots = OnEngine<E, $money>; let $name = E::NAME; $make });
        all.push({ type $slots = StdMutexes<$money>; let $name = std_mutex::NAME; $make });
        all.push({ type $slots = ParkingLots<$money>; let $name = parking_lot::NAME; $make });
        all.push({ type $slots = Rcu<$money>; let $name = arc_swap::NAME; $make });
        all
    }};
}

fn case(
    workload: &'static str,
    name: impl Into<String>,
    metrics: impl Into<Vec<Metric>>,
    contenders: Vec<Contender<'static>>,
) -> Case<'static> {
    Case {
        workload,
        name: name.into(),
        metrics: metrics.into(),
        contenders,
    }
}

fn bank_case(workload: &'static str, name: &str, params: bank::Params) -> Case<'static> {
    let mut contenders = slots!(i64; S, name => bank::contender::<S>(name, params));
    if params.read_all_percent + params.read_all_threads as u64 > 0 {
        type S = OnEngine<StmCoreAtomically>;
        contenders.insert(1, bank::contender::<S>(StmCoreAtomically::NAME, params));
    }
    case(workload, name, bank::metrics(&params), contenders)
}

fn bank_cases() -> Vec<Case<'static>> {
    let cases = bank::CASES.iter();
    cases
        .map(|(name, params)| bank_case("bank", name, *params))
        .collect()
}

fn audits_cases() -> Vec<Case<'static>> {
    let cases = bank::AUDITS.iter();
    cases
        .map(|(name, params)| bank_case("audits", name, *params))
        .collect()
}

fn intset_cases() -> Vec<Case<'static>> {
    let cases = intset::CASES.iter().map(|&(name, kind, params)| {
        let mut contenders = match kind {
            intset::Kind::List => {
                engines!(E => intset::contender::<intset::ListSet<E>>(E::NAME, params))
            }
            intset::Kind::Hash => {
                engines!(E => intset::contender::<intset::HashSet<E>>(E::NAME, params))
            }
            intset::Kind::Ordered => {
                engines!(E => intset::contender::<intset::OrderedSet<E>>(E::NAME, params))
            }
        };
        match kind {
            intset::Kind::List => {}
            intset::Kind::Hash => contenders.extend([
                intset::contender::<TSet<u64>>("stm-collections TSet", params),
                intset::contender::<Locked<HashSet<u64>>>("Mutex<HashSet>", params),
                intset::contender::<Dash>("DashSet", params),
                intset::contender::<Papaya>("papaya HashSet", params),
            ]),
            intset::Kind::Ordered => contenders.extend([
                intset::contender::<TOrdSet<u64>>("stm-collections TOrdSet", params),
                intset::contender::<Locked<BTreeSet<u64>>>("Mutex<BTreeSet>", params),
            ]),
        }
        contenders.extend(locks_cannot());
        case("intset", name, intset::METRICS, contenders)
    });
    cases.collect()
}

/// Those who have no bodies that find out as they go what they touch.
fn locks_cannot() -> [Contender<'static>; 2] {
    [std_mutex::NAME, parking_lot::NAME].map(|name| Contender::cannot(name, NOT_KNOWN_BEFOREHAND))
}

fn vacation_cases() -> Vec<Case<'static>> {
    let cases = vacation::CASES.iter().map(|&(name, params)| {
        let mut contenders = engines!(E => vacation::contender::<E>(E::NAME, params));
        contenders.extend(locks_cannot());
        case("vacation", name, vacation::METRICS, contenders)
    });
    cases.collect()
}

fn lee_cases() -> Vec<Case<'static>> {
    let (name, params) = lee::CASE;
    let mut contenders = engines!(E => lee::contender::<E>(E::NAME, params));
    contenders.extend(locks_cannot());
    vec![case("lee", name, lee::METRICS, contenders)]
}

fn wakeup_cases() -> Vec<Case<'static>> {
    use wakeup::OnEngine;
    let mut threads = engines!(E => Contender::able(E::NAME, E::ABILITIES.wait, |name| {
        wakeup::contender::<OnEngine<E>>(name)
    }));
    threads.extend([
        wakeup::contender::<OnCondvar>("Condvar"),
        wakeup::contender::<OnChannels>("crossbeam-channel"),
    ]);
    let mut tasks = engines!(E => Contender::able(E::NAME, E::ABILITIES.tasks, |name| {
        wakeup::task_contender::<OnEngine<E>>(name)
    }));
    tasks.push(wakeup::task_contender::<OnNotify>("tokio Notify"));
    vec![
        case("wakeup", wakeup::THREADS, wakeup::METRICS, threads),
        case("wakeup", wakeup::TASKS, wakeup::METRICS, tasks),
    ]
}

fn boxed_cases() -> Vec<Case<'static>> {
    let [inline, string, wide] = boxed::FORMS;
    let mut contenders = slots!(i64; S, name => boxed::contender::<S>(name, inline));
    contenders.extend(slots!(String; S, name => boxed::contender::<S>(name, string)));
    contenders.extend(slots!(Wide; S, name => boxed::contender::<S>(name, wide)));
    let name = "transfers between 1024 accounts, 1 thread";
    vec![case("boxed", name, boxed::metrics(), contenders)]
}

fn swaps_cases() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    for (name, params) in swaps::CASES {
        let inline = slots!(i64; S, name => swaps::contender::<S>(name, params));
        let boxed = slots!(String; S, name => swaps::contender::<S>(name, params));
        for (form, contenders) in [("inline", inline), ("boxed", boxed)] {
            let name = format!("{name}, {form}");
            cases.push(case("swaps", name, swaps::METRICS, contenders));
        }
    }
    cases
}

fn pairs_cases() -> Vec<Case<'static>> {
    let cases = pairs::CASES.iter().map(|(name, threads)| {
        let contenders = slots!(i64; S, name => pairs::contender::<S>(name, *threads));
        case("pairs", *name, pairs::METRICS, contenders)
    });
    cases.collect()
}

fn scan_cases() -> Vec<Case<'static>> {
    let mut contenders = slots!(i64; S, name => scan::contender::<S>(name));
    contenders.insert(
        1,
        scan::contender::<OnEngine<StmCoreAtomically>>(StmCoreAtomically::NAME),
    );
    let name = "65536 variables, 1 scanner, 1 writer";
    vec![case("scan", name, scan::METRICS, contenders)]
}

fn counter_cases() -> Vec<Case<'static>> {
    use counter::{Commute, Modify, OnEngine};
    let cases = counter::CASES.iter().map(|&(name, threads)| {
        let mut contenders = engines!(E => {
            counter::contender::<OnEngine<E, Modify>>(E::NAME, threads)
        });
        contenders.extend(engines!(E => {
            let name = format!("{}, commute", E::NAME);
            Contender::able(&name, E::ABILITIES.commute, |name| {
                counter::contender::<OnEngine<E, Commute>>(name, threads)
            })
        }));
        contenders.extend([
            counter::contender::<Locked<i64>>("std Mutex", threads),
            counter::contender::<Atomic>("AtomicI64", threads),
        ]);
        case("counter", name, counter::METRICS, contenders)
    });
    cases.collect()
}

fn big_cases() -> Vec<Case<'static>> {
    let contenders = slots!(i64; S, name => big::contender::<S>(name));
    let name = "half reads, half writes, 1 thread";
    vec![case("big", name, big::METRICS, contenders)]
}

fn alternatives_cases() -> Vec<Case<'static>> {
    let cases = alternatives::CASES.iter().map(|&(name, threads)| {
        let mut contenders = engines!(E => Contender::able(E::NAME, E::ABILITIES.or_else, |name| {
            alternatives::contender::<alternatives::OnEngine<E>>(name, threads)
        }));
        contenders.extend([
            alternatives::contender::<StdMutexes>(std_mutex::NAME, threads),
            alternatives::contender::<ParkingLots>(parking_lot::NAME, threads),
        ]);
        case("alternatives", name, alternatives::METRICS, contenders)
    });
    cases.collect()
}
