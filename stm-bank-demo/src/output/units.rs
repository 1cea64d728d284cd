//! How numbers are worded, the same in every form that people read.
//!
//! Three digits that count, and a unit that keeps them short. A range has the unit of its median, so that its
//! ends can be compared with it at a glance. What is not known is a dash.

use crate::results::{Latency, ModelResult, ScenarioResult, Spread, Standing, Sweep, Verdict};

/// What is not known.
pub(crate) const UNKNOWN: &str = "-";

/// Below this a number is shown with an exponent.
const SMALL: f64 = 0.00995;

/// A number with the digits that count, three at most.
pub(crate) fn digits(number: f64) -> String {
    match number.abs() {
        _ if !number.is_finite() => UNKNOWN.to_owned(),
        n if n >= 99.95 => format!("{number:.0}"),
        n if n >= 9.995 => format!("{number:.1}"),
        n if n >= 0.0995 || n == 0.0 => format!("{number:.2}"),
        n if n >= SMALL => format!("{number:.3}"),
        _ => format!("{number:.1e}"),
    }
}

/// The divisor and the letter for numbers around this one. Chosen by what is shown: 999.6 k would read 1000 k.
fn scale(number: f64) -> (f64, &'static str) {
    match number {
        n if n >= 999.5e6 => (1e9, " G"),
        n if n >= 999.5e3 => (1e6, " M"),
        n if n >= 999.5 => (1e3, " k"),
        _ => (1.0, ""),
    }
}

/// A rate, such as `41.4 M`.
pub(crate) fn rate(per_second: f64) -> String {
    let (divisor, letter) = scale(per_second);
    if per_second.is_finite() {
        format!("{}{letter}", digits(per_second / divisor))
    } else {
        UNKNOWN.to_owned()
    }
}

/// A number at an axis: round, so that decimals which are all zero say nothing: `10 k` for `10.0 k`.
pub(crate) fn tick(number: &str) -> String {
    let Some((whole, rest)) = number.split_once('.') else {
        return number.to_owned();
    };
    let unit = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let decimals = &rest[..rest.len() - unit.len()];
    if decimals.chars().all(|c| c == '0') {
        format!("{whole}{unit}")
    } else {
        number.to_owned()
    }
}

/// A rate with its range, such as `41.4 M (40.1..42.0)`.
pub(crate) fn rate_with_range(spread: Option<Spread>) -> String {
    let Some(spread) = spread.and_then(Spread::finite) else {
        return UNKNOWN.to_owned();
    };
    let (divisor, letter) = scale(spread.median);
    let [median, min, max] =
        [spread.median, spread.min, spread.max].map(|number| digits(number / divisor));
    with_range(format!("{median}{letter}"), &median, &min, &max)
}

/// A ratio with its range, such as `0.68 (0.67..0.71)`; where most digits would be zeros, `5.1e-3 (4.9..5.2)`.
pub(crate) fn ratio(spread: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = spread.and_then(Spread::finite) else {
        return UNKNOWN.to_owned();
    };
    if median > 0.0 && median < SMALL {
        let shown = digits(median);
        let (_, exponent) = shown.split_once('e').unwrap_or((&shown, "0"));
        let divisor = 10f64.powi(exponent.parse().unwrap_or(0));
        let [short, min, max] = [median, min, max].map(|number| format!("{:.1}", number / divisor));
        return with_range(shown, &short, &min, &max);
    }
    let [median, min, max] = [median, min, max].map(digits);
    with_range(median.clone(), &median, &min, &max)
}

/// The range is left out if nothing of it can be seen.
fn with_range(shown: String, median: &str, min: &str, max: &str) -> String {
    if min == median && max == median {
        shown
    } else {
        format!("{shown} ({min}..{max})")
    }
}

/// A rate with how far any round was from it, such as `41.4 M ±3%`: shorter than the range.
pub(crate) fn rate_with_deviation(spread: Option<Spread>) -> String {
    let Some(Spread { median, min, max }) = spread.and_then(Spread::finite) else {
        return UNKNOWN.to_owned();
    };
    let deviation = (max - median).max(median - min) / median * 100.0;
    if median > 0.0 && deviation > 0.0 {
        format!("{} ±{deviation:.0}%", rate(median))
    } else {
        rate(median)
    }
}

/// A number that may not be known.
pub(crate) fn number(number: Option<f64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), digits)
}

/// A time, such as `120ns` or `1.25ms`.
pub(crate) fn duration(nanoseconds: u64) -> String {
    let n = nanoseconds as f64;
    match n {
        n if n >= 999.5e6 => format!("{}s", digits(n / 1e9)),
        n if n >= 999.5e3 => format!("{}ms", digits(n / 1e6)),
        n if n >= 999.5 => format!("{}us", digits(n / 1e3)),
        _ => format!("{nanoseconds}ns"),
    }
}

/// The latency's four percentiles.
pub(crate) fn percentiles(latency: Option<Latency>) -> [String; 4] {
    latency.map_or_else(
        || [(); 4].map(|()| UNKNOWN.to_owned()),
        |l| [l.p50_ns, l.p99_ns, l.p999_ns, l.max_ns].map(duration),
    )
}

/// A model's result at each point of a sweep.
pub(crate) fn along<'a>(
    sweep: &'a Sweep,
    model: &str,
) -> impl Iterator<Item = Option<&'a ModelResult>> {
    sweep.points.iter().map(move |(_, scenario)| {
        let mut results = scenario.models.iter();
        results.find(|result| result.model == model)
    })
}

/// A result in a sweep, where there is room for one thing: its rate, or what is wrong.
pub(crate) fn swept(result: Option<&ModelResult>) -> String {
    match result {
        None => UNKNOWN.to_owned(),
        Some(result) if result.verdict == Verdict::Ok && result.claims_hold => {
            let median = result.commits_per_s.map(|spread| spread.median);
            median.map_or_else(|| UNKNOWN.to_owned(), rate)
        }
        Some(result) => verdict(result),
    }
}

/// The value of a parameter, which is most often a whole number.
pub(crate) fn parameter(value: f64) -> String {
    if value.is_finite() {
        value.to_string()
    } else {
        UNKNOWN.to_owned()
    }
}

/// The verdict, with what it means for the model.
pub(crate) fn verdict(result: &ModelResult) -> String {
    let verdict = &result.verdict;
    match result.standing() {
        Standing::Right => verdict.to_string(),
        Standing::WrongAsExpected => format!("{verdict} (expected)"),
        Standing::ClaimBroken => format!("{verdict} (claim broken)"),
    }
}

/// Text of the report as one line: control characters, which a terminal would obey, become spaces.
pub(crate) fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// What a scenario ran with, such as `1024 accounts, 2 threads, 1 auditor`.
pub(crate) fn setting(scenario: &ScenarioResult) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut parts = Vec::new();
    // Requests and queues are no accounts.
    if scenario.accounts > 0 {
        parts.push(count(scenario.accounts, "account"));
    }
    parts.push(count(scenario.threads, "thread"));
    if scenario.auditors > 0 {
        parts.push(count(scenario.auditors, "auditor"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixture::{spread, watched};

    #[test]
    fn rates_show_three_digits() {
        watched("rates_show_three_digits", || {
            let shown = [
                0.0,
                4.56,
                78.91,
                999.0,
                999.9,
                1234.0,
                34_560.0,
                999_600.0,
                12_345_678.0,
                2.5e9,
            ];
            assert_eq!(
                shown.map(rate),
                [
                    "0.00", "4.56", "78.9", "999", "1.00 k", "1.23 k", "34.6 k", "1.00 M",
                    "12.3 M", "2.50 G"
                ]
            );
        });
    }

    #[test]
    fn ticks_lose_only_decimals_that_are_zero() {
        watched("ticks_lose_only_decimals_that_are_zero", || {
            let shown = ["10.0 k", "0.00", "1.00us", "2.50 M", "0.05", "5", "1e-3"].map(tick);
            assert_eq!(shown, ["10 k", "0", "1us", "2.50 M", "0.05", "5", "1e-3"]);
        });
    }

    #[test]
    fn small_ratios_do_not_become_zero() {
        watched("small_ratios_do_not_become_zero", || {
            let shown = [0.0996, 0.0123, 0.000_45].map(digits);
            assert_eq!(shown, ["0.10", "0.012", "4.5e-4"]);
        });
    }

    #[test]
    fn ranges_have_the_unit_of_their_median() {
        watched("ranges_have_the_unit_of_their_median", || {
            let rates = spread(41.4e6, 0.9e6, 42.0e6);
            assert_eq!(rate_with_range(Some(rates)), "41.4 M (0.90..42.0)");
            assert_eq!(rate_with_deviation(Some(rates)), "41.4 M ±98%");
            assert_eq!(ratio(Some(spread(0.68, 0.67, 0.71))), "0.68 (0.67..0.71)");
            let small = spread(0.0051, 0.0049, 0.0123);
            assert_eq!(ratio(Some(small)), "5.1e-3 (4.9..12.3)");
            let same = spread(1.0, 1.0, 1.0);
            assert_eq!(ratio(Some(same)), "1.00");
            assert_eq!(rate_with_range(Some(same)), "1.00");
            assert_eq!(rate_with_deviation(Some(same)), "1.00");
        });
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        watched("what_is_not_known_is_a_dash", || {
            for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let bad_spread = Some(spread(1.0, 1.0, bad));
                let shown = [
                    digits(bad),
                    rate(bad),
                    number(Some(bad)),
                    parameter(bad),
                    rate_with_range(bad_spread),
                    rate_with_deviation(bad_spread),
                    ratio(bad_spread),
                ];
                assert_eq!(shown, [UNKNOWN; 7], "{bad}");
            }
            assert_eq!(number(None), UNKNOWN);
            assert_eq!(ratio(None), UNKNOWN);
        });
    }

    #[test]
    fn durations_change_units_where_digits_would_grow() {
        watched("durations_change_units_where_digits_would_grow", || {
            let shown = [
                0,
                120,
                999,
                1_000,
                1_254,
                999_499,
                999_600,
                2_100_000,
                1_500_000_000,
                u64::MAX,
            ];
            assert_eq!(
                shown.map(duration),
                [
                    "0ns",
                    "120ns",
                    "999ns",
                    "1.00us",
                    "1.25us",
                    "999us",
                    "1.00ms",
                    "2.10ms",
                    "1.50s",
                    "18446744074s"
                ]
            );
        });
    }
}
