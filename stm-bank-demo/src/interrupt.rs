//! Ctrl-C: ends what runs and keeps what was measured.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

static INTERRUPTED: Mutex<bool> = Mutex::new(false);
static CHANGED: Condvar = Condvar::new();

/// How a sleep has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Slept {
    Through,
    Interrupted,
}

/// From now on Ctrl-C asks the program to end. The second one ends it at once.
pub(crate) fn listen() {
    let heard = ctrlc::set_handler(|| {
        let mut interrupted = INTERRUPTED.lock().unwrap_or_else(PoisonError::into_inner);
        if *interrupted {
            std::process::exit(crate::INTERRUPTED.into());
        }
        *interrupted = true;
        CHANGED.notify_all();
    });
    if let Err(error) = heard {
        eprintln!("warning: Ctrl-C will end the program without results: {error}");
    }
}

/// Whether Ctrl-C was pressed.
pub(crate) fn interrupted() -> bool {
    *INTERRUPTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sleeps, unless and until Ctrl-C is pressed.
pub(crate) fn sleep(time: Duration) -> Slept {
    let guard = INTERRUPTED.lock().unwrap_or_else(PoisonError::into_inner);
    let slept = CHANGED.wait_timeout_while(guard, time, |interrupted| !*interrupted);
    let (interrupted, _) = slept.unwrap_or_else(PoisonError::into_inner);
    if *interrupted {
        Slept::Interrupted
    } else {
        Slept::Through
    }
}
