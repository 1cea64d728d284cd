//! Tables for the terminal.

use std::fmt::Write;

use stm_benches::measure::interleave::{Fate, Outcome, Side};

use super::targets::Seen;
use super::{Report, is_compared, numbers, reference};

/// One case: everybody's medians, and how far ours is ahead.
pub fn case(outcome: &Outcome) -> String {
    let mut lines = vec![heads(outcome)];
    for entry in &outcome.entries {
        lines.push(match &entry.fate {
            Fate::Measured(_) => figures(outcome, &entry.name),
            Fate::Wrong(what) => vec![entry.name.clone(), format!("WRONG: {what}")],
            Fate::Cannot(why) => vec![entry.name.clone(), format!("cannot, because {why}")],
        });
    }
    format!(
        "{}: {}\n{}",
        outcome.workload,
        outcome.name,
        aligned(&lines)
    )
}

fn heads(outcome: &Outcome) -> Vec<String> {
    let mut heads = vec![String::new()];
    for metric in &outcome.metrics {
        heads.push(metric.name.into());
        if is_compared(metric.unit) {
            heads.push(format!("{} ahead", reference(outcome).name));
        }
    }
    heads
}

fn figures(outcome: &Outcome, name: &str) -> Vec<String> {
    let ours = reference(outcome).name.as_str();
    let mut cells = vec![name.to_owned()];
    for (at, metric) in outcome.metrics.iter().enumerate() {
        let spread = outcome.spread(name, at);
        cells.push(spread.map_or("-".into(), |s| numbers::figure(s.median, metric.unit)));
        if is_compared(metric.unit) {
            let advantage = outcome.advantage(ours, name, at);
            let own = name == ours;
            cells.push(match advantage {
                Some(_) if own => String::new(),
                Some(advantage) => numbers::ratio(&advantage),
                None => "-".into(),
            });
        }
    }
    cells
}

/// Columns as wide as they must be. A row that is shorter than the first one is a remark, which may run over the others' columns.
fn aligned(rows: &[Vec<String>]) -> String {
    let count = rows[0].len();
    let width = |at: usize| {
        let full = rows.iter().filter(|row| row.len() == count);
        let cells = full.map(|row| row[at].chars().count());
        let first = rows.iter().map(|row| row[0].chars().count());
        cells.chain(first.filter(|_| at == 0)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            let remark = row.len() < count && at > 0;
            let pad = widths[at].saturating_sub(cell.chars().count());
            let (before, after) = match at {
                0 => (0, pad),
                _ if remark => (0, 0),
                _ => (pad, 0),
            };
            let _ = write!(line, "  {:before$}{cell}{:after$}", "", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What was asked, and what was seen.
pub fn targets(all: &[Seen]) -> String {
    let heads = ["target", "case", "asked", "seen (range)", ""].map(String::from);
    let mut rows = vec![heads.to_vec()];
    for seen in all.iter().filter(|seen| seen.seen.is_some()) {
        rows.push(vec![
            seen.what.clone(),
            seen.case.clone(),
            seen.asked.text(),
            seen.seen.as_ref().map_or(String::new(), numbers::ratio),
            seen.verdict().into(),
        ]);
    }
    if rows.len() == 1 {
        return String::new();
    }
    format!("Asked and seen\n{}", aligned(&rows))
}

/// The rows in which ours is behind.
pub fn losses(report: &Report) -> String {
    let mut text = String::new();
    for (side, title) in [
        (Side::Transactions, "Behind other transactions"),
        (Side::Other, "Behind locks and ready-made structures"),
    ] {
        let losses = report.losses(side);
        if losses.is_empty() {
            let _ = writeln!(text, "{title}: nowhere in this run");
            continue;
        }
        let heads = ["case", "at", "behind", "ratio (range)"];
        let mut rows = vec![heads.map(String::from).to_vec()];
        for row in losses.iter().flat_map(|loss| &loss.behind) {
            rows.push(vec![
                format!("{}: {}", row.outcome.workload, row.outcome.name),
                row.metric.name.into(),
                row.other.name.clone(),
                numbers::ratio(&row.advantage),
            ]);
        }
        let _ = write!(text, "{title}\n{}", aligned(&rows));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::report::fixture;
    use crate::report::targets::compare;

    #[test]
    fn a_case_has_a_line_for_everybody() {
        watched("a_case_has_a_line_for_everybody", || {
            let report = fixture::report();
            let text = case(&report.outcomes[0]);
            assert_eq!(text.lines().count(), 2 + 5, "{text}");
            assert!(text.contains("0.75 (0.68..0.82)"), "{text}");
            assert!(text.contains("WRONG: 5 coins are missing"), "{text}");
            assert!(
                text.contains("cannot, because they do not compose"),
                "{text}"
            );
        });
    }

    #[test]
    fn targets_that_were_not_run_are_left_out_here() {
        watched("targets_that_were_not_run_are_left_out_here", || {
            let text = targets(&compare(&fixture::report()));
            assert!(text.contains("met"), "{text}");
            assert!(!text.contains("not measured"), "{text}");
        });
    }

    #[test]
    fn losses_are_sorted_by_side() {
        watched("losses_are_sorted_by_side", || {
            let text = losses(&fixture::report());
            assert!(
                text.starts_with("Behind other transactions: nowhere"),
                "{text}"
            );
            assert!(text.contains("std Mutex in order"), "{text}");
        });
    }
}
