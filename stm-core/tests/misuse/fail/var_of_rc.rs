//! What is in a variable is seen from every thread.

use std::rc::Rc;
use stm_core::TVar;

fn main() {
    let _var = TVar::new(Rc::new(1));
}
