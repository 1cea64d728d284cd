use stm_core::{TVar, snapshot};

fn main() {
    let var = TVar::new(String::from("value"));
    let kept = snapshot(|s| Ok(var.read_ref(s)?.len()));
    assert_eq!(kept, 5);
}
