//! Moments as people and programs write them: `2026-03-01T12:30:00Z`.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 60 * 60;

/// This moment.
pub(crate) fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    utc(since.map_or(0, |since| since.as_secs()))
}

/// Seconds since 1970 as a date and a time of day in UTC (RFC 3339).
///
/// Years are counted from March, so that a leap day is a year's last: then the lengths of months follow one formula. Four
/// centuries are always the same number of days. Both are from Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", 2013.
fn utc(seconds: u64) -> String {
    const FROM_MARCH_OF_YEAR_0_TO_1970: u64 = 719_468;
    const FOUR_CENTURIES: u64 = 146_097;
    let days = seconds / DAY + FROM_MARCH_OF_YEAR_0_TO_1970;
    let (era, day) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let (month, next_year) = match from_march {
        0..10 => (from_march + 3, 0),
        _ => (from_march - 9, 1),
    };
    let year = era * 400 + year + next_year;
    let [hour, minute, second] = [3600, 60, 1].map(|unit| seconds % DAY / unit % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_what_date_says_they_are() {
        // By `date -u -d @SECONDS +%FT%TZ`.
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_234_567_890, "2009-02-13T23:31:30Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(seconds), expected);
        }
    }
}
