//! A transaction belongs to its thread: the pin and the log are that thread's.

use stm_core::atomically;

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
    atomically(|tx| {
        Elsewhere(tx).look(|tx| assert_eq!(tx.attempt(), 1));
        Ok(())
    });
}
