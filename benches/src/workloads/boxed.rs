//! What a value in a box costs: the bank's transfers, with balances that an engine may keep in place, with strings, and with records
//! of 200 bytes.
//!
//! One case has all forms of one engine, so that the ratio of two of them comes from one interleaved run; in the others everybody has
//! the same form.
//!
//! Checked: as in the [`bank`].

use crate::measure::interleave::{Contender, Metric};
use crate::slots::Slots;
use crate::workloads::bank::{self, PLAIN};

/// The forms, as they stand behind a contender's name.
pub const FORMS: [&str; 3] = ["i64", "String", "200 bytes"];

/// What all cases have in common.
pub const CASE: &str = "transfers between 1024 accounts, 1 thread";

/// The figure of the workload.
#[must_use]
pub fn metrics() -> Vec<Metric> {
    bank::metrics(&PLAIN)
}

/// The contender's name with its form.
#[must_use]
pub fn name(who: &str, form: &str) -> String {
    format!("{who}, {form}")
}

/// Accounts in one of the forms that take part.
pub fn contender<S: Slots>(who: &str, form: &str) -> Contender<'static> {
    bank::contender::<S>(&name(who, form), PLAIN)
}
