//! A hash map whose keys are independent of each other.
//!
//! # The problem, and the idea
//!
//! `TVar<HashMap<K, V>>` is right and useless: every write copies the map, and every two transactions conflict. A fixed array of
//! `TVar<Vec<(K, V)>>` is better until it is too small, and then somebody has to move everything, in conflict with everybody.
//!
//! Here a table of small buckets leads to the keys, and it grows bucket by bucket: extendible hashing (Fagin, Nievergelt,
//! Pippenger and Strong, "Extendible Hashing: A Fast Access Method for Dynamic Files", TODS 1979, doi:10.1145/320083.320092),
//! with buckets that come into being when their parents split and are sought through their parents, as in split-ordered lists
//! (Shalev and Shavit, "Split-Ordered Lists: Extensible Lock-Free Hash Tables", JACM 2006, doi:10.1145/1147954.1147958). A
//! split writes two buckets. The directory above them is no part of the transactional state, so that it grows without a
//! conflict (`tmap/directory.rs`). The size is kept in as many variables as there are threads, up to sixteen, which are added to without being read (`tally.rs`).
//!
//! Within a bucket, keys are kept *apart*, each with a variable of its own that holds its value, or nothing once it was
//! removed; or *together*: in the bucket's own node, or, where keys and values are machine words, *filed* in a record of the
//! directory (`tmap/bucket.rs`, `tmap/ledger.rs`). Apart, no two keys ever conflict, and a look-up waits for six places in
//! memory, one after the other. In a node it waits for three, and a key takes a sixth of the memory; in a record for one, of two
//! cache lines that come at once, and a key takes a quarter. Apart is for small maps, where transactions often meet, and for what
//! is dear to copy; together for large ones.
//!
//! # Picture
//!
//! ```text
//!  root                  Table                         buckets                                entries
//! ┌──────┐   ┌─────────────────────────┐   ┌─────────────────────────────┐   ┌────────────────────────┐
//! │ TVar ┼──▶│ directory ──────────────┼──▶│ TVar  depth 2  [ ▪ ▪ ▪ ]    ├──▶│ key  TVar<Option<V>> ──┼─▶ Some("a")
//! └──────┘   │ live     TVar<i64> x 16 │   ├─────────────────────────────┤   ├────────────────────────┤
//!            │ entries  TVar<i64> x 16 │   │ TVar  depth 1  [ ▪ ▪ ]      ├──▶│ key  TVar<Option<V>> ──┼─▶ None, a tombstone
//!            └─────────────────────────┘   ├─────────────────────────────┤   └────────────────────────┘
//!                          │               │ TVar  depth 2  [ 7 → 0, .. ]│   a large map's: keys together with their values
//!                          │               └─────────────────────────────┘
//!                          │               ┌────────┬────────┬────────┬──
//!                          └──────────────▶│ record │ record │ record │ ..   a large map's of machine words: buckets that are
//!                                          └────────┴────────┴────────┴──    filed, each with its lock, side by side
//! ```
//!
//! # Invariants
//!
//! - M1  Every operation reads the root ([`TMap::clear`] only writes it), so a table that was replaced has no users among those
//!   that commit later.
//! - M2  A table is only replaced by an empty one: by [`TMap::clear`], or when its size, read, is 0.
//! - M3  No user code (hashing, comparing, closures, clones) runs between two writes of one operation, unless its panic dooms
//!   the transaction. So a body that catches one has not half an operation in its hands.
//!
//! The table's own are H1 to H4 in `tmap/table.rs`, the buckets' B1 to B3 in `tmap/bucket.rs`, and F1 to F3 in `tmap/ledger.rs`
//! say which of them are filed.
//!
//! # Cost
//!
//! | operation | keys apart | together in a node | together in a record |
//! |---|---|---|---|
//! | `get`, `get_ref`, `contains_key` | 3 variables read; nothing allocated, no reference count touched | 2 variables read, likewise | 1 variable read and 1 record, at two places, or at one if the key is absent; likewise |
//! | `insert` over a key, `update_or_insert_with` likewise | the same, 1 value written | the same, 1 bucket of up to 13 pairs copied and written | the same, 1 word written |
//! | `remove`; `insert` of a key that was removed lately | the same, 1 value and 1 cell of the size written | the same, 1 bucket and 1 cell of the size written | the same, 1 word (to insert: 3) and 1 cell of the size written |
//! | `insert` of a new key | 2 variables read, 1 bucket and 2 cells written; a split in one of 3 cases: 1 or 2 buckets more | likewise with 1 cell; a split in one of 9 | 1 variable and 1 record read, 3 words and 1 cell written; a split in one of 9 cases writes two records |
//! | `len`, `is_empty` | 17 variables read | the same | the same |
//! | `for_each`, `to_vec`, `keys`, `values`, `retain` | every bucket and value read; `retain` writes the buckets that it changes | every bucket read, likewise | every record read, likewise |
//! | `clear` | 1 variable written; what was in it is dropped when nobody sees it any more | the same | the same |
//!
//! A look-up finds its bucket by bits of the directory, which are no part of the transactional state. Few look-ups read a bucket of
//! other keys first, so that their writers are in their way: one in thirty among 6000 keys, which is where keys begin to be put
//! together, less than one in a hundred from 25 000 on, and hardly any in a transaction that was thrown away before. A
//! bucket that was filed and is apart now costs a look at its record besides, and whoever adds a key to it writes that, too.
//!
//! Keys whose 64-bit hashes are equal share a bucket, whose operations then take time in proportion to their number. The
//! default hasher has a secret key, so that nobody can choose such keys.
//!
//! # What conflicts
//!
//! If what the row says commits while what the column says is under way, is the latter run again? Reads disturb nobody. Where
//! keys are apart:
//!
//! | | reads of a key | writes of a present or lately removed key | `insert` of a new key | `len` | iteration |
//! |---|---|---|---|---|---|
//! | writes of a present or lately removed key | same key | same key | no, or it was removed and shares the bucket | if it is inserted or removed | yes |
//! | `insert` of a new key | same bucket | same bucket | same bucket | yes | yes |
//! | `clear`, and whatever empties a large map | yes | yes | yes | yes | yes |
//!
//! A bucket has up to four keys, two or three on average. Where keys are together, read "same bucket" for "same key", and a
//! bucket has up to thirteen keys of more than five thousand, nine on average. An operation whose transaction has been thrown
//! away before takes the keys of its bucket apart first, so those who meet there over different keys do so once.
//!
//! `len`, `is_empty` and iteration conflict with what changes their result, and in [`snapshot`](stm_core::snapshot) with
//! nothing. Who inserts and who removes do not conflict over the size.
//!
//! # Memory
//!
//! A record is 256 bytes and has nine keys on average, and for each record that has keys there is almost one that has none yet,
//! for they are made 64 at a time: some 53 bytes a key. With the directory, and with what the map has left behind on the heap
//! while it grew, a process grows by 66 bytes for each of 100 000 keys that are machine words like their values, by 40
//! where they are as large, but not words, and lie in nodes, and by 248 where they are apart (ten maps of eight-byte keys and values,
//! as `cargo run --release --manifest-path benches/peers/Cargo.toml -- memory` fills them).
//!
//! What was removed where keys are apart leaves a tombstone, key included, for the case that it comes back. An insertion drops the
//! tombstones of its bucket. If more than three quarters of the entries are tombstones, removals drop them, each now and then a
//! few, in a transaction of its own after theirs. When a large map has become empty its table is replaced, which drops all at
//! once; so it is with `clear`. A map that shrinks but is never empty keeps its buckets.

mod bucket;
mod directory;
mod home;
mod ledger;
mod table;
mod upkeep;
mod view;

use std::borrow::Borrow;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::ops::Deref;
use std::sync::Arc;

use stm_core::{ReadTx, Stm, TVar, Tx};

use bucket::{Loose, Packed, packs};
use table::{LARGE, Plan, Table};
use view::{Seen, View};

/// A transactional hash map: operations on different keys do not conflict, or hardly ever; `len` and iteration are exact.
///
/// It is a handle: cloning it is cheap and gives another handle to the same map. `K` needs `Hash + Eq`, and `V` needs `Clone`
/// where it comes out by value: others may still be reading it. What writes needs both to be `Clone`. Wrap in `Arc` what is
/// dear to clone.
///
/// # Cost and conflicts
///
/// A lookup reads three variables or two and allocates nothing, however large the map is. In a map of up to some five thousand
/// keys, and in any map whose keys or values own something or are large, reading and writing different keys never
/// conflicts, and neither does removing them and putting them in again; inserting a *new* key conflicts with what else
/// goes on in its bucket, of about three keys, and with nothing elsewhere. A larger map of small plain keys and values (24 bytes
/// together, nothing to drop) is compact: it takes a sixth of the memory, is read faster for it, and different keys
/// conflict if they are among the same dozen, until the first conflict; then those are treated as in a small map. Where
/// both are machine words (integers up to 64 bits, `bool`, `char`, `f32`, `f64`), it takes a quarter of the memory, a look-up
/// waits for one or two cache lines, and a write copies and allocates nothing.
///
/// Growing is a split of one bucket, so no transaction pays for the whole. [`TMap::len`] and iteration are exact, so they
/// conflict with what changes their result: read them in [`snapshot`](stm_core::snapshot), where they disturb nobody and are
/// not disturbed.
///
/// # Memory
///
/// Removing a value gives it back. Its key may stay for a while, for the case that it is inserted again, and goes when most of
/// the map's keys are such, when a new key needs the room, or when a large map becomes empty. What leads to the keys goes
/// only then: a map that shrinks but is never empty keeps the buckets that it had at most. Of 100 000 keys and values of eight
/// bytes, a pair takes about 66 bytes if both are machine words, 40 if they are other plain types, and 248 if they own something.
///
/// # Examples
///
/// ```
/// use stm_collections::TMap;
/// use stm_core::{Stm, Tx, atomically, snapshot};
///
/// type Items = TMap<&'static str, u32>;
///
/// fn reserve(tx: &mut Tx<'_>, stock: &Items, reserved: &Items, item: &'static str) -> Stm<bool> {
///     let Some(n @ 1..) = stock.get(tx, item)? else {
///         return Ok(false);
///     };
///     stock.insert(tx, item, n - 1)?;
///     reserved.update_or_insert_with(tx, item, || 1, |n| *n += 1)?;
///     Ok(true)
/// }
///
/// let (stock, reserved) = (Items::new(), Items::new());
/// atomically(|tx| stock.insert(tx, "tea", 1));
/// assert!(atomically(|tx| reserve(tx, &stock, &reserved, "tea")));
/// assert!(!atomically(|tx| reserve(tx, &stock, &reserved, "tea")));
/// assert_eq!(snapshot(|s| Ok((stock.get(s, "tea")?, reserved.get(s, "tea")?))), (Some(0), Some(1)));
/// ```
///
/// No operation waits. To wait for a key is to [`retry`](stm_core::retry) while it is not there, in threads and tasks alike:
///
/// ```
/// use stm_collections::TMap;
/// use stm_core::{atomically, atomically_async, retry};
/// # use std::{pin::pin, task::{Context, Poll, Waker}};
///
/// let answers = TMap::<u32, String>::new();
/// let asked = answers.clone();
/// let answer = atomically_async(move |tx| match asked.get(tx, &7)? {
///     Some(answer) => Ok(answer),
///     None => retry(),
/// });
/// # let mut answer = pin!(answer);
/// # let mut poll = || answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
/// # assert_eq!(poll(), Poll::Pending);
/// atomically(|tx| answers.insert(tx, 7, "yes".into()));
/// # assert_eq!(poll(), Poll::Ready("yes".to_string()));
/// ```
///
/// # Hashing
///
/// By `S`, as in `std::collections::HashMap`; the default one is keyed with a secret, so that nobody who chooses keys can make
/// them collide.
///
/// It is a programming error to change a key's hash or its equality while it is in the map, as by a `Cell` in it. The map
/// may then not find it; nothing worse happens.
///
/// # Panics
///
/// Operations pass on the panics of `K`'s and `V`'s own `Hash`, `Eq`, `Clone` and of closures. Of the operation, nothing has
/// happened then, or the transaction is doomed and runs again.
pub struct TMap<K, V, S = RandomState> {
    inner: Arc<Inner<K, V, S>>,
}

struct Inner<K, V, S> {
    root: Root<K, V>,
    plan: Plan,
    hasher: S,
}

/// The table, by whether its buckets have room for pairs: that is a matter of the types alone ([`packs`]).
enum Root<K, V> {
    Loose(TVar<Table<Loose<K, V>>>),
    Packed(TVar<Table<Packed<K, V>>>),
}

/// Does the same with a [`View`] of either kind.
macro_rules! with_view {
    ($map:expr, |$view:ident| $do:expr) => {{
        let inner = &*$map.inner;
        match &inner.root {
            Root::Packed(root) => {
                let $view = View::<K, V, S, _>::new(root, &inner.hasher);
                $do
            }
            Root::Loose(root) => {
                let $view = View::<K, V, S, _>::new(root, &inner.hasher);
                $do
            }
        }
    }};
}

impl<K, V> TMap<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// An empty map. May be called anywhere, also inside a transaction.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map: TMap<String, i64> = TMap::new();
    /// assert!(atomically(|tx| map.is_empty(tx)));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with_hasher(RandomState::new())
    }
}

impl<K, V, S> TMap<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// An empty map that hashes with `hasher`.
    ///
    /// A hasher without a secret is faster, and lets whoever chooses the keys make the map slow.
    ///
    /// ```
    /// use std::hash::{BuildHasherDefault, DefaultHasher};
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::with_hasher(BuildHasherDefault::<DefaultHasher>::default());
    /// atomically(|tx| map.insert(tx, 'a', 1));
    /// assert_eq!(atomically(|tx| map.get(tx, &'a')), Some(1));
    /// ```
    #[must_use]
    pub fn with_hasher(hasher: S) -> Self {
        Self::with_table(hasher, LARGE)
    }

    /// An empty map that hashes with `hasher`, and that is compact from the first key on, not only when it is large.
    ///
    /// It makes a difference for keys and values that are small and own nothing. It is for many small maps, and
    /// for tests that want to see what a large map does.
    ///
    /// ```
    /// use std::hash::RandomState;
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::compact(RandomState::new());
    /// atomically(|tx| map.insert(tx, 'a', 1));
    /// assert_eq!(atomically(|tx| map.get(tx, &'a')), Some(1));
    /// ```
    #[must_use]
    pub fn compact(hasher: S) -> Self {
        Self::with_table(hasher, 0)
    }

    /// With a table that puts keys together from `large` buckets on.
    fn with_table(hasher: S, large: u32) -> Self {
        let (root, plan) = if const { packs::<K, V>() } {
            let plan = Plan::packed::<K, V>(large);
            (Root::Packed(TVar::new(Table::new(plan))), plan)
        } else {
            let plan = Plan::LOOSE;
            (Root::Loose(TVar::new(Table::new(plan))), plan)
        };
        Self {
            inner: Arc::new(Inner { root, plan, hasher }),
        }
    }
}

impl<K, V, S> TMap<K, V, S>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher,
{
    /// The value of `key`, cloned.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TMap::<String, u8>::new();
    /// atomically(|tx| map.insert(tx, "a".into(), 1));
    /// assert_eq!(atomically(|tx| map.get(tx, "a")), Some(1));
    /// assert_eq!(snapshot(|s| map.get(s, "b")), None);
    /// ```
    pub fn get<Q>(&self, tx: &mut impl ReadTx, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        with_view!(self, |view| view.get(tx, key))
    }

    /// The value of `key`, without a clone. It can be held while the transaction goes on, until the body ends.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::<u8, String>::new();
    /// atomically(|tx| map.insert(tx, 1, "one".into()));
    /// let len = atomically(|tx| Ok(map.get_ref(tx, &1)?.map_or(0, |text| text.len())));
    /// assert_eq!(len, 3);
    /// ```
    pub fn get_ref<X, Q>(&self, tx: &mut X, key: &Q) -> Stm<Option<TMapRef<X, K, V>>>
    where
        X: ReadTx,
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let inner = &*self.inner;
        let seen = match &inner.root {
            Root::Packed(root) => {
                let seen = View::<K, V, S, _>::new(root, &inner.hasher).get_ref(tx, key)?;
                seen.map(Held::Packed)
            }
            Root::Loose(root) => {
                let seen = View::<K, V, S, _>::new(root, &inner.hasher).get_ref(tx, key)?;
                seen.map(Held::Loose)
            }
        };
        Ok(seen.map(TMapRef))
    }

    /// Whether `key` is there.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::<u8, char>::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert!(atomically(|tx| map.contains_key(tx, &1)));
    /// ```
    pub fn contains_key<Q>(&self, tx: &mut impl ReadTx, key: &Q) -> Stm<bool>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Ok(self.get_ref(tx, key)?.is_some())
    }

    /// Gives `key` the value `value`; the one that it had.
    ///
    /// As in the standard library's map, a key that is there is not replaced by its equal.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`. Key and value are lost with the attempt.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::<u8, char>::new();
    /// assert_eq!(atomically(|tx| map.insert(tx, 1, 'a')), None);
    /// assert_eq!(atomically(|tx| map.insert(tx, 1, 'b')), Some('a'));
    /// ```
    pub fn insert(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<Option<V>>
    where
        K: Clone,
        V: Clone,
    {
        with_view!(self, |view| view.insert(tx, key, value))
    }

    /// Gives `key` the value `value` unless it has one; whether it had none.
    pub(crate) fn insert_absent(&self, tx: &mut Tx<'_>, key: K, value: V) -> Stm<bool>
    where
        K: Clone,
        V: Clone,
    {
        with_view!(self, |view| view.insert_absent(tx, key, value))
    }

    /// Takes `key` out; the value that it had.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::<u8, char>::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(atomically(|tx| map.remove(tx, &1)), Some('a'));
    /// assert_eq!(atomically(|tx| map.remove(tx, &1)), None);
    /// ```
    pub fn remove<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> Stm<Option<V>>
    where
        K: Borrow<Q> + Clone,
        Q: Hash + Eq + ?Sized,
        V: Clone,
    {
        with_view!(self, |view| view.remove(tx, key))
    }

    /// Changes the value of `key` in place and returns what `update` returns; gives it the value of `default` if it has none,
    /// and returns `None`.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let hits = TMap::<&str, u64>::new();
    /// let hit = |page| atomically(|tx| hits.update_or_insert_with(tx, page, || 1, |n| { *n += 1; *n }));
    /// assert_eq!(hit("index"), None);
    /// assert_eq!(hit("index"), Some(2));
    /// ```
    pub fn update_or_insert_with<R>(
        &self,
        tx: &mut Tx<'_>,
        key: K,
        default: impl FnOnce() -> V,
        update: impl FnOnce(&mut V) -> R,
    ) -> Stm<Option<R>>
    where
        K: Clone,
        V: Clone,
    {
        with_view!(self, |view| view
            .update_or_insert_with(tx, key, default, update))
    }

    /// Keeps the pairs for which `keep` holds, and takes the others out.
    ///
    /// Unlike that of the standard library's map, `keep` cannot change the values: that would write all of them.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::<u8, char>::new();
    /// let left = atomically(|tx| {
    ///     for (key, value) in ['a', 'b', 'c'].into_iter().enumerate() {
    ///         map.insert(tx, key as u8, value)?;
    ///     }
    ///     map.retain(tx, |key, _| key % 2 == 1)?;
    ///     map.to_vec(tx)
    /// });
    /// assert_eq!(left, [(1, 'b')]);
    /// ```
    pub fn retain(&self, tx: &mut Tx<'_>, keep: impl FnMut(&K, &V) -> bool) -> Stm<()>
    where
        K: Clone,
        V: Clone,
    {
        with_view!(self, |view| view.retain(tx, keep))
    }

    /// Takes everything out.
    ///
    /// Conflicts with every other operation. What was in the map is dropped when no transaction can see it any more, all at
    /// once, by whichever thread gets to it.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::<u8, char>::new();
    /// let len = atomically(|tx| {
    ///     map.insert(tx, 1, 'a')?;
    ///     map.clear(tx)?;
    ///     map.len(tx)
    /// });
    /// assert_eq!(len, 0);
    /// ```
    pub fn clear(&self, tx: &mut Tx<'_>) -> Stm<()> {
        with_view!(self, |view| view.clear(tx, self.inner.plan))
    }

    /// How many keys there are, exactly.
    ///
    /// In [`atomically`](stm_core::atomically) it conflicts with every insertion of a key that is not there and every
    /// removal of one that is; in [`snapshot`](stm_core::snapshot) with nothing.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TMap::<u8, char>::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(snapshot(|s| map.len(s)), 1);
    /// ```
    pub fn len(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        with_view!(self, |view| view.len(tx))
    }

    /// Whether there is no key. Conflicts as [`TMap::len`] does.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::atomically;
    ///
    /// let map = TMap::<u8, char>::new();
    /// assert!(atomically(|tx| map.is_empty(tx)));
    /// ```
    pub fn is_empty(&self, tx: &mut impl ReadTx) -> Stm<bool> {
        Ok(self.len(tx)? == 0)
    }

    /// Shows every pair, in no particular order, as of one moment.
    ///
    /// In [`atomically`](stm_core::atomically) it conflicts with every change of the map; in [`snapshot`](stm_core::snapshot)
    /// it runs once and disturbs nobody.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let accounts = TMap::<&str, i64>::new();
    /// atomically(|tx| {
    ///     accounts.insert(tx, "ann", 3)?;
    ///     accounts.insert(tx, "bob", 4)
    /// });
    /// let total = snapshot(|s| {
    ///     let mut total = 0;
    ///     accounts.for_each(s, |_, balance| total += balance)?;
    ///     Ok(total)
    /// });
    /// assert_eq!(total, 7);
    /// ```
    pub fn for_each(&self, tx: &mut impl ReadTx, visit: impl FnMut(&K, &V)) -> Stm<()> {
        with_view!(self, |view| view.for_each(tx, visit))
    }

    /// All pairs, in no particular order, as of one moment: [`TMap::for_each`] with clones.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TMap::<u8, char>::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(snapshot(|s| map.to_vec(s)), [(1, 'a')]);
    /// ```
    pub fn to_vec(&self, tx: &mut impl ReadTx) -> Stm<Vec<(K, V)>>
    where
        K: Clone,
        V: Clone,
    {
        let mut pairs = Vec::new();
        self.for_each(tx, |key, value| pairs.push((key.clone(), value.clone())))?;
        Ok(pairs)
    }

    /// All keys, in no particular order, as of one moment.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TMap::<u8, char>::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(snapshot(|s| map.keys(s)), [1]);
    /// ```
    pub fn keys(&self, tx: &mut impl ReadTx) -> Stm<Vec<K>>
    where
        K: Clone,
    {
        let mut keys = Vec::new();
        self.for_each(tx, |key, _| keys.push(key.clone()))?;
        Ok(keys)
    }

    /// All values, in no particular order, as of one moment.
    ///
    /// # Errors
    ///
    /// A conflict. Pass it on with `?`.
    ///
    /// ```
    /// use stm_collections::TMap;
    /// use stm_core::{atomically, snapshot};
    ///
    /// let map = TMap::<u8, char>::new();
    /// atomically(|tx| map.insert(tx, 1, 'a'));
    /// assert_eq!(snapshot(|s| map.values(s)), ['a']);
    /// ```
    pub fn values(&self, tx: &mut impl ReadTx) -> Stm<Vec<V>>
    where
        V: Clone,
    {
        let mut values = Vec::new();
        self.for_each(tx, |_, value| values.push(value.clone()))?;
        Ok(values)
    }
}

/// A value in a [`TMap`] as the transaction saw it, without a clone: what [`TMap::get_ref`] gives.
///
/// It lives as long as the attempt, and does not change when the key is written or removed later in the same body.
///
/// ```
/// use stm_collections::TMap;
/// use stm_core::atomically;
///
/// let map = TMap::<u8, String>::new();
/// atomically(|tx| map.insert(tx, 1, "one".into()));
/// let text = atomically(|tx| {
///     let before = map.get_ref(tx, &1)?.expect("just inserted");
///     map.remove(tx, &1)?;
///     Ok(before.clone())
/// });
/// assert_eq!(text, "one");
/// ```
pub struct TMapRef<X: ReadTx, K: 'static, V: 'static>(Held<X, K, V>);

enum Held<X: ReadTx, K: 'static, V: 'static> {
    Loose(Seen<X, V, Loose<K, V>>),
    Packed(Seen<X, V, Packed<K, V>>),
}

impl<X, K, V> Deref for TMapRef<X, K, V>
where
    X: ReadTx,
    K: Send + Sync,
    V: Send + Sync,
{
    type Target = V;

    fn deref(&self) -> &V {
        match &self.0 {
            Held::Loose(seen) => seen.value(),
            Held::Packed(seen) => seen.value(),
        }
    }
}

impl<X, K, V> fmt::Debug for TMapRef<X, K, V>
where
    X: ReadTx,
    K: Send + Sync,
    V: fmt::Debug + Send + Sync,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<K, V, S> Clone for TMap<K, V, S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<K, V, S: Default> Default for TMap<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

/// Shows which map it is. Its content is not shown: that takes a transaction.
impl<K, V, S> fmt::Debug for TMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_tuple("TMap");
        match &self.inner.root {
            Root::Loose(root) => f.field(root),
            Root::Packed(root) => f.field(root),
        };
        f.finish()
    }
}

#[cfg(test)]
mod tests;
