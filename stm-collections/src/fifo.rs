//! Permits that are handed out in order: the core of the semaphore and of the read-write lock.
//!
//! # The problem, and the idea
//!
//! The obvious semaphore is one counter: take if there is enough, else `retry`. It is right, and it is a herd: a release wakes
//! all who wait, one of them gets the permit, and the rest go back to sleep. A thousand waiters on one permit make up to half a
//! million attempts. And it is unfair: who wants many never finds them while others take one by one.
//!
//! Here who cannot be served at once enters a *line*, in a transaction that commits, and then sleeps in a second one on a
//! variable of its own. A release serves the line from its head and writes the variables of those whom it serves, nobody
//! else's. So each wait wakes once. It is the queue of the fair locks (Mellor-Crummey and Scott, "Algorithms for Scalable
//! Synchronization on Shared-Memory Multiprocessors", TOCS 1991, doi:10.1145/103727.103729: each waiter spins on a place of its
//! own), with `retry` for the spinning; the list is doubly linked, because a waiter may be cancelled in the middle of it.
//!
//! Two transactions, because one cannot do it: what a body wrote before it retries is undone, so it cannot stand in line.
//!
//! # Picture
//!
//! ```text
//!   free 0   gathered 2        who comes now finds nothing free and goes to the end;
//!                              3 more, and A is served, alone
//!   head                                       tail
//!    │                                          │
//!    ▼             next          next           ▼
//!  ┌───────────┐ ──────▶ ┌───────────┐ ──────▶ ┌───────────┐
//!  │ wanted 5  │         │ wanted 1  │         │ wanted 1  │
//!  │ granted ✗ │ ◀────── │ granted ✗ │ ◀────── │ granted ✗ │
//!  └───────────┘  prev   └───────────┘  prev   └───────────┘
//!        ▲ sleeps on           ▲                     ▲
//!     thread A              task B                thread C
//! ```
//!
//! # Invariants
//!
//! They hold at every commit.
//!
//! - Q1  `free > 0` only while nobody stands in line, `gathered > 0` only while somebody does. So who looks at `free` alone
//!   cannot overtake the line, and a release to the line does not touch what those outside of it read.
//! - Q2  The first in line wants more than is gathered.
//! - Q3  A place stands in line or is granted, not both. Standing ends by `serve` or by `leave`, each once.
//! - Q4  A place that stands in no line has neither `prev` nor `next`: no circle of counts keeps it alive, and no place is
//!   freed only after another, in a chain as long as the line was.
//! - Q5  `free + gathered <= max`, and it changes by exactly what is given and taken.
//! - Q6  A place that stands in line has an owner, a [`Turn`], whose end makes it leave: no permits are kept for nobody.

use std::future::Future;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, TVar, Tx, after_attempt, atomically, atomically_async, check};

type Link = Option<Arc<Place>>;

/// A place in the line.
#[derive(Debug)]
pub(crate) struct Place {
    wanted: usize,
    /// What its owner sleeps on.
    granted: TVar<bool>,
    prev: TVar<Link>,
    next: TVar<Link>,
}

/// What a claim came to.
#[must_use]
#[derive(Debug)]
pub(crate) enum Claim {
    Granted,
    InLine(Arc<Place>),
}

/// Permits and the line of those who wait for some.
#[derive(Debug)]
pub(crate) struct Permits {
    max: usize,
    free: TVar<usize>,
    /// Set aside for the first in line.
    gathered: TVar<usize>,
    head: TVar<Link>,
    tail: TVar<Link>,
    /// Two counters for one length, so that both ends of a long line can move at a time.
    entered: TVar<u64>,
    left: TVar<u64>,
}

impl Permits {
    /// `permits` of at most `max`.
    pub(crate) fn new(permits: usize, max: usize) -> Arc<Self> {
        debug_assert!(permits <= max);
        Arc::new(Self {
            max,
            free: TVar::new(permits),
            gathered: TVar::new(0),
            head: TVar::new(None),
            tail: TVar::new(None),
            entered: TVar::new(0),
            left: TVar::new(0),
        })
    }

    /// What can be had at once.
    pub(crate) fn free(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        self.free.read(tx)
    }

    /// What nobody holds, whoever it is meant for.
    pub(crate) fn unheld(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        Ok(self.free.read(tx)? + self.gathered.read(tx)?)
    }

    /// How many stand in line.
    pub(crate) fn waiting(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        let waiting = self.entered.read(tx)? - self.left.read(tx)?;
        Ok(usize::try_from(waiting).unwrap_or(usize::MAX))
    }

    /// Takes `n` if they are free; Q1 makes that fair to the line.
    pub(crate) fn try_take(&self, tx: &mut Tx<'_>, n: usize) -> Stm<bool> {
        let free = self.free.read(tx)?;
        if free < n {
            return Ok(false);
        }
        if n > 0 {
            self.free.write(tx, free - n)?;
        }
        Ok(true)
    }

    /// As [`Permits::try_take`]; waits, outside of the line.
    pub(crate) fn take(&self, tx: &mut Tx<'_>, n: usize) -> Stm<()> {
        check(self.try_take(tx, n)?)
    }

    /// Gives `n` to the line, or to all if there is none. What would exceed the maximum is lost, and is the result.
    pub(crate) fn give(&self, tx: &mut Tx<'_>, n: usize) -> Stm<usize> {
        let in_line = self.head.read_ref(tx)?.is_some();
        let there = if in_line { &self.gathered } else { &self.free }.read(tx)?;
        let given = n.min(self.max - there);
        if in_line {
            self.serve(tx, there + given)?;
        } else if given > 0 {
            self.free.write(tx, there + given)?;
        }
        Ok(n - given)
    }

    /// Takes `n`, or a place at the end of the line.
    pub(crate) fn claim(&self, tx: &mut Tx<'_>, n: usize) -> Stm<Claim> {
        if self.try_take(tx, n)? {
            return Ok(Claim::Granted);
        }
        let free = self.free.read(tx)?;
        if free > 0 {
            // Q1: the line was empty, and nothing was gathered.
            self.gathered.write(tx, free)?;
            self.free.write(tx, 0)?;
        }
        self.enter(tx, n).map(Claim::InLine)
    }

    fn enter(&self, tx: &mut Tx<'_>, wanted: usize) -> Stm<Arc<Place>> {
        let last = self.tail.read(tx)?;
        let place = Arc::new(Place {
            wanted,
            granted: TVar::new(false),
            prev: TVar::new(last.clone()),
            next: TVar::new(None),
        });
        let before = last.as_ref().map_or(&self.head, |last| &last.next);
        before.write(tx, Some(Arc::clone(&place)))?;
        self.tail.write(tx, Some(Arc::clone(&place)))?;
        self.entered.modify(tx, |n| n + 1)?;
        Ok(place)
    }

    /// Gives up a place: its permits, if it has been served, else its standing, and those behind get their chance.
    pub(crate) fn leave(&self, tx: &mut Tx<'_>, place: &Place) -> Stm<()> {
        if place.granted.read(tx)? {
            return self.give(tx, place.wanted).map(drop);
        }
        let was_first = place.prev.read_ref(tx)?.is_none();
        self.unlink(tx, place)?;
        if was_first {
            // Q2 speaks of another place now.
            let gathered = self.gathered.read(tx)?;
            self.serve(tx, gathered)?;
        }
        Ok(())
    }

    /// Q4.
    fn unlink(&self, tx: &mut Tx<'_>, place: &Place) -> Stm<()> {
        let prev = place.prev.read(tx)?;
        let next = place.next.read(tx)?;
        let before = prev.as_ref().map_or(&self.head, |prev| &prev.next);
        let behind = next.as_ref().map_or(&self.tail, |next| &next.prev);
        before.write(tx, next.clone())?;
        behind.write(tx, prev.clone())?;
        if prev.is_some() {
            place.prev.write(tx, None)?;
        }
        if next.is_some() {
            place.next.write(tx, None)?;
        }
        self.left.modify(tx, |n| n + 1)
    }

    /// Grants to the head of the line while it fits into `there`, all that is set aside, and puts the rest where it belongs
    /// (Q1, Q2). A variable that does not change is not written: that would wake who waits for it.
    fn serve(&self, tx: &mut Tx<'_>, mut there: usize) -> Stm<()> {
        let mut first = self.head.read(tx)?;
        while let Some(place) = &first
            && place.wanted <= there
        {
            there -= place.wanted;
            place.granted.write(tx, true)?;
            self.unlink(tx, place)?;
            first = self.head.read(tx)?;
        }
        if first.is_none() && there > 0 {
            self.free.write(tx, there)?;
            there = 0;
        }
        if self.gathered.read(tx)? != there {
            self.gathered.write(tx, there)?;
        }
        Ok(())
    }
}

/// `n` permits that are somebody's. Dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Share {
    permits: Arc<Permits>,
    n: usize,
}

impl Share {
    /// # Blocking
    ///
    /// In line, until served.
    #[track_caller]
    pub(crate) fn acquire(permits: &Arc<Permits>, n: usize) -> Self {
        match atomically(|tx| permits.claim(tx, n)) {
            Claim::Granted => Self::of(permits, n),
            Claim::InLine(place) => {
                let turn = Turn::new(permits, place);
                atomically(|tx| turn.come(tx));
                turn.into_share()
            }
        }
    }

    /// As [`Share::acquire`], for tasks.
    pub(crate) fn acquire_async(
        permits: &Arc<Permits>,
        n: usize,
    ) -> impl Future<Output = Self> + Send + use<> {
        let permits = Arc::clone(permits);
        async move {
            match atomically_async(|tx| permits.claim(tx, n)).await {
                Claim::Granted => Self::of(&permits, n),
                Claim::InLine(place) => {
                    let turn = Turn::new(&permits, place);
                    atomically_async(|tx| turn.come(tx)).await;
                    turn.into_share()
                }
            }
        }
    }

    #[track_caller]
    pub(crate) fn try_acquire(permits: &Arc<Permits>, n: usize) -> Option<Self> {
        atomically(|tx| permits.try_take(tx, n)).then(|| Self::of(permits, n))
    }

    fn of(permits: &Arc<Permits>, n: usize) -> Self {
        Self {
            permits: Arc::clone(permits),
            n,
        }
    }

    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// Ends it without giving back.
    pub(crate) fn forget(mut self) -> usize {
        std::mem::take(&mut self.n)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let n = self.n;
        if n > 0 {
            let permits = Arc::clone(&self.permits);
            // A drop must not panic: what exceeds the maximum is lost.
            after_attempt(move || {
                atomically(|tx| permits.give(tx, n));
            });
        }
    }
}

/// A place with its owner (Q6).
#[derive(Debug)]
struct Turn {
    permits: Arc<Permits>,
    /// Absent once it has become a share.
    place: Option<Arc<Place>>,
}

impl Turn {
    fn new(permits: &Arc<Permits>, place: Arc<Place>) -> Self {
        Self {
            permits: Arc::clone(permits),
            place: Some(place),
        }
    }

    /// Waits on the place's own variable and nothing else.
    fn come(&self, tx: &mut Tx<'_>) -> Stm<()> {
        match &self.place {
            Some(place) => check(place.granted.read(tx)?),
            None => Ok(()),
        }
    }

    fn into_share(mut self) -> Share {
        let n = self.place.take().map_or(0, |place| place.wanted);
        Share::of(&self.permits, n)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let permits = Arc::clone(&self.permits);
            after_attempt(move || atomically(|tx| permits.leave(tx, &place)));
        }
    }
}

#[cfg(test)]
mod tests;
