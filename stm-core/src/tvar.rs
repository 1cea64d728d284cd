//! The transactional variable: the typed face of a block.
//!
//! # Invariants
//!
//! - V1  The block of a `TVar<T>` holds values of type `T` and no other: boxed as `Node<T>`, or inline as bits
//!   from `bits::to_bits::<T>`. `TVar<T>` is invariant in `T`, so a subtype's handle cannot put in another's.
//! - V2  The form is fixed at creation: inline where `bits::is_word` says so or `new_pod` was asked, else boxed.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use crate::bits;
use crate::block::{BlockHandle, Field, FormHint, Pinned, Seen};
use crate::boxed::{Node, NodeHeader, Pending};
use crate::cause::Cause;
use crate::commit::{Alone, commit, commit_alone};
use crate::contention;
use crate::context::{self, Context};
use crate::diagnostics::known;
use crate::diagnostics::observer::{self, Event};
use crate::diagnostics::origin::Origin;
use crate::error::Stm;
use crate::limbo;
use crate::log::{Function, Log, NONE, Read, Write};
use crate::mutant::shielded;
use crate::priority;
use crate::read;
use crate::read_tx::ReadTx;
use crate::read_tx::sealed::{Access, ForAccess, Hint, RawRef};
use crate::reclaim::Pin;
use crate::record::{self, CallId};
use crate::sight;
use crate::tx::Tx;
use crate::word::Word;

/// A variable shared between threads and tasks, read and written in transactions.
///
/// A `TVar` is a handle: cloning it is cheap, needs no `T: Clone`, and gives another handle to the same variable.
/// The variable goes when its last handle has gone and no transaction can see it any more.
///
/// Any `T: Send + Sync + 'static` will do. Integers, floats, `bool` and `char` are kept in place and cost 32 bytes
/// of heap; other types are boxed, and each write allocates.
///
/// ```
/// use stm_core::{atomically, TVar};
///
/// let visits = TVar::new(0u32);
/// let name = TVar::new(String::from("nobody"));
/// atomically(|tx| {
///     visits.modify(tx, |n| n + 1)?;
///     name.write(tx, "somebody".into())
/// });
/// assert_eq!(visits.load(), 1);
/// assert_eq!(name.load(), "somebody");
/// ```
///
/// # Dropping values
///
/// A replaced value is dropped after the last transaction that may see it has ended, by whichever thread gets to it, inside
/// some call of this crate. A thread drops a few at the end of each of its transactions, and all that are due when it
/// goes to sleep or ends; in between it may keep some hundreds
/// ([`collect_garbage`](crate::diagnostics::collect_garbage) drops them now). So `T::drop` must not take a lock that is held around such calls. It
/// may run a transaction of its own. A panic in it is swallowed.
pub struct TVar<T> {
    handle: BlockHandle,
    /// V1: invariant in `T`. `Send`, `Sync` and unwind safety follow from the bound on the constructors.
    _type: PhantomData<fn(T) -> T>,
}

// The block is only ever changed by whole publications, so a panic cannot leave it half-way.
impl<T> std::panic::UnwindSafe for TVar<T> {}
impl<T> std::panic::RefUnwindSafe for TVar<T> {}

impl<T: Send + Sync + 'static> TVar<T> {
    /// A new variable holding `value`. May be called anywhere, also inside a transaction.
    #[must_use]
    pub fn new(value: T) -> Self {
        let handle = if bits::is_word::<T>() {
            // SAFETY: the types of the closed set fit and have no padding.
            BlockHandle::inline(unsafe { bits::to_bits(value) })
        } else {
            BlockHandle::boxed(value)
        };
        Self {
            handle,
            _type: PhantomData,
        }
    }

    /// As [`TVar::new`], keeping a newtype over a machine word in place like the word itself.
    ///
    /// Does not compile for types of more than eight bytes.
    ///
    /// ```
    /// use bytemuck::{AnyBitPattern, NoUninit};
    /// use stm_core::TVar;
    ///
    /// #[derive(Clone, Copy, PartialEq, Debug, AnyBitPattern, NoUninit)]
    /// #[repr(transparent)]
    /// struct Cents(i64);
    ///
    /// let price = TVar::new_pod(Cents(250));
    /// assert_eq!(price.load(), Cents(250));
    /// ```
    #[cfg(feature = "bytemuck")]
    #[must_use]
    pub fn new_pod(value: T) -> Self
    where
        T: bytemuck::NoUninit + bytemuck::AnyBitPattern,
    {
        const {
            assert!(
                bits::fits_word::<T>(),
                "only types of up to eight bytes can be kept in place"
            )
        };
        Self {
            // SAFETY: fits (just asserted); `NoUninit` says that there is no padding.
            handle: BlockHandle::inline(unsafe { bits::to_bits(value) }),
            _type: PhantomData,
        }
    }

    /// Gives the variable a label, under which [`diagnostics`](crate::diagnostics) speak of it.
    ///
    /// It belongs to the variable, whatever handle it was given through, and goes with it; a later label takes its place. It
    /// is kept beside the variable, which costs nothing where there is none, and about a hundred bytes where there is one.
    /// `x.clone().named("..")` labels a variable that is there already.
    ///
    /// ```
    /// use stm_core::TVar;
    ///
    /// let accounts: Vec<_> = (0..100).map(|i| TVar::new(0i64).named(&format!("account {i}"))).collect();
    /// assert_eq!(accounts[42].label().as_deref(), Some("account 42"));
    /// ```
    #[must_use = "the handle comes back"]
    pub fn named(self, label: &str) -> Self {
        self.handle.block().mark_known();
        known::set_label(self.handle.address(), label);
        self
    }

    /// What [`TVar::named`] said.
    ///
    /// ```
    /// assert_eq!(stm_core::TVar::new(0).label(), None);
    /// ```
    #[must_use]
    pub fn label(&self) -> Option<Arc<str>> {
        known::label(self.handle.address())
    }

    /// Whether both are handles to the same variable.
    ///
    /// ```
    /// use stm_core::TVar;
    ///
    /// let a = TVar::new(1);
    /// assert!(TVar::ptr_eq(&a, &a.clone()));
    /// assert!(!TVar::ptr_eq(&a, &TVar::new(1)));
    /// ```
    #[must_use]
    pub fn ptr_eq(a: &Self, b: &Self) -> bool {
        a.handle.address() == b.handle.address()
    }

    /// The value, cloned, as of the transaction's moment, or as it wrote it itself.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic; the transaction is doomed then.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let (x, y) = (TVar::new(1), TVar::new(2));
    /// let sum = atomically(|tx| Ok(x.read(tx)? + y.read(tx)?));
    /// assert_eq!(sum, 3);
    /// ```
    #[inline(always)]
    pub fn read<X: ReadTx>(&self, tx: &mut X) -> Stm<T>
    where
        T: Clone,
    {
        // SAFETY: a transaction exists, so this thread is pinned to its end.
        let block = ForAccess(unsafe { self.handle.pinned() });
        let seen = tx.access(block, Self::form_hint())?.0;
        // SAFETY: V1; alive to the end of the attempt.
        Ok(tx.run_user_code(|| unsafe { clone_seen(seen) }))
    }

    /// A reference to the value as of the transaction's moment, without a clone.
    ///
    /// It is tied to the attempt, not to `self` nor to the borrow of the transaction: any number of them can be
    /// held while the transaction goes on, until the body ends.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let words = [TVar::new(String::from("a")), TVar::new(String::from("b"))];
    /// let joined = atomically(|tx| {
    ///     let (first, second) = (words[0].read_ref(tx)?, words[1].read_ref(tx)?);
    ///     Ok(format!("{}{}", *first, *second))
    /// });
    /// assert_eq!(joined, "ab");
    /// ```
    #[inline(always)]
    pub fn read_ref<X: ReadTx>(&self, tx: &mut X) -> Stm<X::Ref<T>> {
        // SAFETY: as in `read`.
        let block = ForAccess(unsafe { self.handle.pinned() });
        let seen = tx.access_for_ref(block)?.0;
        Ok(X::make_ref(RawRef {
            seen,
            _type: PhantomData,
        }))
    }

    /// Gives the variable a new value, visible to others once the transaction commits.
    ///
    /// Not a read: two transactions that only write a variable do not conflict over it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. The value is lost with the attempt.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let x = TVar::new(1);
    /// atomically(|tx| x.write(tx, 2));
    /// assert_eq!(x.load(), 2);
    /// ```
    #[inline(always)]
    pub fn write(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        let block = self.pinned_by(tx);
        block.prefetch_for_write();
        let pending = self.pending(value);
        tx.stage(block, pending)
    }

    /// Replaces the value by a function of it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With the panic of `f` or of `T::clone`; the transaction is doomed then.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let x = TVar::new(20);
    /// atomically(|tx| x.modify(tx, |n| n * 2 + 2));
    /// assert_eq!(x.load(), 42);
    /// ```
    #[inline(always)]
    pub fn modify(&self, tx: &mut Tx<'_>, f: impl FnOnce(T) -> T) -> Stm<()>
    where
        T: Clone,
    {
        // SAFETY: as in `read`.
        let block = unsafe { self.handle.pinned() };
        block.prefetch_for_write();
        let seen = tx.access(ForAccess(block), Self::form_hint())?.0;
        // SAFETY: as in `read`.
        let new = tx.shielded(|_| f(unsafe { clone_seen(seen) }));
        let pending = self.pending(new);
        tx.stage(block, pending)
    }

    /// Changes the value in place and returns what `f` returns.
    ///
    /// The first change in a transaction clones the value; later ones work on that copy. So a vector that is
    /// pushed to many times in one transaction is cloned once.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With the panic of `f` or of `T::clone`; the transaction is doomed then.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let list = TVar::new(vec![1]);
    /// let len = atomically(|tx| {
    ///     list.update(tx, |v| v.push(2))?;
    ///     list.update(tx, |v| { v.push(3); v.len() })
    /// });
    /// assert_eq!(len, 3);
    /// ```
    #[inline]
    pub fn update<R>(&self, tx: &mut Tx<'_>, f: impl FnOnce(&mut T) -> R) -> Stm<R>
    where
        T: Clone,
    {
        tx.check_writable()?;
        let block = self.pinned_by(tx);
        block.prefetch_for_write();
        if self.is_inline() {
            let mut value = self.read(tx)?;
            let result = tx.shielded(|_| f(&mut value));
            let pending = self.pending(value);
            tx.stage(block, pending)?;
            return Ok(result);
        }
        let node = match tx.log.writes.changeable_node(block) {
            Some(node) => node,
            None => {
                let seen = tx.access(ForAccess(block), Self::form_hint())?.0;
                // SAFETY: as in `read`.
                let clone = || unsafe { clone_seen::<T>(seen) };
                let copy = tx.shielded(|_| Pending::boxed_by(clone));
                tx.stage(block, copy)?;
                copy.plain_node()
            }
        };
        // SAFETY: V1; pending, owned by this attempt, and no `Ref` points to it (L2), so the access is exclusive: `f`
        // cannot reach the transaction.
        Ok(tx.shielded(|_| f(unsafe { &mut *value(node) })))
    }

    /// Writes `value` and gives the old one.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic; the transaction is doomed then.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let x = TVar::new('a');
    /// assert_eq!(atomically(|tx| x.replace(tx, 'b')), 'a');
    /// ```
    pub fn replace(&self, tx: &mut Tx<'_>, value: T) -> Stm<T>
    where
        T: Clone,
    {
        let block = self.pinned_by(tx);
        block.prefetch_for_write();
        // Buried while the read may fail or unwind: dropped here, its `Drop` might run a transaction inside this one.
        let pending = self.pending(value);
        tx.log.writes.bury(pending);
        let old = self.read(tx)?;
        tx.log.writes.exhume(pending);
        tx.stage(block, pending)?;
        Ok(old)
    }

    /// Has `f` applied when the transaction commits, to whatever value is the newest then.
    ///
    /// It is no read: transactions that commute on one variable do not abort each other, and [`retry`](crate::retry) does not wait
    /// for it. So it suits what many transactions add to and none looks at: counters, sums, logs.
    ///
    /// - Functions of one transaction on one variable are applied in their order.
    /// - If the transaction reads the variable after all, before or after, this becomes an ordinary read and write; a later
    ///   write discards it.
    /// - `f` runs while the variables that the transaction writes are locked, and others wait for them: it should be short.
    ///
    /// Source: `commute` of Clojure (Hickey, "A history of Clojure", HOPL 2020, doi:10.1145/3386321), `transform` of Scala STM.
    ///
    /// # Errors
    ///
    /// [`Control`](crate::Control), to be passed on with `?`.
    ///
    /// # Panics
    ///
    /// If `f` panics, the call that runs the transaction does, and it is as if that had not been. In `f`, every way to reach a
    /// variable panics: it is inside a transaction, but has none to use.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let hits = TVar::new(0);
    /// std::thread::scope(|s| {
    ///     for _ in 0..4 {
    ///         s.spawn(|| {
    ///             for _ in 0..100 {
    ///                 atomically(|tx| hits.commute(tx, |n| n + 1));
    ///             }
    ///         });
    ///     }
    /// });
    /// assert_eq!(hits.load(), 400);
    /// ```
    pub fn commute(&self, tx: &mut Tx<'_>, f: impl Fn(&T) -> T + Send + 'static) -> Stm<()> {
        let block = self.pinned_by(tx);
        let function = Box::new(TypedFunction {
            f,
            inline: self.is_inline(),
            _type: PhantomData,
        });
        let writable = tx.check_writable();
        if writable.is_ok() && tx.log.writes.find(block).is_none() {
            tx.log.commute(block, function);
            return Ok(());
        }
        // What it owns is not to be dropped in the body.
        tx.log.lay_aside(block, function);
        writable?;
        let seen = tx.see(block, FormHint::Unknown)?;
        let pending = tx.shielded(|tx| tx.log.laid_aside_last().apply(seen));
        tx.stage(block, pending)
    }

    /// The value that was committed last, looked at in the middle of a transaction but not read by it.
    ///
    /// It is not among what the transaction rests on: it may contradict what was read, it may be outdated when it is returned,
    /// a commit that changes it does not disturb, and [`retry`](crate::retry) does not wait for it. The transaction's own
    /// writes do not show. So it serves as a hint, for *how* to do something (is it time to tidy up? is the estimate still
    /// good?), never for *what* the transaction does: whatever its result depends on must be read.
    ///
    /// Source: `unrecordedRead` and `relaxedGet` of Scala STM have the same purpose.
    ///
    /// # Blocking
    ///
    /// Waits for a commit that is under way on this variable, briefly; for one with a decider, until that has its answer.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic.
    ///
    /// ```
    /// use stm_core::{atomically, TVar};
    ///
    /// let size = TVar::new(3);
    /// let hint = atomically(|tx| {
    ///     size.write(tx, 4)?;
    ///     Ok(size.glance(tx))
    /// });
    /// assert_eq!(hint, 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn glance(&self, tx: &mut Tx<'_>) -> T
    where
        T: Clone,
    {
        tx.assert_undecided();
        let origin = Origin::new("TVar::glance", Location::caller());
        // No word is locked by this thread while a body runs, so whoever holds the lock goes on without us.
        tx.shielded(|tx| self.clone_newest(tx.pin(), origin, record::no_read).1)
    }

    /// The newest value, outside of any transaction.
    ///
    /// # Blocking
    ///
    /// Waits for a commit that is under way on this variable, briefly; for one with a decider, until that has its answer.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread; with `T::clone`'s panic.
    ///
    /// ```
    /// assert_eq!(stm_core::TVar::new(3).load(), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn load(&self) -> T
    where
        T: Clone,
    {
        let origin = Origin::new("TVar::load", Location::caller());
        self.alone(origin, |_, pin| {
            record::begin(&mut CallId::new(), 1, "TVar::load");
            let value = self.clone_newest(pin, origin, record::read).1;
            record::committed();
            value
        })
    }

    /// Writes `value`, outside of any transaction; versions it and wakes waiters like any commit.
    ///
    /// # Blocking
    ///
    /// Waits for commits that are under way on this variable, briefly; for one with a decider, until that has its answer.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread.
    ///
    /// ```
    /// let x = stm_core::TVar::new(3);
    /// x.store(4);
    /// assert_eq!(x.load(), 4);
    /// ```
    #[track_caller]
    pub fn store(&self, value: T) {
        let origin = Origin::new("TVar::store", Location::caller());
        self.publish_alone(origin, value, |_| (None, ()));
    }

    /// Writes `value` and gives the one that it replaced, outside of any transaction.
    ///
    /// # Blocking
    ///
    /// Waits for commits that are under way on this variable, briefly; for one with a decider, until that has its answer.
    ///
    /// # Panics
    ///
    /// Inside a transaction on the same thread; with `T::clone`'s panic, and then nothing has happened.
    ///
    /// ```
    /// let x = stm_core::TVar::new(3);
    /// assert_eq!(x.swap(4), 3);
    /// assert_eq!(x.load(), 4);
    /// ```
    #[must_use = "use `store` if the old value does not matter"]
    #[track_caller]
    pub fn swap(&self, value: T) -> T
    where
        T: Clone,
    {
        let origin = Origin::new("TVar::swap", Location::caller());
        self.publish_alone(origin, value, |pin| {
            let (read, old) = self.clone_newest(pin, origin, record::read);
            (Some(read), old)
        })
    }

    /// One variable's commit, again until it succeeds: `before` says what it reads and what it returns.
    fn publish_alone<R>(
        &self,
        origin: Origin,
        value: T,
        before: impl Fn(&Pin) -> (Option<Read>, R),
    ) -> R {
        let mut events: Vec<Event> = Vec::new();
        let mut attempt = 1;
        let mut call = CallId::new();
        let (result, aftermath) = self.alone(origin, |ctx, pin| {
            let pending = self.pending(value);
            // SAFETY: pinned; nothing below outlives the pin.
            let block = unsafe { self.handle.pinned() };
            if !pending.is_boxed() {
                record::begin(&mut call, attempt, origin.name());
                let (read, result) = before(pin);
                let write = Write::alone(block, pending, 0);
                if let Alone::Published = commit_alone(pin, write, read.as_slice()) {
                    record::committed();
                    ctx.count_commit();
                    return (result, None);
                }
            }
            // It owns what is pending, should `before` unwind.
            let mut log = Log::new();
            log.writes.stage_first(block, pending, NONE);
            loop {
                record::begin(&mut call, attempt, origin.name());
                let (read, result) = before(pin);
                log.reads.set(read);
                let Err(cause) = commit(pin, &mut log) else {
                    record::committed();
                    ctx.count_commit();
                    return (result, log.clear());
                };
                record::conflict(cause);
                shielded!("P-replaced", || drop(result));
                let behind = log.behind.take();
                events.extend(sight::note_conflict(cause, log.blamed, attempt, origin));
                match (cause, behind, log.blamed) {
                    (Cause::GaveWay, ..) => priority::wait_for_release(None),
                    (Cause::Undecided, Some(undecided), Some(over)) => {
                        undecided.sleep(over, None, origin);
                    }
                    _ => contention::back_off(attempt),
                }
                attempt += 1;
            }
        });
        // Unpinned by now: wakers are user code.
        if let Some(aftermath) = aftermath {
            aftermath.settle();
        }
        limbo::tend();
        events.into_iter().for_each(Event::tell);
        if observer::hears_commits() {
            sight::tell_commit(attempt, origin);
        }
        result
    }

    /// Pins and runs `f`, outside of any transaction.
    fn alone<R>(&self, origin: Origin, f: impl FnOnce(&Context, &Pin) -> R) -> R {
        context::with(|ctx| {
            ctx.assert_outside(origin.name(), origin.location());
            let _single = record::Single::new();
            f(ctx, &ctx.pin())
        })
    }

    /// `note` is told what was seen.
    fn clone_newest(
        &self,
        _pin: &Pin,
        origin: Origin,
        note: impl Fn(Pinned, Field, Word, Seen<'_>),
    ) -> (Read, T)
    where
        T: Clone,
    {
        // SAFETY: pinned, and used under that pin only.
        let block = unsafe { self.handle.pinned() };
        let (look, seen) = read::sample_patiently(block, origin);
        note(block, Field::VALUE, look.word(), seen);
        // SAFETY: V1; alive by the pin.
        (Read::new(block, look), unsafe { clone_seen(seen) })
    }

    #[inline(always)]
    pub(crate) fn pinned_by(&self, _tx: &Tx<'_>) -> Pinned {
        // SAFETY: a transaction exists, so this thread is pinned to its end.
        unsafe { self.handle.pinned() }
    }

    /// Folds to a constant.
    #[inline(always)]
    fn form_hint() -> Hint {
        Hint(if bits::is_word::<T>() {
            FormHint::Inline
        } else {
            FormHint::Unknown
        })
    }

    /// V2, W1.
    #[inline(always)]
    fn is_inline(&self) -> bool {
        bits::is_word::<T>()
            || (bits::fits_word::<T>() && self.handle.block().word().peek().is_inline())
    }

    #[inline(always)]
    fn pending(&self, value: T) -> Pending {
        pending(value, self.is_inline())
    }
}

/// A user's function on values of a variable, behind the erased interface.
struct TypedFunction<T, F> {
    f: F,
    inline: bool,
    _type: PhantomData<fn(T) -> T>,
}

impl<T: Send + Sync + 'static, F: Fn(&T) -> T> Function for TypedFunction<T, F> {
    fn apply(&self, to: Seen<'_>) -> Pending {
        let made = match to {
            Seen::Bits(bits) => {
                // SAFETY: V1. Types that are kept in place have no `Drop`.
                let value: T = unsafe { bits::from_bits(bits) };
                (self.f)(&value)
            }
            // SAFETY: V1; the caller keeps the node alive and unchanged meanwhile.
            Seen::Node(node, _) => (self.f)(unsafe { &*value::<T>(node) }),
        };
        pending(made, self.inline)
    }

    fn needs_drop(&self) -> bool {
        std::mem::needs_drop::<F>()
    }
}

#[inline(always)]
fn pending<T>(value: T, inline: bool) -> Pending {
    if inline {
        // SAFETY: V2, only types without padding that fit have the inline form.
        Pending::bits(unsafe { bits::to_bits(value) })
    } else {
        Pending::boxed(value)
    }
}

/// A copy of what was seen in a variable of type `T`. Unwinds with its `clone`.
///
/// # Safety
///
/// V1 for that variable, and a node is alive.
#[inline(always)]
unsafe fn clone_seen<T: Clone>(seen: Seen<'_>) -> T {
    match seen {
        // SAFETY: V1, by the caller's promise.
        Seen::Bits(bits) if bits::fits_word::<T>() => unsafe { bits::from_bits(bits) },
        Seen::Bits(_) => unreachable!("V2"),
        // SAFETY: as above.
        Seen::Node(node, _) => unsafe { (*value::<T>(node)).clone() },
    }
}

/// The place of the value in a node of type `T` (V1).
#[inline(always)]
fn value<T>(node: *mut NodeHeader) -> *mut T {
    let node = node.cast::<Node<T>>();
    // SAFETY: only computes an address; the node is alive where this is called.
    unsafe { &raw mut (*node).value }
}

impl<T> Clone for TVar<T> {
    fn clone(&self) -> Self {
        Self {
            handle: self.handle.clone(),
            _type: PhantomData,
        }
    }
}

/// Shows which variable it is. The value is not shown: reading it takes a transaction, or `load` outside of one.
impl<T> fmt::Debug for TVar<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TVar").field(&self.handle).finish()
    }
}

impl<T: Default + Send + Sync + 'static> Default for TVar<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: Send + Sync + 'static> From<T> for TVar<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

const _: () = {
    const fn auto_traits<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    auto_traits::<TVar<std::cell::Cell<u8>>>();
};
