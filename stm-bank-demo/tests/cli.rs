//! The program from outside: what it prints where, and its exit codes.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Beyond this a run hangs: all of them are tiny, and the program's own watchdog is far quicker.
const LIMIT: Duration = Duration::from_secs(120);

struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

/// Runs the program to its end, or kills it at the limit and fails.
fn run(args: &[&str]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stm-bank-demo"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = read_to_end(child.stdout.take().expect("piped"));
    let stderr = read_to_end(child.stderr.take().expect("piped"));
    // Its pipes close when it ends.
    let (stdout, stderr) = (
        until_limit(&mut child, &stdout),
        until_limit(&mut child, &stderr),
    );
    let code = child.wait().expect("it has ended").code();
    Run {
        code,
        stdout,
        stderr,
    }
}

fn read_to_end(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text)
            .expect("the program writes text");
        // Nobody listens any more if the test has failed.
        _ = send.send(text);
    });
    receive
}

fn until_limit(child: &mut Child, text: &mpsc::Receiver<String>) -> String {
    text.recv_timeout(LIMIT).unwrap_or_else(|_| {
        _ = child.kill();
        panic!("the program hangs");
    })
}

/// A run of all scenarios that takes a moment.
const TINY: [&str; 6] = ["--accounts", "16", "--duration", "5ms", "--repeats", "2"];

fn tiny(more: &[&str]) -> Run {
    run(&[&TINY, more].concat())
}

#[test]
fn a_run_prints_the_table_and_finds_nothing_wrong() {
    let Run {
        code,
        stdout,
        stderr,
    } = tiny(&["--threads", "2", "--auditors", "1", "--seed", "3"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for expected in [
        "16 accounts",
        "rounds: 2 of 5ms",
        "seed 3",
        "scenario",
        "relative to mutexes",
        "verdict",
        "transfers, 1 thread ",
        "transfers, 2 threads",
        "hot: 8 accounts, 2 threads",
        "audited: 1 moving, 1 auditing",
        "waiting for cover, 2 threads",
        "ordered mutexes",
        "STM, snapshot",
        "STM, atomically",
        "mutexes and condvars",
        "padded mutexes",
        "transfers/s",
        "audits/s",
        "withdrawals/s",
    ] {
        assert!(stdout.contains(expected), "no {expected:?} in\n{stdout}");
    }
    let verdicts = stdout.lines().filter(|line| line.ends_with(" OK")).count();
    assert_eq!(
        verdicts, 13,
        "one for each engine in each scenario:\n{stdout}"
    );
    assert!(stderr.contains("[5/5] waiting for cover"), "{stderr}");
    assert!(
        !stdout.contains("[5/5]"),
        "progress is no result:\n{stdout}"
    );
}

#[test]
fn one_thread_and_no_auditor_leave_out_what_they_cannot_show() {
    let Run {
        code,
        stdout,
        stderr,
    } = tiny(&["--threads", "1", "--auditors", "0"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(!stdout.contains("audits/s"), "{stdout}");
    assert!(!stdout.contains("transfers, 2 threads"), "{stdout}");
    assert!(
        stdout.contains("waiting for cover, 2 threads"),
        "waiting takes two:\n{stdout}"
    );
}

#[test]
fn two_accounts_are_enough() {
    let Run {
        code,
        stdout,
        stderr,
    } = run(&["--accounts", "2", "--duration", "5ms", "--repeats", "1"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("hot: 2 accounts"), "{stdout}");
}

#[test]
fn more_threads_than_cores_are_warned_about() {
    let Run { code, stderr, .. } = tiny(&["--threads", "200", "--auditors", "0"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("warning: up to 200 threads share "),
        "{stderr}"
    );
}

#[test]
fn help_and_version_are_results() {
    let help = run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for expected in [
        "--accounts",
        "--threads",
        "--auditors",
        "--duration",
        "--repeats",
        "--seed",
        "Exit codes:",
    ] {
        assert!(
            help.stdout.contains(expected),
            "no {expected:?} in\n{}",
            help.stdout
        );
    }
    let version = run(&["--version"]);
    assert_eq!(version.code, Some(0));
    assert!(
        version.stdout.starts_with("stm-bank-demo "),
        "{}",
        version.stdout
    );
}

#[test]
fn bad_usage_is_refused_with_the_flag_and_what_to_do() {
    for (args, flag, advice) in [
        (&["--accounts", "0"][..], "--accounts", "from 2 to 1000000"),
        (
            &["--accounts", "1"],
            "--accounts",
            "a transfer needs two accounts",
        ),
        (
            &["--accounts", "10000001"],
            "--accounts",
            "from 2 to 1000000",
        ),
        (
            &["--accounts", "99999999999999999999999"],
            "--accounts",
            "from 2 to 1000000",
        ),
        (&["--accounts", "-3"], "--accounts", "from 2 to 1000000"),
        (&["--accounts", "many"], "--accounts", "from 2 to 1000000"),
        (&["--accounts"], "--accounts", "value is required"),
        (
            &["--accounts", "4", "--accounts", "5"],
            "--accounts",
            "multiple times",
        ),
        (&["--threads", "0"], "--threads", "from 1 to 256"),
        (&["--threads", "10000000"], "--threads", "from 1 to 256"),
        (&["--auditors", "257"], "--auditors", "from 0 to 256"),
        (&["--auditors", "-1"], "--auditors", "from 0 to 256"),
        (&["--duration", "0s"], "--duration", "from 1ms to 60s"),
        (&["--duration", "0"], "--duration", "from 1ms to 60s"),
        (&["--duration", "-1s"], "--duration", "from 1ms to 60s"),
        (
            &["--duration", "10000000s"],
            "--duration",
            "from 1ms to 60s",
        ),
        (&["--duration", "2"], "--duration", "it has no unit"),
        (&["--repeats", "0"], "--repeats", "from 1 to 1000"),
        (
            &["--seed", "-1"],
            "--seed",
            "from 0 to 18446744073709551615",
        ),
        (
            &["--seed", "18446744073709551616"],
            "--seed",
            "from 0 to 18446744073709551615",
        ),
        (&["--acounts", "5"], "--acounts", "--accounts"),
        (&["fast"], "fast", "--help"),
    ] {
        let Run {
            code,
            stdout,
            stderr,
        } = run(args);
        assert_eq!(code, Some(2), "{args:?}\n{stderr}");
        assert!(
            stderr.contains(flag),
            "{args:?} does not name {flag}:\n{stderr}"
        );
        assert!(
            stderr.contains(advice),
            "{args:?} does not say {advice:?}:\n{stderr}"
        );
        assert_eq!(stdout, "", "{args:?}");
    }
}
