//! The bank in memory, and how a transfer gets into the books at the same moment.

use std::fmt;
use std::path::Path;

use stm_core::{Decision, TVar, abort, snapshot, try_atomically};

use crate::steps::Fate;
use crate::store::{Entry, Store};

#[derive(Debug)]
pub(crate) struct Bank {
    accounts: Vec<TVar<i64>>,
    store: Store,
}

/// Why a transfer was not made.
#[derive(Debug)]
pub(crate) enum Refused {
    NoCover,
    Store(redb::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCover => f.write_str("the account does not hold as much"),
            Self::Store(error) => write!(f, "the store: {error}"),
        }
    }
}

impl Bank {
    /// What the books say; new ones have `accounts` accounts.
    pub(crate) fn open(path: &Path, accounts: u32, fate: Fate) -> Result<Self, redb::Error> {
        let store = Store::open(path, accounts, fate)?;
        let books = store.audit()?;
        println!("open {}", books.rows);
        Ok(Self {
            accounts: books.balances.into_iter().map(TVar::new).collect(),
            store,
        })
    }

    pub(crate) fn accounts(&self) -> u32 {
        u32::try_from(self.accounts.len()).expect("the store counts them so")
    }

    /// Moves money between two different accounts; gives the number of the row that tells of it.
    pub(crate) fn transfer(&self, from: u32, to: u32, amount: i64) -> Result<u64, Refused> {
        let (payer, payee) = (&self.accounts[from as usize], &self.accounts[to as usize]);
        let row = try_atomically(|tx| {
            let after = [payer.read(tx)? - amount, payee.read(tx)? + amount];
            if after[0] < 0 {
                return abort(Refused::NoCover);
            }
            payer.write(tx, after[0])?;
            payee.write(tx, after[1])?;
            let entry = Entry {
                from,
                to,
                amount,
                after,
            };
            let mut row = 0;
            tx.decide(|| match self.store.append(entry) {
                Ok(number) => {
                    row = number;
                    Decision::Commit
                }
                Err(error) => Decision::Abort(Refused::Store(error)),
            })?;
            Ok(row)
        })?;
        self.store.note_committed();
        Ok(row)
    }

    /// Whether memory and books say the same. Nobody may be making transfers.
    pub(crate) fn agrees_with_its_books(&self) -> Result<bool, redb::Error> {
        let balances = snapshot(|s| self.accounts.iter().map(|a| a.read(s)).collect());
        let balances: Vec<i64> = balances;
        Ok(self.store.audit()?.balances == balances)
    }
}
