//! What the body wants done after the attempt: when it has committed, or when it has not.
//!
//! Hooks are undone with the branch that set them. Those of a commit run in the order of the commits: see
//! [`crate::turn`].

use crate::turn::Turn;

pub(crate) type Hook = Box<dyn FnOnce()>;

#[derive(Default)]
pub(crate) struct Hooks {
    on_commit: Vec<Hook>,
    on_abort: Vec<Hook>,
    /// Of branches that were undone: what they own is user code's to drop, later.
    undone: Vec<Hook>,
    committed: bool,
    turn: Option<Turn>,
}

/// Lengths to go back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HooksSavepoint {
    on_commit: usize,
    on_abort: usize,
}

/// The hooks of an attempt that is over.
#[derive(Default)]
pub(crate) struct DueHooks {
    /// In the order in which they are to run.
    pub(crate) due: Vec<Hook>,
    /// Theirs, if they are of a commit.
    pub(crate) turn: Option<Turn>,
    /// Not to be run; dropped each under a shield.
    pub(crate) idle: Vec<Hook>,
}

impl Hooks {
    pub(crate) const fn new() -> Self {
        Self {
            on_commit: Vec::new(),
            on_abort: Vec::new(),
            undone: Vec::new(),
            committed: false,
            turn: None,
        }
    }

    pub(crate) fn on_commit(&mut self, hook: Hook) {
        self.on_commit.push(hook);
    }

    pub(crate) fn on_abort(&mut self, hook: Hook) {
        self.on_abort.push(hook);
    }

    pub(super) const fn savepoint(&self) -> HooksSavepoint {
        HooksSavepoint {
            on_commit: self.on_commit.len(),
            on_abort: self.on_abort.len(),
        }
    }

    pub(super) fn roll_back(&mut self, savepoint: HooksSavepoint) {
        self.undone
            .extend(self.on_commit.drain(savepoint.on_commit..));
        self.undone
            .extend(self.on_abort.drain(savepoint.on_abort..));
    }

    /// Draws a place in the order of commits, if there is anything to run in it. See [`crate::turn`] for when.
    pub(crate) fn draw_turn(&mut self) {
        if !self.on_commit.is_empty() {
            self.turn = Some(Turn::draw());
        }
    }

    /// The commit has failed after all.
    pub(crate) fn give_turn_up(&mut self) {
        drop(self.turn.take());
    }

    /// Nothing can fail any more.
    pub(crate) fn note_commit(&mut self) {
        // Whoever has none leaves nothing to be put back.
        self.committed = !self.is_empty();
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.on_commit.is_empty() && self.on_abort.is_empty() && self.undone.is_empty()
    }

    /// The attempt is over.
    pub(super) fn take(&mut self) -> DueHooks {
        let mut all = std::mem::take(self);
        let (due, other) = if all.committed {
            (all.on_commit, all.on_abort)
        } else {
            all.on_abort.reverse();
            (all.on_abort, all.on_commit)
        };
        all.undone.extend(other);
        DueHooks {
            due,
            turn: all.turn,
            idle: all.undone,
        }
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks")
            .field("on_commit", &self.on_commit.len())
            .field("on_abort", &self.on_abort.len())
            .finish_non_exhaustive()
    }
}
