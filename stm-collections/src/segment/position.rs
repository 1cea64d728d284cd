//! Where an end of a queue stands, in one word: a slot's index, and how many elements have passed.
//!
//! ```text
//!  63                                   6 5        0
//! │ count, modulo 2^58                  │ index    │
//! ```
//!
//! The two move together, so both take one addition. No bits are handled outside of this file.

use stm_core::{ReadTx, Stm, TVar, Tx};

const INDEX_BITS: u32 = 6;
const INDEX: u64 = (1 << INDEX_BITS) - 1;

/// The greatest index that there is room for.
pub(crate) const INDEX_MAX: usize = INDEX as usize;

/// An index in a segment and a [`Count`], as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position(u64);

impl Position {
    /// A few elements before the count wraps: whatever is run over a queue runs over that, too.
    const START: Self = Self(3_u64.wrapping_neg() << INDEX_BITS);

    const STEP: u64 = (1 << INDEX_BITS) | 1;

    #[inline(always)]
    pub(super) fn index(self) -> usize {
        (self.0 & INDEX) as usize
    }

    #[inline(always)]
    pub(super) fn count(self) -> Count {
        Count(self.0 & !INDEX)
    }

    /// One element further. The index must be less than [`INDEX_MAX`].
    #[inline(always)]
    pub(super) fn forth(self) -> Self {
        debug_assert!(self.index() < INDEX_MAX);
        Self(self.0.wrapping_add(Self::STEP))
    }

    /// One element back. The index must not be 0.
    #[inline(always)]
    pub(super) fn back(self) -> Self {
        debug_assert!(self.index() > 0);
        Self(self.0.wrapping_sub(Self::STEP))
    }

    /// The same place between two elements, as it is called in another segment.
    pub(super) fn renamed(self, index: usize) -> Self {
        debug_assert!(index <= INDEX_MAX);
        Self(self.count().0 | index as u64)
    }
}

/// A variable that holds a [`Position`].
pub(super) struct PositionVar(TVar<u64>);

impl PositionVar {
    pub(super) fn at_start() -> Self {
        Self(TVar::new(Position::START.0))
    }

    #[inline(always)]
    pub(super) fn read(&self, tx: &mut impl ReadTx) -> Stm<Position> {
        self.0.read(tx).map(Position)
    }

    #[inline(always)]
    pub(super) fn write(&self, tx: &mut Tx<'_>, position: Position) -> Stm<()> {
        self.0.write(tx, position.0)
    }
}

/// How many elements have passed some place, modulo 2^58.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count(u64);

impl Count {
    /// What both ends of a new queue have counted.
    pub(crate) const START: Self = Self(Position::START.0);

    /// More elements than fit into any memory, and few enough that counts do not lap each other.
    pub(crate) const MANY: u64 = 1 << 57;

    /// A word that says so, and is not 0.
    #[inline(always)]
    pub(super) const fn stamp(self) -> u64 {
        self.0 | 1
    }

    /// How many times a stretch of so many elements has gone by: the same for all counts of one stretch.
    pub(super) fn stretch(self, of: usize) -> usize {
        (self.0 >> INDEX_BITS) as usize / of
    }

    pub(crate) fn plus(self, n: u64) -> Self {
        Self(self.0.wrapping_add(n << INDEX_BITS))
    }

    #[inline(always)]
    pub(crate) fn minus(self, n: u64) -> Self {
        Self(self.0.wrapping_sub(n << INDEX_BITS))
    }

    /// How far it is from `other` to here.
    #[inline(always)]
    pub(crate) fn since(self, other: Self) -> u64 {
        self.0.wrapping_sub(other.0) >> INDEX_BITS
    }
}

/// A variable that holds a [`Count`].
pub(crate) struct CountVar(TVar<u64>);

impl CountVar {
    pub(crate) fn new(count: Count) -> Self {
        Self(TVar::new(count.0))
    }

    #[inline(always)]
    pub(crate) fn read(&self, tx: &mut impl ReadTx) -> Stm<Count> {
        self.0.read(tx).map(Count)
    }

    #[inline(always)]
    pub(crate) fn write(&self, tx: &mut Tx<'_>, count: Count) -> Stm<()> {
        self.0.write(tx, count.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_moves_over_the_wrap_and_back() {
        let mut here = Position::START.renamed(INDEX_MAX - 5);
        for passed in 0..5 {
            assert_eq!(here.count().since(Count::START), passed);
            assert_eq!(here.forth().back(), here);
            here = here.forth();
        }
        assert_eq!(here.index(), INDEX_MAX);
        assert_eq!(here.renamed(0).index(), 0);
        assert_eq!(here.renamed(0).count(), Count::START.plus(5));
        assert_eq!(Count::START.minus(1).plus(1), Count::START);
    }

    #[test]
    fn an_index_leaves_the_count_alone() {
        let here = Position::START.renamed(INDEX_MAX);
        assert_eq!(here.count(), Count::START);
        assert_eq!(here.back().count(), Count::START.minus(1));
    }
}
