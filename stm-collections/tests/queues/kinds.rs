//! A queue of numbers that are kept in another way than numbers are: machine words lie in records, all else in variables.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, Tx};

use super::{Element, Queue};

/// What is a number for the tests, and none for the queue.
pub trait Number: Element + From<u32> + Deref<Target = u32> {}
impl<E: Element + From<u32> + Deref<Target = u32>> Number for E {}

/// Is to be dropped: a pop writes the slot.
pub type Dropped = Arc<u32>;

/// Need not be dropped: a pop leaves it in its slot.
#[derive(Clone, Copy)]
pub struct Plain(u32);

impl From<u32> for Plain {
    fn from(n: u32) -> Self {
        Self(n)
    }
}

impl Deref for Plain {
    type Target = u32;

    fn deref(&self) -> &u32 {
        &self.0
    }
}

/// A queue of `u32` that is `Q` of `E`.
pub struct Of<E, Q>(Q, PhantomData<fn() -> E>);

impl<E, Q: Clone> Clone for Of<E, Q> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

struct Within<R>(R);

impl<R> Deref for Within<R>
where
    R: Deref,
    R::Target: Deref<Target = u32>,
{
    type Target = u32;

    fn deref(&self) -> &u32 {
        &self.0
    }
}

fn refused<E: Number>(pushed: Result<(), E>) -> Result<(), u32> {
    pushed.map_err(|n| *n)
}

impl<E: Number, Q: Queue<E>> Queue<u32> for Of<E, Q> {
    fn with_room(capacity: usize) -> Self {
        Self(Q::with_room(capacity), PhantomData)
    }
    fn push(&self, tx: &mut Tx<'_>, value: u32) -> Stm<()> {
        self.0.push(tx, value.into())
    }
    fn push_front(&self, tx: &mut Tx<'_>, value: u32) -> Stm<()> {
        self.0.push_front(tx, value.into())
    }
    fn try_push(&self, tx: &mut Tx<'_>, value: u32) -> Stm<Result<(), u32>> {
        self.0.try_push(tx, value.into()).map(refused)
    }
    fn try_push_front(&self, tx: &mut Tx<'_>, value: u32) -> Stm<Result<(), u32>> {
        self.0.try_push_front(tx, value.into()).map(refused)
    }
    fn pop(&self, tx: &mut Tx<'_>) -> Stm<u32> {
        Ok(*self.0.pop(tx)?)
    }
    fn try_pop(&self, tx: &mut Tx<'_>) -> Stm<Option<u32>> {
        Ok(self.0.try_pop(tx)?.map(|n| *n))
    }
    fn drain(&self, tx: &mut Tx<'_>) -> Stm<Vec<u32>> {
        Ok(self.0.drain(tx)?.into_iter().map(|n| *n).collect())
    }
    fn peek(&self, tx: &mut impl ReadTx) -> Stm<u32> {
        Ok(*self.0.peek(tx)?)
    }
    fn try_peek(&self, tx: &mut impl ReadTx) -> Stm<Option<u32>> {
        Ok(self.0.try_peek(tx)?.map(|n| *n))
    }
    fn try_peek_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Option<impl Deref<Target = u32> + use<E, Q, X>>> {
        Ok(self.0.try_peek_ref(tx)?.map(Within))
    }
    fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.0.is_empty(tx)
    }
    fn is_full(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        self.0.is_full(tx)
    }
    fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.0.len(tx)
    }
    fn for_each(&self, tx: &mut impl ReadTx, mut f: impl FnMut(&u32)) -> Stm<()> {
        self.0.for_each(tx, |n| f(n))
    }
    fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<u32>> {
        Ok(self.0.to_vec(tx)?.into_iter().map(|n| *n).collect())
    }
}
