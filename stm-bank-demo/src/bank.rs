//! What a bank must do, whatever it is built on, and what a bank may claim.
//!
//! A trait for what every bank has, and one for each kind of work. A model is a type that implements what it can do;
//! the workload is generic over the traits, so that each model gets a hot loop of its own with its operations inlined.
//!
//! `attempts` counts how often an operation started over. It is a plain counter of the calling thread: one shared by
//! all threads would cost more than what is measured.
//!
//! Several models here are wrong, and are here for that. So each says what it [claims](Claims), and is only held to
//! that: the program shows what the others lose without calling it a failure.

/// What a model promises. The workload looks for the opposite of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Money is neither made nor lost.
    pub(crate) conserves: bool,
    /// No account goes below zero.
    pub(crate) no_overdraft: bool,
    /// An audit's total was there at one moment: what is read together belongs together.
    pub(crate) whole_audits: bool,
    /// Threads do not wait for each other in a ring.
    pub(crate) no_deadlock: bool,
    /// Audits and transfers end, whatever others do meanwhile.
    pub(crate) no_starvation: bool,
    /// A rule over two accounts holds, though each withdrawal changes only one of them.
    pub(crate) joint_rules: bool,
    /// A worker that panics in the middle of a transfer leaves a bank that is right and goes on.
    pub(crate) survives_crash: bool,
}

impl Claims {
    pub(crate) const ALL: Self = Self {
        conserves: true,
        no_overdraft: true,
        whole_audits: true,
        no_deadlock: true,
        no_starvation: true,
        joint_rules: true,
        survives_crash: true,
    };

    pub(crate) const NONE: Self = Self {
        conserves: false,
        no_overdraft: false,
        whole_audits: false,
        no_deadlock: false,
        no_starvation: false,
        joint_rules: false,
        survives_crash: false,
    };

    /// Each claim with its name, in the order in which `list` shows them.
    pub(crate) fn named(self) -> [(&'static str, bool); 7] {
        [
            ("conserves", self.conserves),
            ("no overdraft", self.no_overdraft),
            ("whole audits", self.whole_audits),
            ("no deadlock", self.no_deadlock),
            ("no starvation", self.no_starvation),
            ("joint rules", self.joint_rules),
            ("survives a crash", self.survives_crash),
        ]
    }
}

/// Accounts, numbered from zero.
pub(crate) trait Accounts: Sync + Sized {
    /// A bank of `accounts` accounts that hold `balance` each.
    fn open(accounts: usize, balance: i64) -> Self;

    /// What the accounts hold. Asked only when nobody works with the bank any more, so that the final count does
    /// not rest on the concurrency that it is to check.
    fn balances(&self) -> Vec<i64>;

    /// How often an account went below zero and may not be any more: a model that lets it happen counts it. What is below
    /// zero at the end is counted for all of them.
    fn overdrafts(&self) -> u64 {
        0
    }

    /// Whether [`deadlock`](Self::deadlock) is worth asking.
    const CAN_DEADLOCK: bool = false;

    /// Where threads wait for each other in a ring, if they do now. A watchdog asks, again and again.
    fn deadlock(&self) -> Option<Vec<usize>> {
        None
    }

    /// Everybody who waits for a lock gives up, now and from now on. Called once a deadlock was found.
    fn abandon(&self) {}
}

/// A bank that moves money and can say what it holds meanwhile.
pub(crate) trait Bank: Accounts {
    /// Moves `amount` from one account to another one, or, if there is no cover, does nothing and returns false.
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool;

    /// What all accounts held together at one moment within this call; `None` if no such moment could be caught.
    fn audit(&self, attempts: &mut u64) -> Option<i64>;
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

/// A bank in which one can pay from whichever account has the money.
pub(crate) trait ChoosingBank: Bank {
    /// Moves `amount` to `to` from the first of `payers` that covers it; false if none does. All are different.
    fn pay_from_first(
        &self,
        payers: [usize; 2],
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> bool;
}

/// A bank that pays many at a time.
pub(crate) trait BatchBank: Bank {
    /// Moves `amount` to each of `payees`, or, if that is not covered as a whole, to none of them. All are different,
    /// and none is `from`.
    fn pay_all(&self, from: usize, payees: &[usize], amount: i64, attempts: &mut u64) -> bool;
}

/// A bank in which two accounts stand in for each other: one may go below zero as long as both together do not.
pub(crate) trait JointBank: Bank {
    /// Moves `amount` from `from` to `to`, if `from` and `partner` cover it together. All are different.
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint;
}

/// How a withdrawal from two accounts that stand in for each other has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Joint {
    Paid,
    Refused,
    /// The two were below zero together before it began: two others have each relied on the account that the other
    /// one emptied. This is write skew.
    Skewed,
}

impl Joint {
    /// What the rule says, given what the two hold together.
    #[inline]
    pub(crate) fn rule(together: i64, amount: i64) -> Self {
        if together < 0 {
            Self::Skewed
        } else if together < amount {
            Self::Refused
        } else {
            Self::Paid
        }
    }
}

/// A bank whose workers can fail.
pub(crate) trait CrashingBank: Bank {
    /// Begins a transfer and panics after the withdrawal, before the deposit; or returns, where there was no cover or
    /// where the one who failed was not the caller.
    fn crash_in_transfer(&self, from: usize, to: usize, amount: i64);
}

/// The panic of a worker that crashes on purpose: without a message, since nobody needs to be told.
pub(crate) fn crash() -> ! {
    struct Crash;
    std::panic::resume_unwind(Box::new(Crash))
}
