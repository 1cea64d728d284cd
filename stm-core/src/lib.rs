//! Software transactional memory: shared state whose invariants span several variables, without locks to order.
#![warn(clippy::disallowed_types)]

#[allow(unsafe_code)]
mod bits;
#[allow(unsafe_code)]
mod block;
#[allow(unsafe_code)]
mod boxed;
mod cause;
mod clock;
#[allow(unsafe_code)]
mod commit;
mod contention;
#[allow(unsafe_code)]
mod context;
pub mod diagnostics;
mod error;
mod future;
#[allow(unsafe_code)]
mod history;
mod log;
mod nest;
#[allow(unsafe_code)]
mod read;
#[allow(unsafe_code)]
mod read_tx;
#[allow(unsafe_code)]
mod reclaim;
mod run;
mod shield;
#[allow(unsafe_code)]
mod snapshot;
mod sync;
#[allow(unsafe_code)]
mod tvar;
mod tx;
mod validate;
mod wait;
mod word;

pub use cause::Control;
pub use error::{Abort, Stm, abort, check, retry};
pub use future::{AtomicallyAsync, atomically_async};
pub use read_tx::{ReadTx, Ref};
pub use run::{atomically, forbid_in_transaction, in_transaction, snapshot, try_atomically};
pub use snapshot::Snapshot;
pub use tvar::TVar;
pub use tx::Tx;
