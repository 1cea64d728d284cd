//! And by several at a time.

use std::cell::Cell;
use stm_core::TVar;

fn main() {
    let _var = TVar::new(Cell::new(1));
}
