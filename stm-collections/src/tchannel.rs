//! A channel in which everybody hears everything.
//!
//! # The problem, and the idea
//!
//! Events are to reach all who listen, each at its own pace. One queue a listener does it, if every send writes every queue:
//! then it costs as much as there are listeners, and conflicts with each of them. So there is one chain of cells, written once
//! each by the senders, and a listener is nothing but a position in it. Receiving is a step forward; it writes nothing but the
//! receiver's own position. What lies behind the last position has no owner any more and is freed by itself. And when nobody
//! listens the hub has no chain: Haskell's broadcast `TChan` (package `stm`, `newBroadcastTChan`), which this follows, holds the
//! write end only, for the same reason.
//!
//! The cells lie in rows of 32, and the links between these are no variables: see the module `chain` for why.
//!
//! # Closing
//!
//! As with the channels of crossbeam and tokio, a channel is closed when the last handle to send with is dropped, and by nothing
//! else: as long as somebody can still send, receivers wait; once nobody can, they get what is there and then [`Closed`], and who
//! waits is woken to learn of it. There is no `close` to call. So a send cannot fail, nobody closes the channel under another's
//! feet, and whoever wants an end in the middle of a transaction sends one, as a variant of its item type.
//!
//! The dropping itself is not part of any transaction. Inside a body it takes effect when the attempt is over.
//!
//! # Bounded
//!
//! With a capacity the slowest receiver may lag by so many items; then `send` waits for it. Senders do not look at the receivers
//! each time: they keep a number up to which there is room for certain, and look again when they have come to it. And when there
//! is no room they have read one receiver's position, the slowest one's, and sleep until that one moves, or somebody joins or
//! leaves.
//!
//! # Cost
//!
//! | operation                           | reads                                     | writes                                   |
//! |-------------------------------------|-------------------------------------------|------------------------------------------|
//! | `send`, nobody there                | tail                                      |                                          |
//! | `send`                              | tail, number                              | one cell, number; every 32nd: tail       |
//! | `send`, bounded, besides            | limit; at the limit every position        | at the limit: limit                      |
//! | `recv`, `peek` & twins              | row, position, one cell; if empty: closed | `recv`: position; every 32nd: row        |
//! | `is_empty`                          | the same                                  |                                          |
//! | `len`                               | row, position, number                     |                                          |
//! | `subscribe`, `leave`                | number, tail, count                       | row, count; the first, the last: tail    |
//! | .. bounded, besides                 | the positions                             | the positions, copied                    |
//!
//! A send allocates a node for the item, and one in 32 a row. No operation costs more because there are many receivers, but for
//! those of the last line and the look of a sender that has come to its limit.
//!
//! Memory: the rows from the slowest receiver's on, each of them 2 KiB and some besides its items. So at most 31 items are kept that
//! all have received. A hub without receivers holds no item and no row.
//!
//! # Which pairs of operations conflict
//!
//! |                      | `send`      | `recv`, same receiver | `recv`, another | `subscribe` | `leave`       |
//! |----------------------|-------------|-----------------------|-----------------|-------------|---------------|
//! | `send`               | yes         | only (1), (2)         | only (1), (2)   | yes         | only (2), (3) |
//! | `recv`               | only (1),(2)| yes                   | no              | no          | of itself     |
//! | `peek`, `is_empty`   | only (1)    | yes                   | no              | no          | of itself     |
//! | `len`                | yes         | yes                   | no              | no          | of itself     |
//! | `receivers`          | no          | no                    | no              | yes         | yes           |
//! | `subscribe`, `leave` | as above    | `leave`               | no              | yes         | yes           |
//!
//! (1) If the receiver found it empty: what it did rests on that. (2) Bounded, when the sender has come to its limit. (3) The last
//! one to leave. Of a `send` and a `subscribe` it is the latter that runs again, unless it is the first one to join, or (2).
//!
//! # Picture
//!
//! ```text
//!   TChannel ──▶ hub   sent: 70   receivers: 2   closed: false
//!   TChannel ──▶  │ tail: item 70's row
//!                 ▼
//!  ┌────────────────┐    ┌────────────────┐    ┌────────────────┐
//!  │ 0  1  2  .. 31 │───▶│ 32 33 34 .. 63 │───▶│ 64 65 .. 69 ·· │   ·· empty cells
//!  └────────────────┘    └────────────────┘    └────────────────┘
//!   freed: nobody is       ▲                     ▲
//!   in front of it       TReceiver at 34       TReceiver at 70: waits for the cell of 70
//! ```
//!
//! # Invariants
//!
//! - I1  `tail` is `None` exactly while there are no receivers; otherwise it is the row of item `sent`.
//! - I2  A seat's `row` is `Some` exactly from its join to its leave, so it tells whether the seat counts as one of `receivers`, and
//!   whether `positions` has it. It is made `None` and written by the join: one that is undone leaves a seat that never joined.
//! - I3  A joined seat's `row` is that of its `position`, which is not above `sent`. The cells from there up to `sent` are full and
//!   reached through the links; that of `sent` is empty.
//! - I4  Numbers and positions never go down.
//! - I5  `limit` is not above any joined seat's position plus the capacity. (A join keeps it: it was computed from a position that
//!   was not above `sent` then, and the new one is at `sent` now.)

mod chain;
mod hub;
mod receiver;

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, Tx, after_attempt, retry};

use hub::Hub;
pub use receiver::TReceiver;

/// A broadcast channel's sending side: every item goes to every receiver that has joined by then.
///
/// It is a handle: a clone sends into the same channel. When the last one is dropped the channel is closed: receivers get what was
/// sent, and then [`Closed`]. So whoever keeps a handle only to [`subscribe`](Self::subscribe) later keeps it open.
///
/// ```
/// use stm_collections::{Closed, TChannel};
/// use stm_core::atomically;
///
/// let news = TChannel::new();
/// let (ann, bob) = atomically(|tx| Ok((news.subscribe(tx)?, news.subscribe(tx)?)));
/// std::thread::scope(|s| {
///     let reader = s.spawn(|| atomically(|tx| ann.recv(tx))); // sleeps
///     atomically(|tx| news.send(tx, "rain"));
///     assert_eq!(reader.join().unwrap(), Ok("rain"));
/// });
/// assert_eq!(atomically(|tx| bob.recv(tx)), Ok("rain"));
/// drop(news);
/// assert_eq!(atomically(|tx| bob.recv(tx)), Err(Closed));
/// ```
pub struct TChannel<T> {
    senders: Arc<Senders<T>>,
}

/// Owned by every handle to send with and by nothing else: it goes with the last of them.
struct Senders<T> {
    hub: Arc<Hub<T>>,
}

/// There are no more items to receive, and there will not be.
///
/// ```
/// use stm_collections::{Closed, TChannel};
/// use stm_core::atomically;
///
/// let channel = TChannel::<u8>::new();
/// let receiver = atomically(|tx| channel.subscribe(tx));
/// drop(channel);
/// assert_eq!(atomically(|tx| receiver.recv(tx)), Err(Closed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Closed;

impl<T: Send + Sync + 'static> TChannel<T> {
    /// A channel without receivers, in which these may lag as far as memory goes.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::new();
    /// atomically(|tx| channel.send(tx, "nobody hears it"));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with(None)
    }

    /// A channel without receivers, of which none may lag by more than `capacity` items: [`send`](Self::send) waits for the slowest.
    ///
    /// The capacity costs nothing; only what is in the channel does. With a capacity of 0 no receiver may lag at all, so nothing can
    /// be sent as long as there is one. (It is not a rendezvous: two transactions cannot meet, each takes place before or after
    /// the other.)
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::bounded(1);
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// assert_eq!(atomically(|tx| channel.try_send(tx, 'a')), Ok(()));
    /// assert_eq!(atomically(|tx| channel.try_send(tx, 'b')), Err('b'));
    /// drop(receiver); // nobody lags any more
    /// assert_eq!(atomically(|tx| channel.try_send(tx, 'b')), Ok(()));
    /// ```
    #[must_use]
    pub fn bounded(capacity: usize) -> Self {
        Self::with(Some(capacity))
    }

    fn with(capacity: Option<usize>) -> Self {
        Self {
            senders: Arc::new(Senders {
                hub: Arc::new(Hub::new(capacity)),
            }),
        }
    }

    /// Sends `item` to everybody who has joined. If that is nobody, the item is dropped.
    ///
    /// # Blocking
    ///
    /// If the channel is bounded and full, waits until the slowest receiver has gone on or left. The twin that does not wait is
    /// [`try_send`](Self::try_send). One transaction cannot send more items than the capacity to a receiver that does not receive
    /// within it: it would wait for ever.
    ///
    /// # Errors
    ///
    /// A retry while it waits, or a conflict. Pass it on with `?`. The item is lost with the attempt.
    ///
    /// Tasks wait likewise:
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::{atomically, atomically_async};
    /// # use std::{pin::pin, future::Future, task::{Context, Poll, Waker}};
    ///
    /// let channel = TChannel::bounded(1);
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// atomically(|tx| channel.send(tx, 1));
    /// let mut sent = pin!(atomically_async(|tx| channel.send(tx, 2)));
    ///
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(sent.as_mut().poll(&mut cx).is_pending());
    /// assert_eq!(atomically(|tx| receiver.recv(tx)), Ok(1)); // wakes the task
    /// assert!(sent.as_mut().poll(&mut cx).is_ready());
    /// ```
    pub fn send(&self, tx: &mut Tx<'_>, item: T) -> Stm<()> {
        match self.try_send(tx, item)? {
            Ok(()) => Ok(()),
            Err(_) => retry(),
        }
    }

    /// As [`send`](Self::send), but if the channel is full it gives the item back. Without a bound it never is.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. The item is lost with the attempt.
    ///
    /// See [`bounded`](Self::bounded) for an example.
    pub fn try_send(&self, tx: &mut Tx<'_>, item: T) -> Stm<Result<(), T>> {
        self.senders.hub.send(tx, item)
    }

    /// A new receiver. It gets what is sent from now on: what this transaction sends after this, and what others commit after it.
    ///
    /// If it is undone, the receiver is as one that has [left](TReceiver::leave).
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
    /// let receiver = atomically(|tx| {
    ///     channel.send(tx, "before")?;
    ///     let receiver = channel.subscribe(tx)?;
    ///     channel.send(tx, "after")?;
    ///     Ok(receiver)
    /// });
    /// assert_eq!(atomically(|tx| receiver.recv(tx)), Ok("after"));
    /// ```
    pub fn subscribe(&self, tx: &mut Tx<'_>) -> Stm<TReceiver<T>> {
        Ok(TReceiver::at(self.senders.hub.join(tx)?))
    }

    /// How many receivers have joined and not left.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TChannel;
    /// use stm_core::atomically;
    ///
    /// let channel = TChannel::<u8>::new();
    /// let receiver = atomically(|tx| channel.subscribe(tx));
    /// assert_eq!(atomically(|tx| channel.receivers(tx)), 1);
    /// drop(receiver);
    /// assert_eq!(atomically(|tx| channel.receivers(tx)), 0);
    /// ```
    pub fn receivers(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.senders.hub.receivers(tx)
    }
}

impl<T> TChannel<T> {
    /// By how many items a receiver may lag; `None` if there is no bound.
    ///
    /// ```
    /// use stm_collections::TChannel;
    ///
    /// assert_eq!(TChannel::<u8>::bounded(9).capacity(), Some(9));
    /// assert_eq!(TChannel::<u8>::new().capacity(), None);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.senders.hub.capacity()
    }
}

impl<T> Drop for Senders<T> {
    fn drop(&mut self) {
        let closed = self.hub.closed().clone();
        after_attempt(move || closed.store(true));
    }
}

impl<T> Clone for TChannel<T> {
    fn clone(&self) -> Self {
        Self {
            senders: Arc::clone(&self.senders),
        }
    }
}

/// Shows the capacity. Who listens and what was sent is not shown: reading it takes a transaction.
impl<T> fmt::Debug for TChannel<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TChannel")
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Without a bound.
impl<T: Send + Sync + 'static> Default for TChannel<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed and has been received to its end")
    }
}

impl Error for Closed {}
