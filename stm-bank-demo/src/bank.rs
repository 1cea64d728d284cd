//! What a bank must do, whatever it is built on.
//!
//! One trait for what every bank has, and one each for the two kinds of work: transfers with audits, and
//! withdrawals that wait. A model is a type that implements what it can do; the workload is generic over the
//! traits, so that each model gets a hot loop of its own with its operations inlined.
//!
//! `attempts` counts how often an operation started over. It is a plain counter of the calling thread: one
//! shared by all threads would cost more than what is measured.

/// Accounts, numbered from zero.
pub(crate) trait Accounts: Sync + Sized {
    /// A bank of `accounts` accounts that hold `balance` each.
    fn open(accounts: usize, balance: i64) -> Self;

    /// What the accounts hold. Asked only when nobody works with the bank any more, so that the final count does
    /// not rest on the concurrency that it is to check.
    fn balances(&self) -> Vec<i64>;
}

/// A bank that moves money and can say what it holds meanwhile.
pub(crate) trait Bank: Accounts {
    /// Moves `amount` from one account to another one, or, if there is no cover, does nothing and returns false.
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool;

    /// What all accounts held together at one moment within this call.
    fn audit(&self, attempts: &mut u64) -> i64;
}

/// A bank whose customers can wait for their money.
pub(crate) trait WaitingBank: Accounts {
    /// Adds to an account.
    fn deposit(&self, to: usize, amount: i64);

    /// Takes `amount` out, sleeping until there is cover. Gives up if there is none and the bank is closed.
    fn withdraw_when_covered(&self, from: usize, amount: i64, attempts: &mut u64) -> Withdrawal;

    /// From now on nobody waits any more.
    fn close(&self);
}

/// How a withdrawal that may wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Withdrawal {
    /// The money is out of the account.
    Paid,
    /// The bank closed before there was cover; the account is as it was.
    Closed,
}
