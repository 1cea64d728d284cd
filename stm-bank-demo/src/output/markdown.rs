//! Markdown: a table for each scenario, to be pasted into a page or a pull request.

use std::io;

use super::{INTERRUPTED, models, units};
use crate::results::{ModelResult, Report, ScenarioResult, Sweep};

const HEADER: &str = "\
| model | commits/s (range) | relative (range) | p50 | p99 | p99.9 | max | tries | audits/s (range) | verdict |
|---|--:|--:|--:|--:|--:|--:|--:|--:|---|
";

pub(super) fn write(report: &Report, to: &mut impl io::Write) -> io::Result<()> {
    for scenario in &report.scenarios {
        section(scenario, to)?;
    }
    if let Some(sweep) = &report.sweep {
        swept(sweep, to)?;
    }
    let machine = &report.machine;
    writeln!(
        to,
        "{}, started {}; {} cores, {}, {}; seed {}",
        escape(&report.command),
        escape(&report.started),
        machine.cores,
        escape(&machine.os),
        escape(&machine.arch),
        report.seed
    )?;
    for warning in &report.warnings {
        writeln!(to, "\n**Warning:** {}", escape(warning))?;
    }
    if report.interrupted {
        writeln!(to, "\n**{INTERRUPTED}**")?;
    }
    Ok(())
}

fn section(scenario: &ScenarioResult, to: &mut impl io::Write) -> io::Result<()> {
    writeln!(to, "### {}\n", escape(&scenario.name))?;
    let description = escape(&scenario.description);
    writeln!(to, "{description}; {}\n", units::setting(scenario))?;
    to.write_all(HEADER.as_bytes())?;
    for result in &scenario.models {
        writeln!(to, "| {} |", cells(result).join(" | "))?;
    }
    writeln!(to)?;
    let with_notes = scenario.models.iter().filter(|r| !r.notes.is_empty());
    for result in with_notes.clone() {
        let notes: Vec<_> = result.notes.iter().map(|note| escape(note)).collect();
        writeln!(to, "- {}: {}", escape(&result.model), notes.join("; "))?;
    }
    if with_notes.count() > 0 {
        writeln!(to)?;
    }
    Ok(())
}

fn cells(result: &ModelResult) -> [String; 10] {
    let [p50, p99, p999, max] = units::percentiles(result.latency);
    [
        escape(&result.model),
        units::rate_with_range(result.commits_per_s),
        units::ratio(result.relative),
        p50,
        p99,
        p999,
        max,
        units::number(result.tries_per_commit),
        units::rate_with_range(result.audits_per_s),
        escape(&units::verdict(result)),
    ]
}

/// Commits a second, a column for each value.
fn swept(sweep: &Sweep, to: &mut impl io::Write) -> io::Result<()> {
    writeln!(to, "### commits/s by {}\n", escape(&sweep.param))?;
    let values = sweep
        .points
        .iter()
        .map(|(value, _)| units::parameter(*value));
    writeln!(to, "| model | {} |", values.collect::<Vec<_>>().join(" | "))?;
    writeln!(to, "|---|{}", "--:|".repeat(sweep.points.len()))?;
    for model in models(sweep.points.iter().map(|(_, scenario)| scenario)) {
        let cells: Vec<_> = units::along(sweep, model)
            .map(|result| escape(&units::swept(result)))
            .collect();
        writeln!(to, "| {} | {} |", escape(model), cells.join(" | "))?;
    }
    writeln!(to)
}

/// Text in which nothing is markup, on one line: a table's row has no other.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in units::one_line(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '>' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{self, watched};

    fn text(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).expect("a vector takes everything");
        String::from_utf8(out).expect("UTF-8")
    }

    /// How many bars a row has that are not escaped.
    fn bars(row: &str) -> usize {
        row.replace("\\\\", "")
            .replace("\\|", "")
            .matches('|')
            .count()
    }

    #[test]
    fn rows_have_as_many_cells_as_their_header() {
        watched("rows_have_as_many_cells_as_their_header", || {
            for report in fixture::all() {
                let text = text(&report);
                for table in text.split("\n\n").filter(|block| block.starts_with('|')) {
                    let mut rows = table.lines();
                    let header = rows.next().expect("a header");
                    for row in rows {
                        assert_eq!(bars(row), bars(header), "{row}");
                    }
                }
            }
        });
    }

    #[test]
    fn a_row_says_everything_about_a_model() {
        watched("a_row_says_everything_about_a_model", || {
            let text = text(&fixture::full());
            for line in [
                "| STM, retry | 57.0 k (55.3..58.1) | 9.3e-4 (9.1..9.5) | 35.1us | 316us | 2.11ms | \
                 4.21ms | 1.04 | - | OK |",
                "| unordered-mutexes | - | - | - | - | - | - | - | - | DEADLOCK at 3, 711 (expected) |",
                "- racy atomics: claims nothing: it checks, then acts",
                "| model | 1 | 2 | 4 | 8 |",
                "**Warning:** this is a debug build: its figures mean nothing",
                "**Interrupted: these are the results so far.**",
            ] {
                assert!(text.lines().any(|l| l == line), "{line} in {text}");
            }
        });
    }

    #[test]
    fn text_is_never_markup() {
        watched("text_is_never_markup", || {
            let text = text(&fixture::hostile());
            for markup in ["<b", " `z", " *w*", " _v_", "[u]", "',|y", "\r", "\u{0}"] {
                assert!(!text.contains(markup), "{markup:?} in {text}");
            }
            assert!(
                escape(fixture::HOSTILE).starts_with("&lt;b a=\"1\"\\>&amp;amp; 'x',\\|y\\|\\\\")
            );
        });
    }
}
