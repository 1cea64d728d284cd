//! CSV: a header, and a row for each model in each scenario.
//!
//! Numbers are plain, without units or rounding, and what is not known is an empty field. The same number of
//! fields in every row, whatever was measured.

use std::io;

use super::{Line, lines};
use crate::results::{Report, Spread};

const HEADER: [&str; 25] = [
    "scenario",
    "accounts",
    "threads",
    "auditors",
    "param",
    "value",
    "model",
    "family",
    "commits_per_s",
    "commits_per_s_min",
    "commits_per_s_max",
    "relative",
    "relative_min",
    "relative_max",
    "p50_ns",
    "p99_ns",
    "p999_ns",
    "max_ns",
    "tries_per_commit",
    "audits_per_s",
    "audits_per_s_min",
    "audits_per_s_max",
    "verdict",
    "claims_hold",
    "notes",
];

pub(super) fn write(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(to);
    csv.write_record(HEADER)?;
    for line in lines(report) {
        csv.write_record(row(&line))?;
    }
    csv.flush()
}

fn row(line: &Line<'_>) -> [String; HEADER.len()] {
    let (scenario, result) = (line.scenario, line.result);
    let [commits, commits_min, commits_max] = spread(result.commits_per_s);
    let [relative, relative_min, relative_max] = spread(result.relative);
    let [audits, audits_min, audits_max] = spread(result.audits_per_s);
    let [p50, p99, p999, max] = result.latency.map_or_else(Default::default, |l| {
        [l.p50_ns, l.p99_ns, l.p999_ns, l.max_ns].map(|ns| ns.to_string())
    });
    [
        scenario.name.clone(),
        scenario.accounts.to_string(),
        scenario.threads.to_string(),
        scenario.auditors.to_string(),
        line.point
            .map_or_else(String::new, |(param, _)| param.to_owned()),
        number(line.point.map(|(_, value)| value)),
        result.model.clone(),
        result.family.clone(),
        commits,
        commits_min,
        commits_max,
        relative,
        relative_min,
        relative_max,
        p50,
        p99,
        p999,
        max,
        number(result.tries_per_commit),
        audits,
        audits_min,
        audits_max,
        result.verdict.to_string(),
        result.claims_hold.to_string(),
        result.notes.join("; "),
    ]
}

fn spread(spread: Option<Spread>) -> [String; 3] {
    spread
        .and_then(Spread::finite)
        .map_or_else(Default::default, |s| {
            [s.median, s.min, s.max].map(|number| number.to_string())
        })
}

fn number(number: Option<f64>) -> String {
    number
        .filter(|number| number.is_finite())
        .map_or_else(String::new, |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, HOSTILE, watched};

    fn text(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    /// Read back by column name.
    fn column(report: &Report, name: &str) -> Vec<String> {
        let text = text(report);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().expect("a header").clone();
        let at = header.iter().position(|column| column == name);
        let at = at.expect("a column of that name");
        let fields = reader.records().map(|record| {
            let record = record.expect("as many fields as the header");
            record[at].to_owned()
        });
        fields.collect()
    }

    #[test]
    fn there_is_a_row_for_each_model_and_point() {
        watched("there_is_a_row_for_each_model_and_point", || {
            let full = fixture::full();
            assert_eq!(column(&full, "model").len(), 13 + 2 + 4 * 5);
            for (name, field) in [
                ("scenario", "transfer"),
                ("accounts", "1024"),
                ("threads", "2"),
                ("auditors", "1"),
                ("param", ""),
                ("value", ""),
                ("model", "racy atomics"),
                ("family", "racy"),
                ("commits_per_s", "98000000"),
                ("commits_per_s_min", "95060000"),
                ("commits_per_s_max", "99960000"),
                ("p50_ns", "20"),
                ("p99_ns", "180"),
                ("p999_ns", "1200"),
                ("max_ns", "2101200"),
                ("tries_per_commit", "1.04"),
                ("audits_per_s", "2400000"),
                ("audits_per_s_min", "2328000"),
                ("audits_per_s_max", "2448000"),
                ("verdict", "LOST 81243"),
                ("claims_hold", "true"),
                ("notes", "claims nothing: it checks, then acts"),
            ] {
                assert_eq!(column(&full, name)[12], field, "{name}");
            }
            assert_eq!(column(&full, "verdict")[3], "DEADLOCK at 3, 711");
            assert_eq!(column(&full, "relative")[3], "", "not known");
            assert_eq!(column(&full, "relative_min")[0], "1");
            assert_eq!(column(&full, "value").last().expect("rows"), "8");
            assert_eq!(text(&fixture::empty()).lines().count(), 1, "the header");
        });
    }

    #[test]
    fn any_text_comes_back_as_it_was() {
        watched("any_text_comes_back_as_it_was", || {
            let hostile = fixture::hostile();
            for name in ["scenario", "model", "family", "notes"] {
                for field in column(&hostile, name) {
                    assert_eq!(field, HOSTILE, "{name}");
                }
            }
        });
    }

    #[test]
    fn numbers_that_are_not_finite_are_empty() {
        watched("numbers_that_are_not_finite_are_empty", || {
            let report = fixture::without_numbers();
            for name in [
                "commits_per_s",
                "relative_max",
                "audits_per_s",
                "tries_per_commit",
            ] {
                assert_eq!(column(&report, name)[0], "", "{name}");
            }
            assert_eq!(column(&report, "value")[15], "");
        });
    }
}
