//! Software transactional memory: shared state whose invariants span several variables, without locks to order.
//!
//! Put the state into [`TVar`]s, read and write it inside [`atomically`], and the whole body takes effect at one moment or
//! not at all. Bodies compose: `transfer` is `withdraw` and then `deposit`. A body that finds that it cannot go on calls
//! [`retry`] and sleeps until something that it read has changed; [`Tx::or_else`] takes the first alternative that can go on.
//!
//! ```
//! use stm_core::{atomically, check, snapshot, Stm, TVar, Tx};
//!
//! type Account = TVar<i64>;
//!
//! fn withdraw(tx: &mut Tx<'_>, from: &Account, amount: i64) -> Stm<()> {
//!     check(from.read(tx)? >= amount)?; // waits for cover
//!     from.modify(tx, |balance| balance - amount)
//! }
//! fn deposit(tx: &mut Tx<'_>, to: &Account, amount: i64) -> Stm<()> {
//!     to.modify(tx, |balance| balance + amount)
//! }
//! fn transfer(tx: &mut Tx<'_>, from: &Account, to: &Account, amount: i64) -> Stm<()> {
//!     withdraw(tx, from, amount)?;
//!     deposit(tx, to, amount)
//! }
//!
//! let (alice, bob) = (TVar::new(100), TVar::new(0));
//! std::thread::scope(|s| {
//!     s.spawn(|| atomically(|tx| transfer(tx, &bob, &alice, 30))); // sleeps until bob has 30
//!     s.spawn(|| atomically(|tx| transfer(tx, &alice, &bob, 50)));
//! });
//! let both = snapshot(|s| Ok((alice.read(s)?, bob.read(s)?)));
//! assert_eq!(both, (80, 20));
//! ```
//!
//! # What is promised
//!
//! - **Opacity.** Every body, also one whose attempt will be thrown away, sees only states that existed as of one moment. No body
//!   ever loops, panics or indexes out of range over half of somebody's commit.
//! - **Strict serializability** of what commits, alternatives and nested transactions included: there is one order of all
//!   transactions that explains every result, and it respects real time.
//! - **Reports finish.** [`snapshot`] gets through at its first attempt under any write load. A read-only [`atomically`] that would
//!   fail goes on as a snapshot, or starts over once.
//! - **Nobody starves.** A transaction that has failed a dozen times takes priority: those that do not touch what it has read go on, the
//!   others give way, for as long as its lease lasts; that doubles from 4 ms to some four seconds.
//! - **Waiting sleeps.** [`retry`] does not spin or poll, loses no wake-up, and wakes only if something that was read has changed
//!   (or was changed by a commit that overlapped the falling asleep).
//! - **Panics are clean.** A panic in a body or in a `Clone` leaves every variable as if the attempt had not been. There is no
//!   poisoning. No user code runs while a variable is locked, but functions to be applied at commit ([`TVar::commute`]) and
//!   deciders.
//! - **A store can commit with it.** A decider ([`Tx::decide`]) is asked when nothing but its answer is missing, in the
//!   order of the commits.
//! - **Threads and tasks alike.** [`atomically_async`] serves tasks of any executor; dropping its future cancels cleanly.
//!
//! - **Sight.** [`diagnostics`] says what has failed how often, over which variable and where it was run from, and who waits for what.
//!
//! # What is not
//!
//! - A body may run several times, so it must not have effects of its own; [`forbid_in_transaction`] guards what must not be in one.
//! - A body that lasts for longer than a few seconds, writes, and reads what is written all the time, may start over again and again
//!   (see below).
//! - Memory is freed soon, not at once; and while a snapshot lives, what is replaced stays allocated.
//! - Nothing survives the process, but what a decider has put into a store.
//!
//! # Unsafe code
//!
//! Lies in the modules marked below, each with numbered invariants that its safety comments cite: values and their places
//! (`bits`, `block`, `array`, `boxed`, `patch`, `history`), hints to the caches (`prefetch`), the collector and the way to it (`reclaim`, `limbo`), the thread's context, the steps of the protocol that touch
//! nodes (`commit`, `read`, `snapshot`), and the typed faces (`tvar`, `records`, `read_tx`).
#![warn(clippy::disallowed_types)]

mod alarm;
#[allow(unsafe_code)]
mod array;
#[allow(unsafe_code)]
mod bits;
#[allow(unsafe_code)]
mod block;
#[allow(unsafe_code)]
mod boxed;
mod call;
mod cause;
mod clock;
#[allow(unsafe_code)]
mod commit;
mod contention;
#[allow(unsafe_code)]
mod context;
mod decide;
pub mod diagnostics;
mod error;
mod filter;
mod future;
#[allow(unsafe_code)]
mod history;
mod hooks;
#[allow(unsafe_code)]
mod limbo;
mod log;
mod mutant;
mod nest;
mod options;
#[allow(unsafe_code)]
mod patch;
#[allow(unsafe_code)]
mod pool;
#[allow(unsafe_code)]
mod prefetch;
mod priority;
#[allow(unsafe_code)]
mod read;
#[allow(unsafe_code)]
mod read_tx;
#[allow(unsafe_code)]
mod reclaim;
mod record;
#[allow(unsafe_code)]
mod records;
mod run;
mod shield;
mod sight;
#[allow(unsafe_code)]
mod snapshot;
mod sum;
#[allow(clippy::disallowed_types, reason = "this is where they come from")]
mod sync;
mod timer;
mod turn;
#[allow(unsafe_code)]
mod tvar;
mod tx;
mod undecided;
mod validate;
mod wait;
mod watch;
mod word;

pub use cause::Control;
pub use decide::Decision;
pub use error::{Abort, Stm, abort, check, retry};
pub use future::{AtomicallyAsync, atomically_async};
pub use options::{Stopped, Transaction, TryStopped};
#[cfg(any(loom, shuttle))]
#[doc(hidden)]
pub use priority::let_models_claim_after;
pub use read_tx::{ReadTx, Ref};
pub use records::TRecords;
pub use run::{
    after_attempt, atomically, forbid_in_transaction, in_transaction, snapshot, try_atomically,
};
pub use snapshot::Snapshot;
pub use timer::Timer;
pub use tvar::TVar;
pub use tx::Tx;

/// The documents' code blocks, compiled and run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../docs/internals.md")]
    struct Internals;
    #[doc = include_str!("../../docs/progress.md")]
    struct Progress;
    #[doc = include_str!("../../docs/contention.md")]
    struct Contention;
}
