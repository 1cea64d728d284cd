//! The workloads: each a file, with what it does, whom it is taken from, what it checks and the parameters of its cases.

pub mod alternatives;
pub mod bank;
pub mod big;
pub mod boxed;
pub mod counter;
pub mod intset;
pub mod lee;
pub mod memory;
pub mod pairs;
pub mod scan;
pub mod swaps;
pub mod vacation;
pub mod wakeup;
