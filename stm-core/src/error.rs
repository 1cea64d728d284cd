//! What bodies return.

use std::convert::Infallible;
use std::fmt;

use crate::cause::Control;

/// What a transactional operation returns: a value, or the reason to leave the body. Pass it on with `?`.
pub type Stm<T> = Result<T, Control>;

/// Why a body that may fail by its own choice did not come to a result: the body of
/// [`try_atomically`](crate::try_atomically) or of [`Tx::nested`](crate::Tx::nested).
///
/// `?` turns the [`Control`] of an operation into one of these; [`abort`] makes the other.
///
/// ```
/// use stm_core::{abort, try_atomically, TVar};
///
/// let balance = TVar::new(10);
/// let result = try_atomically(|tx| {
///     let now = balance.read(tx)?;
///     if now < 50 {
///         return abort(format!("{now} is not enough"));
///     }
///     balance.write(tx, now - 50)?;
///     Ok(())
/// });
/// assert_eq!(result, Err("10 is not enough".to_string()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abort<E> {
    /// A conflict or a retry: the engine's business.
    Control(Control),
    /// The body's own error: the transaction is rolled back and the caller gets it.
    User(E),
}

impl<E> From<Control> for Abort<E> {
    #[inline(always)]
    fn from(control: Control) -> Self {
        Self::Control(control)
    }
}

impl Abort<Infallible> {
    /// What is left where there can be no error of its own: for bodies that return a [`Stm`], as
    /// `tx.decide(..).map_err(Abort::into_control)?`.
    ///
    /// ```
    /// use stm_core::{atomically, Abort, Decision, TVar};
    ///
    /// let x = TVar::new(1);
    /// atomically(|tx| {
    ///     x.write(tx, 2)?;
    ///     tx.decide(|| Decision::Commit).map_err(Abort::into_control)
    /// });
    /// assert_eq!(x.load(), 2);
    /// ```
    #[must_use]
    pub fn into_control(self) -> Control {
        match self {
            Self::Control(control) => control,
            Self::User(never) => match never {},
        }
    }
}

impl<E: fmt::Display> fmt::Display for Abort<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Control(control) => control.fmt(f),
            Self::User(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Abort<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Control(control) => Some(control),
            Self::User(error) => Some(error),
        }
    }
}

/// Asks to wait until something that this transaction has read changes, and then to run again.
///
/// Inside [`Tx::or_else`](crate::Tx::or_else) the next alternative runs instead, if there is one.
///
/// # Errors
///
/// Always; that is how it leaves the body.
///
/// # Blocking
///
/// The thread of [`atomically`](crate::atomically) sleeps, without polling; the task of
/// [`atomically_async`](crate::atomically_async) is pending. It runs again when a commit changes one of the
/// variables that it read, in whatever branch.
///
/// # Panics
///
/// Not itself. `atomically` panics if the body retries without having read anything that others could change,
/// and [`snapshot`](crate::snapshot) panics on any retry.
///
/// ```
/// use stm_core::{atomically, retry, Stm, TVar, Tx};
///
/// fn pop(tx: &mut Tx<'_>, stack: &TVar<Vec<u8>>) -> Stm<u8> {
///     match stack.update(tx, Vec::pop)? {
///         Some(top) => Ok(top),
///         None => retry(),
///     }
/// }
///
/// let stack = TVar::new(vec![]);
/// std::thread::scope(|s| {
///     let popper = s.spawn(|| atomically(|tx| pop(tx, &stack)));
///     atomically(|tx| stack.update(tx, |v| v.push(7)));
///     assert_eq!(popper.join().unwrap(), 7);
/// });
/// ```
#[inline(always)]
pub fn retry<T>() -> Stm<T> {
    Err(Control::RETRY)
}

/// [`retry`] unless `condition` holds.
///
/// # Errors
///
/// A retry, if `condition` is false.
///
/// ```
/// use stm_core::{atomically, check, TVar};
///
/// let ready = TVar::new(true);
/// atomically(|tx| check(ready.read(tx)?));
/// ```
#[inline(always)]
pub fn check(condition: bool) -> Stm<()> {
    if condition { Ok(()) } else { retry() }
}

/// Leaves a body of [`try_atomically`](crate::try_atomically) or [`Tx::nested`](crate::Tx::nested) with an
/// error of its own: what it wrote is undone.
///
/// # Errors
///
/// Always `Abort::User(error)`; see [`Abort`] for an example.
#[inline(always)]
pub fn abort<T, E>(error: E) -> Result<T, Abort<E>> {
    Err(Abort::User(error))
}
