//! From what was measured to what is told.

use crate::audit::Findings;
use crate::compare::{Figure, Scenario, Standing};
use crate::output::{number, ratio};
use crate::results::{Latency, ModelResult, ScenarioResult, Spread, Verdict};

/// Rates that differ by more than this between rounds are worth a word.
const STEADY: f64 = 0.05;

/// A scenario and how the models did in it.
pub(crate) fn summarize(scenario: &Scenario, standings: &[Standing]) -> ScenarioResult {
    ScenarioResult {
        name: scenario.name.clone(),
        description: scenario.about.clone(),
        accounts: scenario.round.accounts,
        threads: scenario.round.threads,
        auditors: scenario.round.auditors,
        models: standings
            .iter()
            .map(|standing| model(scenario, standing))
            .collect(),
    }
}

fn model(scenario: &Scenario, standing: &Standing) -> ModelResult {
    let Standing {
        contender,
        figures,
        findings,
        ..
    } = standing;
    let mut figures = figures.iter();
    let (work, audits) = (figures.next(), figures.next());

    let broken = findings.break_claims(contender.claims, scenario.crashing);
    let stuck = standing.is_stuck();
    let work = work.filter(|work| !stuck && work.per_second.max > 0.0);
    let audits = audits.filter(|audits| !stuck && audits.per_second.max > 0.0);
    ModelResult {
        model: contender.model.to_owned(),
        family: contender.family.to_owned(),
        commits_per_s: work.map(|work| work.per_second),
        relative: work.and_then(|work| finite(work.relative)),
        latency: standing
            .latencies
            .as_ref()
            .filter(|l| !stuck && !l.is_empty())
            .map(|latencies| Latency {
                p50_ns: latencies.value_at_quantile(0.5),
                p99_ns: latencies.value_at_quantile(0.99),
                p999_ns: latencies.value_at_quantile(0.999),
                max_ns: latencies.max(),
            }),
        tries_per_commit: work
            .map(|work| work.attempts)
            .filter(|attempts| attempts.is_finite()),
        audits_per_s: audits.map(|audits| audits.per_second),
        verdict: verdict(findings),
        claims_hold: !broken,
        notes: notes(audits, findings, broken),
    }
}

fn finite(spread: Option<Spread>) -> Option<Spread> {
    // Where the reference got nothing done in some round there is no ratio.
    spread.filter(|spread| spread.min.is_finite() && spread.max.is_finite())
}

/// The worst that was found.
pub(crate) fn verdict(findings: &Findings) -> Verdict {
    let Findings {
        lost,
        made,
        overdrawn,
        torn_audits,
        skewed,
        starved,
        ..
    } = *findings;
    if let Some(broken) = &findings.broken {
        Verdict::Broken(broken.clone())
    } else if let Some(accounts) = &findings.deadlock {
        Verdict::Deadlock {
            accounts: accounts.clone(),
        }
    } else if lost > 0 || made > 0 {
        // Losses in one round and gains in another do not make up for each other: the larger is told.
        Verdict::Lost(if lost >= made {
            lost as i64
        } else {
            -(made as i64)
        })
    } else if overdrawn > 0 || skewed > 0 {
        Verdict::Overdrawn(overdrawn + skewed)
    } else if torn_audits > 0 {
        Verdict::TornAudits(torn_audits)
    } else if findings.mismatched > 0 {
        Verdict::Broken(format!(
            "{} pairs that do not belong together",
            findings.mismatched
        ))
    } else if starved > 0 {
        Verdict::Starved
    } else {
        Verdict::Ok
    }
}

fn notes(audits: Option<&Figure>, findings: &Findings, broken: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(audits) = audits {
        let relative = finite(audits.relative).filter(|relative| *relative != Spread::ONE);
        let relative =
            relative.map(|relative| format!("audits {} of the reference's", ratio(Some(relative))));
        let tries = (audits.attempts > 1.005)
            .then(|| format!("{} tries an audit", number(Some(audits.attempts))));
        let told: Vec<_> = relative.into_iter().chain(tries).collect();
        if !told.is_empty() {
            notes.push(told.join(", "));
        }
    }
    if !findings.is_ok() {
        let expected = if broken {
            "a broken claim"
        } else {
            "not claimed"
        };
        notes.push(format!("{findings}, {expected}: {}", findings.explain()));
    }
    notes
}

/// How many rates differ much between rounds, and of how many.
pub(crate) fn unsteady<'a>(scenarios: impl Iterator<Item = &'a ScenarioResult>) -> (usize, usize) {
    let models = scenarios.flat_map(|scenario| &scenario.models);
    let spreads = models.filter_map(|model| model.commits_per_s);
    let wide = |Spread { median, min, max }| max - min > STEADY * median;
    spreads.fold((0, 0), |(unsteady, all), spread| {
        (unsteady + usize::from(wide(spread)), all + 1)
    })
}
