use stm_core::{TVar, atomically};

fn main() {
    let var = TVar::new(String::from("value"));
    let kept = atomically(|tx| Ok(var.read_ref(tx)?.clone()));
    assert_eq!(kept, "value");
}
