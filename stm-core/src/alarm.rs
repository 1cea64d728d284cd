//! Alarms: somebody who is awake at a given moment.
//!
//! A thread that waits with a deadline sleeps with a timeout. A task has no such sleep, and a variable cannot change by
//! itself. An executor's timers would tie this crate to that executor; so one thread of the process, started when the
//! first alarm is set, sleeps until the earliest alarm and rings it.
//!
//! # Invariants
//!
//! - B1  What rings is user code (wakers, transactions): it runs with the list unlocked, shielded.
//! - B2  An alarm whose [`Alarm`] was dropped does not begin to ring afterwards; it may be ringing at that moment.
#![allow(
    clippy::disallowed_types,
    reason = "plain mutual exclusion around a list; no step of the protocol that the models check"
)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::mutant::{mutant, shielded};

type Bell = Box<dyn FnOnce() + Send>;

/// When, and a number that tells alarms for one moment apart.
type Key = (Instant, u64);

#[derive(Default)]
struct Alarms {
    list: BTreeMap<Key, Bell>,
    next: u64,
    /// The ringing thread runs.
    staffed: bool,
}

#[derive(Default)]
struct Clockwork {
    alarms: Mutex<Alarms>,
    earlier: Condvar,
}

static CLOCKWORK: LazyLock<Clockwork> = LazyLock::new(Clockwork::default);

impl Clockwork {
    /// Nothing that is done under the mutex can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring_for_ever(&self) {
        let mut alarms = self.lock();
        loop {
            let Some((&(at, number), _)) = alarms.list.first_key_value() else {
                alarms = self
                    .earlier
                    .wait(alarms)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let now = Instant::now();
            if now < at {
                (alarms, _) = self
                    .earlier
                    .wait_timeout(alarms, at - now)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let bell = alarms.list.remove(&(at, number));
            drop(alarms);
            if let Some(bell) = bell {
                shielded!("P-alarm", bell);
            }
            alarms = self.lock();
        }
    }
}

/// An alarm that has been set; dropping it cancels it (B2).
#[must_use = "dropping it cancels the alarm"]
pub(crate) struct Alarm(Key);

impl Alarm {
    /// Calls `bell` at `at`, from a thread of its own, or as soon as that is past.
    pub(crate) fn set(at: Instant, bell: impl FnOnce() + Send + 'static) -> Self {
        let bell = Box::new(bell);
        let mut alarms = CLOCKWORK.lock();
        if !alarms.staffed {
            std::thread::Builder::new()
                .name("stm-alarms".into())
                .spawn(|| CLOCKWORK.ring_for_ever())
                .expect("a thread for the alarms");
            alarms.staffed = true;
        }
        let key = (at, alarms.next);
        alarms.next += 1;
        alarms.list.insert(key, bell);
        drop(alarms);
        CLOCKWORK.earlier.notify_one();
        Self(key)
    }

    /// Calls `bell` as soon as may be, from a thread of its own: for those who must not call it themselves.
    pub(crate) fn ring_now(bell: impl FnOnce() + Send + 'static) {
        // Not to be cancelled. It owns nothing.
        std::mem::forget(Self::set(Instant::now(), bell));
    }
}

/// How many have not rung yet.
#[cfg(all(test, not(any(loom, shuttle))))]
pub(crate) fn count() -> usize {
    CLOCKWORK.lock().list.len()
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if mutant!("D-alarm") {
            return;
        }
        let cancelled = CLOCKWORK.lock().list.remove(&self.0);
        // B1: what the bell owns is user code's.
        drop(cancelled);
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.0).finish()
    }
}
