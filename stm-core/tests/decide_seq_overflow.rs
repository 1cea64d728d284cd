//! More commits at one time of the clock than a word can tell apart, with a decider each. In a process of its own: nobody else moves
//! the clock.
#![cfg(not(loom))]

mod common;

use common::decided::decided;
use common::watched;
use stm_core::{Abort, Decision, TVar, snapshot};

/// A word has fewer `seq`s than that.
const COMMITS: i64 = 600;

/// Whatever the number of commits, the last of them is the newest that there is: no version is further ahead of the clock than by the
/// one tick that a snapshot makes. (It would look for an older value then, which nobody has kept.)
#[test]
fn a_decided_value_is_as_of_now() {
    watched("decide_seq_overflow", || {
        for commits in 1..=COMMITS {
            let x = TVar::new(0_i64);
            for _ in 0..commits {
                let increment = decided(
                    |tx| Ok::<_, Abort<()>>(x.modify(tx, |n| n + 1)?),
                    |()| Decision::Commit,
                );
                assert_eq!(increment, Ok(()));
            }
            assert_eq!(snapshot(|s| x.read(s)), commits);
        }
    });
}
