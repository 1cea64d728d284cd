//! What the two sides of a channel share, and what each does with it.

use std::fmt;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, TVar, Tx};

use super::Closed;
use super::chain::{Number, Row};
use crate::tpromise::Filled;

/// The sending end, and the register of the receivers. Invariants: see the module `tchannel`.
pub(super) struct Hub<T> {
    /// Items sent so far: the number of the next one.
    sent: TVar<Number>,
    /// The row of the next item; `None` while there are no receivers (I1).
    tail: TVar<Option<Arc<Row<T>>>>,
    receivers: TVar<usize>,
    closed: TVar<bool>,
    bound: Option<Bound>,
}

/// What a bounded channel has beside.
#[derive(Debug)]
struct Bound {
    capacity: usize,
    /// Sends are free below this number (I5): it spares them a look at the receivers.
    limit: TVar<Number>,
    /// Where each receiver is.
    positions: TVar<Vec<TVar<Number>>>,
}

/// A receiver's place. A clone is the same place.
pub(super) struct Seat<T> {
    hub: Arc<Hub<T>>,
    /// The number of the next item to receive.
    position: TVar<Number>,
    /// The row of that item; `None` while it has not joined or has left (I2).
    row: TVar<Option<Arc<Row<T>>>>,
}

impl<T: Send + Sync + 'static> Hub<T> {
    pub(super) fn new(capacity: Option<usize>) -> Self {
        Self {
            sent: TVar::new(0),
            tail: TVar::new(None),
            receivers: TVar::new(0),
            closed: TVar::new(false),
            bound: capacity.map(|capacity| Bound {
                capacity,
                limit: TVar::new(capacity as Number),
                positions: TVar::new(Vec::new()),
            }),
        }
    }

    pub(super) fn receivers(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.receivers.read(tx)
    }

    /// Sends, or gives the item back if a bounded channel is full.
    pub(super) fn send(&self, tx: &mut Tx<'_>, item: T) -> Stm<Result<(), T>> {
        let tail = self.tail.read_ref(tx)?;
        let Some(row) = &*tail else {
            // Nobody will ever ask for it: I1.
            return Ok(Ok(()));
        };
        let number = self.sent.read(tx)?;
        if let Some(bound) = &self.bound
            && !bound.has_room(tx, number)?
        {
            return Ok(Err(item));
        }
        row.cell(number).write(tx, Some(item))?;
        self.sent.write(tx, number + 1)?;
        if let Some(next) = row.after(number) {
            self.tail.write(tx, Some(next))?;
        }
        Ok(Ok(()))
    }

    /// A new receiver, from the next item on.
    pub(super) fn join(self: &Arc<Self>, tx: &mut Tx<'_>) -> Stm<Seat<T>> {
        let next = self.sent.read(tx)?;
        let row = match self.tail.read(tx)? {
            Some(row) => row,
            None => {
                let row = Row::new();
                self.tail.write(tx, Some(Arc::clone(&row)))?;
                row
            }
        };
        let seat = Seat {
            hub: Arc::clone(self),
            position: TVar::new(next),
            row: TVar::new(None),
        };
        // I2: written, not made so, so that it is undone with the rest.
        seat.row.write(tx, Some(row))?;
        self.receivers.modify(tx, |n| n + 1)?;
        if let Some(bound) = &self.bound {
            bound
                .positions
                .update(tx, |all| all.push(seat.position.clone()))?;
        }
        Ok(seat)
    }
}

impl Bound {
    /// Whether item `number` may be sent: whether no receiver lags by `capacity` items. If not, the transaction has read why not
    /// and little else, so that a retry does not wake for nothing.
    fn has_room(&self, tx: &mut Tx<'_>, number: Number) -> Stm<bool> {
        if number < self.limit.read(tx)? {
            return Ok(true);
        }
        let positions = self.positions.read_ref(tx)?;
        let limit_for = |position: Number| position.saturating_add(self.capacity as Number);
        // Whom to read first is a guess. If it is good, and this one has no room, the others do not matter.
        if let Some(slowest) = positions.iter().min_by_key(|position| position.glance(tx))
            && number >= limit_for(slowest.read(tx)?)
        {
            return Ok(false);
        }
        let mut limit = Number::MAX;
        for position in &*positions {
            limit = limit.min(limit_for(position.read(tx)?));
            if number >= limit {
                return Ok(false);
            }
        }
        self.limit.write(tx, limit)?;
        Ok(true)
    }
}

/// What is to be received next: `None` if it is not there yet.
pub(super) type Next<I> = Result<Option<I>, Closed>;

/// An item where it lies, valid to the end of the attempt.
pub(super) type Item<X, T> = Filled<<X as ReadTx>::Ref<Option<T>>>;

/// The item at a seat's position, and what it takes to step behind it.
struct Front<X: ReadTx, T: Send + Sync + 'static> {
    number: Number,
    row: X::Ref<Option<Arc<Row<T>>>>,
    item: Item<X, T>,
}

impl<T: Send + Sync + 'static> Seat<T> {
    fn front<X: ReadTx>(&self, tx: &mut X) -> Stm<Next<Front<X, T>>> {
        let row_ref = self.row.read_ref(tx)?;
        let Some(row) = &*row_ref else {
            return Ok(Err(Closed));
        };
        let number = self.position.read(tx)?;
        match Filled::new(row.cell(number).read_ref(tx)?) {
            Some(item) => Ok(Ok(Some(Front {
                number,
                row: row_ref,
                item,
            }))),
            // Asked only here: what was sent is received first, and an item that is there costs no look at it.
            None if self.hub.closed.read(tx)? => Ok(Err(Closed)),
            None => Ok(Ok(None)),
        }
    }

    /// The next item, which stays the next.
    pub(super) fn peek<X: ReadTx>(&self, tx: &mut X) -> Stm<Next<Item<X, T>>> {
        Ok(self.front(tx)?.map(|next| next.map(|front| front.item)))
    }

    /// Steps behind the next item and gives what `f` makes of it.
    pub(super) fn take<'t, R>(
        &self,
        tx: &mut Tx<'t>,
        f: impl FnOnce(Item<Tx<'t>, T>) -> R,
    ) -> Stm<Next<R>> {
        let front = match self.front(tx)? {
            Ok(Some(front)) => front,
            Ok(None) => return Ok(Ok(None)),
            Err(Closed) => return Ok(Err(Closed)),
        };
        // It may panic, and the body may catch that: then nothing has been received.
        let result = f(front.item);
        self.position.write(tx, front.number + 1)?;
        if let Some(next) = front.row.as_ref().and_then(|row| row.after(front.number)) {
            self.row.write(tx, Some(next))?;
        }
        Ok(Ok(Some(result)))
    }

    /// How many items are there to receive.
    pub(super) fn lag(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        if self.row.read_ref(tx)?.is_none() {
            return Ok(0);
        }
        // I3. Each of them is in memory, so they can be counted by a `usize`.
        Ok((self.hub.sent.read(tx)? - self.position.read(tx)?) as usize)
    }

    /// Leaves, if it has joined and not left yet.
    pub(super) fn leave(&self, tx: &mut Tx<'_>) -> Stm<()> {
        if self.row.read_ref(tx)?.is_none() {
            return Ok(());
        }
        self.row.write(tx, None)?;
        let others = self.hub.receivers.read(tx)? - 1;
        self.hub.receivers.write(tx, others)?;
        if let Some(bound) = &self.hub.bound {
            bound.positions.update(tx, |all| {
                all.retain(|position| !TVar::ptr_eq(position, &self.position));
            })?;
        }
        if others == 0 {
            // I1: the row that the hub is in may hold items.
            self.hub.tail.write(tx, None)?;
        }
        Ok(())
    }
}

impl<T> Hub<T> {
    /// Holds once no handle to send with is left.
    pub(super) fn closed(&self) -> &TVar<bool> {
        &self.closed
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        self.bound.as_ref().map(|bound| bound.capacity)
    }
}

impl<T> Clone for Seat<T> {
    fn clone(&self) -> Self {
        Self {
            hub: Arc::clone(&self.hub),
            position: self.position.clone(),
            row: self.row.clone(),
        }
    }
}

impl<T> fmt::Debug for Seat<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row.fmt(f)
    }
}
