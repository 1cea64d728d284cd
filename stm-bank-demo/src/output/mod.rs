//! What a run has found out, in the form that was asked for.
//!
//! Everybody wants the same results in another form: a person at a terminal a table, a script JSON, a spreadsheet
//! CSV, a pull request markdown, a colleague one file to open. Each form is a file of its own that reads the same
//! [`Report`] and decides only how things look; how numbers are worded is common to all (`units.rs`).
//!
//! | form | file | a line is |
//! |---|---|---|
//! | table | `table.rs` | for a person, within 100 columns |
//! | json | `json.rs` | part of one object, described by `schema/report.schema.json` |
//! | jsonl | `json.rs` | one model in one scenario, `$defs/line` of the schema |
//! | csv | `csv.rs` | one model in one scenario |
//! | markdown | `markdown.rs` | a row of a table |
//! | html | `html.rs`, `plots.rs` | one file that stands alone |
//!
//! # Invariants
//!
//! - **O1** Text of the report never becomes syntax of the form: each form escapes all of it.
//! - **O2** No number that is not finite is shown: what is not known is `-`, empty or `null`.
//! - **O3** Nothing is told by colour alone.

mod chart;
mod csv;
#[cfg(test)]
pub(crate) mod fixture;
mod html;
mod json;
mod markdown;
mod plots;
#[cfg(test)]
mod schema;
mod table;
mod units;

pub(crate) use table::wrapped;
pub(crate) use units::{duration, number, rate, ratio, verdict};

use std::io;

use clap::ValueEnum;

use crate::results::{ModelResult, Report, ScenarioResult};

/// A form for standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Table,
    /// One object with everything
    Json,
    /// A line for each model in each scenario
    Jsonl,
    /// A row for each model in each scenario
    Csv,
    /// Tables to paste
    Markdown,
}

/// Writes the report in that form. `color` is for the table only.
///
/// # Errors
///
/// Those of `to`.
pub(crate) fn write(
    format: Format,
    report: &Report,
    color: bool,
    to: &mut impl io::Write,
) -> io::Result<()> {
    match format {
        Format::Table => table::write(report, color, to),
        Format::Json => json::write(report, to),
        Format::Jsonl => json::write_lines(report, to),
        Format::Csv => csv::write(report, to),
        Format::Markdown => markdown::write(report, to),
    }?;
    to.flush()
}

/// The report as a page that stands alone.
pub(crate) fn html(report: &Report) -> String {
    html::page(report)
}

/// The plot that shows most, as a picture that stands alone; nothing if nobody came to a figure.
pub(crate) fn svg(report: &Report) -> Option<String> {
    let swept = || report.sweep.as_ref().and_then(plots::swept);
    let scenario = || report.scenarios.first();
    let plot = match scenario() {
        None => swept(),
        Some(scenario) => [plots::audits, plots::relative, plots::latency]
            .iter()
            .find_map(|plot| plot(scenario)),
    };
    let result = |line: &Line<'_>| scenario().is_none_or(|of| std::ptr::eq(of, line.scenario));
    let families = families(lines(report).filter(result));
    plot.map(|plot| plot.alone(&families))
}

/// The families of these lines, each once.
fn families<'a>(lines: impl Iterator<Item = Line<'a>>) -> Vec<&'a str> {
    let mut families = Vec::new();
    for line in lines {
        let family = line.result.family.as_str();
        if !families.contains(&family) {
            families.push(family);
        }
    }
    families
}

/// One model in one scenario, for the forms that have a line for each.
struct Line<'a> {
    scenario: &'a ScenarioResult,
    /// The parameter of the sweep that the line belongs to, and its value.
    point: Option<(&'a str, f64)>,
    result: &'a ModelResult,
}

/// All lines: the scenarios in their order, then the points of the sweep.
fn lines(report: &Report) -> impl Iterator<Item = Line<'_>> {
    let plain = report.scenarios.iter().map(|scenario| (scenario, None));
    let swept = report.sweep.iter().flat_map(|sweep| {
        let points = sweep.points.iter();
        points.map(|(value, scenario)| (scenario, Some((sweep.param.as_str(), *value))))
    });
    plain.chain(swept).flat_map(|(scenario, point)| {
        scenario.models.iter().map(move |result| Line {
            scenario,
            point,
            result,
        })
    })
}

/// The names of all models, each once, in the order of their first appearance.
fn models<'a>(scenarios: impl Iterator<Item = &'a ScenarioResult>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for result in scenarios.flat_map(|scenario| &scenario.models) {
        if !names.contains(&result.model.as_str()) {
            names.push(&result.model);
        }
    }
    names
}

/// The sentence under results that are not all that was asked for.
const INTERRUPTED: &str = "Interrupted: these are the results so far.";

#[cfg(test)]
mod tests {
    use super::*;
    use fixture::watched;

    fn text(format: Format, report: &Report, color: bool) -> String {
        let mut out = Vec::new();
        write(format, report, color, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn formats_have_the_names_of_the_command_line() {
        watched("formats_have_the_names_of_the_command_line", || {
            let names = Format::value_variants().iter().map(|format| {
                let value = format.to_possible_value().expect("none is hidden");
                value.get_name().to_owned()
            });
            let names: Vec<_> = names.collect();
            assert_eq!(names, ["table", "json", "jsonl", "csv", "markdown"]);
        });
    }

    #[test]
    fn each_format_names_each_model_and_ends_its_last_line() {
        watched(
            "each_format_names_each_model_and_ends_its_last_line",
            || {
                let full = fixture::full();
                for format in Format::value_variants() {
                    let text = text(*format, &full, false);
                    assert!(text.ends_with('\n'), "{format:?}");
                    for name in ["ordered-mutexes", "STM, retry", "one owner thread"] {
                        assert!(text.contains(name), "{name} as {format:?}");
                    }
                }
            },
        );
    }

    #[test]
    fn color_is_for_the_table_only() {
        watched("color_is_for_the_table_only", || {
            let full = fixture::full();
            for format in Format::value_variants() {
                let colored = text(*format, &full, true).contains('\u{1b}');
                assert_eq!(colored, *format == Format::Table, "{format:?}");
            }
        });
    }

    #[test]
    fn an_error_of_the_writer_is_told() {
        watched("an_error_of_the_writer_is_told", || {
            struct Full;
            impl io::Write for Full {
                fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                    Err(io::ErrorKind::StorageFull.into())
                }
                fn flush(&mut self) -> io::Result<()> {
                    Ok(())
                }
            }
            let full = fixture::full();
            for format in Format::value_variants() {
                let error = write(*format, &full, false, &mut Full).expect_err("no room");
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{format:?}");
            }
        });
    }
}
