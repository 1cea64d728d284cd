//! A snapshot's `Ref` ends with the snapshot.

use stm_core::{TVar, snapshot};

fn main() {
    let var = TVar::new(String::from("value"));
    let kept = snapshot(|s| var.read_ref(s));
    assert_eq!(*kept, "value");
}
