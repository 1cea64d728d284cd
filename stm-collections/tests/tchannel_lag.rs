//! A receiver of a `TChannel` that lags far, and goes. Alone in its file, so that no other thread collects the garbage.

mod common;

use std::sync::Arc;

use common::{collect_until, watched};
use stm_collections::TChannel;
use stm_core::{atomically, snapshot};

/// The chain is long and the stack is short: what gives it back does not go down the chain by recursion.
#[test]
fn a_receiver_that_lags_far_gives_all_back() {
    watched("lag", || {
        let lagging = || {
            let item = Arc::new(());
            let channel = TChannel::new();
            let [slow, quick] = [(); 2].map(|()| atomically(|tx| channel.subscribe(tx)));
            for _ in 0..100 {
                atomically(|tx| (0..1000).try_for_each(|_| channel.send(tx, Arc::clone(&item))));
                atomically(|tx| (0..1000).try_for_each(|_| quick.recv_ref(tx).map(drop)));
            }
            assert_eq!(snapshot(|s| slow.len(s)), 100_000);
            drop(slow);
            collect_until(|| Arc::strong_count(&item) == 1);
            assert_eq!(Arc::strong_count(&item), 1, "100,000 is a multiple of 32");
        };
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        thread.spawn(lagging).expect("a thread").join().unwrap();
    });
}
