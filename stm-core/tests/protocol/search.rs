//! All interleavings, breadth first, so that a counterexample is as short as there is one.
//!
//! A state that was seen is known by a fingerprint of 128 bits. Two states in ten million that share one, so that the second
//! would be missed, are less likely than one in 10^24.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::mem::{Discriminant, discriminant};

use crate::mutants::Mutant;
use crate::oracles::{self, Opacity, Violation};
use crate::programs::Program;
use crate::state::{At, Cause, State};
use crate::steps::{Choice, Outcome, Step};

/// Beyond this a program is too large for the test.
const MOST_STATES: usize = 6_000_000;

/// What a search came to.
#[derive(Debug, Default)]
pub struct Report {
    pub states: usize,
    pub steps: usize,
    /// States in which nobody could go on.
    pub ends: usize,
    /// Where threads have stood, and how attempts have failed.
    pub places: HashSet<Discriminant<At>, FastHash>,
    pub causes: HashSet<Cause, FastHash>,
    /// Different histories that the opacity oracle was asked about.
    pub histories: usize,
    pub found: Option<Counterexample>,
}

/// A way to a violation.
#[derive(Debug)]
pub struct Counterexample {
    pub violation: Violation,
    /// What was done, a line a step.
    lines: Vec<String>,
    /// What each attempt saw and did in the end.
    history: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.lines.iter().enumerate() {
            writeln!(f, "  {:3}  {line}", i + 1)?;
        }
        writeln!(f, "       => {:?}, where", self.violation)?;
        for line in &self.history {
            writeln!(f, "       {line}")?;
        }
        Ok(())
    }
}

/// Who does what next.
#[derive(Clone, Copy, Debug)]
enum Action {
    Thread(u8, Choice),
    LeaseEnds,
}

/// How the search came to a state.
struct Origin {
    from: u32,
    by: Action,
}

struct Search<'p> {
    program: &'p Program,
    mutant: Mutant,
    seen: HashSet<u128, IdentityHash>,
    origins: Vec<Origin>,
    opacity: Opacity,
}

/// Explores `program` to the end, or to the first violation.
pub fn explore(program: &Program, mutant: Mutant) -> Report {
    let mut search = Search {
        program,
        mutant,
        seen: HashSet::default(),
        origins: Vec::new(),
        opacity: Opacity::default(),
    };
    let start = program.start();
    search.seen.insert(fingerprint(program, &start));
    search.origins.push(Origin {
        from: 0,
        by: Action::LeaseEnds,
    });
    let mut report = Report::default();
    let mut queue = VecDeque::from([(0, start)]);
    'states: while let Some((number, state)) = queue.pop_front() {
        let threads = &state.threads[..program.threads.len()];
        report
            .places
            .extend(threads.iter().map(|t| discriminant(&t.at)));
        let mut stuck = true;
        for (action, step) in search.successors(&state) {
            stuck = false;
            report.steps += 1;
            report.causes.extend(step.failed);
            if let Some(violation) = search.judge(&step) {
                report.found = Some(search.retrace(violation, number, Some(action)));
                break 'states;
            }
            if search.seen.insert(fingerprint(program, &step.state)) {
                let next = search.origins.len();
                assert!(
                    next < MOST_STATES,
                    "{}: more than {next} states",
                    program.name
                );
                search.origins.push(Origin {
                    from: number,
                    by: action,
                });
                queue.push_back((next as u32, step.state));
            }
        }
        if stuck {
            report.ends += 1;
            if let Some(violation) = oracles::at_the_end(program, &state) {
                report.found = Some(search.retrace(violation, number, None));
                break;
            }
        }
    }
    report.states = search.origins.len();
    report.histories = search.opacity.histories();
    report
}

impl<'p> Search<'p> {
    /// Everything that can come next.
    fn successors(&self, state: &State) -> Vec<(Action, Step<'p>)> {
        let mut all = Vec::with_capacity(8);
        for t in 0..self.program.threads.len() as u8 {
            let mut add = |choice| {
                let action = Action::Thread(t, choice);
                let step = self.act(*state, action, false);
                let goes = step.is_some();
                all.extend(step.map(|step| (action, step)));
                goes
            };
            if !add(Choice::GoOn) {
                add(Choice::GiveWay);
                add(Choice::GiveUp);
            }
        }
        if self.program.lease_may_end && state.lease_runs() && !state.lease_has_ended {
            let step = self.act(*state, Action::LeaseEnds, false);
            all.extend(step.map(|step| (Action::LeaseEnds, step)));
        }
        all
    }

    /// The step, or None if it cannot be taken.
    fn act(&self, state: State, action: Action, tell: bool) -> Option<Step<'p>> {
        let t = match action {
            Action::Thread(t, _) => t,
            Action::LeaseEnds => 0,
        };
        let mut step = Step::new(self.program, self.mutant, state, t as usize);
        step.told = tell.then(String::new);
        match action {
            Action::LeaseEnds => {
                Step::end_lease(&mut step.state);
                Some(step)
            }
            Action::Thread(_, choice) => match step.take(choice) {
                Outcome::Went => Some(step),
                Outcome::Blocked => None,
            },
        }
    }

    fn judge(&mut self, step: &Step<'_>) -> Option<Violation> {
        if step.violation.is_some() {
            return step.violation;
        }
        let explained = !step.history_changed
            || self
                .opacity
                .holds(&step.state.records[..self.program.records()]);
        (!explained).then_some(Violation::Opacity)
    }

    /// Goes the way to state `number`, and the step after it, once more, and tells of it.
    fn retrace(&self, violation: Violation, number: u32, last: Option<Action>) -> Counterexample {
        let mut actions: Vec<_> = last.into_iter().collect();
        let mut at = number;
        while at != 0 {
            let origin = &self.origins[at as usize];
            actions.push(origin.by);
            at = origin.from;
        }
        let mut state = self.program.start();
        let mut lines = Vec::new();
        for &action in actions.iter().rev() {
            let step = self.act(state, action, true).expect("it was taken before");
            let who = match action {
                Action::Thread(t, _) => {
                    let txn = state.threads[t as usize].txn;
                    format!("T{}", self.program.number(t as usize, txn))
                }
                Action::LeaseEnds => "--  the lease ends".into(),
            };
            let line = format!("{who}  {}", step.told.unwrap_or_default());
            lines.push(line.trim_end().into());
            state = step.state;
        }
        Counterexample {
            violation,
            lines,
            history: oracles::tell(self.program, &state),
        }
    }
}

/// Of anything, by its `Hash`.
pub fn fingerprint_of(value: &impl Hash) -> u128 {
    let mut mixer = Mixer::default();
    value.hash(&mut mixer);
    mixer.both()
}

fn fingerprint(program: &Program, state: &State) -> u128 {
    let mut mixer = Mixer::default();
    state.threads[..program.threads.len()].hash(&mut mixer);
    state.vars.hash(&mut mixer);
    state.nodes[..state.made as usize].hash(&mut mixer);
    let rest = [
        state.time,
        state.active,
        state.token.into(),
        state.filter,
        state.held,
        state.lease_over.into(),
        state.lease_has_ended.into(),
    ];
    mixer.write(&rest);
    mixer.write(&state.table);
    state.records[..program.records()].hash(&mut mixer);
    mixer.both()
}

/// The key is a hash already.
#[derive(Default)]
pub struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are of 128 bits");
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = key as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub type IdentityHash = BuildHasherDefault<Identity>;

/// Two multiplicative hashes side by side. Bytes are gathered to words first: most fields are bytes.
#[derive(Default)]
pub struct Mixer {
    word: u64,
    bytes: u32,
    a: u64,
    b: u64,
}

impl Mixer {
    #[inline]
    fn put(&mut self, byte: u8) {
        self.word = self.word << 8 | byte as u64;
        self.bytes += 1;
        if self.bytes == 8 {
            self.mix();
        }
    }

    #[inline]
    fn mix(&mut self) {
        self.a = (self.a.rotate_left(23) ^ self.word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.b = (self.b ^ self.word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.b ^= self.b >> 32;
        self.word = 0;
        self.bytes = 0;
    }

    fn both(mut self) -> u128 {
        self.mix();
        let spread = |h: u64| {
            let h = (h ^ h >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            h ^ h >> 32
        };
        u128::from(spread(self.a)) << 64 | u128::from(spread(self.b))
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.put(byte);
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.put(n);
    }

    fn write_u16(&mut self, n: u16) {
        self.put(n as u8);
        self.put((n >> 8) as u8);
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.put(discriminant as u8);
    }

    /// A length.
    fn write_usize(&mut self, n: usize) {
        self.put(n as u8);
    }

    fn finish(&self) -> u64 {
        self.a ^ self.b ^ self.word
    }
}

pub type FastHash = BuildHasherDefault<Mixer>;
