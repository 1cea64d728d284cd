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

/// The value that `part` of all values do not exceed (nearest rank); `None` if there are none. Leaves `values` sorted.
#[must_use]
pub fn percentile(values: &mut [u32], part: f64) -> Option<u32> {
    values.sort_unstable();
    let rank = (part * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
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
            assert_eq!(percentile(&mut [], 0.5), None);
        });
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        watched("percentiles_are_nearest_ranks", || {
            let mut values: Vec<u32> = (1..=1000).rev().collect();
            assert_eq!(percentile(&mut values, 0.5), Some(500));
            assert_eq!(percentile(&mut values, 0.99), Some(990));
            assert_eq!(percentile(&mut values, 0.999), Some(999));
            assert_eq!(percentile(&mut values, 1.0), Some(1000));
            assert_eq!(percentile(&mut [7], 0.001), Some(7));
        });
    }
}
