//! Numbers as people read them: three digits that count, and a unit.

use stm_benches::measure::interleave::Unit;
use stm_benches::measure::statistics::Spread;

/// Three digits that count.
pub fn digits(x: f64) -> String {
    match x.abs() {
        _ if x.is_nan() => "none".into(),
        f64::INFINITY => "\u{221e}".into(),
        size if size >= 100.0 => format!("{x:.0}"),
        size if size >= 10.0 => format!("{x:.1}"),
        size if size >= 0.1 => format!("{x:.2}"),
        0.0 => "0".into(),
        _ => format!("{x:.4}"),
    }
}

/// A figure with its unit.
pub fn figure(x: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond => format!("{}/s", scaled(x, [(1e6, " M"), (1e3, " k")])),
        Unit::Nanoseconds => match x {
            x if !x.is_finite() => digits(x),
            x if x >= 1e6 => format!("{} ms", digits(x / 1e6)),
            x if x >= 1e4 => format!("{} \u{b5}s", digits(x / 1e3)),
            x => format!("{} ns", digits(x)),
        },
        Unit::Bytes => format!("{} B", digits(x)),
        Unit::Times => digits(x),
    }
}

fn scaled(x: f64, scales: [(f64, &str); 2]) -> String {
    let scale = scales
        .iter()
        .find(|(least, _)| x.is_finite() && x >= *least);
    match scale {
        Some((by, name)) => format!("{}{name}", digits(x / by)),
        None => digits(x),
    }
}

/// A median with its range.
pub fn ratio(spread: &Spread) -> String {
    format!(
        "{} ({}..{})",
        digits(spread.median),
        digits(spread.min),
        digits(spread.max)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    #[test]
    fn three_digits_count() {
        watched("three_digits_count", || {
            let all = [1234.0, 123.4, 12.34, 1.234, 0.1234, 0.01234, 0.0, f64::NAN];
            let expected = ["1234", "123", "12.3", "1.23", "0.12", "0.0123", "0", "none"];
            assert_eq!(all.map(digits), expected);
            assert_eq!(digits(f64::INFINITY), "\u{221e}");
        });
    }

    #[test]
    fn figures_have_their_units() {
        watched("figures_have_their_units", || {
            assert_eq!(figure(31_900_000.0, Unit::PerSecond), "31.9 M/s");
            assert_eq!(figure(0.0, Unit::PerSecond), "0/s");
            assert_eq!(figure(4321.0, Unit::Nanoseconds), "4321 ns");
            assert_eq!(figure(54_321.0, Unit::Nanoseconds), "54.3 \u{b5}s");
            assert_eq!(figure(48.06, Unit::Bytes), "48.1 B");
        });
    }
}
