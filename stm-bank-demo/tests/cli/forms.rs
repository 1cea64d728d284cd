//! The forms of results, read as a program would read them.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::{Run, run, tiny};

/// What every form is asked to show: two scenarios, one with a wrong model in it.
const CHOSEN: [&str; 5] = [
    "compare",
    "-m",
    "stm,ordered-mutexes,one-at-a-time",
    "-s",
    "transfer,audit",
];

fn chosen(more: &[&str]) -> String {
    let Run {
        code,
        stdout,
        stderr,
    } = tiny(&[&CHOSEN, more].concat());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    stdout
}

const SWEEP: [&str; 5] = ["sweep", "--param", "accounts=4,16", "-m", "stm"];

fn swept(format: &str) -> String {
    let Run {
        code,
        stdout,
        stderr,
    } = tiny(&[&SWEEP[..], &["--format", format]].concat());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    stdout
}

/// A file that is gone after the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let name = format!("stm-bank-demo-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }

    fn read(&self) -> String {
        fs::read_to_string(&self.0).expect("the file was written")
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

#[test]
fn json_is_one_object_with_everything() {
    let report: Value = serde_json::from_str(&chosen(&["--format", "json"])).expect("JSON");
    assert_eq!(report["schema_version"], 1);
    assert_eq!(report["interrupted"], false);
    assert!(report["started"].as_str().expect("text").ends_with('Z'));
    assert!(report["sweep"].is_null());
    let scenarios = report["scenarios"].as_array().expect("a list");
    assert_eq!(scenarios.len(), 2);
    for scenario in scenarios {
        assert_eq!(scenario["models"].as_array().expect("a list").len(), 3);
        for model in scenario["models"].as_array().expect("a list") {
            assert!(model["commits_per_s"]["median"].as_f64() > Some(0.0));
            assert_eq!(model["claims_hold"], true);
        }
    }
    let sweep: Value = serde_json::from_str(&swept("json")).expect("JSON");
    assert_eq!(sweep["sweep"]["param"], "accounts");
    assert_eq!(sweep["sweep"]["points"][1]["value"], 16.0);
}

#[test]
fn jsonl_and_csv_have_a_line_for_each_model_in_each_scenario() {
    let lines = chosen(&["--format", "jsonl"]);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    let who = |line: &Value| line["model"].as_str().expect("text").to_owned();
    let names = ["ordered-mutexes", "stm", "one-at-a-time"];
    assert_eq!(
        lines.iter().map(who).collect::<Vec<_>>(),
        [names, names].concat()
    );

    let text = chosen(&["--format", "csv"]);
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let columns = rows.headers().expect("a header").clone();
    let model = columns.iter().position(|column| column == "model");
    let rows: Vec<_> = rows.records().map(|row| row.expect("a row")).collect();
    let who = rows.iter().map(|row| &row[model.expect("a column")]);
    assert_eq!(who.collect::<Vec<_>>(), [names, names].concat());

    assert_eq!(swept("jsonl").lines().count(), 2, "a line for each point");
    assert_eq!(swept("csv").lines().count(), 3, "and a header");
}

#[test]
fn markdown_is_a_table_for_each_scenario() {
    let text = chosen(&["--format", "markdown"]);
    let tables: Vec<_> = text.split("\n### ").collect();
    assert_eq!(tables.len(), 2, "{text}");
    for table in tables {
        let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 2 + 3, "a head and three models: {table}");
        for row in rows {
            assert_eq!(row.matches('|').count(), 11, "{row}");
        }
    }
    assert!(swept("markdown").contains("| model | 4 | 16 |"));
}

#[test]
fn a_table_is_for_people_and_as_wide_as_a_terminal() {
    let text = chosen(&["--format", "table"]);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert!(text.contains("audits/s"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours but on a terminal");
}

#[test]
fn the_page_of_a_comparison_has_all_three_kinds_of_plots() {
    let page = Temporary::new("compare.html");
    let Run { code, stderr, .. } = tiny(&["compare", "--html", page.path()]);
    assert_eq!(code, Some(0), "{stderr}");
    let html = page.read();
    for plot in [
        "Latency percentiles",
        "Audits beside transfers",
        "Throughput by threads",
        "Throughput relative to ordered-mutexes",
    ] {
        assert!(html.contains(plot), "no {plot}");
    }
    assert!(html.trim_end().ends_with("</html>"));
    assert!(html.matches("<svg").count() > 10);
}

#[test]
fn a_plot_alone_is_a_picture() {
    let plot = Temporary::new("plot.svg");
    for (args, title) in [
        (
            &CHOSEN[..],
            "transfers, 2 threads: Throughput relative to ordered-mutexes",
        ),
        (&["run", "stm", "-s", "audit"], "Audits beside transfers"),
        (&["run", "stm", "-s", "transfer"], "Latency percentiles"),
        (&SWEEP, "Commits per second by accounts"),
    ] {
        let args = [args, &["--svg", plot.path()]].concat();
        let Run { code, stderr, .. } = tiny(&args);
        assert_eq!(code, Some(0), "{stderr}");
        let svg = plot.read();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains(title), "no {title:?} in {svg}");
    }
}

#[test]
fn files_that_cannot_be_written_are_refused_before_anything_is_measured() {
    let chosen = ["run", "stm", "-s", "transfer"];
    for flag in ["--html", "--svg"] {
        let nowhere = [flag, "/no/such/place/file"];
        let Run {
            code,
            stdout,
            stderr,
        } = tiny(&[&chosen[..], &nowhere].concat());
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("/no/such/place/file"), "{stderr}");
        assert!(stderr.contains("a directory that is there"), "{stderr}");
        assert!(!stderr.contains("[1/"), "{stderr}");
        assert_eq!(stdout, "");
    }
}

#[test]
fn a_plot_of_nothing_is_told_and_the_results_come_all_the_same() {
    let plot = Temporary::new("nothing.svg");
    let args = [
        "run",
        "unordered-mutexes",
        "-s",
        "hot",
        "-t",
        "4",
        "-r",
        "1",
    ];
    let Run {
        code,
        stdout,
        stderr,
    } = run(&[&args[..], &["--svg", plot.path()]].concat());
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("there is nothing to plot"), "{stderr}");
    assert!(stdout.contains("DEADLOCK"), "{stdout}");
}
