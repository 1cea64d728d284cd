//! Whether a value is kept in place or behind a pointer cannot be told from outside.

mod common;

use std::fmt::Debug;

use common::{on_threads, watched};
use stm_core::{TVar, abort, atomically, snapshot, try_atomically};

/// Every operation, with two values that differ.
fn behaves<T: Clone + Send + Sync + Debug + 'static>(a: &T, b: &T, same: impl Fn(&T, &T) -> bool) {
    let expect = |found: &T, wanted: &T| assert!(same(found, wanted), "{found:?}, not {wanted:?}");
    let (a, b) = (|| a.clone(), || b.clone());
    let var = TVar::new(a());
    let now = |wanted: &T| {
        expect(&var.load(), wanted);
        expect(&atomically(|tx| var.read(tx)), wanted);
        expect(&atomically(|tx| Ok(T::clone(&*var.read_ref(tx)?))), wanted);
        expect(&snapshot(|s| var.read(s)), wanted);
        expect(&snapshot(|s| Ok(T::clone(&*var.read_ref(s)?))), wanted);
    };
    now(&a());
    var.store(b());
    now(&b());
    expect(&var.swap(a()), &b());
    now(&a());
    atomically(|tx| {
        var.write(tx, b())?;
        expect(&var.read(tx)?, &b());
        Ok(())
    });
    now(&b());
    atomically(|tx| {
        var.modify(tx, |old| {
            expect(&old, &b());
            a()
        })
    });
    now(&a());
    let returned = atomically(|tx| var.update(tx, |place| std::mem::replace(place, b())));
    expect(&returned, &a());
    now(&b());
    let replaced = atomically(|tx| var.replace(tx, a()));
    expect(&replaced, &b());
    now(&a());
    // One after the other on the pending value, a reference to each, and then undone.
    let undone = try_atomically(|tx| {
        let published = var.read_ref(tx)?;
        var.write(tx, b())?;
        let pending = var.read_ref(tx)?;
        expect(&var.replace(tx, a())?, &b());
        var.update(tx, |place| *place = b())?;
        var.modify(tx, |_| a())?;
        expect(&var.read(tx)?, &a());
        var.write(tx, b())?;
        expect(&published, &a());
        expect(&pending, &b());
        abort::<(), _>(var.read(tx)?)
    });
    expect(&undone.expect_err("undone"), &b());
    now(&a());
}

fn behaves_eq<T: Clone + PartialEq + Send + Sync + Debug + 'static>(a: T, b: T) {
    assert_ne!(a, b);
    behaves(&a, &b, T::eq);
}

#[test]
fn inline_forms() {
    macro_rules! integers {
        ($($int:ty),*) => { $(
            behaves_eq(<$int>::MIN, <$int>::MAX);
            behaves_eq::<$int>(0x5A, 1);
        )* };
    }

    watched("inline_forms", || {
        integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
        behaves_eq(false, true);
        behaves_eq('\0', char::MAX);
        behaves_eq(f32::MIN, f32::INFINITY);
        behaves_eq(f64::MIN_POSITIVE, f64::NEG_INFINITY);
        // To the bit: a NaN keeps its payload, a zero its sign.
        behaves(&f32::from_bits(0x7FC0_1234), &-0.0, |a, b| {
            a.to_bits() == b.to_bits()
        });
        behaves(&f64::from_bits(0xFFF8_0000_0000_4321), &-0.0, |a, b| {
            a.to_bits() == b.to_bits()
        });
        behaves(&(), &(), |(), ()| true);
    });
}

#[test]
fn boxed_forms() {
    watched("boxed_forms", || {
        behaves_eq(String::from("a"), "b".repeat(100));
        behaves_eq([1i64, -1], [2, -2]);
        behaves_eq(None, Some(Box::new(7u8)));
        behaves_eq(u128::MAX, 1 << 64);
        // Words to the machine, but not in the closed set: padding, a niche, no size, too strict an alignment.
        behaves_eq((1u8, 1u16), (2, 2));
        behaves_eq(Some(1u32), None);
        behaves_eq([0u8; 8], [1; 8]);
        behaves_eq(std::num::NonZero::new(1u64), std::num::NonZero::new(2u64));
        behaves_eq("left", "right");
        behaves(&[0u64; 0], &[], |[], []| true);
        #[derive(Clone, Copy, PartialEq, Debug)]
        #[repr(align(64))]
        struct Aligned(u8);
        behaves_eq(Aligned(1), Aligned(2));
    });
}

/// Far more commits at one time of the clock than a word can tell apart: the clock has to move then, and no two of them
/// may look the same.
#[test]
fn seq_overflow() {
    const COMMITS: u64 = 10_000;

    watched("seq_overflow", || {
        let (word, boxed) = (TVar::new(0u64), TVar::new([0u64; 2]));
        on_threads(2, |id| {
            if id == 0 {
                for n in 1..=COMMITS {
                    match n % 2 {
                        0 => word.store(n),
                        _ => atomically(|tx| word.write(tx, n)),
                    }
                    // Never otherwise: a read-modify-write in two variables at once.
                    atomically(|tx| {
                        let n = word.read(tx)?;
                        boxed.write(tx, [n; 2])
                    });
                    assert_eq!((word.load(), boxed.load()), (n, [n; 2]));
                }
                return;
            }
            let mut last = 0;
            while last < COMMITS {
                let (late, early) = atomically(|tx| Ok((boxed.read(tx)?, word.read(tx)?)));
                assert!(late[0] <= early && early <= late[0] + 1, "{late:?} {early}");
                assert!(last <= late[0], "back from {last} to {late:?}");
                last = late[0];
            }
        });
        assert_eq!(word.load(), COMMITS);
    });
}
