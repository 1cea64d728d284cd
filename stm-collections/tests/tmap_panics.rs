//! What user code leaves behind that panics in the middle of an operation on a map, where the body catches it: nothing.

mod common;
mod maps;

use std::fmt::Debug;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use common::{panic_of, watched};
use maps::{Constant, Deep, fresh};
use stm_collections::TMap;
use stm_core::{Tx, atomically, snapshot};

/// A key whose equality panics on demand.
#[derive(Clone, Debug)]
struct Touchy(u8);

impl std::hash::Hash for Touchy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

static TOUCHED: AtomicU64 = AtomicU64::new(0);

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        assert_ne!(TOUCHED.load(Ordering::Relaxed), 1, "touched");
        self.0 == other.0
    }
}

impl Eq for Touchy {}

/// What a body does with its transaction.
type Body<'a> = dyn FnMut(&mut Tx<'_>) + 'a;

/// Runs `body`, which panics in its first attempt, and catches that within the transaction. What the map holds must stay the same.
fn caught<C: PartialEq + Debug>(content: impl Fn() -> C, body: &mut Body<'_>) {
    let before = content();
    atomically(|tx| {
        if tx.attempt() == 1 {
            panic_of(|| body(tx));
        }
        Ok(())
    });
    assert_eq!(content(), before);
}

/// M3: a body that catches the panic has not half an operation in its hands.
#[test]
fn panics_leave_no_half_operations() {
    watched("panics_leave_no_half_operations", || {
        let map = TMap::<Touchy, u8, BuildHasherDefault<Constant>>::default();
        atomically(|tx| (0..10).try_for_each(|n| map.insert(tx, Touchy(n), n).map(drop)));
        let content = || {
            let mut all = snapshot(|s| map.values(s));
            all.sort_unstable();
            (all, snapshot(|s| map.len(s)))
        };
        let before = content();

        let caught = |body: &mut Body<'_>| caught(content, body);
        caught(&mut |tx| {
            let mut left = 5;
            let _ = map.retain(tx, |_, _| {
                left -= 1;
                assert!(left > 0, "enough");
                false
            });
        });
        caught(&mut |tx| {
            let _ = map.update_or_insert_with(tx, Touchy(20), || panic!("no default"), |_| ());
        });
        caught(&mut |tx| {
            let _ = map.update_or_insert_with(
                tx,
                Touchy(3),
                || 0,
                |value| {
                    *value = 99;
                    panic!("no update")
                },
            );
        });
        TOUCHED.store(1, Ordering::Relaxed);
        caught(&mut |tx| {
            let _ = map.insert(tx, Touchy(3), 99);
        });
        caught(&mut |tx| {
            let _ = map.remove(tx, &Touchy(3));
        });
        TOUCHED.store(0, Ordering::Relaxed);
        assert_eq!(content(), before);
    });
}

/// M3, where the bucket lies in a record.
#[test]
fn panics_leave_no_half_operations_in_records() {
    watched("panics_leave_no_half_operations_in_records", || {
        let map = fresh::<u16, u8, BuildHasherDefault<Deep>>(true);
        atomically(|tx| (0..20).try_for_each(|n| map.insert(tx, n, 0).map(drop)));
        let content = || {
            let (mut all, len) = snapshot(|s| Ok((map.to_vec(s)?, map.len(s)?)));
            all.sort_unstable();
            (all, len)
        };
        let caught = |body: &mut Body<'_>| caught(content, body);
        caught(&mut |tx| {
            let mut left = 15;
            let _ = map.retain(tx, |_, _| {
                left -= 1;
                assert!(left > 0, "enough");
                false
            });
        });
        caught(&mut |tx| {
            let _ = map.update_or_insert_with(tx, 30, || panic!("no default"), |_| ());
        });
        caught(&mut |tx| {
            let update = |value: &mut u8| {
                *value = 99;
                panic!("no update")
            };
            let _ = map.update_or_insert_with(tx, 3, || 0, update);
        });
    });
}
