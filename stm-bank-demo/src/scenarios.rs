//! Which work is compared, on which models.

use std::time::Duration;

use clap::ValueEnum;

use crate::compare::{Contender, Scenario};
use crate::models::{MODELS, Model};
use crate::options::Options;
use crate::workload::Round;

/// So few that two threads want the same account every other time.
const HOT_ACCOUNTS: usize = 8;

/// Accounts where all models take part, some of which have a thread or a task for each.
const FEW_ACCOUNTS: usize = 64;

/// How long all of them are measured, at most: it is about what each is like, and not about the last percent.
const BRIEF: Duration = Duration::from_millis(50);

/// Customers for each thread, where customers wait: enough that some of them can always go on. With one for each, two
/// threads hand each other a single portion, and whether the system runs both on one core, or wakes another core each
/// time, makes a factor of ten that has nothing to do with the model.
const CUSTOMERS: usize = 4;

/// How much zipf prefers some accounts, unless told: the usual figure of benchmarks.
const THETA: f64 = 0.99;

/// Where there is no bank.
const NO_ACCOUNTS: usize = 0;

/// A kind of work that a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Transfers,
    Waits,
    Choices,
    Batches,
    Joint,
    Crashes,
    Metrics,
    Pipeline,
}

impl Work {
    pub(crate) const ALL: [Self; 8] = [
        Self::Transfers,
        Self::Waits,
        Self::Choices,
        Self::Batches,
        Self::Joint,
        Self::Crashes,
        Self::Metrics,
        Self::Pipeline,
    ];

    /// The scenarios that consist of it.
    pub(crate) fn scenarios(self) -> impl Iterator<Item = Kind> {
        let kinds = Kind::value_variants().iter().copied();
        kinds.filter(move |kind| kind.work() == self)
    }
}

/// A scenario that one can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Money between random accounts
    Transfer,
    /// The same, with some accounts more popular than others
    Zipf,
    /// The same, on 8 accounts
    Hot,
    /// Transfers, while others sum up all accounts
    Audit,
    /// Withdrawals that wait for deposits
    Wait,
    /// Payments from the first account that can
    Choose,
    /// A payroll: one account pays many, or nobody
    Batch,
    /// Two accounts that may go below zero, but not together
    WriteSkew,
    /// Transfers, while workers panic in the middle of some
    Crash,
    /// Requests counted by endpoint, and read
    Metrics,
    /// Two bounded queues, read together, and shut down
    Pipeline,
}

impl Kind {
    pub(crate) fn work(self) -> Work {
        match self {
            Self::Transfer | Self::Zipf | Self::Hot | Self::Audit => Work::Transfers,
            Self::Wait => Work::Waits,
            Self::Choose => Work::Choices,
            Self::Batch => Work::Batches,
            Self::WriteSkew => Work::Joint,
            Self::Crash => Work::Crashes,
            Self::Metrics => Work::Metrics,
            Self::Pipeline => Work::Pipeline,
        }
    }

    /// As one writes it after `-s`.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no kind is hidden");
        value.get_name().to_owned()
    }

    /// In a sentence.
    pub(crate) fn about(self) -> String {
        let value = self.to_possible_value().expect("no kind is hidden");
        value.get_help().expect("each has one").to_string()
    }

    /// The model that the others are measured by.
    fn reference(self) -> &'static str {
        match self.work() {
            Work::Waits => "condvars",
            Work::Metrics => "metrics-mutex",
            Work::Pipeline => "pipeline-condvars",
            _ => "ordered-mutexes",
        }
    }

    /// How much of everything, and what that is called.
    fn round(self, options: &Options) -> (String, Round) {
        let all = Round {
            accounts: options.accounts,
            threads: options.threads,
            auditors: 0,
            timing: options.timing(),
            seed: options.seed,
            zipf: options.zipf,
            sampling: None,
        };
        let named = threads(all.threads);
        match self {
            Self::Transfer => (format!("transfers, {named}"), all),
            Self::Zipf => {
                let theta = options.zipf.unwrap_or(THETA);
                let zipf = Some(theta);
                (format!("zipf {theta}, {named}"), Round { zipf, ..all })
            }
            Self::Hot => {
                let accounts = options.accounts.min(HOT_ACCOUNTS);
                let name = format!("hot: {accounts} accounts, {named}");
                (name, Round { accounts, ..all })
            }
            Self::Audit | Self::Metrics => {
                let auditors = options.auditors;
                let threads = options.threads.saturating_sub(auditors).max(1);
                let name = match self {
                    Self::Audit => format!("audited: {threads} moving, {auditors} auditing"),
                    _ => format!("metrics: {threads} recording, {auditors} reading"),
                };
                let accounts = match self {
                    Self::Audit => options.accounts,
                    _ => NO_ACCOUNTS,
                };
                let round = Round {
                    accounts,
                    threads,
                    auditors,
                    ..all
                };
                (name, round)
            }
            Self::Wait => {
                let threads = options.threads * CUSTOMERS;
                let name = format!("waiting for cover, {threads} customers");
                let accounts = threads;
                let round = Round {
                    threads,
                    accounts,
                    ..all
                };
                (name, round)
            }
            Self::Choose => (format!("choosing a payer, {named}"), all),
            Self::Batch => (format!("payroll, {named}"), all),
            Self::WriteSkew => {
                let accounts = options.accounts.min(HOT_ACCOUNTS);
                let name = format!("write skew: {accounts} accounts, {named}");
                (name, Round { accounts, ..all })
            }
            Self::Crash => (format!("crashing workers, {named}"), all),
            Self::Pipeline => {
                let workers = options.threads.max(2);
                let name = format!("pipeline: 2 producers, {workers} workers");
                let round = Round {
                    accounts: NO_ACCOUNTS,
                    threads: workers,
                    ..all
                };
                (name, round)
            }
        }
    }

    /// Fewer accounts than this have no such scenario.
    pub(crate) fn fewest_accounts(self) -> usize {
        match self.work() {
            Work::Choices => 3,
            Work::Joint => 4,
            _ => 2,
        }
    }

    /// The scenario, on those of the models that can do it.
    pub(crate) fn scenario<'a>(
        self,
        options: &Options,
        models: impl IntoIterator<Item = &'a Model>,
    ) -> Scenario {
        let (name, round) = self.round(options);
        let contenders = models.into_iter().filter_map(|model| {
            let run = model
                .run(self.work())
                .filter(|_| round.accounts <= model.most_accounts)?;
            Some(Contender {
                model: model.name,
                family: model.family,
                claims: model.claims,
                run,
            })
        });
        let mut contenders: Vec<_> = contenders.collect();
        let reference = self.reference();
        // The reference runs first.
        contenders.sort_by_key(|contender| contender.model != reference);
        let busy_threads = match self {
            // Half of the customers wait, and the rest is as many as it is for that, and not because it was asked for.
            Self::Wait => options.threads,
            _ => round.threads + round.auditors,
        };
        Scenario {
            name,
            about: self.about(),
            round,
            busy_threads,
            reference,
            crashing: self == Self::Crash,
            repeats: options.repeats,
            contenders,
        }
    }
}

/// What is compared unless one asks for something else: the models that are right, at length, from the plainest work to
/// the one that needs most of a model; and then all of them, briefly.
pub(crate) fn by_default(options: &Options) -> Vec<Scenario> {
    let one = &Options {
        threads: 1,
        ..options.clone()
    };
    let few = |names: &'static [&str]| {
        let chosen = move |model: &&Model| names.contains(&model.name);
        MODELS.iter().filter(chosen)
    };
    let alone = &["ordered-mutexes", "stm"];
    let together = &["ordered-mutexes", "stm", "padded-mutexes"];
    let crowd = if options.threads > 1 {
        together
    } else {
        &alone[..]
    };
    let mut list = vec![Kind::Transfer.scenario(one, few(alone))];
    if options.threads > 1 {
        list.push(Kind::Transfer.scenario(options, few(together)));
    }
    list.push(Kind::Hot.scenario(options, few(crowd)));
    if options.auditors > 0 {
        let audited = &["ordered-mutexes", "stm", "stm-atomic-audit"];
        list.push(Kind::Audit.scenario(options, few(audited)));
    }
    list.push(Kind::Wait.scenario(options, few(&["condvars", "stm"])));
    let briefly = Options {
        accounts: options.accounts.min(FEW_ACCOUNTS),
        duration: options.duration.min(BRIEF),
        repeats: 1,
        ..options.clone()
    };
    for kind in [Kind::Transfer, Kind::Audit] {
        let mut everybody = kind.scenario(&briefly, MODELS);
        everybody.name = format!(
            "every model, {} accounts: {}",
            briefly.accounts, everybody.name
        );
        list.push(everybody);
    }
    list
}

/// Transfers on more and more threads, up to more than there are cores: what the report shows beside the comparison.
pub(crate) fn by_threads(
    options: &Options,
    cores: usize,
) -> impl Iterator<Item = (usize, Scenario)> {
    let one_of_each_family = [
        "ordered-mutexes",
        "stm",
        "global-mutex",
        "arc-swap",
        "owner-thread",
    ];
    let briefly = Options {
        duration: options.duration.min(BRIEF),
        repeats: options.repeats.min(3),
        ..options.clone()
    };
    let most = 2 * cores.max(options.threads).max(2);
    let threads = (0..).map(|doubled| 1 << doubled);
    let threads = threads.take_while(move |&threads| threads <= most);
    threads.map(move |threads| {
        let options = Options {
            threads,
            ..briefly.clone()
        };
        let chosen = |model: &&Model| one_of_each_family.contains(&model.name);
        let models = MODELS.iter().filter(chosen);
        (threads, Kind::Transfer.scenario(&options, models))
    })
}

/// The scenarios asked for, or all that the models can do.
pub(crate) fn asked_for(options: &Options, kinds: &[Kind], models: &[&Model]) -> Vec<Scenario> {
    // What was not asked for by name is not missed.
    let possible = |kind: &&Kind| options.accounts >= kind.fewest_accounts();
    let all = Kind::value_variants();
    let kinds = if kinds.is_empty() { all } else { kinds }
        .iter()
        .filter(possible);
    // What was named twice runs once.
    let (mut names, mut seen) = (Vec::new(), Vec::new());
    let models = models.iter().copied();
    let models: Vec<&Model> = models
        .filter(|model| first_time(&mut names, model.name))
        .collect();
    let kinds = kinds.filter(|kind| first_time(&mut seen, **kind));
    let scenarios = kinds.map(|kind| kind.scenario(options, models.iter().copied()));
    scenarios
        .filter(|scenario| !scenario.contenders.is_empty())
        .collect()
}

fn first_time<T: PartialEq>(seen: &mut Vec<T>, what: T) -> bool {
    let first = !seen.contains(&what);
    seen.push(what);
    first
}

fn threads(count: usize) -> String {
    format!("{count} thread{}", if count == 1 { "" } else { "s" })
}
