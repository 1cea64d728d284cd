//! What is refused, and what is said about it.

use crate::{Run, run};

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
        "compare",
        "sweep",
        "explain",
        "list",
        "run",
        "tour",
        "guide",
        "--html",
        "--svg",
        "--format",
        "--progress",
        "--color",
        "--zipf",
        "--rate",
        "--timeout",
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
            &["--accounts", "10000000"],
            "--accounts",
            "more would measure the memory and not the model; give a whole number from 2 to 1000000",
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
        (
            &["--threads", "10000000"],
            "--threads",
            "more would measure how the system schedules threads",
        ),
        (&["--threads", ""], "--threads", "this is no whole number"),
        (&["--auditors", "257"], "--auditors", "from 0 to 256"),
        (&["--auditors", "10000000"], "--auditors", "more would"),
        (&["--auditors", "-1"], "--auditors", "from 0 to 256"),
        (&["--duration", "0s"], "--duration", "from 1ms to 60s"),
        (&["--duration", "0"], "--duration", "from 1ms to 60s"),
        (&["--duration", "-1s"], "--duration", "from 1ms to 60s"),
        (
            &["--duration", "10000000s"],
            "--duration",
            "too long to wait for; give a time from 1ms to 60s",
        ),
        (&["--warm-up", "10000000s"], "--warm-up", "too long"),
        (&["--timeout", "10000000s"], "--timeout", "too long"),
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
        (&["-n", "0"], "--accounts", "from 2 to 1000000"),
        (&["-t", "0"], "--threads", "from 1 to 256"),
        (&["-d", "0ms"], "--duration", "too short"),
        (&["-r", "10000000"], "--repeats", "from 1 to 1000"),
        (&["-w", "0s"], "--warm-up", "from 1ms to 60s"),
        (&["--timeout", "0s"], "--timeout", "from 1ms to 60s"),
        (&["--zipf", "-1"], "--zipf", "from 0 to 2"),
        (&["--zipf", "NaN"], "--zipf", "from 0 to 2"),
        (&["--rate", "0"], "--rate", "from 1 to 10000000"),
        (&["--rate", "100000000"], "--rate", "from 1 to 10000000"),
        (&["--html"], "--html", "value is required"),
        (&["--svg"], "--svg", "value is required"),
        (
            &["tour", "--format", "json"],
            "--format",
            "the tour prints text",
        ),
        (&["list", "--html", "x.html"], "--html", "list prints text"),
        (
            &["explain", "stm", "--svg", "x.svg"],
            "--svg",
            "explain prints text",
        ),
        (
            &["guide", "--format", "csv"],
            "--format",
            "table or markdown",
        ),
        (&["guide", "--html", "x.html"], "--html", "no plots"),
        (&["compare", "-m", ""], "--models", "there is no such model"),
        (&["run", "stm", "-s", "pipeline"], "stm", "list"),
        (&["--progress", "loud"], "--progress", "plain"),
        (&["--color", "red"], "--color", "never"),
        (&["--format", "xml"], "--format", "table"),
        (&["run"], "MODEL", "--help"),
        (&["run", "mutex"], "MODEL", "ordered-mutexes"),
        (&["explain", "everything"], "MODEL", "owner-thread"),
        (
            &["compare", "-m", "stm,mutex"],
            "--models",
            "ordered-mutexes",
        ),
        (&["compare", "-s", "party"], "--scenario", "write-skew"),
        (
            &["compare", "-m", "condvars", "-s", "hot"],
            "condvars",
            "list",
        ),
        (
            &["compare", "-n", "3", "-s", "write-skew"],
            "write-skew",
            "4 accounts",
        ),
        (
            &["compare", "-n", "1000000", "-m", "account-threads"],
            "account-threads",
            "at most 4096 accounts",
        ),
        (&["sweep"], "--param", "required"),
        (
            &["sweep", "--param", "threads"],
            "--param",
            "threads=1,2,4,8",
        ),
        (
            &["sweep", "--param", "threads=1,0"],
            "--param",
            "from 1 to 256",
        ),
        (&["sweep", "--param", "zipf=3"], "--param", "from 0 to 2"),
        (&["sweep", "--param", "accounts="], "--param", "from 2 to"),
        (
            &["sweep", "--param", "colour=1"],
            "--param",
            "threads, accounts",
        ),
        (&["list", "--threads", "0"], "--threads", "from 1 to 256"),
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
