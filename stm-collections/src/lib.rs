//! Collections for transactions: every operation takes the transaction, so any two of them compose.

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

pub use tarray::*;
pub use tbarrier::*;
pub use tbqueue::*;
pub use tchannel::*;
pub use tlatch::*;
pub use tmap::*;
pub use tmvar::*;
pub use tordmap::*;
pub use tordset::*;
pub use tpriority_queue::*;
pub use tpromise::*;
pub use tqueue::*;
pub use trwlock::*;
pub use tsemaphore::*;
pub use tset::*;

/// The documents' code blocks, compiled and run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../docs/choosing.md")]
    struct Choosing;
}
