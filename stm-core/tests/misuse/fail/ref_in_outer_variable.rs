//! Nor can the body leave a `Ref` in a variable around it.

use stm_core::{TVar, atomically};

fn main() {
    let var = TVar::new(String::from("value"));
    let mut kept = None;
    atomically(|tx| {
        kept = Some(var.read_ref(tx)?);
        Ok(())
    });
    assert_eq!(*kept.unwrap(), "value");
}
