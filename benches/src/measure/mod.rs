//! How things are measured: by turns, over and over, with what varies shown.

pub mod interleave;
pub mod rng;
pub mod statistics;
pub mod threads;
