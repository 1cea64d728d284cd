use stm_core::TVar;

fn main() {
    fn any(_: &u8) {}
    let var: TVar<for<'a> fn(&'a u8)> = TVar::new(any);
    let _value: fn(&'static u8) = var.load();
}
