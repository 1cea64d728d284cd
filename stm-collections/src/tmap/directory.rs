//! The way from a number to a variable or a record: an array that is made where it is used.
//!
//! # The problem, and the idea
//!
//! Extendible hashing doubles its directory by copying it. In a transaction that copy would conflict with every reader, and
//! somebody would have to pay for all of it. Here the directory is no part of the transactional state at all: it only finds the
//! variable or the record of a bucket, each place comes into being at most once, and whoever needs it first makes it. Nothing is
//! ever copied. It is a forest of radix trees, one for each range of numbers, so that the way to a small number is short:
//!
//! # Picture
//!
//! ```text
//!  0 .. 15     ┌─┬─┬─┬───┬─┐
//!  near        │■│■│·│ ..│■│──▶ TVar        ■ made    · not (yet): nobody has ever written a bucket of this number
//!              └─┴─┴─┴───┴─┘
//!  16 .. 63    ──▶ Leaf [64]
//!  64 .. 2^10  ──▶ Leaf [1024]
//!     .. 2^20  ──▶ Fork [1024] ──▶ Leaf [1024]
//!     .. 2^30  ──▶ Fork [1024] ──▶ Fork [1024] ──▶ Leaf [1024]
//!
//!              ┌─┬─┬───┬─┐
//!  Leaf [1024] │■│·│ ..│■│──▶ records of 64 numbers, side by side    made when the first of them is to be filed
//!              ├─┼─┼─┬─┼─┼─┬─┬───┬─┐
//!              │·│■│·│·│■│·│·│ ..│·│──▶ TVar                         of a number that was written otherwise
//!              ├─┼─┼─┼─┼─┼─┼─┼───┼─┤
//!              │0│1│0│0│1│1│0│1│ ..│0│  a bit for each number: it has been used
//!              └─┴─┴─┴─┴─┴─┴─┴─┴───┴─┘
//! ```
//!
//! The bits are there because look-ups try numbers that may not have come to anything. Places and records are in lines of the cache that
//! nobody else looks at; the bits of some 512 numbers are in one.
//!
//! # Invariants
//!
//! - D1  A place is set once and for all. A variable is made holding `T::default()`, so a place that is not set and one whose
//!   variable was never written mean the same.
//! - D2  A place is set before its variable is written. So who sees a commit that wrote the variable, or that wrote another one
//!   together with it, finds the place set.
//! - D3  The same of records: 64 of them are made at once and for all, unborn, before any of them is written. A transaction
//!   that made some and was thrown away leaves them unborn, which means the same as none.
//! - D4  A bit is set for ever, and before the bucket of its number is written.
//!
//! # Memory ordering
//!
//! The bits are Relaxed. Who misses one comes to a bucket that covers the number or did, which sends it on (H1 of the module `table`). And
//! who sees a commit misses no bit of what it wrote: its writer has set the bit, or seen it set, before a Release store of the
//! engine, and the other looks at it after the Acquire load of what was stored; by coherence it finds nothing older.
//!
//! # Cost
//!
//! Finding: a load and an acquiring load for each level. Making: at most three allocations of 16 KiB, and the variable, or 16 KiB of
//! records.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use stm_core::TVar;

use super::ledger::{Ledger, Ledgers};

/// Numbers have at most this many bits.
pub(super) const MAX_BITS: u32 = 30;

/// One of the numbers that are multiples of this is counted for all.
const SAMPLE: u32 = 16;

/// Numbers whose records are made together: 16 KiB of them.
const GROUP: usize = 64;

/// Buckets of smaller numbers have no records: a map may have no others, and then should not take so much for them.
pub(super) const FIRST_FILED: u32 = 1 << 6;

const NEAR: u32 = 16;
const SMALL_LEAF: usize = 1 << 6;
const FORK_BITS: u32 = 10;
const FORK: usize = 1 << FORK_BITS;

type Place<T> = OnceLock<TVar<T>>;

/// Whether a number had been used before.
#[must_use]
#[derive(PartialEq, Eq)]
enum Used {
    Before,
    ForTheFirstTime,
}

const BITS: usize = u64::BITS as usize;

/// A bit for each of `64 * WORDS` numbers (D4).
struct Bits<const WORDS: usize>([AtomicU64; WORDS]);

impl<const WORDS: usize> Bits<WORDS> {
    const fn none() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    #[inline(always)]
    fn contains(&self, number: u32) -> bool {
        let word = &self.0[number as usize / BITS % WORDS];
        // Relaxed: see the module.
        word.load(Ordering::Relaxed) >> (number as usize % BITS) & 1 != 0
    }

    fn insert(&self, number: u32) -> Used {
        if self.contains(number) {
            return Used::Before;
        }
        let word = &self.0[number as usize / BITS % WORDS];
        let bit = 1 << (number as usize % BITS);
        // Relaxed: see the module.
        match word.fetch_or(bit, Ordering::Relaxed) & bit {
            0 => Used::ForTheFirstTime,
            _ => Used::Before,
        }
    }
}

/// What finds and makes places by number.
trait Tree: Default {
    type Item;
    /// Of the numbers within this tree.
    const BITS: u32;

    fn find(&self, number: u32) -> Option<&TVar<Self::Item>>;
    fn place(&self, number: u32) -> &Place<Self::Item>;

    fn find_ledger(&self, number: u32) -> Option<Ledger<'_>>;
    fn ledger(&self, number: u32) -> Ledger<'_>;

    fn is_used(&self, number: u32) -> bool;
    fn use_number(&self, number: u32) -> Used;
}

struct Leaf<T, const N: usize = FORK> {
    /// As many as the largest leaf needs.
    used: Bits<{ FORK / BITS }>,
    /// Of [`GROUP`] numbers each. Made when the first of them is to be filed. As many as the largest leaf needs.
    ledgers: [OnceLock<Ledgers>; FORK / GROUP],
    places: [Place<T>; N],
}

impl<T, const N: usize> Default for Leaf<T, N> {
    fn default() -> Self {
        Self {
            used: Bits::none(),
            ledgers: [const { OnceLock::new() }; FORK / GROUP],
            places: [const { OnceLock::new() }; N],
        }
    }
}

impl<T, const N: usize> Tree for Leaf<T, N> {
    type Item = T;
    const BITS: u32 = N.ilog2();

    #[inline]
    fn find(&self, number: u32) -> Option<&TVar<T>> {
        self.places[number as usize % N].get()
    }

    fn place(&self, number: u32) -> &Place<T> {
        &self.places[number as usize % N]
    }

    #[inline]
    fn find_ledger(&self, number: u32) -> Option<Ledger<'_>> {
        let ledgers = self.ledgers[number as usize % N / GROUP].get()?;
        let index = number as usize % GROUP;
        Some(Ledger { ledgers, index })
    }

    fn ledger(&self, number: u32) -> Ledger<'_> {
        let group = &self.ledgers[number as usize % N / GROUP];
        let ledgers = group.get_or_init(|| Ledgers::new(GROUP));
        let index = number as usize % GROUP;
        Ledger { ledgers, index }
    }

    #[inline(always)]
    fn is_used(&self, number: u32) -> bool {
        self.used.contains(number)
    }

    fn use_number(&self, number: u32) -> Used {
        self.used.insert(number)
    }
}

struct Fork<B>([OnceLock<Box<B>>; FORK]);

impl<B> Default for Fork<B> {
    fn default() -> Self {
        Self([const { OnceLock::new() }; FORK])
    }
}

impl<B: Tree> Tree for Fork<B> {
    type Item = B::Item;
    const BITS: u32 = B::BITS + FORK_BITS;

    #[inline]
    fn find(&self, number: u32) -> Option<&TVar<B::Item>> {
        let branch = self.0[(number >> B::BITS) as usize % FORK].get()?;
        branch.find(number)
    }

    fn place(&self, number: u32) -> &Place<B::Item> {
        let branch = self.0[(number >> B::BITS) as usize % FORK].get_or_init(Box::default);
        branch.place(number)
    }

    #[inline]
    fn find_ledger(&self, number: u32) -> Option<Ledger<'_>> {
        let branch = self.0[(number >> B::BITS) as usize % FORK].get()?;
        branch.find_ledger(number)
    }

    fn ledger(&self, number: u32) -> Ledger<'_> {
        let branch = self.0[(number >> B::BITS) as usize % FORK].get_or_init(Box::default);
        branch.ledger(number)
    }

    #[inline(always)]
    fn is_used(&self, number: u32) -> bool {
        let branch = self.0[(number >> B::BITS) as usize % FORK].get();
        branch.is_some_and(|branch| branch.is_used(number))
    }

    fn use_number(&self, number: u32) -> Used {
        let branch = self.0[(number >> B::BITS) as usize % FORK].get_or_init(Box::default);
        branch.use_number(number)
    }
}

type Fork20<T> = Fork<Leaf<T>>;
type Fork30<T> = Fork<Fork20<T>>;

/// Variables and records by number. See the module.
pub(super) struct Directory<T> {
    near: [Place<T>; NEAR as usize],
    near_used: Bits<1>,
    to_6: OnceLock<Box<Leaf<T, SMALL_LEAF>>>,
    to_10: OnceLock<Box<Leaf<T>>>,
    to_20: OnceLock<Box<Fork20<T>>>,
    to_30: OnceLock<Box<Fork30<T>>>,
    /// Numbers used among the multiples of [`SAMPLE`].
    sampled: AtomicU32,
}

impl<T: Default + Send + Sync + 'static> Directory<T> {
    /// With `first` at number 0, and nothing else.
    pub(super) fn new(first: T) -> Self {
        let near = [const { OnceLock::new() }; NEAR as usize];
        near[0].get_or_init(|| TVar::new(first));
        let near_used = Bits::none();
        let _first = near_used.insert(0);
        Self {
            near,
            near_used,
            to_6: OnceLock::new(),
            to_10: OnceLock::new(),
            to_20: OnceLock::new(),
            to_30: OnceLock::new(),
            sampled: AtomicU32::new(1),
        }
    }

    /// The first of these numbers that has been used: `number`, the one without its highest bit, without the highest two, and so on
    /// to 0. What is between was never written, as far as this thread can know (D4).
    #[inline(always)]
    pub(super) fn longest_used(&self, mut number: u32) -> u32 {
        // A tree at a time, for the way into it is longer than that to the next number.
        if ((1 << 10)..(1 << 20)).contains(&number)
            && let Some(tree) = self.to_20.get()
        {
            while number >= (1 << 10) {
                if tree.is_used(number) {
                    return number;
                }
                number = without_highest_bit(number);
            }
        }
        while !self.is_used(number) {
            number = without_highest_bit(number);
        }
        number
    }

    /// The first of them that comes after `number`, which is not 0.
    pub(super) fn shorter_used(&self, number: u32) -> u32 {
        self.longest_used(without_highest_bit(number))
    }

    #[inline(always)]
    fn is_used(&self, number: u32) -> bool {
        fn in_tree<B: Tree>(tree: &OnceLock<Box<B>>, number: u32) -> bool {
            tree.get().is_some_and(|tree| tree.is_used(number))
        }
        match number {
            ..NEAR => self.near_used.contains(number),
            _ if number < (1 << 6) => in_tree(&self.to_6, number),
            _ if number < (1 << 10) => in_tree(&self.to_10, number),
            _ if number < (1 << 20) => in_tree(&self.to_20, number),
            _ => in_tree(&self.to_30, number),
        }
    }

    /// Somebody is about to write the bucket of this number.
    fn use_number(&self, number: u32) {
        debug_assert!(number >> MAX_BITS == 0, "{number} is out of range");
        let used = match number {
            ..NEAR => self.near_used.insert(number),
            _ if number < (1 << 6) => self.to_6.get_or_init(Box::default).use_number(number),
            _ if number < (1 << 10) => self.to_10.get_or_init(Box::default).use_number(number),
            _ if number < (1 << 20) => self.to_20.get_or_init(Box::default).use_number(number),
            _ => self.to_30.get_or_init(Box::default).use_number(number),
        };
        if used == Used::ForTheFirstTime && number.is_multiple_of(SAMPLE) {
            // Relaxed: a count for hints.
            self.sampled.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The variable of `number`, if anybody ever needed it.
    #[inline]
    pub(super) fn find(&self, number: u32) -> Option<&TVar<T>> {
        match number {
            ..NEAR => self.near[number as usize].get(),
            _ if number < (1 << 6) => self.to_6.get()?.find(number),
            _ if number < (1 << 10) => self.to_10.get()?.find(number),
            _ if number < (1 << 20) => self.to_20.get()?.find(number),
            _ => self.to_30.get()?.find(number),
        }
    }

    /// The record of `number`, if anybody ever needed one near it.
    #[inline]
    pub(super) fn find_ledger(&self, number: u32) -> Option<Ledger<'_>> {
        match number {
            ..FIRST_FILED => None,
            _ if number < (1 << 10) => self.to_10.get()?.find_ledger(number),
            _ if number < (1 << 20) => self.to_20.get()?.find_ledger(number),
            _ => self.to_30.get()?.find_ledger(number),
        }
    }

    /// The record of `number`, which is about to be written, made if need be; `None` if there is none for such small numbers.
    pub(super) fn ledger(&self, number: u32) -> Option<Ledger<'_>> {
        if number < FIRST_FILED {
            return None;
        }
        self.use_number(number);
        match number {
            _ if number < (1 << 10) => Some(self.to_10.get_or_init(Box::default).ledger(number)),
            _ if number < (1 << 20) => Some(self.to_20.get_or_init(Box::default).ledger(number)),
            _ => Some(self.to_30.get_or_init(Box::default).ledger(number)),
        }
    }

    /// The variable of `number`, which is about to be written, made if need be.
    pub(super) fn find_or_make(&self, number: u32) -> &TVar<T> {
        self.use_number(number);
        let place = match number {
            ..NEAR => &self.near[number as usize],
            _ if number < (1 << 6) => self.to_6.get_or_init(Box::default).place(number),
            _ if number < (1 << 10) => self.to_10.get_or_init(Box::default).place(number),
            _ if number < (1 << 20) => self.to_20.get_or_init(Box::default).place(number),
            _ => self.to_30.get_or_init(Box::default).place(number),
        };
        place.get_or_init(TVar::default)
    }

    /// About how many numbers were used: [`SAMPLE`] for each that was counted, so that growing seldom writes what all lookups read.
    #[inline]
    pub(super) fn about(&self) -> u32 {
        // Relaxed: a hint.
        self.sampled.load(Ordering::Relaxed).saturating_mul(SAMPLE)
    }
}

#[inline(always)]
const fn without_highest_bit(number: u32) -> u32 {
    debug_assert!(number != 0, "number 0 has been used from the beginning");
    number ^ (1 << number.ilog2())
}

#[cfg(test)]
mod tests {
    use stm_core::atomically;

    use super::*;

    const EDGES: [u32; 14] = [
        1,
        15,
        16,
        63,
        64,
        65,
        (1 << 10) - 1,
        1 << 10,
        (1 << 11) + 64,
        (1 << 20) - 1,
        1 << 20,
        (1 << 20) + 64,
        (1 << 29) + 64,
        (1 << MAX_BITS) - 1,
    ];

    #[test]
    fn each_number_has_a_variable_of_its_own() {
        let directory = Directory::new(7_u32);
        assert_eq!(directory.find(0).map(TVar::load), Some(7));
        for &number in &EDGES {
            assert!(directory.find(number).is_none(), "{number} was never made");
            directory.find_or_make(number).store(number);
        }
        for &number in &EDGES {
            let made = directory.find(number).expect("just made");
            assert_eq!(made.load(), number);
            assert!(TVar::ptr_eq(made, directory.find_or_make(number)));
        }
        assert!(directory.find(2).is_none() && directory.find(17).is_none());
    }

    #[test]
    fn each_number_has_a_record_of_its_own() {
        let directory = Directory::new(0_u8);
        let numbers = EDGES.into_iter().zip(0..);
        for (number, depth) in numbers.clone() {
            match directory.ledger(number) {
                Some(ledger) => atomically(|tx| ledger.file(tx, depth, std::iter::empty())),
                None => assert!(number < FIRST_FILED),
            }
            assert!(directory.find(number).is_none(), "{number} has no variable");
        }
        for (number, depth) in numbers {
            let filed = directory.find_ledger(number);
            let filed = filed.map(|ledger| atomically(|tx| ledger.header(tx)).depth());
            let expected = (number >= FIRST_FILED).then_some(Some(depth));
            assert_eq!(filed, expected, "{number}");
        }
        let beside = directory.find_ledger(66).expect("made with 64 and 65");
        assert_eq!(atomically(|tx| beside.header(tx)).depth(), None);
        assert!(directory.find_ledger(128).is_none() && directory.find_ledger(63).is_none());
    }

    #[test]
    fn the_count_is_about_right() {
        for filed in [false, true] {
            let directory = Directory::new(0_u8);
            for number in (0..10_000).chain(0..10_000) {
                if !(filed && directory.ledger(number).is_some()) {
                    let _made = directory.find_or_make(number);
                }
            }
            assert_eq!(directory.about(), 10_000);
        }
    }

    #[test]
    fn a_number_is_used_once_it_has_a_variable_or_a_record() {
        for filed in [false, true] {
            let directory = Directory::new(0_u8);
            for &number in &EDGES {
                assert!(!directory.is_used(number), "{number}");
                if !(filed && directory.ledger(number).is_some()) {
                    let _made = directory.find_or_make(number);
                }
                assert!(directory.is_used(number), "{number}");
                assert_eq!(directory.longest_used(number), number);
            }
            // 66 is 2 with one bit more, and neither has been used.
            assert_eq!(directory.longest_used(66), 0);
            assert_eq!(directory.longest_used((1 << 19) | 65), 65);
            assert_eq!(directory.longest_used((1 << 29) | (1 << 10)), 1 << 10);
        }
        assert_eq!(without_highest_bit(0b1_0110), 0b110);
        assert_eq!(without_highest_bit(1), 0);
    }

    #[test]
    fn the_trees_cover_the_range() {
        assert_eq!(Fork30::<()>::BITS, MAX_BITS);
    }
}
