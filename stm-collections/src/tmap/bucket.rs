//! A bucket, and the three ways in which it keeps its keys.
//!
//! # The problem, and the idea
//!
//! A variable for each key lets two transactions that write different keys go on side by side, always. It also costs 246 bytes
//! a key (`tmap.rs` says what of) and three dependent misses of the cache more, which is what a look-up in a large map waits
//! for. Where many keys share the traffic, two transactions hardly ever meet in a bucket, and the variable for each key buys
//! nothing. So a bucket keeps its keys in one of three ways:
//!
//! ```text
//!  apart      depth 2  [ link ▪▪▪ ]          link = hash, ──▶ Entry { key, TVar<Option<V>> }    in small maps, and where
//!                                                                                               writers were in each other's way
//!  together   depth 2  [ key value ▪▪▪▪▪ ]   in the bucket's own node                           in large maps
//!  filed      tags, depth 2, key value ▪▪▪   in a record: the module `ledger`                   in large maps of machine words
//! ```
//!
//! Together is only for keys and values that are small and own nothing ([`packs`]): each write of a node copies them. For
//! others the type of the bucket has no room for pairs at all ([`Loose`]), so that large values do not make large buckets. A
//! bucket that is filed leaves its variable unborn.
//!
//! # Invariants
//!
//! - B1  A bucket has pairs or links, never both.
//! - B2  A key that is kept together is in the map; there are no tombstones among pairs.
//! - B3  There are pairs only if there is one: vacant places hold copies of it, which are never looked at.

use std::mem::needs_drop;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use smallvec::SmallVec;
use stm_core::{ReadTx, Stm, TVar};

use super::ledger::{PAIRS, files};
use crate::words::to_word;

/// Links that a bucket has room for.
const LINKS: usize = 4;

/// Pairs of more bytes are not kept together.
const SMALL_PAIR: usize = 24;

/// Whether a map of these types ever keeps keys together.
pub(super) const fn packs<K, V>() -> bool {
    size_of::<(K, V)>() <= SMALL_PAIR && !needs_drop::<(K, V)>()
}

/// A key that is kept apart, and whether it is there.
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: TVar<Option<V>>,
    /// Set by whoever removes, before the commit and even without one; so it is worth a look whether `value` is `None`.
    may_be_absent: AtomicBool,
}

impl<K, V: Send + Sync + 'static> Entry<K, V> {
    fn new(key: K, value: V) -> Self {
        Self {
            key,
            value: TVar::new(Some(value)),
            may_be_absent: AtomicBool::new(false),
        }
    }

    /// Somebody is about to remove the value.
    pub(super) fn suspect(&self) {
        // Relaxed, here and below: a hint. What counts is the read.
        self.may_be_absent.store(true, Ordering::Relaxed);
    }

    /// Whether the value is there. Reads it only where somebody has ever removed it.
    pub(super) fn look(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        if !self.may_be_absent.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let present = self.value.read_ref(tx)?.is_some();
        self.may_be_absent.store(!present, Ordering::Relaxed);
        Ok(present)
    }
}

/// The way to an entry.
pub(super) struct Link<K, V> {
    hash: u64,
    pub(super) entry: Arc<Entry<K, V>>,
}

impl<K, V: Send + Sync + 'static> Link<K, V> {
    pub(super) fn new(hash: u64, key: K, value: V) -> Self {
        Self {
            hash,
            entry: Arc::new(Entry::new(key, value)),
        }
    }
}

impl<K, V> Clone for Link<K, V> {
    fn clone(&self) -> Self {
        Self {
            hash: self.hash,
            entry: Arc::clone(&self.entry),
        }
    }
}

pub(super) type Links<K, V> = SmallVec<[Link<K, V>; LINKS]>;

/// From one to [`PAIRS`] pairs (B3).
///
/// An array without a second count or a way to the heap: it is copied on each write, by a few wide moves. The count comes
/// first: there it shares a cache line with what is read before it. And it is a whole word, like all that is beside it: with
/// padding between, the compiler copies the array from one temporary place to the next before it comes to its node.
#[derive(Clone)]
#[repr(C)]
pub(super) struct Pairs<K, V> {
    len: NonZeroUsize,
    places: [(K, V); PAIRS],
}

impl<K: Clone, V: Clone> Pairs<K, V> {
    #[inline]
    pub(super) fn of(pair: (K, V)) -> Self {
        Self {
            len: NonZeroUsize::MIN,
            places: std::array::from_fn(|_| pair.clone()),
        }
    }

    /// Those that are `kept`, if any is.
    pub(super) fn filter(all: &[(K, V)], mut kept: impl FnMut(&K, &V) -> bool) -> Option<Self> {
        let mut pairs = all.iter().filter(|(key, value)| kept(key, value)).cloned();
        let mut filtered = Self::of(pairs.next()?);
        pairs.for_each(|pair| filtered.push(pair));
        Some(filtered)
    }
}

impl<K, V> Pairs<K, V> {
    pub(super) fn as_slice(&self) -> &[(K, V)] {
        &self.places[..self.len.get()]
    }

    pub(super) fn is_full(&self) -> bool {
        self.len.get() == PAIRS
    }

    /// One more.
    ///
    /// # Panics
    ///
    /// If they are full.
    pub(super) fn push(&mut self, pair: (K, V)) {
        self.places[self.len.get()] = pair;
        self.len = self.len.saturating_add(1);
    }

    pub(super) fn value_mut(&mut self, at: usize) -> &mut V {
        &mut self.places[at].1
    }

    /// Takes out number `at`, unless it is the last one of all (B3).
    pub(super) fn take(&mut self, at: usize) -> Taken {
        let Some(len) = NonZeroUsize::new(self.len.get() - 1) else {
            return Taken::WouldBeEmpty;
        };
        self.places.swap(at, len.get());
        self.len = len;
        Taken::Gone
    }
}

/// Whether a pair was taken out.
#[derive(PartialEq, Eq)]
pub(super) enum Taken {
    Gone,
    WouldBeEmpty,
}

/// What a bucket keeps its keys in.
pub(super) trait Rooms<K, V>: Default + Send + Sync + 'static {
    /// Whether there can be pairs.
    const PACKS: bool;

    fn pairs(&self) -> Option<&Pairs<K, V>>;
    fn links(&self) -> &[Link<K, V>];
    /// # Panics
    ///
    /// If there cannot be any.
    fn of_pairs(pairs: Pairs<K, V>) -> Self;
    fn of_links(links: Links<K, V>) -> Self;

    /// The pairs, to change them.
    fn pairs_mut(&mut self) -> Option<&mut Pairs<K, V>>;

    /// The pairs, if any.
    #[inline]
    fn as_pairs(&self) -> &[(K, V)] {
        self.pairs().map_or(&[], Pairs::as_slice)
    }
}

/// Keys apart from each other, whatever their number.
#[derive(Clone)]
pub(super) struct Loose<K, V>(Links<K, V>);

/// Keys together, or apart from each other (B1).
#[derive(Clone)]
pub(super) enum Packed<K, V> {
    Together(Pairs<K, V>),
    Apart(Links<K, V>),
}

impl<K, V> Default for Loose<K, V> {
    fn default() -> Self {
        Self(Links::new())
    }
}

impl<K, V> Default for Packed<K, V> {
    fn default() -> Self {
        Self::Apart(Links::new())
    }
}

impl<K, V> Rooms<K, V> for Loose<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    const PACKS: bool = false;

    fn pairs(&self) -> Option<&Pairs<K, V>> {
        None
    }

    fn pairs_mut(&mut self) -> Option<&mut Pairs<K, V>> {
        None
    }

    fn links(&self) -> &[Link<K, V>] {
        &self.0
    }

    fn of_pairs(_: Pairs<K, V>) -> Self {
        unreachable!("there are no pairs")
    }

    fn of_links(links: Links<K, V>) -> Self {
        Self(links)
    }
}

impl<K, V> Rooms<K, V> for Packed<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    const PACKS: bool = true;

    #[inline]
    fn pairs(&self) -> Option<&Pairs<K, V>> {
        match self {
            Self::Together(pairs) => Some(pairs),
            Self::Apart(_) => None,
        }
    }

    #[inline]
    fn pairs_mut(&mut self) -> Option<&mut Pairs<K, V>> {
        match self {
            Self::Together(pairs) => Some(pairs),
            Self::Apart(_) => None,
        }
    }

    fn links(&self) -> &[Link<K, V>] {
        match self {
            Self::Together(_) => &[],
            Self::Apart(links) => links,
        }
    }

    fn of_pairs(pairs: Pairs<K, V>) -> Self {
        Self::Together(pairs)
    }

    fn of_links(links: Links<K, V>) -> Self {
        Self::Apart(links)
    }
}

/// How many low bits the hashes of a bucket share. A whole word: see [`Pairs`].
#[derive(Clone, Copy)]
pub(super) struct Depth(usize);

impl Depth {
    /// Of a bucket that is not born yet, and is empty.
    pub(super) const UNBORN: Self = Self(usize::MAX);

    pub(super) const fn of(bits: u8) -> Self {
        Self(bits as usize)
    }

    /// `None` if unborn.
    #[inline(always)]
    pub(super) const fn get(self) -> Option<u8> {
        if self.0 == Self::UNBORN.0 {
            return None;
        }
        Some(self.0 as u8)
    }
}

/// What the table is made of, but for what is filed. Unborn by default.
///
/// The depth comes first, and shares a cache line with the version of the bucket, which is looked at before.
#[derive(Clone)]
#[repr(C)]
pub(super) struct Bucket<R> {
    pub(super) depth: Depth,
    pub(super) rooms: R,
}

impl<R: Default> Default for Bucket<R> {
    fn default() -> Self {
        Self {
            depth: Depth::UNBORN,
            rooms: R::default(),
        }
    }
}

/// Where a key is within a bucket.
pub(super) enum Spot<'a, K, V> {
    /// Kept together in the node: the pair of this index, and its value.
    Pair(usize, &'a V),
    /// Kept together in a record: the place, and the value.
    Filed(usize, V),
    /// Kept apart; perhaps removed.
    Entry(&'a Entry<K, V>),
    Nowhere,
}

impl<R> Bucket<R> {
    /// The key with this hash for which `is_it` holds.
    #[inline]
    pub(super) fn find<K, V>(&self, hash: u64, is_it: impl Fn(&K) -> bool) -> Spot<'_, K, V>
    where
        R: Rooms<K, V>,
    {
        let pairs = self.rooms.as_pairs();
        if let Some(at) = pairs.iter().position(|(key, _)| is_it(key)) {
            return Spot::Pair(at, &pairs[at].1);
        }
        let mut alike = self.rooms.links().iter().filter(|link| link.hash == hash);
        match alike.find(|link| is_it(&link.entry.key)) {
            Some(link) => Spot::Entry(&link.entry),
            None => Spot::Nowhere,
        }
    }
}

/// A key on its way into a bucket.
pub(super) trait Resident<R>: Sized {
    /// How many fit into a bucket that need not be split.
    const ROOM: usize;

    fn hash(&self) -> u64;

    /// A bucket for `all`, and how many entries it has. More than [`Self::ROOM`] come only if splitting cannot part them.
    fn house(all: Vec<Self>) -> (R, usize);

    /// Whether such residents are to be filed, where that is possible.
    fn are_filed() -> bool;

    /// What is to be filed.
    ///
    /// # Panics
    ///
    /// If it is not.
    fn words(&self) -> [u64; 2];
}

impl<K, V, R: Rooms<K, V>> Resident<R> for Link<K, V> {
    const ROOM: usize = LINKS;

    fn hash(&self) -> u64 {
        self.hash
    }

    fn house(all: Vec<Self>) -> (R, usize) {
        let entries = all.len();
        (R::of_links(all.into()), entries)
    }

    fn are_filed() -> bool {
        false
    }

    fn words(&self) -> [u64; 2] {
        unreachable!("links are not filed")
    }
}

/// A pair that is to be kept together with others.
pub(super) struct Hashed<K, V> {
    pub(super) hash: u64,
    pub(super) pair: (K, V),
}

impl<K, V> Hashed<K, V> {
    fn part(self) -> Link<K, V>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        Link::new(self.hash, self.pair.0, self.pair.1)
    }
}

impl<K, V, R> Resident<R> for Hashed<K, V>
where
    K: Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    R: Rooms<K, V>,
{
    const ROOM: usize = PAIRS;

    fn hash(&self) -> u64 {
        self.hash
    }

    fn house(all: Vec<Self>) -> (R, usize) {
        if all.len() > PAIRS {
            return Resident::house(all.into_iter().map(Hashed::part).collect());
        }
        let mut pairs = all.into_iter().map(|hashed| hashed.pair);
        let Some(first) = pairs.next() else {
            return (R::default(), 0);
        };
        let mut housed = Pairs::of(first);
        pairs.for_each(|pair| housed.push(pair));
        (R::of_pairs(housed), 0)
    }

    fn are_filed() -> bool {
        files::<K, V>()
    }

    fn words(&self) -> [u64; 2] {
        let (key, value) = &self.pair;
        [to_word(key), to_word(value)]
    }
}
