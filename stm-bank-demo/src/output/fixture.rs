//! Reports for the tests: everything that a report can hold, also what is hard to show.

#[path = "../../../stm-core/tests/common/mod.rs"]
mod common;

pub(crate) use common::watched;

use crate::results::{
    Latency, Machine, ModelResult, Report, SCHEMA_VERSION, ScenarioResult, Spread, Sweep, Verdict,
};

pub(crate) fn spread(median: f64, min: f64, max: f64) -> Spread {
    Spread { median, min, max }
}

/// A median with some per cent around it.
fn around(median: f64) -> Option<Spread> {
    Some(spread(median, median * 0.97, median * 1.02))
}

/// A model at so many commits a second; the reference makes 61 M.
fn model(name: &str, family: &str, commits: f64, audits: Option<f64>) -> ModelResult {
    let ns = (2e9 / commits) as u64;
    ModelResult {
        model: name.to_owned(),
        family: family.to_owned(),
        commits_per_s: around(commits),
        relative: if name == "ordered-mutexes" {
            Some(spread(1.0, 1.0, 1.0))
        } else {
            around(commits / 61e6)
        },
        latency: Some(Latency {
            p50_ns: ns,
            p99_ns: ns * 9,
            p999_ns: ns * 60,
            max_ns: ns * 60 + 2_100_000,
        }),
        tries_per_commit: Some(1.04),
        audits_per_s: audits.and_then(around),
        verdict: Verdict::Ok,
        claims_hold: true,
        notes: Vec::new(),
    }
}

/// A scenario in which every family and every verdict has its turn.
fn transfer() -> ScenarioResult {
    let mut racy = model("racy atomics", "racy", 98e6, Some(2.4e6));
    racy.verdict = Verdict::Lost(81_243);
    racy.notes = vec!["claims nothing: it checks, then acts".to_owned()];
    let mut unordered = model("unordered-mutexes", "mutex", 1.0, None);
    unordered.commits_per_s = None;
    unordered.relative = None;
    unordered.latency = None;
    unordered.tries_per_commit = None;
    unordered.verdict = Verdict::Deadlock {
        accounts: vec![3, 711],
    };
    let mut one_at_a_time = model("a report that locks one by one", "mutex", 60e6, Some(180e3));
    one_at_a_time.verdict = Verdict::TornAudits(17_432);
    let mut actor = model("actor per account", "actor", 310e3, Some(940.0));
    actor.verdict = Verdict::Overdrawn(2);
    actor.claims_hold = false;
    actor.notes = vec!["a broken claim: an account went below zero".to_owned()];
    let mut starved = model("arc-swap map", "optimistic", 41e3, Some(4.1e6));
    starved.verdict = Verdict::Starved;
    starved.tries_per_commit = Some(13.7);
    ScenarioResult {
        name: "transfer".to_owned(),
        description: "transfers between accounts chosen evenly, audits beside them".to_owned(),
        accounts: 1024,
        threads: 2,
        auditors: 1,
        models: vec![
            model("ordered-mutexes", "mutex", 61e6, Some(143e3)),
            model("global mutex", "mutex", 22e6, Some(890e3)),
            model("parking_lot RwLock", "mutex", 18.2e6, Some(1.2e6)),
            unordered,
            one_at_a_time,
            model("channel per account", "channel", 1.9e6, Some(12e3)),
            model("one owner thread", "channel", 2.6e6, Some(410e3)),
            actor,
            model("versions by hand", "optimistic", 44.7e6, Some(96e3)),
            starved,
            model("STM, snapshot", "stm", 41.4e6, Some(469e3)),
            model("STM, atomically", "stm", 41.1e6, Some(146e3)),
            racy,
        ],
    }
}

/// A scenario without audits and with few models.
fn wait() -> ScenarioResult {
    ScenarioResult {
        name: "wait".to_owned(),
        description: "withdrawals that wait for deposits".to_owned(),
        accounts: 1024,
        threads: 2,
        auditors: 0,
        models: vec![
            model("ordered-mutexes", "mutex", 64e3, None),
            model("STM, retry", "stm", 57e3, None),
        ],
    }
}

fn sweep() -> Sweep {
    let point = |threads: usize| {
        let models = [
            ("ordered-mutexes", "mutex", 38e6, 0.9),
            ("global mutex", "mutex", 31e6, 0.2),
            ("one owner thread", "channel", 2.6e6, 0.05),
            ("STM, snapshot", "stm", 27e6, 0.95),
            ("versions by hand", "optimistic", 30e6, 0.93),
        ];
        let scenario = ScenarioResult {
            threads,
            auditors: 0,
            models: models
                .iter()
                .map(|(name, family, one, scales)| {
                    let commits = one * (threads as f64).powf(*scales);
                    model(name, family, commits, None)
                })
                .collect(),
            ..transfer()
        };
        (threads as f64, scenario)
    };
    Sweep {
        param: "threads".to_owned(),
        points: [1, 2, 4, 8].map(point).into(),
    }
}

/// A report with everything.
pub(crate) fn full() -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        started: "2026-01-02T03:04:05Z".to_owned(),
        machine: Machine {
            cores: 2,
            os: "linux".to_owned(),
            arch: "x86_64".to_owned(),
        },
        command: "stm-bank-demo compare -d 2s".to_owned(),
        seed: u64::MAX,
        warnings: vec!["this is a debug build: its figures mean nothing".to_owned()],
        interrupted: true,
        scenarios: vec![transfer(), wait()],
        sweep: Some(sweep()),
    }
}

/// A report with nothing.
pub(crate) fn empty() -> Report {
    Report {
        warnings: Vec::new(),
        interrupted: false,
        scenarios: Vec::new(),
        sweep: None,
        ..full()
    }
}

/// A model of which nothing is known, not even what is there as numbers.
pub(crate) fn without_numbers() -> Report {
    let mut report = full();
    let nothing = Some(spread(f64::NAN, f64::NEG_INFINITY, f64::INFINITY));
    for scenario in &mut report.scenarios {
        for result in &mut scenario.models {
            result.commits_per_s = nothing;
            result.relative = nothing;
            result.audits_per_s = nothing;
            result.tries_per_commit = Some(f64::INFINITY);
        }
    }
    let sweep = report.sweep.as_mut().expect("the full report has one");
    sweep.points[0].0 = f64::NAN;
    report
}

/// Text that is syntax in one form or another.
pub(crate) const HOSTILE: &str = "<b a=\"1\">&amp; 'x',|y|\\ `z` *w* _v_ [u](t)\r\n=\u{0}end";

/// A report in which all text is hostile.
pub(crate) fn hostile() -> Report {
    let mut report = full();
    let text = || HOSTILE.to_owned();
    report.started = text();
    report.machine.os = text();
    report.machine.arch = text();
    report.command = text();
    report.warnings = vec![text()];
    let sweep = report.sweep.as_mut().expect("the full report has one");
    sweep.param = text();
    let swept = sweep.points.iter_mut().map(|(_, scenario)| scenario);
    for scenario in report.scenarios.iter_mut().chain(swept) {
        scenario.name = text();
        scenario.description = text();
        for result in &mut scenario.models {
            result.model = text();
            result.family = text();
            result.verdict = Verdict::Broken(text());
            result.notes = vec![text()];
        }
    }
    report
}

pub(crate) fn all() -> [Report; 4] {
    [full(), empty(), without_numbers(), hostile()]
}

/// What an SVG would draw on its border or beyond. On it counts, since that is where the canvas puts what it was asked
/// to draw outside.
pub(crate) fn out_of_picture(svg: &str) -> Vec<String> {
    let attribute = |tag: &str, name: &str| -> Option<f64> {
        let (_, value) = tag.split_once(&format!(" {name}=\""))?;
        value.split('"').next()?.parse().ok()
    };
    let tags: Vec<_> = svg.split('<').filter(|tag| !tag.is_empty()).collect();
    let size = |name| attribute(tags[0], name).expect("a size");
    let (width, height) = (size("width"), size("height"));
    let outside = |tag: &&str| {
        let points = tag.split_once(" points=\"").map_or("", |(_, rest)| rest);
        let points = points.split('"').next().unwrap_or("").split_whitespace();
        let (mut x, mut y): (Vec<_>, Vec<_>) = points
            .filter_map(|point| point.split_once(','))
            .map(|(x, y)| (x.parse().ok(), y.parse().ok()))
            .unzip();
        x.extend(["x", "cx", "x1", "x2"].map(|name| attribute(tag, name)));
        y.extend(["y", "cy", "y1", "y2"].map(|name| attribute(tag, name)));
        if let (true, Some(at)) = (tag.starts_with("text "), attribute(tag, "x")) {
            let (_, text) = tag.split_once('>').expect("a tag has an end");
            // An entity is one character.
            let entities = ["&lt;", "&gt;", "&amp;", "&quot;", "&apos;"];
            let text = (entities.iter()).fold(text.trim().to_owned(), |text, entity| {
                text.replace(entity, "x")
            });
            let long = f64::from(super::chart::width(&text));
            let start = if tag.contains("\"end\"") {
                at - long
            } else if tag.contains("\"middle\"") {
                at - long / 2.0
            } else {
                at
            };
            x.extend([Some(start), Some(start + long)]);
        }
        let inside = |at: &f64, end: f64| *at > 0.0 && *at < end;
        !x.iter().flatten().all(|at| inside(at, width))
            || !y.iter().flatten().all(|at| inside(at, height))
    };
    let drawn = tags[1..].iter().copied();
    drawn.filter(outside).map(str::to_owned).collect()
}
