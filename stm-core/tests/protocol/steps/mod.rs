//! The steps: one for each access to what is shared. What a thread does by itself between two of them belongs to the first.
//!
//! | file | stands for |
//! |---|---|
//! | `begin` | `run::attempt`, `run::snapshot_once`, `TVar::alone`, `Tx::begin`, `Clock::begin_snapshot`, the body, and each end of an attempt |
//! | `read` | `Tx::see_published`, `read::sample`, `validate::by_reader` |
//! | `snapshot` | `snapshot::read_as_of`, `history::bits_at`, `boxed::newest_at`, `Tx::convert` |
//! | `commit` | `commit::lock_all`, `finish`, `validate::by_committer`, `publish_with_history`, `retire_one` |
//! | `priority` | `priority::claim`, `Holder`, `stops`, `release`, `wait_for_release` |
//! | `wait` | `Registration::register`, `AtomicWord::announce_waiter`, `WakeList::wake_all` |

mod begin;
mod commit;
mod priority;
mod read;
mod snapshot;
mod wait;

use crate::mutants::Mutant;
use crate::oracles::Violation;
use crate::programs::{Call, Program, Txn, name};
use crate::state::{At, Cause, Life, NIL, Node, Record, State, Thread, UNREAD, Word};

/// What a thread does where it could do more than one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    GoOn,
    /// It is in the way of the holder and gives way, while it waits for a lock.
    GiveWay,
    /// Its patience with a lock is spent.
    GiveUp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Outcome {
    /// Not now: it waits for something.
    Blocked,
    Went,
}
use Outcome::{Blocked, Went};

/// One step of one thread, while it is taken.
pub struct Step<'p> {
    pub program: &'p Program,
    pub mutant: Mutant,
    pub state: State,
    t: usize,
    pub violation: Option<Violation>,
    /// The history has changed: the opacity oracle has to look.
    pub history_changed: bool,
    /// An attempt has met a conflict.
    pub failed: Option<Cause>,
    /// What was done, for people. None while nobody reads it.
    pub told: Option<String>,
}

impl<'p> Step<'p> {
    pub const fn new(program: &'p Program, mutant: Mutant, state: State, t: usize) -> Self {
        Self {
            program,
            mutant,
            state,
            t,
            violation: None,
            history_changed: false,
            failed: None,
            told: None,
        }
    }

    pub fn take(&mut self, choice: Choice) -> Outcome {
        if choice != Choice::GoOn {
            return self.stop_waiting(choice);
        }
        match self.me().at {
            At::Begin => self.begin(),
            At::Ticket => self.ticket(),
            At::TicketExchange { time, active } => self.ticket_exchange(time, active),
            At::ClearFilter => self.clear_filter(),
            At::SetToken => self.set_token(),
            At::Announce { var } => self.announce(var),
            At::Sample { var } => self.sample(var),
            At::Bits { var, look } => self.bits(var, look),
            At::Again { var, look, bits } => self.again(var, look, bits),
            At::Recheck {
                var,
                look,
                value,
                read,
            } => self.recheck(var, look, value, read),
            At::Anchor { var, look, value } => self.anchor(var, look, value),
            At::AnchorCheck {
                var,
                look,
                value,
                read,
                now,
            } => self.anchor_check(var, look, value, read, now),
            At::LookAtVersion { var, look, value } => self.look_at_version(var, look, value),
            At::ConvertAdvance { var, s } => self.convert_advance(var, s),
            At::AsOf { var, s, why } => self.as_of(var, s, why),
            At::AsOfBits { var, s, why, look } => self.as_of_bits(var, s, why, look),
            At::AsOfAgain {
                var,
                s,
                why,
                look,
                bits,
            } => self.as_of_again(var, s, why, look, bits),
            At::Chain { var, s, why, node } => self.chain(var, s, why, node),
            At::HistoryHead { var } => self.history_head(var),
            At::HistoryWalk { var, node } => self.history_walk(var, node),
            At::Lock { var } => self.lock(var),
            At::LookForSnapshots => self.look_for_snapshots(),
            At::Clock => self.load_clock(),
            At::Token => self.look_at_token(),
            At::Filter { var } => self.look_at_filter(var),
            At::MoveClock => self.move_clock(),
            At::ClockAgain => self.load_clock_again(),
            At::Validate { read } => self.validate(read),
            At::Save { var } => self.save(var),
            At::Store { var } => self.store(var),
            At::Publish { var } => self.publish(var),
            At::EndTicket { end } => self.end_ticket(end),
            At::LetGo { end } => self.let_go(end),
            At::Wake { var } => self.wake(var),
            At::Unlock { var, cause } => self.unlock(var, cause),
            At::Register { var } => self.register(var),
            At::SetWaiters { var } => self.set_waiters(var),
            At::Asleep => self.wake_up(),
            At::AwaitRelease => self.await_release(),
            At::Claim => self.claim(),
            At::Done => Blocked,
        }
    }

    /// For a thread that is blocked where another has locked: it goes on without that.
    fn stop_waiting(&mut self, choice: Choice) -> Outcome {
        match self.me().at {
            At::Lock { .. } if choice == Choice::GiveWay => self.give_way_while_waiting(),
            At::Lock { var } if self.may_give_up() => self.give_lock_up(var),
            At::Sample { .. } if self.txn().call == Call::Alone => Blocked,
            At::Sample { var } if self.may_give_up() => self.give_read_up(var),
            At::Recheck { var, .. } | At::AnchorCheck { var, .. } if self.may_give_up() => {
                self.tell(|| "patience is spent".into());
                self.convert(var)
            }
            At::Validate { .. } if self.may_give_up() => self.give_validation_up(),
            _ => Blocked,
        }
    }

    /// `Limit::is_reached`: a holder's patience lasts as long as its lease.
    fn may_give_up(&self) -> bool {
        let protected = self.me().holder && self.lease_is_mine();
        self.program.impatient && !protected
    }

    fn me(&self) -> &Thread {
        &self.state.threads[self.t]
    }

    fn me_mut(&mut self) -> &mut Thread {
        &mut self.state.threads[self.t]
    }

    fn goes_to(&mut self, at: At) -> Outcome {
        self.me_mut().at = at;
        Went
    }

    fn txn(&self) -> &'p Txn {
        &self.program.threads[self.t][self.me().txn as usize]
    }

    fn word(&self, var: u8) -> Word {
        self.state.vars[var as usize].word
    }

    fn word_mut(&mut self, var: u8) -> &mut Word {
        &mut self.state.vars[var as usize].word
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(told) = &mut self.told {
            if !told.is_empty() {
                told.push_str("; ");
            }
            told.push_str(&what());
        }
    }

    fn report(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// A look into a node, which had better be there.
    fn look_into(&mut self, node: u8) -> (u8, u8, u8) {
        if node == NIL {
            self.report(Violation::MissingVersion);
            return (0, NIL, 0);
        }
        let node = self.state.nodes[node as usize];
        if node.life == Life::Freed {
            self.report(Violation::UseAfterFree);
        }
        (node.version, node.prev, node.value)
    }

    /// `Look::version`.
    fn version(&mut self, word: Word) -> u8 {
        if word.is_inline() {
            word.version
        } else {
            self.look_into(word.node).0
        }
    }

    /// `NodeHeader` or `HistoryNode`: a new one.
    fn make_node(&mut self, version: u8, prev: u8, value: u8) -> u8 {
        let number = self.state.made;
        self.state.made += 1;
        self.state.nodes[number as usize] = Node {
            life: Life::Alive,
            version,
            prev,
            value,
        };
        number
    }

    /// `Pin::retire`, and freeing at the first moment that the collector is allowed to.
    fn retire(&mut self, node: u8) {
        let holders = self.state.pinned();
        self.state.nodes[node as usize].life = Life::Retired(holders);
    }

    /// The pin goes; what it was the last to hold back is freed.
    fn unpin(&mut self) {
        let me = 1u8 << self.t;
        self.me_mut().pinned = false;
        self.me_mut().refs = 0;
        for number in 0..self.state.made {
            let node = &mut self.state.nodes[number as usize];
            let Life::Retired(holders) = node.life else {
                continue;
            };
            let left = holders & !me;
            if left != 0 {
                node.life = Life::Retired(left);
                continue;
            }
            // Nothing is left in it, so that states differ in what matters only.
            *node = Node::FREED;
            if self.state.threads.iter().any(|t| t.refs >> number & 1 == 1) {
                self.report(Violation::UseAfterFree);
            }
            self.tell(|| format!("node {number} is freed"));
        }
    }

    fn record(&mut self) -> &mut Record {
        let me = self.me();
        let slot = self.program.first_record(self.t, me.txn) + me.attempt as usize;
        &mut self.state.records[slot]
    }

    /// The body sees a value.
    fn observe(&mut self, var: u8, value: u8) {
        let known = &mut self.record().reads[var as usize];
        let before = std::mem::replace(known, value);
        if ![UNREAD, value].contains(&before) {
            self.report(Violation::Opacity);
        }
        self.history_changed = true;
    }
}

pub fn show(word: Word) -> String {
    let flags = match (word.locked, word.waiters) {
        (false, false) => "",
        (true, false) => " LOCKED",
        (false, true) => " WAITERS",
        (true, true) => " LOCKED WAITERS",
    };
    if word.is_inline() {
        format!("[v{}.{}{flags}]", word.version, word.seq)
    } else {
        format!("[node {}{flags}]", word.node)
    }
}
