//! The bank's books: balances, and a journal that explains them, in one file that survives whatever happens to the process.

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::steps::{Fate, Step};

/// From the number of the account.
const BALANCES: TableDefinition<'_, u32, i64> = TableDefinition::new("balances");
/// From the number of the row, from 1 without a gap: from whom, to whom, how much.
const JOURNAL: TableDefinition<'_, u64, (u32, u32, i64)> = TableDefinition::new("journal");

/// What each account holds in the beginning.
pub(crate) const OPENING: i64 = 100;

#[derive(Debug)]
pub(crate) struct Store {
    db: Database,
    fate: Fate,
}

/// A transfer as the store is to keep it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) amount: i64,
    /// The balances of both after it.
    pub(crate) after: [i64; 2],
}

/// What the books say, after everything in them has been checked.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Books {
    pub(crate) balances: Vec<i64>,
    pub(crate) rows: u64,
}

impl Store {
    /// Opens the file, or makes one with `accounts` accounts.
    pub(crate) fn open(path: &Path, accounts: u32, fate: Fate) -> Result<Self, redb::Error> {
        let db = Database::create(path)?;
        let opening = db.begin_write()?;
        {
            let mut balances = opening.open_table(BALANCES)?;
            opening.open_table(JOURNAL)?;
            if balances.first()?.is_none() {
                for account in 0..accounts {
                    balances.insert(account, OPENING)?;
                }
            }
        }
        opening.commit()?;
        Ok(Self { db, fate })
    }

    /// Keeps `entry`, all of it or nothing, and gives its number in the journal.
    ///
    /// # Errors
    ///
    /// Nothing of it is kept. Where that is not certain, the process ends instead: it must not go on beside books that may say
    /// something else.
    pub(crate) fn append(&self, entry: Entry) -> Result<u64, redb::Error> {
        self.fate.reach(Step::Asked);
        let writing = self.db.begin_write()?;
        let row = {
            let mut journal = writing.open_table(JOURNAL)?;
            let row = 1 + journal.last()?.map_or(0, |(row, _)| row.value());
            journal.insert(row, (entry.from, entry.to, entry.amount))?;
            row
        };
        self.fate.reach(Step::RowWritten);
        {
            let mut balances = writing.open_table(BALANCES)?;
            balances.insert(entry.from, entry.after[0])?;
            balances.insert(entry.to, entry.after[1])?;
        }
        self.fate.reach(Step::BalancesWritten);
        if let Err(error) = writing.commit() {
            eprintln!("nobody knows whether the store has committed: {error}");
            std::process::abort();
        }
        self.fate.reach(Step::StoreCommitted);
        Ok(row)
    }

    /// Both have committed.
    pub(crate) fn note_committed(&self) {
        self.fate.reach(Step::MemoryCommitted);
    }

    /// Reads everything, and does the journal over again: each transfer must have been covered when it was made, and all
    /// together must come to the balances.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub(crate) fn audit(&self) -> Result<Books, redb::Error> {
        let reading = self.db.begin_read()?;
        let mut balances = Vec::new();
        for entry in reading.open_table(BALANCES)?.iter()? {
            balances.push(entry?.1.value());
        }
        let mut replayed = vec![OPENING; balances.len()];
        let mut rows = 0;
        for entry in reading.open_table(JOURNAL)?.iter()? {
            let (row, transfer) = entry?;
            let (from, to, amount) = transfer.value();
            rows += 1;
            assert_eq!(row.value(), rows, "the journal has a gap");
            replayed[from as usize] -= amount;
            replayed[to as usize] += amount;
            assert!(
                replayed[from as usize] >= 0,
                "row {rows} of the journal was not covered: it stands in the wrong place"
            );
        }
        assert_eq!(
            balances, replayed,
            "the journal does not explain the balances"
        );
        Ok(Books { balances, rows })
    }
}
