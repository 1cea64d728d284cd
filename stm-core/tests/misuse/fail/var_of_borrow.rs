//! A value may be dropped long after the variable has gone, so it must not borrow.

use stm_core::TVar;

fn main() {
    let text = String::from("value");
    let _var = TVar::new(text.as_str());
}
