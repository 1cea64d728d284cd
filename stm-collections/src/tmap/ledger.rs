//! Pairs of machine words, kept together in records: the third way of a bucket to keep its keys.
//!
//! # The problem, and the idea
//!
//! Pairs that lie together in a bucket's node are three dependent misses of the cache away: the place in the directory, the variable,
//! the node, and then perhaps another line for the key. And each write copies the whole bucket. Where key and value are machine words, none
//! of that need be. The buckets of 64 neighbouring numbers are a [`TRecords`], which lies where the directory says, and a
//! write stores one to three words. What a bucket holds is told by a byte for each key, of its hash, all of them in the same line
//! as the lock: a look-up reads that line and the line of its pair; who finds a key absent has read the former alone. The bytes are those of
//! F14 and of Swiss tables (Bronson and Shi, "Open-sourcing F14 for faster, more memory-efficient hash tables", Meta 2019).
//!
//! # Picture
//!
//! ```text
//!  cache line 0                                                 1               2        3
//! ┌──────┬───┬──────────┬─────────┬─────────┬─────────┬───────┐┌───────┬─ .. ─┐┌─ .. ─┐┌─ .. ┬────────┐
//! │ lock │   │ distance │ history │ tags 0-7│ 8-12,  d│ pair 0││ pair 1│      ││      ││     │ pair 12│
//! └──────┴───┴──────────┴─────────┴─────────┴─────────┴───────┘└───────┴─ .. ─┘└─ .. ─┘└─ .. ┴────────┘
//!   the engine's                    the header: d is the depth and 1; 0 if the bucket is not filed here
//! ```
//!
//! # Invariants
//!
//! - F1  A bucket is filed in its record, or its variable is born, never both. Whoever makes it the one, unmakes it the other in
//!   the same transaction, having read which it was, or having read that a parent covered it (H1).
//! - F2  A place whose tag is not 0 holds a pair, and the tag is that of its key's hash. What other places hold is not looked at.
//! - F3  In a map of words, a bucket whose keys are together is filed if it has a record, and the smallest numbers alone have none.

use stm_core::{ReadTx, Stm, TRecords, Tx};

use crate::words::{from_word, is_word, to_word};

/// Pairs that a bucket has room for.
pub(super) const PAIRS: usize = 13;

const HEADER: usize = 2;
const WORDS: usize = HEADER + 2 * PAIRS;

/// The records of neighbouring numbers.
pub(super) type Ledgers = TRecords<WORDS>;

/// Whether buckets of such a map are ever filed.
#[inline(always)]
pub(super) fn files<K: 'static, V: 'static>() -> bool {
    is_word::<K>() && is_word::<V>()
}

const LOW_BYTES: u64 = u64::MAX / 0xFF;
const LOW_SEVEN_BITS: u64 = LOW_BYTES * 0x7F;
const DEPTH_SHIFT: u32 = 56;
/// The bytes of the second word that are tags.
const TAGS_OF_SECOND: u64 = (1 << (8 * (PAIRS - 8))) - 1;

/// A byte of a hash that says which place may hold its key. Never 0.
fn tag(hash: u64) -> u8 {
    // The numbers are made of the low bits.
    ((hash >> 56) as u8).max(1)
}

/// What a record says of its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header([u64; HEADER]);

impl Header {
    /// Of a bucket that is not filed.
    const NOTHING: Self = Self([0; HEADER]);

    fn empty(depth: u8) -> Self {
        Self([0, u64::from(depth + 1) << DEPTH_SHIFT])
    }

    /// `None` if the bucket is not filed.
    #[inline(always)]
    pub(super) fn depth(self) -> Option<u8> {
        ((self.0[1] >> DEPTH_SHIFT) as u8).checked_sub(1)
    }

    /// The places whose tag is this one.
    #[inline(always)]
    fn places_of(self, tag: u8) -> Places {
        // A byte's high bit is set if it is 0: its low bits do not carry into it, and it has none.
        let zeros =
            |word: u64| !(((word & LOW_SEVEN_BITS) + LOW_SEVEN_BITS) | word | LOW_SEVEN_BITS);
        let wanted = LOW_BYTES * u64::from(tag);
        Places([
            zeros(self.0[0] ^ wanted),
            zeros(self.0[1] ^ wanted) & TAGS_OF_SECOND,
        ])
    }

    /// A place without a pair.
    #[inline(always)]
    fn vacancy(self) -> Option<usize> {
        self.places_of(0).next()
    }

    fn set(&mut self, at: usize, tag: u8) {
        let (word, shift) = (at / 8, 8 * (at % 8));
        self.0[word] = self.0[word] & !(0xFF << shift) | u64::from(tag) << shift;
    }

    /// The word that has the tag of this place, and its index.
    fn word_of(self, at: usize) -> (usize, u64) {
        (at / 8, self.0[at / 8])
    }

    fn is_taken(self, at: usize) -> bool {
        self.0[at / 8] >> (8 * (at % 8)) & 0xFF != 0
    }
}

/// Places, the lowest first: the high bit of each one's byte.
struct Places([u64; HEADER]);

impl Iterator for Places {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let [low, high] = &mut self.0;
        let (word, first) = if *low != 0 { (low, 0) } else { (high, 8) };
        if *word == 0 {
            return None;
        }
        let byte = word.trailing_zeros() as usize / 8;
        *word &= *word - 1;
        Some(first + byte)
    }
}

/// The record of one bucket.
#[derive(Clone, Copy)]
pub(super) struct Ledger<'a> {
    pub(super) ledgers: &'a Ledgers,
    pub(super) index: usize,
}

impl Ledger<'_> {
    /// So that the line of the pair comes together with the header's.
    #[inline(always)]
    pub(super) fn prefetch(self) {
        self.ledgers.prefetch(self.index);
    }

    #[inline(always)]
    pub(super) fn header(self, tx: &mut impl ReadTx) -> Stm<Header> {
        self.ledgers.read_words(tx, self.index, 0).map(Header)
    }

    fn write_header(self, tx: &mut Tx<'_>, header: Header) -> Stm<()> {
        self.ledgers.write_words(tx, self.index, 0, header.0)
    }

    #[inline(always)]
    fn pair<K: 'static, V: 'static>(self, tx: &mut impl ReadTx, at: usize) -> Stm<(K, V)> {
        let [key, value] = self.ledgers.read_words(tx, self.index, HEADER + 2 * at)?;
        Ok((from_word(key), from_word(value)))
    }

    /// Where the key is for which `is_it` holds, and its value.
    #[inline(always)]
    pub(super) fn find<K: 'static, V: 'static>(
        self,
        tx: &mut impl ReadTx,
        header: Header,
        hash: u64,
        is_it: impl Fn(&K) -> bool,
    ) -> Stm<Option<(usize, V)>> {
        for at in header.places_of(tag(hash)) {
            let (key, value) = self.pair(tx, at)?;
            if is_it(&key) {
                return Ok(Some((at, value)));
            }
        }
        Ok(None)
    }

    /// All pairs, and where they are.
    pub(super) fn pairs<X: ReadTx, K: 'static, V: 'static>(
        self,
        tx: &mut X,
    ) -> Stm<impl Iterator<Item = (usize, (K, V))> + use<X, K, V>> {
        let words = self.ledgers.read(tx, self.index)?;
        let header = Header([words[0], words[1]]);
        let taken = (0..PAIRS).filter(move |at| header.is_taken(*at));
        Ok(taken.map(move |at| {
            let place = HEADER + 2 * at;
            (at, (from_word(words[place]), from_word(words[place + 1])))
        }))
    }

    /// Adds a pair, if there is room.
    #[inline(always)]
    pub(super) fn add<K: 'static, V: 'static>(
        self,
        tx: &mut Tx<'_>,
        mut header: Header,
        hash: u64,
        (key, value): &(K, V),
    ) -> Stm<Added> {
        let Some(at) = header.vacancy() else {
            return Ok(Added::NoRoom);
        };
        header.set(at, tag(hash));
        let place = HEADER + 2 * at;
        let words = [
            header.word_of(at),
            (place, to_word(key)),
            (place + 1, to_word(value)),
        ];
        self.ledgers.write_each(tx, self.index, words)?;
        Ok(Added::Yes)
    }

    pub(super) fn set_value<V: 'static>(self, tx: &mut Tx<'_>, at: usize, value: &V) -> Stm<()> {
        let word = HEADER + 2 * at + 1;
        self.ledgers
            .write_word(tx, self.index, word, to_word(value))
    }

    /// Takes the pair out of a place.
    #[inline(always)]
    pub(super) fn take(self, tx: &mut Tx<'_>, mut header: Header, at: usize) -> Stm<()> {
        header.set(at, 0);
        let (index, word) = header.word_of(at);
        self.ledgers.write_word(tx, self.index, index, word)
    }

    /// Takes the pairs out of these places.
    pub(super) fn take_all(
        self,
        tx: &mut Tx<'_>,
        mut header: Header,
        places: impl IntoIterator<Item = usize>,
    ) -> Stm<()> {
        for at in places {
            header.set(at, 0);
        }
        self.write_header(tx, header)
    }

    /// Files a bucket with these pairs, which there is room for, in the place of whatever was filed.
    pub(super) fn file(
        self,
        tx: &mut Tx<'_>,
        depth: u8,
        pairs: impl Iterator<Item = (u64, [u64; 2])>,
    ) -> Stm<()> {
        let mut header = Header::empty(depth);
        let mut words = [0; WORDS];
        for (at, (hash, pair)) in pairs.enumerate() {
            header.set(at, tag(hash));
            let place = HEADER + 2 * at;
            words[place..place + 2].copy_from_slice(&pair);
        }
        words[..HEADER].copy_from_slice(&header.0);
        self.ledgers.write(tx, self.index, words)
    }

    /// The bucket is not filed any more.
    pub(super) fn strike_out(self, tx: &mut Tx<'_>) -> Stm<()> {
        self.write_header(tx, Header::NOTHING)
    }
}

/// Whether a pair was added.
#[must_use]
#[derive(PartialEq, Eq)]
pub(super) enum Added {
    Yes,
    NoRoom,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_knows_its_places() {
        let mut header = Header::empty(30);
        assert_eq!(header.depth(), Some(30));
        assert_eq!(Header::NOTHING.depth(), None);
        assert_eq!(
            header.places_of(0).collect::<Vec<_>>(),
            (0..PAIRS).collect::<Vec<_>>()
        );
        for at in 0..PAIRS {
            assert_eq!(header.vacancy(), Some(at));
            header.set(at, if at % 3 == 0 { 1 } else { 255 });
        }
        assert_eq!(header.vacancy(), None);
        assert_eq!(header.places_of(1).collect::<Vec<_>>(), [0, 3, 6, 9, 12]);
        assert_eq!(header.places_of(255).count(), PAIRS - 5);
        // Neither a neighbour of what is sought, nor the depth.
        assert_eq!(header.places_of(0).count() + header.places_of(2).count(), 0);
        assert_eq!(header.places_of(31).count(), 0);
        header.set(9, 0);
        assert_eq!((header.vacancy(), header.depth()), (Some(9), Some(30)));
        assert!(header.is_taken(8) && !header.is_taken(9));
    }

    #[test]
    fn only_words_are_filed() {
        assert!(files::<u64, i8>() && files::<char, f64>());
        assert!(!files::<u64, ()>() && !files::<u64, String>() && !files::<(u32, u32), u64>());
    }

    #[test]
    fn a_record_fills_four_lines() {
        assert_eq!(32 + WORDS * 8, 256);
        assert!((0..=255).all(|high| tag(high << 56) != 0), "0 is a vacancy");
    }
}
