//! Reading in an update transaction: `Tx::see_published`, `read::sample` and `validate::by_reader`.
//!
//! The short ways in `Tx::see` are these steps without the waits, or have no effect and are followed by these.

use super::{At, Blocked, Mutant, Outcome, Step, name, show};
use crate::programs::Call;
use crate::state::{Cause, Mode, NIL, Read, Why, Word};

/// What a look at a word that was read before tells: `validate::still_holds`.
pub(super) enum Held {
    Yes,
    /// Its owner has yet to say.
    Locked,
    No,
}

impl Step<'_> {
    pub(super) fn still_holds(&self, read: u8) -> Held {
        let read = self.me().reads()[read as usize];
        let now = self.word(read.var);
        if !now.settled().same_value(read.seen) {
            Held::No
        } else if now.locked {
            Held::Locked
        } else {
            Held::Yes
        }
    }

    /// `sample`, the look at the word.
    pub(super) fn sample(&mut self, var: u8) -> Outcome {
        let look = self.word(var);
        let ignores = match self.mutant {
            Mutant::M8 => true,
            Mutant::X10 => self.txn().call == Call::Alone,
            _ => false,
        };
        let ignored = ignores && !look.is_inline();
        if look.locked && !ignored {
            return Blocked;
        }
        self.tell(|| format!("looks at {} {}", name(var), show(look)));
        if look.is_inline() {
            return self.goes_to(At::Bits { var, look });
        }
        let value = self.look_into(look.node).2;
        self.judge(var, look, value)
    }

    pub(super) fn give_read_up(&mut self, var: u8) -> Outcome {
        self.tell(|| format!("patience with {} is spent", name(var)));
        self.fail(Cause::ReadLocked)
    }

    /// The value beside the word.
    pub(super) fn bits(&mut self, var: u8, look: Word) -> Outcome {
        let bits = self.state.vars[var as usize].bits;
        self.tell(|| format!("loads {} = {bits}", name(var)));
        if self.mutant == Mutant::M10 {
            return self.judge(var, look, bits);
        }
        self.goes_to(At::Again { var, look, bits })
    }

    /// The second look at the word.
    pub(super) fn again(&mut self, var: u8, look: Word, bits: u8) -> Outcome {
        let now = self.word(var);
        self.tell(|| format!("looks at {} again {}", name(var), show(now)));
        if now == look {
            self.judge(var, look, bits)
        } else {
            self.goes_to(At::Sample { var })
        }
    }

    /// The table of `read`: anchored, floating or anchoring. Alone, `read::sample_patiently`, any value will do.
    fn judge(&mut self, var: u8, look: Word, value: u8) -> Outcome {
        let me = *self.me();
        if !me.holder
            && me.reads().last()
                == Some(&Read {
                    var,
                    seen: look.settled(),
                })
        {
            // `ReadSet::ends_with`: nothing new was seen.
            self.give(var, look.node, value);
            return self.run_body();
        }
        if self.version(look) <= me.rv || self.txn().call == Call::Alone {
            return self.take_value(var, look, value);
        }
        if me.read_count < self.program.float_max {
            return self.recheck_from(0, var, look, value);
        }
        let kept = matches!(self.mutant, Mutant::M1 | Mutant::M2);
        let value = if kept { value } else { 0 };
        self.goes_to(At::Anchor { var, look, value })
    }

    fn recheck_from(&mut self, read: u8, var: u8, look: Word, value: u8) -> Outcome {
        if read == self.me().read_count {
            self.tell(|| "floats".into());
            return self.take_value(var, look, value);
        }
        self.goes_to(At::Recheck {
            var,
            look,
            value,
            read,
        })
    }

    /// `validate::by_reader` in a float.
    pub(super) fn recheck(&mut self, var: u8, look: Word, value: u8, read: u8) -> Outcome {
        match self.still_holds(read) {
            Held::Locked => Blocked,
            Held::Yes => {
                self.tell(|| format!("read {read} still holds"));
                self.recheck_from(read + 1, var, look, value)
            }
            Held::No => {
                self.tell(|| format!("read {read} has changed"));
                self.convert(var)
            }
        }
    }

    /// `Clock::advance_to`.
    pub(super) fn anchor(&mut self, var: u8, look: Word, value: u8) -> Outcome {
        let version = self.version(look);
        self.state.time = self.state.time.max(version);
        let now = self.state.time;
        self.tell(|| format!("makes the clock {version} at least: {now}"));
        self.anchor_check_from(0, var, look, value, now)
    }

    fn anchor_check_from(&mut self, read: u8, var: u8, look: Word, value: u8, now: u8) -> Outcome {
        if read < self.me().read_count {
            return self.goes_to(At::AnchorCheck {
                var,
                look,
                value,
                read,
                now,
            });
        }
        let me = self.me_mut();
        me.rv = now;
        me.anchored = true;
        self.tell(|| format!("is anchored, rv = {now}"));
        match self.mutant {
            Mutant::M1 => self.take_value(var, look, value),
            Mutant::M2 => self.goes_to(At::LookAtVersion { var, look, value }),
            // T3: the value is read anew.
            _ => self.goes_to(At::Sample { var }),
        }
    }

    /// `validate::by_reader` in an anchoring.
    pub(super) fn anchor_check(
        &mut self,
        var: u8,
        look: Word,
        value: u8,
        read: u8,
        now: u8,
    ) -> Outcome {
        match self.still_holds(read) {
            Held::Locked => Blocked,
            Held::Yes => {
                self.tell(|| format!("read {read} still holds"));
                self.anchor_check_from(read + 1, var, look, value, now)
            }
            Held::No => {
                self.tell(|| format!("read {read} has changed"));
                self.convert(var)
            }
        }
    }

    /// M2.
    pub(super) fn look_at_version(&mut self, var: u8, look: Word, value: u8) -> Outcome {
        let now = self.word(var);
        if now.locked {
            return Blocked;
        }
        if self.version(now) == self.version(look) {
            self.take_value(var, now, value)
        } else {
            self.goes_to(At::Sample { var })
        }
    }

    /// The read is logged and the body goes on.
    fn take_value(&mut self, var: u8, look: Word, value: u8) -> Outcome {
        self.me_mut().push_read(var, look);
        self.give(var, look.node, value);
        if self.mutant == Mutant::M20a && self.me().holder {
            return self.goes_to(At::Announce { var });
        }
        self.run_body()
    }

    /// The body has a value of `var`, and a reference to its node if it is boxed.
    pub(super) fn give(&mut self, var: u8, node: u8, value: u8) {
        self.tell(|| format!("reads {} = {value}", name(var)));
        self.observe(var, value);
        if node != NIL {
            self.look_into(node);
            self.me_mut().refs |= 1 << node;
        }
        self.me_mut().op += 1;
    }

    /// `Tx::convert_and_see`.
    pub(super) fn convert(&mut self, var: u8) -> Outcome {
        let me = *self.me();
        if !me.may_be_snapshot || me.writes != 0 {
            return self.fail(Cause::ReadChanged);
        }
        let mut newest = 0;
        for read in me.reads() {
            newest = newest.max(self.version(read.seen));
        }
        let above_begin = u8::from(self.mutant != Mutant::M14);
        let earliest = if me.anchored {
            me.rv
        } else {
            me.rv + above_begin
        };
        if me.anchored && (newest <= me.rv || self.mutant == Mutant::M15) {
            return self.converted(var, me.rv);
        }
        let s = earliest.max(newest);
        if self.mutant == Mutant::M16 {
            return self.check_from(0, var, s);
        }
        self.goes_to(At::ConvertAdvance { var, s })
    }

    /// The attempt is a snapshot from here.
    pub(super) fn converted(&mut self, var: u8, s: u8) -> Outcome {
        self.tell(|| format!("converts to a snapshot at {s}"));
        let me = self.me_mut();
        me.rv = s;
        me.mode = Mode::Snapshot;
        self.goes_to(At::AsOf {
            var,
            s,
            why: Why::Body,
        })
    }
}
