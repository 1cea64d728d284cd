//! So does a `Ref`: what it points to is kept by its thread's pin.

use stm_core::{TVar, atomically};

/// Another thread, for a value. It is a method that asks for `Send`, so that the compiler names this bound and not every
/// private field behind it.
struct Elsewhere<T>(T);

impl<T: Send> Elsewhere<T> {
    fn look(self, look: fn(T)) {
        std::thread::scope(|scope| {
            scope.spawn(move || look(self.0));
        });
    }
}

fn main() {
    let var = TVar::new(String::from("value"));
    atomically(|tx| {
        Elsewhere(var.read_ref(tx)?).look(|value| assert_eq!(*value, "value"));
        Ok(())
    });
}
