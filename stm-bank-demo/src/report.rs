//! The table.

use std::fmt::Write as _;

use crate::results::{Report, ScenarioResult, Spread, Verdict};

const COLUMNS: usize = 8;

const HEADER: [&str; COLUMNS] = [
    "model",
    "per second",
    "relative to mutexes",
    "tries",
    "audits/s",
    "p50",
    "p99.9",
    "verdict",
];

/// Numbers are read from their last digit.
const RIGHT_ALIGNED: [bool; COLUMNS] = [false, true, false, true, true, true, true, false];

const LEGEND: &str = "\
Rates are medians. Relative to mutexes: the rate divided by that of the scenario's reference (ordered
mutexes, or what comes nearest) in the same round, median (min..max); above 1 is faster. Tries: how
often an operation was begun until it ended; for withdrawals that wait, how often they looked. p50 and
p99.9: how long an operation took, from rounds of their own. Verdict OK: the total was right in every
audit and at the end, and no account was overdrawn; (not claimed): wrong, and known to be.
";

/// All results as a table, with what it takes to read it.
pub(crate) fn table(report: &Report) -> String {
    let swept = report.sweep.iter().flat_map(|sweep| {
        let name = &sweep.param;
        sweep
            .points
            .iter()
            .map(move |(value, result)| (format!("{name}={value}: "), result))
    });
    let plain = report
        .scenarios
        .iter()
        .map(|result| (String::new(), result));
    let mut rows = vec![Row::Cells(HEADER.map(str::to_owned))];
    for (prefix, result) in plain.chain(swept) {
        rows.push(Row::Title(format!("\n{prefix}{}", result.name)));
        rows.extend(scenario_rows(result));
    }
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| match row {
            Row::Cells(cells) => cells[column].chars().count(),
            Row::Title(_) | Row::Note(_) => 0,
        });
        lengths.max().unwrap_or(0)
    });
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        match row {
            Row::Title(text) => line.push_str(text),
            Row::Note(text) => _ = write!(line, "      {text}"),
            Row::Cells(cells) => {
                for column in 0..COLUMNS {
                    let (cell, width) = (&cells[column], widths[column]);
                    if RIGHT_ALIGNED[column] {
                        _ = write!(line, "{cell:>width$}  ");
                    } else {
                        _ = write!(line, "{cell:<width$}  ");
                    }
                }
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
    out.push_str(LEGEND);
    out
}

enum Row {
    Title(String),
    Cells([String; COLUMNS]),
    Note(String),
}

fn scenario_rows(result: &ScenarioResult) -> Vec<Row> {
    let mut rows = Vec::new();
    let dash = || "-".to_owned();
    for model in &result.models {
        let latency = |of: fn(&crate::results::Latency) -> u64| {
            model.latency.as_ref().map_or_else(dash, |l| time(of(l)))
        };
        let mut verdict = verdict(&model.verdict);
        if model.verdict != Verdict::Ok && model.claims_hold {
            verdict.push_str(" (not claimed)");
        }
        rows.push(Row::Cells([
            format!("  {}", model.model),
            model
                .commits_per_s
                .map_or_else(dash, |spread| rate(spread.median)),
            relative(model.relative),
            model
                .tries_per_commit
                .map_or_else(dash, |tries| format!("{tries:.2}")),
            model
                .audits_per_s
                .map_or_else(dash, |spread| rate(spread.median)),
            latency(|l| l.p50_ns),
            latency(|l| l.p999_ns),
            verdict,
        ]));
        rows.extend(model.notes.iter().cloned().map(Row::Note));
    }
    rows
}

/// As the table shows it.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Ok => "OK".to_owned(),
        Verdict::Lost(money) if *money < 0 => format!("MADE {}", -money),
        Verdict::Lost(money) => format!("LOST {money}"),
        Verdict::Overdrawn(accounts) => format!("OVERDRAWN {accounts}"),
        Verdict::TornAudits(audits) => format!("TORN AUDITS {audits}"),
        Verdict::Deadlock { accounts } => format!("DEADLOCK at {accounts:?}"),
        Verdict::Starved => "STARVED".to_owned(),
        Verdict::Broken(_) => "BROKEN".to_owned(),
    }
}

/// What broke its claims, a line each; empty if nothing did.
pub(crate) fn what_broke(report: &Report) -> String {
    let swept = report
        .sweep
        .iter()
        .flat_map(|sweep| sweep.points.iter().map(|(_, result)| result));
    let mut out = String::new();
    for result in report.scenarios.iter().chain(swept) {
        for model in result.models.iter().filter(|model| !model.claims_hold) {
            let told = verdict(&model.verdict);
            let notes = model.notes.join("; ");
            _ = writeln!(out, "'{}' on {}: {told}: {notes}", result.name, model.model);
        }
    }
    out
}

fn relative(relative: Option<Spread>) -> String {
    match relative {
        Some(Spread { median, min, max }) => {
            format!("{} ({}..{})", digits(median), digits(min), digits(max))
        }
        None => "-".to_owned(),
    }
}

/// Nanoseconds in a unit that fits.
fn time(nanos: u64) -> String {
    match nanos as f64 {
        n if n >= 1e9 => format!("{} s", digits(n / 1e9)),
        n if n >= 1e6 => format!("{} ms", digits(n / 1e6)),
        n if n >= 1e3 => format!("{} us", digits(n / 1e3)),
        n => format!("{n} ns"),
    }
}

/// A rate with three digits that count.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        n if n >= 1e6 => format!("{} M", digits(n / 1e6)),
        n if n >= 1e3 => format!("{} k", digits(n / 1e3)),
        n => digits(n),
    }
}

fn digits(number: f64) -> String {
    match number {
        n if n >= 99.95 => format!("{n:.0}"),
        n if n >= 9.995 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_show_three_digits() {
        let shown = [0.0, 4.56, 78.91, 999.0, 1234.0, 34_560.0, 12_345_678.0].map(rate);
        assert_eq!(
            shown,
            ["0.00", "4.56", "78.9", "999", "1.23 k", "34.6 k", "12.3 M"]
        );
    }
}
