//! What is told beside the results: which claims were broken, and rates in words.

use std::fmt::Write as _;

use crate::results::Report;

/// What broke its claims, a line each; empty if nothing did.
pub(crate) fn what_broke(report: &Report) -> String {
    let swept = report
        .sweep
        .iter()
        .flat_map(|sweep| sweep.points.iter().map(|(_, result)| result));
    let mut out = String::new();
    for result in report.scenarios.iter().chain(swept) {
        for model in result.models.iter().filter(|model| !model.claims_hold) {
            let told = &model.verdict;
            let notes = model.notes.join("; ");
            _ = writeln!(out, "'{}' on {}: {told}: {notes}", result.name, model.model);
        }
    }
    out
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
