//! P7: user code that panics when the attempt is over, or beside it. The commit stands, the call returns, and nobody else notices.
#![cfg(not(loom))]
#![allow(clippy::disallowed_types, reason = "tests stand outside of the models")]

mod common;
#[path = "common/failures.rs"]
mod failures;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Wake, Waker};
use std::time::Duration;

use common::decided::decided;
use common::fire::elsewhere;
use common::sight::a_conflict;
use common::{block_on, poll, wait_until, watched, watched_alone};
use failures::FAILURES;
use stm_core::diagnostics::{Observer, set_observer};
use stm_core::{Decision, Stopped, TVar, Transaction, atomically, atomically_async, check, retry};

/// Panics when it is dropped, once.
struct Explodes;

impl Drop for Explodes {
    fn drop(&mut self) {
        panic!("dropped on purpose");
    }
}

/// Panics when it is woken, and counts how often it has been.
#[derive(Default)]
struct Alarming(AtomicUsize);

impl Alarming {
    fn new() -> (Arc<Self>, Waker) {
        let this = Arc::new(Self::default());
        (Arc::clone(&this), Waker::from(this))
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Alarming {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("woken on purpose");
    }
}

/// Hooks that are not run are dropped: those of a commit where there is none, and the other way round.
#[test]
fn a_hook_whose_drop_panics() {
    watched("hook_drop_panics", || {
        let x = TVar::new(0);
        atomically(|tx| {
            if tx.attempt() == 1 {
                let explodes = Explodes;
                tx.on_abort(move || drop(explodes));
            }
            x.write(tx, 1)
        });
        assert_eq!(x.load(), 1);
        let failed = Transaction::new().try_run(|tx| {
            let explodes = Explodes;
            tx.on_commit(move || drop(explodes));
            stm_core::abort::<(), _>("no")
        });
        assert!(failed.is_err());
    });
}

/// A function that is applied at commit goes with what it owns.
#[test]
fn a_function_whose_drop_panics() {
    watched("function_drop_panics", || {
        let x = TVar::new(1);
        atomically(|tx| {
            let explodes = Explodes;
            x.commute(tx, move |n| {
                let _owned = &explodes;
                n + 1
            })
        });
        assert_eq!(x.load(), 2);
    });
}

/// What a swap has cloned is dropped again if the variable changes before it can be replaced.
#[test]
fn a_clone_whose_drop_panics() {
    static CLONES: AtomicUsize = AtomicUsize::new(0);
    static VAR: std::sync::OnceLock<TVar<Stubborn>> = std::sync::OnceLock::new();
    struct Stubborn {
        n: i64,
        explodes: Option<Explodes>,
    }
    const fn plain(n: i64) -> Stubborn {
        Stubborn { n, explodes: None }
    }
    impl Clone for Stubborn {
        fn clone(&self) -> Self {
            let first = CLONES.fetch_add(1, Ordering::SeqCst) == 0;
            if first {
                // Another gets in between the look at the value and the commit.
                elsewhere(|| VAR.get().expect("made below").store(plain(2)));
            }
            Self {
                n: self.n,
                explodes: if first { Some(Explodes) } else { None },
            }
        }
    }

    watched("clone_drop_panics", || {
        let x = VAR.get_or_init(|| TVar::new(plain(1)));
        assert_eq!(x.swap(plain(3)).n, 2);
        let swapped = x.swap(plain(4));
        assert!(swapped.n == 3 && swapped.explodes.is_none());
    });
}

/// The task that waited for the decision is not the decider's.
#[test]
fn a_waker_that_panics_after_a_decision() {
    watched_alone("decision_waker_panics", || {
        let x = TVar::new(0);
        let (alarming, waker) = Alarming::new();
        let mut task = atomically_async(|tx| x.modify(tx, |n| n + 1));
        let answer = decided(
            |tx| Ok::<_, stm_core::Abort<()>>(x.write(tx, 5)?),
            |()| {
                let pending = elsewhere(|| poll(&mut task, &waker).is_pending());
                assert!(pending, "it needs what is undecided");
                Decision::Commit
            },
        );
        assert_eq!((answer, alarming.count()), (Ok(()), 1));
        block_on(task);
        assert_eq!(x.load(), 6);
    });
}

/// The task that waited for the token is not the holder's.
#[test]
fn a_waker_that_panics_when_the_token_is_free() {
    watched_alone("token_waker_panics", || {
        let conflict = a_conflict();
        let (alarming, waker) = Alarming::new();
        // It wants the token with its next attempt; until then each poll ends after some attempts.
        let mut task = atomically_async(|tx| {
            if tx.attempt() <= FAILURES {
                return Err(conflict);
            }
            Ok(())
        });
        let attempts = atomically(|tx| {
            if tx.attempt() <= FAILURES + 10 {
                return Err(conflict);
            }
            let pending = elsewhere(|| poll(&mut task, &waker).is_pending());
            assert!(pending, "the token is held");
            Ok(tx.attempt())
        });
        assert_eq!((attempts, alarming.count()), (FAILURES + 11, 1));
        block_on(task);
    });
}

/// Deadlines of others are kept after one whose waker has panicked.
#[test]
fn a_waker_that_panics_at_its_deadline() {
    watched("alarm_waker_panics", || {
        let door = TVar::new(false);
        let soon = || Transaction::new().timeout(Duration::from_millis(1));
        let (alarming, waker) = Alarming::new();
        let mut first = soon().run_async(|tx| check(door.read(tx)?));
        if poll(&mut first, &waker).is_pending() {
            wait_until(|| alarming.count() > 0);
        }
        let second = soon().run_async(|tx| {
            door.read(tx)?;
            retry::<()>()
        });
        assert_eq!(block_on(second), Err(Stopped::TimedOut));
    });
}

/// An observer that is replaced goes, by whatever way.
#[test]
fn an_observer_whose_drop_panics() {
    struct Listener(Explodes);
    impl Observer for Listener {}

    watched_alone("observer_drop_panics", || {
        set_observer(Some(Arc::new(Listener(Explodes))));
        set_observer(None);
        let (sent, told) = mpsc::channel();
        atomically(|tx| {
            let sent = sent.clone();
            tx.on_commit(move || sent.send(()).expect("it is received"));
            Ok(())
        });
        assert_eq!(told.try_recv(), Ok(()));
    });
}
