//! What read-only code takes: either kind of transaction, and the reference that both give.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use crate::block::{Field, FormHint, Pinned, Seen};
use crate::boxed::Node;
use crate::cause::Control;
use crate::snapshot::Snapshot;
use crate::tx::Tx;

/// A transaction that can read: [`Tx`] or [`Snapshot`]. Sealed.
///
/// Code that only reads takes `&mut impl ReadTx` and serves both:
///
/// ```
/// use stm_core::{atomically, snapshot, ReadTx, Stm, TVar};
///
/// fn longest(tx: &mut impl ReadTx, names: &[TVar<String>]) -> Stm<usize> {
///     let mut longest = 0;
///     for name in names {
///         longest = longest.max(name.read_ref(tx)?.len()); // no clone
///     }
///     Ok(longest)
/// }
///
/// let names = ["a", "bcd"].map(|n| TVar::new(n.to_string()));
/// assert_eq!(atomically(|tx| longest(tx, &names)), 3);
/// assert_eq!(snapshot(|s| longest(s, &names)), 3);
/// ```
pub trait ReadTx: sealed::Access {
    /// What [`TVar::read_ref`](crate::TVar::read_ref) gives: valid to the end of the attempt.
    type Ref<T: 'static>: Deref<Target = T>;

    /// As [`Tx::attempt`]: more than 1 if the transaction was thrown away before. A snapshot never is.
    ///
    /// ```
    /// use stm_core::{ReadTx, snapshot};
    ///
    /// assert_eq!(snapshot(|s| Ok(s.attempt())), 1);
    /// ```
    fn attempt(&self) -> u32;

    #[doc(hidden)]
    fn make_ref<T: 'static>(raw: sealed::RawRef<T>) -> Self::Ref<T>;
}

impl<'t> ReadTx for Tx<'t> {
    type Ref<T: 'static> = Ref<'t, T>;

    #[inline(always)]
    fn attempt(&self) -> u32 {
        self.call.attempt
    }

    #[inline(always)]
    fn make_ref<T: 'static>(raw: sealed::RawRef<T>) -> Ref<'t, T> {
        Ref(raw, PhantomData)
    }
}

impl<'t> ReadTx for Snapshot<'t> {
    type Ref<T: 'static> = Ref<'t, T>;

    #[inline(always)]
    fn attempt(&self) -> u32 {
        1
    }

    #[inline(always)]
    fn make_ref<T: 'static>(raw: sealed::RawRef<T>) -> Ref<'t, T> {
        Ref(raw, PhantomData)
    }
}

/// A value as the transaction saw it, without a clone.
///
/// It lives as long as the attempt `'t`: longer than the borrow of the transaction and than any handle to the
/// variable, and no longer than the body. It does not change when the variable is written later in the same
/// body.
///
/// ```
/// use stm_core::{atomically, TVar};
///
/// let name = TVar::new(String::from("old"));
/// let both = atomically(|tx| {
///     let before = name.read_ref(tx)?;
///     name.write(tx, "new".into())?;
///     let after = name.read_ref(tx)?;
///     Ok(format!("{} {}", *before, *after))
/// });
/// assert_eq!(both, "old new");
/// ```
///
/// It cannot leave the body:
///
/// ```compile_fail
/// let name = stm_core::TVar::new(String::from("old"));
/// let kept = stm_core::atomically(|tx| name.read_ref(tx));
/// ```
pub struct Ref<'t, T>(sealed::RawRef<T>, PhantomData<(&'t T, *const ())>);

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        let place = match &self.0.seen {
            // SAFETY: X3. A published node is alive by the pin (R1) and immutable (B1, B2); a pending one lives in the
            // log to the end of the attempt (L3) and is not changed once a `Ref` was asked for (L2).
            Seen::Node(node, _) => unsafe { &raw const (*node.cast::<Node<T>>()).value },
            // The value's bytes start where the word's do (`bits::to_bits`), and `u64` is aligned well enough.
            Seen::Bits(bits) => (&raw const *bits).cast::<T>(),
        };
        // SAFETY: as above; for bits, they came from `to_bits` of a `T`.
        unsafe { &*place }
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

pub(crate) mod sealed {
    use super::*;

    /// A look whose lifetime the typed layer restores. Made by this crate only.
    #[derive(Debug)]
    pub struct RawRef<T> {
        pub(crate) seen: Seen<'static>,
        pub(crate) _type: PhantomData<T>,
    }

    /// The untyped operations behind the typed ones.
    pub trait Access {
        #[doc(hidden)]
        fn access(&mut self, block: ForAccess, hint: Hint) -> Result<RawSeen, Control>;

        #[doc(hidden)]
        fn access_for_ref(&mut self, block: ForAccess) -> Result<RawSeen, Control>;

        /// Words of a record.
        #[doc(hidden)]
        fn access_words<const M: usize>(
            &mut self,
            record: ForAccess,
            first: usize,
        ) -> Result<[u64; M], Control>;

        /// Runs a user's `Clone`.
        #[doc(hidden)]
        fn run_user_code<R>(&mut self, f: impl FnOnce() -> R) -> R;
    }

    /// A [`Pinned`] under a name that a public trait may mention.
    #[derive(Debug)]
    pub struct ForAccess(pub(crate) Pinned);

    /// A [`FormHint`] likewise.
    #[derive(Clone, Copy, Debug)]
    pub struct Hint(pub(crate) FormHint);

    /// A [`Seen`] likewise.
    #[derive(Debug)]
    pub struct RawSeen(pub(crate) Seen<'static>);
}

/// Forgets the lifetime; `make_ref` puts the transaction's own back, and values are copied out at once.
#[inline(always)]
fn erase(seen: Seen<'_>) -> sealed::RawSeen {
    sealed::RawSeen(match seen {
        Seen::Node(node, _) => Seen::node(node),
        Seen::Bits(bits) => Seen::Bits(bits),
    })
}

impl sealed::Access for Tx<'_> {
    #[inline(always)]
    fn access(
        &mut self,
        block: sealed::ForAccess,
        hint: sealed::Hint,
    ) -> Result<sealed::RawSeen, Control> {
        self.see(block.0, hint.0).map(erase)
    }

    #[inline(always)]
    fn access_for_ref(&mut self, block: sealed::ForAccess) -> Result<sealed::RawSeen, Control> {
        self.see_for_ref(block.0).map(erase)
    }

    #[inline(always)]
    fn access_words<const M: usize>(
        &mut self,
        record: sealed::ForAccess,
        first: usize,
    ) -> Result<[u64; M], Control> {
        self.see_words(record.0, first)
    }

    #[inline(always)]
    fn run_user_code<R>(&mut self, f: impl FnOnce() -> R) -> R {
        self.shielded(|_| f())
    }
}

impl sealed::Access for Snapshot<'_> {
    #[inline(always)]
    fn access(
        &mut self,
        block: sealed::ForAccess,
        _hint: sealed::Hint,
    ) -> Result<sealed::RawSeen, Control> {
        Ok(erase(self.see(block.0, Field::VALUE)))
    }

    fn access_for_ref(&mut self, block: sealed::ForAccess) -> Result<sealed::RawSeen, Control> {
        Ok(erase(self.see(block.0, Field::VALUE)))
    }

    fn access_words<const M: usize>(
        &mut self,
        record: sealed::ForAccess,
        first: usize,
    ) -> Result<[u64; M], Control> {
        Ok(self.see_words(record.0, first))
    }

    #[inline(always)]
    fn run_user_code<R>(&mut self, f: impl FnOnce() -> R) -> R {
        f()
    }
}
