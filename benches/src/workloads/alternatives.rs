//! A payment from the first of two accounts that has cover: the first alternative takes the money before it looks whether there was
//! any, so where there was none its write must be undone before the second one is tried.
//!
//! Accounts are poor, with one coin each at the beginning, so all outcomes are frequent: the first pays, the second does, neither.
//!
//! Checked: no coin is lost, and nobody owes any.

use crate::engine::{Attempt, Engine, Reads, Writes};
use crate::measure::interleave::{Contender, Metric, Turn, Unit};
use crate::measure::rng::Rng;
use crate::measure::threads::{self, Amount, Ran};

const ACCOUNTS: usize = 1024;
const BALANCE: i64 = 1;

/// What can take the first payer that has cover.
pub trait Payers: Sync + Sized + 'static {
    /// So many accounts with that much in each.
    fn open(count: usize, balance: i64) -> Self;

    /// Moves a coin to `to` from the first of the payers that has one; whether one had.
    fn pay(&self, payers: [usize; 2], to: usize) -> bool;

    /// What is in all accounts, while nobody pays.
    fn balances(&self) -> Vec<i64>;
}

/// Accounts that are variables of an engine, with its alternatives.
#[derive(Debug)]
pub struct OnEngine<E: Engine>(Vec<E::Var<i64>>);

impl<E: Engine> OnEngine<E> {
    fn withdraw(&self, tx: &mut E::Tx<'_>, from: usize) -> Attempt<(), E> {
        tx.modify(&self.0[from], |balance| balance - 1)?;
        if tx.read(&self.0[from])? < 0 {
            return E::retry();
        }
        Ok(())
    }
}

impl<E: Engine> Payers for OnEngine<E> {
    fn open(count: usize, balance: i64) -> Self {
        Self((0..count).map(|_| E::var(balance)).collect())
    }

    fn pay(&self, [first, second]: [usize; 2], to: usize) -> bool {
        E::atomically(|tx| {
            let paid = E::or_else(
                tx,
                |tx| {
                    E::or_else(
                        tx,
                        |tx| self.withdraw(tx, first),
                        |tx| self.withdraw(tx, second),
                    )
                    .map(|()| true)
                },
                |_| Ok(false),
            )?;
            if paid {
                tx.modify(&self.0[to], |balance| balance + 1)?;
            }
            Ok(paid)
        })
    }

    fn balances(&self) -> Vec<i64> {
        let accounts = self.0.iter();
        accounts
            .map(|account| E::read_only(|tx| tx.read(account)))
            .collect()
    }
}

/// The cases of the workload: how many threads pay.
pub const CASES: [(&str, usize); 2] = [("1 thread", 1), ("2 threads", 2)];

/// The figure of every case.
pub const METRICS: [Metric; 1] = [Metric {
    name: "payments",
    unit: Unit::PerSecond,
}];

/// Accounts for [`work`].
pub fn open<P: Payers>() -> P {
    P::open(ACCOUNTS, BALANCE)
}

/// Lets the threads pay.
///
/// # Errors
///
/// What the check found wrong.
pub fn work<P: Payers>(bank: &P, threads: usize, amount: Amount) -> Result<Ran, String> {
    work_on(bank, ACCOUNTS, threads, amount)
}

fn work_on<P: Payers>(
    bank: &P,
    count: usize,
    threads: usize,
    amount: Amount,
) -> Result<Ran, String> {
    let (ran, _) = threads::run(threads, amount, 32, Rng::new, |rng, _| {
        let payers = rng.two(count);
        // Some third account.
        let to = (0..)
            .map(|_| rng.index(count))
            .find(|to| !payers.contains(to));
        bank.pay(payers, to.expect("there are more than two"));
    });
    let balances = bank.balances();
    if let Some(debt) = balances.iter().find(|balance| **balance < 0) {
        return Err(format!("an account has {debt}"));
    }
    let (money, left) = (BALANCE * count as i64, balances.iter().sum::<i64>());
    if left != money {
        return Err(format!("of {money} coins, {left} are left"));
    }
    Ok(ran)
}

/// Accounts that take part.
pub fn contender<P: Payers>(name: &str, threads: usize) -> Contender<'static> {
    let mut bank = None;
    Contender::new(name, move |time| -> Turn {
        let bank = bank.get_or_insert_with(open::<P>);
        Ok(vec![work(bank, threads, Amount::For(time))?.rate()])
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::common::watched;
    use crate::ours::StmCore;
    use crate::wrong::{Forgetful, Unisolated, caught};

    fn turn<P: Payers>(threads: usize) -> Result<(), String> {
        work_on(&P::open(8, BALANCE), 8, threads, Amount::Steps(1000)).map(drop)
    }

    #[test]
    fn a_first_alternative_that_is_not_undone_is_caught() {
        watched("a_first_alternative_that_is_not_undone_is_caught", || {
            // Neither of the two undoes anything.
            caught("alternatives", || turn::<OnEngine<Unisolated>>(1));
            caught("alternatives", || turn::<OnEngine<Forgetful>>(1));
        });
    }

    /// Takes a coin from the first payer `IF_COVERED` or in any case, and gives the payee that many.
    struct Odd<const IF_COVERED: bool, const GIVES: i64>(Mutex<Vec<i64>>);

    impl<const IF_COVERED: bool, const GIVES: i64> Payers for Odd<IF_COVERED, GIVES> {
        fn open(count: usize, balance: i64) -> Self {
            Self(Mutex::new(vec![balance; count]))
        }
        fn pay(&self, [first, _]: [usize; 2], to: usize) -> bool {
            let mut balances = self.0.lock().expect("no panics here");
            let pays = balances[first] > 0 || !IF_COVERED;
            if pays {
                balances[first] -= 1;
                balances[to] += GIVES;
            }
            pays
        }
        fn balances(&self) -> Vec<i64> {
            self.0.lock().expect("no panics here").clone()
        }
    }

    #[test]
    fn a_lost_coin_and_a_debt_are_caught_each_on_its_own() {
        watched("a_lost_coin_and_a_debt_are_caught_each_on_its_own", || {
            let lost = caught("alternatives", || turn::<Odd<true, 0>>(1));
            assert!(lost.contains("are left"), "{lost}");
            let debt = caught("alternatives", || turn::<Odd<false, 1>>(1));
            assert!(debt.contains("an account has -"), "{debt}");
            assert_eq!(turn::<Odd<true, 1>>(1), Ok(()));
        });
    }

    #[test]
    fn ours_undoes_the_first_alternative() {
        watched("ours_undoes_the_first_alternative", || {
            for (name, threads) in CASES {
                assert_eq!(turn::<OnEngine<StmCore>>(threads), Ok(()), "{name}");
            }
        });
    }
}
