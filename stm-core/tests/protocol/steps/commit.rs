//! The commit: `commit::commit_any` and `finish`. The quick ways in that file are the same steps where none has to wait.
//!
//! Retiring and unpinning belong to the last publication: later, they could only keep more alive.

use super::read::Held;
use super::{At, Blocked, Mutant, Outcome, Step, name, show};
use crate::programs::{Form, Program};
use crate::state::{Cause, End, Var, Word, first_from, members};

/// The parts of a commit, whose order is what it is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Locks,
    /// M5's own.
    Snapshots,
    Clock,
    Token,
    Validation,
}
use Phase::{Clock, Locks, Snapshots, Token, Validation};

/// What comes before the publication.
const fn order(mutant: Mutant) -> &'static [Phase] {
    match mutant {
        Mutant::M3 => &[Locks, Token, Validation, Clock],
        Mutant::M5 => &[Locks, Snapshots, Clock, Token, Validation],
        Mutant::M9 => &[Clock, Locks, Token, Validation],
        Mutant::M20b => &[Token, Locks, Clock, Validation],
        _ => &[Locks, Clock, Token, Validation],
    }
}

impl Step<'_> {
    pub(super) fn start_commit(&mut self) -> Outcome {
        self.enter(0)
    }

    /// The part that comes after this one.
    pub(super) fn after(&mut self, phase: Phase) -> Outcome {
        let order = order(self.mutant);
        let at = order.iter().position(|p| *p == phase);
        self.enter(at.expect("every part but M5's is in every order") + 1)
    }

    fn enter(&mut self, at: usize) -> Outcome {
        match order(self.mutant).get(at) {
            None => self.linearize(),
            Some(Locks) => {
                let var = self.next_to_lock();
                self.goes_to(At::Lock {
                    var: var.expect("it has written"),
                })
            }
            Some(Snapshots) => self.goes_to(At::LookForSnapshots),
            Some(Clock) => self.goes_to(At::Clock),
            Some(Token) if self.me().holder && self.lease_is_mine() => self.after(Token),
            Some(Token) => self.goes_to(At::Token),
            Some(Validation) => self.before_validation(),
        }
    }

    fn next_to_lock(&self) -> Option<u8> {
        let me = self.me();
        let missing = me.writes & !me.locked;
        // X1: every second thread goes the other way round.
        if self.mutant == Mutant::X1 && self.t % 2 == 1 {
            return members(missing).last();
        }
        first_from(missing, 0)
    }

    /// `AtomicWord::try_lock`. Its first look has no effect.
    pub(super) fn lock(&mut self, var: u8) -> Outcome {
        let replaced = self.word(var);
        if replaced.locked {
            return Blocked;
        }
        self.tell(|| format!("locks {} {}", name(var), show(replaced)));
        self.word_mut(var).locked = true;
        let me = self.me_mut();
        me.replaced[var as usize] = replaced;
        me.locked |= 1 << var;
        match self.next_to_lock() {
            Some(var) => self.goes_to(At::Lock { var }),
            None => self.after(Locks),
        }
    }

    /// `lock_patiently`, at its end.
    pub(super) fn give_lock_up(&mut self, var: u8) -> Outcome {
        self.tell(|| format!("patience with {} is spent", name(var)));
        self.fail(Cause::CommitLocked)
    }

    /// M5.
    pub(super) fn look_for_snapshots(&mut self) -> Outcome {
        let live = self.state.active > 0;
        self.me_mut().live = live;
        self.tell(|| format!("snapshots live: {live}"));
        self.after(Snapshots)
    }

    pub(super) fn load_clock(&mut self) -> Outcome {
        let (time, active) = (self.state.time, self.state.active);
        let mut oldest = time;
        if self.mutant == Mutant::M7 {
            for var in members(self.me().writes) {
                let replaced = self.me().replaced[var as usize];
                oldest = oldest.max(self.version(replaced));
            }
        }
        let asked = self.mutant == Mutant::M5;
        let me = self.me_mut();
        me.wv = oldest + 1;
        if !asked {
            me.live = active > 0;
        }
        let wv = me.wv;
        self.tell(|| format!("loads the clock: {time}|{active}, version {wv}"));
        self.after(Clock)
    }

    /// `move_clock_on`, if need be, then `validate::by_committer`.
    fn before_validation(&mut self) -> Outcome {
        let me = *self.me();
        let stuck = members(me.writes).any(|var| {
            let replaced = me.replaced[var as usize];
            replaced.is_inline()
                && replaced.seq >= self.program.seq_max
                && replaced.version >= me.wv
        });
        if stuck && self.mutant != Mutant::M3 && self.mutant != Mutant::M11 {
            return self.goes_to(At::MoveClock);
        }
        self.validate_from(0)
    }

    pub(super) fn move_clock(&mut self) -> Outcome {
        let wv = self.me().wv;
        self.state.time = self.state.time.max(wv);
        self.tell(|| format!("seq is used up: makes the clock {wv} at least"));
        self.goes_to(At::ClockAgain)
    }

    pub(super) fn load_clock_again(&mut self) -> Outcome {
        let (time, active) = (self.state.time, self.state.active);
        let me = self.me_mut();
        me.wv = time + 1;
        if self.mutant != Mutant::M19 {
            self.me_mut().live = active > 0;
        }
        self.tell(|| format!("loads the clock: {time}|{active}"));
        self.before_validation()
    }

    /// The next read whose word has to be looked at. What is locked here is compared with what the lock replaced.
    fn validate_from(&mut self, from: u8) -> Outcome {
        let me = *self.me();
        if self.mutant == Mutant::M4 && me.wv == me.rv + 1 {
            return self.after(Validation);
        }
        for read in from..me.read_count {
            let Some(r) = me.reads().get(read as usize) else {
                break;
            };
            if me.locked >> r.var & 1 == 0 {
                return self.goes_to(At::Validate { read });
            }
            if !me.replaced[r.var as usize].settled().same_value(r.seen) {
                return self.fail(Cause::CommitChanged);
            }
        }
        self.after(Validation)
    }

    pub(super) fn validate(&mut self, read: u8) -> Outcome {
        match self.still_holds(read) {
            Held::Yes => {}
            Held::Locked if self.mutant == Mutant::X8 => {}
            // One that is protected waits; others hold locks and must not.
            Held::Locked if self.me().holder => return Blocked,
            Held::Locked | Held::No => {
                self.tell(|| format!("read {read} does not hold"));
                return self.fail(Cause::CommitChanged);
            }
        }
        self.tell(|| format!("read {read} still holds"));
        self.validate_from(read + 1)
    }

    pub(super) fn give_validation_up(&mut self) -> Outcome {
        self.fail(Cause::CommitChanged)
    }

    /// The linearization point, and the functions of step 4, whose values the locks keep.
    fn linearize(&mut self) -> Outcome {
        let me = *self.me();
        self.record().writes = me.writes;
        self.history_changed = true;
        self.tell(|| "LINEARIZES".into());
        for var in members(me.commutes) {
            let word = me.replaced[var as usize];
            let value = if word.is_inline() {
                self.state.vars[var as usize].bits
            } else {
                self.look_into(word.node).2
            };
            self.tell(|| format!("applies a function to {} = {value}", name(var)));
            self.observe(var, value);
        }
        match self.first_to_save(0) {
            Some(var) if self.mutant != Mutant::X5 => self.goes_to(At::Save { var }),
            _ => self.publish_from(0),
        }
    }

    /// `publish_with_history`: which old values are saved.
    fn first_to_save(&self, from: u8) -> Option<u8> {
        let me = self.me();
        if !me.live {
            return None;
        }
        let saved = |var: &u8| {
            let replaced = me.replaced[*var as usize];
            *var >= from && replaced.is_inline() && replaced.version < me.wv
        };
        members(me.writes).find(saved)
    }

    /// `history::save`.
    pub(super) fn save(&mut self, var: u8) -> Outcome {
        let replaced = self.me().replaced[var as usize];
        let Var { bits, head, .. } = self.state.vars[var as usize];
        let node = self.make_node(replaced.version, head, bits);
        self.state.vars[var as usize].head = node;
        self.me_mut().saved |= 1 << node;
        self.tell(|| {
            format!(
                "saves {} = {bits} of v{} in node {node}",
                name(var),
                replaced.version
            )
        });
        match self.first_to_save(var + 1) {
            Some(var) => self.goes_to(At::Save { var }),
            None if self.mutant == Mutant::X5 => self.published(),
            None => self.publish_from(0),
        }
    }

    fn publish_from(&mut self, from: u8) -> Outcome {
        match first_from(self.me().writes, from) {
            Some(var) if self.program.forms[var as usize] == Form::Inline => {
                self.goes_to(At::Store { var })
            }
            Some(var) => self.goes_to(At::Publish { var }),
            None => match self.first_to_save(0) {
                Some(var) if self.mutant == Mutant::X5 => self.goes_to(At::Save { var }),
                _ => self.published(),
            },
        }
    }

    /// `Block::store_bits`.
    pub(super) fn store(&mut self, var: u8) -> Outcome {
        let value = self.my_value();
        self.state.vars[var as usize].bits = value;
        self.tell(|| format!("stores {} = {value}", name(var)));
        self.goes_to(At::Publish { var })
    }

    fn my_value(&self) -> u8 {
        Program::number(self.program, self.t, self.me().txn)
    }

    /// `publish_one`: the word.
    pub(super) fn publish(&mut self, var: u8) -> Outcome {
        let me = *self.me();
        let replaced = me.replaced[var as usize];
        let word = if replaced.is_inline() {
            self.successor(replaced, me.wv)
        } else {
            let value = self.my_value();
            Word::of_node(self.make_node(me.wv, replaced.node, value))
        };
        *self.word_mut(var) = word;
        self.me_mut().locked &= !(1 << var);
        if replaced.waiters {
            self.me_mut().wakes |= 1 << var;
        }
        self.tell(|| format!("publishes {} {} of v{}", name(var), show(word), me.wv));
        self.publish_from(var + 1)
    }

    /// `Word::successor`.
    fn successor(&self, replaced: Word, version: u8) -> Word {
        let again = replaced.version == version && self.mutant != Mutant::M11;
        Word {
            version,
            seq: if again { replaced.seq + 1 } else { 0 },
            ..Word::UNUSED
        }
    }

    /// Step 7: `retire_nodes`, and the end of `publish_with_history`.
    fn published(&mut self) -> Outcome {
        self.retire_replaced();
        let saved = self.me().saved;
        for node in (0..self.state.made).filter(|n| saved >> n & 1 == 1) {
            self.retire(node);
        }
        self.end(End::Done)
    }

    fn retire_replaced(&mut self) {
        let me = *self.me();
        for var in members(me.writes) {
            let replaced = me.replaced[var as usize];
            if !replaced.is_inline() {
                self.retire(replaced.node);
            }
        }
    }

    /// `AtomicWord::restore`.
    pub(super) fn unlock(&mut self, var: u8, cause: Cause) -> Outcome {
        let mut replaced = self.me().replaced[var as usize];
        if self.mutant == Mutant::X3 {
            replaced.waiters = false;
        }
        *self.word_mut(var) = replaced;
        self.me_mut().locked &= !(1 << var);
        self.tell(|| format!("unlocks {} {}", name(var), show(replaced)));
        self.fail(cause)
    }
}
