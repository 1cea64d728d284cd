use stm_core::{TVar, atomically};

fn main() {
    let var = TVar::new(1);
    let mut kept = None;
    atomically(|tx| {
        kept = Some(tx.attempt());
        var.write(tx, 2)
    });
    assert_eq!((kept, var.load()), (Some(1), 2));
}
