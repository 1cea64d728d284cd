//! JSON: one object with everything, or a line for each model.
//!
//! The object is what `results.rs` derives. A line is a model's object, flattened together with what it takes to
//! read it alone: which scenario, and which point of a sweep. `schema/report.schema.json` describes both, the
//! lines under `$defs/line`.

use std::io;

use serde::Serialize;

use super::lines;
use crate::results::{ModelResult, Report};

pub(super) fn write(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *to, report)?;
    writeln!(to)
}

#[derive(Serialize)]
struct JsonLine<'a> {
    schema_version: u32,
    started: &'a str,
    seed: u64,
    /// In each line, for those who read only some.
    interrupted: bool,
    scenario: &'a str,
    accounts: usize,
    threads: usize,
    auditors: usize,
    param: Option<&'a str>,
    value: Option<f64>,
    #[serde(flatten)]
    result: &'a ModelResult,
}

pub(super) fn write_lines(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    for line in lines(report) {
        let json = JsonLine {
            schema_version: report.schema_version,
            started: &report.started,
            seed: report.seed,
            interrupted: report.interrupted,
            scenario: &line.scenario.name,
            accounts: line.scenario.accounts,
            threads: line.scenario.threads,
            auditors: line.scenario.auditors,
            param: line.point.map(|(param, _)| param),
            value: line.point.map(|(_, value)| value),
            result: line.result,
        };
        serde_json::to_writer(&mut *to, &json)?;
        writeln!(to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, HOSTILE, watched};
    use crate::output::schema::{check, check_line};
    use serde_json::Value;

    fn object(report: &Report) -> Value {
        let mut out = Vec::new();
        write(report, &mut out).expect("a vector takes everything");
        serde_json::from_slice(&out).expect("JSON")
    }

    fn json_lines(report: &Report) -> Vec<Value> {
        let mut out = Vec::new();
        write_lines(report, &mut out).expect("a vector takes everything");
        let text = String::from_utf8(out).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }

    #[test]
    fn every_report_is_what_the_schema_says() {
        watched("every_report_is_what_the_schema_says", || {
            for report in fixture::all() {
                assert_eq!(check(&object(&report)), Ok(()));
            }
        });
    }

    #[test]
    fn every_line_is_what_the_schema_says() {
        watched("every_line_is_what_the_schema_says", || {
            for report in fixture::all() {
                for line in json_lines(&report) {
                    assert_eq!(check_line(&line), Ok(()));
                }
            }
        });
    }

    #[test]
    fn numbers_that_are_not_finite_are_null() {
        watched("numbers_that_are_not_finite_are_null", || {
            let report = object(&fixture::without_numbers());
            let first = &report["scenarios"][0]["models"][0];
            for name in [
                "commits_per_s",
                "relative",
                "audits_per_s",
                "tries_per_commit",
            ] {
                assert_eq!(first[name], Value::Null, "{name}");
            }
            assert_eq!(report["sweep"]["points"][0]["value"], Value::Null);
            let lines = json_lines(&fixture::without_numbers());
            let swept = lines.iter().find(|line| line["param"] == "threads");
            assert_eq!(swept.expect("a swept line")["value"], Value::Null);
        });
    }

    #[test]
    fn nothing_is_lost_on_the_way() {
        watched("nothing_is_lost_on_the_way", || {
            let full = fixture::full();
            let report = object(&full);
            assert_eq!(report["seed"], u64::MAX, "whole, not rounded to a double");
            assert_eq!(report["interrupted"], true);
            let deadlock = &report["scenarios"][0]["models"][3]["verdict"];
            assert_eq!(deadlock["kind"], "deadlock");
            assert_eq!(deadlock["value"]["accounts"], serde_json::json!([3, 711]));
            let spread = &report["scenarios"][1]["models"][1]["commits_per_s"];
            assert_eq!(spread["median"], 57e3);
            assert_eq!(
                object(&fixture::hostile())["warnings"][0],
                Value::from(HOSTILE)
            );
        });
    }

    #[test]
    fn there_is_a_line_for_each_model_and_point() {
        watched("there_is_a_line_for_each_model_and_point", || {
            let lines = json_lines(&fixture::full());
            assert_eq!(lines.len(), 13 + 2 + 4 * 5);
            assert_eq!(lines[0]["param"], Value::Null);
            assert_eq!(lines[0]["model"], "ordered-mutexes");
            let last = &lines[lines.len() - 1];
            assert_eq!(
                (&last["param"], &last["value"]),
                (&"threads".into(), &8.0.into())
            );
            assert_eq!(last["threads"], 8);
            assert!(json_lines(&fixture::empty()).is_empty());
        });
    }
}
