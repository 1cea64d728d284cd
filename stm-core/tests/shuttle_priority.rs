//! The token of priority under a random scheduler: three to five threads that fail, stand in line, give way and get through.
//!
//! A call takes the token after its first failure here, leases do not end, and the filter has one bit for all.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p stm-core --release --test 'shuttle_*' --target-dir target/shuttle
//! ```
#![cfg(shuttle)]

mod shuttle_common;

use shuttle::thread;
use shuttle_common::{Value, join, sample, vars};
use stm_core::{atomically, let_models_claim_after};

/// Whoever has the token gets through at once, however many write what it reads.
fn the_holder_gets_through<T: Value>(name: &str) {
    let_models_claim_after(1);
    sample(name, 20_000, || {
        let [x, y, out] = vars::<T, 3>(0);
        let rivals = [x, y, x].map(|var| {
            thread::spawn(move || {
                (1..=2).for_each(|n| var.store(n));
            })
        });
        let attempts = atomically(|tx| {
            let sum = x.read(tx)? + y.read(tx)?;
            out.write(tx, sum)?;
            Ok(tx.attempt())
        });
        join(rivals);
        assert!(attempts <= 2, "{attempts} attempts");
    });
}
for_both_forms!(the_holder_gets_through);

/// Four that all want the token: each gets it, and no increment is lost.
fn all_in_line_are_served<T: Value>(name: &str) {
    let_models_claim_after(1);
    sample(name, 20_000, || {
        let [x, y] = vars::<T, 2>(0);
        let increment = move || {
            atomically(|tx| {
                let (n, m) = (x.read(tx)?, y.read(tx)?);
                assert_eq!(n, m);
                x.write(tx, n + 1)?;
                y.write(tx, m + 1)
            });
        };
        let others = [(); 3].map(|()| {
            thread::spawn(move || {
                increment();
                increment();
            })
        });
        increment();
        join(others);
        assert_eq!((x.load(), y.load()), (7, 7));
    });
}
for_both_forms!(all_in_line_are_served);
