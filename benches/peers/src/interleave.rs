//! Measuring on a shared machine: contenders take turns, round by round, and only their ratios within a round count.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub rounds: usize,
    /// Of each contender, each round.
    pub time: Duration,
}

/// What one contender did in one round.
#[derive(Clone, Debug)]
pub struct Measured {
    pub per_second: f64,
    /// What the check at the end found wrong, if anything: then the rate means nothing.
    pub broke: Option<String>,
}

/// One who is measured.
pub struct Contender<'a> {
    name: &'static str,
    run: Box<dyn FnMut(Duration) -> Measured + 'a>,
}

impl<'a> Contender<'a> {
    pub fn new(name: &'static str, run: impl FnMut(Duration) -> Measured + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// Median, least and greatest.
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

pub fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    Spread {
        median: values[values.len() / 2],
        min: values[0],
        max: values[values.len() - 1],
    }
}

/// Lets all contenders have their turns and prints one table; ratios are to the first. Gives the number of broken rounds.
#[must_use]
pub fn compare(title: &str, effort: Effort, mut contenders: Vec<Contender<'_>>) -> usize {
    println!(
        "{title}; medians (range) of {} interleaved rounds",
        effort.rounds
    );
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); contenders.len()];
    let mut broken = 0;
    for _ in 0..effort.rounds {
        for (contender, rates) in contenders.iter_mut().zip(&mut rates) {
            let measured = (contender.run)(effort.time);
            if let Some(what) = measured.broke {
                eprintln!("BROKEN: {}: {what}", contender.name);
                broken += 1;
            }
            rates.push(measured.per_second);
        }
    }
    for (contender, own) in contenders.iter().zip(&rates) {
        let ratios = own.iter().zip(&rates[0]).map(|(own, first)| own / first);
        let (rate, ratio) = (spread(own.clone()), spread(ratios.collect()));
        println!(
            "  {:36} {:>9}/s   {:>6} ({}..{})",
            contender.name,
            short(rate.median),
            digits(ratio.median),
            digits(ratio.min),
            digits(ratio.max)
        );
    }
    println!();
    broken
}

/// Three digits that count.
fn digits(x: f64) -> String {
    match x {
        x if x >= 100.0 => format!("{x:.0}"),
        x if x >= 10.0 => format!("{x:.1}"),
        x if x >= 0.1 => format!("{x:.2}"),
        x => format!("{x:.4}"),
    }
}

fn short(x: f64) -> String {
    match x {
        x if x >= 1e6 => format!("{} M", digits(x / 1e6)),
        x if x >= 1e3 => format!("{} k", digits(x / 1e3)),
        x => digits(x),
    }
}

/// Runs `work(thread, &mut step)` over and over on `threads` threads for `time`, `batch` steps between two looks at the clock;
/// gives the steps per second of all.
pub fn rate<S>(
    threads: usize,
    time: Duration,
    state: impl Fn(usize) -> S + Sync,
    step: impl Fn(&mut S) + Sync,
) -> f64 {
    const BATCH: u64 = 64;
    let (over, start) = (AtomicBool::new(false), Barrier::new(threads + 1));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let (over, start, state, step) = (&over, &start, &state, &step);
                scope.spawn(move || {
                    let mut state = state(thread);
                    let mut steps = 0;
                    start.wait();
                    while !over.load(Ordering::Relaxed) {
                        for _ in 0..BATCH {
                            step(&mut state);
                        }
                        steps += BATCH;
                    }
                    steps
                })
            })
            .collect();
        start.wait();
        let began = Instant::now();
        std::thread::sleep(time);
        over.store(true, Ordering::Relaxed);
        let elapsed = began.elapsed().as_secs_f64();
        let steps: u64 = workers
            .into_iter()
            .map(|worker| worker.join().expect("a step panicked"))
            .sum();
        steps as f64 / elapsed
    })
}

/// A generator for choosing keys: xorshift64*.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(stream: usize) -> Self {
        Self((stream as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}
