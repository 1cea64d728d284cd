use std::sync::Arc;
use stm_core::{TVar, atomically_async};

fn send<T: Send>(_: T) {}

fn main() {
    let (var, shared) = (TVar::new(1), Arc::new(1));
    send(atomically_async(move |tx| var.write(tx, *shared)));
}
