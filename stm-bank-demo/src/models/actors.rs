//! The bank as supervised actors, on ractor: a service that survives its own mistakes.
//!
//! # The problem
//!
//! An actor for each account keeps its balance to itself and does one message at a time (Hewitt, Bishop and Steiger, "A
//! Universal Modular ACTOR Formalism for Artificial Intelligence", IJCAI 1973). One that panics is gone, with its mailbox.
//! So each has a supervisor that starts it again (Armstrong, "Making reliable distributed systems in the presence of
//! software errors", 2003), and the balance lies in a ledger beside the actor, which stands for a database.
//!
//! A transfer spans two actors and is no transaction. It is two steps: withdraw here, deposit there, try the second again
//! if the actor died meanwhile, and put the money back if that does not help either (Garcia-Molina and Salem, "Sagas",
//! SIGMOD 1987, doi:10.1145/38713.38742). Between the steps the money is in no account, and audits see that.
//!
//! ractor's mailboxes have no bound, and an actor that is slower than those who ask it would collect messages until memory
//! ends. So who asks takes one of the mailbox's [`PLACES`] first, waiting for one while there is none, and gives it back
//! with the answer.
//!
//! # Invariants
//!
//! - **A1** Only the actor of an account writes its ledger, and there is one at a time: the next is started after the
//!   last has ended.
//! - **A2** An actor answers right after it has written, with nothing between that could panic. So who gets no answer knows
//!   that nothing was done, and may ask again. (Over a network it would not know, and would need a number for each step.)
//! - **A3** The supervisor publishes the new actor before it counts the restart. So who waits for the count to change, and
//!   has looked for a new actor after it began to wait, misses none.
//! - **A4** A message to an actor, but for the one that kills it, lies in one of its places, and the place is given back when the answer has come, or when
//!   there will be none. Whoever waits for a place waits for nobody who waits for it: an actor asks nobody, and a customer
//!   holds one place at a time, an audit one of each actor, in their order.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;
use ractor::concurrency::oneshot;
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, SemaphorePermit, watch};

use crate::bank::{Accounts, Bank, CrashingBank, crash};

/// How often a step is tried again on a new actor before it has failed.
const RETRIES: usize = 3;

/// Messages in a mailbox, at most.
const PLACES: usize = 64;

/// What an account is asked.
enum Message {
    Withdraw(i64, RpcReplyPort<bool>),
    Deposit(i64, RpcReplyPort<()>),
    Balance(RpcReplyPort<i64>),
    /// Makes it panic.
    Crash,
}

/// The actor of an account.
struct Account;

/// Balances, which outlive the actors. Relaxed: there is one writer (A1), and what it does reaches others by messages.
type Ledger = Arc<[AtomicI64]>;

/// An account's place in the ledger.
struct Page {
    ledger: Ledger,
    account: usize,
}

impl Page {
    fn balance(&self) -> i64 {
        self.ledger[self.account].load(Ordering::Relaxed)
    }

    fn write(&self, balance: i64) {
        self.ledger[self.account].store(balance, Ordering::Relaxed);
    }
}

impl Actor for Account {
    type Msg = Message;
    type State = Page;
    type Arguments = Page;

    async fn pre_start(
        &self,
        _: ActorRef<Message>,
        page: Page,
    ) -> Result<Page, ActorProcessingErr> {
        Ok(page)
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        page: &mut Page,
    ) -> Result<(), ActorProcessingErr> {
        // A2. Answers that nobody waits for any more are no failure.
        match message {
            Message::Withdraw(amount, answer) => {
                let covered = page.balance() >= amount;
                if covered {
                    page.write(page.balance() - amount);
                }
                _ = answer.send(covered);
            }
            Message::Deposit(amount, answer) => {
                page.write(page.balance() + amount);
                _ = answer.send(());
            }
            Message::Balance(answer) => _ = answer.send(page.balance()),
            Message::Crash => crash(),
        }
        Ok(())
    }
}

/// Where the actors are, for those who ask them.
struct Directory {
    actors: Vec<RwLock<ActorRef<Message>>>,
    /// Free places in their mailboxes.
    places: Vec<Semaphore>,
    restarts: watch::Sender<u64>,
}

/// The actor that starts accounts, and starts them again.
struct Supervisor;

/// What the supervisor knows.
struct Branch {
    ledger: Ledger,
    directory: Arc<Directory>,
}

/// Starts the actor of an account under its supervisor.
async fn start(
    supervisor: &ActorRef<()>,
    ledger: &Ledger,
    account: usize,
) -> Result<ActorRef<Message>, ActorProcessingErr> {
    let page = Page {
        ledger: Arc::clone(ledger),
        account,
    };
    let (actor, _) = Actor::spawn_linked(None, Account, page, supervisor.get_cell()).await?;
    Ok(actor)
}

impl Actor for Supervisor {
    type Msg = ();
    type State = Branch;
    /// The ledger, and where to send the directory once all accounts have started.
    type Arguments = (Ledger, RpcReplyPort<Arc<Directory>>);

    async fn pre_start(
        &self,
        own: ActorRef<()>,
        (ledger, opened): Self::Arguments,
    ) -> Result<Branch, ActorProcessingErr> {
        let mut actors = Vec::with_capacity(ledger.len());
        for account in 0..ledger.len() {
            actors.push(RwLock::new(start(&own, &ledger, account).await?));
        }
        let (restarts, _) = watch::channel(0);
        let places = actors.iter().map(|_| Semaphore::new(PLACES)).collect();
        let directory = Arc::new(Directory {
            actors,
            places,
            restarts,
        });
        opened.send(Arc::clone(&directory))?;
        Ok(Branch { ledger, directory })
    }

    async fn handle_supervisor_evt(
        &self,
        own: ActorRef<()>,
        event: SupervisionEvent,
        branch: &mut Branch,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ActorFailed(failed, _) = event {
            let actors = &branch.directory.actors;
            let failed =
                |place: &RwLock<ActorRef<Message>>| place.read().get_id() == failed.get_id();
            if let Some(account) = actors.iter().position(failed) {
                let actor = start(&own, &branch.ledger, account).await?;
                // A3: published, then counted.
                *actors[account].write() = actor;
                branch.directory.restarts.send_modify(|count| *count += 1);
            }
        }
        Ok(())
    }
}

/// An account's actor died again and again.
struct Unreachable;

impl Directory {
    fn actor(&self, account: usize) -> ActorRef<Message> {
        self.actors[account].read().clone()
    }

    /// Waits for a place in a mailbox (A4).
    async fn place(&self, account: usize) -> SemaphorePermit<'_> {
        let place = self.places[account].acquire().await;
        place.expect("nobody closes the semaphore")
    }

    /// Asks, on a new actor if the old one dies over it.
    async fn ask<R: Send + 'static>(
        &self,
        account: usize,
        message: impl Fn(RpcReplyPort<R>) -> Message,
    ) -> Result<R, Unreachable> {
        let _place = self.place(account).await;
        for _ in 0..=RETRIES {
            let actor = self.actor(account);
            let (answer, answered) = oneshot();
            if actor.send_message(message(answer.into())).is_ok()
                && let Ok(answer) = answered.await
            {
                return Ok(answer);
            }
            // A3: first begin to wait, then look.
            let mut restarts = self.restarts.subscribe();
            while self.actor(account).get_id() == actor.get_id() {
                if restarts.changed().await.is_err() {
                    return Err(Unreachable);
                }
            }
        }
        Err(Unreachable)
    }

    // explain: begin
    async fn transfer(&self, from: usize, to: usize, amount: i64) -> Result<bool, Unreachable> {
        if !self
            .ask(from, |answer| Message::Withdraw(amount, answer))
            .await?
        {
            return Ok(false);
        }
        // In limbo until the payee has it.
        if self
            .ask(to, |answer| Message::Deposit(amount, answer))
            .await
            .is_ok()
        {
            return Ok(true);
        }
        // The second step failed for good: compensate for the first.
        self.ask(from, |answer| Message::Deposit(amount, answer))
            .await?;
        Ok(false)
    }
    // explain: end
}

/// Accounts that are actors, and the runtime they live on.
pub(crate) struct Actors {
    runtime: Runtime,
    supervisor: ActorRef<()>,
    directory: Arc<Directory>,
    ledger: Ledger,
}

impl Accounts for Actors {
    fn open(accounts: usize, balance: i64) -> Self {
        let runtime = Runtime::new().expect("the system has threads for actors");
        let ledger: Ledger = (0..accounts).map(|_| AtomicI64::new(balance)).collect();
        let (opened, directory) = oneshot();
        let (supervisor, directory) = runtime.block_on(async {
            let arguments = (Arc::clone(&ledger), opened.into());
            let spawned = Actor::spawn(None, Supervisor, arguments).await;
            let (supervisor, _) = spawned.expect("the actors start");
            (
                supervisor,
                directory.await.expect("the supervisor has started them"),
            )
        });
        Self {
            runtime,
            supervisor,
            directory,
            ledger,
        }
    }

    fn balances(&self) -> Vec<i64> {
        self.ledger
            .iter()
            .map(|balance| balance.load(Ordering::Relaxed))
            .collect()
    }
}

impl Drop for Actors {
    fn drop(&mut self) {
        // Its accounts go with it; the runtime ends what is left.
        self.supervisor.stop(None);
    }
}

impl Bank for Actors {
    fn try_transfer(&self, from: usize, to: usize, amount: i64, attempts: &mut u64) -> bool {
        *attempts += 1;
        let transfer = self.directory.transfer(from, to, amount);
        self.runtime.block_on(transfer).unwrap_or(false)
    }

    fn audit(&self, attempts: &mut u64) -> Option<i64> {
        *attempts += 1;
        self.runtime.block_on(async {
            let mut answers = Vec::with_capacity(self.directory.actors.len());
            for account in 0..self.directory.actors.len() {
                let place = self.directory.place(account).await;
                let (answer, answered) = oneshot();
                let actor = self.directory.actor(account);
                let asked = actor.send_message(Message::Balance(answer.into()));
                asked.ok()?;
                answers.push((place, answered));
            }
            let mut total = 0;
            for (place, answered) in answers {
                total += answered.await.ok()?;
                drop(place);
            }
            Some(total)
        })
    }
}

impl CrashingBank for Actors {
    /// Kills the payee's actor just before it gets the money.
    fn crash_in_transfer(&self, from: usize, to: usize, amount: i64) {
        // One that has died already need not be told.
        _ = self.directory.actor(to).send_message(Message::Crash);
        self.try_transfer(from, to, amount, &mut 0);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;
    use crate::watchdog::watched;

    #[test]
    fn who_finds_a_mailbox_full_sends_nothing_until_there_is_a_place() {
        watched("a full mailbox", Duration::from_secs(60), || {
            let bank = Actors::open(2, 1000);
            let directory = &bank.directory;
            bank.runtime.block_on(async {
                let all = u32::try_from(PLACES).expect("few");
                let full = directory.places[0].acquire_many(all).await;
                let mut transfer = pin!(directory.transfer(0, 1, 10));
                poll_fn(|cx| {
                    assert!(transfer.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                // Behind whatever that may have sent: a mailbox is served in order.
                let (answer, balance) = oneshot();
                let asked = directory
                    .actor(0)
                    .send_message(Message::Balance(answer.into()));
                asked.expect("the actor lives");
                assert_eq!(balance.await.ok(), Some(1000), "nothing was asked before");
                drop(full);
                assert!(transfer.await.is_ok_and(|done| done));
            });
            assert_eq!(bank.balances(), [990, 1010]);
            let free = directory.places.iter().map(Semaphore::available_permits);
            assert_eq!(free.collect::<Vec<_>>(), [PLACES; 2], "all are given back");
        });
    }
}
