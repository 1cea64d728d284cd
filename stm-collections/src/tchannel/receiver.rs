//! The receiving side's face.

use std::fmt;
use std::ops::Deref;

use stm_core::{ReadTx, Stm, Tx, after_attempt, atomically, retry};

use super::Closed;
use super::hub::{Next, Seat};

/// A receiver of a [`TChannel`](crate::TChannel): it gets every item that was sent since it joined, in the order of the commits, at
/// its own pace.
///
/// It leaves when it is dropped, and what it has not received goes with it; inside a body the leaving takes effect when the
/// attempt is over, however that ends. A leaving that is to be part of the transaction is [`leave`](Self::leave). Call that, too, for
/// a receiver that is kept in a variable: what a variable has held is dropped some time after it was replaced.
///
/// There is no `Clone`, as joining takes a transaction: [`subscribe`](crate::TChannel::subscribe) once more, or share this one by
/// reference or `Arc`. Who shares a receiver shares the items: each goes to one of them.
///
/// ```
/// use stm_collections::TChannel;
/// use stm_core::atomically;
///
/// let channel = TChannel::new();
/// let receiver = atomically(|tx| channel.subscribe(tx));
/// atomically(|tx| {
///     channel.send(tx, 1)?;
///     channel.send(tx, 2)
/// });
/// let sum = atomically(|tx| {
///     let (a, b) = (receiver.recv(tx)?, receiver.recv(tx)?);
///     Ok(a.and_then(|a| b.map(|b| a + b)))
/// });
/// assert_eq!(sum, Ok(3));
/// ```
pub struct TReceiver<T: Send + Sync + 'static> {
    seat: Seat<T>,
}

impl<T: Send + Sync + 'static> TReceiver<T> {
    pub(super) fn at(seat: Seat<T>) -> Self {
        Self { seat }
    }

    /// Receives the next item, cloned; [`Closed`] if there is none and there will not be.
    ///
    /// # Blocking
    ///
    /// Waits while there is no item and the channel is not closed. The twin that does not wait is [`try_recv`](Self::try_recv).
    ///
    /// # Errors
    ///
    /// A retry while it waits, or a conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic.
    ///
    /// Tasks wait likewise:
    ///
    /// ```
    /// use stm_collections::{Closed, TChannel};
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// let mut cx = Context::from_waker(Waker::noop());
    ///
    /// let mut item = pin!(atomically_async(|tx| receiver.recv(tx)));
    /// assert!(item.as_mut().poll(&mut cx).is_pending());
    /// atomically(|tx| channel.send(tx, 'x')); // wakes the task
    /// assert_eq!(item.as_mut().poll(&mut cx), Poll::Ready(Ok('x')));
    ///
    /// let mut item = pin!(atomically_async(|tx| receiver.recv(tx)));
    /// assert!(item.as_mut().poll(&mut cx).is_pending());
    /// drop(channel); // so does this
    /// assert_eq!(item.as_mut().poll(&mut cx), Poll::Ready(Err(Closed)));
    /// ```
    pub fn recv(&self, tx: &mut Tx<'_>) -> Stm<Result<T, Closed>>
    where
        T: Clone,
    {
        wait(self.try_recv(tx)?)
    }

    /// As [`recv`](Self::recv), without a clone: the item is valid to the end of the body.
    ///
    /// # Blocking
    ///
    /// As [`recv`](Self::recv). The twin that does not wait is [`try_recv_ref`](Self::try_recv_ref).
    ///
    /// # Errors
    ///
    /// A retry while it waits, or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// atomically(|tx| channel.send(tx, String::from("long text")));
    /// let len = atomically(|tx| Ok(receiver.recv_ref(tx)?.map(|text| text.len())));
    /// assert_eq!(len, Ok(9));
    /// ```
    pub fn recv_ref<'t>(
        &self,
        tx: &mut Tx<'t>,
    ) -> Stm<Result<impl Deref<Target = T> + use<'t, T>, Closed>> {
        wait(self.seat.take(tx, |item| item)?)
    }

    /// Receives the next item, cloned; `Ok(None)` if it is not there yet, [`Closed`] if it will never be.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic.
    ///
    /// ```
    /// use stm_collections::{Closed, TChannel};
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// assert_eq!(atomically(|tx| receiver.try_recv(tx)), Ok(None));
    /// atomically(|tx| channel.send(tx, 5));
    /// drop(channel);
    /// assert_eq!(atomically(|tx| receiver.try_recv(tx)), Ok(Some(5)));
    /// assert_eq!(atomically(|tx| receiver.try_recv(tx)), Err(Closed));
    /// ```
    pub fn try_recv(&self, tx: &mut Tx<'_>) -> Stm<Result<Option<T>, Closed>>
    where
        T: Clone,
    {
        self.seat.take(tx, |item| (*item).clone())
    }

    /// As [`try_recv`](Self::try_recv), without a clone: the item is valid to the end of the body.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::<String>::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// assert!(atomically(|tx| Ok(receiver.try_recv_ref(tx)?.is_ok_and(|item| item.is_none()))));
    /// ```
    pub fn try_recv_ref<'t>(
        &self,
        tx: &mut Tx<'t>,
    ) -> Stm<Result<Option<impl Deref<Target = T> + use<'t, T>>, Closed>> {
        self.seat.take(tx, |item| item)
    }

    /// The next item, cloned, without receiving it.
    ///
    /// # Blocking
    ///
    /// As [`recv`](Self::recv). The twin that does not wait is [`try_peek`](Self::try_peek).
    ///
    /// # Errors
    ///
    /// A retry while it waits, or a conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// atomically(|tx| channel.send(tx, 5));
    /// assert_eq!(atomically(|tx| receiver.peek(tx)), Ok(5));
    /// assert_eq!(atomically(|tx| receiver.recv(tx)), Ok(5));
    /// ```
    pub fn peek(&self, tx: &mut impl ReadTx) -> Stm<Result<T, Closed>>
    where
        T: Clone,
    {
        wait(self.try_peek(tx)?)
    }

    /// As [`peek`](Self::peek), without a clone: the item is valid to the end of the body.
    ///
    /// # Blocking
    ///
    /// As [`recv`](Self::recv). The twin that does not wait is [`try_peek_ref`](Self::try_peek_ref).
    ///
    /// # Errors
    ///
    /// A retry while it waits, or a conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// atomically(|tx| channel.send(tx, String::from("long text")));
    /// let len = atomically(|tx| Ok(receiver.peek_ref(tx)?.map(|text| text.len())));
    /// assert_eq!(len, Ok(9));
    /// ```
    pub fn peek_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Result<impl Deref<Target = T> + use<X, T>, Closed>> {
        wait(self.seat.peek(tx)?)
    }

    /// The next item, cloned, without receiving it; `Ok(None)` if it is not there yet, [`Closed`] if it will never be.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// # Panics
    ///
    /// With `T::clone`'s panic.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let channel = TChannel::<u8>::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// assert_eq!(snapshot(|s| receiver.try_peek(s)), Ok(None));
    /// ```
    pub fn try_peek(&self, tx: &mut impl ReadTx) -> Stm<Result<Option<T>, Closed>>
    where
        T: Clone,
    {
        Ok(self
            .seat
            .peek(tx)?
            .map(|next| next.map(|item| (*item).clone())))
    }

    /// As [`try_peek`](Self::try_peek), without a clone: the item is valid to the end of the body.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let channel = TChannel::<String>::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// assert!(snapshot(|s| Ok(receiver.try_peek_ref(s)?.is_ok_and(|item| item.is_none()))));
    /// ```
    pub fn try_peek_ref<X: ReadTx>(
        &self,
        tx: &mut X,
    ) -> Stm<Result<Option<impl Deref<Target = T> + use<X, T>>, Closed>> {
        self.seat.peek(tx)
    }

    /// Whether there is nothing to receive now.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// assert!(atomically(|tx| receiver.is_empty(tx)));
    /// atomically(|tx| channel.send(tx, 5));
    /// assert!(!atomically(|tx| receiver.is_empty(tx)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(!matches!(self.seat.peek(tx)?, Ok(Some(_))))
    }

    /// How many items there are to receive now: by how many this receiver lags.
    ///
    /// Cheap, but it conflicts with every send; [`is_empty`](Self::is_empty) hardly ever does.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// atomically(|tx| channel.send(tx, 'a'));
    /// atomically(|tx| channel.send(tx, 'b'));
    /// assert_eq!(snapshot(|s| receiver.len(s)), 2);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.seat.lag(tx)
    }

    /// Leaves the channel: what was not received is given up, and a sender that waits for this receiver goes on.
    ///
    /// From then on it receives [`Closed`]. To leave twice is to leave.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::{Closed, TChannel};
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// let last = atomically(|tx| {
    ///     channel.send(tx, 'a')?;
    ///     channel.send(tx, 'b')?;
    ///     let last = receiver.recv(tx)?;
    ///     receiver.leave(tx)?;
    ///     Ok(last)
    /// });
    /// assert_eq!(last, Ok('a'));
    /// assert_eq!(atomically(|tx| receiver.recv(tx)), Err(Closed));
    /// assert_eq!(atomically(|tx| channel.receivers(tx)), 0);
    /// ```
    pub fn leave(&self, tx: &mut Tx<'_>) -> Stm<()> {
        self.seat.leave(tx)
    }
}

/// Retries if the item is not there yet.
fn wait<I>(next: Next<I>) -> Stm<Result<I, Closed>> {
    match next {
        Ok(Some(item)) => Ok(Ok(item)),
        Ok(None) => retry(),
        Err(closed) => Ok(Err(closed)),
    }
}

impl<T: Send + Sync + 'static> Drop for TReceiver<T> {
    fn drop(&mut self) {
        let seat = self.seat.clone();
        after_attempt(move || atomically(|tx| seat.leave(tx)));
    }
}

/// Shows which receiver it is. What there is to receive is not shown: reading it takes a transaction.
impl<T: Send + Sync + 'static> fmt::Debug for TReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TReceiver").field(&self.seat).finish()
    }
}
