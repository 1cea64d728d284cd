//! The search for an order itself: it must find one where there is one, and must not where there is none.

mod common;

use std::sync::atomic::{AtomicI64, Ordering};

use common::{Histories, panic_of, watched};
use stateright::semantics::SequentialSpec;
use stm_core::{TVar, atomically};

/// A counter that gives what it was.
#[derive(Clone, Debug)]
struct Counter(i64);

impl SequentialSpec for Counter {
    type Op = ();
    type Ret = i64;

    fn invoke(&mut self, _op: &()) -> i64 {
        self.0 += 1;
        self.0 - 1
    }
}

#[test]
fn a_transactional_counter_is_linearizable() {
    watched("counter", || {
        Histories::default().check(
            &Counter(0),
            || TVar::new(0),
            |_| (),
            |x, ()| {
                atomically(|tx| {
                    let n = x.read(tx)?;
                    x.write(tx, n + 1)?;
                    Ok(n)
                })
            },
        );
    });
}

#[test]
fn lost_updates_are_noticed() {
    watched("lost", || {
        let message = panic_of(|| {
            Histories::default().check(
                &Counter(0),
                || AtomicI64::new(0),
                |_| (),
                |x, ()| {
                    let n = x.load(Ordering::SeqCst);
                    std::thread::yield_now();
                    x.store(n + 1, Ordering::SeqCst);
                    n
                },
            );
        });
        assert!(message.contains("no order explains"), "{message}");
    });
}
