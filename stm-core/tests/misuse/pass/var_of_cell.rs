use std::sync::atomic::AtomicU8;
use stm_core::TVar;

fn main() {
    let _var = TVar::new(AtomicU8::new(1));
}
