//! The order of each variable's values, as the publications themselves tell it.

use std::collections::HashMap;

use super::violation::Violation;
use super::{Attempt, Outcome, ValueId, VarId};

/// A value's place in the life of its variable.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Who published it: an index into the attempts. None for the value that was there at the beginning.
    pub(super) by: Option<usize>,
    pub(super) content: Option<u64>,
    /// Who published the next one.
    pub(super) next: Option<usize>,
}

/// All values that there were.
#[derive(Debug, Default)]
pub(super) struct Versions {
    places: HashMap<(VarId, ValueId), Place>,
    /// The value that each variable had before the first publication.
    first: HashMap<VarId, ValueId>,
    successor: HashMap<(VarId, ValueId), ValueId>,
}

impl Versions {
    /// Puts the publications of `attempts` in order.
    ///
    /// # Errors
    ///
    /// If they have none: two that publish, or replace, the same value; two values without a predecessor; a read of a
    /// value that was never there, or of another content; a publication by an attempt that failed.
    pub(super) fn of(attempts: &[Attempt]) -> Result<Self, Violation> {
        let mut this = Self::default();
        this.enter_publications(attempts)?;
        this.enter_replacements(attempts)?;
        this.enter_reads(attempts)?;
        Ok(this)
    }

    fn enter_publications(&mut self, attempts: &[Attempt]) -> Result<(), Violation> {
        for (at, attempt) in attempts.iter().enumerate() {
            for write in &attempt.writes {
                if attempt.outcome != Outcome::Committed {
                    return Err(Violation::PublishedButFailed {
                        variable: write.variable,
                        by: Box::new(attempt.clone()),
                    });
                }
                let place = Place {
                    by: Some(at),
                    content: Some(write.content),
                    next: None,
                };
                let before = self.places.insert((write.variable, write.value), place);
                if let Some(Place {
                    by: Some(other), ..
                }) = before
                {
                    return Err(Violation::PublishedTwice {
                        variable: write.variable,
                        value: write.value,
                        by: [&attempts[other], attempt].map(|a| Box::new(a.clone())),
                    });
                }
            }
        }
        Ok(())
    }

    fn enter_replacements(&mut self, attempts: &[Attempt]) -> Result<(), Violation> {
        for (at, attempt) in attempts.iter().enumerate() {
            for write in &attempt.writes {
                let replaced = (write.variable, write.replaces);
                if !self.places.contains_key(&replaced) {
                    self.enter_first(write.variable, write.replaces, attempt)?;
                }
                let place = self.places.entry(replaced).or_default();
                if let Some(other) = place.next.replace(at) {
                    return Err(Violation::ReplacedTwice {
                        variable: write.variable,
                        value: write.replaces,
                        by: [&attempts[other], attempt].map(|a| Box::new(a.clone())),
                    });
                }
                self.successor.insert(replaced, write.value);
            }
        }
        Ok(())
    }

    fn enter_reads(&mut self, attempts: &[Attempt]) -> Result<(), Violation> {
        for attempt in attempts {
            for read in &attempt.reads {
                let key = (read.variable, read.value);
                if !self.places.contains_key(&key) {
                    self.enter_first(read.variable, read.value, attempt)
                        .map_err(|violation| blame_staged(violation, read.content, attempts))?;
                }
                let place = self.places.entry(key).or_default();
                // The first value's content is what the first reader says.
                let content = *place.content.get_or_insert(read.content);
                if content != read.content {
                    return Err(Violation::WrongContent {
                        read: *read,
                        content,
                        by: Box::new(attempt.clone()),
                    });
                }
            }
        }
        Ok(())
    }

    /// `value` was published by nobody: it must be what was there at the beginning.
    fn enter_first(
        &mut self,
        variable: VarId,
        value: ValueId,
        seen_by: &Attempt,
    ) -> Result<(), Violation> {
        match self.first.insert(variable, value) {
            None => Ok(()),
            Some(first) if first == value => Ok(()),
            Some(_) => Err(Violation::NeverPublished {
                variable,
                value,
                seen_by: Box::new(seen_by.clone()),
                staged_by: None,
            }),
        }
    }

    pub(super) fn place(&self, variable: VarId, value: ValueId) -> Place {
        self.places
            .get(&(variable, value))
            .copied()
            .unwrap_or_default()
    }

    /// Each variable's values in their order, the first of which was there at the beginning.
    pub(super) fn chains(&self) -> HashMap<VarId, Vec<ValueId>> {
        let chain = |(&variable, &first): (&VarId, &ValueId)| {
            let next = |value: &ValueId| self.successor.get(&(variable, *value)).copied();
            let values = std::iter::successors(Some(first), next)
                .take(self.places.len())
                .collect();
            (variable, values)
        };
        self.first.iter().map(chain).collect()
    }
}

/// Says whose it was, if a failed attempt had such a value pending.
fn blame_staged(violation: Violation, content: u64, attempts: &[Attempt]) -> Violation {
    match violation {
        Violation::NeverPublished {
            variable,
            value,
            seen_by,
            ..
        } => {
            let staged_it = |attempt: &&Attempt| {
                let mut staged = attempt.staged.iter();
                staged.any(|s| s.variable == variable && s.content == content)
            };
            Violation::NeverPublished {
                variable,
                value,
                seen_by,
                staged_by: attempts.iter().find(staged_it).cloned().map(Box::new),
            }
        }
        other => other,
    }
}
