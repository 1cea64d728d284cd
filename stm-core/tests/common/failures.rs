//! A number of the engine that tests of priority go by. Apart, as it depends on a `cfg` that other crates do not know.

/// Failures after which a call takes the token of priority; the next attempt has it. The engine's own number: with more of them, a
/// holder would fail over and over against those whom it stops, for a lease that doubles each time.
pub(crate) const FAILURES: u32 = if cfg!(stm_stress) { 3 } else { 12 };
