//! A thread that ends hands its garbage over, and may free much of what others left: without recursing into it.

mod common;

use std::cell::RefCell;
use std::sync::Arc;

use common::fire::collect_until;
use common::watched;
use stm_core::{TVar, atomically, snapshot};

/// Enough that one stack frame for each 64 of them would overflow any stack.
const BACKLOG: usize = if cfg!(debug_assertions) {
    60_000
} else {
    400_000
};

/// Leaves many values behind that hold the last handle of a variable: freeing one drops a handle. A snapshot keeps them all until
/// it has ended, and the transactions after it make them due.
fn leave_a_backlog() {
    let var: TVar<Option<TVar<String>>> = TVar::new(None);
    snapshot(|s| {
        var.read_ref(s)?;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..BACKLOG {
                    var.store(Some(TVar::new(String::from("held by a value"))));
                }
            });
        });
        Ok(())
    });
    for _ in 0..600 {
        let _ = var.load();
    }
}

#[test]
fn thread_exit_after_its_locals() {
    thread_local! {
        static KEPT: RefCell<Option<TVar<String>>> = const { RefCell::new(None) };
    }
    watched("thread_exit_after_its_locals", || {
        leave_a_backlog();
        std::thread::spawn(|| {
            // Touched first, so destroyed last: its variable is dropped when the thread's context has gone.
            KEPT.with(|kept| *kept.borrow_mut() = Some(TVar::new(String::new())));
            atomically(|_| Ok(()));
        })
        .join()
        .expect("the thread ends in peace");
    });
}

/// Each of them finds the thread's context gone, and the one that stood in for it before.
#[test]
fn thread_exit_with_many_locals() {
    type Kept = RefCell<Option<TVar<Arc<()>>>>;
    thread_local! {
        static KEPT: [Kept; 4] = const { [const { RefCell::new(None) }; 4] };
        static MORE: [Kept; 4] = const { [const { RefCell::new(None) }; 4] };
    }
    watched("thread_exit_with_many_locals", || {
        let value = Arc::new(());
        let alive = Arc::downgrade(&value);
        std::thread::spawn(move || {
            for kept in [&KEPT, &MORE] {
                kept.with(|kept| {
                    for slot in kept {
                        *slot.borrow_mut() = Some(TVar::new(Arc::clone(&value)));
                    }
                });
            }
            atomically(|_| Ok(()));
        })
        .join()
        .expect("the thread ends in peace");
        collect_until(|| alive.strong_count() == 0);
        assert_eq!(alive.strong_count(), 0, "freed by others");
    });
}

#[test]
fn thread_exit_frees_what_is_due() {
    watched("thread_exit_frees_what_is_due", || {
        leave_a_backlog();
        // The collector frees at every 128th pin; the one with which the thread leaves is such a pin.
        std::thread::spawn(|| {
            for _ in 0..128 {
                atomically(|_| Ok(()));
            }
        })
        .join()
        .expect("the thread ends in peace");
    });
}
