//! What goes on beside the transaction: glances that are no reads, and work put off until it is over.
#![cfg(not(loom))]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::fire::{elsewhere, panic_of};
use common::{Value, watched};
use stm_core::{
    TVar, abort, after_attempt, atomically, in_transaction, retry, snapshot, try_atomically,
};

fn glance_is_no_read<T: Value>() {
    let (seen, out) = (TVar::new(T::of(1)), TVar::new(0));
    let attempts = atomically(|tx| {
        assert_eq!(seen.glance(tx).n(), 1);
        elsewhere(|| seen.store(T::of(2)));
        assert_eq!(seen.glance(tx).n(), 2, "it shows what is newest");
        out.write(tx, 1)?;
        elsewhere(|| seen.store(T::of(1)));
        Ok(tx.attempt())
    });
    assert_eq!(attempts, 1, "and nothing rests on it");
}

#[test]
fn a_glance_is_no_read() {
    watched("glance", || {
        glance_is_no_read::<i64>();
        glance_is_no_read::<Box<i64>>();
    });
}

#[test]
fn a_glance_does_not_show_own_writes() {
    watched("glance_own", || {
        let x = TVar::new(1);
        let seen = atomically(|tx| {
            x.write(tx, 2)?;
            Ok((x.glance(tx), x.read(tx)?))
        });
        assert_eq!(seen, (1, 2));
    });
}

#[test]
fn retry_does_not_wait_for_a_glance() {
    watched("glance_retry", || {
        let x = TVar::new(1);
        let message = panic_of(|| {
            atomically(|tx| {
                let _ = x.glance(tx);
                retry::<()>()
            });
        });
        assert!(message.contains("nothing could ever wake it"), "{message}");
    });
}

/// Puts off an addition to the counter that it returns; checks that it is made outside.
fn counted() -> (Arc<AtomicUsize>, impl Fn()) {
    let count = Arc::new(AtomicUsize::new(0));
    let for_later = Arc::clone(&count);
    let put_off = move || {
        let count = Arc::clone(&for_later);
        after_attempt(move || {
            assert!(!in_transaction());
            // A transaction of its own must be possible.
            let one = TVar::new(1).load();
            count.fetch_add(one, Ordering::Relaxed);
        });
    };
    (count, put_off)
}

#[test]
fn put_off_work_follows_every_kind_of_end() {
    watched("after_attempt", || {
        let (count, put_off) = counted();
        let count = || count.load(Ordering::Relaxed);

        put_off();
        assert_eq!(count(), 1, "outside: at once");

        atomically(|_| {
            put_off();
            put_off();
            assert_eq!(count(), 1, "inside: later");
            Ok(())
        });
        assert_eq!(count(), 3, "after a commit");

        let error: Result<(), _> = try_atomically(|_| {
            put_off();
            abort("no")
        });
        assert_eq!((error, count()), (Err("no"), 4), "after a roll-back");

        panic_of(|| {
            atomically(|_| -> stm_core::Stm<()> {
                put_off();
                panic!("in the body")
            })
        });
        assert_eq!(count(), 5, "after a panic");

        snapshot(|_| {
            put_off();
            Ok(())
        });
        assert_eq!(count(), 6, "after a snapshot");

        let x = TVar::new(0);
        let attempts = atomically(|tx| {
            let n = x.read(tx)?;
            put_off();
            if tx.attempt() == 1 {
                elsewhere(|| x.store(7));
            }
            x.write(tx, n + 1)?;
            Ok(tx.attempt())
        });
        assert_eq!((attempts, count()), (2, 8), "after each attempt");
    });
}

#[test]
fn put_off_work_comes_before_the_sleep() {
    watched("after_attempt_sleep", || {
        let (count, put_off) = counted();
        let x = Arc::new(TVar::new(0));
        let waker = {
            let (count, x) = (Arc::clone(&count), Arc::clone(&x));
            std::thread::spawn(move || {
                common::wait_until(|| count.load(Ordering::Relaxed) == 1);
                x.store(1);
            })
        };
        atomically(|tx| {
            if x.read(tx)? == 0 {
                put_off();
                return retry();
            }
            Ok(())
        });
        waker.join().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn put_off_work_that_panics_leaves_the_commit_standing() {
    watched("after_attempt_panic", || {
        let x = TVar::new(0);
        let (count, put_off) = counted();
        atomically(|tx| {
            after_attempt(|| panic!("put off"));
            put_off();
            x.write(tx, 1)
        });
        assert_eq!((x.load(), count.load(Ordering::Relaxed)), (1, 1));
    });
}
