//! What came of a run, as data: whatever prints it starts from here.

/// A median, and what it is the median of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) p50_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p999_ns: u64,
    pub(crate) max_ns: u64,
}

/// What is wrong with a model, if anything: the worst of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    /// Money that was not there at the end; below zero: too much of it.
    Lost(i64),
    Overdrawn(u64),
    TornAudits(u64),
    Deadlock {
        accounts: Vec<usize>,
    },
    Starved,
    /// Why it could not go on, or what else it got wrong.
    Broken(String),
}

/// A model in a scenario.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModelResult {
    pub(crate) model: String,
    /// mutex, channel, actor, optimistic, stm or racy.
    pub(crate) family: String,
    pub(crate) commits_per_s: Option<Spread>,
    /// To the reference of the scenario, in the same round.
    pub(crate) relative: Option<Spread>,
    pub(crate) latency: Option<Latency>,
    pub(crate) tries_per_commit: Option<f64>,
    pub(crate) audits_per_s: Option<Spread>,
    pub(crate) verdict: Verdict,
    /// Whether nothing was wrong that the model claims to get right.
    pub(crate) claims_hold: bool,
    pub(crate) notes: Vec<String>,
}

/// The same work on several models.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ScenarioResult {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) accounts: usize,
    pub(crate) threads: usize,
    pub(crate) auditors: usize,
    pub(crate) models: Vec<ModelResult>,
}

/// Where it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) os: String,
    pub(crate) arch: String,
}

/// A scenario at several values of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sweep {
    pub(crate) param: String,
    pub(crate) points: Vec<(f64, ScenarioResult)>,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) schema_version: u32,
    pub(crate) started: String,
    pub(crate) machine: Machine,
    pub(crate) command: String,
    pub(crate) seed: u64,
    pub(crate) warnings: Vec<String>,
    pub(crate) interrupted: bool,
    pub(crate) scenarios: Vec<ScenarioResult>,
    pub(crate) sweep: Option<Sweep>,
}
