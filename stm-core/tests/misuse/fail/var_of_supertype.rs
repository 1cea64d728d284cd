//! A handle is good for reading and for writing, so its type is exactly the variable's: through the other handle one
//! could put in a function that asks for more than callers of the first give.

use stm_core::TVar;

fn main() {
    fn any(_: &u8) {}
    let var: TVar<for<'a> fn(&'a u8)> = TVar::new(any);
    let _other: TVar<fn(&'static u8)> = var;
}
