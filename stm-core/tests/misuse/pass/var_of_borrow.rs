use stm_core::TVar;

fn main() {
    let _var = TVar::new("value");
}
