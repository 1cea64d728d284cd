//! Running user code that must not unwind into the engine: values' `Drop`, wakers, and what panics carry.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mutant::caught;

/// Calls `f` and swallows its panic (the panic hook has reported it by then).
pub(crate) fn run(f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        discard(payload);
    }
}

/// Drops a panic's payload; a payload whose own `Drop` panics is leaked, there is no better place for it.
pub(crate) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = caught!("P-payload", move || drop(payload)) {
        std::mem::forget(second);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    struct PanicsOnDrop;

    impl Drop for PanicsOnDrop {
        fn drop(&mut self) {
            std::panic::panic_any(PanicsOnDrop);
        }
    }

    #[test]
    fn a_payload_that_panics_when_dropped_does_not_get_out() {
        super::run(|| drop(PanicsOnDrop));
    }
}
