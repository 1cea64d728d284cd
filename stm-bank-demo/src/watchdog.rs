//! Says what hangs, instead of hanging.

use std::io::{self, Write};
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// The exit code of a run that hangs.
pub(crate) const STUCK: i32 = 5;

/// Runs `work`; if that takes longer than `limit`, says so and ends the process: a deadlocked thread cannot be
/// stopped in any other way.
pub(crate) fn watched<R>(what: &str, limit: Duration, work: impl FnOnce() -> R) -> R {
    let hung = || {
        // Not `eprintln`, which tests capture and would lose with the process.
        _ = writeln!(
            io::stderr(),
            "stm-bank-demo: stuck: {what} did not come to an end within {limit:?}"
        );
        process::exit(STUCK);
    };
    run_watched(limit, hung, work)
}

fn run_watched<R>(limit: Duration, hung: impl FnOnce() + Send, work: impl FnOnce() -> R) -> R {
    thread::scope(|s| {
        // Dropped at the end of the work, also by its panic, which wakes the watching thread.
        let (_working, end) = mpsc::channel::<()>();
        s.spawn(move || {
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                hung();
            }
        });
        work()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process::Command;

    #[test]
    fn work_that_hangs_is_noticed() {
        let (free, freed) = mpsc::channel();
        // Would hang for good if the watchdog did not set it free.
        run_watched(
            Duration::from_millis(1),
            move || free.send(()).expect("the work waits for it"),
            || freed.recv().expect("set free by the watchdog"),
        );
    }

    /// Set for the process that is to hang.
    const HANG: &str = "STM_BANK_DEMO_TEST_HANGS";

    #[test]
    fn hangs_if_asked_to() {
        if env::var_os(HANG).is_some() {
            watched("this test", Duration::from_millis(1), || {
                loop {
                    thread::park();
                }
            });
        }
    }

    #[test]
    fn a_process_that_hangs_says_so_and_ends_with_its_own_code() {
        let mut hanging = Command::new(env::current_exe().expect("a path to this test"));
        hanging
            .args(["--exact", "watchdog::tests::hangs_if_asked_to"])
            .env(HANG, "1");
        let output = watched("a test that hangs", Duration::from_secs(60), || {
            hanging.output().expect("this test can be run")
        });
        assert_eq!(output.status.code(), Some(STUCK));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            told.contains("stuck: this test did not come to an end within 1ms"),
            "{told}"
        );
    }

    #[test]
    fn work_that_ends_is_left_alone() {
        let answer = run_watched(Duration::from_secs(3600), || panic!("not stuck"), || 42);
        assert_eq!(answer, 42);
    }
}
