//! Filters: which variables the holder of the token of priority has read, or nearly.
//!
//! # The problem, and the idea
//!
//! Each committer asks whether the holder has read what it is about to write, and the holder may have read a hundred thousand
//! variables. An exact set would have to be locked or be a protocol of its own. A few committers that are stopped for nothing do no
//! harm, so a bit for each variable in a table of bits will do: a filter of Bloom's (CACM 13(7), 1970, doi:10.1145/362686.362692)
//! with one hash. Setting a bit and looking at it are single accesses; what they order is told in [`crate::priority`], (a) and (d).
//!
//! There is one filter for each size, made once: only one call has priority at a time.

use crate::mutant::edge;
use crate::sync::{AtomicU64, Ordering, statics};

/// Bits in the filter for each read, at least: about one committer in sixteen is stopped for nothing.
const BITS_PER_READ: usize = 16;

/// Sizes of the filters in words of 64 bits. What does not fit the last stops more than it should.
pub(crate) const CLASSES: &[usize] = if cfg!(any(loom, shuttle)) {
    &[1]
} else if cfg!(stm_stress) {
    &[1, 4, 64]
} else {
    &[64, 1024, 16 * 1024, 128 * 1024]
};

/// A set of variables, which may also answer yes for others.
#[derive(Debug)]
pub(crate) struct Filter(Vec<AtomicU64>);

impl Filter {
    fn new(words: usize) -> Self {
        Self((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    /// The word and the bit of a variable.
    fn place(&self, address: usize) -> (&AtomicU64, u64) {
        if cfg!(any(loom, shuttle)) {
            // Addresses differ from execution to execution, and no model may.
            return (&self.0[0], 1);
        }
        let hash = ((address >> 4) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let word = (hash >> 32) as usize & (self.0.len() - 1);
        (&self.0[word], 1 << (hash >> 58))
    }

    /// SeqCst: (a), pairs with `contains`.
    pub(crate) fn insert(&self, address: usize) {
        let (word, bit) = self.place(address);
        word.fetch_or(bit, edge!(SeqCst, "O-filter-insert" => Relaxed));
    }

    /// SeqCst: (d), pairs with `insert`.
    pub(crate) fn contains(&self, address: usize) -> bool {
        let (word, bit) = self.place(address);
        word.load(edge!(SeqCst, "O-filter-load" => Relaxed)) & bit != 0
    }

    /// Relaxed: whoever still looks here is not concerned any more (see [`crate::priority`]).
    pub(crate) fn clear(&self) {
        for word in &self.0 {
            word.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn holds(&self, reads: usize) -> bool {
        reads * BITS_PER_READ <= self.0.len() * 64
    }
}

#[derive(Debug)]
struct Filters(Vec<Filter>);

statics! {
    static FILTERS: Filters = Filters(CLASSES.iter().map(|&words| Filter::new(words)).collect());
}

/// The filter of this size class.
pub(crate) fn of_class(class: usize) -> &'static Filter {
    &FILTERS.0[class]
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_filter_never_says_no_to_what_was_inserted() {
        let filter = Filter::new(64);
        let addresses = (0..256).map(|i| 0x7F00_0000 + i * 48);
        addresses.clone().for_each(|a| filter.insert(a));
        assert!(addresses.clone().all(|a| filter.contains(a)));
        let strangers = (0..1000).map(|i| 0x1000_0000 + i * 32);
        let stopped = strangers.filter(|&a| filter.contains(a)).count();
        assert!(stopped < 200, "{stopped} of 1000 strangers");
        filter.clear();
        assert!(!addresses.clone().any(|a| filter.contains(a)));
    }
}
