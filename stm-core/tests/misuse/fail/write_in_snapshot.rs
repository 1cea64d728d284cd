//! A snapshot is read only.

use stm_core::{TVar, snapshot};

fn main() {
    let var = TVar::new(1);
    snapshot(|s| var.write(s, 2));
}
