//! Beginnings, bodies and ends.
//!
//! The pin is taken in the same step as the first look at the clock, and given back in the same step as what comes last before
//! it. What happens between the two elsewhere could only keep more alive, or loosen the order in real time: the model has the
//! worst case. For the same reason each attempt of a `store` or `swap` has a pin of its own here, where `TVar::alone` keeps one.

use super::{At, Mutant, Outcome, Step, Violation, Went, name};
use crate::programs::{Call, Op};
use crate::state::{Cause, End, INITIAL, Mode, Record, Start, Thread, Why, first_from};

impl Step<'_> {
    /// `run::attempt` to `Tx::begin`, or `run::snapshot_once`, or `TVar::alone`.
    pub(super) fn begin(&mut self) -> Outcome {
        if self.mutant == Mutant::X6 && self.txn().call == Call::Snapshot {
            return self.begin_with_a_late_pin();
        }
        self.me_mut().pinned = true;
        self.open_record();
        if self.txn().call == Call::Snapshot {
            self.me_mut().mode = Mode::Snapshot;
            return self.ticket();
        }
        let attempt = self.me().attempt + 1;
        if self.txn().call == Call::Alone {
            self.tell(|| format!("attempt {attempt} begins, alone"));
            return self.run_body();
        }
        let time = self.state.time;
        self.me_mut().rv = time;
        self.tell(|| format!("attempt {attempt} begins, rv = {time}"));
        match self.me().start {
            Start::Update => self.run_body(),
            Start::TrackedSnapshot => {
                self.me_mut().mode = Mode::Snapshot;
                self.goes_to(At::Ticket)
            }
            Start::Holder => self.goes_to(At::ClearFilter),
        }
    }

    /// X6: the ticket first, the pin in a step of its own.
    fn begin_with_a_late_pin(&mut self) -> Outcome {
        if self.me().tracked {
            self.me_mut().pinned = true;
            self.tell(|| "pins".into());
            return self.run_body();
        }
        self.open_record();
        self.me_mut().mode = Mode::Snapshot;
        self.ticket()
    }

    fn open_record(&mut self) {
        let mut ended = 0;
        for (i, record) in self.state.records.iter().enumerate() {
            if record.ended {
                ended |= 1 << i;
            }
        }
        let number = self.program.number(self.t, self.me().txn);
        let record = self.record();
        record.before = ended;
        record.value = number;
    }

    /// `Clock::begin_snapshot`. The loop around its compare-and-swap has no effect but by the one that succeeds.
    pub(super) fn ticket(&mut self) -> Outcome {
        if self.mutant == Mutant::M18 {
            let (time, active) = (self.state.time, self.state.active);
            self.tell(|| format!("loads the clock: {time}|{active}"));
            return self.goes_to(At::TicketExchange { time, active });
        }
        if self.mutant != Mutant::M6 {
            self.state.time += 1;
        }
        self.hold_ticket()
    }

    /// M18: if the exchange fails, the clock has moved, and that will do.
    pub(super) fn ticket_exchange(&mut self, time: u8, active: u8) -> Outcome {
        if (self.state.time, self.state.active) == (time, active) {
            self.state.time += 1;
        }
        self.hold_ticket()
    }

    fn hold_ticket(&mut self) -> Outcome {
        self.state.active += 1;
        let (time, active) = (self.state.time, self.state.active);
        let me = self.me_mut();
        me.tracked = true;
        me.rv = time;
        self.tell(|| format!("snapshot at {time}, the clock is {time}|{active}"));
        if self.me().pinned {
            self.run_body()
        } else {
            Went
        }
    }

    /// The body, up to its next access to what is shared.
    pub(super) fn run_body(&mut self) -> Outcome {
        loop {
            let me = *self.me();
            let Some(&op) = self.txn().ops.get(me.op as usize) else {
                return self.body_returns();
            };
            match op {
                Op::Read(var) if me.writes >> var & 1 == 0 => return self.read(var),
                Op::Read(_) => {}
                Op::Write(var) | Op::Commute(var) => {
                    if me.mode == Mode::Snapshot {
                        self.me_mut().may_be_snapshot = false;
                        return self.fail(Cause::WroteInSnapshot);
                    }
                    self.me_mut().writes |= 1 << var;
                    if let Op::Commute(_) = op {
                        self.me_mut().commutes |= 1 << var;
                    }
                }
                Op::RetryIfInitial(var) => {
                    if self.saw_initial(var) {
                        return self.retry();
                    }
                }
                Op::OrElseWrite { left, right } => {
                    if self.saw_initial(left) {
                        if self.mutant == Mutant::M13 {
                            self.me_mut().read_count -= 1;
                        }
                        if me.mode == Mode::Snapshot {
                            self.me_mut().may_be_snapshot = false;
                            return self.fail(Cause::WroteInSnapshot);
                        }
                        self.tell(|| format!("left retries, right writes {}", name(right)));
                        self.me_mut().writes |= 1 << right;
                    }
                }
            }
            self.me_mut().op += 1;
        }
    }

    fn saw_initial(&mut self, var: u8) -> bool {
        self.record().reads[var as usize] == INITIAL
    }

    fn read(&mut self, var: u8) -> Outcome {
        let me = *self.me();
        self.goes_to(match me.mode {
            Mode::Snapshot => At::AsOf {
                var,
                s: me.rv,
                why: Why::Body,
            },
            Mode::Update if me.holder && self.mutant != Mutant::M20a => At::Announce { var },
            Mode::Update => At::Sample { var },
        })
    }

    /// `Tx::commit`: one that has written nothing is done.
    fn body_returns(&mut self) -> Outcome {
        if self.me().writes == 0 {
            self.tell(|| "is done".into());
            return self.end(End::Done);
        }
        self.start_commit()
    }

    /// The attempt is over: `Tx::end` and `run::conclude`.
    pub(super) fn end(&mut self, end: End) -> Outcome {
        if self.me().tracked {
            return self.goes_to(At::EndTicket { end });
        }
        self.unpin();
        match end {
            End::Failed(cause) => self.after_conflict(cause),
            // Every other end gives the token up.
            _ if self.holds_token() => self.goes_to(At::LetGo { end }),
            _ => self.after_let_go(end),
        }
    }

    pub(super) fn end_ticket(&mut self, end: End) -> Outcome {
        self.state.active -= 1;
        self.me_mut().tracked = false;
        let (time, active) = (self.state.time, self.state.active);
        self.tell(|| format!("gives its ticket back, the clock is {time}|{active}"));
        self.end(end)
    }

    /// `run::conclude` once the token is given up: who is to be woken, then the call's own loop.
    pub(super) fn after_let_go(&mut self, end: End) -> Outcome {
        match (end, first_from(self.me().wakes, 0)) {
            (End::Done, Some(var)) => self.goes_to(At::Wake { var }),
            (End::Done | End::GivenUp, _) => self.next_transaction(),
            (End::Asleep, _) => self.falls_asleep(),
            (End::Changed, _) => {
                self.clear_attempt();
                self.runs_again()
            }
            (End::Failed(_), _) => unreachable!("keeps the token"),
        }
    }

    /// The call returns.
    fn next_transaction(&mut self) -> Outcome {
        self.close_record();
        let txn = self.me().txn + 1;
        let over = txn as usize == self.program.threads[self.t].len();
        let mut fresh = Thread::new(if over { At::Done } else { At::Begin });
        fresh.txn = if over { 0 } else { txn };
        *self.me_mut() = fresh;
        Went
    }

    fn close_record(&mut self) {
        let record = self.record();
        if record.is_empty() {
            *record = Record::EMPTY;
        } else {
            record.ended = true;
        }
    }

    /// Nothing of the attempt is left.
    pub(super) fn clear_attempt(&mut self) {
        self.close_record();
        self.me_mut().clear_attempt();
    }

    /// The attempt meets a conflict: `commit::give_up` first, if it holds locks.
    pub(super) fn fail(&mut self, cause: Cause) -> Outcome {
        if let Some(var) = first_from(self.me().locked, 0) {
            return self.goes_to(At::Unlock { var, cause });
        }
        self.tell(|| format!("fails: {cause:?}"));
        self.end(End::Failed(cause))
    }

    /// `Tx::note_conflict`, then `Call::pause`.
    fn after_conflict(&mut self, cause: Cause) -> Outcome {
        self.failed = Some(cause);
        let protected = self.me().holder && self.lease_is_mine();
        let me = self.me_mut();
        me.failures += 1;
        me.gave_way = cause == Cause::GaveWay;
        let spares_a_snapshot = matches!(
            cause,
            Cause::ReadLocked | Cause::ReadChanged | Cause::OldValueGone
        );
        let tracked = spares_a_snapshot && me.writes == 0 && me.may_be_snapshot;
        if !me.holder {
            me.start = if tracked {
                Start::TrackedSnapshot
            } else {
                Start::Update
            };
        }
        if self.mutant == Mutant::X4 {
            self.me_mut().start = Start::Update;
        }
        let only_reads = !self.txn().writes() && !self.txn().waits();
        if protected || (only_reads && self.me().failures > 1) {
            self.report(Violation::Starvation);
        }
        self.clear_attempt();
        if self.is_last_attempt() {
            return self.give_call_up();
        }
        self.me_mut().attempt += 1;
        if self.me().gave_way {
            return self.goes_to(At::AwaitRelease);
        }
        self.after_release()
    }

    /// The second half of `Call::pause`.
    pub(super) fn after_release(&mut self) -> Outcome {
        let me = self.me();
        let claims = me.start != Start::Holder
            && me.failures >= self.program.claim_after
            && self.txn().call != Call::Alone;
        self.goes_to(if claims { At::Claim } else { At::Begin })
    }

    pub(super) fn is_last_attempt(&self) -> bool {
        self.me().attempt + 1 >= self.txn().limit
    }

    /// The limit of attempts is reached: `Limits::go_on`, and the drop of `Call`.
    pub(super) fn give_call_up(&mut self) -> Outcome {
        self.tell(|| "gives up".into());
        self.end(End::GivenUp)
    }

    pub(super) fn holds_token(&self) -> bool {
        self.me().start == Start::Holder
    }
}
