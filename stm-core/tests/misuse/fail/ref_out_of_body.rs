//! A `Ref` ends with the body: the value may be freed afterwards.

use stm_core::{TVar, atomically};

fn main() {
    let var = TVar::new(String::from("value"));
    let kept = atomically(|tx| var.read_ref(tx));
    assert_eq!(*kept, "value");
}
