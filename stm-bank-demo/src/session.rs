//! A run, from what was asked for to what is told.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::compare::{Limits, Scenario, Standing};
use crate::models::{MODELS, Model};
use crate::options::{Choice, Color, Command, Options};
use crate::output::{self, Format};
use crate::progress::Teller;
use crate::results::{Machine, Report, SCHEMA_VERSION, ScenarioResult, Sweep};
use crate::scenarios::{self, Kind};
use crate::summary::{summarize, unsteady};
use crate::{BROKEN, INTERRUPTED, USAGE, calendar, interrupt, report};

/// How much of their time threads may be without a core, though there are enough, before it is worth a word.
const TOLERABLE: f64 = 0.1;

/// Runs what was asked for; the results and the exit code. `Err`: why that cannot be done.
pub(crate) fn run(command: Option<Command>, options: &Options) -> Result<(String, u8), String> {
    let points = plan(command, options)?;
    // Before the run, which may take a while.
    for file in options.files() {
        writable(file)?;
    }
    let limits = limits(options);
    let cores = cores();
    let all: Vec<&Scenario> = points.iter().flat_map(|(_, scenarios)| scenarios).collect();
    let mut warnings = warnings(&points, cores);
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    let time: Duration = all.iter().map(|scenario| scenario.time(limits)).sum();
    eprintln!("this takes about {:.0} s", time.as_secs_f64().ceil());

    interrupt::listen();
    let mut teller = Teller::new(options.progress, all.len());
    let mut report = blank(options.seed, cores);
    let mut disturbed = None;
    for (at, scenarios) in &points {
        for scenario in scenarios {
            if interrupt::interrupted() {
                break;
            }
            teller.begin(&scenario.name);
            let standings = scenario.compare(limits, |model| teller.step(model));
            note_disturbance(&mut disturbed, scenario, &standings, cores);
            let result = summarize(scenario, &standings);
            match at {
                None => report.scenarios.push(result),
                Some((name, value)) => {
                    let sweep = report.sweep.get_or_insert_with(|| Sweep {
                        param: name.clone(),
                        points: Vec::new(),
                    });
                    sweep.points.push((*value, result));
                }
            }
        }
    }
    teller.end();
    report.interrupted = interrupt::interrupted();
    let mut late = afterthoughts(disturbed, all_results(&report));
    if report.interrupted {
        late.push("interrupted: what follows is what was measured until then".to_owned());
    }
    for warning in &late {
        eprintln!("warning: {warning}");
    }
    warnings.append(&mut late);
    report.warnings = warnings;
    eprint!("{}", report::what_broke(all_results(&report)));
    let code = match write_files(&report, options) {
        Ok(()) => exit_code(&report),
        // The results are told all the same.
        Err(why) => {
            eprintln!("error: {why}");
            USAGE
        }
    };
    Ok((text(&report, options), code))
}

/// What a run with these options allows.
pub(crate) fn limits(options: &Options) -> Limits {
    Limits {
        grace: options.timeout,
        rate: options.rate,
    }
}

/// How many threads can run at a time.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Whether a file can be written; nothing that it holds is lost.
fn writable(file: &Path) -> Result<(), String> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened.map(drop).map_err(|why| unwritable(file, &why))
}

fn unwritable(file: &Path, why: &io::Error) -> String {
    let file = file.display();
    format!("{file} cannot be written: {why}; give a file in a directory that is there")
}

/// The files that were asked for beside the results.
fn write_files(report: &Report, options: &Options) -> Result<(), String> {
    let write =
        |file: &Path, text: String| fs::write(file, text).map_err(|why| unwritable(file, &why));
    if let Some(file) = &options.html {
        write(file, output::html(report))?;
    }
    if let Some(file) = &options.svg {
        let plot = output::svg(report).ok_or_else(|| {
            let file = file.display();
            format!("there is nothing to plot in {file}: no model came to a figure")
        })?;
        write(file, plot)?;
    }
    Ok(())
}

/// The results in the form that was asked for.
fn text(report: &Report, options: &Options) -> String {
    let mut out = Vec::new();
    if options.format == Format::Table {
        let head = format!(
            "{} accounts, {} cores, rounds: {} of {:?}, seed {}\n\n",
            options.accounts, report.machine.cores, options.repeats, options.duration, options.seed
        );
        out.extend_from_slice(head.as_bytes());
    }
    let color = options.color == Color::Auto && io::stdout().is_terminal();
    output::write(options.format, report, color, &mut out).expect("a vector takes everything");
    String::from_utf8(out).expect("every form is text")
}

/// A report without results.
pub(crate) fn blank(seed: u64, cores: usize) -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        started: calendar::now(),
        machine: Machine {
            cores,
            os: env::consts::OS.to_owned(),
            arch: env::consts::ARCH.to_owned(),
        },
        command: env::args().skip(1).collect::<Vec<_>>().join(" "),
        seed,
        warnings: Vec::new(),
        interrupted: false,
        scenarios: Vec::new(),
        sweep: None,
    }
}

/// Scenarios, each group at a value of the swept parameter, if there is one.
type Plan = Vec<(Option<(String, f64)>, Vec<Scenario>)>;

fn plan(command: Option<Command>, options: &Options) -> Result<Plan, String> {
    let chosen = |options: &Options, kinds: &[Kind], models: &[&'static Model]| {
        let too_few = |kind: &&Kind| options.accounts < kind.fewest_accounts();
        if let Some(kind) = kinds.iter().find(too_few) {
            return Err(format!(
                "the scenario {} takes {} accounts, and --accounts is {}",
                kind.name(),
                kind.fewest_accounts(),
                options.accounts
            ));
        }
        let too_many = |model: &&&Model| options.accounts > model.most_accounts;
        if let Some(model) = models.iter().find(too_many) {
            return Err(format!(
                "{} takes at most {} accounts, and --accounts is {}",
                model.name, model.most_accounts, options.accounts
            ));
        }
        let everybody: Vec<_> = MODELS.iter().collect();
        let models = if models.is_empty() {
            &everybody
        } else {
            models
        };
        let scenarios = scenarios::asked_for(options, kinds, models);
        if scenarios.is_empty() {
            let names: Vec<_> = models.iter().map(|model| model.name).collect();
            return Err(format!(
                "no scenario asked for is one that {} can do; see stm-bank-demo list",
                names.join(" or ")
            ));
        }
        Ok(scenarios)
    };
    match command {
        Some(Command::Compare {
            choice: Choice { models, scenario },
        }) if !models.is_empty() || !scenario.is_empty() => {
            Ok(vec![(None, chosen(options, &scenario, &models)?)])
        }
        Some(Command::Run { model, scenario }) => {
            Ok(vec![(None, chosen(options, &scenario, &[model])?)])
        }
        Some(Command::Sweep {
            param,
            choice: Choice { models, scenario },
        }) => {
            let kinds = if scenario.is_empty() {
                vec![Kind::Transfer]
            } else {
                scenario
            };
            let name = format!("{:?}", param.name).to_lowercase();
            let point = |&value: &f64| {
                let options = options.at(param.name, value);
                Ok((
                    Some((name.clone(), value)),
                    chosen(&options, &kinds, &models)?,
                ))
            };
            param.values.iter().map(point).collect()
        }
        _ => {
            let mut plan = vec![(None, scenarios::by_default(options))];
            if options.html.is_some() {
                let points = scenarios::by_threads(options, cores());
                plan.extend(points.map(|(threads, scenario)| {
                    let at = ("threads".to_owned(), threads as f64);
                    (Some(at), vec![scenario])
                }));
            }
            Ok(plan)
        }
    }
}

/// What one should know before the figures come.
fn warnings(plan: &Plan, cores: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    let scenarios = || plan.iter().flat_map(|(_, scenarios)| scenarios);
    for model in MODELS {
        let most = scenarios()
            .map(|scenario| scenario.round.accounts)
            .max()
            .unwrap_or(0);
        if most > model.most_accounts {
            warnings.push(format!(
                "{} keeps {} accounts at most and is left out where there are more",
                model.name, model.most_accounts
            ));
        }
    }
    warnings.extend(debug_build());
    let swept = plan.iter().any(|(at, _)| at.is_some());
    let busiest = scenarios().map(|scenario| scenario.busy_threads).max();
    if let Some(threads) = busiest.filter(|&threads| threads > cores) {
        let (what, advice) = if swept {
            ("where they do, the figures", "")
        } else {
            ("the figures", ", so lower --threads or --auditors")
        };
        warnings.push(format!(
            "up to {threads} threads share {cores} cores; {what} also show how the system schedules them{advice}"
        ));
    }
    warnings
}

/// What one should know of the program itself.
pub(crate) fn debug_build() -> Option<String> {
    let warning = "this is a debug build, its figures mean nothing; use cargo run --release";
    cfg!(debug_assertions).then(|| warning.to_owned())
}

/// Where other programs were most in the way: what part of the time, and in which scenario.
type Disturbed = Option<(f64, String)>;

fn note_disturbance(
    worst: &mut Disturbed,
    scenario: &Scenario,
    standings: &[Standing],
    cores: usize,
) {
    // With more threads than cores it is no disturbance, and the user has been told.
    if scenario.busy_threads > cores {
        return;
    }
    // Models with threads of their own are more than they seem.
    let own_threads =
        |standing: &Standing| matches!(standing.contender.family, "channel" | "actor");
    let telling = |standing: &&Standing| !standing.is_stuck() && !own_threads(standing);
    for standing in standings.iter().filter(telling) {
        if worst
            .as_ref()
            .is_none_or(|(share, _)| standing.without_core > *share)
        {
            *worst = Some((standing.without_core, scenario.name.clone()));
        }
    }
}

/// What one should know about the figures.
fn afterthoughts<'a>(
    disturbed: Disturbed,
    results: impl Iterator<Item = &'a ScenarioResult>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some((share, name)) = disturbed.filter(|(share, _)| *share > TOLERABLE) {
        warnings.push(format!(
            "other programs kept the cores busy: in '{name}' the threads had none for {:.0} % of the time; figures \
             need a quiet machine",
            share * 100.0
        ));
    }
    let (wide, rates) = unsteady(results);
    if wide > 0 {
        warnings.push(format!(
            "{wide} of {rates} rates differ by more than 5 % between rounds; trust the relative columns, \
             or give more and longer rounds"
        ));
    }
    warnings
}

fn all_results(report: &Report) -> impl Iterator<Item = &ScenarioResult> {
    let swept = report.sweep.iter().flat_map(|sweep| &sweep.points);
    report
        .scenarios
        .iter()
        .chain(swept.map(|(_, result)| result))
}

/// The exit code of a run with these results.
pub(crate) fn exit_code(report: &Report) -> u8 {
    let mut models = all_results(report).flat_map(|result| &result.models);
    if report.interrupted {
        INTERRUPTED
    } else if models.all(|model| model.claims_hold) {
        0
    } else {
        BROKEN
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::audit::Findings;
    use crate::models::find;
    use crate::options::Cli;

    /// The warning about other programs, if a model was without a core for that part of its time.
    fn told(model: &str, share: f64, findings: Findings, cores: usize) -> Vec<String> {
        let options = Cli::parse_from(["stm-bank-demo"]).options;
        let model = find(model).expect("a model of that name");
        let scenario = Kind::Transfer.scenario(&options, [model]);
        let standing = Standing {
            contender: scenario.contenders[0],
            figures: Vec::new(),
            without_core: share,
            findings,
            latencies: None,
        };
        let mut disturbed = None;
        note_disturbance(&mut disturbed, &scenario, &[standing], cores);
        afterthoughts(disturbed, std::iter::empty())
    }

    #[test]
    fn only_models_that_go_on_and_have_no_threads_of_their_own_tell_of_other_programs() {
        let warning = told("stm", 0.31, Findings::default(), 2);
        assert!(
            warning[0].contains("none for 31 % of the time"),
            "{warning:?}"
        );
        let stuck = Findings {
            deadlock: Some(vec![1, 2]),
            ..Findings::default()
        };
        let poisoned = Findings {
            broken: Some("poison".to_owned()),
            ..Findings::default()
        };
        for quiet in [
            told("stm", 0.05, Findings::default(), 2),
            told("unordered-mutexes", 0.9, stuck, 2),
            told("ordered-mutexes", 0.9, poisoned, 2),
            told("owner-thread", 0.9, Findings::default(), 2),
            told("stm", 0.9, Findings::default(), 1),
        ] {
            assert!(quiet.is_empty(), "{quiet:?}");
        }
    }
}
