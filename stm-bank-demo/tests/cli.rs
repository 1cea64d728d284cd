//! The program from outside: what it prints where, and its exit codes.

use std::io::{BufRead, BufReader, Read};
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
        "relative",
        "verdict",
        "transfers, 1 thread: ",
        "transfers, 2 threads",
        "hot: 8 accounts, 2 threads",
        "audited: 1 moving, 1 auditing",
        "waiting for cover, 8 customers",
        "every model, 16 accounts: transfers, 2 threads",
        "every model, 16 accounts: audited",
        "ordered-mutexes",
        "stm-atomic-audit",
        "condvars",
        "padded-mutexes",
        "ractor",
        "audits/s",
    ] {
        assert!(stdout.contains(expected), "no {expected:?} in\n{stdout}");
    }
    let at_length = stdout.split("every model").next().expect("a first part");
    let verdicts = at_length
        .lines()
        .filter(|line| line.ends_with(" OK"))
        .count();
    assert_eq!(
        verdicts, 13,
        "one for each model in each scenario:\n{stdout}"
    );
    assert!(stderr.contains("[5/7] waiting for cover"), "{stderr}");
    assert!(
        !stdout.contains("[5/7]"),
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
    assert!(!stdout.contains("tries an audit"), "{stdout}");
    assert!(!stdout.contains("transfers, 2 threads"), "{stdout}");
    assert!(
        stdout.contains("waiting for cover, 4 customers"),
        "waiting takes more than one:\n{stdout}"
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
        "compare",
        "sweep",
        "explain",
        "list",
        "run",
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
        (&["-n", "0"], "--accounts", "from 2 to 1000000"),
        (&["-t", "0"], "--threads", "from 1 to 256"),
        (&["-d", "0ms"], "--duration", "from 1ms to 60s"),
        (&["-r", "10000000"], "--repeats", "from 1 to 1000"),
        (&["-w", "0s"], "--warm-up", "from 1ms to 60s"),
        (&["--timeout", "0s"], "--timeout", "from 1ms to 60s"),
        (&["--zipf", "-1"], "--zipf", "from 0 to 2"),
        (&["--zipf", "NaN"], "--zipf", "from 0 to 2"),
        (&["--rate", "0"], "--rate", "from 1 to 10000000"),
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

/// What is printed about a model, up to the next one that is asked about.
fn row<'a>(stdout: &'a str, model: &str) -> &'a str {
    let of_model = |line: &&str| line.split_whitespace().next() == Some(model);
    let row = stdout.lines().find(of_model);
    row.unwrap_or_else(|| panic!("no {model} in\n{stdout}"))
}

#[test]
fn models_and_scenarios_can_be_chosen() {
    let chosen = [
        "compare",
        "-m",
        "stm,ordered-mutexes,rwlock",
        "-s",
        "batch,audit",
    ];
    let Run {
        code,
        stdout,
        stderr,
    } = tiny(&chosen);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("payroll, 2 threads"), "{stdout}");
    assert!(stdout.contains("audited: 1 moving"), "{stdout}");
    assert!(!stdout.contains("transfers,"), "{stdout}");
    assert!(row(&stdout, "rwlock").ends_with("OK"), "{stdout}");
    assert!(!stdout.contains("racy"), "{stdout}");
    assert!(
        row(&stdout, "ordered-mutexes").contains(" 1.00 "),
        "{stdout}"
    );
}

#[test]
fn a_model_runs_in_all_that_it_can_do() {
    let Run {
        code,
        stdout,
        stderr,
    } = tiny(&["run", "stm"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for scenario in [
        "transfers,",
        "zipf 0.99,",
        "hot:",
        "audited:",
        "waiting",
        "choosing",
        "payroll,",
        "write skew:",
        "crashing",
    ] {
        assert!(stdout.contains(scenario), "no {scenario:?} in\n{stdout}");
    }
    let of_stm = |line: &&str| line.split_whitespace().next() == Some("stm");
    for line in stdout.lines().filter(of_stm) {
        assert!(line.ends_with(" OK"), "{line}");
    }
}

#[test]
fn a_deadlock_is_told_with_its_accounts_and_the_others_go_on() {
    let Run {
        code,
        stdout,
        stderr,
    } = run(&[
        "compare",
        "-m",
        "unordered-mutexes,ordered-mutexes",
        "-s",
        "hot",
        "-t",
        "4",
        "-d",
        "2s",
        "-r",
        "1",
    ]);
    // Within the two seconds of the round, or it would have come to an end without.
    assert_eq!(code, Some(0), "it claims nothing else: {stdout}{stderr}");
    let deadlock = row(&stdout, "unordered-mutexes");
    assert!(deadlock.contains("DEADLOCK at "), "{stdout}");
    assert!(row(&stdout, "ordered-mutexes").ends_with("OK"), "{stdout}");
}

#[test]
fn wrong_models_are_told_and_fail_nothing_that_they_do_not_claim() {
    let Run {
        code,
        stdout,
        stderr,
    } = run(&[
        "compare",
        "-m",
        "racy,parking-lot,ordered-mutexes",
        "-s",
        "crash",
        "-d",
        "50ms",
        "-r",
        "1",
    ]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for (model, verdict) in [("parking-lot", "LOST "), ("ordered-mutexes", "BROKEN")] {
        let row = row(&stdout, model);
        assert!(row.contains(verdict), "{row}");
    }
    // At the end of the row, or below it where there is no room.
    assert_eq!(
        stdout.matches("(expected)").count(),
        4,
        "three, and the legend: {stdout}"
    );
    assert!(
        !stderr.contains("panicked"),
        "crashes on purpose are quiet: {stderr}"
    );
}

#[test]
fn a_sweep_shows_each_value() {
    let Run {
        code,
        stdout,
        stderr,
    } = tiny(&[
        "sweep",
        "--param",
        "threads=1,3",
        "-m",
        "stm,ordered-mutexes",
        "-s",
        "transfer",
    ]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("commits/s by threads"), "{stdout}");
    let columns: Vec<_> = row(&stdout, "model").split_whitespace().collect();
    assert_eq!(columns, ["model", "1", "3"], "{stdout}");
    for model in ["stm", "ordered-mutexes"] {
        let figures = row(&stdout, model).split_whitespace().count();
        assert_eq!(figures, 5, "a rate with its unit at each value: {stdout}");
    }
}

#[test]
fn the_list_names_models_claims_and_scenarios() {
    let Run { code, stdout, .. } = run(&["list"]);
    assert_eq!(code, Some(0));
    for expected in [
        "write-skew",
        "pipeline-stm (stm)",
        "claims: nothing",
        "survives a crash",
        "not: wait,",
        "account-threads",
    ] {
        assert!(stdout.contains(expected), "no {expected:?} in\n{stdout}");
    }
}

#[test]
fn a_model_is_explained_by_its_own_source() {
    let Run { code, stdout, .. } = run(&["explain", "ordered-mutexes"]);
    assert_eq!(code, Some(0));
    let shown = stdout.split("\n\n").last().expect("a last part");
    assert!(shown.starts_with("fn try_transfer(&self"), "{stdout}");
    assert!(
        stdout.contains("if from < to {\n        payer = self.0[from].lock();"),
        "{stdout}"
    );
}

#[test]
fn the_tour_has_six_acts() {
    let Run {
        code,
        stdout,
        stderr,
    } = run(&["tour", "-d", "20ms"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for act in [
        "1. Check",
        "2. Locks",
        "3. The report",
        "4. Two",
        "5. A worker",
        "6. The bill",
    ] {
        assert!(stdout.contains(act), "no {act:?} in\n{stdout}");
    }
}

#[test]
fn requests_can_come_at_a_rate() {
    let Run {
        code,
        stdout,
        stderr,
    } = run(&[
        "run", "stm", "-s", "transfer", "-r", "1", "-d", "100ms", "--rate", "2000",
    ]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(row(&stdout, "stm").ends_with("OK"), "{stdout}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_what_was_measured() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stm-bank-demo"))
        .args([
            "compare",
            "-m",
            "stm,ordered-mutexes",
            "-s",
            "transfer,hot",
            "-r",
            "1",
            "-d",
        ])
        .arg("1s")
        .args(["--progress", "plain"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let stdout = read_to_end(child.stdout.take().expect("piped"));
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut told = String::new();
    while !told.contains("[2/2]") {
        let read = stderr
            .read_line(&mut told)
            .expect("the program writes text");
        assert!(read > 0, "ended before the second scenario: {told}");
    }
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.expect("the system has kill").success());
    let stdout = until_limit(&mut child, &stdout);
    stderr
        .read_to_string(&mut told)
        .expect("the program writes text");
    let code = child.wait().expect("it has ended").code();
    assert_eq!(code, Some(130), "{stdout}{told}");
    assert!(told.contains("interrupted"), "{told}");
    assert!(
        stdout.contains("transfers, 2 threads"),
        "the first scenario is whole:\n{stdout}"
    );
    assert!(row(&stdout, "stm").ends_with("OK"), "{stdout}");
}

#[test]
fn models_that_cannot_keep_so_many_accounts_are_left_out_with_a_word() {
    let Run {
        code,
        stdout,
        stderr,
    } = run(&[
        "compare", "-s", "transfer", "-n", "100000", "-d", "1ms", "-r", "1",
    ]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(
        stderr.contains("account-threads keeps 4096 accounts at most"),
        "{stderr}"
    );
    let of_model = |line: &str| line.split_whitespace().next() == Some("account-threads");
    assert!(!stdout.lines().any(of_model), "{stdout}");
    assert!(row(&stdout, "arc-swap").ends_with("OK"), "{stdout}");
}

#[test]
fn results_come_in_the_form_that_was_asked_for() {
    let page = std::env::temp_dir().join(format!("stm-bank-demo-{}.html", std::process::id()));
    let path = page.to_str().expect("a plain path");
    let asked = ["run", "stm", "-s", "transfer", "--html", path];
    for (format, begins) in [
        ("json", "{"),
        ("jsonl", "{"),
        ("csv", "scenario,"),
        ("markdown", "#"),
        ("table", "16 accounts"),
    ] {
        let mut all = asked.to_vec();
        all.extend(["--format", format]);
        let Run {
            code,
            stdout,
            stderr,
        } = tiny(&all);
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(
            stdout.trim_start().starts_with(begins),
            "{format}: {stdout}"
        );
        let html = std::fs::read_to_string(&page).expect("the page was written");
        assert!(html.contains("</html>") && html.contains("<svg"), "{html}");
    }
    std::fs::remove_file(&page).expect("it is there");

    let nowhere = [
        "run",
        "stm",
        "-s",
        "transfer",
        "--html",
        "/no/such/place/report.html",
    ];
    let Run { code, stderr, .. } = tiny(&nowhere);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("/no/such/place/report.html"), "{stderr}");
}
