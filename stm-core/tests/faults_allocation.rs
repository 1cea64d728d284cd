//! No memory: what a body can refuse by itself is an abort like any other; where the engine or a collection of the standard
//! library cannot go on, the process ends, with nothing half-done that anybody could see.
#![cfg(not(loom))]
#![allow(
    unsafe_code,
    clippy::disallowed_types,
    reason = "a global allocator is unsafe to implement; tests stand outside of the models"
)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::TryReserveError;
use std::process::Command;
use std::ptr;

use common::watched;
use stm_core::diagnostics::{collect_garbage, registered_waits};
use stm_core::{
    Stm, TVar, Tx, abort, atomically, atomically_async, retry, snapshot, try_atomically,
};

/// The system's allocator, which on request has nothing left for the thread that asks.
struct Scarce;

#[global_allocator]
static SCARCE: Scarce = Scarce;

thread_local! {
    /// Allocations of this thread that are granted before one is refused; 0: all are granted.
    static REFUSED_IN: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the system's allocator, or null, which a caller must expect.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let refused = REFUSED_IN.try_with(|left| match left.get() {
            0 => false,
            n => {
                left.set(n - 1);
                n == 1
            }
        });
        if refused == Ok(true) {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise; `alloc` took it from the same allocator.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn a_body_that_is_refused_memory_can_give_up_like_any_other() {
    watched("refused_in_a_body", || {
        let log = TVar::new(vec![1]);
        let total = TVar::new(1);
        let append = |entries: usize, scarce: bool| -> Result<(), TryReserveError> {
            try_atomically(|tx| {
                total.modify(tx, |n| n + entries)?;
                log.update(tx, |log| {
                    REFUSED_IN.set(usize::from(scarce));
                    let reserved = log.try_reserve_exact(entries);
                    REFUSED_IN.set(0);
                    reserved.map(|()| log.extend((0..entries).map(|_| 2)))
                })?
                .or_else(abort)
            })
        };
        assert_eq!(append(10, false), Ok(()));
        assert!(append(10, true).is_err(), "there was nothing left");
        // Far more than there is, whoever allocates.
        assert!(append(usize::MAX / 16, false).is_err());
        assert_eq!((log.load().len(), total.load()), (11, 11));
        assert_eq!(append(5, false), Ok(()));
        assert_eq!((log.load().len(), total.load()), (16, 16));
    });
}

/// A little of everything that allocates in the engine.
fn errand() {
    let vars: Vec<_> = (0..40).map(|n| TVar::new([n; 4])).collect();
    let word = TVar::new(0);
    let busy = |tx: &mut Tx<'_>| -> Stm<()> {
        for var in &vars {
            var.modify(tx, |[n, ..]| [n + 1; 4])?;
        }
        word.commute(tx, |n| n + 1)?;
        tx.on_commit(|| ());
        tx.optionally(|tx| {
            vars[0].write(tx, [0; 4])?;
            retry::<()>()
        })?;
        Ok(())
    };
    atomically(busy);
    let refused = try_atomically(|tx| {
        busy(tx)?;
        abort::<(), _>(())
    });
    assert_eq!(refused, Err(()));
    let mut task = atomically_async(|tx| {
        for var in &vars {
            var.read(tx)?;
        }
        retry::<()>()
    });
    assert!(common::poll(&mut task, std::task::Waker::noop()).is_pending());
    drop(task);
    snapshot(|s| {
        word.read(s)?;
        // Saved for the snapshot: history.
        std::thread::scope(|t| t.spawn(|| word.store(7)).join().expect("it stores"));
        word.read(s)
    });
    assert_eq!((registered_waits(), vars[0].load()[0]), (0, 1));
    drop(vars);
    collect_garbage();
}

const ROLE: &str = "STM_ALLOCATION_REFUSED";

/// Each allocation of a run is refused in a process of its own: such a process says so and aborts, at once. It neither
/// panics nor hangs.
#[test]
fn where_the_engine_gets_no_memory_the_process_ends() {
    if let Ok(n) = std::env::var(ROLE) {
        // No watchdog: this thread's allocations are the ones that count.
        REFUSED_IN.set(n.parse().expect("a number"));
        errand();
        REFUSED_IN.set(0);
        println!("enough memory");
        return;
    }
    watched("refused_in_the_engine", || {
        let this = std::env::current_exe().expect("the test's own program");
        let (mut n, mut refused) = (1, 0);
        loop {
            let end = Command::new(&this)
                .args([
                    "--exact",
                    "--nocapture",
                    "where_the_engine_gets_no_memory_the_process_ends",
                ])
                .env(ROLE, n.to_string())
                .output()
                .expect("the test's own program runs");
            let said = String::from_utf8_lossy(&end.stderr);
            if end.status.success() {
                assert!(String::from_utf8_lossy(&end.stdout).contains("enough memory"));
                break;
            }
            #[cfg(unix)]
            {
                use std::os::unix::process::ExitStatusExt;
                const SIGABRT: i32 = 6;
                assert_eq!(end.status.signal(), Some(SIGABRT), "allocation {n}: {said}");
            }
            assert!(
                said.contains("memory allocation of"),
                "allocation {n}: {said}"
            );
            refused += 1;
            // Densely at first, where the engine sets itself up.
            n += 1 + n / 30;
        }
        eprintln!("{refused} allocations were refused, one in each process");
        assert!(refused > 20, "{refused}");
    });
}
