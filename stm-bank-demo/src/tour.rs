//! The tour: a story in six acts, with numbers that are measured as it is told.

use std::io::{self, Write};
use std::time::Duration;

use crate::compare::Limits;
use crate::models::find;
use crate::options::Options;
use crate::results::{ModelResult, Verdict};
use crate::scenarios::Kind;
use crate::summary::summarize;
use crate::{INTERRUPTED, interrupt, report};

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
        before: "64 accounts, and threads that move money between them. Each balance is an atomic: look whether there\n\
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
        after: "One pays A to B, another one B to A, and each holds what the other one wants. Locking in one order works,\n\
                for those who know everything that will be locked before they lock anything.",
    },
    Act {
        title: "The report",
        before: "What do all accounts hold together, while money moves? Lock them one at a time; or ask each account's\n\
                 thread, or actor; or lock them all; or take a snapshot of transactional variables.",
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
        before: "Two bounded queues, and workers that take one item from each. Taken from one channel after the other; from\n\
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
        after: "Without poison the money is gone and nobody notices; with poison the bank stands still. A supervised actor\n\
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
        after: "A transaction costs more than the two locks that a perfect programmer takes. What it buys is that nobody has\n\
                to be one. All of it: `compare`. What there is: `list`. How each does it: `explain MODEL`.",
    },
];

/// Tells the story; the exit code.
pub(crate) fn tour(options: &Options) -> io::Result<u8> {
    let limits = Limits {
        grace: options.timeout,
        rate: None,
    };
    let mut out = io::stdout().lock();
    let mut code = 0;
    interrupt::listen();
    for (at, act) in ACTS.iter().enumerate() {
        writeln!(out, "\n{}. {}\n\n{}\n", at + 1, act.title, act.before)?;
        let options = Options {
            accounts: ACCOUNTS,
            threads: act.threads,
            repeats: 1,
            duration: options.duration.min(Duration::from_millis(300)),
            ..options.clone()
        };
        for name in act.models {
            let scenario = act.kind.scenario(&options, find(name));
            let result = summarize(&scenario, &scenario.compare(limits, |_| {}));
            if interrupt::interrupted() {
                return Ok(INTERRUPTED);
            }
            for model in &result.models {
                writeln!(out, "  {}", line(model))?;
                code |= u8::from(!model.claims_hold);
            }
        }
        writeln!(out, "\n{}", act.after)?;
    }
    Ok(code)
}

fn line(model: &ModelResult) -> String {
    let rate = model
        .commits_per_s
        .map_or("-".to_owned(), |spread| report::rate(spread.median));
    let claimed = match model.verdict {
        Verdict::Ok => "",
        _ if model.claims_hold => " (not claimed)",
        _ => " (a broken claim)",
    };
    let verdict = model.verdict.to_string();
    format!("{:<18} {rate:>8}/s   {verdict}{claimed}", model.model)
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
