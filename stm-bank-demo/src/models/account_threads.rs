//! The bank as a thread for each account, which talk over channels: share by communicating.
//!
//! No lock, and no deadlock, since nobody waits for another account: the payer's thread takes the money out and sends it
//! to the payee's. From then until the payee gets to that message the money is in no account. It is in limbo, and an
//! audit that asks all accounts does not find it. Nothing is lost: the deposit is in the channel before the customer
//! has the answer, so a count when all is quiet finds everything.
//!
//! The channels between accounts have no bound, on purpose: with one, A could wait to send to B and B to A, which is the
//! deadlock of the mutexes again. Customers wait for their answers, so there are never more messages than customers.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::bank::{Accounts, Bank};

/// What an account's thread is told.
enum Message {
    Transfer {
        to: usize,
        amount: i64,
        answer: Sender<bool>,
    },
    Deposit(i64),
    Balance(Sender<i64>),
    Close,
}

/// Where to reach each account.
type Doors = Arc<[Sender<Message>]>;

/// Accounts that are threads.
pub(crate) struct AccountThreads {
    doors: Doors,
    threads: Vec<JoinHandle<()>>,
}

/// An account: the only one who knows its balance.
fn serve(mut balance: i64, messages: &Receiver<Message>, doors: &Doors) {
    // explain: begin
    for message in messages {
        match message {
            Message::Transfer { to, amount, answer } => {
                let covered = balance >= amount;
                if covered {
                    balance -= amount;
                    tell(&doors[to], Message::Deposit(amount)); // in limbo until it is read
                }
                // A customer who has gone needs no answer.
                _ = answer.send(covered);
            }
            Message::Deposit(amount) => balance += amount,
            Message::Balance(answer) => _ = answer.send(balance),
            Message::Close => return,
        }
    }
    // explain: end
}

fn tell(door: &Sender<Message>, message: Message) {
    door.send(message)
        .expect("accounts are there until the bank closes");
}

impl AccountThreads {
    /// Asks all accounts at once; the answers come in any order.
    fn ask_all(&self) -> Receiver<i64> {
        let (answer, answers) = bounded(self.doors.len());
        for door in self.doors.iter() {
            tell(door, Message::Balance(answer.clone()));
        }
        answers
    }
}

impl Accounts for AccountThreads {
    fn open(accounts: usize, balance: i64) -> Self {
        let (doors, messages): (Vec<_>, Vec<_>) = (0..accounts).map(|_| unbounded()).unzip();
        let doors: Doors = doors.into();
        let threads = messages
            .into_iter()
            .map(|messages| {
                let doors = Arc::clone(&doors);
                thread::Builder::new()
                    // Plenty for one match; the default would reserve gigabytes for a thousand accounts.
                    .stack_size(64 << 10)
                    .spawn(move || serve(balance, &messages, &doors))
                    .expect("the system has a thread for each account")
            })
            .collect();
        Self { doors, threads }
    }

    fn balances(&self) -> Vec<i64> {
        let balance = |door| {
            let (answer, balance) = bounded(1);
            tell(door, Message::Balance(answer));
            balance.recv().expect("accounts answer")
        };
        self.doors.iter().map(balance).collect()
    }
}

impl Drop for AccountThreads {
    fn drop(&mut self) {
        // Each thread has a door to each: the channels would not close by themselves.
        for door in self.doors.iter() {
            tell(door, Message::Close);
        }
        for thread in self.threads.drain(..) {
            thread.join().expect("accounts do not panic");
        }
    }
}

impl Bank for AccountThreads {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let (answer, covered) = bounded(1);
        tell(&self.doors[from], Message::Transfer { to, amount, answer });
        covered.recv().expect("accounts answer")
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        Some(self.ask_all().iter().sum())
    }
}
