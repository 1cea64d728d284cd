//! A model of the token of priority: who has it gets through.
//!
//! Explored: one that reads and writes, and a rival that writes what it reads, twice; both forms. A call takes the token after its
//! first failure here, leases do not end, and the filter has one bit for all. What must hold: the second attempt commits. If the holder announced what
//! it reads after it has looked at the word, or the rival looked at the token before it has locked, the second write of the rival
//! could come in between.
//!
//! Bounded: two threads, two variables, 3 preemptions.
#![cfg(loom)]

mod loom_common;

use loom::thread;
use loom_common::{Boxed, Value, explore, pair};
use stm_core::{atomically, let_models_claim_after};

fn the_holder_gets_through<T: Value>() {
    let_models_claim_after(1);
    explore(3, || {
        let (x, y) = pair::<T, u64>();
        let rival = thread::spawn(move || {
            for n in 1..=2 {
                atomically(|tx| x.write(tx, n));
            }
        });
        let attempts = atomically(|tx| {
            let n = x.read(tx)?;
            y.write(tx, n)?;
            Ok(tx.attempt())
        });
        rival.join().unwrap();
        assert!(attempts <= 2, "{attempts} attempts");
        assert_eq!(x.load(), 2);
    });
}

#[test]
fn the_holder_of_words_gets_through() {
    the_holder_gets_through::<u64>();
}

#[test]
fn the_holder_of_nodes_gets_through() {
    the_holder_gets_through::<Boxed>();
}
