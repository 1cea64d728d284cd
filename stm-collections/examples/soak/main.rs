//! A soak: everything at once, for as long as one likes, with random faults; and nothing is lost.
//!
//! Workers move money between variables of both forms, queues, maps and a heap, with alternatives, nested transactions, hooks,
//! functions that commute, time limits, tasks that are cancelled and panics in all of these places; they take permits, send on a
//! channel, audit the whole in snapshots and transactions, and let variables go that others write. They work in rounds: between
//! two rounds all threads end, and the books must balance. docs/soak.md says what is checked.

mod work;
mod world;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stm_core::TVar;
use stm_core::diagnostics::stats;
use work::{Rng, Tally, Worker};
use world::World;

const HELP: &str = "\
A soak of the engine and its collections: all features at once, with random faults.

usage: soak [--minutes N] [--seed S] [--threads N]

  --minutes N  how long, also a fraction (default 1)
  --seed S     what the workers choose by (default: 1); threads still interleave as they like
  --threads N  workers at a time (default: twice the processors, at least 4)

Progress goes to stderr, the result to stdout. Exit codes: 0 all is well, 1 something is broken, 2 bad usage.";

/// Workers of a round end after this; threads come and go with them.
const ROUND: Duration = Duration::from_secs(3);
/// A round that takes so much longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rounds, of all of them, after which memory is to have grown to its size.
const WARM_AFTER: usize = 4;
/// What memory may grow by after that: the allocator's arenas for threads that come and go.
const GROWTH: f64 = 0.25;
const GROWTH_BYTES: u64 = 16 << 20;

struct Options {
    time: Duration,
    seed: u64,
    threads: usize,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        let mut options = Self {
            time: Duration::from_secs(60),
            seed: 1,
            threads: (2 * processors).max(4),
        };
        while let Some(word) = args.next() {
            let mut value = |what: &str| args.next().ok_or(format!("{word} wants {what} after it"));
            match word.as_str() {
                "-h" | "--help" => return Ok(None),
                "--minutes" => {
                    let text = value("a number of minutes")?;
                    let minutes = text.parse().ok().filter(|n| (0.01..=100_000.0).contains(n));
                    let minutes: f64 =
                        minutes.ok_or(format!("--minutes {text}: from 0.01 to 100000"))?;
                    options.time = Duration::from_secs_f64(60.0 * minutes);
                }
                "--seed" => {
                    let text = value("a number")?;
                    options.seed = text.parse().map_err(|e| format!("--seed {text}: {e}"))?;
                }
                "--threads" => {
                    let text = value("a number")?;
                    let threads = text.parse().ok().filter(|n| (1..=1000).contains(n));
                    options.threads = threads.ok_or(format!("--threads {text}: from 1 to 1000"))?;
                }
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        Ok(Some(options))
    }
}

/// Bytes of memory that the process holds, where the system tells.
fn resident() -> Option<u64> {
    const PAGE: u64 = 4096;
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(PAGE * statm.split_whitespace().nth(1)?.parse::<u64>().ok()?)
}

/// Lets a round's threads loose on `world` until its time is over.
fn round(world: &World, options: &Options, number: u64, time: Duration) -> Tally {
    let (over, received) = (AtomicBool::new(false), TVar::new(false));
    let mut sum = Tally::default();
    std::thread::scope(|s| {
        let receivers = [(); 2].map(|()| s.spawn(|| work::receive(world, &received)));
        let workers: Vec<_> = (0..options.threads as u64)
            .map(|id| {
                let rng = Rng::new(options.seed, number * 1_000 + id);
                let over = &over;
                s.spawn(move || {
                    let mut worker = Worker::new(world, rng);
                    while !over.load(Ordering::Relaxed) {
                        worker.step();
                    }
                    worker.tally
                })
            })
            .collect();
        let end = Instant::now() + time;
        while Instant::now() < end && !workers.iter().any(|worker| worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        over.store(true, Ordering::Relaxed);
        for worker in workers {
            match worker.join() {
                Ok(tally) => sum.add(&tally),
                // Its message has been printed where it panicked. The others may wait for what it should have done.
                Err(_) => fail(options, &["a worker panicked".into()]),
            }
        }
        received.store(true);
        for receiver in receivers {
            match receiver.join() {
                Ok(tally) => sum.add(&tally),
                Err(_) => fail(options, &["a receiver panicked".into()]),
            }
        }
    });
    sum
}

fn fail(options: &Options, wrong: &[String]) -> ! {
    println!("BROKEN (--seed {}):", options.seed);
    for what in wrong {
        println!("  {what}");
    }
    std::process::exit(1);
}

/// Ends the process if rounds no longer end.
fn watch(rounds: &'static AtomicU64) {
    std::thread::spawn(move || {
        let mut seen = (rounds.load(Ordering::Relaxed), Instant::now());
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let now = rounds.load(Ordering::Relaxed);
            if now != seen.0 {
                seen = (now, Instant::now());
            } else if seen.1.elapsed() > ROUND + PATIENCE {
                println!("BROKEN: round {now} hangs");
                for sleeper in stm_core::diagnostics::waiting() {
                    println!("  {sleeper:?}");
                }
                std::process::exit(1);
            }
        }
    });
}

fn soak(options: &Options) {
    static ROUNDS: AtomicU64 = AtomicU64::new(0);
    watch(&ROUNDS);
    let before = stats();
    let begun = Instant::now();
    let world = World::new();
    let mut sum = Tally::default();
    let mut sizes = Vec::new();
    while begun.elapsed() < options.time {
        let left = options.time.saturating_sub(begun.elapsed());
        let number = ROUNDS.fetch_add(1, Ordering::Relaxed) + 1;
        sum.add(&round(&world, options, number, left.min(ROUND)));
        let wrong = world.check();
        if !wrong.is_empty() {
            fail(options, &wrong);
        }
        sizes.extend(resident());
        eprintln!(
            "{:6.1}s  round {number}: {} done, {} faults, {} MiB",
            begun.elapsed().as_secs_f64(),
            sum.done,
            sum.faults,
            sizes
                .last()
                .map_or("?".into(), |size| (size >> 20).to_string()),
        );
    }
    let memory = match sizes.get(WARM_AFTER..) {
        None | Some([]) if sizes.is_empty() => "unknown: there is no /proc/self/statm".into(),
        None | Some([]) => format!("not judged: fewer than {} rounds", WARM_AFTER + 1),
        Some(warm) => {
            let third = warm.len().div_ceil(3);
            let most = |sizes: &[u64]| sizes.iter().max().copied().unwrap_or(0);
            let (early, late) = (most(&warm[..third]), most(&warm[warm.len() - third..]));
            let bound = (early as f64 * (1.0 + GROWTH)) as u64 + GROWTH_BYTES;
            let text = format!("{} KiB early, {} KiB late", early >> 10, late >> 10);
            if late > bound {
                fail(options, &[format!("memory grows: {text}")]);
            }
            text
        }
    };
    let Tally {
        done,
        faults,
        timeouts,
        cancelled,
        audits,
        received,
    } = sum;
    println!(
        "sound, after {:.1} s (--seed {})",
        begun.elapsed().as_secs_f64(),
        options.seed
    );
    println!("rounds             {}", ROUNDS.load(Ordering::Relaxed));
    println!("threads            {} at a time", options.threads + 2);
    println!("operations         {done}");
    println!("panics on purpose  {faults}, and those of hooks");
    println!("times over         {timeouts}");
    println!("tasks cancelled    {cancelled}");
    println!("audits             {audits}");
    println!("received in order  {received}");
    println!("memory             {memory}");
    println!("{}", stats().since(&before));
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => {
            soak(&options);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("soak: {message}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}
