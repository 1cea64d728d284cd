//! All figures of all rounds, for programs.
//!
//! A figure that there is not (somebody never got through) is `null`.

use serde_json::{Value, json};
use stm_benches::measure::interleave::{Fate, Outcome, Side, Unit};
use stm_benches::measure::statistics::Spread;

use super::targets::{Bound, compare};
use super::{Report, notes, reference};

/// The report as JSON text.
pub fn text(report: &Report) -> String {
    let machine = &report.machine;
    let targets = compare(report).into_iter().map(|seen| {
        let (relation, bound) = match seen.asked {
            Bound::AtMost(bound) => ("at most", bound),
            Bound::AtLeast(bound) => ("at least", bound),
        };
        json!({
            "what": seen.what, "case": seen.case, "relation": relation, "bound": bound,
            "seen": spread(seen.seen), "met": seen.is_met(),
        })
    });
    let unfinished = report.unfinished.iter();
    let unfinished = unfinished.map(|it| json!({ "workload": it.workload, "why": it.why }));
    let value = json!({
        "machine": {
            "processor": machine.processor, "cores": machine.cores,
            "memory_gib": machine.memory_gib, "compiler": machine.compiler,
        },
        "rounds": report.effort.rounds,
        "turn_ms": report.effort.time.as_secs_f64() * 1e3,
        "targets": targets.collect::<Vec<_>>(),
        "cases": report.outcomes.iter().map(case).collect::<Vec<_>>(),
        "unfinished": unfinished.collect::<Vec<_>>(),
    });
    let mut text = serde_json::to_string_pretty(&value).expect("values become text");
    text.push('\n');
    text
}

fn case(outcome: &Outcome) -> Value {
    let ours = &reference(outcome).name;
    let entries = outcome.entries.iter().map(|entry| {
        let (figures, wrong, cannot) = match &entry.fate {
            Fate::Measured(rounds) => (Some(rounds), None, None),
            Fate::Wrong(what) => (None, Some(what), None),
            Fate::Cannot(why) => (None, None, Some(why)),
        };
        let metrics = 0..outcome.metrics.len();
        let ahead = metrics.map(|at| spread(outcome.advantage(ours, &entry.name, at)));
        json!({
            "name": entry.name, "side": side(entry.side), "rounds": figures,
            "wrong": wrong, "cannot": cannot, "reference_ahead_by": ahead.collect::<Vec<_>>(),
        })
    });
    let metrics = outcome.metrics.iter();
    let metrics = metrics.map(|metric| json!({ "name": metric.name, "unit": unit(metric.unit) }));
    json!({
        "workload": outcome.workload, "case": outcome.name, "reference": ours,
        "metrics": metrics.collect::<Vec<_>>(), "contenders": entries.collect::<Vec<_>>(),
        "note": notes::of(outcome),
    })
}

fn spread(spread: Option<Spread>) -> Value {
    spread.map_or(
        Value::Null,
        |s| json!({ "median": s.median, "min": s.min, "max": s.max }),
    )
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Ours => "ours",
        Side::Transactions => "transactions",
        Side::Other => "other",
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::PerSecond => "per second",
        Unit::Nanoseconds => "nanoseconds",
        Unit::Bytes => "bytes",
        Unit::Times => "times",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::report::fixture;

    #[test]
    fn every_round_is_there_and_what_is_not_is_null() {
        watched("every_round_is_there_and_what_is_not_is_null", || {
            let value: Value = serde_json::from_str(&text(&fixture::report())).expect("valid");
            let bank = &value["cases"][0];
            assert_eq!(bank["contenders"][1]["rounds"][1][0], 2.8e6);
            assert_eq!(bank["contenders"][3]["wrong"], "5 coins are missing");
            assert_eq!(bank["contenders"][4]["cannot"], "they do not compose");
            assert_eq!(
                value["cases"][1]["contenders"][2]["rounds"][0][0],
                Value::Null
            );
            assert_eq!(value["rounds"], 3);
            assert_eq!(value["unfinished"][0]["workload"], "lee");
        });
    }
}
