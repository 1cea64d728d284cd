//! Waiting under a random scheduler: four threads or five, each with several waits. No wake-up is lost, and no wait is left behind.
//!
//! A lost wake-up is a deadlock, which the scheduler reports, with the schedule that led there.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p stm-core --release --test 'shuttle_*' --target-dir target/shuttle
//! ```
#![cfg(shuttle)]

mod shuttle_common;

use std::pin::pin;
use std::task::{Context, Waker};

use shuttle::future::block_on;
use shuttle::thread;
use shuttle_common::{Value, Var, join, sample, vars};
use stm_core::{Stm, Tx, atomically, atomically_async, check, diagnostics};

/// Puts `n` into a slot that is empty.
fn put<T: Value>(tx: &mut Tx<'_>, slot: Var<T>, n: u64) -> Stm<()> {
    check(slot.read(tx)? == 0)?;
    slot.write(tx, n)
}

/// Takes what is in the slot.
fn take<T: Value>(tx: &mut Tx<'_>, slot: Var<T>) -> Stm<u64> {
    let n = slot.read(tx)?;
    check(n > 0)?;
    slot.write(tx, 0)?;
    Ok(n)
}

/// Two producers with a slot each, and two consumers that take from the one or else from the other: each item comes out once.
fn items_come_out_once<T: Value>(name: &str) {
    const ITEMS: u64 = 2;

    sample(name, 20_000, || {
        let slots = vars::<T, 2>(0);
        let producers = [0, 1].map(|id| {
            thread::spawn(move || {
                (1..=ITEMS).for_each(|n| atomically(|tx| put(tx, slots[id], n)));
            })
        });
        let consumers = [0, 1].map(|id| {
            let [first, second] = [slots[id], slots[1 - id]];
            thread::spawn(move || {
                let item =
                    || atomically(|tx| tx.or_else(|tx| take(tx, first), |tx| take(tx, second)));
                (0..ITEMS).map(|_| item()).sum::<u64>()
            })
        });
        join(producers);
        let taken = consumers.map(|consumer| consumer.join().unwrap());
        assert_eq!(taken.iter().sum::<u64>(), ITEMS * (ITEMS + 1));
        assert_eq!(slots.map(Var::load), [0, 0]);
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}
for_both_forms!(items_come_out_once);

/// Each waits for its turn, and gives it to the next; a stranger commits over the same variable and changes nothing.
fn a_ring_goes_round<T: Value>(name: &str) {
    const SEATS: u64 = 4;

    sample(name, 20_000, || {
        let [turn, other] = vars::<T, 2>(0);
        let seats = [0, 1, 2, 3].map(|seat| {
            thread::spawn(move || {
                for round in 0..2 {
                    let mine = round * SEATS + seat;
                    atomically(|tx| {
                        check(turn.read(tx)? == mine)?;
                        turn.write(tx, mine + 1)
                    });
                }
            })
        });
        atomically(|tx| {
            let n = other.read(tx)?;
            let same = turn.read(tx)?;
            turn.write(tx, same)?;
            other.write(tx, n + 1)
        });
        join(seats);
        assert_eq!((turn.load(), other.load()), (2 * SEATS, 1));
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}
for_both_forms!(a_ring_goes_round);

/// A task that is dropped after its first poll takes its wait with it, and nobody else's: a thread and a task go on waiting.
fn who_gives_up_takes_nobody_along<T: Value>(name: &str) {
    sample(name, 20_000, || {
        let [x, y] = vars::<T, 2>(0);
        let both = move |tx: &mut Tx<'_>| check(x.read(tx)? + y.read(tx)? == 3);
        let asleep = thread::spawn(move || atomically(both));
        let pending = thread::spawn(move || block_on(atomically_async(both)));
        let dropped = thread::spawn(move || {
            let wait = pin!(atomically_async(|tx| check(x.read(tx)? == 7)));
            let polled = wait.poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending());
        });
        let other = thread::spawn(move || y.store(2));
        x.store(1);
        join([asleep, pending, dropped, other]);
        assert_eq!(diagnostics::registered_waits(), 0);
    });
}
for_both_forms!(who_gives_up_takes_nobody_along);
