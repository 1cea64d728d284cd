//! The table.

use std::fmt::Write as _;

use crate::compare::{Figure, Scenario, Spread, Standing};

const COLUMNS: usize = 7;

const HEADER: [&str; COLUMNS] = [
    "scenario",
    "engine",
    "per second",
    "",
    "attempts",
    "relative to mutexes",
    "verdict",
];

/// Numbers are read from their last digit.
const RIGHT_ALIGNED: [bool; COLUMNS] = [false, false, true, false, true, false, false];

const LEGEND: &str = "\
Rates are medians. Relative to mutexes: the rate divided by that of the scenario's first engine in the
same round, median (min..max); above 1 is faster. Attempts: how often an operation was begun until it
ended; for withdrawals that wait, how often they looked. Verdict OK: the total was right in every audit
and at the end, and no account was overdrawn.
";

/// All standings as a table, with what it takes to read it.
pub(crate) fn table(results: &[(Scenario, Vec<Standing>)]) -> String {
    let mut rows = vec![HEADER.map(str::to_owned)];
    for (scenario, standings) in results {
        rows.push(Default::default());
        rows.extend(scenario_rows(scenario, standings));
    }
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0)
    });
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for column in 0..COLUMNS {
            let (cell, width) = (&row[column], widths[column]);
            if RIGHT_ALIGNED[column] {
                _ = write!(line, "{cell:>width$}  ");
            } else {
                _ = write!(line, "{cell:<width$}  ");
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
    out.push_str(LEGEND);
    out
}

/// A row for each figure; what repeats is left blank.
fn scenario_rows(scenario: &Scenario, standings: &[Standing]) -> Vec<[String; COLUMNS]> {
    let shown = |once: bool, text: &str| if once { text.to_owned() } else { String::new() };
    let mut rows = Vec::new();
    for standing in standings {
        for (at, figure) in standing.figures.iter().enumerate() {
            rows.push([
                shown(rows.is_empty(), &scenario.name),
                shown(at == 0, standing.engine),
                rate(figure.per_second),
                figure.name.to_owned(),
                attempts(figure),
                relative(figure),
                shown(at == 0, &standing.findings.to_string()),
            ]);
        }
    }
    rows
}

/// What broke, a line each; empty if nothing did.
pub(crate) fn what_broke(results: &[(Scenario, Vec<Standing>)]) -> String {
    let mut out = String::new();
    for (Scenario { name, .. }, standings) in results {
        for broken in standings
            .iter()
            .filter(|standing| !standing.findings.is_ok())
        {
            let (engine, findings) = (broken.engine, &broken.findings);
            let explained = findings.explain();
            _ = writeln!(out, "'{name}' on {engine}: {findings}: {explained}");
        }
    }
    out
}

/// How much of their time threads may be without a core, though there are enough, before it is worth a word.
const TOLERABLE: f64 = 0.1;

/// Says where other programs were most in the way; empty if they were not.
pub(crate) fn disturbance(results: &[(Scenario, Vec<Standing>)], cores: usize) -> String {
    let worst = results
        .iter()
        // With more threads than cores it is no disturbance, and the user has been told.
        .filter(|(scenario, _)| scenario.busy_threads() <= cores)
        .flat_map(|(scenario, standings)| {
            standings.iter().map(|s| (s.without_core, &scenario.name))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match worst {
        Some((share, name)) if share > TOLERABLE => format!(
            "warning: other programs kept the cores busy: in '{name}' the threads had none for {:.0} % \
             of the time; figures need a quiet machine\n",
            share * 100.0
        ),
        _ => String::new(),
    }
}

fn attempts(figure: &Figure) -> String {
    if figure.attempts.is_finite() {
        format!("{:.2}", figure.attempts)
    } else {
        // Nothing ended in the time.
        "-".to_owned()
    }
}

fn relative(figure: &Figure) -> String {
    match figure.relative {
        None => "1".to_owned(),
        Some(Spread { median, min, max }) if min.is_finite() && max.is_finite() => {
            format!("{} ({}..{})", digits(median), digits(min), digits(max))
        }
        // The mutexes did not get anything done in some round.
        Some(_) => "-".to_owned(),
    }
}

/// A rate with three digits that count.
fn rate(per_second: f64) -> String {
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
    use crate::audit::Findings;
    use crate::shift::Timing;
    use crate::workload::Round;
    use std::time::Duration;

    #[test]
    fn a_disturbance_is_told_where_there_were_cores_enough() {
        let scenario = Scenario {
            name: "busy".to_owned(),
            round: Round {
                accounts: 2,
                threads: 1,
                auditors: 1,
                timing: Timing::with_warm_up(Duration::from_millis(1)),
                seed: 1,
            },
            contenders: Vec::new(),
        };
        let standing = |without_core| Standing {
            engine: "an engine",
            figures: Vec::new(),
            without_core,
            findings: Findings::default(),
        };
        let calm = [(scenario.clone(), vec![standing(0.02)])];
        assert_eq!(disturbance(&calm, 2), "");
        let busy = [(scenario, vec![standing(0.02), standing(0.48)])];
        assert!(disturbance(&busy, 2).contains("in 'busy' the threads had none for 48 %"));
        assert_eq!(
            disturbance(&busy, 1),
            "",
            "too many threads is another matter"
        );
    }

    #[test]
    fn rates_show_three_digits() {
        let shown = [0.0, 4.56, 78.91, 999.0, 1234.0, 34_560.0, 12_345_678.0].map(rate);
        assert_eq!(
            shown,
            ["0.00", "4.56", "78.9", "999", "1.23 k", "34.6 k", "12.3 M"]
        );
    }
}
