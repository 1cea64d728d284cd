//! The command line: what can be asked for, and the answers to what cannot.
//!
//! Every limit is a number somebody might reach for by mistake. The message says which values are good, so
//! that nobody has to look them up.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::models::{self, MODELS, Model};
use crate::output::Format;
use crate::scenarios::Kind;
use crate::shift::Timing;

/// Every way to share state, on one bank: mutexes, channels, actors, optimistic retries, transactions (STM).
///
/// Opens accounts, moves money between them from several threads, sums them all
/// up meanwhile, and lets threads wait for money. Each scenario runs on each
/// model in turn, several rounds, and the table shows how they compare. Every
/// audit and the final count check that no money was made or lost.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    // A terminal's width: help is not wrapped to fit.
    verbatim_doc_comment,
    after_help = "Results go to standard output, progress and warnings to standard error.\n\n\
        Exit codes: 0 every model kept what it claims; 1 one did not: money was made or lost,\n\
        an audit was torn, or the like; 2 bad usage, or results that cannot be written;\n\
        5 a scenario hung; 130 interrupted, and what was measured until then is printed.",
    // Else `--accounts -1` would be about an unknown flag `-1`.
    allow_negative_numbers = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) options: Options,
}

/// What to do. Without a command: on a terminal the tour, elsewhere and with flags: compare.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Compare models: unless told, the right ones at length, then all of them briefly
    Compare {
        #[command(flatten)]
        choice: Choice,
    },
    /// A short story in six acts, with live numbers
    Tour,
    /// One model in all scenarios that it can do
    Run {
        /// The model, as `list` shows it
        #[arg(value_parser = model)]
        model: &'static Model,

        /// Only in this scenario; several with commas
        #[arg(short, long, value_delimiter = ',')]
        scenario: Vec<Kind>,
    },
    /// A scenario at several values of a parameter
    Sweep {
        /// What to change, such as threads=1,2,4,8; or accounts=, auditors=, zipf=
        #[arg(long, value_name = "NAME=VALUES", value_parser = param)]
        param: Param,

        #[command(flatten)]
        choice: Choice,
    },
    /// Which way to share state, by what one has; each answer with figures of this machine
    Guide,
    /// All models, what they claim and what they do; and all scenarios
    List,
    /// A model's transfer, as it stands in the source
    Explain {
        /// The model, as `list` shows it
        #[arg(value_parser = model)]
        model: &'static Model,
    },
}

/// Who takes part, and in what.
#[derive(Clone, Debug, Args)]
pub(crate) struct Choice {
    /// Models, with commas between them, as `list` shows them
    #[arg(short, long, value_name = "MODELS", value_delimiter = ',', value_parser = model)]
    pub(crate) models: Vec<&'static Model>,

    /// Scenarios, with commas between them
    #[arg(short, long, value_delimiter = ',')]
    pub(crate) scenario: Vec<Kind>,
}

/// A parameter and the values that it takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Param {
    pub(crate) name: Swept,
    pub(crate) values: Vec<f64>,
}

/// What can be swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Swept {
    Threads,
    Accounts,
    Auditors,
    Zipf,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Progress {
    /// A bar on a terminal, lines elsewhere
    Auto,
    /// A line for each scenario
    Plain,
    None,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    Never,
}

/// Flags that any command takes, before or after its name.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Accounts in the bank
    #[arg(short = 'n', long, global = true, value_name = "N", default_value = "1024", value_parser = accounts)]
    pub(crate) accounts: usize,

    /// Threads in each scenario
    #[arg(short, long, global = true, value_name = "N", default_value = "2", value_parser = threads)]
    pub(crate) threads: usize,

    /// Threads that audit meanwhile; 0: no audits
    ///
    /// In the scenario with audits they take the place of transferring threads, save the last.
    #[arg(long, global = true, value_name = "N", default_value = "1", value_parser = auditors)]
    pub(crate) auditors: usize,

    /// Time measured for a model in a round, such as 150ms or 1.5s
    // Hyphens: or `--duration -1s` would be about an unknown flag `-1`.
    #[arg(short, long, global = true, value_name = "TIME", default_value = "150ms", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) duration: Duration,

    /// Time before that is measured; a tenth of it unless given
    #[arg(short, long, global = true, value_name = "TIME", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) warm_up: Option<Duration>,

    /// Rounds; the table shows medians
    #[arg(short, long, global = true, value_name = "N", default_value = "7", value_parser = repeats)]
    pub(crate) repeats: usize,

    /// How much some accounts are preferred, from 0 (not at all) to 2; the scenario zipf takes 0.99 unless given
    #[arg(long, global = true, value_name = "THETA", value_parser = zipf)]
    pub(crate) zipf: Option<f64>,

    /// Chooses the sequence of transfers
    #[arg(long, global = true, value_name = "N", default_value = "1", value_parser = seed)]
    pub(crate) seed: u64,

    /// Requests a second while latencies are taken, and latencies from when a request was due; else as fast as it goes
    #[arg(long, global = true, value_name = "PER_SECOND", value_parser = rate)]
    pub(crate) rate: Option<f64>,

    /// How much longer than its duration a round may take before it counts as stuck
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = duration, allow_hyphen_values = true)]
    pub(crate) timeout: Duration,

    /// How results are written
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub(crate) format: Format,

    /// Also writes a report to read in a browser, to this file
    ///
    /// Where all models are compared, it shows throughput by threads, too.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,

    /// Also writes the plot that shows most, as SVG, to this file
    ///
    /// Of a sweep: rates by its parameter. Else, of the first scenario: audits beside transfers,
    /// or rates relative to the reference, or latencies, whichever it has first.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// How progress is shown
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) progress: Progress,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value = "auto")]
    pub(crate) color: Color,
}

impl Options {
    /// The files to be written.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.html, &self.svg]
            .into_iter()
            .filter_map(|file| file.as_deref())
    }

    /// Refuses flags about results where there are none: `what` prints text.
    pub(crate) fn prints_text(&self, what: &str) -> Result<(), String> {
        if self.format == Format::Table && self.files().next().is_none() {
            Ok(())
        } else {
            Err(format!(
                "{what} prints text only; --format, --html and --svg are for compare, run and sweep"
            ))
        }
    }

    /// How long a round takes.
    pub(crate) fn timing(&self) -> Timing {
        let timing = Timing::with_warm_up(self.duration);
        Timing {
            warm_up: self.warm_up.unwrap_or(timing.warm_up),
            ..timing
        }
    }

    /// With another value of a parameter.
    pub(crate) fn at(&self, name: Swept, value: f64) -> Self {
        let mut options = self.clone();
        match name {
            Swept::Threads => options.threads = value as usize,
            Swept::Accounts => options.accounts = value as usize,
            Swept::Auditors => options.auditors = value as usize,
            Swept::Zipf => options.zipf = Some(value),
        }
        options
    }
}

fn model(text: &str) -> Result<&'static Model, String> {
    models::find(text).ok_or_else(|| {
        let names: Vec<_> = MODELS.iter().map(|model| model.name).collect();
        format!("there is no such model; there are {}", names.join(", "))
    })
}

fn param(text: &str) -> Result<Param, String> {
    let advice = "give a name and values, such as threads=1,2,4,8; the name is one of threads, accounts, auditors, zipf";
    let (name, values) = text.split_once('=').ok_or(advice)?;
    let name = Swept::from_str(name, false).map_err(|_| advice)?;
    let value = |text: &str| match name {
        Swept::Threads => threads(text).map(|n| n as f64),
        Swept::Accounts => accounts(text).map(|n| n as f64),
        Swept::Auditors => auditors(text).map(|n| n as f64),
        Swept::Zipf => zipf(text),
    };
    let values = values.split(',').map(value).collect::<Result<_, _>>()?;
    Ok(Param { name, values })
}

fn zipf(text: &str) -> Result<f64, String> {
    number(text, 0.0..=2.0, "it is the exponent of Zipf's law")
}

fn rate(text: &str) -> Result<f64, String> {
    number(
        text,
        1.0..=10_000_000.0,
        "requests must come, and a thread must be able to make them",
    )
}

fn number(text: &str, range: RangeInclusive<f64>, why: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "{why}; give a number from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

fn accounts(text: &str) -> Result<usize, String> {
    let few = "a transfer needs two accounts";
    let many = "more would measure the memory and not the model";
    whole(text, 2..=1_000_000, few, many)
}

fn threads(text: &str) -> Result<usize, String> {
    whole(
        text,
        1..=256,
        "somebody must make the transfers",
        MANY_THREADS,
    )
}

fn auditors(text: &str) -> Result<usize, String> {
    whole(
        text,
        0..=256,
        "there cannot be fewer than none",
        MANY_THREADS,
    )
}

const MANY_THREADS: &str = "more would measure how the system schedules threads";

fn repeats(text: &str) -> Result<usize, String> {
    let few = "a median needs at least one round";
    let many = "the median would not get better by more";
    whole(text, 1..=1000, few, many)
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("give a whole number from 0 to {}", u64::MAX))
}

/// `few` and `many`: what is wrong with a number below the range, and above it.
fn whole(text: &str, range: RangeInclusive<usize>, few: &str, many: &str) -> Result<usize, String> {
    // As a float, so that what no integer can hold is too many as well.
    let why = match (text.parse(), text.parse::<f64>()) {
        (Ok(number), _) if range.contains(&number) => return Ok(number),
        (_, Ok(number)) if number < *range.start() as f64 => few,
        (_, Ok(number)) if number > *range.end() as f64 => many,
        _ => "this is no whole number",
    };
    Err(format!(
        "{why}; give a whole number from {} to {}",
        range.start(),
        range.end()
    ))
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
    let why = match seconds {
        Ok(seconds) if seconds < SHORTEST.as_secs_f64() => "too short to measure anything",
        Ok(seconds) if seconds > LONGEST.as_secs_f64() => "too long to wait for",
        // All but NaN.
        Ok(seconds) if seconds > 0.0 => return Ok(Duration::from_secs_f64(seconds)),
        _ => return Err(duration_advice()),
    };
    Err(format!("{why}; {}", duration_advice()))
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
        for bad in ["", "s", "NaNs", "1m", "soon"] {
            assert_eq!(duration(bad), Err(duration_advice()), "{bad:?}");
        }
        let why = |text| duration(text).expect_err("out of bounds");
        for short in ["0s", "0ms", "-1s", "-infs", "0.9ms"] {
            assert!(why(short).starts_with("too short"), "{short:?}");
        }
        for long in ["60.1s", "10000000s", "1e300s", "infs"] {
            assert!(why(long).starts_with("too long"), "{long:?}");
        }
        let unitless = duration("5").expect_err("no unit");
        assert!(
            unitless.starts_with("it has no unit; give a time"),
            "{unitless}"
        );
    }

    #[test]
    fn a_number_out_of_bounds_is_told_which_bound_and_why() {
        let why = |text| threads(text).expect_err("not a number of threads");
        for (text, expected) in [
            ("0", "somebody must"),
            ("-3", "somebody must"),
            ("257", "more would"),
            ("10000000", "more would"),
            ("99999999999999999999999", "more would"),
            ("2.5", "this is no whole number"),
            ("two", "this is no whole number"),
            ("", "this is no whole number"),
            ("NaN", "this is no whole number"),
        ] {
            assert!(why(text).starts_with(expected), "{text}: {}", why(text));
            assert!(why(text).ends_with("from 1 to 256"), "{text}");
        }
        assert_eq!((threads("1"), threads("256")), (Ok(1), Ok(256)));
    }

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
