//! The operations of a map, for either kind of bucket.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use stm_core::{ReadTx, Stm, TVar, Tx};

use super::bucket::{Bucket, Rooms, Spot};
use super::home::{Home, House};
use super::table::{Parted, Plan, Table, mix};

/// A map whose buckets are [`Rooms`] of one kind.
pub(super) struct View<'a, K, V, S, R> {
    root: &'a TVar<Table<R>>,
    hasher: &'a S,
    of: PhantomData<fn() -> (K, V)>,
}

/// A value that is there, as a transaction sees it.
pub(super) enum Seen<X: ReadTx, V: 'static, R: 'static> {
    /// In a variable of its own, which holds `Some`.
    Apart(X::Ref<Option<V>>),
    /// In a bucket, at this place.
    Together(X::Ref<Bucket<R>>, usize),
    /// In a record.
    Filed(V),
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
            Self::Filed(value) => value,
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

    pub(super) fn clear(&self, tx: &mut Tx<'_>, plan: Plan) -> Stm<()> {
        self.root.write(tx, Table::new(plan))
    }

    pub(super) fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        let len = self.root.read_ref(tx)?.len(tx)?;
        Ok(usize::try_from(len).expect("what is removed has been inserted, by H4"))
    }

    pub(super) fn for_each(&self, tx: &mut impl ReadTx, mut visit: impl FnMut(&K, &V)) -> Stm<()> {
        let table = self.root.read_ref(tx)?;
        table.each_home(tx, |tx, home| {
            home.each_pair(tx, &mut visit)?;
            for link in home.links() {
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
    /// The hash of `key`, and the table.
    #[inline(always)]
    fn enter<X: ReadTx, Q: Hash + ?Sized>(
        &self,
        tx: &mut X,
        key: &Q,
    ) -> Stm<(u64, X::Ref<Table<R>>)> {
        let hash = mix(self.hasher.hash_one(key));
        let table = self.root.read_ref(tx)?; // M1
        Ok((hash, table))
    }

    fn hash_of(&self) -> impl Fn(&K) -> u64 {
        |key| mix(self.hasher.hash_one(key))
    }

    /// The bucket of a key that is about to be written.
    #[inline(always)]
    fn home_to_write<'a, 't>(
        &self,
        tx: &mut Tx<'t>,
        table: &'a Table<R>,
        hash: u64,
    ) -> Stm<Home<'a, Tx<'t>, R>>
    where
        K: Clone,
        V: Clone,
    {
        let home = table.home(tx, hash)?;
        match table.part_if_contested(tx, &home, self.hash_of())? {
            Parted::No => Ok(home),
            Parted::Yes => table.home(tx, hash),
        }
    }

    #[inline]
    pub(super) fn get<Q>(&self, tx: &mut impl ReadTx, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        let (hash, table) = self.enter(tx, key)?;
        let home = table.home(tx, hash)?;
        match home.find(tx, hash, |there: &K| there.borrow() == key)? {
            Spot::Pair(_, value) => Ok(Some(value.clone())),
            Spot::Filed(_, value) => Ok(Some(value)),
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
        let (hash, table) = self.enter(tx, key)?;
        let home = table.home(tx, hash)?;
        let at = match home.find(tx, hash, |there: &K| there.borrow() == key)? {
            Spot::Pair(at, _) => at,
            Spot::Filed(_, value) => return Ok(Some(Seen::Filed(value))),
            Spot::Entry(entry) => {
                let value = entry.value.read_ref(tx)?;
                return Ok(value.is_some().then_some(Seen::Apart(value)));
            }
            Spot::Nowhere => return Ok(None),
        };
        let House::Var(_, bucket) = home.house else {
            unreachable!("that is where pairs are")
        };
        Ok(Some(Seen::Together(bucket, at)))
    }

    pub(super) fn insert(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<Option<V>>
    where
        K: Clone,
        V: Clone,
        R: Clone,
    {
        let (hash, table) = self.enter(tx, &key)?;
        let home = self.home_to_write(tx, &table, hash)?;
        match home.find(tx, hash, |there| *there == key)? {
            Spot::Filed(at, old) => {
                home.set_filed(tx, at, &value)?;
                Ok(Some(old))
            }
            // The key goes before there is a result: a drop that panics later would have the compiler forget that
            // (rust-lang/rust#47949).
            Spot::Pair(at, _) => {
                drop(key);
                let old = home.update(tx, |pairs| std::mem::replace(pairs.value_mut(at), value))?;
                Ok(Some(old))
            }
            Spot::Entry(entry) => {
                drop(key);
                table.overwrite(tx, entry, value)
            }
            Spot::Nowhere => {
                table.add(tx, &home, self.hash_of(), hash, (key, value))?;
                Ok(None)
            }
        }
    }

    pub(super) fn insert_absent(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<bool>
    where
        K: Clone,
        V: Clone,
        R: Clone,
    {
        let (hash, table) = self.enter(tx, &key)?;
        let home = self.home_to_write(tx, &table, hash)?;
        match home.find(tx, hash, |there| *there == key)? {
            Spot::Pair(..) | Spot::Filed(..) => return Ok(false),
            Spot::Entry(entry) => {
                if entry.value.read_ref(tx)?.is_some() {
                    return Ok(false);
                }
                table.overwrite(tx, entry, value)?;
            }
            Spot::Nowhere => table.add(tx, &home, self.hash_of(), hash, (key, value))?,
        }
        Ok(true)
    }

    pub(super) fn remove<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Eq + ?Sized,
        V: Clone,
        R: Clone,
    {
        let (hash, table) = self.enter(tx, key)?;
        let home = self.home_to_write(tx, &table, hash)?;
        let old = match home.find(tx, hash, |there: &K| there.borrow() == key)? {
            Spot::Pair(at, value) => {
                let old = value.clone();
                table.take(tx, &home, at)?;
                Some(old)
            }
            Spot::Filed(at, old) => {
                table.take(tx, &home, at)?;
                Some(old)
            }
            Spot::Entry(entry) => {
                if entry.value.read_ref(tx)?.is_none() {
                    return Ok(None);
                }
                table.bury(tx, entry)?
            }
            Spot::Nowhere => return Ok(None),
        };
        table.look_after_rarely(self.root);
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
        R: Clone,
    {
        let (hash, table) = self.enter(tx, &key)?;
        let home = self.home_to_write(tx, &table, hash)?;
        match home.find(tx, hash, |there| *there == key)? {
            Spot::Filed(at, mut value) => {
                let updated = update(&mut value);
                home.set_filed(tx, at, &value)?;
                Ok(Some(updated))
            }
            Spot::Pair(at, _) => home
                .update(tx, |pairs| update(pairs.value_mut(at)))
                .map(Some),
            Spot::Entry(entry) => {
                let updated = entry.value.update(tx, |value| {
                    if let Some(value) = value {
                        return Some(update(value));
                    }
                    *value = Some(default());
                    None
                })?;
                if updated.is_none() {
                    table.live.add(tx, 1)?;
                }
                Ok(updated)
            }
            Spot::Nowhere => {
                table.add(tx, &home, self.hash_of(), hash, (key, default()))?;
                Ok(None)
            }
        }
    }
}
