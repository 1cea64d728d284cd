//! The commands: what each of them shows.

use crate::{Run, row, run, tiny};

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
    } = run(&["tour", "-d", "60ms"]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    // A wrong model, in each of the acts that show one, with what was wrong.
    for sign in [
        "(expected)",
        "DEADLOCK at ",
        "TORN AUDITS",
        "were missing or too much",
    ] {
        assert!(stdout.contains(sign), "no {sign:?} in\n{stdout}");
    }
    for line in stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
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
fn the_guide_has_a_figure_and_a_command_for_each_situation() {
    let brief = ["guide", "-d", "5ms", "-r", "1", "-n", "16"];
    let Run {
        code,
        stdout,
        stderr,
    } = run(&brief);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    for part in ["  take ", "  because "] {
        assert_eq!(stdout.matches(part).count(), 8, "{stdout}");
    }
    assert!(
        stdout.contains("  measured  metrics: metrics-atomics "),
        "{stdout}"
    );
    let mut commands = stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  see "));
    let command = commands.next_back().expect("a row has a command");
    let Run { code, stderr, .. } = tiny(&command.split_whitespace().collect::<Vec<_>>());
    assert_eq!(code, Some(0), "what it says can be typed: {stderr}");

    let markdown = run(&[&brief[..], &["--format", "markdown"]].concat());
    assert_eq!(markdown.code, Some(0), "{markdown:?}");
    let rows = markdown.stdout.lines().filter(|line| line.starts_with('|'));
    assert_eq!(rows.count(), 2 + 8, "{markdown:?}");
}

#[test]
fn every_model_of_the_list_can_be_explained() {
    let list = run(&["list"]).stdout;
    let mut explained = 0;
    for line in list.lines().filter(|line| line.ends_with(')')) {
        let Some((name, _)) = line.trim_start().split_once(" (") else {
            continue;
        };
        if line.starts_with("  ") && !line.starts_with("   ") && !name.contains(' ') {
            let Run { code, stdout, .. } = run(&["explain", name]);
            assert_eq!(code, Some(0), "{name}");
            assert!(stdout.starts_with(&format!("{name}: ")), "{stdout}");
            explained += 1;
        }
    }
    assert!(explained > 20, "{explained} of\n{list}");
}

#[test]
fn what_is_named_twice_runs_once() {
    let twice = ["compare", "-m", "stm,stm", "-s", "hot,hot"];
    let Run { code, stdout, .. } = tiny(&twice);
    assert_eq!(code, Some(0), "{stdout}");
    let rows = stdout.lines().filter(|line| line.starts_with("stm "));
    assert_eq!(rows.count(), 1, "{stdout}");
}

#[test]
fn progress_is_told_as_asked_and_never_among_results() {
    for (progress, told) in [("auto", true), ("plain", true), ("none", false)] {
        let Run {
            code,
            stdout,
            stderr,
        } = tiny(&[
            "run",
            "stm",
            "-s",
            "hot",
            "--progress",
            progress,
            "--color",
            "never",
        ]);
        assert_eq!(code, Some(0), "{stderr}");
        assert_eq!(stderr.contains("[1/1] hot"), told, "{progress}: {stderr}");
        assert!(!stdout.contains("[1/1]"), "{stdout}");
    }
}
