//! A sorted list of nodes, each of which holds a variable with the link to the next.
//!
//! The list of STAMP and of TinySTM's `intset`: an operation reads all links up to its place, so a long list makes long
//! transactions, and two that change it nearby conflict.

use std::fmt;
use std::sync::Arc;

use crate::engine::{Attempt, Engine, Reads, Writes};

/// Sorted numbers.
pub struct List<E: Engine> {
    head: E::Var<Link<E>>,
}

struct Node<E: Engine> {
    key: u64,
    next: E::Var<Link<E>>,
}

struct Link<E: Engine>(Option<Arc<Node<E>>>);

impl<E: Engine> Clone for Link<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Where a key is, or would be.
struct Place<E: Engine> {
    /// Whose link leads there; the head's if there is none.
    before: Option<Arc<Node<E>>>,
    /// The first node whose key is not less.
    at: Option<Arc<Node<E>>>,
}

impl<E: Engine> Place<E> {
    fn has(&self, key: u64) -> bool {
        self.at.as_ref().is_some_and(|node| node.key == key)
    }
}

impl<E: Engine> List<E> {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self {
            head: E::var(Link(None)),
        }
    }

    fn find(&self, tx: &mut impl Reads<E>, key: u64) -> Attempt<Place<E>, E> {
        let mut before = None;
        let mut at = tx.read(&self.head)?.0;
        while let Some(node) = at {
            if node.key >= key {
                at = Some(node);
                break;
            }
            at = tx.read(&node.next)?.0;
            before = Some(node);
        }
        Ok(Place { before, at })
    }

    fn link_to<'a>(&'a self, place: &'a Place<E>) -> &'a E::Var<Link<E>> {
        place.before.as_ref().map_or(&self.head, |node| &node.next)
    }

    /// Whether `key` is there.
    ///
    /// # Errors
    ///
    /// The engine's reason to end the attempt, here and below.
    pub fn contains(&self, tx: &mut impl Reads<E>, key: u64) -> Attempt<bool, E> {
        Ok(self.find(tx, key)?.has(key))
    }

    /// Puts `key` in; whether it was not there.
    ///
    /// # Errors
    ///
    /// See [`List::contains`].
    pub fn insert(&self, tx: &mut impl Writes<E>, key: u64) -> Attempt<bool, E> {
        let place = self.find(tx, key)?;
        if place.has(key) {
            return Ok(false);
        }
        let node = Node {
            key,
            next: E::var(Link(place.at.clone())),
        };
        tx.write(self.link_to(&place), Link(Some(Arc::new(node))))?;
        Ok(true)
    }

    /// Takes `key` out; whether it was there.
    ///
    /// # Errors
    ///
    /// See [`List::contains`].
    pub fn remove(&self, tx: &mut impl Writes<E>, key: u64) -> Attempt<bool, E> {
        let place = self.find(tx, key)?;
        let Some(node) = place.at.as_ref().filter(|node| node.key == key) else {
            return Ok(false);
        };
        // Whoever links something behind this node at the same time has read the link to it, which is written here.
        let next = tx.read(&node.next)?;
        tx.write(self.link_to(&place), next)?;
        Ok(true)
    }

    /// All keys, in the order of the links.
    ///
    /// # Errors
    ///
    /// See [`List::contains`].
    pub fn keys(&self, tx: &mut impl Reads<E>) -> Attempt<Vec<u64>, E> {
        let mut keys = Vec::new();
        let mut at = tx.read(&self.head)?.0;
        while let Some(node) = at {
            keys.push(node.key);
            at = tx.read(&node.next)?.0;
        }
        Ok(keys)
    }
}

impl<E: Engine> Default for List<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Engine> fmt::Debug for List<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").finish_non_exhaustive()
    }
}
