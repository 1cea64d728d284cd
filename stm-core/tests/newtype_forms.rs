//! Newtypes over machine words, kept in place by `TVar::new_pod`, behave like those that are boxed.
#![cfg(feature = "bytemuck")]

mod common;

use bytemuck::{AnyBitPattern, NoUninit};
use common::{on_threads, watched};
use stm_core::{TVar, atomically, snapshot};

#[derive(Clone, Copy, PartialEq, Debug, AnyBitPattern, NoUninit)]
#[repr(transparent)]
struct Cents(i64);

#[derive(Clone, Copy, PartialEq, Debug, AnyBitPattern, NoUninit)]
#[repr(C)]
struct Point {
    x: i16,
    y: i16,
}

fn exercise<T: Copy + PartialEq + std::fmt::Debug + Send + Sync + 'static>(
    var: &TVar<T>,
    values: [T; 3],
) {
    let [a, b, c] = values;
    assert_eq!(var.load(), a);
    var.store(b);
    assert_eq!(var.swap(c), b);
    atomically(|tx| {
        assert_eq!(var.read(tx)?, c);
        let before = var.read_ref(tx)?;
        assert_eq!(var.replace(tx, a)?, c);
        var.modify(tx, |_| b)?;
        assert_eq!(*before, c);
        assert_eq!(var.update(tx, |v| std::mem::replace(v, a))?, b);
        assert_eq!(*var.read_ref(tx)?, a);
        Ok(())
    });
    assert_eq!(snapshot(|s| var.read(s)), a);
}

#[test]
fn newtype_forms() {
    watched("newtype_forms", || {
        let cents = [Cents(-1), Cents(i64::MAX), Cents(0)];
        exercise(&TVar::new_pod(cents[0]), cents);
        exercise(&TVar::new(cents[0]), cents);
        let points = [(1, -2), (-3, 4), (i16::MIN, 0)].map(|(x, y)| Point { x, y });
        exercise(&TVar::new_pod(points[0]), points);
        exercise(&TVar::new(points[0]), points);
    });
}

#[test]
fn newtype_never_torn() {
    watched("newtype_never_torn", || {
        let point = TVar::new_pod(Point { x: 0, y: 0 });
        on_threads(3, |id| {
            for i in 0..20_000 {
                if id == 0 {
                    point.store(Point { x: i, y: -i });
                } else {
                    let Point { x, y } = point.load();
                    assert_eq!(x, -y);
                }
            }
        });
    });
}
