use stm_core::{TVar, atomically, snapshot};

fn main() {
    let var = TVar::new(1);
    atomically(|tx| var.write(tx, 2));
    assert_eq!(snapshot(|s| var.read(s)), 2);
}
