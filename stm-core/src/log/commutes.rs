//! Functions to be applied to variables at commit, to whatever value is the newest by then.
//!
//! # The problem, and the idea
//!
//! Two transactions that add to one counter conflict only because each reads it first. Neither cares for the value. So they
//! leave the function here instead, and the commit applies it while it holds the variable's lock: there is nothing
//! to validate and nothing to abort over. ScalaSTM calls it `transform`, Clojure `commute`. The cost is linear in the functions of the attempt for each look at a variable that may have some.
//!
//! # Invariants
//!
//! - F1  A variable has functions here only if it had no entry in the write set when they came: a function on a pending value
//!   is applied at once. So a function is in force exactly while its variable has no entry, and an entry that is rolled
//!   back puts it in force again.
//! - F2  Functions are user code. They run on this thread, in the body (when the variable is read after all) or under the
//!   commit's locks, where a panic undoes the commit. What they own is dropped when the attempt is over.

use std::fmt;

use super::WriteSet;
use crate::block::{Pinned, Seen};
use crate::boxed::Pending;
use crate::mutant::shielded;

/// An erased `Fn(&T) -> T`.
pub(crate) trait Function {
    /// What it makes of a value of its variable.
    fn apply(&self, to: Seen<'_>) -> Pending;

    /// Whether dropping it runs foreign code.
    fn needs_drop(&self) -> bool;
}

struct Commute {
    block: Pinned,
    function: Box<dyn Function>,
}

#[derive(Default)]
pub(crate) struct Commutes {
    list: Vec<Commute>,
    /// Undone with a branch, or applied at once.
    idle: Vec<Commute>,
    /// One of them needs a drop, which has to wait until the attempt is over (F2).
    owing: bool,
}

/// Functions that nobody applies any more; dropped by their owner.
#[derive(Default)]
pub(crate) struct IdleFunctions(Vec<Box<dyn Function>>);

impl Commutes {
    pub(crate) const fn new() -> Self {
        Self {
            list: Vec::new(),
            idle: Vec::new(),
            owing: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn owes_nothing(&self) -> bool {
        !self.owing
    }

    /// Forgets them all, where nothing is owed.
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.idle.clear();
    }

    pub(crate) fn push(&mut self, block: Pinned, function: Box<dyn Function>) {
        self.owing |= function.needs_drop();
        self.list.push(Commute { block, function });
    }

    pub(super) fn lay_aside(&mut self, block: Pinned, function: Box<dyn Function>) {
        self.owing |= function.needs_drop();
        self.idle.push(Commute { block, function });
    }

    pub(super) fn laid_aside_last(&self) -> &dyn Function {
        let last = self.idle.last().expect("it was laid aside just now");
        &*last.function
    }

    pub(crate) fn touches(&self, block: Pinned) -> bool {
        self.list.iter().any(|c| c.block == block)
    }

    /// In the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Pinned, &dyn Function)> {
        self.list.iter().map(|c| (c.block, &*c.function))
    }

    /// What all functions of `block`, in their order, make of `value`. What comes between goes to `writes`, to be dropped
    /// when the attempt is over.
    pub(crate) fn apply(
        &self,
        block: Pinned,
        value: Seen<'_>,
        writes: &mut WriteSet,
    ) -> Option<Pending> {
        let mut result: Option<Pending> = None;
        for commute in self.list.iter().filter(|c| c.block == block) {
            let next = match result {
                None => commute.function.apply(value),
                Some(before) => {
                    // Buried first: the function may unwind.
                    writes.bury(before);
                    commute.function.apply(Seen::pending(&before))
                }
            };
            result = Some(next);
        }
        result
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn roll_back(&mut self, len: usize) {
        self.idle.extend(self.list.drain(len..));
    }

    pub(super) fn take(&mut self) -> IdleFunctions {
        self.owing = false;
        let all = self.list.drain(..).chain(self.idle.drain(..));
        IdleFunctions(all.map(|c| c.function).collect())
    }
}

impl IdleFunctions {
    pub(super) fn drop_shielded(self) {
        for function in self.0 {
            shielded!("P-function", || drop(function));
        }
    }
}

impl fmt::Debug for Commutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.list.iter().map(|c| c.block))
            .finish()
    }
}
