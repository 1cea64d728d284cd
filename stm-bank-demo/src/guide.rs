//! The decision guide of `docs/choosing.md`, with figures of this machine.
//!
//! Advice without figures is opinion, and figures in a document are of a machine that the reader does not have. So the
//! guide's table is kept here, a row with the scenarios and models that show it, and the program measures it wherever it
//! runs. The document holds what it printed once; a test says that the two have the same rows.

use std::fmt::Write as _;

use crate::compare::Limits;
use crate::models::{Model, find};
use crate::options::Options;
use crate::output::{Format, duration, rate, ratio};
use crate::progress::Teller;
use crate::results::{ModelResult, ScenarioResult, Spread, Verdict};
use crate::scenarios::Kind;
use crate::session::{cores, debug_build, limits};
use crate::summary::summarize;
use crate::{BROKEN, INTERRUPTED, interrupt, report};

/// What is measured for a row, and what is told of it.
struct Shown {
    kind: Kind,
    models: &'static [&'static str],
    tells: Tells,
    /// Whether it is about a state that is small.
    small: bool,
}

/// What a figure is about.
#[derive(Clone, Copy)]
enum Tells {
    /// Rates beside the reference's.
    Rates,
    /// Audits a second, and transfers beside them.
    Audits,
    /// What went wrong.
    Verdicts,
    /// How long one commit takes.
    Latency,
}

/// A situation, and what to take.
struct Row {
    have: &'static str,
    take: &'static str,
    because: &'static str,
    shown: &'static [Shown],
}

const ROWS: [Row; 8] = [
    Row {
        have: "one counter or flag",
        take: "an atomic",
        because: "a lock or a transaction does the same and costs more",
        shown: &[Shown {
            kind: Kind::Metrics,
            models: &[
                "metrics-atomics",
                "metrics-shards",
                "metrics-stm",
                "metrics-mutex",
            ],
            tells: Tells::Rates,
            small: false,
        }],
    },
    Row {
        have: "one struct, always used as a whole",
        take: "a mutex around it",
        because: "a mutex for each field must be locked in an order that everybody keeps to",
        shown: &[Shown {
            kind: Kind::Hot,
            models: &["global-mutex", "stm", "ordered-mutexes"],
            tells: Tells::Rates,
            small: false,
        }],
    },
    Row {
        have: "much read, seldom written",
        take: "an immutable value behind a pointer that is replaced",
        because: "readers of a lock stand in line even if nobody writes",
        shown: &[Shown {
            kind: Kind::Audit,
            models: &["arc-swap", "rwlock", "ordered-mutexes"],
            tells: Tells::Audits,
            small: true,
        }],
    },
    Row {
        have: "work that goes from owner to owner",
        take: "bounded channels",
        because: "shared state would need a protocol for what a move says by itself",
        shown: &[
            Shown {
                kind: Kind::Metrics,
                models: &["metrics-accountant", "metrics-mutex"],
                tells: Tells::Rates,
                small: false,
            },
            // Where it ends: two channels that must be read together.
            Shown {
                kind: Kind::Pipeline,
                models: &["pipeline-channels", "pipeline-stm", "pipeline-condvars"],
                tells: Tells::Rates,
                small: false,
            },
        ],
    },
    Row {
        have: "a service that must go on when a part of it fails",
        take: "supervised actors",
        because: "a lock that its holder's panic has poisoned has nobody to mend it",
        shown: &[Shown {
            kind: Kind::Crash,
            models: &["ractor", "ordered-mutexes", "parking-lot"],
            tells: Tells::Verdicts,
            small: false,
        }],
    },
    Row {
        have: "several cells that must agree, or conditions over them to wait for",
        take: "transactions",
        because: "locks do not compose, and messages leave the sum in limbo",
        shown: &[
            Shown {
                kind: Kind::Audit,
                models: &["stm", "optimistic", "ordered-mutexes"],
                tells: Tells::Audits,
                small: false,
            },
            Shown {
                kind: Kind::Choose,
                models: &["stm", "ordered-mutexes"],
                tells: Tells::Rates,
                small: false,
            },
            Shown {
                kind: Kind::Wait,
                models: &["stm", "condvars"],
                tells: Tells::Rates,
                small: false,
            },
        ],
    },
    Row {
        have: "state that must survive a crash of the process",
        take: "a database, embedded or not",
        because: "nothing in memory does, whoever guards it; what it costs is a disk's answer on top of",
        shown: &[Shown {
            kind: Kind::Transfer,
            models: &["stm", "ordered-mutexes"],
            tells: Tells::Latency,
            small: false,
        }],
    },
    Row {
        have: "state on more than one machine",
        take: "a database, a replicated log, or messages with compensation",
        because: "memory is not shared there, and messages alone leave the sum open, on one machine already",
        shown: &[Shown {
            kind: Kind::Audit,
            models: &["ractor", "account-threads"],
            tells: Tells::Verdicts,
            small: false,
        }],
    },
];

/// Accounts, where the state is small.
const SMALL: usize = 64;

/// Measures all rows; the guide and the exit code. `Err`: why that cannot be done.
pub(crate) fn guide(options: &Options) -> Result<(String, u8), String> {
    let write: fn(&[Measured]) -> String = match options.format {
        Format::Table => paragraphs,
        Format::Markdown => table,
        _ => return Err("the guide comes as --format table or markdown".to_owned()),
    };
    if options.files().next().is_some() {
        return Err(
            "the guide has no plots: --html and --svg are for compare, run and sweep".to_owned(),
        );
    }
    if let Some(warning) = debug_build() {
        eprintln!("warning: {warning}");
    }
    interrupt::listen();
    let limits = limits(options);
    let mut teller = Teller::new(
        options.progress,
        ROWS.iter().flat_map(|row| row.shown).count(),
    );
    let mut broken = false;
    let mut measured = Vec::new();
    'rows: for row in &ROWS {
        let mut figures = Vec::new();
        for shown in row.shown {
            let result = shown.measure(options, limits, &mut teller);
            if interrupt::interrupted() {
                break 'rows;
            }
            eprint!("{}", report::what_broke([&result]));
            broken |= result.models.iter().any(|model| !model.claims_hold);
            figures.push(shown.figure(&result));
        }
        measured.push(Measured { row, figures });
    }
    teller.end();
    let mut text = write(&measured);
    _ = writeln!(
        text,
        "\n{} accounts, {} threads, {} cores; {} rounds of {:?}, medians",
        options.accounts,
        options.threads,
        cores(),
        options.repeats,
        options.duration
    );
    if interrupt::interrupted() {
        eprintln!("warning: interrupted: these are the rows that were measured until then");
        return Ok((text, INTERRUPTED));
    }
    Ok((text, if broken { BROKEN } else { 0 }))
}

impl Shown {
    fn models(&self) -> impl Iterator<Item = &'static Model> {
        let model = |name: &&str| find(name).expect("a test says that it is in the list");
        self.models.iter().map(model)
    }

    /// What one types to see more of it.
    fn command(&self) -> String {
        let few = if self.small {
            format!(" -n {SMALL}")
        } else {
            String::new()
        };
        let (kind, models) = (self.kind.name(), self.models.join(","));
        format!("compare -s {kind} -m {models}{few}")
    }

    fn measure(&self, options: &Options, limits: Limits, teller: &mut Teller) -> ScenarioResult {
        let mut options = options.clone();
        if self.small {
            options.accounts = SMALL;
        }
        let scenario = self.kind.scenario(&options, self.models());
        teller.begin(&scenario.name);
        let standings = scenario.compare(limits, |model| teller.step(model));
        summarize(&scenario, &standings)
    }

    /// In words, the models in the order of the row and not in that of the rounds.
    fn figure(&self, result: &ScenarioResult) -> String {
        let of = |name: &&str| result.models.iter().find(|model| model.model == **name);
        let told = self.models.iter().filter_map(of).map(|model| {
            let figure = match self.tells {
                Tells::Rates => relative(result, model),
                Tells::Audits => format!(
                    "{} audits/s beside {} transfers/s",
                    median(model.audits_per_s),
                    median(model.commits_per_s)
                ),
                Tells::Verdicts => format!("{}/s", median(model.commits_per_s)),
                Tells::Latency => model.latency.map_or_else(
                    || "-".to_owned(),
                    |latency| {
                        format!(
                            "half of all in {}, 99 % in {}",
                            duration(latency.p50_ns),
                            duration(latency.p99_ns)
                        )
                    },
                ),
            };
            let verdict = match (&model.verdict, self.tells) {
                (Verdict::Ok, Tells::Verdicts) => ", OK".to_owned(),
                (Verdict::Ok, _) => String::new(),
                (verdict, _) => format!(", {verdict}"),
            };
            format!("{} {figure}{verdict}", model.model)
        });
        let told: Vec<_> = told.collect();
        format!("{}: {}", self.kind.name(), told.join("; "))
    }
}

fn relative(result: &ScenarioResult, model: &ModelResult) -> String {
    if result.reference() == Some(&model.model) {
        format!("1 is {}/s", median(model.commits_per_s))
    } else {
        ratio(model.relative)
    }
}

fn median(spread: Option<Spread>) -> String {
    rate(spread.map_or(f64::NAN, |spread| spread.median))
}

/// A row and what was found for it.
struct Measured {
    row: &'static Row,
    figures: Vec<String>,
}

/// For a terminal.
fn paragraphs(rows: &[Measured]) -> String {
    let mut out = String::new();
    for Measured { row, figures } in rows {
        _ = writeln!(
            out,
            "{}\n  take      {}\n  because   {}",
            row.have, row.take, row.because
        );
        for (shown, figure) in row.shown.iter().zip(figures) {
            _ = writeln!(out, "  measured  {figure}\n  see       {}", shown.command());
        }
        out.push('\n');
    }
    out.push_str("Rates are relative to the model that has 1. More on each: docs/choosing.md");
    out
}

/// For `docs/choosing.md`.
fn table(rows: &[Measured]) -> String {
    let mut out = String::from(
        "| you have | take | because | measured | see for yourself |\n|---|---|---|---|---|\n",
    );
    for Measured { row, figures } in rows {
        let commands: Vec<_> = (row.shown.iter())
            .map(|shown| format!("`{}`", shown.command()))
            .collect();
        _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            row.have,
            row.take,
            row.because,
            figures.join("<br>"),
            commands.join("<br>")
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_shown_by_models_that_can() {
        for row in &ROWS {
            assert!(!row.shown.is_empty(), "{}: a row has a figure", row.have);
            for shown in row.shown {
                for name in shown.models {
                    let run = find(name).and_then(|model| model.run(shown.kind.work()));
                    assert!(run.is_some(), "{name} for '{}'", row.have);
                }
            }
        }
    }

    /// The document's rows are the program's, whatever the figures are.
    #[test]
    fn the_document_has_the_same_rows_each_with_its_figures() {
        let document = include_str!("../../docs/choosing.md");
        let (_, begun) = (document.split_once("<!-- guide: begin -->\n")).expect("the mark");
        let (shown, _) = begun.split_once("<!-- guide: end -->").expect("the mark");
        let cells = |line: &str| -> Vec<String> {
            line.split('|').map(|cell| cell.trim().to_owned()).collect()
        };
        let mine = ROWS.iter().map(|row| Measured {
            row,
            figures: Vec::new(),
        });
        let mine = table(&mine.collect::<Vec<_>>());
        let (mine, shown): (Vec<_>, Vec<_>) = (
            mine.lines().map(cells).collect(),
            (shown.lines().filter(|line| line.starts_with('|')))
                .map(cells)
                .collect(),
        );
        assert_eq!(mine.len(), shown.len(), "rows");
        for (mine, shown) in mine.iter().zip(&shown).skip(2) {
            assert_eq!(mine.len(), shown.len(), "cells in {shown:?}");
            for (at, (mine, shown)) in mine.iter().zip(shown).enumerate() {
                match at {
                    4 => assert!(shown.contains(|c: char| c.is_ascii_digit()), "{shown:?}"),
                    _ => assert_eq!(mine, shown),
                }
            }
        }
    }
}
