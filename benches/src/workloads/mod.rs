//! The workloads: each a file, with what it does, whom it is taken from, what it checks and the parameters of its cases.

pub mod bank;
pub mod intset;
