//! Bad use: a transaction begun inside of another, a wait for nothing. Each a clear message, and nothing lost.

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::task::Waker;

use common::fire::panic_of;
use common::{poll, watched};
use stm_core::diagnostics::collect_garbage;
use stm_core::{
    Abort, ReadTx, Stm, TVar, Tx, atomically, atomically_async, check, forbid_in_transaction,
    in_transaction, retry, snapshot, try_atomically,
};

type Entry<'v> = (&'static str, Box<dyn Fn() + 'v>);
type Body<'v> = &'v dyn Fn(&mut Tx<'_>) -> Stm<()>;

/// Every way into the engine, each as a closure over one variable.
fn entries(var: &TVar<i64>) -> Vec<Entry<'_>> {
    vec![
        ("atomically", Box::new(|| atomically(|tx| var.write(tx, 7)))),
        (
            "try_atomically",
            Box::new(|| try_atomically::<_, ()>(|tx| Ok(var.write(tx, 7)?)).unwrap()),
        ),
        (
            "atomically_async",
            Box::new(|| {
                let mut future = atomically_async(|tx| var.write(tx, 7));
                assert!(poll(&mut future, Waker::noop()).is_ready());
            }),
        ),
        ("snapshot", Box::new(|| snapshot(|s| var.read(s).map(drop)))),
        ("TVar::load", Box::new(|| _ = var.load())),
        ("TVar::store", Box::new(|| var.store(7))),
        ("TVar::swap", Box::new(|| _ = var.swap(7))),
        (
            "collect_garbage",
            Box::new(|| {
                collect_garbage();
            }),
        ),
    ]
}

/// Says what was called, where, and what to do instead.
fn expect_advice(message: &str, entry: &str) {
    assert!(message.contains(entry), "{message}");
    assert!(message.contains("pass the `tx`"), "{message}");
    assert!(message.contains(file!()), "{message}");
}

#[test]
fn nested_entry() {
    watched("nested_entry", || {
        let (var, other) = (TVar::new(1), TVar::new(1));
        for (name, enter) in entries(&var) {
            // Out through the outer transaction: as if neither had been.
            let message = panic_of(|| {
                atomically(|tx| {
                    other.write(tx, 9)?;
                    enter();
                    Ok(())
                })
            });
            expect_advice(&message, name);
            assert!(!in_transaction());
            assert_eq!((var.load(), other.load()), (1, 1));
            let message = panic_of(|| {
                snapshot(|_| {
                    enter();
                    Ok(())
                })
            });
            expect_advice(&message, name);
            assert!(!in_transaction());

            // Caught inside: the outer one commits what it wrote.
            atomically(|tx| {
                other.write(tx, 2)?;
                expect_advice(&panic_of(&enter), name);
                assert!(in_transaction());
                var.write(tx, 3)
            });
            assert_eq!((var.swap(1), other.swap(1)), (3, 2));
            // And all is well outside.
            enter();
            var.store(1);
        }
    });
}

/// In a branch, in an operation's closure, in a value's clone.
#[test]
fn nested_entry_deep() {
    struct Meddler(TVar<i64>);
    impl Clone for Meddler {
        fn clone(&self) -> Self {
            self.0.store(7);
            Self(self.0.clone())
        }
    }

    watched("nested_entry_deep", || {
        let var = TVar::new(1);
        let meddler = TVar::new(Meddler(var.clone()));
        let bodies: [Body<'_>; 4] = [
            &|tx| tx.or_else(|_| Ok(var.swap(7)), |_| Ok(0)).map(drop),
            &|tx| tx.nested(|_| Ok::<_, Abort<()>>(var.load())).map(drop),
            &|tx| var.modify(tx, |n| var.load() + n),
            &|tx| meddler.read(tx).map(drop),
        ];
        for body in bodies {
            let message = panic_of(|| atomically(body));
            expect_advice(&message, "TVar::");
            assert!(!in_transaction());
            assert_eq!(var.load(), 1);
        }
    });
}

/// What was handed to the call that panics is not lost: values are dropped, a future is as it was.
#[test]
fn nested_entry_loses_nothing() {
    watched("nested_entry_loses_nothing", || {
        let value = Arc::new(());
        let var = TVar::new(Arc::new(()));
        atomically(|_| {
            panic_of(|| var.store(Arc::clone(&value)));
            panic_of(|| _ = var.swap(Arc::clone(&value)));
            Ok(())
        });
        assert_eq!(Arc::strong_count(&value), 1, "a value was leaked");

        let door = TVar::new(false);
        let enter = || atomically_async(|tx| check(door.read(tx)?));
        let (mut fresh, mut waiting) = (enter(), enter());
        assert!(poll(&mut waiting, Waker::noop()).is_pending());
        atomically(|_| {
            for future in [&mut fresh, &mut waiting] {
                let message = panic_of(|| poll(future, Waker::noop()));
                expect_advice(&message, "atomically_async");
            }
            Ok(())
        });
        door.store(true);
        assert!(poll(&mut fresh, Waker::noop()).is_ready());
        assert!(poll(&mut waiting, Waker::noop()).is_ready());
    });
}

/// Nothing could ever wake it.
#[test]
fn retry_of_nothing() {
    watched("retry_of_nothing", || {
        let var = TVar::new(1);
        let bodies: [Body<'_>; 4] = [
            &|_| retry(),
            // A write is no read, and what one wrote oneself nobody else can change.
            &|tx| {
                var.write(tx, 9)?;
                check(var.read(tx)? != 9)
            },
            &|tx| tx.or_else(|_| retry(), |_| retry()),
            // Gone with its last handle.
            &|tx| {
                let own = TVar::new(0);
                check(own.read(tx)? != 0)
            },
        ];
        for body in bodies {
            let message = panic_of(|| atomically(body));
            assert!(message.contains("`retry` without having read"), "{message}");
            assert!(message.contains(file!()), "{message}");
            let message = panic_of(|| poll(&mut pin!(atomically_async(body)), Waker::noop()));
            assert!(message.contains("`retry` without having read"), "{message}");
            assert!(!in_transaction());
            assert_eq!(var.load(), 1);
        }
    });
}

#[test]
fn retry_in_snapshot() {
    watched("retry_in_snapshot", || {
        fn wait(tx: &mut impl ReadTx, var: &TVar<i64>) -> Stm<()> {
            check(var.read(tx)? != 1)
        }
        let var = TVar::new(1);
        let message = panic_of(|| snapshot(|s| wait(s, &var)));
        assert!(message.contains("a snapshot never changes"), "{message}");
        assert!(message.contains(file!()), "{message}");
        assert!(!in_transaction());
        var.store(2);
        atomically(|tx| wait(tx, &var));
    });
}

#[test]
fn forbidden_in_transaction() {
    watched("forbidden_in_transaction", || {
        let var = TVar::new(1);
        forbid_in_transaction("tea");
        let message = panic_of(|| {
            atomically(|tx| {
                var.write(tx, 9)?;
                forbid_in_transaction("tea");
                Ok(())
            })
        });
        assert!(message.contains("tea"), "{message}");
        panic_of(|| {
            snapshot(|_| {
                forbid_in_transaction("tea");
                Ok(())
            })
        });
        assert_eq!(var.load(), 1);
        forbid_in_transaction("tea");
    });
}
