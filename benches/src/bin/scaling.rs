//! How often transactions abort, and how throughput scales, with more processors than the machine at hand has: a simulation of
//! the protocol, one step at a time.
//!
//! # What is simulated
//!
//! Each thread has a processor of its own and runs transfers without end: begin, read its accounts (each read looks again
//! at what was read before, as a floating read does), lock them in one order, compare what was read, publish, end. A
//! locked account is waited for and then given up on; a failed attempt pauses as `contention::back_off` does. Each step takes time
//! in proportion to the instructions that `instructions.txt` counts; an account that another thread has written last takes the
//! time of a cache miss more. No word but those of the accounts is shared: that is P5, which `written_words` shows by counting.
//!
//! What is not simulated: the memory's bandwidth, caches that are too small, and the system's scheduler.
//!
//! ```text
//! cargo run --release -p stm-benches --bin scaling -- --seed 1
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::process::ExitCode;

const HELP: &str = "\
Simulates transfers on many processors: abort rates and speed-ups, from the protocol.

usage: scaling [--seed N] [--commits N] [--miss TICKS] [--help]

  --seed N      of all that is drawn by lot; the same seed gives the same table   [1]
  --commits N   to simulate for each row                                          [50000] 
  --miss TICKS  a cache miss, in units of ten instructions                        [25]
  --help        this text
";

// In ticks of ten instructions.
const BEGIN: u64 = 5;
const READ: u64 = 4;
const LOCK: u64 = 3;
const PUBLISH: u64 = 2;
const END: u64 = 5;
/// Between two looks at a locked account.
const LOOK: u64 = 4;

/// Looks at a locked account before the attempt is given up.
const PATIENCE: u32 = 64;

/// Failures after which a pause is a yield, and how long that is.
const DOUBLINGS: u32 = 6;
const YIELD: u64 = 100;

/// Failures after which the token of priority would be claimed; the simulation only counts that.
const CLAIM_AFTER: u32 = 12;

struct Rng(u64);

impl Rng {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

#[derive(Clone, Copy, Default)]
struct Account {
    /// How often it was published.
    word: u64,
    locked: bool,
    writer: Option<usize>,
}

#[derive(Clone, Copy)]
enum Step {
    Read(usize),
    Lock(usize),
    Publish(usize),
    End,
}

struct Thread {
    /// Of this transaction, in ascending order.
    accounts: Vec<usize>,
    seen: Vec<u64>,
    step: Step,
    looks: u32,
    failures: u32,
}

#[derive(Clone, Copy)]
struct Workload {
    threads: usize,
    accounts: u64,
    accesses: usize,
}

/// What came out, of the row's whole run.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    commits: u64,
    aborts: u64,
    claims: u64,
    worst_failures: u32,
    ticks: u64,
}

struct Simulation {
    accounts: Vec<Account>,
    threads: Vec<Thread>,
    rng: Rng,
    miss: u64,
    accesses: usize,
    outcome: Outcome,
}

/// What a thread does after a step.
enum Next {
    After(u64),
    Failed,
}

impl Simulation {
    fn new(workload: Workload, miss: u64, seed: u64) -> Self {
        let mut this = Self {
            accounts: vec![Account::default(); workload.accounts as usize],
            threads: Vec::new(),
            rng: Rng::new(seed),
            miss,
            accesses: workload.accesses,
            outcome: Outcome {
                commits: 0,
                aborts: 0,
                claims: 0,
                worst_failures: 0,
                ticks: 0,
            },
        };
        for _ in 0..workload.threads {
            let accounts = this.draw();
            this.threads.push(Thread {
                accounts,
                seen: Vec::new(),
                step: Step::Read(0),
                looks: 0,
                failures: 0,
            });
        }
        this
    }

    /// Different accounts, in ascending order.
    fn draw(&mut self) -> Vec<usize> {
        let mut drawn = Vec::with_capacity(self.accesses);
        while drawn.len() < self.accesses {
            let account = self.rng.below(self.accounts.len() as u64) as usize;
            if let Err(at) = drawn.binary_search(&account) {
                drawn.insert(at, account);
            }
        }
        drawn
    }

    fn run(mut self, commits: u64) -> Outcome {
        let mut due = BinaryHeap::new();
        for t in 0..self.threads.len() {
            due.push(Reverse((self.rng.below(50), t)));
        }
        while self.outcome.commits < commits {
            let Some(Reverse((now, t))) = due.pop() else {
                break;
            };
            self.outcome.ticks = now;
            let wait = match self.step(t) {
                Next::After(ticks) => ticks,
                Next::Failed => self.fail(t),
            };
            // Nothing takes the same time each time.
            let jitter = self.rng.below(2);
            due.push(Reverse((now + wait.max(1) + jitter, t)));
        }
        self.outcome
    }

    /// A miss, if another thread was the last to write the account.
    fn fetch(&self, t: usize, account: usize) -> u64 {
        match self.accounts[account].writer {
            Some(writer) if writer != t => self.miss,
            _ => 0,
        }
    }

    fn step(&mut self, t: usize) -> Next {
        match self.threads[t].step {
            Step::Read(n) => self.read(t, n),
            Step::Lock(n) => self.lock(t, n),
            Step::Publish(n) => self.publish(t, n),
            Step::End => {
                self.outcome.commits += 1;
                let fresh = self.draw();
                let thread = &mut self.threads[t];
                thread.accounts = fresh;
                thread.failures = 0;
                self.restart(t);
                Next::After(END + BEGIN)
            }
        }
    }

    fn restart(&mut self, t: usize) {
        let thread = &mut self.threads[t];
        thread.seen.clear();
        thread.step = Step::Read(0);
        thread.looks = 0;
    }

    /// Another look at something locked, unless there were too many.
    fn look_again(&mut self, t: usize) -> Next {
        let thread = &mut self.threads[t];
        thread.looks += 1;
        if thread.looks > PATIENCE {
            return Next::Failed;
        }
        Next::After(LOOK)
    }

    fn read(&mut self, t: usize, n: usize) -> Next {
        let account = self.threads[t].accounts[n];
        if self.accounts[account].locked {
            return self.look_again(t);
        }
        let cost = READ + self.fetch(t, account);
        let thread = &self.threads[t];
        let unchanged = thread
            .seen
            .iter()
            .zip(&thread.accounts)
            .all(|(seen, &read)| !self.accounts[read].locked && self.accounts[read].word == *seen);
        if !unchanged {
            return Next::Failed;
        }
        let word = self.accounts[account].word;
        let thread = &mut self.threads[t];
        thread.seen.push(word);
        thread.looks = 0;
        let last = n + 1 == thread.accounts.len();
        thread.step = if last {
            Step::Lock(0)
        } else {
            Step::Read(n + 1)
        };
        Next::After(cost)
    }

    fn lock(&mut self, t: usize, n: usize) -> Next {
        let account = self.threads[t].accounts[n];
        if self.accounts[account].locked {
            return self.look_again(t);
        }
        if self.accounts[account].word != self.threads[t].seen[n] {
            return Next::Failed;
        }
        let cost = LOCK + self.fetch(t, account);
        self.accounts[account].locked = true;
        self.accounts[account].writer = Some(t);
        let thread = &mut self.threads[t];
        thread.looks = 0;
        let last = n + 1 == thread.accounts.len();
        thread.step = if last {
            Step::Publish(0)
        } else {
            Step::Lock(n + 1)
        };
        Next::After(cost)
    }

    fn publish(&mut self, t: usize, n: usize) -> Next {
        let thread = &mut self.threads[t];
        let account = &mut self.accounts[thread.accounts[n]];
        account.word += 1;
        account.locked = false;
        let last = n + 1 == thread.accounts.len();
        thread.step = if last {
            Step::End
        } else {
            Step::Publish(n + 1)
        };
        Next::After(PUBLISH)
    }

    /// Undoes the attempt; how long it pauses before the next.
    fn fail(&mut self, t: usize) -> u64 {
        let thread = &mut self.threads[t];
        if let Step::Lock(locked) = thread.step {
            for &account in &thread.accounts[..locked] {
                self.accounts[account].locked = false;
            }
        }
        thread.failures += 1;
        let failures = thread.failures;
        self.outcome.aborts += 1;
        self.outcome.claims += u64::from(failures == CLAIM_AFTER);
        self.outcome.worst_failures = self.outcome.worst_failures.max(failures);
        self.restart(t);
        let pause = match failures {
            1 => 0,
            n if n <= DOUBLINGS => 1 << n,
            _ => YIELD,
        };
        BEGIN + pause
    }
}

/// What the command line asks for.
struct Asked {
    seed: u64,
    commits: u64,
    miss: u64,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Option<Asked>, String> {
    let mut asked = Asked {
        seed: 1,
        commits: 50_000,
        miss: 25,
    };
    while let Some(flag) = args.next() {
        let place = match flag.as_str() {
            "--help" | "-h" => return Ok(None),
            "--seed" => &mut asked.seed,
            "--commits" => &mut asked.commits,
            "--miss" => &mut asked.miss,
            _ => return Err(format!("unknown argument {flag:?}")),
        };
        let value = args
            .next()
            .ok_or_else(|| format!("{flag} needs a number"))?;
        *place = value
            .parse()
            .map_err(|_| format!("{flag} needs a number, and {value:?} is none"))?;
    }
    if asked.commits == 0 {
        return Err("--commits must be at least 1".into());
    }
    Ok(Some(asked))
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(Some(asked)) => {
            table(&asked);
            ExitCode::SUCCESS
        }
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("scaling: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn table(asked: &Asked) {
    println!(
        "| accounts | written by each | threads | aborts per 100 commits | worst failures | would claim priority | speed-up |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (accounts, accesses) in [(64, 2), (1024, 2), (65_536, 2), (1024, 16), (65_536, 16)] {
        let mut alone = None;
        for threads in [1, 8, 64, 256] {
            let workload = Workload {
                threads,
                accounts,
                accesses,
            };
            let outcome = Simulation::new(workload, asked.miss, asked.seed).run(asked.commits);
            let rate = outcome.commits as f64 / outcome.ticks.max(1) as f64;
            let alone = *alone.get_or_insert(rate);
            println!(
                "| {accounts} | {accesses} | {threads} | {:.2} | {} | {} | {:.1} |",
                outcome.aborts as f64 * 100.0 / outcome.commits as f64,
                outcome.worst_failures,
                outcome.claims,
                rate / alone,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulate(threads: usize, accounts: u64, seed: u64) -> Outcome {
        let workload = Workload {
            threads,
            accounts,
            accesses: 2,
        };
        Simulation::new(workload, 25, seed).run(5_000)
    }

    #[test]
    fn nobody_aborts_alone() {
        assert_eq!(simulate(1, 64, 1).aborts, 0);
    }

    #[test]
    fn a_seed_gives_the_same_run() {
        assert_eq!(simulate(64, 64, 7), simulate(64, 64, 7));
        assert_ne!(simulate(64, 64, 7), simulate(64, 64, 8));
    }

    #[test]
    fn fewer_accounts_and_more_threads_conflict_more() {
        let aborts = |threads, accounts| simulate(threads, accounts, 1).aborts;
        assert!(aborts(8, 64) > aborts(8, 4096));
        assert!(aborts(64, 1024) > aborts(8, 1024));
        assert!(aborts(8, 64) > 0);
    }

    /// Each commit publishes each of its accounts once: what is published is what was committed, or is just being.
    #[test]
    fn what_is_published_was_committed() {
        let workload = Workload {
            threads: 16,
            accounts: 32,
            accesses: 2,
        };
        let mut simulation = Simulation::new(workload, 25, 3);
        for round in 0..200_000 {
            let t = simulation.rng.below(16) as usize;
            if let Next::Failed = simulation.step(t) {
                simulation.fail(t);
            }
            if round % 1_000 == 0 {
                let published: u64 = simulation.accounts.iter().map(|a| a.word).sum();
                let under_way: u64 = simulation
                    .threads
                    .iter()
                    .map(|thread| match thread.step {
                        Step::Publish(n) => n as u64,
                        Step::End => 2,
                        _ => 0,
                    })
                    .sum();
                assert_eq!(published, 2 * simulation.outcome.commits + under_way);
            }
        }
        assert!(simulation.outcome.commits > 1_000);
    }

    #[test]
    fn the_command_line_is_checked() {
        let parse = |args: &[&str]| parse(args.iter().map(ToString::to_string));
        assert!(parse(&["--seed", "3"]).is_ok_and(|asked| asked.is_some_and(|a| a.seed == 3)));
        assert!(parse(&["--help"]).is_ok_and(|asked| asked.is_none()));
        for bad in [
            &["--seed"][..],
            &["--seed", "x"],
            &["--sed", "1"],
            &["--commits", "0"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
