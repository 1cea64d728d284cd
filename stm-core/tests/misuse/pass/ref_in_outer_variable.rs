use stm_core::{TVar, atomically};

fn main() {
    let var = TVar::new(String::from("value"));
    let mut kept = None;
    atomically(|tx| {
        // Longer than the handle, the borrow of the transaction, and the alternative that it is from.
        let value = tx.or_else(|tx| var.clone().read_ref(tx), |tx| var.read_ref(tx))?;
        var.write(tx, String::from("other"))?;
        kept = Some(value.clone());
        Ok(())
    });
    assert_eq!(kept.unwrap(), "value");
}
