//! How many bytes a variable takes: itself, its value, and the handle that leads to it; or a part of something larger.
//!
//! Asked of the system, not of an allocator that counts, which would be in everybody's way in all other workloads: a million
//! variables are made, and what the process has grown by, divided by a million, includes what the allocator rounds up. So it must
//! be a fresh process, which has freed nothing that could be used again; whoever measures starts one for each figure.
//!
//! Checked: no figure is less than the value itself, to within what the system counts late.

use crate::engine::Engine;
use crate::measure::interleave::{Metric, Unit};
use crate::money::{Money, Wide};

const COUNT: usize = 1_000_000;

/// The figures of the workload.
pub const METRICS: [Metric; 2] = [
    Metric {
        name: "i64",
        unit: Unit::Bytes,
    },
    Metric {
        name: "200 bytes",
        unit: Unit::Bytes,
    },
];

/// What a million variables made by `make` take, for each of them, in a process that has freed nothing yet.
///
/// # Errors
///
/// If the system does not say, or says less than the value alone must take.
pub fn bytes_each<V>(value: usize, make: impl Fn(i64) -> V) -> Result<f64, String> {
    bytes_each_part(COUNT, 1, value, make)
}

/// What `count` things made by `make` take, for each of the `parts` parts that each of them has; so many that there are about a million
/// parts.
///
/// # Errors
///
/// As [`bytes_each`], where `value` is what a part must take at least.
pub fn bytes_each_part<V>(
    count: usize,
    parts: usize,
    value: usize,
    make: impl Fn(i64) -> V,
) -> Result<f64, String> {
    let mut all = Vec::with_capacity(count);
    let before = resident()?;
    all.extend((0..count as i64).map(make));
    let grown = resident()?.saturating_sub(before);
    // Kept to here.
    drop(std::hint::black_box(all));
    plausible(grown as f64 / (count * parts) as f64, value)
}

/// What the system counts lags behind by some pages for each thread: by less than a hundredth here.
const EXACT_TO: f64 = 0.99;

fn plausible(each: f64, value: usize) -> Result<f64, String> {
    if each < value as f64 * EXACT_TO {
        return Err(format!(
            "{each} bytes cannot hold {value}; this must be measured in a process of its own"
        ));
    }
    Ok(each)
}

/// [`bytes_each`] of an engine's variables: of 200-byte values if `wide`, else of `i64`.
///
/// # Errors
///
/// As [`bytes_each`].
pub fn of_engine<E: Engine>(wide: bool) -> Result<f64, String> {
    if wide {
        bytes_each(size_of::<Wide>(), |n| E::var(Wide::of(n)))
    } else {
        bytes_each(size_of::<i64>(), E::var)
    }
}

/// The bytes of this process that are in memory.
fn resident() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status")
        .map_err(|why| format!("/proc/self/status says nothing: {why}"))?;
    parse_resident(&status).ok_or_else(|| "/proc/self/status has no line VmRSS in kB".into())
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?.trim();
    kilobytes.parse::<u64>().ok().map(|kb| kb * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    #[test]
    fn a_figure_that_cannot_hold_the_value_is_caught() {
        watched("a_figure_that_cannot_hold_the_value_is_caught", || {
            assert!(plausible(7.5, 8).is_err());
            assert_eq!(
                plausible(7.99, 8),
                Ok(7.99),
                "some pages are not counted yet"
            );
            assert_eq!(plausible(48.0, 8), Ok(48.0));
        });
    }

    #[test]
    fn the_line_with_the_resident_memory_is_read() {
        watched("the_line_with_the_resident_memory_is_read", || {
            let status = "VmPeak:\t  9 kB\nVmRSS:\t    1216 kB\nRssAnon:\t 88 kB\n";
            assert_eq!(parse_resident(status), Some(1216 * 1024));
            assert_eq!(parse_resident("VmPeak:\t  9 kB\n"), None);
        });
    }
}
