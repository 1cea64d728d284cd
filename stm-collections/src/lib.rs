//! Collections for transactions: every operation takes the transaction, so any two of them compose.
//!
//! ```
//! use stm_collections::{TMap, TQueue};
//! use stm_core::{atomically, snapshot};
//!
//! let jobs = TQueue::new();
//! let running = TMap::<u32, &str>::new();
//! atomically(|tx| jobs.push(tx, (7, "sweep")));
//!
//! // Taken from the queue and entered in the map at one moment: nobody finds the job in neither, or in both.
//! let id = atomically(|tx| {
//!     let (id, name) = jobs.pop(tx)?; // waits while the queue is empty
//!     running.insert(tx, id, name)?;
//!     Ok(id)
//! });
//! assert_eq!(snapshot(|s| running.get(s, &id)), Some("sweep"));
//! ```
//!
//! # What there is
//!
//! | | for | conflicts |
//! |---|---|---|
//! | [`TQueue`] | handing on, in order | a push and a pop only when it is nearly empty |
//! | [`TBQueue`] | the same, with back-pressure | and when it is nearly full |
//! | [`TMap`], [`TSet`] | looking up by hash | per key; new keys per bucket |
//! | [`TOrdMap`], [`TOrdSet`] | order, ranges, first and last | per leaf of some ten neighbours |
//! | [`TPriorityQueue`] | the greatest first | a push and a pop only among the greatest |
//! | [`TArray`] | a fixed number of elements | per index |
//! | [`TChannel`] | everybody who listens hears everything | senders among themselves; receivers with nobody |
//! | [`TMVar`] | one place for one value | always |
//! | [`TPromise`] | a value that comes once | none after it has come |
//! | [`TLatch`], [`TBarrier`] | waiting for so many | waiters wake once |
//! | [`TSemaphore`], [`TRwLock`] | permits and locks, as guards outside and operations inside | guards: first come, first served |
//!
//! Each type's page has the cost of its operations; its source file also the table of which pairs of operations conflict, a picture
//! and the invariants.
//!
//! # Conventions
//!
//! - What reads takes `&mut impl ReadTx`, so it serves transactions and [`snapshot`](stm_core::snapshot)s alike; iterating in a
//!   snapshot runs once, whatever is written meanwhile.
//! - What waits calls [`retry`](stm_core::retry()) and has a `try_` twin that does not. There is no second set of types for tasks:
//!   the same operations wait in [`atomically_async`](stm_core::atomically_async).
//! - Values come out by `Clone`, for others may still be reading them: put what is dear to clone into an `Arc`. The `_ref` twins look
//!   without cloning.
//! - Handles are cheap to clone and all mean the same collection.
//! - An error gives the value back.
//!
//! The crate has no unsafe code and uses nothing of `stm-core` that is not public.

#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod common;
mod fifo;
mod segment;
mod tally;
mod tarray;
mod tbarrier;
mod tbqueue;
mod tchannel;
mod tlatch;
mod tmap;
mod tmvar;
mod tordmap;
mod tordset;
mod tpriority_queue;
mod tpromise;
mod tqueue;
mod trwlock;
mod tsemaphore;
mod tset;
mod words;

pub use tarray::TArray;
pub use tbarrier::{TBarrier, TBarrierWaitResult};
pub use tbqueue::TBQueue;
pub use tchannel::{Closed, TChannel, TReceiver};
pub use tlatch::TLatch;
pub use tmap::{TMap, TMapRef};
pub use tmvar::TMVar;
pub use tordmap::TOrdMap;
pub use tordset::TOrdSet;
pub use tpriority_queue::TPriorityQueue;
pub use tpromise::TPromise;
pub use tqueue::TQueue;
pub use trwlock::{TRwLock, TRwLockReadGuard, TRwLockWriteGuard};
pub use tsemaphore::{TSemaphore, TSemaphorePermit};
pub use tset::TSet;

/// The documents' code blocks, compiled and run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/choosing.md")]
    struct Choosing;
}
