//! The operations of a map, for either kind of bucket.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use stm_core::{ReadTx, Stm, TVar, Tx};

use super::bucket::{Bucket, Pairs, Rooms, Spot};
use super::table::{Home, Table, mix};

/// A map whose buckets are [`Rooms`] of one kind.
pub(super) struct View<'a, K, V, S, R> {
    root: &'a TVar<Table<R>>,
    hasher: &'a S,
    of: PhantomData<fn() -> (K, V)>,
}

/// A key's way through the table, as a transaction sees it.
struct Found<X: ReadTx, R: 'static> {
    table: X::Ref<Table<R>>,
    hash: u64,
    home: Home<X::Ref<Bucket<R>>>,
}

/// A value that is there, as a transaction sees it.
pub(super) enum Seen<X: ReadTx, V: 'static, R: 'static> {
    /// In a variable of its own, which holds `Some`.
    Apart(X::Ref<Option<V>>),
    /// In a bucket, at this place.
    Together(X::Ref<Bucket<R>>, usize),
}

impl<X: ReadTx, V, R> Seen<X, V, R> {
    pub(super) fn value<K>(&self) -> &V
    where
        K: 'static,
        R: Rooms<K, V>,
    {
        match self {
            Self::Apart(value) => value.as_ref().expect("made only where there is a value"),
            Self::Together(bucket, at) => &bucket.rooms.as_pairs()[*at].1,
        }
    }
}

impl<'a, K, V, S, R> View<'a, K, V, S, R>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Rooms<K, V>,
{
    pub(super) fn new(root: &'a TVar<Table<R>>, hasher: &'a S) -> Self {
        let of = PhantomData;
        Self { root, hasher, of }
    }

    pub(super) fn clear(&self, tx: &mut Tx<'_>, large: u32) -> Stm<()> {
        self.root.write(tx, Table::new(large))
    }

    pub(super) fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        let len = self.root.read_ref(tx)?.len(tx)?;
        Ok(usize::try_from(len).expect("what is removed has been inserted, by H4"))
    }

    pub(super) fn for_each(&self, tx: &mut impl ReadTx, mut visit: impl FnMut(&K, &V)) -> Stm<()> {
        let table = self.root.read_ref(tx)?;
        table.each_home(tx, |tx, home| {
            let rooms = &home.bucket.rooms;
            for (key, value) in rooms.as_pairs() {
                visit(key, value);
            }
            for link in rooms.links() {
                if let Some(value) = &*link.entry.value.read_ref(tx)? {
                    visit(&link.entry.key, value);
                }
            }
            Ok(())
        })
    }

    pub(super) fn retain(&self, tx: &mut Tx<'_>, mut keep: impl FnMut(&K, &V) -> bool) -> Stm<()>
    where
        K: Clone,
        V: Clone,
    {
        // Nested for M3: should `keep` panic, the transaction is doomed.
        let retained = tx.nested::<(), Infallible>(|tx| {
            let table = self.root.read_ref(tx)?;
            table.retain(tx, &mut keep)?;
            Table::look_after(self.root);
            Ok(())
        })?;
        match retained {
            Ok(()) => Ok(()),
            Err(never) => match never {},
        }
    }
}

impl<K, V, S, R> View<'_, K, V, S, R>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
    R: Rooms<K, V>,
{
    #[inline(always)]
    fn find<X: ReadTx, Q: Hash + ?Sized>(&self, tx: &mut X, key: &Q) -> Stm<Found<X, R>> {
        let hash = mix(self.hasher.hash_one(key));
        let table = self.root.read_ref(tx)?; // M1
        let home = table.home(tx, hash)?;
        Ok(Found { table, hash, home })
    }

    fn hash_of(&self) -> impl Fn(&K) -> u64 {
        |key| mix(self.hasher.hash_one(key))
    }

    #[inline]
    pub(super) fn get<Q>(&self, tx: &mut impl ReadTx, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        let found = self.find(tx, key)?;
        match found.spot::<K, V, Q>(key) {
            Spot::Pair(at) => {
                let pairs: &[(K, V)] = found.home.bucket.rooms.as_pairs();
                Ok(Some(pairs[at].1.clone()))
            }
            Spot::Entry(entry) => entry.value.read(tx),
            Spot::Nowhere => Ok(None),
        }
    }

    pub(super) fn get_ref<X, Q>(&self, tx: &mut X, key: &Q) -> Stm<Option<Seen<X, V, R>>>
    where
        X: ReadTx,
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.find(tx, key)?;
        match found.spot::<K, V, Q>(key) {
            Spot::Pair(at) => Ok(Some(Seen::Together(found.home.bucket, at))),
            Spot::Entry(entry) => {
                let value = entry.value.read_ref(tx)?;
                Ok(value.is_some().then_some(Seen::Apart(value)))
            }
            Spot::Nowhere => Ok(None),
        }
    }

    pub(super) fn insert(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<Option<V>>
    where
        K: Clone,
        V: Clone,
    {
        let found = self.find(tx, &key)?;
        match found.spot::<K, V, K>(&key) {
            Spot::Pair(at) => {
                let mut pairs = found.copy_pairs();
                let old = pairs.replace(at, value);
                self.rearrange(tx, &found, Some(pairs))?;
                Ok(Some(old))
            }
            Spot::Entry(entry) => found.table.overwrite(tx, entry, value),
            Spot::Nowhere => {
                self.add(tx, &found, key, value)?;
                Ok(None)
            }
        }
    }

    pub(super) fn insert_absent(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<bool>
    where
        K: Clone,
        V: Clone,
    {
        let found = self.find(tx, &key)?;
        match found.spot::<K, V, K>(&key) {
            Spot::Pair(_) => return Ok(false),
            Spot::Entry(entry) => {
                if entry.value.read_ref(tx)?.is_some() {
                    return Ok(false);
                }
                found.table.overwrite(tx, entry, value)?;
            }
            Spot::Nowhere => self.add(tx, &found, key, value)?,
        }
        Ok(true)
    }

    pub(super) fn remove<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        let found = self.find(tx, key)?;
        let old = match found.spot::<K, V, Q>(key) {
            Spot::Pair(at) => {
                let (pairs, old) = found.copy_pairs::<K, V>().without(at);
                self.rearrange(tx, &found, pairs)?;
                found.table.live.add(tx, -1)?;
                Some(old)
            }
            Spot::Entry(entry) => {
                if entry.value.read_ref(tx)?.is_none() {
                    return Ok(None);
                }
                found.table.bury(tx, entry)?
            }
            Spot::Nowhere => return Ok(None),
        };
        found.table.look_after_rarely(self.root);
        Ok(old)
    }

    pub(super) fn update_or_insert_with<T>(
        &self,
        tx: &mut Tx<'_>,
        key: K,
        default: impl FnOnce() -> V,
        update: impl FnOnce(&mut V) -> T,
    ) -> Stm<Option<T>>
    where
        K: Clone,
        V: Clone,
    {
        let found = self.find(tx, &key)?;
        match found.spot::<K, V, K>(&key) {
            Spot::Pair(at) => {
                let mut pairs = found.copy_pairs();
                let updated = update(pairs.value_mut(at));
                self.rearrange(tx, &found, Some(pairs))?;
                Ok(Some(updated))
            }
            Spot::Entry(entry) => {
                let updated = entry.value.update(tx, |value| {
                    if let Some(value) = value {
                        return Some(update(value));
                    }
                    *value = Some(default());
                    None
                })?;
                if updated.is_none() {
                    found.table.live.add(tx, 1)?;
                }
                Ok(updated)
            }
            Spot::Nowhere => {
                self.add(tx, &found, key, default())?;
                Ok(None)
            }
        }
    }

    fn add<'t>(&self, tx: &mut Tx<'t>, found: &Found<Tx<'t>, R>, key: K, value: V) -> Stm<()>
    where
        K: Clone,
        V: Clone,
    {
        let pair = (key, value);
        found
            .table
            .add(tx, &found.home, self.hash_of(), found.hash, pair)
    }

    fn rearrange<'t>(
        &self,
        tx: &mut Tx<'t>,
        found: &Found<Tx<'t>, R>,
        pairs: Option<Pairs<K, V>>,
    ) -> Stm<()>
    where
        K: Clone,
        V: Clone,
    {
        found
            .table
            .rearrange(tx, &found.home, self.hash_of(), pairs)
    }
}

impl<X: ReadTx, R: 'static> Found<X, R> {
    /// Where `key` is in its bucket.
    #[inline]
    fn spot<K, V, Q>(&self, key: &Q) -> Spot<'_, K, V>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
        R: Rooms<K, V>,
    {
        self.home
            .bucket
            .find(self.hash, |there: &K| there.borrow() == key)
    }

    /// A copy of the pairs of the bucket, for [`Spot::Pair`].
    fn copy_pairs<K: Clone, V: Clone>(&self) -> Pairs<K, V>
    where
        R: Rooms<K, V>,
    {
        let pairs = self.home.bucket.rooms.pairs();
        pairs.expect("a pair was found").clone()
    }
}
