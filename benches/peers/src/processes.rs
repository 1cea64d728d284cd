//! A process for each workload: this program again, with a flag that the help does not show.
//!
//! In one process, what comes late is measured on the heap that the others have left, with its holes and its spread-out pages: a
//! look-up in a large map took twice as long at the end of a run of everything as in a run of `maps` alone. A fresh process
//! gives every workload the same beginning, whether it runs alone or as the last of sixteen.
//!
//! ```text
//!   parent                                     worker
//!     │ ── stdin: nothing, but it is open ───▶   somebody waits for its end
//!     │ ◀── stdout: a message a line ──────────   Turn { case, round, who }  before each turn
//!     │                                           Done { case, fates }       after each case
//! ```
//!
//! Both know the cases, for both are the same program: what travels is how the contenders fared, by their order.
//!
//! Invariants:
//!
//! - W1  A worker does not outlive its parent, however that ends: its stdin ends then, and it goes. (An interrupt from the terminal
//!   reaches both at once anyway.)
//! - W2  An outcome counts if its message came whole and fits its case. Whatever else ends a worker is reported, and takes nothing from
//!   the outcomes that came before.
//! - W3  A figure comes through as it was, to the last bit, infinities included.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use stm_benches::measure::interleave::{Case, Contender, Effort, Entry, Fate, Outcome};

/// The flag with which this program starts itself; its argument is the workload's name.
pub const FLAG: &str = "--work-on";

#[derive(Debug, Serialize, Deserialize)]
enum Message {
    Turn {
        case: usize,
        round: usize,
        who: String,
    },
    Done {
        case: usize,
        fates: Vec<SentFate>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
enum SentFate {
    /// As text: JSON has no infinity, and Rust's text of a number is read back as that number (W3).
    Measured(Vec<Vec<String>>),
    Wrong(String),
    Cannot(String),
}

impl SentFate {
    fn of(fate: &Fate) -> Self {
        let texts = |row: &Vec<f64>| row.iter().map(f64::to_string).collect();
        match fate {
            Fate::Measured(rows) => Self::Measured(rows.iter().map(texts).collect()),
            Fate::Wrong(what) => Self::Wrong(what.clone()),
            Fate::Cannot(why) => Self::Cannot(why.clone()),
        }
    }

    fn received(self) -> Result<Fate, String> {
        let number = |text: String| {
            let parsed = text.parse::<f64>();
            parsed.map_err(|why| format!("its figure `{text}` is no number: {why}"))
        };
        let figures = |row: Vec<String>| row.into_iter().map(number).collect();
        Ok(match self {
            Self::Measured(rows) => {
                Fate::Measured(rows.into_iter().map(figures).collect::<Result<_, _>>()?)
            }
            Self::Wrong(what) => Fate::Wrong(what),
            Self::Cannot(why) => Fate::Cannot(why),
        })
    }
}

fn sent(case: usize, outcome: &Outcome) -> Message {
    let fates = outcome.entries.iter();
    let fates = fates.map(|entry| SentFate::of(&entry.fate)).collect();
    Message::Done { case, fates }
}

fn received(case: &Case<'_>, fates: Vec<SentFate>) -> Result<Outcome, String> {
    if fates.len() != case.contenders.len() {
        return Err(format!(
            "{} of the {} contenders of `{}` came",
            fates.len(),
            case.contenders.len(),
            case.name
        ));
    }
    let entry = |(contender, fate): (&Contender<'_>, SentFate)| {
        let fate = fate.received()?;
        let fits = match &fate {
            Fate::Measured(rows) => rows.iter().all(|row| row.len() == case.metrics.len()),
            Fate::Wrong(_) | Fate::Cannot(_) => true,
        };
        let entry = Entry {
            name: contender.name().into(),
            side: contender.side(),
            fate,
        };
        let many = || format!("not all figures of {} came", contender.name());
        fits.then_some(entry).ok_or_else(many)
    };
    let entries = case.contenders.iter().zip(fates).map(entry);
    Ok(Outcome {
        workload: case.workload,
        name: case.name.clone(),
        metrics: case.metrics.clone(),
        entries: entries.collect::<Result<_, _>>()?,
    })
}

/// What a worker does: measures the cases, and says on stdout how it gets on.
///
/// # Errors
///
/// If nobody listens any more.
pub fn work(cases: Vec<Case<'_>>, effort: Effort) -> std::io::Result<()> {
    std::thread::spawn(go_with_the_parent);
    let mut listener = std::io::stdout();
    let mut say = |message: &Message| {
        let mut line = serde_json::to_string(message).expect("messages become text");
        line.push('\n');
        listener.write_all(line.as_bytes())?;
        listener.flush()
    };
    for (at, case) in cases.into_iter().enumerate() {
        let mut heard = Ok(());
        let outcome = case.measure(effort, |round, who| {
            let turn = Message::Turn {
                case: at,
                round,
                who: who.into(),
            };
            if heard.is_ok() {
                heard = say(&turn);
            }
        });
        heard?;
        say(&sent(at, &outcome))?;
    }
    Ok(())
}

/// W1. Sleeps until then, so it is in nobody's way.
fn go_with_the_parent() {
    let mut stdin = std::io::stdin();
    while matches!(stdin.read(&mut [0; 64]), Ok(1..)) {}
    std::process::exit(1);
}

/// The command that starts a worker.
///
/// # Errors
///
/// If the system does not say where this program is.
pub fn worker(arguments: &[String]) -> Result<Command, String> {
    let this = std::env::current_exe();
    let this = this.map_err(|why| format!("where this program is cannot be had: {why}"))?;
    let mut command = Command::new(this);
    command.args(arguments);
    Ok(command)
}

/// What is heard of a worker.
pub enum Event<'a> {
    /// A turn begins.
    Turn {
        /// Where the case stands among the workload's.
        case: usize,
        /// Which turn; 0 is the short one.
        round: usize,
        /// Whose.
        who: &'a str,
    },
    /// A case came to an end.
    Done(Outcome),
}

/// Starts the worker and tells what is heard of it until it ends.
///
/// # Errors
///
/// If it is not all that there was to be heard (W2): why.
pub fn supervise(
    mut command: Command,
    cases: &[Case<'_>],
    tell: impl FnMut(Event<'_>),
) -> Result<(), String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let worker = command.spawn();
    let worker = worker.map_err(|why| format!("no process can be had: {why}"))?;
    let mut worker = Ended(worker);
    let done = listen(&mut worker.0, cases, tell)?;
    let status = worker.0.wait();
    let status = status.map_err(|why| format!("how its process ended is unknown: {why}"))?;
    if done < cases.len() || !status.success() {
        return Err(format!(
            "its process ended with {status} after {done} of {} cases",
            cases.len()
        ));
    }
    Ok(())
}

/// A process that is gone when this is.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Fails if it has ended and been waited for: then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many cases came until the worker said no more.
fn listen(
    worker: &mut Child,
    cases: &[Case<'_>],
    mut tell: impl FnMut(Event<'_>),
) -> Result<usize, String> {
    let stdout = worker.stdout.take().expect("it is piped");
    let mut done = 0;
    for line in BufReader::new(stdout).lines() {
        let line = line.map_err(|why| format!("its process cannot be heard: {why}"))?;
        let message = serde_json::from_str(&line);
        match message.map_err(|why| format!("its line `{line}` is no message: {why}"))? {
            Message::Turn { case, round, who } if case == done && case < cases.len() => {
                tell(Event::Turn {
                    case,
                    round,
                    who: &who,
                });
            }
            Message::Done { case, fates } if case == done && case < cases.len() => {
                tell(Event::Done(received(&cases[case], fates)?));
                done += 1;
            }
            Message::Turn { case, .. } | Message::Done { case, .. } => {
                return Err(format!("its process is at case {case} instead of {done}"));
            }
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stm_benches::measure::interleave::{Metric, Side, Unit};

    use super::*;
    use crate::common::watched;

    /// No decimal, and hardly any binary digit, may be lost of these.
    const FIGURES: [f64; 6] = [0.1, 1.0 / 3.0, 5e-324, f64::MAX, f64::INFINITY, f64::NAN];

    fn case(name: &str) -> Case<'static> {
        let metric = |name| Metric {
            name,
            unit: Unit::PerSecond,
        };
        Case {
            workload: "example",
            name: name.into(),
            metrics: vec![metric("first"), metric("second")],
            contenders: vec![
                Contender::new("odd", |_| Ok(FIGURES[..2].into())).on(Side::Ours),
                Contender::new("small and large", |_| Ok(FIGURES[2..4].into()))
                    .on(Side::Transactions),
                Contender::new("never there", |_| Ok(FIGURES[4..].into())),
                Contender::new("wrong", |_| Err("5 \"coins\"\nare missing".into())),
                Contender::cannot("unable", "nothing undoes"),
            ],
        }
    }

    fn outcome() -> Outcome {
        let effort = Effort {
            rounds: 3,
            time: Duration::from_millis(1),
        };
        case("one").measure(effort, |_, _| {})
    }

    fn fates(text: &str) -> Vec<SentFate> {
        match serde_json::from_str(text) {
            Ok(Message::Done { case: 0, fates }) => fates,
            other => panic!("{other:?}"),
        }
    }

    /// As NaN is not equal to itself.
    fn shown(outcome: &Outcome) -> String {
        format!("{outcome:?}")
    }

    #[test]
    fn an_outcome_comes_through_unchanged() {
        watched("an_outcome_comes_through_unchanged", || {
            let before = outcome();
            let text = serde_json::to_string(&sent(0, &before)).expect("valid");
            assert!(!text.contains('\n'), "{text}");
            let after = received(&case("one"), fates(&text)).expect("it fits");
            assert_eq!(shown(&after), shown(&before));
            let bits = |outcome: &Outcome| {
                let rows = ["odd", "small and large"].map(|name| outcome.rounds_of(name));
                let rows = rows.into_iter().flat_map(|rows| rows.expect("measured"));
                rows.flatten().map(|f| f.to_bits()).collect::<Vec<_>>()
            };
            assert_eq!(bits(&after), bits(&before));
        });
    }

    #[test]
    fn an_outcome_that_does_not_fit_is_refused() {
        watched("an_outcome_that_does_not_fit_is_refused", || {
            let Message::Done { mut fates, .. } = sent(0, &outcome()) else {
                unreachable!("that is what was sent")
            };
            fates[0] = SentFate::Measured(vec![vec!["1".into()]]);
            let why = received(&case("one"), fates).expect_err("one figure of two");
            assert_eq!(why, "not all figures of odd came");
            let why = received(&case("one"), Vec::new()).expect_err("nobody");
            assert_eq!(why, "0 of the 5 contenders of `one` came");
            let odd = SentFate::Measured(vec![vec!["many".into()]]).received();
            assert!(odd.expect_err("no number").contains("`many`"));
        });
    }

    /// What is heard of a worker that writes these lines and then does that, and how it ends.
    fn heard(lines: &[String], then: &str) -> (Vec<String>, Result<(), String>) {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(format!("printf '%s\\n' \"$@\"; {then}"));
        shell.arg("worker").args(lines);
        let mut all = Vec::new();
        let end = supervise(shell, &[case("one"), case("two")], |event| {
            all.push(match event {
                Event::Turn { case, round, who } => format!("{case} {round} {who}"),
                Event::Done(outcome) => outcome.name,
            });
        });
        (all, end)
    }

    fn line(message: &Message) -> String {
        serde_json::to_string(message).expect("valid")
    }

    fn lines() -> [String; 3] {
        let turn = Message::Turn {
            case: 0,
            round: 2,
            who: "odd".into(),
        };
        let done = [0, 1].map(|case| line(&sent(case, &outcome())));
        let [first, second] = done;
        [line(&turn), first, second]
    }

    #[test]
    fn what_a_worker_says_is_heard() {
        watched("what_a_worker_says_is_heard", || {
            let (all, end) = heard(&lines(), "exit 0");
            assert_eq!(all, ["0 2 odd", "one", "two"]);
            assert_eq!(end, Ok(()));
        });
    }

    #[test]
    fn a_worker_that_dies_is_reported_and_what_it_had_done_counts() {
        watched(
            "a_worker_that_dies_is_reported_and_what_it_had_done_counts",
            || {
                for (then, how) in [
                    ("exit 3", "ended with exit status: 3 after 1 of 2"),
                    ("kill -9 $$", "(SIGKILL) after 1 of 2"),
                    ("exit 0", "ended with exit status: 0 after 1 of 2"),
                    ("echo no message", "`no message` is no message"),
                    ("printf '%s\\n' \"$2\"", "at case 0 instead of 1"),
                ] {
                    let (all, end) = heard(&lines()[..2], then);
                    assert_eq!(all, ["0 2 odd", "one"], "{then}");
                    let why = end.expect_err("it did not finish");
                    assert!(why.contains(how), "{why}");
                }
                let (_, end) = heard(&lines(), "exit 1");
                let why = end.expect_err("it said itself that it failed");
                assert!(why.contains("exit status: 1 after 2 of 2"), "{why}");
            },
        );
    }

    #[test]
    fn a_worker_that_cannot_be_started_is_reported() {
        watched("a_worker_that_cannot_be_started_is_reported", || {
            let end = supervise(Command::new("/nowhere/at/all"), &[], |_| {});
            let why = end.expect_err("there is no such program");
            assert!(why.starts_with("no process can be had: "), "{why}");
        });
    }
}
