//! A chain of segments: what both queues are made of.
//!
//! # The problem
//!
//! A queue in variables should let one end go on while the other does: a transaction that pushes and one that pops have no
//! business with each other. And its operations should be short, all of them: what takes long is long exposed to conflicts.
//!
//! The textbook queue of transactional memory is two lists, one to push on and one to pop from; the second is made by
//! reversing the first when it has run out. A reversal reads all that was pushed meanwhile. If pushes keep coming it conflicts
//! with each, and the consumer starves. A ring of slots needs no reversal, but has a size. A linked list costs variables for
//! each element, and is freed link by link.
//!
//! Ours is a linked list of short arrays. The arrays amortize the links; each slot can be written on its own, so that a push
//! and a pop in one array do not meet. Whether there is an element is asked of the slot, not of the other end: that is
//! the idea of FastForward (Giacomoni, Moseley and Vachharajani, "FastForward for efficient pipeline parallelism", PPoPP 2008,
//! doi:10.1145/1345206.1345215). That head and tail meet in the empty queue only was shown by Michael and Scott's two-lock
//! queue ("Simple, fast, and practical non-blocking and blocking concurrent queue algorithms", PODC 1996,
//! doi:10.1145/248052.248106).
//!
//! # Picture
//!
//! ```text
//!  head: position, segment                      tail: position, segment        spares
//!               │                                            │                   │ │ │
//!               ▼                                            ▼                   ▼ ▼ ▼
//!         ┌─────────────┐       ┌─────────────┐       ┌─────────────┐       ┌─────────────┐
//!         │ · · · a b c │ next ▶│ d e f g h i │ next ▶│ j k · · · · │       │ · · · · · · │
//!         └─────────────┘       └─────────────┘       └─────────────┘       └─────────────┘
//!                 ▲                                         ▲
//!          index 3, count n                         index 2, count n + 11
//! ```
//!
//! Each slot is a variable with an element and its count in it, or nothing; or, where elements are machine words, a record of
//! the two (`segment/slots.rs`). An element that owns nothing stays in its slot when
//! it is popped, until the slot is used again: a pop is then a write of one word. `position` is one word: an index of a slot in the segment, and a
//! count of the elements that have passed.
//!
//! An end changes its segment when it must: the index of either may be one past the last slot, until there is something to be
//! done behind it; and after a `push_front`, the next may hold nothing either. A segment that the head has left becomes a spare, and
//! the tail enters that later on. So a queue that only passes elements on makes no variables. The spares lie in a ring of
//! places that both ends go round, one place for each segment that they pass: they meet there as seldom as in the chain, and the
//! ring takes up how far the one is sometimes ahead of the other.
//!
//! # Invariants
//!
//! - S1  The elements lie in the slots from the head's place to the tail's, without a gap, each with the count of its place. No
//!   other slot of the chain or of the spares holds anything that needs a drop, and what it holds was popped: the head has passed
//!   its count, which is therefore not that of a place that the tail has still to pass. So the slot at the head's place holds
//!   the head's count exactly if the queue is not empty. A record that was never written has the stamp 0, which is no count's.
//! - S2  `next` leads from the head's segment to the tail's, which has none. Nor has a segment that was taken out of the chain:
//!   each is freed on its own, not link by link.
//! - S3  An index is at most the length of its segment.
//! - S4  The tail's count is the head's and the number of elements.
//! - S5  Neither end reads or writes the other's position or segment. They meet in a slot or a `next` that holds nothing.

mod position;
mod slots;

use std::sync::{Arc, OnceLock};

use stm_core::{ReadTx, Ref, Stm, TVar, Tx, after_attempt};

pub(crate) use position::{Count, CountVar};
use position::{INDEX_MAX, Position, PositionVar};
use slots::{PresentRef, Slot, WordSlots};

/// Slots of a segment.
const LONG: usize = 32;
const _: () = assert!(LONG <= INDEX_MAX, "S3");

/// Slots of a queue's first segment, for there may be many queues with little in them.
const SHORT: usize = 4;

struct Segment<T, S: ?Sized = [Slot<T>]> {
    next: TVar<Option<Arc<Segment<T>>>>,
    /// Where the elements are words; `slots` is empty then.
    words: Option<WordSlots>,
    slots: S,
}

impl<T: Send + Sync + 'static> Segment<T> {
    /// Only one that is worth it: the short ones go as they are left, and the queue is on long ones from then on.
    fn may_be_used_again(&self) -> bool {
        self.len() == LONG
    }
}

struct End<T> {
    position: PositionVar,
    segment: TVar<Arc<Segment<T>>>,
}

impl<T: Send + Sync + 'static> End<T> {
    fn at(segment: Arc<Segment<T>>) -> Self {
        Self {
            position: PositionVar::at_start(),
            segment: TVar::new(segment),
        }
    }

    /// Moves to another segment.
    fn enter(&self, tx: &mut Tx<'_>, at: Position, segment: Arc<Segment<T>>) -> Stm<()> {
        self.position.write(tx, at)?;
        self.segment.write(tx, segment)
    }
}

/// A slot of a segment that the transaction has read its way to: no count of handles is touched.
struct Place<'t, T: 'static> {
    segment: Ref<'t, Arc<Segment<T>>>,
    index: usize,
    /// Of the element that belongs here.
    count: Count,
}

/// Drops `value` when the attempt is over. Its `Drop` may run a transaction, like that of any value that is given to a variable.
pub(crate) fn discard<T: 'static>(value: T) {
    if std::mem::needs_drop::<T>() {
        after_attempt(move || drop(value));
    }
}

/// A place for a segment that can be used again.
type Spare<T> = TVar<Option<Arc<Segment<T>>>>;

/// A queue without a bound.
pub(crate) struct Chain<T> {
    head: End<T>,
    tail: End<T>,
    /// Made when the first segment could be used again.
    spares: OnceLock<Box<[Spare<T>]>>,
    /// How many places for spares there are to be.
    most_spares: usize,
    /// [`cut`], chosen where the bounds on `T` are known. A `Drop` that needs them would put them on every type with a queue in it.
    cut: fn(&End<T>),
}

impl<T: Send + Sync + 'static> Chain<T> {
    /// That keeps room for about `kept` elements that it does not hold, once it has held them.
    pub(crate) fn keeping(kept: usize) -> Self {
        let first = Segment::with_slots::<SHORT>();
        Self {
            head: End::at(Arc::clone(&first)),
            spares: OnceLock::new(),
            most_spares: (kept / LONG).max(1),
            tail: End::at(first),
            cut,
        }
    }

    /// How many elements have been taken from the head, less those put there.
    #[inline(always)]
    pub(crate) fn head_count(&self, tx: &mut impl ReadTx) -> Stm<Count> {
        Ok(self.head.position.read(tx)?.count())
    }

    /// How many elements have been put to the tail.
    #[inline(always)]
    pub(crate) fn tail_count(&self, tx: &mut impl ReadTx) -> Stm<Count> {
        Ok(self.tail.position.read(tx)?.count())
    }

    #[inline]
    pub(crate) fn push(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        let place = self.step_at_tail(tx);
        Self::put(tx, place, value)
    }

    #[inline]
    pub(crate) fn push_front(&self, tx: &mut Tx<'_>, value: T) -> Stm<()> {
        let place = self.step_before_head(tx);
        Self::put(tx, place, value)
    }

    #[inline(always)]
    fn put(tx: &mut Tx<'_>, place: Stm<Place<'_, T>>, value: T) -> Stm<()> {
        match place {
            Ok(place) => place.segment.put(tx, place.index, place.count, value),
            Err(control) => {
                discard(value);
                Err(control)
            }
        }
    }

    /// Moves the tail on, and gives the slot that it has passed.
    #[inline]
    fn step_at_tail<'t>(&self, tx: &mut Tx<'t>) -> Stm<Place<'t, T>> {
        let at = self.tail.position.read(tx)?;
        let segment = self.tail.segment.read_ref(tx)?;
        let index = at.index();
        if index < segment.len() {
            self.tail.position.write(tx, at.forth())?;
            let count = at.count();
            return Ok(Place {
                segment,
                index,
                count,
            });
        }
        self.append_segment(tx, at, &segment)?;
        self.step_at_tail(tx)
    }

    #[cold]
    fn append_segment(&self, tx: &mut Tx<'_>, at: Position, last: &Segment<T>) -> Stm<()> {
        let segment = self.make_segment(tx, at)?;
        last.next.write(tx, Some(Arc::clone(&segment)))?;
        self.tail.enter(tx, at.renamed(0), segment)
    }

    /// Moves the head back, and gives the slot that it has passed.
    #[inline]
    fn step_before_head<'t>(&self, tx: &mut Tx<'t>) -> Stm<Place<'t, T>> {
        let at = self.head.position.read(tx)?;
        let segment = self.head.segment.read_ref(tx)?;
        if let Some(index) = at.index().checked_sub(1) {
            let before = at.back();
            self.head.position.write(tx, before)?;
            let count = before.count();
            return Ok(Place {
                segment,
                index,
                count,
            });
        }
        self.prepend_segment(tx, at, &segment)?;
        self.step_before_head(tx)
    }

    #[cold]
    fn prepend_segment(&self, tx: &mut Tx<'_>, at: Position, first: &Arc<Segment<T>>) -> Stm<()> {
        let segment = self.make_segment(tx, at)?;
        segment.next.write(tx, Some(Arc::clone(first)))?;
        self.head.enter(tx, at.renamed(segment.len()), segment)
    }

    /// A spare, or a new one.
    fn make_segment(&self, tx: &mut Tx<'_>, at: Position) -> Stm<Arc<Segment<T>>> {
        let spares = self.spares.get();
        if let Some(spare) = spares.map(|spares| place_of(spares, at))
            && let Some(segment) = spare.read(tx)?
        {
            spare.write(tx, None)?;
            return Ok(segment);
        }
        Ok(Segment::with_slots::<LONG>())
    }

    /// Keeps a segment for later, if there is a place for it.
    fn spare(&self, tx: &mut Tx<'_>, at: Position, segment: &Arc<Segment<T>>) -> Stm<()> {
        if !segment.may_be_used_again() {
            return Ok(());
        }
        let spares = self.spares.get_or_init(|| {
            let places = 0..self.most_spares;
            places.map(|_| Spare::new(None)).collect()
        });
        let spare = place_of(spares, at);
        // A glance, for to read the place would be to conflict with the tail's taking the spare. A wrong guess costs an allocation.
        if spare.glance(tx).is_none() {
            spare.write(tx, Some(Arc::clone(segment)))?;
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn pop(&self, tx: &mut Tx<'_>) -> Stm<Option<T>>
    where
        T: Clone,
    {
        let at = self.head.position.read(tx)?;
        let segment = self.head.segment.read_ref(tx)?;
        if at.index() == segment.len() {
            return self.pop_behind(tx, at, &segment);
        }
        let Some(element) = segment.look(tx, at.index(), at.count())? else {
            return Ok(None);
        };
        let element = element.clone();
        segment.vacate(tx, at.index())?;
        self.head.position.write(tx, at.forth())?;
        Ok(Some(element))
    }

    /// As [`Chain::pop`], when everything in `first` has been popped.
    #[cold]
    fn pop_behind(&self, tx: &mut Tx<'_>, at: Position, first: &Arc<Segment<T>>) -> Stm<Option<T>>
    where
        T: Clone,
    {
        let Some(next) = first.next.read(tx)? else {
            return Ok(None);
        };
        first.next.write(tx, None)?;
        self.spare(tx, at, first)?;
        self.head.enter(tx, at.renamed(0), next)?;
        self.pop(tx)
    }

    /// Takes everything.
    pub(crate) fn drain(&self, tx: &mut Tx<'_>) -> Stm<Vec<T>>
    where
        T: Clone,
    {
        let mut drained = Vec::new();
        let start = self.head.position.read(tx)?;
        let mut at = start;
        let mut segment = self.head.segment.read(tx)?;
        loop {
            let next = segment.next.read(tx)?;
            for index in at.index()..segment.len() {
                let Some(element) = segment.look(tx, index, at.count())? else {
                    break;
                };
                drained.push(element.clone());
                at = at.forth();
                // The others go with their segments.
                if next.is_none() {
                    segment.vacate(tx, index)?;
                }
            }
            let Some(next) = next else { break };
            segment.next.write(tx, None)?;
            segment = next;
            at = at.renamed(0);
        }
        if at != start {
            self.head.enter(tx, at, segment)?;
        }
        Ok(drained)
    }

    /// The first element, without a clone.
    pub(crate) fn front_ref<X: ReadTx>(&self, tx: &mut X) -> Stm<Option<PresentRef<T, X>>> {
        let at = self.head.position.read(tx)?;
        let segment = self.head.segment.read_ref(tx)?;
        if at.index() < segment.len() {
            return segment.look(tx, at.index(), at.count());
        }
        match &*segment.next.read_ref(tx)? {
            Some(next) => next.look(tx, 0, at.count()),
            None => Ok(None),
        }
    }

    /// The first element, cloned.
    pub(crate) fn front_clone(&self, tx: &mut impl ReadTx) -> Stm<Option<T>>
    where
        T: Clone,
    {
        Ok(self.front_ref(tx)?.map(|front| front.clone()))
    }

    pub(crate) fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(self.front_ref(tx)?.is_none())
    }

    pub(crate) fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        let head = self.head_count(tx)?;
        Ok(self.tail_count(tx)?.since(head) as usize)
    }

    /// Shows every element, from the head on.
    pub(crate) fn for_each(&self, tx: &mut impl ReadTx, mut f: impl FnMut(&T)) -> Stm<()> {
        let mut at = self.head.position.read(tx)?;
        let mut segment = self.head.segment.read(tx)?;
        loop {
            for index in at.index()..segment.len() {
                let Some(element) = segment.look(tx, index, at.count())? else {
                    return Ok(());
                };
                f(&element);
                at = at.forth();
            }
            let Some(next) = segment.next.read(tx)? else {
                return Ok(());
            };
            segment = next;
            at = at.renamed(0);
        }
    }

    pub(crate) fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<T>>
    where
        T: Clone,
    {
        let mut all = Vec::new();
        self.for_each(tx, |element| all.push(element.clone()))?;
        Ok(all)
    }
}

/// The place for a spare where an end is that has come to `at`.
fn place_of<T>(spares: &[Spare<T>], at: Position) -> &Spare<T> {
    &spares[at.count().stretch(LONG) % spares.len()]
}

impl<T> Drop for Chain<T> {
    fn drop(&mut self) {
        (self.cut)(&self.head);
    }
}

/// Takes the segments apart (S2): nobody has a handle to the queue any more. It may be dropped inside a transaction.
fn cut<T: Send + Sync + 'static>(head: &End<T>) {
    let first = head.segment.clone();
    after_attempt(move || {
        let mut segment = first.load();
        while let Some(next) = segment.next.load() {
            segment.next.store(None);
            segment = next;
        }
    });
}
