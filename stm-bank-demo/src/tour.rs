//! The tour: a story in six acts, with numbers that are measured as it is told.

use std::io::{self, Write};
use std::time::Duration;

use crate::audit::Findings;
use crate::models::find;
use crate::options::Options;
use crate::output::{rate, verdict, wrapped};
use crate::results::{ModelResult, Verdict};
use crate::scenarios::Kind;
use crate::session::{debug_build, limits};
use crate::summary::summarize;
use crate::{INTERRUPTED, interrupt};

/// Few enough that threads meet, and that an account can have a thread of its own.
const ACCOUNTS: usize = 64;

struct Act {
    title: &'static str,
    /// Before the numbers.
    before: &'static str,
    kind: Kind,
    /// More of them than cores, in some acts: meeting in the middle is what those are about.
    threads: usize,
    models: &'static [&'static str],
    /// After them.
    after: &'static str,
}

const ACTS: [Act; 6] = [
    Act {
        title: "Check, then act",
        before: "8 accounts, and 4 threads that move money between them. Each balance is an atomic: look whether there \
                 is enough, take it out here, put it in there. Then count.",
        kind: Kind::Hot,
        threads: 4,
        models: &["racy"],
        after: "Each step was atomic and the transfer was not. Somebody stored over what somebody else had stored.",
    },
    Act {
        title: "Locks, and their order",
        before: "So lock both accounts: the payer's first, then the payee's. Or, the second one, the smaller number first.",
        kind: Kind::Hot,
        threads: 4,
        models: &["unordered-mutexes", "ordered-mutexes"],
        after: "One pays A to B, another one B to A, and each holds what the other one wants. Locking in one order works, \
                 for those who know everything that will be locked before they lock anything.",
    },
    Act {
        title: "The report",
        before: "64 accounts now. What do all of them hold together, while money moves? Lock one at a time; or ask each \
                 account's thread, or actor; or lock them all; or take a snapshot of transactional variables.",
        kind: Kind::Audit,
        threads: 2,
        models: &[
            "one-at-a-time",
            "account-threads",
            "ractor",
            "ordered-mutexes",
            "stm",
        ],
        after: "Money between two accounts is in none. Whoever asks one account after the other sees totals that never were.",
    },
    Act {
        title: "Two at once",
        before: "Two bounded queues, and workers that take one item from each. Taken from one channel after the other; from \
                 two queues put under one lock for that; from two queues that know nothing of each other, in a transaction.",
        kind: Kind::Pipeline,
        threads: 2,
        models: &["pipeline-channels", "pipeline-condvars", "pipeline-stm"],
        after: "Each channel was right and the two together were not. Transactions compose: that is what they are for.",
    },
    Act {
        title: "A worker crashes",
        before: "Now and then a worker panics between the withdrawal and the deposit, and the next one takes over.",
        kind: Kind::Crash,
        threads: 2,
        models: &[
            "parking-lot",
            "ordered-mutexes",
            "ractor",
            "arc-swap",
            "stm",
        ],
        after: "Without poison the money is gone and nobody notices; with poison the bank stands still. A supervised actor \
                 comes back; a copy, or a transaction, is as if it had never been.",
    },
    Act {
        title: "The bill",
        before: "What that costs, in transfers a second.",
        kind: Kind::Transfer,
        threads: 2,
        models: &[
            "ordered-mutexes",
            "stm",
            "global-mutex",
            "arc-swap",
            "owner-thread",
            "ractor",
        ],
        after: "A copy of everything, or a message for each step, has its price. Transactions are in the league of the locks, \
                 and nobody has to know an order. Which fits what you have: `guide`. All models in one table: `compare`. \
                 What there is: `list`. How each does it: `explain MODEL`.",
    },
];

/// What one should know before.
const PROLOGUE: &str = "\
One bank, and every way that people share its accounts between threads: six short acts, a few seconds in all, with \
numbers that are measured now, on this machine. Each account opens with 1000; money is only moved, so whatever is \
missing at the end was lost. OK means that all was right. (expected) marks what is wrong and was never claimed to be \
right: it is shown here for that. Ctrl-C ends it.";

/// In columns.
const WIDTH: usize = 96;

/// Before what went wrong.
const INDENT: &str = "      ";

/// Tells the story; the exit code.
pub(crate) fn tour(options: &Options) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    let mut code = 0;
    if let Some(warning) = debug_build() {
        eprintln!("warning: {warning}");
    }
    interrupt::listen();
    tell(PROLOGUE, &mut out)?;
    for (at, act) in ACTS.iter().enumerate() {
        writeln!(out, "\n{}. {}\n", at + 1, act.title)?;
        tell(act.before, &mut out)?;
        writeln!(out)?;
        let options = Options {
            accounts: ACCOUNTS,
            threads: act.threads,
            repeats: 1,
            duration: options.duration.min(Duration::from_millis(300)),
            ..options.clone()
        };
        for name in act.models {
            let scenario = act.kind.scenario(&options, find(name));
            let standings = scenario.compare(limits(&options), |_| {});
            if interrupt::interrupted() {
                eprintln!("warning: interrupted: the rest of the story is not told");
                return Ok(INTERRUPTED);
            }
            let result = summarize(&scenario, &standings);
            for (model, standing) in result.models.iter().zip(&standings) {
                writeln!(out, "  {}", line(model))?;
                for line in what_is_wrong(model, &standing.findings) {
                    writeln!(out, "{INDENT}{line}")?;
                }
                code |= u8::from(!model.claims_hold);
            }
        }
        writeln!(out)?;
        tell(act.after, &mut out)?;
    }
    Ok(code)
}

/// A paragraph.
fn tell(text: &str, out: &mut impl Write) -> io::Result<()> {
    wrapped(text, WIDTH)
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
}

fn line(model: &ModelResult) -> String {
    let rate = model.commits_per_s.map_or("-".to_owned(), |spread| {
        format!("{}/s", rate(spread.median))
    });
    format!("{:<18} {rate:>10}   {}", model.model, verdict(model))
}

/// What the verdict does not say already.
fn what_is_wrong(model: &ModelResult, findings: &Findings) -> Vec<String> {
    match model.verdict {
        Verdict::Ok | Verdict::Deadlock { .. } | Verdict::Broken(_) | Verdict::Starved => {
            Vec::new()
        }
        _ => wrapped(&findings.explain(), WIDTH - INDENT.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_act_is_played_by_models_that_can() {
        for act in &ACTS {
            for name in act.models {
                let run = find(name).and_then(|model| model.run(act.kind.work()));
                assert!(run.is_some(), "{name} in '{}'", act.title);
            }
        }
    }
}
