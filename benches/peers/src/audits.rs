//! One auditor sums all accounts, over and over, beside one thread that transfers between them: how many audits a second does
//! each STM give, and how often does a body run for one audit?
//!
//! All engines run the same bodies in turn; the total is checked in every audit. A peer that finishes no audit in its time is
//! reported with none.

use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::interleave::{Effort, spread};

/// An engine's accounts.
trait Bank: Sync {
    fn open(n: usize, balance: i64) -> Self;
    fn transfer(&self, from: usize, to: usize);
    /// The total, and how often the body ran. `None` if `stop` was set before a run got through.
    fn audit(&self, stop: &AtomicBool) -> Option<(i64, u64)>;
}

struct OursSnapshot(Vec<stm_core::TVar<i64>>);
struct OursAtomically(OursSnapshot);

impl Bank for OursSnapshot {
    fn open(n: usize, balance: i64) -> Self {
        Self((0..n).map(|_| stm_core::TVar::new(balance)).collect())
    }

    fn transfer(&self, from: usize, to: usize) {
        stm_core::atomically(|tx| {
            self.0[from].modify(tx, |n| n - 1)?;
            self.0[to].modify(tx, |n| n + 1)
        });
    }

    fn audit(&self, _: &AtomicBool) -> Option<(i64, u64)> {
        let runs = Cell::new(0);
        let total = stm_core::snapshot(|s| {
            runs.set(runs.get() + 1);
            self.0.iter().try_fold(0, |sum, a| Ok(sum + a.read(s)?))
        });
        Some((total, runs.get()))
    }
}

impl Bank for OursAtomically {
    fn open(n: usize, balance: i64) -> Self {
        Self(OursSnapshot::open(n, balance))
    }

    fn transfer(&self, from: usize, to: usize) {
        self.0.transfer(from, to);
    }

    fn audit(&self, _: &AtomicBool) -> Option<(i64, u64)> {
        let runs = Cell::new(0);
        let total = stm_core::atomically(|tx| {
            runs.set(runs.get() + 1);
            self.0.0.iter().try_fold(0, |sum, a| Ok(sum + a.read(tx)?))
        });
        Some((total, runs.get()))
    }
}

/// The two peers have the same interface. Their audits may never get through, so the body looks at `stop` as it begins and then
/// gives up with a total that is recognised.
macro_rules! peer {
    ($name:ident, $krate:ident) => {
        struct $name(Vec<$krate::TVar<i64>>);

        impl Bank for $name {
            fn open(n: usize, balance: i64) -> Self {
                Self((0..n).map(|_| $krate::TVar::new(balance)).collect())
            }

            fn transfer(&self, from: usize, to: usize) {
                $krate::atomically(|tx| {
                    let n = self.0[from].read(tx)?;
                    self.0[from].write(tx, n - 1)?;
                    let n = self.0[to].read(tx)?;
                    self.0[to].write(tx, n + 1)
                });
            }

            fn audit(&self, stop: &AtomicBool) -> Option<(i64, u64)> {
                let runs = Cell::new(0);
                let total = $krate::atomically(|tx| {
                    if stop.load(Ordering::Relaxed) {
                        return Ok(None);
                    }
                    runs.set(runs.get() + 1);
                    let mut sum = 0;
                    for account in &self.0 {
                        sum += account.read(tx)?;
                    }
                    Ok(Some(sum))
                });
                total.map(|total| (total, runs.get()))
            }
        }
    };
}

peer!(Stm, stm);
peer!(FastStm, fast_stm);

struct Round {
    transfers: f64,
    audits: f64,
    runs_per_audit: f64,
    wrong: u64,
}

fn round<B: Bank>(accounts: usize, time: Duration) -> Round {
    const BALANCE: i64 = 1000;
    let bank = B::open(accounts, BALANCE);
    let (stop, start) = (AtomicBool::new(false), Barrier::new(3));
    std::thread::scope(|scope| {
        let transferring = scope.spawn(|| {
            let (mut done, mut seed) = (0u64, 0x5EED_u64);
            start.wait();
            while !stop.load(Ordering::Relaxed) {
                seed = seed
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                let from = (seed >> 33) as usize % accounts;
                bank.transfer(
                    from,
                    (from + 1 + (seed >> 13) as usize % (accounts - 1)) % accounts,
                );
                done += 1;
            }
            done
        });
        let auditing = scope.spawn(|| {
            let (mut audits, mut runs, mut wrong) = (0u64, 0, 0);
            start.wait();
            while !stop.load(Ordering::Relaxed) {
                if let Some((total, took)) = bank.audit(&stop) {
                    audits += 1;
                    runs += took;
                    wrong += u64::from(total != BALANCE * accounts as i64);
                }
            }
            (audits, runs, wrong)
        });
        start.wait();
        let began = Instant::now();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let elapsed = began.elapsed().as_secs_f64();
        let transfers = transferring.join().expect("transfers do not panic");
        let (audits, runs, wrong) = auditing.join().expect("audits do not panic");
        Round {
            transfers: transfers as f64 / elapsed,
            audits: audits as f64 / elapsed,
            runs_per_audit: runs as f64 / audits as f64,
            wrong,
        }
    })
}

pub fn run(effort: Effort) -> usize {
    let Effort {
        rounds: count,
        time,
    } = effort;
    type Engine = (&'static str, fn(usize, Duration) -> Round);
    let engines: [Engine; 4] = [
        ("stm-core, snapshot", round::<OursSnapshot>),
        ("stm-core, atomically", round::<OursAtomically>),
        ("stm", round::<Stm>),
        ("fast-stm", round::<FastStm>),
    ];
    let mut wrong = 0;
    for accounts in [1024, 16384] {
        println!(
            "{accounts} accounts, one thread transfers, one audits; medians (range) of {count} interleaved rounds"
        );
        println!(
            "{:22} {:>14} {:>30} {:>15}",
            "engine", "transfers/s", "audits/s (range)", "runs per audit"
        );
        let mut rounds: Vec<Vec<Round>> = engines.iter().map(|_| Vec::new()).collect();
        for _ in 0..count {
            for ((_, run), rounds) in engines.iter().zip(&mut rounds) {
                rounds.push(run(accounts, time));
            }
        }
        let ours = spread(rounds[0].iter().map(|r| r.audits).collect()).median;
        for ((name, _), rounds) in engines.iter().zip(&rounds) {
            let audits = spread(rounds.iter().map(|r| r.audits).collect());
            let (audits, least, most) = (audits.median, audits.min, audits.max);
            let transfers = spread(rounds.iter().map(|r| r.transfers).collect()).median;
            let runs = spread(rounds.iter().map(|r| r.runs_per_audit).collect()).median;
            let range = format!("{audits:.0} ({least:.0}..{most:.0})");
            println!(
                "{name:22} {transfers:>14.0} {range:>30} {runs:>15.2}   1/{:.0}",
                ours / audits
            );
            wrong += rounds.iter().map(|r| r.wrong).sum::<u64>();
        }
        println!();
    }
    if wrong > 0 {
        eprintln!("BROKEN: {wrong} audits gave a wrong total");
    }
    wrong as usize
}
