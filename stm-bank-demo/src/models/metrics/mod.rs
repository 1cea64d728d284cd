//! Requests counted by endpoint, five ways.

mod accountant;
mod atomics;
mod shards;
mod shared;
mod transactions;

pub(crate) use accountant::Accountant;
pub(crate) use atomics::Atomics;
pub(crate) use shards::Shards;
pub(crate) use shared::Shared;
pub(crate) use transactions::Transactions;
