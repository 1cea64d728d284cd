//! The hash table: buckets that partition the space of hashes, found by the low bits of a hash, split when they are full.
//!
//! # Picture
//!
//! ```text
//!  number   bucket                     covers the hashes that end in
//!  0     ▶  depth 2  [ ▪▪▪ ]           00
//!  1     ▶  depth 1  [ ▪▪ ]             1
//!  2     ▶  depth 2  [ ▪ ]             10
//!  3        unborn: 1 covers it
//! ```
//!
//! A bucket of depth d and number n covers the hashes whose low d bits are n. Splitting it leaves it, with depth d + 1,
//! those whose next bit is 0, and gives the others to bucket n + 2^d, which is born by that. To find the bucket of a hash,
//! one starts at a depth that is about right or rather too large, with the number that so many low bits make, and clears the
//! highest bit that is set until the bucket is born: it is a parent's parent. (The directory has a bit for each number that may be,
//! so one hardly ever looks at another.) If that is deeper than one thought, and covers others, one goes on with as many bits as it has.
//!
//! How a bucket keeps its keys, apart, together or filed, is described in `tmap/bucket.rs` and `tmap/ledger.rs`. Whoever finds no
//! room for a key, or a bucket that is empty, chooses it anew, by the size of the table. A bucket whose keys are together and whose
//! writer has been thrown away before takes them apart: where writers meet, they shall not meet for nothing again.
//!
//! ```text
//!  apart ──── no room, and the table is large ────▶ together, filed if it can be (F3)
//!        ◀─── a writer that was thrown away ───────
//! ```
//!
//! # Invariants
//!
//! - H1  In every state that a transaction sees, the born buckets partition the hashes. Number 0 is born, and if a bucket of
//!   number n and depth d is, then so are n + 2^j for every j from n's bit length up to, not including, d.
//! - H2  A key is at most once in the bucket that covers its hash, and in no other. Both that and its absence are read
//!   from that bucket, so whoever adds or drops it there conflicts with whoever rests on it.
//! - H3  A key that is apart is in the map if its entry's value is `Some`. An entry holding `None` (a tombstone) is dropped
//!   only by a transaction that has read the `None`.
//! - H4  `live` adds up to the number of keys in the map, `entries` to the number of entries, tombstones among them.
//!
//! For H1 and H2, a bucket is born in its variable or in its record. F1, that it is never in both, and F3, when it is in which,
//! are in `tmap/ledger.rs`.

use std::sync::atomic::{AtomicU64, AtomicUsize};

use stm_core::{ReadTx, Stm, Tx};

use super::bucket::{Bucket, Depth, Entry, Hashed, Link, Links, Pairs, Resident, Rooms, Taken};
use super::directory::{Directory, MAX_BITS};
use super::home::{Home, House};
use super::ledger::{Added, PAIRS, files};
use super::upkeep::RARELY;
use crate::tally::Tally;

/// The depth at which a lookup starts among so many buckets: `deeper` than they are on average, rounded to the nearest.
#[inline]
const fn start(buckets: u32, deeper: u32) -> u32 {
    let depth = buckets.saturating_add(buckets / 2).ilog2() + deeper;
    if depth < MAX_BITS { depth } else { MAX_BITS }
}

/// From this number of buckets on, some 5500 keys, splits put keys together. What is kept apart by then is a megabyte or two.
pub(super) const LARGE: u32 = 2048;

/// How a table keeps its keys.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// From how many buckets on splits put keys together; beyond all numbers if none ever do.
    pub(super) large: u32,
    /// Whether what is together is filed in records: a matter of the types, here so that one need not ask for them.
    pub(super) files: bool,
}

impl Plan {
    pub(super) const LOOSE: Self = Self {
        large: u32::MAX,
        files: false,
    };

    /// Of a table of `K` and `V` that puts keys together from `large` buckets on.
    pub(super) fn packed<K: 'static, V: 'static>(large: u32) -> Self {
        let files = files::<K, V>();
        Self { large, files }
    }
}

/// Whether keys were taken apart.
#[derive(PartialEq, Eq)]
pub(super) enum Parted {
    Yes,
    No,
}

/// See the module. The map has one at a time, and a fresh one after `clear`.
pub(super) struct Table<R> {
    directory: Directory<Bucket<R>>,
    pub(super) live: Tally,
    pub(super) entries: Tally,
    plan: Plan,
    /// Where the sweeper goes on: a hash read backwards.
    pub(super) cursor: AtomicU64,
    /// Out of so many removals, one looks after this table: fewer as it nears emptiness.
    pub(super) period: AtomicUsize,
}

impl<R: Default + Send + Sync + 'static> Table<R> {
    /// An empty table.
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            directory: Directory::new(Bucket {
                depth: Depth::of(0),
                rooms: R::default(),
            }),
            live: Tally::new(),
            entries: Tally::new(),
            plan,
            cursor: AtomicU64::new(0),
            period: AtomicUsize::new(RARELY),
        }
    }

    /// An empty one like this.
    pub(super) fn fresh(&self) -> Self {
        Self::new(self.plan)
    }

    /// About how many buckets there are.
    pub(super) fn buckets(&self) -> u32 {
        self.directory.about()
    }

    /// Where a lookup starts: among small buckets two bits deeper than they are on average, for a bucket read in vain may be a
    /// conflict in vain. One bit among buckets of many keys, whose depths differ little.
    #[inline]
    pub(super) fn start(&self) -> u32 {
        let buckets = self.directory.about();
        let deeper = if buckets < self.plan.large { 2 } else { 1 };
        start(buckets, deeper)
    }

    /// The bucket that covers `hash` (H1).
    ///
    /// Where it starts is a hint: too deep costs looks at bits, not deep enough a read of a wrong bucket.
    #[inline(always)]
    pub(super) fn home<X: ReadTx>(&self, tx: &mut X, hash: u64) -> Stm<Home<'_, X, R>> {
        // Who was thrown away before shall rest on no other bucket than its own, if it can: from the greatest number of all, the first
        // that is born is that one, and hardly any other number has been used.
        let start = if tx.attempt() == 1 {
            self.start()
        } else {
            MAX_BITS
        };
        let mut number = self.first_look(hash, start);
        loop {
            let Some((depth, house)) = self.look_at(tx, number)? else {
                number = self.directory.shorter_used(number);
                continue;
            };
            // Perhaps not born, but nearer: of a bucket of this depth all n + 2^j are (H1), whose bits can be seen by whoever has seen its
            // depth (D4), and one of them is on the way down from here. So each round goes on from a later one.
            let covering = low_bits(hash, u32::from(depth));
            if covering == number {
                return Ok(Home {
                    number,
                    depth,
                    house,
                });
            }
            number = covering;
        }
    }

    /// The number at which a look-up for `hash` begins that starts at this depth.
    #[inline(always)]
    pub(super) fn first_look(&self, hash: u64, start: u32) -> u32 {
        self.directory.longest_used(low_bits(hash, start))
    }

    /// The bucket of a number and its depth, if it is born.
    #[inline(always)]
    fn look_at<X: ReadTx>(&self, tx: &mut X, number: u32) -> Stm<Option<(u8, House<'_, X, R>)>> {
        if self.plan.files
            && let Some(ledger) = self.directory.find_ledger(number)
        {
            ledger.prefetch();
            let header = ledger.header(tx)?;
            if let Some(depth) = header.depth() {
                return Ok(Some((depth, House::Ledger(ledger, header))));
            }
        }
        let Some(var) = self.directory.find(number) else {
            return Ok(None);
        };
        let bucket = var.read_ref(tx)?;
        let depth = bucket.depth.get();
        Ok(depth.map(|depth| (depth, House::Var(var, bucket))))
    }

    /// Whether what is filed is born in its variable, too, against F1.
    #[cfg(test)]
    pub(super) fn is_born_twice<X: ReadTx>(&self, tx: &mut X, home: &Home<'_, X, R>) -> Stm<bool> {
        let var = self.directory.find(home.number).filter(|_| home.is_filed());
        let depth = var.map(|var| Ok(var.read_ref(tx)?.depth.get()));
        Ok(depth.transpose()?.flatten().is_some())
    }

    /// Shows every born bucket, in one order for all states.
    pub(super) fn each_home<X: ReadTx>(
        &self,
        tx: &mut X,
        mut visit: impl FnMut(&mut X, Home<'_, X, R>) -> Stm<()>,
    ) -> Stm<()> {
        let mut at = Some(0_u64);
        while let Some(backwards) = at {
            let home = self.home(tx, backwards.reverse_bits())?;
            at = home.next_backwards();
            visit(tx, home)?;
        }
        Ok(())
    }

    pub(super) fn len(&self, tx: &mut impl ReadTx) -> Stm<i64> {
        self.live.sum(tx)
    }

    /// Distributes `residents` over what bucket `number` covers at `depth`, splitting it as often as need be. How many of them
    /// have entries then.
    fn settle<T: Resident<R>>(
        &self,
        tx: &mut Tx<'_>,
        number: u32,
        depth: u8,
        residents: Vec<T>,
    ) -> Stm<i64> {
        let inseparable = || {
            residents
                .iter()
                .all(|one| one.hash() == residents[0].hash())
        };
        if residents.len() <= T::ROOM || u32::from(depth) == MAX_BITS || inseparable() {
            return self.settle_together(tx, number, depth, residents);
        }
        let bit = 1_u32 << depth;
        let (ones, zeros) = residents
            .into_iter()
            .partition(|one| one.hash() & u64::from(bit) != 0);
        let entries = self.settle(tx, number, depth + 1, zeros)?;
        Ok(entries + self.settle(tx, number | bit, depth + 1, ones)?)
    }

    /// Makes bucket `number` one of `depth` with these in it.
    fn settle_together<T: Resident<R>>(
        &self,
        tx: &mut Tx<'_>,
        number: u32,
        depth: u8,
        residents: Vec<T>,
    ) -> Stm<i64> {
        if T::are_filed()
            && residents.len() <= PAIRS
            && let Some(ledger) = self.directory.ledger(number)
        {
            let pairs = residents.iter().map(|one| (one.hash(), one.words()));
            ledger.file(tx, depth, pairs)?;
            // F1.
            if let Some(var) = self.directory.find(number)
                && var.read_ref(tx)?.depth.get().is_some()
            {
                var.write(tx, Bucket::default())?;
            }
            return Ok(0);
        }
        let (rooms, entries) = T::house(residents);
        self.furnish(tx, number, depth, rooms)?;
        Ok(tally(entries))
    }

    /// Makes bucket `number` one of `depth` with these rooms, not filed.
    fn furnish(&self, tx: &mut Tx<'_>, number: u32, depth: u8, rooms: R) -> Stm<()> {
        // F1.
        if let Some(ledger) = self.directory.find_ledger(number) {
            ledger.strike_out(tx)?;
        }
        let depth = Depth::of(depth);
        let var = self.directory.find_or_make(number);
        var.write(tx, Bucket { depth, rooms })
    }

    /// Adds a key that is not in the bucket `home`. `hash_of` is asked about keys that are there.
    ///
    /// All that runs foreign code comes before the first write (M3).
    pub(super) fn add<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        hash_of: impl Fn(&K) -> u64,
        hash: u64,
        pair: (K, V),
    ) -> Stm<()>
    where
        K: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Rooms<K, V> + Clone,
    {
        match &home.house {
            House::Ledger(ledger, header) => {
                if ledger.add(tx, *header, hash, &pair)? == Added::NoRoom {
                    self.resettle(tx, home, hash_of, hash, pair)?;
                }
            }
            House::Var(_, bucket) => {
                let rooms = &bucket.rooms;
                if !(R::PACKS && self.is_large() && rooms.links().is_empty()) {
                    self.add_entry(tx, home, hash, pair)?;
                } else if rooms.pairs().is_some_and(|pairs| !pairs.is_full()) {
                    home.update(tx, |pairs| pairs.push(pair))?;
                } else {
                    self.resettle(tx, home, hash_of, hash, pair)?;
                }
            }
        }
        self.live.add(tx, 1)
    }

    fn is_large(&self) -> bool {
        self.directory.about() >= self.plan.large
    }

    /// Adds a pair to a bucket that has no room for it, or that is empty and might be filed from now on (F3).
    #[cold]
    fn resettle<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        hash_of: impl Fn(&K) -> u64,
        hash: u64,
        pair: (K, V),
    ) -> Stm<()>
    where
        K: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Rooms<K, V> + Clone,
    {
        let mut residents = Vec::with_capacity(PAIRS + 1);
        home.each_pair(tx, |key: &K, value: &V| {
            residents.push(Hashed {
                hash: hash_of(key),
                pair: (key.clone(), value.clone()),
            });
        })?;
        residents.push(Hashed { hash, pair });
        let parted = self.settle(tx, home.number, home.depth, residents)?;
        self.count_entries(tx, parted)
    }

    /// The number of entries has grown by `n`.
    pub(super) fn count_entries(&self, tx: &mut Tx<'_>, n: i64) -> Stm<()> {
        match n {
            0 => Ok(()),
            _ => self.entries.add(tx, n),
        }
    }

    fn add_entry<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        hash: u64,
        (key, value): (K, V),
    ) -> Stm<()>
    where
        K: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        let there = home.links();
        let links = filter(tx, there, |tx, entry| entry.look(tx))?;
        let before = tally(there.len());
        let full = links.len() == <Link<K, V> as Resident<R>>::ROOM;
        if R::PACKS && full && self.is_large() {
            let mut residents = Vec::with_capacity(links.len() + 1);
            for link in &links {
                let Some(value) = link.entry.value.read(tx)? else {
                    continue;
                };
                let hash = <Link<K, V> as Resident<R>>::hash(link);
                let pair = (link.entry.key.clone(), value);
                residents.push(Hashed { hash, pair });
            }
            let pair = (key, value);
            residents.push(Hashed { hash, pair });
            let parted = self.settle(tx, home.number, home.depth, residents)?;
            return self.count_entries(tx, parted - before);
        }
        let mut links: Vec<_> = links.into_iter().collect();
        links.push(Link::new(hash, key, value));
        let after = self.settle(tx, home.number, home.depth, links)?;
        self.count_entries(tx, after - before)
    }

    /// Takes the keys of `home` apart if they are together and somebody was in the way of this transaction before; whether it
    /// did, and then the bucket has to be looked at again.
    #[inline]
    pub(super) fn part_if_contested<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        hash_of: impl Fn(&K) -> u64,
    ) -> Stm<Parted>
    where
        K: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        if tx.attempt() == 1 || !home.is_together() {
            return Ok(Parted::No);
        }
        self.part(tx, home, hash_of)
    }

    #[cold]
    fn part<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        hash_of: impl Fn(&K) -> u64,
    ) -> Stm<Parted>
    where
        K: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        let mut links = Links::<K, V>::new();
        home.each_pair(tx, |key: &K, value: &V| {
            links.push(Link::new(hash_of(key), key.clone(), value.clone()));
        })?;
        let parted = tally(links.len());
        self.furnish(tx, home.number, home.depth, R::of_links(links))?;
        self.count_entries(tx, parted)?;
        Ok(Parted::Yes)
    }

    /// Drops pair number `at` of `home`.
    pub(super) fn take<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        at: usize,
    ) -> Stm<()>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Rooms<K, V> + Clone,
    {
        match &home.house {
            House::Ledger(ledger, header) => ledger.take(tx, *header, at)?,
            House::Var(var, _) => var.update(tx, |bucket| {
                let pairs = bucket.rooms.pairs_mut();
                let pairs = pairs.expect("the transaction has seen one of them");
                if pairs.take(at) == Taken::WouldBeEmpty {
                    bucket.rooms = R::default();
                }
            })?,
        }
        self.live.add(tx, -1)
    }

    /// Makes a key present that has an entry; what it held.
    pub(super) fn overwrite<K, V>(
        &self,
        tx: &mut Tx<'_>,
        entry: &Entry<K, V>,
        value: V,
    ) -> Stm<Option<V>>
    where
        V: Clone + Send + Sync + 'static,
    {
        let old = entry.value.replace(tx, Some(value))?;
        if old.is_none() {
            self.live.add(tx, 1)?;
        }
        Ok(old)
    }

    /// Makes a key absent whose entry holds `Some`, and gives that.
    pub(super) fn bury<K, V>(&self, tx: &mut Tx<'_>, entry: &Entry<K, V>) -> Stm<Option<V>>
    where
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let old = entry.value.replace(tx, None)?;
        entry.suspect();
        self.live.add(tx, -1)?;
        Ok(old)
    }

    /// Drops the entries that hold `None` and the keys that `keep` refuses.
    pub(super) fn retain<K, V>(
        &self,
        tx: &mut Tx<'_>,
        mut keep: impl FnMut(&K, &V) -> bool,
    ) -> Stm<()>
    where
        K: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        let (mut refused, mut dropped) = (0, 0);
        self.each_home(tx, |tx, home| {
            refused += self.retain_pairs(tx, &home, &mut keep)?;
            dropped += self.thin_out(tx, &home, |entry: &Entry<K, V>, value| {
                let Some(value) = value else { return false };
                let kept = keep(&entry.key, value);
                refused += i64::from(!kept);
                kept
            })?;
            Ok(())
        })?;
        self.count_entries(tx, -dropped)?;
        self.live.add(tx, -refused)
    }

    /// Drops the pairs of a bucket that `keep` refuses. How many.
    fn retain_pairs<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        mut keep: impl FnMut(&K, &V) -> bool,
    ) -> Stm<i64>
    where
        K: Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        match &home.house {
            House::Ledger(ledger, header) => {
                let pairs = ledger.pairs(tx)?;
                let gone = pairs.filter(|(_, (key, value))| !keep(key, value));
                let gone: Vec<usize> = gone.map(|(at, _)| at).collect();
                let count = tally(gone.len());
                if count > 0 {
                    ledger.take_all(tx, *header, gone)?;
                }
                Ok(count)
            }
            House::Var(_, bucket) => {
                let mut gone = 0;
                let kept = Pairs::filter(bucket.rooms.as_pairs(), |key, value| {
                    let kept = keep(key, value);
                    gone += i64::from(!kept);
                    kept
                });
                if gone > 0 {
                    let rooms = kept.map_or_else(R::default, R::of_pairs);
                    self.furnish(tx, home.number, home.depth, rooms)?;
                }
                Ok(gone)
            }
        }
    }

    /// Drops the entries of a bucket that `keep` refuses, having read them all. How many.
    pub(super) fn thin_out<'t, K, V>(
        &self,
        tx: &mut Tx<'t>,
        home: &Home<'_, Tx<'t>, R>,
        mut keep: impl FnMut(&Entry<K, V>, Option<&V>) -> bool,
    ) -> Stm<i64>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Rooms<K, V>,
    {
        let there = home.links();
        let links = filter(tx, there, |tx, entry| {
            let value = entry.value.read_ref(tx)?;
            Ok(keep(entry, value.as_ref()))
        })?;
        let dropped = there.len() - links.len();
        if dropped > 0 {
            self.furnish(tx, home.number, home.depth, R::of_links(links))?;
        }
        Ok(tally(dropped))
    }
}

/// The links that `keep` lets stay.
fn filter<K, V>(
    tx: &mut Tx<'_>,
    links: &[Link<K, V>],
    mut keep: impl FnMut(&mut Tx<'_>, &Entry<K, V>) -> Stm<bool>,
) -> Stm<Links<K, V>> {
    let mut kept = Links::new();
    for link in links {
        if keep(tx, &link.entry)? {
            kept.push(link.clone());
        }
    }
    Ok(kept)
}

/// A number of keys in memory, for a tally.
fn tally(n: usize) -> i64 {
    i64::try_from(n).expect("what is in memory can be counted")
}

/// The number that the low `bits` of a hash make.
#[inline]
const fn low_bits(hash: u64, bits: u32) -> u32 {
    debug_assert!(bits <= MAX_BITS);
    (hash as u32) & ((1 << bits) - 1)
}

/// Spreads a hash over all bits: a hasher that is good enough elsewhere may leave the low ones alike.
///
/// A bijection, so no two hashes become one. Source: the finalizer "Mix13" of David Stafford, "Better Bit Mixing - Improving on
/// MurmurHash3's 64-bit Finalizer", 2011; as in Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
/// 2014, doi:10.1145/2660193.2660195.
#[inline]
pub(super) const fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_hashes() {
        assert_eq!(low_bits(0b1101_0110, 0), 0);
        assert_eq!(low_bits(0b1101_0110, 5), 0b1_0110);
        assert_eq!(low_bits(u64::MAX, MAX_BITS), u32::MAX >> 2);
        let starts = [1, 2, 5, 6, 10, 11].map(|buckets| start(buckets, 1));
        assert_eq!(starts, [1, 2, 3, 4, 4, 5]);
        assert_eq!((start(6, 2), start(u32::MAX, 1)), (5, MAX_BITS));
    }
}
