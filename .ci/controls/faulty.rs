//! A program with one fault of each kind that the tools of .ci/sanitize are asked to see: a tool that lets its own pass
//! is not looking. Compiled with the same switches as the tests, and with nothing else.

use std::alloc::{Layout, alloc, dealloc};
use std::hint::black_box;

fn main() {
    let layout = Layout::new::<u64>();
    match std::env::args().nth(1).as_deref() {
        Some("use-after-free") => {
            // SAFETY: none, on purpose: it is read when it has been given back.
            let seen = unsafe {
                let place = black_box(alloc(layout).cast::<u64>());
                place.write(7);
                dealloc(place.cast(), layout);
                // Not a plain load: the tool must see it whatever the compiler makes of it.
                place.read_volatile()
            };
            // A branch on it, since memcheck lets undefined values be copied.
            println!("{}", if black_box(seen) == 7 { "seven" } else { "another" });
        }
        Some("race") => {
            struct Shared(*mut u64);
            // SAFETY: none, on purpose: two threads write one place.
            unsafe impl Send for Shared {}
            let place = Box::leak(Box::new(0_u64)) as *mut u64;
            let write = move |shared: Shared| {
                let shared = black_box(shared);
                for n in 0..1000 {
                    // SAFETY: none, as above.
                    unsafe { shared.0.write_volatile(shared.0.read_volatile() + n) };
                }
            };
            let other = Shared(place);
            let thread = std::thread::spawn(move || write(other));
            write(Shared(place));
            thread.join().expect("it ends");
        }
        Some("leak") => {
            for _ in 0..10 {
                // SAFETY: the layout has a size.
                black_box(unsafe { alloc(layout) });
            }
        }
        Some("none") => {}
        other => panic!("which fault? not {other:?}: use-after-free, race, leak, none"),
    }
}
