//! Timers: time as a variable, so that a transaction can wait for it, stop it and set it, and all of that rolls back.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::alarm::Alarm;
use crate::error::{Stm, check};
use crate::mutant::mutant;
use crate::read_tx::ReadTx;
use crate::run::atomically;
use crate::sync::Mutex;
use crate::tvar::TVar;
use crate::tx::Tx;

/// Where a timer stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Stopped,
    Set {
        at: Instant,
        /// Tells this setting from every earlier one, whose alarm may still ring.
        setting: u64,
    },
    Rung,
}

/// A moment in time that transactions can wait for; a handle, cheap to clone.
///
/// Setting and stopping are part of the transaction: undone with a branch that is undone, in force from its commit on. A
/// timer that has rung stays rung until it is set or stopped again.
///
/// Timers ring a little late when the machine is busy, never early.
///
/// ```
/// use std::time::Duration;
/// use stm_core::{atomically, check, Stm, TVar, Timer, Tx};
///
/// fn next_job(tx: &mut Tx<'_>, job: &TVar<Option<u32>>) -> Stm<u32> {
///     match job.replace(tx, None)? {
///         Some(n) => Ok(n),
///         None => stm_core::retry(),
///     }
/// }
///
/// let job = TVar::new(None);
/// let idle = Timer::after(Duration::from_millis(10));
/// let got = atomically(|tx| {
///     tx.or_else(
///         |tx| next_job(tx, &job).map(Some),
///         |tx| idle.wait(tx).map(|()| None), // both wait: for the job and for the time
///     )
/// });
/// assert_eq!(got, None);
/// ```
#[derive(Clone)]
pub struct Timer {
    state: TVar<State>,
    settings: TVar<u64>,
    /// Of the setting that was committed last. Goes with the last handle.
    alarm: Arc<Mutex<Option<Alarm>>>,
}

impl Timer {
    /// A timer that is stopped.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: TVar::new(State::Stopped),
            settings: TVar::new(0),
            alarm: Arc::default(),
        }
    }

    /// A timer that rings `delay` from now.
    ///
    /// # Panics
    ///
    /// If the clock cannot tell a moment that far away.
    #[must_use]
    #[track_caller]
    pub fn after(delay: Duration) -> Self {
        let at = Instant::now() + delay;
        let state = TVar::new(State::Set { at, setting: 1 });
        // Nobody else knows this timer yet, so there is no commit to wait for.
        let alarm = Alarm::set(at, {
            let state = state.clone();
            move || ring(&state, 1)
        });
        Self {
            state,
            settings: TVar::new(1),
            alarm: Arc::new(Mutex::new(Some(alarm))),
        }
    }

    /// Makes it ring at `at` and at no other time; soon, if that is past.
    ///
    /// The alarm is a commit hook: set within another hook, it runs from the end of that.
    ///
    /// # Errors
    ///
    /// [`Control`](crate::Control), to be passed on with `?`.
    pub fn set(&self, tx: &mut Tx<'_>, at: Instant) -> Stm<()> {
        let setting = self.settings.read(tx)? + 1;
        self.settings.write(tx, setting)?;
        self.state.write(tx, State::Set { at, setting })?;
        let state = self.state.clone();
        self.replace_alarm(tx, move || {
            Some(Alarm::set(at, move || ring(&state, setting)))
        });
        Ok(())
    }

    /// Hooks run in the order of the commits, so the last setting has the last word.
    fn replace_alarm(&self, tx: &mut Tx<'_>, next: impl FnOnce() -> Option<Alarm> + 'static) {
        let alarm = Arc::clone(&self.alarm);
        tx.on_commit(move || {
            let next = next();
            let before = std::mem::replace(&mut *alarm.lock(), next);
            if mutant!("D-timer") {
                return std::mem::forget(before);
            }
            drop(before);
        });
    }

    /// Makes it not ring, and not have rung. True if it was set and had not rung.
    ///
    /// # Errors
    ///
    /// [`Control`](crate::Control), to be passed on with `?`.
    pub fn stop(&self, tx: &mut Tx<'_>) -> Stm<bool> {
        let was = self.state.replace(tx, State::Stopped)?;
        self.replace_alarm(tx, || None);
        Ok(matches!(was, State::Set { .. }))
    }

    /// Whether it has rung.
    ///
    /// # Errors
    ///
    /// [`Control`](crate::Control), to be passed on with `?`.
    pub fn has_rung(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(self.state.read(tx)? == State::Rung)
    }

    /// When it is to ring, if it is set and has not rung.
    ///
    /// # Errors
    ///
    /// [`Control`](crate::Control), to be passed on with `?`.
    pub fn rings_at(&self, tx: &mut impl ReadTx) -> Stm<Option<Instant>> {
        Ok(match self.state.read(tx)? {
            State::Set { at, .. } => Some(at),
            State::Stopped | State::Rung => None,
        })
    }

    /// Retries until it has rung.
    ///
    /// # Blocking
    ///
    /// The transaction sleeps meanwhile. Of a timer that is stopped, until somebody sets it.
    ///
    /// # Errors
    ///
    /// [`Control`](crate::Control), to be passed on with `?`.
    pub fn wait(&self, tx: &mut impl ReadTx) -> Stm<()> {
        check(self.has_rung(tx)?)
    }
}

/// Runs on the alarms' thread. An alarm of an earlier setting finds another number and does nothing.
fn ring(state: &TVar<State>, setting: u64) {
    atomically(|tx| match state.read(tx)? {
        State::Set { setting: now, .. } if now == setting => state.write(tx, State::Rung),
        _ => Ok(()),
    });
}

impl Default for Timer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Timer").field(&self.state).finish()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::alarm;

    #[test]
    fn one_alarm_for_the_last_setting_and_none_once_stopped() {
        let hour = Duration::from_secs(3600);
        let timer = Timer::after(hour);
        assert_eq!(alarm::count(), 1);
        atomically(|tx| timer.set(tx, Instant::now() + hour));
        assert_eq!(alarm::count(), 1);
        atomically(|tx| timer.stop(tx));
        assert_eq!(alarm::count(), 0);
        atomically(|tx| timer.set(tx, Instant::now() + hour));
        drop(timer);
        assert_eq!(alarm::count(), 0);
    }
}
