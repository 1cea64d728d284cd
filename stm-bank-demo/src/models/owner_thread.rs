//! The bank as one thread that owns all accounts and takes requests over a bounded channel.
//!
//! One thread does everything, one request after the other, so nothing needs a lock and every rule can be written down as
//! if there were no concurrency. It is a global mutex in another form: the work goes to the data instead of the data to
//! the worker. Each request costs two messages, and mostly two wake-ups. The bound pushes back on those who ask too much.
//!
//! An owner that panics takes the bank with it, and who asks must not wait for it for good. It is not enough that the
//! owner drops its end of the channel: a bounded channel keeps the requests that lie in it, each with its way back to who
//! waits. So the owner also holds the end of a channel in which nothing is ever sent, and everybody waits for that as well.

use std::convert::Infallible;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::bank::{Accounts, Bank, BatchBank, ChoosingBank, CrashingBank, Joint, JointBank, crash};

/// Requests that may lie before the owner until who asks must wait.
const BOUND: usize = 64;

/// What the owner can be asked.
enum Request {
    Transfer {
        /// The first of them that has cover pays.
        payers: Vec<usize>,
        payees: Vec<usize>,
        amount: i64,
        answer: Sender<bool>,
    },
    Joint {
        accounts: [usize; 3],
        amount: i64,
        answer: Sender<Joint>,
    },
    Move {
        from: usize,
        to: usize,
        amount: i64,
        answer: Sender<bool>,
    },
    Audit(Sender<i64>),
    Balances(Sender<Vec<i64>>),
    Crash(usize, i64),
}

/// The bank, seen by its customers.
pub(crate) struct OwnerThread {
    /// `None` only while the bank closes.
    requests: Option<Sender<Request>>,
    /// Disconnected once the owner is no more.
    gone: Receiver<Infallible>,
    owner: Option<JoinHandle<()>>,
}

/// The owner's work, until nobody can ask any more.
fn serve(mut accounts: Vec<i64>, requests: &Receiver<Request>) {
    // explain: begin
    for request in requests {
        // An answer that nobody waits for any more is no failure.
        match request {
            Request::Move {
                from,
                to,
                amount,
                answer,
            } => {
                let covered = accounts[from] >= amount;
                if covered {
                    accounts[from] -= amount;
                    accounts[to] += amount;
                }
                _ = answer.send(covered);
            }
            // explain: end
            Request::Transfer {
                payers,
                payees,
                amount,
                answer,
            } => {
                let total = amount * payees.len() as i64;
                let payer = payers.into_iter().find(|&payer| accounts[payer] >= total);
                if let Some(payer) = payer {
                    accounts[payer] -= total;
                    for payee in payees {
                        accounts[payee] += amount;
                    }
                }
                _ = answer.send(payer.is_some());
            }
            Request::Joint {
                accounts: [from, partner, to],
                amount,
                answer,
            } => {
                let joint = Joint::rule(accounts[from] + accounts[partner], amount);
                if joint == Joint::Paid {
                    accounts[from] -= amount;
                    accounts[to] += amount;
                }
                _ = answer.send(joint);
            }
            Request::Audit(answer) => _ = answer.send(accounts.iter().sum()),
            Request::Balances(answer) => _ = answer.send(accounts.clone()),
            Request::Crash(from, amount) if accounts[from] >= amount => crash(),
            Request::Crash(..) => {}
        }
    }
}

impl OwnerThread {
    fn send(&self, request: Request) {
        let requests = self.requests.as_ref().expect("the bank is open");
        requests.send(request).expect("the owner lives");
    }

    /// Asks and waits for the answer.
    #[inline]
    fn ask<R>(&self, request: impl FnOnce(Sender<R>) -> Request) -> R {
        let (answer, answered) = bounded(1);
        self.send(request(answer));
        select! {
            recv(answered) -> answer => answer.expect("the owner lives"),
            // It may have answered before it went.
            recv(self.gone) -> _ => answered.try_recv().expect("the owner lives"),
        }
    }
}

impl Accounts for OwnerThread {
    fn open(accounts: usize, balance: i64) -> Self {
        let (requests, to_serve) = bounded(BOUND);
        let (lives, gone) = bounded(0);
        let owner = thread::spawn(move || {
            let _lives: Sender<Infallible> = lives;
            serve(vec![balance; accounts], &to_serve);
        });
        Self {
            requests: Some(requests),
            gone,
            owner: Some(owner),
        }
    }

    fn balances(&self) -> Vec<i64> {
        self.ask(Request::Balances)
    }
}

impl Drop for OwnerThread {
    fn drop(&mut self) {
        drop(self.requests.take());
        // An owner who crashed has been noticed by then.
        _ = self.owner.take().map(JoinHandle::join);
    }
}

impl Bank for OwnerThread {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        self.ask(|answer| Request::Move {
            from,
            to,
            amount,
            answer,
        })
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some(self.ask(Request::Audit))
    }
}

impl ChoosingBank for OwnerThread {
    fn pay_from_first(
        &self,
        payers: [usize; 2],
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> bool {
        *attempts += 1;
        let (payers, payees) = (payers.to_vec(), vec![to]);
        self.ask(|answer| Request::Transfer {
            payers,
            payees,
            amount,
            answer,
        })
    }
}

impl BatchBank for OwnerThread {
    fn pay_all(&self, from: usize, payees: &[usize], amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let (payers, payees) = (vec![from], payees.to_vec());
        self.ask(|answer| Request::Transfer {
            payers,
            payees,
            amount,
            answer,
        })
    }
}

impl JointBank for OwnerThread {
    fn try_joint_transfer(
        &self,
        from: usize,
        partner: usize,
        to: usize,
        amount: i64,
        attempts: &mut u64,
    ) -> Joint {
        *attempts += 1;
        let accounts = [from, partner, to];
        self.ask(|answer| Request::Joint {
            accounts,
            amount,
            answer,
        })
    }
}

impl CrashingBank for OwnerThread {
    /// Who crashes is the owner, and with it everything that it owned.
    fn crash_in_transfer(&self, from: usize, _: usize, amount: i64) {
        self.send(Request::Crash(from, amount));
    }
}
