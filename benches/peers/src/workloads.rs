//! Who takes part in what: the cases of every workload, with everybody who can run them and with the reasons of those who cannot.

use std::collections::{BTreeSet, HashSet};

use stm_benches::engine::Engine;
use stm_benches::measure::interleave::{Case, Contender, Metric, Side};
use stm_benches::money::Wide;
use stm_benches::ours::{StmCore, StmCoreAtomically};
use stm_benches::slots::OnEngine;
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
    /// What there is to know about its figures.
    pub text: &'static str,
    /// Its cases, with all contenders.
    pub cases: fn() -> Vec<Case<'static>>,
}

/// In the order in which they run.
pub const ALL: [Workload; 16] = [
    Workload {
        name: "bank",
        about: "transfers between accounts, with read-alls among them or beside them (TinySTM)",
        text: "Random transfers, with TinySTM's parameters: how many of a hundred operations sum all accounts instead, threads that do nothing else, and \
threads that keep to accounts of their own. A transfer is two reads and two writes; the ordered mutexes take the two locks that a perfect \
programmer would take. Every sum is compared with the money that there is. The global locks' figures on two threads are good because a \
thread that has the lock keeps it for many operations while the other one sleeps; the latencies of `pairs` show the other side.",
        cases: bank_cases,
    },
    Workload {
        name: "audits",
        about: "sums over all accounts beside a transferring thread",
        text: "The same bank with one thread that transfers and one that sums all accounts, over and over. Whoever checks the sum's reads only at the end \
starts over as long as somebody transfers. `stm-core` sums in `snapshot`, `stm-core, atomically` as the others do. `runs for each read-all` says how \
often a body ran until it got through.",
        cases: audits_cases,
    },
    Workload {
        name: "intset",
        about: "sets as list, hash and ordered; small and large, reads and updates (TinySTM)",
        text: "Look-ups, insertions and removals of random keys; the same list, hash table of lists and skip list for every engine, made of linked nodes \
whose links are variables, so that a step from node to node clones an `Arc`. Beside them the ready-made sets of stm-collections, and ready-made \
sets that do not compose. A list of 100 000 would be the workload `big`, so it is not among the large ones.",
        cases: intset_cases,
    },
    Workload {
        name: "vacation",
        about: "a travel agency with little and with more contention (STAMP)",
        text: "STAMP's travel agency: bookings, departures and restocking over four tables, each an ordered map (the skip list of `intset`) with a \
variable for each record. `low` is nearly all bookings of few items over most of the tables, `high` has more items over fewer records. Fresh tables each turn.",
        cases: vacation_cases,
    },
    Workload {
        name: "lee",
        about: "wires on a board, found and laid in one transaction each (Lee-TM)",
        text: "Each transaction spreads a wave from pin to pin, which reads a good part of the board, and marks the way back. All wires must be lines of cells of \
their own. The longest transactions here but for `big`, and ones that really conflict.",
        cases: lee_cases,
    },
    Workload {
        name: "swaps",
        about: "2, 32 and 128 swaps a transaction, inline and boxed",
        text: "Pairs among 16384 variables are swapped; with 32 and 128 swaps any two transactions have variables in common. The boxed form has strings, of which a \
transaction clones what it reads, where a lock swaps pointers in place.",
        cases: swaps_cases,
    },
    Workload {
        name: "pairs",
        about: "threads in a ring that conflict with their neighbours: latencies",
        text: "The time of single transfers between neighbours in a ring, where any two neighbours conflict, with as many threads as processors and with more.",
        cases: pairs_cases,
    },
    Workload {
        name: "scan",
        about: "65536 variables read at one moment beside a writer",
        text: "One thread reads all variables at one moment, one swaps eight pairs at a time. A scan that saw half of a swap has another sum.",
        cases: scan_cases,
    },
    Workload {
        name: "counter",
        about: "one hot variable, modified and commuted",
        text: "Everybody adds to the same variable: the case against transactions. `commute` and `add` act at the commit, without a read; the former costs a closure in a box, and pays \
where the alternative is to run a long body again.",
        cases: counter_cases,
    },
    Workload {
        name: "wakeup",
        about: "two threads, or tasks, that take turns and wait for each other",
        text: "A turn is one wait and one wake. Whoever has no wait that sleeps is left out: polling is fast until there is something else to do.",
        cases: wakeup_cases,
    },
    Workload {
        name: "big",
        about: "2 to 65536 accesses in a transaction",
        text: "The time of one access in a transaction of that many, half of them reads and half writes to the same variables, in an order that is not the heap's.",
        cases: big_cases,
    },
    Workload {
        name: "alternatives",
        about: "or_else: the first payer that has cover",
        text: "A payment from the first of two accounts that has cover; the first alternative takes the money before it looks, so its write must be undone. The locks \
look before they write, under three locks in order.",
        cases: alternatives_cases,
    },
    Workload {
        name: "boxed",
        about: "transfers of i64, of strings and of 200-byte records",
        text: "Transfers on one thread, with balances that an engine may keep in place and with such as must be boxed: strings of ten bytes, records of 200.",
        cases: boxed_cases,
    },
    Workload {
        name: "memory",
        about: "bytes a variable, and bytes a key of a map",
        text: "What a process grows by for each of a million variables, with value and handle and what the allocator rounds up; and for each key of ten maps \
that were filled key by key, with what they have left behind on the heap while they grew. `TMap` keeps small keys and values that own nothing together \
once it is large; `TMap::compact` does so from the first key on; values that own something are kept apart, a variable each.",
        cases: memory::cases,
    },
    Workload {
        name: "maps",
        about: "TMap beside maps that do not compose, and moves between two maps",
        text: "`TMap` beside hash maps that do not compose, which show what composing costs, and moves between two maps beside the ways to do them on another STM.",
        cases: maps::cases,
    },
    Workload {
        name: "queues",
        about: "TQueue and TBQueue beside crossbeam's and tokio's",
        text: "A push and a pop of `TQueue`, each a transaction, and a bounded queue between two threads, beside queues that do not compose.",
        cases: queues::cases,
    },
];

/// The contender that `$make` makes of each engine, `$engine` standing for it.
macro_rules! engines {
    ($engine:ident => $make:expr) => {
        vec![
            {
                type $engine = StmCore;
                $make.on(Side::Ours)
            },
            {
                type $engine = FastStm;
                $make.on(Side::Transactions)
            },
            {
                type $engine = Stm;
                $make.on(Side::Transactions)
            },
            {
                type $engine = AsyncStm;
                $make.on(Side::Transactions)
            },
            {
                type $engine = KovanStm;
                $make.on(Side::Transactions)
            },
            {
                type $engine = GlobalMutex;
                $make
            },
            {
                type $engine = GlobalRwLock;
                $make
            },
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
        let also = bank::contender::<S>(StmCoreAtomically::NAME, params);
        contenders.insert(1, also.on(Side::Ours));
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
                intset::contender::<TSet<u64>>("stm-collections TSet", params).on(Side::Ours),
                intset::contender::<Locked<HashSet<u64>>>("Mutex<HashSet>", params),
                intset::contender::<Dash>("DashSet", params),
                intset::contender::<Papaya>("papaya HashSet", params),
            ]),
            intset::Kind::Ordered => contenders.extend([
                intset::contender::<TOrdSet<u64>>("stm-collections TOrdSet", params).on(Side::Ours),
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
    // Ours in all forms, side by side; then everybody in each form that must be boxed.
    let ours = vec![
        boxed::contender::<OnEngine<StmCore>>(StmCore::NAME, inline).on(Side::Ours),
        boxed::contender::<OnEngine<StmCore, String>>(StmCore::NAME, string).on(Side::Ours),
        boxed::contender::<OnEngine<StmCore, Wide>>(StmCore::NAME, wide).on(Side::Ours),
    ];
    let strings = slots!(String; S, name => boxed::contender::<S>(name, string));
    let records = slots!(Wide; S, name => boxed::contender::<S>(name, wide));
    let of = |form| format!("{form}, {}", boxed::CASE);
    vec![
        case("boxed", of("all forms of ours"), boxed::metrics(), ours),
        case("boxed", of(string), boxed::metrics(), strings),
        case("boxed", of(wide), boxed::metrics(), records),
    ]
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
    let also = scan::contender::<OnEngine<StmCoreAtomically>>(StmCoreAtomically::NAME);
    contenders.insert(1, also.on(Side::Ours));
    let name = "65536 variables, 1 scanner, 1 writer";
    vec![case("scan", name, scan::METRICS, contenders)]
}

fn counter_cases() -> Vec<Case<'static>> {
    use counter::{Added, Commute, Modify, OnEngine};
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
        let added = format!("{}, add", StmCore::NAME);
        let added = counter::contender::<Added>(&added, threads);
        contenders.push(added.on(Side::Ours));
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
    vec![case("big", big::CASE, big::METRICS, contenders)]
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stm_benches::measure::interleave::{Effort, Fate};

    use super::*;
    use crate::common::watched;

    /// Those whose structures are made quickly, also by code that is not optimized.
    const SMALL: [&str; 8] = [
        "bank",
        "lee",
        "pairs",
        "counter",
        "wakeup",
        "alternatives",
        "boxed",
        "queues",
    ];

    #[test]
    fn everybody_s_results_are_right() {
        watched("everybody_s_results_are_right", || {
            let effort = Effort {
                rounds: 1,
                time: Duration::from_millis(2),
            };
            for workload in ALL.iter().filter(|workload| SMALL.contains(&workload.name)) {
                for case in (workload.cases)() {
                    let outcome = case.measure(effort, |_, _| {});
                    for entry in outcome.entries {
                        let wrong = matches!(entry.fate, Fate::Wrong(_));
                        assert!(!wrong, "{}: {}: {:?}", outcome.name, entry.name, entry.fate);
                    }
                }
            }
        });
    }

    #[test]
    fn the_first_of_every_case_is_ours_and_names_differ() {
        watched("the_first_of_every_case_is_ours_and_names_differ", || {
            for case in ALL.iter().flat_map(|workload| (workload.cases)()) {
                let mut names: Vec<_> = case.contenders.iter().map(Contender::name).collect();
                names.sort_unstable();
                assert!(names.is_sorted_by(|a, b| a < b), "{}: {names:?}", case.name);
                assert_eq!(case.contenders[0].side(), Side::Ours, "{}", case.name);
            }
        });
    }
}
