//! Linked structures made of an engine's variables: what a program without ready-made collections would build.
//!
//! The same code for every engine, so that none has a cleverer structure than another. Nodes are immutable but for their variables
//! and are never used again, so a body that saw half of somebody's commit (not every engine prevents that) still walks along
//! rising keys and ends.

mod list;
mod ordered;

pub use list::List;
pub use ordered::Ordered;
