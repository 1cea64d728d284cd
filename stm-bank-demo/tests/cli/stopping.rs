//! Runs that end before their time: by a deadlock, by an interrupt, by the watchdog.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use assert_cmd::cargo::cargo_bin;

use crate::{LIMIT, Run, row, run, run_within};

/// By then a run that is to stop has stopped, on any machine. Each would take minutes otherwise.
const SOON: Duration = Duration::from_secs(20);

/// An end to a child that hangs, when the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// What a pipe says, line by line, while it is still open.
fn lines(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let line = line.expect("the program writes text");
            // Nobody listens any more if the test has failed.
            if send.send(line).is_err() {
                break;
            }
        }
    });
    receive
}

/// All lines until the pipe is closed.
fn rest(lines: &mpsc::Receiver<String>, mut said: String) -> String {
    loop {
        match lines.recv_timeout(SOON) {
            Ok(line) => said = said + &line + "\n",
            Err(mpsc::RecvTimeoutError::Disconnected) => return said,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("the program hangs: {said}"),
        }
    }
}

/// Runs the program, and interrupts it as Ctrl-C does once it has said something, on whichever of the two it does.
fn interrupted_at(sign: &str, args: &[&str]) -> Run {
    let child = Command::new(cargo_bin!("stm-bank-demo"))
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut child = Killed(child);
    let stdout = lines(child.0.stdout.take().expect("piped"));
    let stderr = lines(child.0.stderr.take().expect("piped"));
    let speaks = if sign.starts_with('[') {
        &stderr
    } else {
        &stdout
    };
    let mut said = String::new();
    while !said.contains(sign) {
        let Ok(line) = speaks.recv_timeout(LIMIT) else {
            panic!("no {sign} in {said}");
        };
        said = said + &line + "\n";
    }
    let killed = Command::new("kill")
        .args(["-INT", &child.0.id().to_string()])
        .status();
    assert!(killed.expect("the system has kill").success());
    let (stdout, stderr) = if sign.starts_with('[') {
        (rest(&stdout, String::new()), rest(&stderr, said))
    } else {
        (rest(&stdout, said), rest(&stderr, String::new()))
    };
    let code = child.0.wait().expect("it has ended").code();
    Run {
        code,
        stdout,
        stderr,
    }
}

#[test]
fn an_interrupt_ends_it_with_what_was_measured() {
    let args = "compare -m stm,ordered-mutexes -s transfer,hot -r 1 -d 1s --progress plain";
    let Run {
        code,
        stdout,
        stderr,
    } = interrupted_at("[2/2]", &args.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(130), "{stdout}{stderr}");
    assert!(stderr.contains("interrupted"), "{stderr}");
    assert!(
        stdout.contains("transfers, 2 threads"),
        "the first scenario is whole:\n{stdout}"
    );
    assert!(row(&stdout, "stm").ends_with("OK"), "{stdout}");
    assert!(stdout.contains("Interrupted: "), "{stdout}");
}

/// Whatever its threads do, wait, or leave to threads of their own: a round that would take two minutes does not.
#[test]
fn an_interrupt_ends_every_kind_of_work() {
    for (scenario, models) in [
        ("transfer", "ractor"),
        ("audit", "account-threads"),
        ("wait", "stm"),
        ("wait", "condvars"),
        ("crash", "owner-thread"),
        ("metrics", "metrics-accountant"),
        ("pipeline", "pipeline-stm"),
        ("pipeline", "pipeline-channels"),
    ] {
        let mut args: Vec<_> = "compare -r 2 -w 60s -d 60s -n 16 --format json"
            .split(' ')
            .collect();
        args.extend(["-s", scenario, "-m", models]);
        let Run {
            code,
            stdout,
            stderr,
        } = interrupted_at("[1/1]", &args);
        assert_eq!(code, Some(130), "{scenario} on {models}: {stdout}{stderr}");
        let report: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
        assert_eq!(report["interrupted"], true, "{scenario} on {models}");
        let models_done = report["scenarios"][0]["models"].as_array();
        assert!(
            models_done.is_none_or(Vec::is_empty),
            "no round was whole: {stdout}"
        );
    }
}

#[test]
fn an_interrupted_sweep_keeps_the_points_it_has() {
    let args = "sweep --param threads=1,2 -m stm -r 1 -d 1s --format csv";
    let Run {
        code,
        stdout,
        stderr,
    } = interrupted_at("[2/2]", &args.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(130), "{stderr}");
    assert_eq!(stdout.lines().count(), 2, "a header and a row: {stdout}");
}

#[test]
fn an_interrupt_ends_the_tour_and_the_guide() {
    let tour = interrupted_at("2. Locks", &["tour", "-d", "300ms"]);
    assert_eq!(tour.code, Some(130), "{tour:?}");
    assert!(!tour.stdout.contains("6. The bill"), "{tour:?}");
    assert!(tour.stderr.contains("interrupted"), "{tour:?}");

    let guide = interrupted_at("[2/", &["guide", "-d", "300ms", "-r", "1"]);
    assert_eq!(guide.code, Some(130), "{guide:?}");
    assert!(guide.stdout.contains("one counter"), "{guide:?}");
    assert!(!guide.stdout.contains("one machine"), "{guide:?}");
}

/// In a round of two minutes, which must be over long before: a deadlock is found when it is there, and not when
/// the round ends; and the other models get their turn, so nobody keeps the cores from them.
#[test]
fn a_deadlock_is_told_with_its_accounts_and_the_others_go_on() {
    let deadlocking = "run unordered-mutexes -s hot -t 4 -r 1 -w 60s -d 60s";
    let Run {
        code,
        stdout,
        stderr,
    } = run_within(SOON, &deadlocking.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "it claims nothing else: {stdout}{stderr}");
    let shown = row(&stdout, "unordered-mutexes");
    assert!(shown.contains("DEADLOCK"), "{stdout}");
    assert!(
        stdout.contains("threads waited for each other at the accounts ["),
        "{stdout}"
    );

    let both = [
        "compare",
        "-m",
        "unordered-mutexes,ordered-mutexes",
        "-s",
        "hot",
        "-t",
        "4",
        "-r",
        "2",
    ];
    let Run {
        code,
        stdout,
        stderr,
    } = run(&both);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(row(&stdout, "ordered-mutexes").ends_with("OK"), "{stdout}");
}

#[test]
fn a_round_that_does_not_end_in_time_is_told_and_ends_the_program() {
    // A million accounts take longer to open than the two milliseconds that it has.
    let args = "run stm -s transfer -n 1000000 -r 1 -d 1ms --timeout 1ms";
    let Run {
        code,
        stdout,
        stderr,
    } = run(&args.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(5), "{stdout}{stderr}");
    assert!(
        stderr.contains("stuck: 'transfers, 2 threads' on stm"),
        "{stderr}"
    );
    assert_eq!(stdout, "");
}

/// How it ends if its results go there.
fn ends_with_results_to(to: impl Into<Stdio>) -> (Option<i32>, String) {
    let list = Command::new(cargo_bin!("stm-bank-demo"))
        .arg("list")
        .stdin(Stdio::null())
        .stdout(to)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut list = Killed(list);
    let told = rest(&lines(list.0.stderr.take().expect("piped")), String::new());
    (list.0.wait().expect("it has ended").code(), told)
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure_and_a_full_disk_is_one() {
    let (reader, writer) = io::pipe().expect("the system has pipes");
    drop(reader);
    assert_eq!(ends_with_results_to(writer), (Some(0), String::new()));

    // Linux has a disk that is always full.
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let (code, told) = ends_with_results_to(full);
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("the results could not be written"), "{told}");
}
