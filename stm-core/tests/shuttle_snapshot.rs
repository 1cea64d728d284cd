//! Snapshots, conversions and writers under a random scheduler: every body sees all the money, and none is made or lost.
//!
//! The count of snapshots has two slots of their own and one that is shared, versions are used up after two commits, a body floats over
//! one earlier read: what is rare elsewhere happens all the time here.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p stm-core --release --test 'shuttle_*' --target-dir target/shuttle
//! ```
#![cfg(shuttle)]

mod shuttle_common;

use shuttle::thread;
use shuttle_common::{Value, Var, join, sample, vars};
use stm_core::{ReadTx, Stm, atomically, snapshot};

const EACH: u64 = 10;
const ACCOUNTS: usize = 3;

fn transfer<T: Value>(from: Var<T>, to: Var<T>, amount: u64) {
    atomically(|tx| {
        let rest = from.read(tx)? - amount;
        from.write(tx, rest)?;
        let more = to.read(tx)? + amount;
        to.write(tx, more)
    });
}

fn audit<T: Value>(tx: &mut impl ReadTx, accounts: [Var<T>; ACCOUNTS]) -> Stm<()> {
    let mut sum = 0;
    for account in accounts {
        sum += account.read(tx)?;
    }
    assert_eq!(sum, EACH * ACCOUNTS as u64);
    Ok(())
}

/// A body that reads only, and goes on as a snapshot where its reads fail, beside two writers and a snapshot.
fn readers_see_all_the_money<T: Value>(name: &str) {
    sample(name, 20_000, || {
        let accounts @ [a, b, c] = vars::<T, ACCOUNTS>(EACH);
        let writers = [(a, b), (b, c)].map(|(from, to)| {
            thread::spawn(move || {
                transfer(from, to, 1);
                transfer(to, from, 3);
            })
        });
        let reader = thread::spawn(move || atomically(|tx| audit(tx, accounts)));
        snapshot(|s| audit(s, accounts));
        atomically(|tx| audit(tx, [c, b, a]));
        join(writers);
        reader.join().unwrap();
        assert_eq!(accounts.map(Var::load), [EACH + 2, EACH, EACH - 2]);
    });
}
for_both_forms!(readers_see_all_the_money);

/// More snapshots than the count has slots, coming and going while a writer asks whether there are any.
fn a_crowd_of_snapshots_sees_all_the_money<T: Value>(name: &str) {
    sample(name, 20_000, || {
        let accounts @ [a, b, _] = vars::<T, ACCOUNTS>(EACH);
        let look = move || snapshot(|s| audit(s, accounts));
        let crowd = [(); 4].map(|()| {
            thread::spawn(move || {
                look();
                look();
            })
        });
        transfer(a, b, 1);
        transfer(b, a, 2);
        join(crowd);
        look();
    });
}
for_both_forms!(a_crowd_of_snapshots_sees_all_the_money);

/// Two snapshots have the slots of their own for as long as it lasts, so that all that come and go beside them share the last one.
fn the_shared_slot_changes_hands<T: Value>(name: &str) {
    sample(name, 20_000, || {
        let accounts @ [a, b, _] = vars::<T, ACCOUNTS>(EACH);
        let crowd = move || {
            let sharing = [(); 2].map(|()| {
                thread::spawn(move || {
                    for _ in 0..3 {
                        snapshot(|s| audit(s, accounts));
                    }
                })
            });
            for _ in 0..3 {
                transfer(a, b, 1);
            }
            join(sharing);
        };
        let second = move || {
            snapshot(|s| {
                join([thread::spawn(crowd)]);
                audit(s, accounts)
            })
        };
        snapshot(|s| {
            join([thread::spawn(second)]);
            audit(s, accounts)
        });
    });
}
for_both_forms!(the_shared_slot_changes_hands);
