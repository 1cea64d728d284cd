//! The nouns of every report: which transaction, which variable.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// Which transaction: the name that it was given, or that of the function that ran it, and the place in the program from
/// where.
///
/// ```
/// # use stm_core::{diagnostics, Transaction, TVar};
/// # use std::{future::Future, pin::pin, task::{Context, Waker}};
/// let door = TVar::new(false);
/// let enter = Transaction::new().named("enter");
/// let mut entering = pin!(enter.run_async(|tx| stm_core::check(door.read(tx)?)));
/// assert!(entering.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
///
/// let wait = &diagnostics::waiting()[0];
/// assert_eq!(wait.origin.name(), "enter");
/// assert!(wait.origin.location().line() > 0);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    name: &'static str,
    at: &'static Location<'static>,
}

impl Origin {
    #[inline(always)]
    pub(crate) const fn new(name: &'static str, at: &'static Location<'static>) -> Self {
        Self { name, at }
    }

    /// What [`Transaction::named`](crate::Transaction::named) said; else the function that ran it, like `atomically`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Where that function was called.
    #[must_use]
    pub const fn location(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.at)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Which variable: its label, if it has one, and its address.
///
/// The address tells variables apart that are alive at the same time; it is the one that `TVar`'s `Debug` shows. When a
/// variable has gone, another may get its address, but never its label.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Variable {
    address: usize,
    label: Option<Arc<str>>,
}

impl Variable {
    pub(crate) const fn new(address: usize, label: Option<Arc<str>>) -> Self {
        Self { address, label }
    }

    /// What [`TVar::named`](crate::TVar::named) said.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// Where it lies on the heap.
    #[must_use]
    pub const fn address(&self) -> usize {
        self.address
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => f.write_str(label),
            None => write!(f, "TVar({:#x})", self.address),
        }
    }
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "TVar({label:?}, {:#x})", self.address),
            None => write!(f, "TVar({:#x})", self.address),
        }
    }
}

/// Lists up to some of the variables, and says how many more there are.
pub(super) fn list(f: &mut fmt::Formatter<'_>, variables: &[Variable]) -> fmt::Result {
    const SHOWN: usize = 8;
    for (i, variable) in variables.iter().take(SHOWN).enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        write!(f, "{comma}{variable}")?;
    }
    match variables.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
