use std::sync::Arc;
use stm_core::TVar;

fn main() {
    let _var = TVar::new(Arc::new(1));
}
