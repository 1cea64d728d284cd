//! Which work is compared, on which engines.

use crate::compare::{Contender, Scenario};
use crate::condvars::Condvars;
use crate::options::Options;
use crate::ordered_mutexes::{OrderedMutexes, Padded};
use crate::shift::Timing;
use crate::stm::{AuditedInTransaction, StmBank};
use crate::workload::Round;

/// So few that two threads want the same account every other time.
const HOT_ACCOUNTS: usize = 8;

/// The scenarios of a run, from the plainest to the one that needs most of an engine.
pub(crate) fn scenarios(options: &Options) -> Vec<Scenario> {
    let one = Round {
        accounts: options.accounts,
        threads: 1,
        auditors: 0,
        timing: Timing::with_warm_up(options.duration),
        seed: options.seed,
    };
    let all = Round {
        threads: options.threads,
        ..one
    };

    let mut list = vec![transfers(one)];
    if options.threads > 1 {
        list.push(transfers(all));
    }
    list.push(hot(Round {
        accounts: options.accounts.min(HOT_ACCOUNTS),
        ..all
    }));
    if options.auditors > 0 {
        list.push(audited(Round {
            threads: options.threads.saturating_sub(options.auditors).max(1),
            auditors: options.auditors,
            ..one
        }));
    }
    list.push(waiting(Round {
        // It takes two: one to wait, and one to be waited for.
        threads: options.threads.max(2),
        ..one
    }));
    list
}

fn transferring(round: Round) -> Vec<Contender> {
    let mut engines = vec![
        Contender::transferring::<OrderedMutexes>("ordered mutexes"),
        Contender::transferring::<StmBank>("STM"),
    ];
    if round.threads > 1 {
        engines.push(Contender::transferring::<OrderedMutexes<Padded>>(
            "padded mutexes",
        ));
    }
    engines
}

fn transfers(round: Round) -> Scenario {
    Scenario {
        name: format!("transfers, {}", threads(round.threads)),
        round,
        contenders: transferring(round),
    }
}

fn hot(round: Round) -> Scenario {
    Scenario {
        name: format!(
            "hot: {} accounts, {}",
            round.accounts,
            threads(round.threads)
        ),
        round,
        contenders: transferring(round),
    }
}

fn audited(round: Round) -> Scenario {
    Scenario {
        name: format!(
            "audited: {} moving, {} auditing",
            round.threads, round.auditors
        ),
        round,
        contenders: vec![
            Contender::transferring::<OrderedMutexes>("ordered mutexes"),
            Contender::transferring::<StmBank>("STM, snapshot"),
            Contender::transferring::<AuditedInTransaction>("STM, atomically"),
        ],
    }
}

fn waiting(round: Round) -> Scenario {
    Scenario {
        name: format!("waiting for cover, {}", threads(round.threads)),
        round,
        contenders: vec![
            Contender::waiting::<Condvars>("mutexes and condvars"),
            Contender::waiting::<StmBank>("STM, retry"),
        ],
    }
}

fn threads(count: usize) -> String {
    format!("{count} thread{}", if count == 1 { "" } else { "s" })
}
