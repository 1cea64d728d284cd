//! Two bounded queues that are read together, three ways.

mod channels;
mod condvars;
mod transactions;

pub(crate) use channels::Channels;
pub(crate) use condvars::Condvars;
pub(crate) use transactions::Transactions;
