//! Workers that panic in the middle of a transfer, and are replaced.
//!
//! One request in [`EVERY`] crashes. Whatever the model makes of that, the worker's panic is caught, as a server catches
//! that of a request, and the next request comes. If that one panics as well, the model is broken: it does not go on.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use crate::audit::Findings;
use crate::bank::{Accounts, CrashingBank};
use crate::requests::{Request, Source};
use crate::workload::{Doing, Job};

/// Requests for each that crashes.
const EVERY: u64 = 256;

/// Transfers of which some crash.
#[derive(Debug)]
pub(crate) struct Crashes;

impl<B: CrashingBank> Job<B> for Crashes {
    fn perform(bank: &B, source: &mut impl Source, _: usize, doing: &mut Doing<'_>) {
        if doing.findings.broken.is_some() {
            // Nothing to do until the end, and no reason to keep a core busy.
            thread::sleep(Duration::from_millis(1));
            doing.tally.count(false);
            return;
        }
        let Request { from, to, amount } = source.next();
        if doing.tally.ended % EVERY == EVERY - 1 {
            doing.tally.attempts += 1;
            // However it ends: that is the point.
            _ = quietly(|| bank.crash_in_transfer(from, to, amount));
            doing.tally.count(false);
            return;
        }
        let attempts = &mut doing.tally.attempts;
        match quietly(|| bank.try_transfer(from, to, amount, attempts)) {
            Some(done) => doing.tally.count(done),
            None => {
                doing.findings.broken = Some("requests after a crash panic, too".to_owned());
                doing.tally.count(false);
            }
        }
    }

    fn at_the_end(bank: &B, expected: i64) -> Findings {
        count(bank, expected)
    }
}

/// Counts the accounts, if they can be counted.
fn count(bank: &impl Accounts, expected: i64) -> Findings {
    match quietly(|| bank.balances()) {
        Some(balances) => Findings::at_the_end(expected, &balances),
        None => Findings {
            broken: Some("after a crash the accounts cannot even be counted".to_owned()),
            ..Findings::default()
        },
    }
}

thread_local! {
    static EXPECTS_PANIC: Cell<bool> = const { Cell::new(false) };
}

/// Runs what may panic, and says nothing if it does.
fn quietly<R>(work: impl FnOnce() -> R) -> Option<R> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !EXPECTS_PANIC.get() {
                loud(panic);
            }
        }));
    });
    EXPECTS_PANIC.set(true);
    // What it leaves behind is what this is about.
    let result = catch_unwind(AssertUnwindSafe(work));
    EXPECTS_PANIC.set(false);
    result.ok()
}
