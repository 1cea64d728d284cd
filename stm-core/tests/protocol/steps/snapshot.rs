//! Reading as of a moment: `snapshot::read_as_of`, for bodies and for `is_newest_at`.
//!
//! A chain is walked in one step, after its first node was found. What is reached there does not change; it can only be
//! freed, and what was freed before a hop still is at the end of the walk, so the late walk sees it.

use super::{At, Blocked, Mutant, Outcome, Step, name, show};
use crate::programs::Call;
use crate::state::{Cause, NIL, Why, Word};

/// `snapshot::AsOf`.
#[derive(Clone, Copy)]
enum AsOf {
    Newest(Word, u8),
    Older { node: u8, value: u8 },
    InHistory,
}

impl Step<'_> {
    /// `Clock::advance_to`, in `Tx::convert`.
    pub(super) fn convert_advance(&mut self, var: u8, s: u8) -> Outcome {
        self.state.time = self.state.time.max(s);
        let now = self.state.time;
        self.tell(|| format!("makes the clock {s} at least: {now}"));
        self.check_from(0, var, s)
    }

    /// `is_newest_at` for each read from this one on.
    pub(super) fn check_from(&mut self, read: u8, var: u8, s: u8) -> Outcome {
        match self.me().reads().get(read as usize).map(|r| r.var) {
            None => self.converted(var, s),
            Some(checked) => self.goes_to(At::AsOf {
                var: checked,
                s,
                why: Why::Check { read, then: var },
            }),
        }
    }

    /// The look at the word.
    pub(super) fn as_of(&mut self, var: u8, s: u8, why: Why) -> Outcome {
        let look = self.word(var);
        let newer = self.version(look) > s;
        if !newer && look.locked {
            return Blocked;
        }
        self.tell(|| format!("looks at {} {} as of {s}", name(var), show(look)));
        if newer && look.is_inline() {
            return self.found(var, s, why, AsOf::InHistory);
        }
        if newer {
            let node = look.node;
            return self.goes_to(At::Chain { var, s, why, node });
        }
        if look.is_inline() {
            return self.goes_to(At::AsOfBits { var, s, why, look });
        }
        let value = self.look_into(look.node).2;
        self.found(var, s, why, AsOf::Newest(look, value))
    }

    pub(super) fn as_of_bits(&mut self, var: u8, s: u8, why: Why, look: Word) -> Outcome {
        let bits = self.state.vars[var as usize].bits;
        self.tell(|| format!("loads {} = {bits}", name(var)));
        self.goes_to(At::AsOfAgain {
            var,
            s,
            why,
            look,
            bits,
        })
    }

    pub(super) fn as_of_again(
        &mut self,
        var: u8,
        s: u8,
        why: Why,
        look: Word,
        bits: u8,
    ) -> Outcome {
        let now = self.word(var);
        self.tell(|| format!("looks at {} again {}", name(var), show(now)));
        if now.same_value(look) {
            self.found(var, s, why, AsOf::Newest(look, bits))
        } else {
            self.goes_to(At::AsOf { var, s, why })
        }
    }

    /// `boxed::newest_at`.
    pub(super) fn chain(&mut self, var: u8, s: u8, why: Why, node: u8) -> Outcome {
        let Some((node, value)) = self.walk(node, s) else {
            return super::Went;
        };
        self.found(var, s, why, AsOf::Older { node, value })
    }

    /// The first node at or behind `node` that is not newer than `s`; none after a violation.
    fn walk(&mut self, mut node: u8, s: u8) -> Option<(u8, u8)> {
        loop {
            let (version, prev, value) = self.look_into(node);
            if self.violation.is_some() {
                self.tell(|| match node {
                    NIL => format!("finds nothing as old as {s}"),
                    _ => format!("follows a pointer to node {node}, which is freed"),
                });
                return None;
            }
            if version <= s {
                self.tell(|| format!("goes back to node {node} of version {version}"));
                return Some((node, value));
            }
            node = prev;
        }
    }

    fn found(&mut self, var: u8, s: u8, why: Why, found: AsOf) -> Outcome {
        match why {
            Why::Body => self.see_as_of(var, found),
            Why::Check { read, then } => {
                let seen = self.me().reads()[read as usize].seen;
                let same = match found {
                    AsOf::Newest(look, _) => look.same_value(seen),
                    AsOf::Older { node, .. } => node == seen.node,
                    AsOf::InHistory => false,
                };
                if same {
                    self.check_from(read + 1, then, s)
                } else {
                    self.tell(|| format!("cannot convert: {} is another as of {s}", name(var)));
                    self.fail(Cause::ReadChanged)
                }
            }
        }
    }

    /// `Tx::see_as_of` and `Snapshot::see`.
    fn see_as_of(&mut self, var: u8, found: AsOf) -> Outcome {
        match found {
            AsOf::Newest(look, value) => {
                if self.txn().call == Call::Atomically {
                    self.me_mut().push_read(var, look);
                }
                self.give(var, look.node, value);
            }
            AsOf::Older { node, value } => {
                self.me_mut().outdated = true;
                self.give(var, node, value);
            }
            AsOf::InHistory if self.me().tracked || self.mutant == Mutant::M17 => {
                return self.goes_to(At::HistoryHead { var });
            }
            AsOf::InHistory => return self.fail(Cause::OldValueGone),
        }
        self.run_body()
    }

    /// `history::bits_at`, the head.
    pub(super) fn history_head(&mut self, var: u8) -> Outcome {
        let node = self.state.vars[var as usize].head;
        self.tell(|| match node {
            NIL => format!("{} has no history", name(var)),
            _ => format!("the history of {} begins at node {node}", name(var)),
        });
        self.goes_to(At::HistoryWalk { var, node })
    }

    /// `history::bits_at`, the rest.
    pub(super) fn history_walk(&mut self, var: u8, node: u8) -> Outcome {
        let s = self.me().rv;
        let Some((_, value)) = self.walk(node, s) else {
            return super::Went;
        };
        self.me_mut().outdated = true;
        self.give(var, NIL, value);
        self.run_body()
    }
}
