//! What is made of many rounds: a middle and how far they lie apart.
//!
//! Medians and ranges, not means and deviations: on a machine that others use, too, the odd round that was disturbed says nothing
//! about the contender, and its distance from the others is worth showing and not worth averaging in.

/// Median, least and greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of some values; `None` if there are none.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }
}

/// Values below this have a bucket each; above, each doubling has half as many.
const FINE: u64 = 128;
/// Up to half a minute in nanoseconds.
const OCTAVES: usize = 28;

/// How many of which latencies there were, to within a percent and a half, in 8 KiB that stay in the cache: a list of all of them
/// would have a page fault every thousand entries, which is where the 99.9th percentile is.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u32>,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = FINE as usize + OCTAVES * FINE as usize / 2;
        Self {
            counts: vec![0; buckets],
        }
    }
}

impl Histogram {
    /// Counts a value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        let last = self.counts.len() - 1;
        self.counts[Self::bucket(value).min(last)] += 1;
    }

    /// Counts what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
    }

    /// The value that `part` of all values do not exceed (nearest rank); `None` if there are none.
    #[must_use]
    pub fn percentile(&self, part: f64) -> Option<u64> {
        let total: u64 = self.counts.iter().map(|n| u64::from(*n)).sum();
        let rank = ((part * total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let at = self.counts.iter().position(|n| {
            seen += u64::from(*n);
            seen >= rank
        })?;
        Some(Self::least(at))
    }

    #[inline]
    fn bucket(value: u64) -> usize {
        let bits = FINE.ilog2();
        let Some(octave) = (value / FINE).checked_ilog2() else {
            return value as usize;
        };
        // The leading bits, of which the first is always set, behind those of all octaves below.
        let leading = value >> (octave + 1);
        ((u64::from(octave) << (bits - 1)) + FINE / 2 + leading) as usize
    }

    /// The least value in a bucket.
    fn least(bucket: usize) -> u64 {
        let (bucket, half) = (bucket as u64, FINE / 2);
        if bucket < FINE {
            return bucket;
        }
        let octave = (bucket - FINE) / half;
        (half + (bucket - FINE) % half) << (octave + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    #[test]
    fn the_median_is_the_middle_one_whatever_the_order() {
        watched("the_median_is_the_middle_one_whatever_the_order", || {
            let spread = Spread::of([5.0, 1.0, 100.0]).expect("three values");
            assert_eq!((spread.median, spread.min, spread.max), (5.0, 1.0, 100.0));
        });
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        watched(
            "the_median_of_an_even_number_lies_between_the_two_in_the_middle",
            || {
                let spread = Spread::of([4.0, 1.0, 2.0, 100.0]).expect("four values");
                assert_eq!(spread.median, 3.0);
            },
        );
    }

    #[test]
    fn one_disturbed_round_moves_the_range_and_not_the_median() {
        watched(
            "one_disturbed_round_moves_the_range_and_not_the_median",
            || {
                let calm = Spread::of([9.0, 10.0, 11.0, 10.0, 10.0]).expect("values");
                let disturbed = Spread::of([9.0, 10.0, 0.1, 10.0, 10.0]).expect("values");
                assert_eq!(calm.median, disturbed.median);
                assert!(disturbed.min < calm.min);
            },
        );
    }

    #[test]
    fn of_nothing_there_is_no_spread_and_no_percentile() {
        watched("of_nothing_there_is_no_spread_and_no_percentile", || {
            assert_eq!(Spread::of([]), None);
            assert_eq!(Histogram::default().percentile(0.5), None);
        });
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        watched("percentiles_are_nearest_ranks", || {
            let mut small = Histogram::default();
            (1..=100).rev().for_each(|value| small.add(value));
            for (part, value) in [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.0, 1)] {
                assert_eq!(small.percentile(part), Some(value), "{part}");
            }
        });
    }

    #[test]
    fn buckets_tile_all_values_and_are_narrow() {
        watched("buckets_tile_all_values_and_are_narrow", || {
            let mut last = 0;
            for value in (0..100_000).chain((0..27).map(|n| 128_000 << n)) {
                let bucket = Histogram::bucket(value);
                assert!(value >= 100_000 || bucket == last || bucket == last + 1);
                last = bucket;
                let least = Histogram::least(bucket);
                assert!(least <= value && value - least <= value / 64, "{value}");
                assert_eq!(Histogram::bucket(least), bucket);
            }
        });
    }

    #[test]
    fn what_is_beyond_all_buckets_is_counted_in_the_last() {
        watched("what_is_beyond_all_buckets_is_counted_in_the_last", || {
            let mut histogram = Histogram::default();
            histogram.add(u64::MAX);
            let mut both = Histogram::default();
            both.merge(&histogram);
            assert!(both.percentile(0.5) > Some(30_000_000_000));
        });
    }
}
