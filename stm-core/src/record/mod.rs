//! What the engine tells the recorder of histories, in one place.
//!
//! The protocol calls these functions at the points that a history consists of: an attempt begins, a value is seen, a value is
//! published, an attempt ends. With the feature `history` they go to [`diagnostics::history`](crate::diagnostics::history);
//! without it, and in the models, their twins are empty, take no space and leave no code behind.
//!
//! # Invariants
//!
//! - Y1  An attempt's begin is stamped before its first look at the clock, its end after its last access: the span that the
//!   history shows contains the attempt, so "ended before the other began" is never claimed wrongly.
//! - Y2  Begin comes after the pin and end before the aftermath: in between no `Drop` runs, so no other attempt of the thread.

#[cfg(not(all(feature = "history", not(any(loom, shuttle)))))]
mod off;
#[cfg(not(all(feature = "history", not(any(loom, shuttle)))))]
pub(crate) use off::*;

#[cfg(all(feature = "history", not(any(loom, shuttle))))]
mod on;
#[cfg(all(feature = "history", not(any(loom, shuttle))))]
pub(crate) use on::*;
