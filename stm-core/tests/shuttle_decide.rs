//! Deciders under a random scheduler: a journal tells what happened in the order in which it happened, and who needs what is being decided
//! sleeps until it is.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p stm-core --release --test 'shuttle_*' --target-dir target/shuttle
//! ```
#![cfg(shuttle)]

mod shuttle_common;

use std::sync::{Arc, Mutex};

use shuttle::thread;
use shuttle_common::{Value, join, sample, vars};
use stm_core::{Abort, Decision, atomically, snapshot, try_atomically};

/// Three whose deciders write down what they have read and written, one of them refuses at first; beside them, one who commits without,
/// and one who looks.
fn the_journal_is_in_order<T: Value>(name: &str) {
    sample(name, 20_000, || {
        let [x, y] = vars::<T, 2>(0);
        let journal = Arc::new(Mutex::new(Vec::new()));
        let deciders = [0, 1, 2].map(|id| {
            let journal = Arc::clone(&journal);
            thread::spawn(move || {
                let mut refuse = id == 2;
                let mut decided = || {
                    try_atomically(|tx| {
                        let n = x.read(tx)?;
                        x.write(tx, n + 1)?;
                        tx.decide(|| {
                            // Somebody else goes on while this is undecided.
                            thread::yield_now();
                            if std::mem::take(&mut refuse) {
                                return Decision::Abort("not yet");
                            }
                            journal.lock().unwrap().push(n);
                            Decision::Commit
                        })?;
                        Ok::<_, Abort<_>>(n)
                    })
                };
                if id == 2 {
                    assert_eq!(decided(), Err("not yet"));
                }
                assert!(decided().is_ok());
            })
        });
        let other = thread::spawn(move || {
            atomically(|tx| {
                let n = x.read(tx)?;
                y.write(tx, n)
            });
        });
        let (seen, late) = (x.load(), snapshot(|s| x.read(s)));
        assert!(seen <= late, "back from {seen} to {late}");
        join(deciders);
        other.join().unwrap();
        assert_eq!(*journal.lock().unwrap(), [0, 1, 2]);
        assert_eq!(x.load(), 3);
    });
}
for_both_forms!(the_journal_is_in_order);
