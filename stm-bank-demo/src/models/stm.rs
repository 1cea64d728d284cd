//! The bank on software transactional memory.
//!
//! Read it from the top. First come [`withdraw`] and [`deposit`], which know one account each and nothing of
//! threads. All the rest is composed of them: a transfer is one after the other, waiting for cover is [`check`]
//! on the answer, giving up when the bank closes is `or_else` around both. What runs in one [`atomically`]
//! happens as a whole or not at all, so no piece had to be written with the others in mind, and there is no
//! order of locks to agree on.

use stm_core::{ReadTx, Stm, TVar, Tx, atomically, check, snapshot};

use crate::bank::{
    Accounts, Bank, BatchBank, ChoosingBank, CrashingBank, Joint, JointBank, WaitingBank,
    Withdrawal, crash,
};

// explain: begin
/// Takes `amount` out if there is cover, and says whether there was.
fn withdraw(tx: &mut Tx<'_>, from: &TVar<i64>, amount: i64) -> Stm<bool> {
    let balance = from.read(tx)?;
    if balance < amount {
        return Ok(false);
    }
    from.write(tx, balance - amount)?;
    Ok(true)
}

/// Puts `amount` in.
fn deposit(tx: &mut Tx<'_>, to: &TVar<i64>, amount: i64) -> Stm<()> {
    to.modify(tx, |balance| balance + amount)
}

/// Withdraws, then deposits: nobody can see the moment in between.
fn transfer(tx: &mut Tx<'_>, from: &TVar<i64>, to: &TVar<i64>, amount: i64) -> Stm<bool> {
    let covered = withdraw(tx, from, amount)?;
    if covered {
        deposit(tx, to, amount)?;
    }
    Ok(covered)
}
// explain: end

/// Withdraws, waiting for cover: `check` sleeps until something that was read has changed, and runs it again.
fn withdraw_when_covered(tx: &mut Tx<'_>, from: &TVar<i64>, amount: i64) -> Stm<()> {
    check(withdraw(tx, from, amount)?)
}

/// Waits until the bank closes.
fn wait_for_closing(tx: &mut Tx<'_>, closing: &TVar<bool>) -> Stm<()> {
    check(closing.read(tx)?)
}

/// What the accounts hold together. Read-only code serves transactions and snapshots alike.
fn total(tx: &mut impl ReadTx, accounts: &[TVar<i64>]) -> Stm<i64> {
    let mut sum = 0;
    for account in accounts {
        sum += account.read(tx)?;
    }
    Ok(sum)
}

/// Accounts that are transactional variables; audits are snapshots.
pub(crate) struct StmBank {
    accounts: Vec<TVar<i64>>,
    closing: TVar<bool>,
}

impl Accounts for StmBank {
    fn open(accounts: usize, balance: i64) -> Self {
        Self {
            accounts: (0..accounts).map(|_| TVar::new(balance)).collect(),
            closing: TVar::new(false),
        }
    }

    fn balances(&self) -> Vec<i64> {
        self.accounts.iter().map(TVar::load).collect()
    }
}

impl Bank for StmBank {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        let (from, to) = (&self.accounts[from], &self.accounts[to]);
        atomically(|tx| {
            *attempts += 1;
            transfer(tx, from, to, amount)
        })
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        Some(snapshot(|s| {
            *attempts += 1;
            total(s, &self.accounts)
        }))
    }
}

impl WaitingBank for StmBank {
    fn deposit(&self, to: usize, amount: i64) {
        atomically(|tx| deposit(tx, &self.accounts[to], amount));
    }

    fn withdraw_when_covered(&self, from: usize, amount: i64, attempts: &mut u64) -> Withdrawal {
        atomically(|tx| {
            *attempts += 1;
            // If both sides wait, so does the whole: for the account and for the closing at once.
            tx.or_else(
                |tx| {
                    withdraw_when_covered(tx, &self.accounts[from], amount)?;
                    Ok(Withdrawal::Paid)
                },
                |tx| {
                    wait_for_closing(tx, &self.closing)?;
                    Ok(Withdrawal::Closed)
                },
            )
        })
    }

    fn close(&self) {
        self.closing.store(true);
    }
}

impl ChoosingBank for StmBank {
    /// The first payer, or else the second, or else nobody. A transfer that waits for cover is one that is not possible
    /// yet, so `or_else` takes the next: the parts need not know that they are alternatives.
    fn pay_from_first(
        &self,
        payers: [usize; 2],
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> bool {
        let [first, second, to] = [payers[0], payers[1], to].map(|at| &self.accounts[at]);
        let pay_from = |tx: &mut Tx<'_>, from| {
            withdraw_when_covered(tx, from, amount)?;
            deposit(tx, to, amount)?;
            Ok(true)
        };
        atomically(|tx| {
            *attempts += 1;
            tx.or_else(
                |tx| pay_from(tx, first),
                |tx| tx.or_else(|tx| pay_from(tx, second), |_| Ok(false)),
            )
        })
    }
}

impl BatchBank for StmBank {
    fn pay_all(&self, from: usize, payees: &[usize], amount: i64, attempts: &mut u64) -> bool {
        let total = amount * payees.len() as i64;
        atomically(|tx| {
            *attempts += 1;
            let covered = withdraw(tx, &self.accounts[from], total)?;
            if covered {
                for &payee in payees {
                    deposit(tx, &self.accounts[payee], amount)?;
                }
            }
            Ok(covered)
        })
    }
}

impl JointBank for StmBank {
    /// Only reads the partner, and is held to what it read all the same: there is no write skew.
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        let [from, partner, to] = [from, partner, to].map(|at| &self.accounts[at]);
        atomically(|tx| {
            *attempts += 1;
            let balance = from.read(tx)?;
            let answer = Joint::rule(balance + partner.read(tx)?, amount);
            if answer == Joint::Paid {
                from.write(tx, balance - amount)?;
                deposit(tx, to, amount)?;
            }
            Ok(answer)
        })
    }
}

impl CrashingBank for StmBank {
    /// What was withdrawn goes with the attempt.
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        atomically(|tx| {
            if withdraw(tx, &self.accounts[from], amount)? {
                crash();
            }
            Ok(())
        });
    }
}

/// The same bank, except that an audit is an ordinary transaction: for those who do not know of [`snapshot`].
pub(crate) struct AuditedInTransaction(StmBank);

impl Accounts for AuditedInTransaction {
    fn open(accounts: usize, balance: i64) -> Self {
        Self(StmBank::open(accounts, balance))
    }

    fn balances(&self) -> Vec<i64> {
        self.0.balances()
    }
}

impl Bank for AuditedInTransaction {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        self.0.try_transfer(from, to, amount, attempts)
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        Some(atomically(|tx| {
            *attempts += 1;
            total(tx, &self.0.accounts)
        }))
    }
}
