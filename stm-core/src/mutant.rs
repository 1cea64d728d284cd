//! Mutants: places where the engine can be made wrong on purpose, to see that a test notices.
//!
//! # The problem, and the idea
//!
//! A test that cannot fail proves nothing, and of a protocol nobody knows by reading which test would fail if a step were missing.
//! So each step, ordering edge, panic guard and deregistration that the modules' arguments rest on has a name here and there in the
//! code, and can be taken away by it; `.ci/mutants` takes each away and shows which test has died of it (mutation testing: DeMillo,
//! Lipton and Sayward, "Hints on Test Data Selection", IEEE Computer 11(4), 1978). A survivor is a test that is missing.
//!
//! # Picture
//!
//! ```text
//!  built with                            mutant!("M4") is
//!  nothing (that is, wherever it ships)  false, a constant: no code is left of what it guards
//!  --cfg stm_mutant="M4"                 true, a constant; every other is false
//!  --cfg stm_mutant="any"                whether the environment of the process says STM_MUTANT=M4
//! ```
//!
//! The last is for the one command: more than a hundred mutants from one build for each kind of test. No feature and no build script
//! is involved, so that nobody who depends on this crate can come by a mutant.
//!
//! # Names
//!
//! | first letter | what is taken away or weakened | named in |
//! |---|---|---|
//! | M | the steps of the protocol that were found necessary when it was designed, and X, those found by its model | docs/model.md |
//! | O | one end of an ordering edge: see [`edge`] | the comment at the access |
//! | S | a place in the total order of `SeqCst`: see [`total_order`] | the comment there |
//! | P | a guard against panics | docs/mutants.md |
//! | D | a deregistration | docs/mutants.md |
//!
//! `.ci/mutants` has one line for each, and refuses to run if that list and the names in the code differ.

use std::cell::Cell;

use crate::sync::{local, yield_now};

/// Whether the engine is to go wrong here.
macro_rules! mutant {
    ($name:tt) => {
        cfg!(stm_mutant = $name) || $crate::mutant::chosen($name)
    };
}
pub(crate) use mutant;

/// The ordering of one end of a named edge; each mutant behind it makes it a weaker one.
///
/// The comment at the access names the other end. The models see the missing edge, x86 hardware does not.
macro_rules! edge {
    ($strong:ident, $($name:tt => $weak:ident),+) => {
        match () {
            $(() if $crate::mutant::mutant!($name) => $crate::sync::Ordering::$weak,)+
            () => $crate::sync::Ordering::$strong,
        }
    };
}
pub(crate) use edge;

/// A place where the protocol relies on the single total order of `SeqCst` accesses. Nothing, where it ships: the accesses beside
/// it are `SeqCst`. Loom takes these for acquire and release, so the models have a fence here, and the mutant of that name has none:
/// it is what the accesses would be with acquire and release alone.
macro_rules! total_order {
    ($name:tt) => {
        if !$crate::mutant::mutant!($name) {
            $crate::sync::seqcst_fence_for_loom();
        }
    };
}
pub(crate) use total_order;

/// Runs user code shielded ([`crate::shield::run`]); its mutant lets a panic through.
macro_rules! shielded {
    ($name:tt, $f:expr) => {
        if $crate::mutant::mutant!($name) {
            ({ $f })()
        } else {
            $crate::shield::run($f)
        }
    };
}
pub(crate) use shielded;

/// As `catch_unwind`; its mutant catches nothing.
macro_rules! caught {
    ($name:tt, $f:expr) => {
        if $crate::mutant::mutant!($name) {
            Ok(({ $f })())
        } else {
            ::std::panic::catch_unwind(::std::panic::AssertUnwindSafe($f))
        }
    };
}
pub(crate) use caught;

/// Never, unless the build leaves the choice to the environment.
#[cfg(not(stm_mutant = "any"))]
#[inline(always)]
pub(crate) const fn chosen(_name: &str) -> bool {
    false
}

/// Whether the environment names this one.
#[cfg(stm_mutant = "any")]
pub(crate) fn chosen(name: &str) -> bool {
    static CHOICE: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var("STM_MUTANT").unwrap_or_default());
    *CHOICE == name
}

local! {
    static NOTED: Cell<u64> = Cell::new(0);
}

/// Takes a look, and lets others change what it has seen.
pub(crate) fn early<R>(look: impl FnOnce() -> R) -> R {
    let seen = look();
    yield_now();
    seen
}

/// Keeps a number of this thread's for a mutant that takes too early a look at something.
pub(crate) fn note(n: u64) {
    NOTED.with(|noted| noted.set(n));
}

/// What was noted last.
pub(crate) fn noted() -> u64 {
    NOTED.with(Cell::get)
}
