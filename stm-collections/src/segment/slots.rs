//! The slots of a segment, each of which holds an element and its count, or nothing.
//!
//! Mostly a slot is a variable. Elements that are machine words lie in records instead ([`TRecords`]), where neither their count nor
//! they need a node: a push allocates nothing, and an element crosses from one core to another in one piece.
//!
//! ```text
//!  variable   Some((count, element)), or None
//!  record     [ count | 1, element ], or [ 0, _ ]        a count has zeros in its low bits
//! ```

use std::ops::Deref;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, TRecords, TVar, Tx};

use super::Segment;
use super::position::Count;
use crate::words::{from_word, is_word, to_word};

pub(super) type Slot<T> = TVar<Option<(Count, T)>>;

/// Slots of elements that are words.
pub(super) type WordSlots = TRecords<2>;

/// An element that lies in a slot.
pub(crate) enum Present<T, R> {
    /// In a variable that holds one, as has been looked.
    There(R),
    Word(T),
}

impl<T: 'static, R: Deref<Target = Option<(Count, T)>>> Deref for Present<T, R> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        match self {
            Self::There(slot) => {
                let (_, element) = slot.as_ref().expect("it was looked before this was made");
                element
            }
            Self::Word(element) => element,
        }
    }
}

pub(super) type PresentRef<T, X> = Present<T, <X as ReadTx>::Ref<Option<(Count, T)>>>;

impl<T: Send + Sync + 'static> Segment<T> {
    pub(super) fn with_slots<const N: usize>() -> Arc<Self> {
        let next = TVar::new(None);
        if is_word::<T>() {
            let words = Some(WordSlots::new(N));
            let slots: [Slot<T>; 0] = [];
            return Arc::new(Segment { next, words, slots });
        }
        Arc::new(Segment {
            next,
            words: None,
            slots: std::array::from_fn::<Slot<T>, N, _>(|_| TVar::new(None)),
        })
    }

    #[inline(always)]
    fn words(&self) -> &WordSlots {
        self.words.as_ref().expect("words have records")
    }

    /// How many slots there are.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        if is_word::<T>() {
            self.words().len()
        } else {
            self.slots.len()
        }
    }

    /// The element in a slot, if it is the one of this count (S1).
    #[inline(always)]
    pub(super) fn look<X: ReadTx>(
        &self,
        tx: &mut X,
        index: usize,
        count: Count,
    ) -> Stm<Option<PresentRef<T, X>>> {
        if is_word::<T>() {
            let [stamp, word] = self.words().read(tx, index)?;
            let present = stamp == count.stamp();
            return Ok(present.then(|| Present::Word(from_word(word))));
        }
        let slot = self.slots[index].read_ref(tx)?;
        let present = slot.as_ref().is_some_and(|(of, _)| *of == count);
        Ok(present.then_some(Present::There(slot)))
    }

    /// Puts an element into a slot that holds none.
    #[inline(always)]
    pub(super) fn put(&self, tx: &mut Tx<'_>, index: usize, count: Count, value: T) -> Stm<()> {
        if is_word::<T>() {
            let words = [count.stamp(), to_word(&value)];
            return self.words().write(tx, index, words);
        }
        self.slots[index].write(tx, Some((count, value)))
    }

    /// An element goes out of its slot, or stays there if nobody misses it (S1).
    #[inline(always)]
    pub(super) fn vacate(&self, tx: &mut Tx<'_>, index: usize) -> Stm<()> {
        if std::mem::needs_drop::<T>() {
            self.slots[index].write(tx, None)?;
        }
        Ok(())
    }
}
