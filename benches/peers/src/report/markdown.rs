//! The page `measurements.md`: wholly made by this program, where we lose first.

use std::collections::BTreeMap;
use std::fmt::Write;

use stm_benches::measure::interleave::{Fate, Outcome, Side};

use super::targets::compare;
use super::{Loss, Report, Row, is_compared, notes, numbers, reference};
use crate::workloads::Workload;

/// Where the plots are, seen from the page.
pub const FOLDER: &str = "measurements";

const HOW: &str = "\
Made by `cargo run --release --manifest-path benches/peers/Cargo.toml`, which writes this whole page; the figures of every round are in
[measurements.json](measurements/measurements.json). What was made faster, by how much, and what was tried and did not pay, is written by
hand in [steps.md](steps.md).

How it is measured: each workload has a process of its own, so that none is measured on the heap that another has left. In each round every
contender of a case has one turn; who begins moves on by one. A ratio is made of two turns of the same round, and what is shown is the
median of the rounds' ratios and, in brackets, their range, for on a machine that others use only what ran side by side can be compared.
**Above 1, ours is better**, whether the figure is a rate, a time or a size. All contenders of a workload run the same generic code over
one trait, or, where they are no transactions, do the same operations under their locks. After every turn the result is checked: whoever
has lost money, torn a read or lost a key is reported and has no figures.

Two kinds of others: *transactions* promise what ours do (more or less). *Locks and ready-made structures* promise less: somebody has
to know beforehand what to lock and in what order, and two operations do not become one. They show what there is to be reached.
";

/// The page.
pub fn page(report: &Report, workloads: &[&Workload]) -> String {
    let mut text = String::from("# Measurements\n\n");
    let machine = &report.machine;
    let _ = writeln!(
        text,
        "On {}, {} threads at once, {} GiB; {}. {} rounds, turns of {} ms.\n\n{HOW}",
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.compiler,
        report.effort.rounds,
        report.effort.time.as_millis(),
    );
    wrong(&mut text, report);
    unfinished(&mut text, report);
    losses(&mut text, report);
    targets(&mut text, report);
    for workload in workloads {
        section(&mut text, report, workload);
    }
    unable(&mut text, report);
    versions(&mut text);
    text
}

fn wrong(text: &mut String, report: &Report) {
    let mut all = report.wrong().peekable();
    if all.peek().is_none() {
        return;
    }
    text.push_str("## Wrong results\n\n");
    for (outcome, entry, what) in all {
        let _ = writeln!(
            text,
            "- **{}** in {}: {}: {what}",
            entry.name, outcome.workload, outcome.name
        );
    }
    text.push('\n');
}

fn unfinished(text: &mut String, report: &Report) {
    if report.unfinished.is_empty() {
        return;
    }
    text.push_str("## What did not finish\n\nFigures of these are missing, all or some.\n\n");
    for unfinished in &report.unfinished {
        let _ = writeln!(text, "- **{}**: {}", unfinished.workload, unfinished.why);
    }
    text.push('\n');
}

fn losses(text: &mut String, report: &Report) {
    text.push_str("## Where we lose\n\n");
    text.push_str("All rows whose median is below 1, the worst first; where the range reaches above 1, rounds disagree.\n\n");
    text.push_str("To other transactions:\n\n");
    let mut lost = report.losses(Side::Transactions);
    if lost.is_empty() {
        text.push_str("nowhere in this run.\n");
    } else {
        loss_table(text, &lost);
        explain(text, &lost);
    }
    text.push_str("\nTo locks and ready-made structures:\n\n");
    lost = report.losses(Side::Other);
    if lost.is_empty() {
        text.push_str("nowhere in this run.\n");
    } else {
        loss_table(text, &lost);
    }
    text.push('\n');
}

fn loss_table(text: &mut String, losses: &[Loss<'_>]) {
    text.push_str("| case | figure | ours | behind, ours / theirs (range) |\n|---|---|---|---|\n");
    for loss in losses {
        let ahead =
            |row: &Row<'_>| format!("{} {}", row.other.name, numbers::ratio(&row.advantage));
        let behind: Vec<_> = loss.behind.iter().map(ahead).collect();
        let _ = writeln!(
            text,
            "| {}: {} | {} | {} | {} |",
            loss.outcome.workload,
            loss.outcome.name,
            loss.metric.name,
            numbers::figure(loss.own.median, loss.metric.unit),
            behind.join("; "),
        );
    }
}

/// What there is to say of these cases, each once.
fn explain(text: &mut String, losses: &[Loss<'_>]) {
    let mut said = Vec::new();
    for outcome in losses.iter().map(|loss| loss.outcome) {
        let Some(note) = notes::of(outcome).filter(|note| !said.contains(note)) else {
            continue;
        };
        let _ = write!(text, "\n{}: {}: {note}\n", outcome.workload, outcome.name);
        said.push(note);
    }
}

fn targets(text: &mut String, report: &Report) {
    text.push_str("## Asked and seen\n\n");
    text.push_str("What was asked of the engine before it was built, as ratios.\n\n");
    text.push_str("| target | case | asked | seen (range) | |\n|---|---|---|---|---|\n");
    for seen in compare(report) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            seen.what,
            seen.case,
            seen.asked.text(),
            seen.seen.as_ref().map_or("-".into(), numbers::ratio),
            seen.verdict(),
        );
    }
    text.push('\n');
}

fn section(text: &mut String, report: &Report, workload: &Workload) {
    let of_it = |outcome: &&Outcome| outcome.workload == workload.name;
    let outcomes: Vec<_> = report.outcomes.iter().filter(of_it).collect();
    if outcomes.is_empty() {
        return;
    }
    let name = workload.name;
    let _ = writeln!(text, "## {name}: {}\n\n{}\n", workload.about, workload.text);
    let _ = writeln!(text, "![{name}]({FOLDER}/{name}.svg)\n");
    for outcome in outcomes {
        case(text, outcome);
    }
}

fn case(text: &mut String, outcome: &Outcome) {
    let ours = reference(outcome).name.as_str();
    let _ = write!(text, "{}:\n\n| |", outcome.name);
    for metric in &outcome.metrics {
        let _ = write!(text, " {} |", metric.name);
        if is_compared(metric.unit) {
            let _ = write!(text, " {ours} / this |");
        }
    }
    text.push_str("\n|---|");
    for metric in &outcome.metrics {
        text.push_str(if is_compared(metric.unit) {
            "---|---|"
        } else {
            "---|"
        });
    }
    text.push('\n');
    for entry in &outcome.entries {
        if !matches!(entry.fate, Fate::Measured(_)) {
            continue;
        }
        let _ = write!(text, "| {} |", entry.name);
        for (at, metric) in outcome.metrics.iter().enumerate() {
            let figure = outcome.spread(&entry.name, at);
            let figure = figure.map_or("-".into(), |s| numbers::figure(s.median, metric.unit));
            let _ = write!(text, " {figure} |");
            if is_compared(metric.unit) {
                let advantage = outcome.advantage(ours, &entry.name, at);
                let shown = match advantage {
                    Some(_) if entry.name == ours => "1".into(),
                    Some(advantage) => numbers::ratio(&advantage),
                    None => "-".into(),
                };
                let _ = write!(text, " {shown} |");
            }
        }
        text.push('\n');
    }
    if let Some(note) = notes::of(outcome) {
        let _ = write!(text, "\nOf the last table: {note}\n");
    }
    text.push('\n');
}

fn unable(text: &mut String, report: &Report) {
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for (outcome, entry, why) in report.unable() {
        let where_ = reasons.entry((&entry.name, why)).or_default();
        if where_.last() != Some(&outcome.workload) {
            where_.push(outcome.workload);
        }
    }
    if reasons.is_empty() {
        return;
    }
    text.push_str("## Who cannot take part, and why\n\n| who | where | because |\n|---|---|---|\n");
    for ((name, why), where_) in reasons {
        let _ = writeln!(text, "| {name} | {} | {why} |", where_.join(", "));
    }
    text.push('\n');
}

/// Of those whose figures are here, as this program was built with them.
fn versions(text: &mut String) {
    const PEERS: [&str; 11] = [
        "arc-swap",
        "async-stm",
        "crossbeam-channel",
        "crossbeam-queue",
        "dashmap",
        "fast-stm",
        "kovan-stm",
        "papaya",
        "parking_lot",
        "stm",
        "tokio",
    ];
    text.push_str("## Versions\n\n");
    let known = PEERS.map(|name| format!("{name} {}", version(LOCK_FILE, name)));
    let _ = writeln!(text, "{}.", known.join(", "));
}

const LOCK_FILE: &str = include_str!("../../Cargo.lock");

fn version<'a>(lock_file: &'a str, name: &str) -> &'a str {
    let head = format!("[[package]]\nname = \"{name}\"\nversion = \"");
    let found = lock_file.split_once(&head);
    found
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("of an unknown version")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::report::fixture;
    use crate::workloads::ALL;

    fn page() -> String {
        super::page(&fixture::report(), &ALL.iter().collect::<Vec<_>>())
    }

    #[test]
    fn where_we_lose_comes_before_where_we_win() {
        watched("where_we_lose_comes_before_where_we_win", || {
            let page = page();
            let losses = page.find("## Where we lose").expect("the section");
            let bank = page.find("## bank").expect("the section");
            let wrong = page.find("5 coins are missing").expect("the reason");
            assert!(wrong < losses && losses < bank);
            assert!(page[losses..bank].contains("| std Mutex in order 0.75 (0.68..0.82) |"));
        });
    }

    #[test]
    fn tables_have_as_many_cells_in_each_row() {
        watched("tables_have_as_many_cells_in_each_row", || {
            let page = page();
            let tables = page.split("\n\n").filter(|part| part.starts_with('|'));
            for table in tables {
                let counts: Vec<_> = table.lines().map(|l| l.matches('|').count()).collect();
                assert!(counts.iter().all(|n| *n == counts[0]), "{table}");
            }
        });
    }

    #[test]
    fn only_workloads_that_ran_have_a_section() {
        watched("only_workloads_that_ran_have_a_section", || {
            let page = page();
            assert!(page.contains("## pairs:") && !page.contains("## lee:"));
        });
    }

    #[test]
    fn every_peer_has_a_version() {
        watched("every_peer_has_a_version", || {
            assert!(!page().contains("unknown version"));
            let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n";
            assert_eq!(version(lock, "a"), "1.2.3");
        });
    }

    #[test]
    fn a_case_that_is_explained_is_so_where_it_is_lost_and_where_it_is_shown() {
        watched(
            "a_case_that_is_explained_is_so_where_it_is_lost_and_where_it_is_shown",
            || {
                let mut report = fixture::report();
                let mut explained = report.outcomes[0].clone();
                (explained.workload, explained.name) = notes::example();
                let text = notes::of(&explained).expect("it has a note");
                let mentions = |report: &Report| {
                    let page = super::page(report, &ALL.iter().collect::<Vec<_>>());
                    page.matches(text).count()
                };
                assert_eq!(mentions(&report), 0);
                report.outcomes.push(explained);
                assert_eq!(mentions(&report), 1, "it is won");
                let lost = report.outcomes.last_mut().expect("it was just added");
                lost.entries[0] = fixture::measured("stm-core", Side::Ours, &[&[2e6]]);
                lost.entries[1] = fixture::measured("fast-stm", Side::Transactions, &[&[3e6]]);
                assert_eq!(mentions(&report), 2, "it is lost");
            },
        );
    }

    #[test]
    fn a_workload_that_did_not_finish_is_named() {
        watched("a_workload_that_did_not_finish_is_named", || {
            assert!(page().contains("- **lee**: its process ended with signal: 9"));
        });
    }

    #[test]
    fn reasons_are_said_once_for_all_cases_of_a_workload() {
        watched("reasons_are_said_once_for_all_cases_of_a_workload", || {
            let page = page();
            assert_eq!(page.matches("they do not compose").count(), 1);
        });
    }
}
