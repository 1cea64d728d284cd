//! Waiting: `Tx::stop`, `Registration::register`, `Waiter::sleep`, `WakeList::wake_all`.
//!
//! Detaching a variable's list and waking who is on it are one step: whoever is in between can do nothing but sleep.

use super::{At, Blocked, Mutant, Outcome, Step, name, show};
use crate::state::{End, Start, first_from, members};

impl Step<'_> {
    /// `Tx::stop`.
    pub(super) fn retry(&mut self) -> Outcome {
        let me = self.me_mut();
        if me.start == Start::TrackedSnapshot {
            me.start = Start::Update;
        }
        if me.outdated {
            self.tell(|| "would wait over an old value: runs again".into());
            return self.end(End::Changed);
        }
        let first = first_from(self.waited_for(), 0);
        self.tell(|| "retries".into());
        self.register_at(first.expect("a body that retries has read"))
    }

    fn register_at(&mut self, var: u8) -> Outcome {
        if self.mutant == Mutant::X7 {
            self.goes_to(At::SetWaiters { var })
        } else {
            self.goes_to(At::Register { var })
        }
    }

    /// The set of variables read.
    fn waited_for(&self) -> u8 {
        let reads = self.me().reads().iter();
        reads.fold(0, |set, read| set | 1 << read.var)
    }

    /// (a): `Table::add`.
    pub(super) fn register(&mut self, var: u8) -> Outcome {
        self.state.table[var as usize] |= 1 << self.t;
        self.tell(|| format!("registers for {}", name(var)));
        if self.mutant == Mutant::X7 {
            return self.after_waiters(var);
        }
        self.goes_to(At::SetWaiters { var })
    }

    /// (b): `AtomicWord::announce_waiter`.
    pub(super) fn set_waiters(&mut self, var: u8) -> Outcome {
        let found = self.word(var);
        self.word_mut(var).waiters = true;
        self.tell(|| format!("sets WAITERS of {}, finds {}", name(var), show(found)));
        let mut reads = self.me().reads().iter();
        let read = reads
            .find(|r| r.var == var)
            .expect("waits for what it read");
        let compared = if self.mutant == Mutant::M12 {
            found.settled()
        } else {
            found
        };
        if !compared.same_value(read.seen) {
            self.tell(|| "it has changed: runs again".into());
            self.deregister();
            return self.end(End::Changed);
        }
        if self.mutant == Mutant::X7 {
            return self.goes_to(At::Register { var });
        }
        self.after_waiters(var)
    }

    fn after_waiters(&mut self, var: u8) -> Outcome {
        match first_from(self.waited_for(), var + 1) {
            Some(var) => self.register_at(var),
            None => self.fall_asleep(),
        }
    }

    fn fall_asleep(&mut self) -> Outcome {
        self.tell(|| "will sleep".into());
        if self.mutant == Mutant::X9 {
            return self.falls_asleep();
        }
        self.end(End::Asleep)
    }

    /// Nothing is left of the attempt but its registration, which knows what was read.
    pub(super) fn falls_asleep(&mut self) -> Outcome {
        let (reads, read_count) = (self.me().reads, self.me().read_count);
        if self.me().pinned {
            self.unpin();
        }
        self.clear_attempt();
        let me = self.me_mut();
        me.reads = reads;
        me.read_count = read_count;
        self.goes_to(At::Asleep)
    }

    /// The end of `Waiter::sleep`, and the drop of the registration.
    pub(super) fn wake_up(&mut self) -> Outcome {
        if !self.me().woken {
            return Blocked;
        }
        self.tell(|| "is awake".into());
        self.deregister();
        self.me_mut().clear_attempt();
        self.runs_again()
    }

    /// `Registration::drop`.
    fn deregister(&mut self) {
        let me = 1u8 << self.t;
        for queue in &mut self.state.table {
            *queue &= !me;
        }
        self.me_mut().woken = false;
    }

    /// The next attempt, without a failure.
    pub(super) fn runs_again(&mut self) -> Outcome {
        if self.is_last_attempt() {
            return self.give_call_up();
        }
        self.me_mut().attempt += 1;
        self.goes_to(At::Begin)
    }

    /// (e): `Table::detach` and `Waiter::wake`.
    pub(super) fn wake(&mut self, var: u8) -> Outcome {
        let queue = std::mem::take(&mut self.state.table[var as usize]);
        self.tell(|| {
            format!(
                "wakes who waits for {}: {:?}",
                name(var),
                members(queue).collect::<Vec<_>>()
            )
        });
        for sleeper in members(queue) {
            self.state.threads[sleeper as usize].woken = true;
        }
        self.me_mut().wakes &= !(1 << var);
        self.after_let_go(End::Done)
    }
}
