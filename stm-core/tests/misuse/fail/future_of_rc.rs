//! A future is as `Send` as its body.

use std::rc::Rc;
use stm_core::{TVar, atomically_async};

fn send<T: Send>(_: T) {}

fn main() {
    let (var, shared) = (TVar::new(1), Rc::new(1));
    send(atomically_async(move |tx| var.write(tx, *shared)));
}
