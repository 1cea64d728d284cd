//! Every way to share state that this program knows, and who can do what.
//!
//! A further model is a file of its own that implements the traits of `bank.rs`, and an entry in `registry.rs`.

mod account_threads;
mod actors;
mod arc_swap;
mod condvars;
mod global_mutex;
mod metrics;
mod one_at_a_time;
mod optimistic;
mod ordered_mutexes;
mod owner_thread;
mod parking_lot;
mod pipeline;
mod racy;
mod registry;
mod rwlock;
mod stm;
mod unordered_mutexes;

pub(crate) use registry::{MODELS, Model, Run, find};

/// The models by their types, for the tests of one operation at a time.
#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use super::account_threads::AccountThreads;
    pub(crate) use super::actors::Actors;
    pub(crate) use super::arc_swap::Rcu;
    pub(crate) use super::condvars::Condvars;
    pub(crate) use super::global_mutex::GlobalMutex;
    pub(crate) use super::one_at_a_time::OneAtATime;
    pub(crate) use super::optimistic::Optimistic;
    pub(crate) use super::ordered_mutexes::{OrderedMutexes, Padded};
    pub(crate) use super::owner_thread::OwnerThread;
    pub(crate) use super::parking_lot::{GlobalParkingLot, ParkingLot, ParkingLotRwLock};
    pub(crate) use super::racy::Racy;
    pub(crate) use super::rwlock::OneRwLock;
    pub(crate) use super::stm::{AuditedInTransaction, StmBank};
    pub(crate) use super::unordered_mutexes::UnorderedMutexes;
}
