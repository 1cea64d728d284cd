//! The token: `priority` and `Call::pause`.
//!
//! One filter with a bit for each variable stands for all sizes; the line of those who wait is anybody's turn, which is
//! more than the code allows. What happens under the line's mutex is one step.

use super::commit::Phase;
use super::{At, Blocked, Mutant, Outcome, Step, name};
use crate::state::{Cause, End, NOBODY, Start, State, first_from};

impl Step<'_> {
    /// `Tenure::lease_runs`.
    pub(super) fn lease_is_mine(&self) -> bool {
        self.state.held as usize == self.t && !self.state.lease_over
    }

    /// `claim`: the token is free, or its lease has run out.
    pub(super) fn claim(&mut self) -> Outcome {
        let begins = self.state.threads.iter().any(|t| t.at == At::SetToken);
        if self.state.lease_runs() || begins {
            return Blocked;
        }
        self.state.held = self.t as u8;
        self.state.token = false;
        self.state.lease_over = false;
        self.me_mut().start = Start::Holder;
        self.tell(|| "claims the token".into());
        self.goes_to(At::Begin)
    }

    /// `Holder::begin`, first half.
    pub(super) fn clear_filter(&mut self) -> Outcome {
        if self.state.held as usize != self.t {
            self.tell(|| "has lost the token".into());
            self.me_mut().start = Start::Update;
            return self.run_body();
        }
        self.state.filter = 0;
        self.state.lease_over = false;
        self.me_mut().holder = true;
        self.tell(|| "clears the filter".into());
        self.goes_to(At::SetToken)
    }

    /// `Holder::begin`, second half. The mutex keeps others from taking over in between: `claim` waits for that.
    pub(super) fn set_token(&mut self) -> Outcome {
        self.state.token = true;
        self.tell(|| "sets the token".into());
        self.run_body()
    }

    /// `Holder::announce`: (a).
    pub(super) fn announce(&mut self, var: u8) -> Outcome {
        self.state.filter |= 1 << var;
        self.tell(|| format!("announces {}", name(var)));
        if self.mutant == Mutant::M20a {
            return self.run_body();
        }
        self.goes_to(At::Sample { var })
    }

    /// `stops`: (d), the token.
    pub(super) fn look_at_token(&mut self) -> Outcome {
        let held = self.state.token;
        self.tell(|| format!("the token is {}", if held { "held" } else { "free" }));
        match first_from(self.me().writes, 0) {
            Some(var) if held => self.goes_to(At::Filter { var }),
            _ => self.after(Phase::Token),
        }
    }

    /// `stops`: (d), the bits, and the lease if one is set.
    pub(super) fn look_at_filter(&mut self, var: u8) -> Outcome {
        let hit = self.state.filter >> var & 1 == 1;
        self.tell(|| format!("{} is announced: {hit}", name(var)));
        if hit {
            return if self.state.lease_runs() {
                self.fail(Cause::GaveWay)
            } else {
                self.after(Phase::Token)
            };
        }
        match first_from(self.me().writes, var + 1) {
            Some(var) => self.goes_to(At::Filter { var }),
            None => self.after(Phase::Token),
        }
    }

    /// `must_give_way` in `lock_patiently`.
    pub(super) fn give_way_while_waiting(&mut self) -> Outcome {
        let me = self.me();
        let stopped = self.state.token
            && self.state.lease_runs()
            && self.state.filter & me.locked != 0
            && !(me.holder && self.lease_is_mine());
        if !stopped || self.mutant == Mutant::X2 {
            return Blocked;
        }
        self.fail(Cause::GaveWay)
    }

    /// `release`.
    pub(super) fn let_go(&mut self, end: End) -> Outcome {
        if self.state.held as usize == self.t {
            self.state.held = NOBODY;
            self.state.token = false;
            self.state.lease_over = false;
            self.tell(|| "gives the token back".into());
        }
        self.me_mut().start = Start::Update;
        self.after_let_go(end)
    }

    /// `wait_for_release`.
    pub(super) fn await_release(&mut self) -> Outcome {
        if self.state.lease_runs() {
            return Blocked;
        }
        self.tell(|| "need not give way any longer".into());
        self.after_release()
    }

    /// Time passes: the holder's lease is over.
    pub fn end_lease(state: &mut State) {
        state.lease_over = true;
        state.lease_has_ended = true;
    }
}
