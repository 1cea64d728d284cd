//! The workload `memory`: each figure is taken in a fresh process, which is this program again with a flag that the help does not show.

use std::collections::HashMap;
use std::hash::RandomState;
use std::process::Command;
use std::sync::Mutex;

use stm_benches::engine::Engine;
use stm_benches::measure::interleave::{Case, Contender, Metric, Side, Turn, Unit};
use stm_benches::money::{Money, Wide};
use stm_benches::ours::StmCore;
use stm_benches::workloads::memory::{METRICS, bytes_each, bytes_each_part, of_engine};
use stm_collections::TMap;
use stm_core::atomically;

use crate::adapters::async_stm::AsyncStm;
use crate::adapters::fast_stm::FastStm;
use crate::adapters::global_mutex::GlobalMutex;
use crate::adapters::kovan_stm::KovanStm;
use crate::adapters::stm::Stm;
use crate::adapters::{parking_lot, std_mutex};
use crate::maps::{self, KEYS};

/// The flag with which this program starts itself.
pub const FLAG: &str = "--bytes-of";

/// Whose variables are made, and how; the flag's argument says whether they are wide.
type Probe = (&'static str, Side, fn(bool) -> Result<f64, String>);

const PROBES: [Probe; 8] = [
    (StmCore::NAME, Side::Ours, of_engine::<StmCore>),
    (FastStm::NAME, Side::Transactions, of_engine::<FastStm>),
    (Stm::NAME, Side::Transactions, of_engine::<Stm>),
    (AsyncStm::NAME, Side::Transactions, of_engine::<AsyncStm>),
    (KovanStm::NAME, Side::Transactions, of_engine::<KovanStm>),
    (GlobalMutex::NAME, Side::Other, of_engine::<GlobalMutex>),
    (std_mutex::NAME, Side::Other, |wide| {
        locked(wide, std::sync::Mutex::new, std::sync::Mutex::new)
    }),
    (parking_lot::NAME, Side::Other, |wide| {
        locked(wide, ::parking_lot::Mutex::new, ::parking_lot::Mutex::new)
    }),
];

fn locked<N, W>(
    wide: bool,
    narrow_lock: impl Fn(i64) -> N,
    wide_lock: impl Fn(Wide) -> W,
) -> Result<f64, String> {
    if wide {
        bytes_each(size_of::<Wide>(), |n| wide_lock(Wide::of(n)))
    } else {
        bytes_each(size_of::<i64>(), narrow_lock)
    }
}

/// Whose maps are filled.
type MapProbe = (&'static str, Side, fn() -> Result<f64, String>);

const MAPS: [MapProbe; 6] = [
    ("TMap", Side::Ours, || {
        bytes_a_key(maps::filled::<TMap<u64, u64>>)
    }),
    ("TMap::compact", Side::Ours, || {
        bytes_a_key(|| filled_apiece(TMap::compact(RandomState::new()), |value| value))
    }),
    ("TMap, values that own something", Side::Ours, || {
        bytes_a_key(|| filled_apiece(TMap::new(), Owner))
    }),
    ("Mutex<HashMap>", Side::Other, || {
        bytes_a_key(maps::filled::<Mutex<HashMap<u64, u64>>>)
    }),
    ("DashMap", Side::Other, || {
        bytes_a_key(maps::filled::<dashmap::DashMap<u64, u64>>)
    }),
    ("papaya", Side::Other, || {
        bytes_a_key(maps::filled::<papaya::HashMap<u64, u64>>)
    }),
];

/// Ten maps, for what the system counts is exact to some hundred thousand bytes.
fn bytes_a_key<M>(filled: impl Fn() -> M) -> Result<f64, String> {
    bytes_each_part(10, KEYS as usize, size_of::<(u64, u64)>(), |_| filled())
}

/// Of eight bytes, as the others, but with something to do when it is dropped: so its map keeps its keys apart.
#[derive(Clone)]
struct Owner(#[expect(dead_code, reason = "it is only there")] u64);

impl Drop for Owner {
    fn drop(&mut self) {}
}

fn filled_apiece<V: Clone + Send + Sync + 'static>(
    map: TMap<u64, V>,
    value: fn(u64) -> V,
) -> TMap<u64, V> {
    for key in 0..KEYS {
        atomically(|tx| map.insert(tx, key, value(key)).map(drop));
    }
    map
}

/// What the process that was started with [`FLAG`] and these arguments does: prints the bytes of a variable, or of a map's key.
pub fn probe(name: &str, wide: bool) -> Result<f64, String> {
    if let Some((.., run)) = MAPS.iter().find(|(known, ..)| *known == name) {
        return run();
    }
    let probe = PROBES.iter().find(|(known, ..)| *known == name);
    let (.., run) = probe.ok_or_else(|| format!("nobody is called `{name}`"))?;
    run(wide)
}

fn in_a_fresh_process(name: &str, wide: bool) -> Result<f64, String> {
    let this = std::env::current_exe().map_err(|why| why.to_string())?;
    let output = Command::new(this)
        .arg(format!("{FLAG}={name}"))
        .args(wide.then_some("--wide"))
        .output()
        .map_err(|why| format!("no fresh process can be had: {why}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let bytes = text.trim().parse::<f64>();
    bytes.map_err(|why| format!("`{text}` is no number: {why}"))
}

/// The cases of the workload.
pub fn cases() -> Vec<Case<'static>> {
    let variables = PROBES.iter().map(|&(name, side, _)| {
        asked_once(name, side, move || {
            Ok(vec![
                in_a_fresh_process(name, false)?,
                in_a_fresh_process(name, true)?,
            ])
        })
    });
    let maps = MAPS.iter().map(|&(name, side, _)| {
        asked_once(name, side, move || {
            Ok(vec![in_a_fresh_process(name, false)?])
        })
    });
    let a_key = Metric {
        name: "a key",
        unit: Unit::Bytes,
    };
    vec![
        Case {
            workload: "memory",
            name: "a variable, its value and its handle".into(),
            metrics: METRICS.into(),
            contenders: variables.collect(),
        },
        Case {
            workload: "memory",
            name: format!("maps of {KEYS} keys, u64 to u64"),
            metrics: vec![a_key],
            contenders: maps.collect(),
        },
    ]
}

/// What a million of them take hardly varies, so one process is asked once, whatever the number of turns.
fn asked_once(
    name: &'static str,
    side: Side,
    ask: impl Fn() -> Turn + 'static,
) -> Contender<'static> {
    let mut known = None;
    let turn = move |_| -> Turn {
        if known.is_none() {
            known = Some(ask()?);
        }
        Ok(known.clone().expect("it was just asked"))
    };
    Contender::new(name, turn).on(side)
}
