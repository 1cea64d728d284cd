//! What the table looks like from within: who keeps which keys how.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher};

use stm_core::{ReadTx, Stm, TVar, atomically, snapshot};

use super::bucket::{Packed, Resident};
use super::directory::FIRST_FILED;
use super::table::mix;
use super::*;

type Buckets = Packed<u64, u64>;

/// The same hashes in every run: how many buckets there are, and which, is a matter of chance otherwise.
type Fixed = BuildHasherDefault<DefaultHasher>;

/// Entries that a bucket has room for, and pairs.
const LINKS: usize = <bucket::Link<u64, u64> as Resident<Buckets>>::ROOM;
const PAIRS: usize = <bucket::Hashed<u64, u64> as Resident<Buckets>>::ROOM;

fn root<S>(map: &TMap<u64, u64, S>) -> &TVar<Table<Buckets>> {
    match &map.inner.root {
        Root::Packed(root) => root,
        Root::Loose(_) => unreachable!("numbers pack"),
    }
}

fn put<S: BuildHasher>(map: &TMap<u64, u64, S>, key: u64) {
    atomically(|tx| map.insert(tx, key, key));
}

fn take<S: BuildHasher>(map: &TMap<u64, u64, S>, key: u64) {
    assert!(atomically(|tx| map.remove(tx, &key)).is_some());
}

#[derive(Debug, PartialEq, Eq)]
struct Survey {
    buckets: usize,
    entries: usize,
    pairs: usize,
    /// Buckets in records.
    filed: usize,
}

/// Counts what there is, having checked H1, H2, H4, B1, F1 and F3.
fn survey<S: BuildHasher>(map: &TMap<u64, u64, S>) -> Survey {
    snapshot(|s| {
        let table = root(map).read_ref(s)?;
        let (mut buckets, mut entries, mut pairs, mut filed, mut live) = (0, 0, 0, 0, 0);
        let mut covered = 0_u128;
        let hash_of = |key: &u64| mix(map.inner.hasher.hash_one(key));
        table.each_home(s, |s, home| {
            let depth = home.depth;
            buckets += 1;
            covered += 1 << (u64::BITS - u32::from(depth));
            filed += usize::from(home.is_filed());
            assert!(!table.is_born_twice(s, &home)?);
            let mut keys = Vec::new();
            home.each_pair(s, |key: &u64, _: &u64| keys.push(*key))?;
            assert!(keys.is_empty() || home.is_filed() == (home.number >= FIRST_FILED));
            assert!(keys.is_empty() || home.links::<u64, u64>().is_empty());
            pairs += keys.len();
            for link in home.links::<u64, u64>() {
                entries += 1;
                live += usize::from(link.entry.value.read_ref(s)?.is_some());
                keys.push(link.entry.key);
            }
            let mask = (1_u64 << depth) - 1;
            let number = keys.first().map_or(0, |key| hash_of(key) & mask);
            assert!(keys.iter().all(|key| hash_of(key) & mask == number));
            Ok(())
        })?;
        assert_eq!(covered, 1 << u64::BITS, "the buckets partition the hashes");
        assert_eq!(i64::try_from(entries), Ok(table.entries.sum(s)?));
        assert_eq!(i64::try_from(live + pairs), Ok(table.len(s)?));
        Ok(Survey {
            buckets,
            entries,
            pairs,
            filed,
        })
    })
}

#[test]
fn grows_shrinks_and_begins_anew() {
    const MANY: u64 = 5_000;
    let map = TMap::with_hasher(Fixed::default());
    let nothing = survey(&map);
    assert_eq!((nothing.buckets, nothing.entries), (1, 0));
    (0..MANY).for_each(|key| put(&map, key));
    let full = survey(&map);
    assert_eq!((full.entries, full.pairs), (MANY as usize, 0));
    let expected = full.entries / 4..full.entries / 2;
    assert!(expected.contains(&full.buckets), "{full:?}");
    (0..MANY / 2).for_each(|key| take(&map, key));
    assert_eq!(survey(&map), full, "half may be tombstones");
    (MANY / 2..MANY - 1).for_each(|key| take(&map, key));
    let left = survey(&map);
    assert_eq!(
        left.buckets, full.buckets,
        "buckets stay while there is a key"
    );
    assert!(left.entries < full.entries / 5, "{left:?}");
    take(&map, MANY - 1);
    assert_eq!(survey(&map), nothing, "a fresh table");
}

#[test]
fn keys_of_a_compact_map_are_together() {
    const MANY: u64 = 5_000;
    let map = TMap::compact(Fixed::default());
    (0..MANY).for_each(|key| put(&map, key));
    let full = survey(&map);
    assert_eq!((full.entries, full.pairs), (0, MANY as usize));
    let expected = full.pairs / PAIRS..full.pairs / (PAIRS / 2);
    assert!(expected.contains(&full.buckets), "{full:?}");
    assert!(full.filed > full.buckets - 65, "{full:?}");
    let about = snapshot(|s| Ok(root(&map).read_ref(s)?.buckets())) as usize;
    let expected = full.buckets * 4 / 5..full.buckets * 5 / 4;
    assert!(expected.contains(&about), "{about} for {full:?}");
    (0..MANY - 1).for_each(|key| take(&map, key));
    let left = survey(&map);
    assert_eq!(
        (left.buckets, left.pairs),
        (full.buckets, 1),
        "no tombstones"
    );
    take(&map, MANY - 1);
    let nothing = survey(&map);
    assert_eq!((nothing.buckets, nothing.pairs), (1, 0), "a fresh table");
    put(&map, 1);
    assert_eq!(survey(&map).pairs, 1, "as compact as the one before");
    atomically(|tx| map.clear(tx));
    put(&map, 1);
    assert_eq!(survey(&map).pairs, 1, "and after `clear`");
}

/// Out of its record and back: an operation that was thrown away takes the keys of its bucket apart, and whoever finds no room among
/// them puts them together.
#[test]
fn a_filed_bucket_is_taken_apart_and_filed_again() {
    const MANY: u64 = 3_000;
    let map = TMap::compact(Fixed::default());
    (0..MANY).for_each(|key| put(&map, key));
    let before = survey(&map);
    for key in 0..MANY {
        let attempts = atomically(|tx| {
            map.insert(tx, key, key + 1)?;
            if tx.attempt() == 1 {
                std::thread::scope(|s| s.spawn(|| put(&map, key)).join()).expect("it ends");
            }
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 2);
    }
    let apart = survey(&map);
    assert_eq!((apart.entries, apart.pairs), (MANY as usize, 0));
    assert_eq!((apart.buckets, apart.filed), (before.buckets, 0));
    let content = |s: &mut stm_core::Snapshot<'_>| {
        let mut pairs = map.to_vec(s)?;
        pairs.sort_unstable();
        Ok(pairs)
    };
    let expected: Vec<_> = (0..MANY).map(|key| (key, key + 1)).collect();
    assert_eq!(snapshot(content), expected);
    (MANY..2 * MANY).for_each(|key| put(&map, key));
    let again = survey(&map);
    assert_eq!(again.entries + again.pairs, 2 * MANY as usize);
    assert!(again.filed > again.buckets / 4, "{again:?}");
    assert_eq!(snapshot(content)[..MANY as usize], expected);
}

/// F3: also one whose keys were apart and have gone.
#[test]
fn an_empty_bucket_is_filed() {
    const MANY: u64 = 1_000;
    let map = TMap::compact(Fixed::default());
    (0..MANY).for_each(|key| put(&map, key));
    let before = survey(&map);
    atomically(|tx| {
        if tx.attempt() == 1 {
            map.len(tx)?;
            std::thread::scope(|s| s.spawn(|| put(&map, MANY)).join()).expect("it ends");
        }
        (0..=MANY).try_for_each(|key| map.insert(tx, key, key).map(drop))
    });
    assert_eq!(survey(&map).pairs, 0);
    atomically(|tx| map.retain(tx, |key, _| *key == 0));
    assert_eq!(survey(&map).entries, 1);
    (1..MANY).for_each(|key| put(&map, key));
    let refilled = survey(&map);
    assert!(refilled.entries <= LINKS, "{refilled:?}");
    assert!(refilled.filed > before.filed - 5, "{refilled:?}");
}

/// And tombstones are no pairs.
#[test]
fn a_map_that_grows_large_puts_its_keys_together() {
    let many = u64::from(LARGE) * 16;
    let map = TMap::with_hasher(Fixed::default());
    for key in 0..many {
        put(&map, key);
        if key % 2 == 1 && key < 1_000 {
            take(&map, key);
        }
    }
    let there = survey(&map);
    assert!(there.entries < there.pairs / 50, "{there:?}");
    let odd = |key: &u64| *key % 2 == 1 && *key < 1_000;
    let missing: Vec<u64> = snapshot(|s| {
        let keys: HashSet<u64> = map.keys(s)?.into_iter().collect();
        Ok((0..many)
            .filter(|key| !keys.contains(key))
            .take(600)
            .collect())
    });
    assert_eq!(missing.len(), 500);
    assert!(missing.iter().all(odd), "{missing:?}");
}

/// Those of one bucket, and no others.
#[test]
fn keys_are_taken_apart_where_writers_meet() {
    let map = TMap::compact(Fixed::default());
    (0..PAIRS as u64).for_each(|key| put(&map, key));
    let together = survey(&map);
    assert_eq!((together.buckets, together.pairs), (1, PAIRS));
    let mut attempts = 0;
    atomically(|tx| {
        attempts = tx.attempt();
        map.update_or_insert_with(tx, 0, || 0, |n| *n += 1)?;
        if tx.attempt() == 1 {
            std::thread::scope(|s| s.spawn(|| put(&map, 1)).join()).expect("it ends");
        }
        Ok(())
    });
    assert_eq!(attempts, 2, "they met in the bucket");
    let apart = survey(&map);
    assert_eq!((apart.entries, apart.pairs), (PAIRS, 0));

    // From now on they pass each other.
    atomically(|tx| {
        attempts = tx.attempt();
        map.update_or_insert_with(tx, 0, || 0, |n| *n += 1)?;
        if tx.attempt() == 1 {
            std::thread::scope(|s| s.spawn(|| put(&map, 1)).join()).expect("it ends");
        }
        Ok(())
    });
    assert_eq!(attempts, 1);
    assert_eq!(atomically(|tx| map.get(tx, &0)), Some(2));
}

/// M2.
#[test]
fn a_table_that_is_filled_is_not_replaced() {
    for map in [
        TMap::with_hasher(Fixed::default()),
        TMap::compact(Fixed::default()),
    ] {
        let root = root(&map);
        let replaced = atomically(|tx| {
            let table = root.read_ref(tx)?;
            let replaced = table.replace_if_empty(tx, root)?;
            if tx.attempt() == 1 {
                std::thread::scope(|s| s.spawn(|| put(&map, 1)).join()).expect("it ends");
            }
            Ok(replaced)
        });
        assert!(!replaced);
        let there = survey(&map);
        assert_eq!(there.entries + there.pairs, 1);
    }
}

/// Where there are too few for the sweeper, insertions drop the tombstones that they find.
#[test]
fn new_keys_take_the_room_of_tombstones() {
    let map = TMap::with_hasher(Fixed::default());
    for key in 0..1_000 {
        put(&map, key);
        take(&map, key);
    }
    let there = survey(&map);
    assert_eq!(there.buckets, 1);
    assert!(there.entries <= LINKS, "{there:?}");
}

/// The start of a lookup is deep enough to seldom read a bucket in vain, and not so deep that it looks at many places.
#[test]
fn a_lookup_reads_one_bucket() {
    for compact in [false, true] {
        for many in [10, 100, 1_500, 4_000] {
            // Hashes without a secret, so that the numbers are the same each time.
            let map = TMap::with_table(
                BuildHasherDefault::<DefaultHasher>::default(),
                if compact { 0 } else { LARGE },
            );
            (0..many).for_each(|key| put(&map, key));
            let (too_shallow, too_deep) = snapshot(|s| {
                let table = root(&map).read_ref(s)?;
                let start = table.start();
                let (mut too_shallow, mut too_deep) = (0, 0);
                for key in 0..many {
                    let home = table.home(s, mix(map.inner.hasher.hash_one(key)))?;
                    let depth = u32::from(home.depth);
                    too_shallow += u64::from(depth > start);
                    too_deep += u64::from(depth + 4 < start);
                }
                Ok((too_shallow, too_deep))
            });
            // Of a filed bucket, the start is what most of them have: one line of a record read in vain is no more than the
            // line of a place that is not set.
            let some = if compact { many / 2 } else { many / 10 + 1 };
            assert!(too_shallow <= some, "{too_shallow} of {many}");
            // The number of buckets is counted in steps of sixteen.
            let few = many / 10 + 10;
            assert!(too_deep <= few, "{too_deep} of {many}");
        }
    }
}

/// Gives a key as its own hash, so that a test chooses what splits.
#[derive(Default)]
struct Itself(u64);

impl Hasher for Itself {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are numbers");
    }
    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A key that is unlike all others and hashes like some.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Alike {
    hash: u32,
    name: u32,
}

impl Hash for Alike {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.hash));
    }
}

/// Splitting would not part them; so many do not stay together.
#[test]
fn equal_hashes_share_a_bucket() {
    fn sizes(
        tx: &mut impl ReadTx,
        root: &TVar<Table<Packed<Alike, u8>>>,
    ) -> Stm<Vec<(usize, usize)>> {
        let mut sizes = Vec::new();
        root.read_ref(tx)?.each_home(tx, |tx, home| {
            let mut pairs = 0;
            home.each_pair(tx, |_: &Alike, _: &u8| pairs += 1)?;
            let size = (pairs, home.links::<Alike, u8>().len());
            if size != (0, 0) {
                sizes.push(size);
            }
            Ok(())
        })?;
        sizes.sort_unstable();
        Ok(sizes)
    }
    for large in [0, LARGE] {
        let map = TMap::with_table(BuildHasherDefault::<Itself>::default(), large);
        let Root::Packed(root) = &map.inner.root else {
            unreachable!("numbers pack")
        };
        let sizes = || snapshot(|s| sizes(s, root));
        for name in 0..50 {
            atomically(|tx| map.insert(tx, Alike { hash: 3, name }, 0));
        }
        assert_eq!(sizes(), [(0, 50)]);
        atomically(|tx| map.insert(tx, Alike { hash: 7, name: 0 }, 0));
        let parted = sizes();
        assert_eq!(parted.len(), 2, "{parted:?}");
        assert!(parted.contains(&(0, 50)), "{parted:?}");
        let all = snapshot(|s| map.to_vec(s));
        assert_eq!(all.len(), 51);
        let counted = snapshot(|s| root.read_ref(s)?.entries.sum(s));
        let entries: usize = parted.iter().map(|(_, links)| links).sum();
        assert_eq!(counted, entries as i64, "H4");
        for (key, _) in all {
            assert_eq!(atomically(|tx| map.remove(tx, &key)), Some(0));
        }
        assert!(snapshot(|s| map.is_empty(s)));
    }
}

/// What owns something is never copied with its bucket, nor is what is large.
#[test]
fn what_is_large_or_owns_something_stays_apart() {
    const {
        assert!(packs::<u64, u64>() && packs::<(u32, u32), (u64, u32)>() && packs::<u8, ()>());
        assert!(!packs::<u64, String>() && !packs::<String, u64>() && !packs::<u64, [u64; 3]>());
    }
    let bytes = size_of::<bucket::Bucket<bucket::Loose<[u64; 100], [u64; 100]>>>();
    assert!(bytes <= 96, "{bytes}");
}

/// Of this many look-ups, how many begin at a bucket that is not their key's, and read another one therefore.
fn detours<S: BuildHasher>(map: &TMap<u64, u64, S>, keys: u64) -> usize {
    snapshot(|s| {
        let table = root(map).read_ref(s)?;
        let mut detours = 0;
        for key in 0..keys {
            let hash = mix(map.inner.hasher.hash_one(key));
            let home = table.home(s, hash)?;
            detours += usize::from(home.number != table.first_look(hash, table.start()));
        }
        Ok(detours)
    })
}

#[test]
fn hardly_any_look_up_reads_a_bucket_of_other_keys() {
    let map = TMap::with_hasher(Fixed::default());
    let mut filled = 0;
    for size in [3_000, 6_000, 14_000, 25_000, 51_000, 80_000] {
        (filled..size).for_each(|key| put(&map, key));
        filled = size;
        let detours = detours(&map, size) as u64;
        let one_in = if size < 25_000 { 30 } else { 100 };
        assert!(detours * one_in <= size, "{detours} for {size} keys");
    }
}
