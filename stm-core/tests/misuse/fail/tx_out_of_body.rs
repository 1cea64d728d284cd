//! The transaction ends with the body.

use stm_core::{TVar, atomically};

fn main() {
    let var = TVar::new(1);
    let mut kept = None;
    atomically(|tx| {
        kept = Some(tx);
        Ok(())
    });
    var.write(kept.unwrap(), 2).unwrap();
}
