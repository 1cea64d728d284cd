//! A bucket as a transaction has found it: in a variable, or filed in a record. What is done with it is the same, or nearly.

use stm_core::{ReadTx, Stm, TVar, Tx};

use super::bucket::{Bucket, Link, Pairs, Rooms, Spot};
use super::ledger::{Header, Ledger};

/// A born bucket as a transaction sees it, and where it is.
pub(super) struct Home<'a, X: ReadTx, R: 'static> {
    pub(super) number: u32,
    pub(super) depth: u8,
    pub(super) house: House<'a, X, R>,
}

/// Which of the two it is born in (F1).
pub(super) enum House<'a, X: ReadTx, R: 'static> {
    Var(&'a TVar<Bucket<R>>, X::Ref<Bucket<R>>),
    /// It is filed.
    Ledger(Ledger<'a>, Header),
}

impl<X: ReadTx, R: Send + Sync + 'static> Home<'_, X, R> {
    /// The key with this hash for which `is_it` holds.
    #[inline(always)]
    pub(super) fn find<K: 'static, V: 'static>(
        &self,
        tx: &mut X,
        hash: u64,
        is_it: impl Fn(&K) -> bool,
    ) -> Stm<Spot<'_, K, V>>
    where
        R: Rooms<K, V>,
    {
        match &self.house {
            House::Var(_, bucket) => Ok(bucket.find(hash, is_it)),
            House::Ledger(ledger, header) => {
                let found = ledger.find(tx, *header, hash, is_it)?;
                Ok(found.map_or(Spot::Nowhere, |(at, value)| Spot::Filed(at, value)))
            }
        }
    }

    /// The links, if keys are apart.
    pub(super) fn links<K: 'static, V: 'static>(&self) -> &[Link<K, V>]
    where
        R: Rooms<K, V>,
    {
        match &self.house {
            House::Var(_, bucket) => bucket.rooms.links(),
            House::Ledger(..) => &[],
        }
    }

    /// Shows the pairs that are together.
    pub(super) fn each_pair<K: 'static, V: 'static>(
        &self,
        tx: &mut X,
        mut visit: impl FnMut(&K, &V),
    ) -> Stm<()>
    where
        R: Rooms<K, V>,
    {
        match &self.house {
            House::Var(_, bucket) => {
                for (key, value) in bucket.rooms.as_pairs() {
                    visit(key, value);
                }
            }
            House::Ledger(ledger, _) => {
                for (_, (key, value)) in ledger.pairs(tx)? {
                    visit(&key, &value);
                }
            }
        }
        Ok(())
    }

    /// Changes the pairs in a variable, of which the transaction has seen one.
    #[inline]
    pub(super) fn update<K, V, T>(
        &self,
        tx: &mut Tx<'_>,
        f: impl FnOnce(&mut Pairs<K, V>) -> T,
    ) -> Stm<T>
    where
        R: Rooms<K, V> + Clone,
    {
        let House::Var(var, _) = &self.house else {
            unreachable!("pairs that are filed are changed there")
        };
        var.update(tx, |bucket| {
            let pairs = bucket.rooms.pairs_mut();
            f(pairs.expect("the transaction has seen one of them"))
        })
    }

    /// Changes the value of a pair that was found in the record.
    #[inline]
    pub(super) fn set_filed<V: 'static>(&self, tx: &mut Tx<'_>, at: usize, value: &V) -> Stm<()> {
        let House::Ledger(ledger, _) = &self.house else {
            unreachable!("it was found there")
        };
        ledger.set_value(tx, at, value)
    }

    #[cfg(test)]
    pub(super) fn is_filed(&self) -> bool {
        matches!(self.house, House::Ledger(..))
    }

    /// Whether keys are together.
    pub(super) fn is_together<K: 'static, V: 'static>(&self) -> bool
    where
        R: Rooms<K, V>,
    {
        match &self.house {
            House::Var(_, bucket) => bucket.rooms.pairs().is_some(),
            House::Ledger(..) => true,
        }
    }

    /// The hash that comes next to those covered here, in the order of hashes read backwards: there, a bucket's are neighbours.
    pub(super) fn next_backwards(&self) -> Option<u64> {
        let covered = 1_u64.checked_shl(u64::BITS - u32::from(self.depth))?; // all of them, at depth 0
        u64::from(self.number).reverse_bits().checked_add(covered)
    }
}
