//! The command line: what can be asked for, and the answers to what cannot.
//!
//! Every limit is a number somebody might reach for by mistake. The message says which values are good, so
//! that nobody has to look them up.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Parser;

/// The same bank on software transactional memory (STM) and on ordered mutexes.
///
/// Opens accounts, moves money between them from several threads, sums them all
/// up meanwhile, and lets threads wait for money. Each scenario runs on each
/// engine in turn, several rounds, and the table shows how they compare. Every
/// audit and the final count check that no money was made or lost.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    // A terminal's width: help is not wrapped to fit.
    verbatim_doc_comment,
    after_help = "Results go to standard output, progress and warnings to standard error.\n\n\
        Exit codes: 0 nothing was wrong; 1 money was made or lost, or an audit was torn;\n\
        2 bad usage; 5 a scenario hung.",
    // Else `--accounts -1` would be about an unknown flag `-1`.
    allow_negative_numbers = true
)]
pub(crate) struct Options {
    /// Accounts in the bank
    #[arg(long, value_name = "N", default_value = "1024", value_parser = accounts)]
    pub(crate) accounts: usize,

    /// Threads in each scenario
    #[arg(long, value_name = "N", default_value = "2", value_parser = threads)]
    pub(crate) threads: usize,

    /// Threads that audit meanwhile; 0: no audits
    ///
    /// In the scenario with audits they take the place of transferring threads, save the last.
    #[arg(long, value_name = "N", default_value = "1", value_parser = auditors)]
    pub(crate) auditors: usize,

    /// Time measured for an engine in a round, such as 150ms or 1.5s
    // Hyphens: or `--duration -1s` would be about an unknown flag `-1`.
    #[arg(long, value_name = "TIME", default_value = "150ms", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) duration: Duration,

    /// Rounds; the table shows medians
    #[arg(long, value_name = "N", default_value = "7", value_parser = repeats)]
    pub(crate) repeats: usize,

    /// Chooses the sequence of transfers
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed)]
    pub(crate) seed: u64,
}

fn accounts(text: &str) -> Result<usize, String> {
    whole(text, 2..=1_000_000, "a transfer needs two accounts")
}

fn threads(text: &str) -> Result<usize, String> {
    whole(text, 1..=256, "somebody must make the transfers")
}

fn auditors(text: &str) -> Result<usize, String> {
    whole(text, 0..=256, "they are threads")
}

fn repeats(text: &str) -> Result<usize, String> {
    whole(text, 1..=1000, "a median needs at least one round")
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("give a whole number from 0 to {}", u64::MAX))
}

fn whole(text: &str, range: RangeInclusive<usize>, why: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "{why}; give a whole number from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(60);

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = if let Some(number) = text.strip_suffix("ms") {
        number.parse().map(|ms: f64| ms / 1e3)
    } else if let Some(number) = text.strip_suffix('s') {
        number.parse()
    } else {
        return Err(match text.parse::<f64>() {
            Ok(_) => format!("it has no unit; {}", duration_advice()),
            Err(_) => duration_advice(),
        });
    };
    seconds
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|duration| (SHORTEST..=LONGEST).contains(duration))
        .ok_or_else(duration_advice)
}

fn duration_advice() -> String {
    "give a time from 1ms to 60s, such as 150ms or 1.5s".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_sensible_bounds() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("60s"), Ok(LONGEST));
        for bad in [
            "", "s", "0s", "0ms", "-1s", "61s", "1e300s", "infs", "NaNs", "1m", "soon",
        ] {
            assert_eq!(duration(bad), Err(duration_advice()), "{bad:?}");
        }
        let unitless = duration("5").expect_err("no unit");
        assert!(
            unitless.starts_with("it has no unit; give a time"),
            "{unitless}"
        );
    }

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Options::command().debug_assert();
    }
}
