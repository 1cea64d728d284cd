//! A travel agency: cars, flights and rooms, and customers who book them.
//!
//! `vacation` of STAMP (Cao Minh, Chung, Kozyrakis, Olukotun, "STAMP: Stanford transactional applications for multi-processing",
//! IISWC 2008, doi:10.1109/IISWC.2008.4636089), with its parameters and its three transactions:
//!
//! - a customer looks at `-n` items, chosen among `-q` % of them, and books the dearest free one of each kind;
//! - a customer leaves, and what it had booked is free again;
//! - `-n` items are stocked up, or taken out of stock, with new prices.
//!
//! `-u` % are of the first kind, and half of the others of each other kind. `-t` transactions are run over tables of `-r` items of
//! each kind; every turn begins with fresh tables, which are not part of the time.
//!
//! Checked, at the end of each turn: every item has as many in use as customers have booked of it, and used and free together are
//! its total; nothing is negative.

use std::collections::HashMap;
use std::time::Duration;

use crate::engine::{Attempt, Engine};
use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::rng::Rng;
use crate::measure::threads::{self, Amount, Ran};
use crate::structures::Ordered;

/// Cars, flights, rooms.
const KINDS: usize = 3;

/// A kind of item, and its number.
type Item = (usize, u64);

/// How many there are of an item, and at what price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stock {
    used: i64,
    free: i64,
    total: i64,
    price: i64,
}

/// The tables.
#[derive(Debug)]
pub struct Agency<E: Engine> {
    items: [Ordered<E, Stock>; KINDS],
    /// What each customer has booked.
    customers: Ordered<E, Vec<Item>>,
}

/// STAMP's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// `-n`: items in a transaction.
    pub queries: usize,
    /// `-q`: among how many percent of the items they are chosen.
    pub range_percent: u64,
    /// `-u`: percentage of bookings among the transactions.
    pub bookings_percent: u64,
    /// `-r`: items of a kind.
    pub items: u64,
    /// `-t`: transactions in a turn.
    pub transactions: u64,
    /// Who run them.
    pub threads: usize,
}

/// The cases of the workload.
pub const CASES: [(&str, Params); 2] = [
    (
        "low: -n2 -q90 -u98 -r16384 -t4096, 2 threads",
        Params {
            queries: 2,
            range_percent: 90,
            bookings_percent: 98,
            items: 16384,
            transactions: 4096,
            threads: 2,
        },
    ),
    (
        "high: -n4 -q60 -u90 -r16384 -t4096, 2 threads",
        Params {
            queries: 4,
            range_percent: 60,
            bookings_percent: 90,
            items: 16384,
            transactions: 4096,
            threads: 2,
        },
    ),
];

/// The figure of every case.
pub const METRICS: [Metric; 1] = [Metric {
    name: "transactions",
    unit: Unit::PerSecond,
}];

/// What a transaction is to do, drawn before it begins: a body that is run again does the same again.
enum Task {
    Book {
        customer: u64,
        items: Vec<Item>,
    },
    Leave {
        customer: u64,
    },
    /// The price at which a hundred are added, or `None` for a hundred less.
    Restock(Vec<(Item, Option<i64>)>),
}

impl Task {
    fn draw(rng: &mut Rng, params: &Params) -> Self {
        let range = (params.items * params.range_percent / 100).max(1);
        let item = |rng: &mut Rng| (rng.index(KINDS), rng.below(range));
        if rng.in_percent(params.bookings_percent) {
            return Self::Book {
                customer: rng.below(range),
                items: (0..params.queries).map(|_| item(rng)).collect(),
            };
        }
        if rng.in_percent(50) {
            return Self::Leave {
                customer: rng.below(range),
            };
        }
        let changes = (0..params.queries).map(|_| {
            let price = 50 + 10 * rng.below(5) as i64;
            (item(rng), rng.in_percent(50).then_some(price))
        });
        Self::Restock(changes.collect())
    }
}

impl<E: Engine> Agency<E> {
    /// With items in stock, and no customers.
    #[must_use]
    pub fn open(params: &Params) -> Self {
        let agency = Self {
            items: std::array::from_fn(|_| Ordered::new()),
            customers: Ordered::new(),
        };
        let mut rng = Rng::new(99);
        for items in &agency.items {
            for number in 0..params.items {
                let total = 100 * (1 + rng.below(5) as i64);
                let stock = Stock {
                    used: 0,
                    free: total,
                    total,
                    price: 50 + 10 * rng.below(5) as i64,
                };
                E::atomically(|tx| items.insert(tx, number, stock));
            }
        }
        agency
    }

    fn run(&self, task: &Task) {
        match task {
            Task::Book { customer, items } => E::atomically(|tx| self.book(tx, *customer, items)),
            Task::Leave { customer } => E::atomically(|tx| self.leave(tx, *customer)),
            Task::Restock(changes) => E::atomically(|tx| self.restock(tx, changes)),
        }
    }

    fn book(&self, tx: &mut E::Tx<'_>, customer: u64, items: &[Item]) -> Attempt<(), E> {
        let mut dearest: [Option<(i64, Item)>; KINDS] = [None; KINDS];
        for &(kind, number) in items {
            let Some(stock) = self.items[kind].get(tx, number)? else {
                continue;
            };
            if stock.free > 0 && dearest[kind].is_none_or(|(price, _)| stock.price > price) {
                dearest[kind] = Some((stock.price, (kind, number)));
            }
        }
        let chosen: Vec<Item> = dearest.iter().flatten().map(|(_, item)| *item).collect();
        if chosen.is_empty() {
            return Ok(());
        }
        self.customers.insert(tx, customer, Vec::new())?;
        for (kind, number) in &chosen {
            self.items[*kind].modify(tx, *number, |stock| Stock {
                used: stock.used + 1,
                free: stock.free - 1,
                ..stock
            })?;
        }
        self.customers.modify(tx, customer, |mut booked| {
            booked.extend_from_slice(&chosen);
            booked
        })?;
        Ok(())
    }

    fn leave(&self, tx: &mut E::Tx<'_>, customer: u64) -> Attempt<(), E> {
        let Some(booked) = self.customers.remove(tx, customer)? else {
            return Ok(());
        };
        for (kind, number) in booked {
            self.items[kind].modify(tx, number, |stock| Stock {
                used: stock.used - 1,
                free: stock.free + 1,
                ..stock
            })?;
        }
        Ok(())
    }

    fn restock(&self, tx: &mut E::Tx<'_>, changes: &[(Item, Option<i64>)]) -> Attempt<(), E> {
        for ((kind, number), price) in changes {
            self.items[*kind].modify(tx, *number, |stock| match price {
                Some(price) => Stock {
                    free: stock.free + 100,
                    total: stock.total + 100,
                    price: *price,
                    ..stock
                },
                None if stock.free >= 100 => Stock {
                    free: stock.free - 100,
                    total: stock.total - 100,
                    ..stock
                },
                None => stock,
            })?;
        }
        Ok(())
    }

    /// Compares stocks with bookings.
    fn check(&self) -> Result<(), String> {
        let mut booked = HashMap::new();
        let customers = E::report(|report| self.customers.to_vec(report));
        for item in customers.iter().flat_map(|(_, items)| items) {
            *booked.entry(*item).or_insert(0) += 1;
        }
        for (kind, items) in self.items.iter().enumerate() {
            for (number, stock) in E::report(|report| items.to_vec(report)) {
                let used = booked.remove(&(kind, number)).unwrap_or(0);
                if stock.used != used {
                    return Err(format!(
                        "{} are in use where {used} were booked",
                        stock.used
                    ));
                }
                if stock.free < 0 || stock.used + stock.free != stock.total {
                    return Err(format!("used and free are not the total: {stock:?}"));
                }
            }
        }
        match booked.len() {
            0 => Ok(()),
            some => Err(format!("{some} bookings are of items that there are not")),
        }
    }

    /// Runs transactions, on tables that may have been used before.
    ///
    /// # Errors
    ///
    /// What the check found wrong.
    pub fn work(&self, params: &Params, amount: Amount) -> Result<Ran, String> {
        let (ran, _) = threads::run(params.threads, amount, 1, Rng::new, |rng, _| {
            self.run(&Task::draw(rng, params));
        });
        self.check()?;
        Ok(ran)
    }
}

/// An agency that takes part. The amount of work is the parameters', not the turn's.
pub fn contender<E: Engine>(name: &str, params: Params) -> Contender<'static> {
    Contender::new(name, move |_: Duration| -> Turn {
        let amount = Amount::Steps(params.transactions);
        let ran = Agency::<E>::open(&params).work(&params, amount)?;
        Ok(vec![ran.rate()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::wrong::{Forgetful, Unisolated, caught};

    fn turn<E: Engine>(params: &Params) -> Result<(), String> {
        let amount = Amount::Steps(params.transactions);
        Agency::<E>::open(params).work(params, amount).map(drop)
    }

    const TINY: Params = Params {
        items: 4,
        transactions: 400,
        ..CASES[1].1
    };

    #[test]
    fn double_bookings_are_caught() {
        watched("double_bookings_are_caught", || {
            caught("vacation", || turn::<Unisolated>(&TINY));
        });
    }

    #[test]
    fn a_forgotten_booking_is_caught_on_one_thread() {
        watched("a_forgotten_booking_is_caught_on_one_thread", || {
            let alone = Params { threads: 1, ..TINY };
            caught("vacation", || turn::<Forgetful>(&alone));
        });
    }

    #[test]
    fn ours_books_what_there_is() {
        watched("ours_books_what_there_is", || {
            assert_eq!(turn::<StmCore>(&TINY), Ok(()));
            for (name, params) in CASES {
                let params = Params {
                    items: 256,
                    transactions: 400,
                    ..params
                };
                assert_eq!(turn::<StmCore>(&params), Ok(()), "{name}");
            }
        });
    }

    #[test]
    fn all_three_transactions_do_something() {
        watched("all_three_transactions_do_something", || {
            let params = Params { threads: 1, ..TINY };
            let agency = Agency::<StmCore>::open(&params);
            let stocks = || {
                let of = |items: &Ordered<StmCore, Stock>| StmCore::report(|r| items.to_vec(r));
                agency.items.each_ref().map(of)
            };
            let fresh = stocks();
            let book = Task::Book {
                customer: 7,
                items: vec![(0, 1), (2, 3)],
            };
            agency.run(&book);
            let booked = stocks();
            assert_ne!(booked, fresh);
            agency.run(&Task::Leave { customer: 7 });
            assert_eq!(stocks(), fresh);
            agency.run(&Task::Restock(vec![((1, 2), Some(60))]));
            assert_ne!(stocks(), fresh);
            assert_eq!(agency.check(), Ok(()));
        });
    }
}
