//! `TChannel` where it waits: for items, for room, for the end.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use common::{
    Rng, Wakes, block_on, collect_until, on_threads, poll, seed, stumble, under_fire, wait_until,
    watched_alone,
};
use stm_collections::{Closed, TChannel, TReceiver};
use stm_core::diagnostics::registered_waits;
use stm_core::{atomically, atomically_async, snapshot};

fn join<T: Send + Sync>(channel: &TChannel<T>) -> TReceiver<T> {
    atomically(|tx| channel.subscribe(tx))
}

fn recv<T: Clone + Send + Sync>(receiver: &TReceiver<T>) -> Result<T, Closed> {
    atomically(|tx| receiver.recv(tx))
}

#[test]
fn a_receiver_is_woken_once_by_a_send_and_by_nothing_else() {
    watched_alone("woken_once", || {
        let channel = TChannel::new();
        let (waits, other) = (join(&channel), join(&channel));
        let attempts = AtomicUsize::new(0);
        let (wakes, waker) = Wakes::new();
        let mut item = atomically_async(|tx| {
            attempts.fetch_add(1, Ordering::Relaxed);
            waits.recv(tx)
        });
        assert!(poll(&mut item, &waker).is_pending());
        drop(other);
        drop(channel.clone());
        drop(join(&channel));
        assert_eq!(wakes.count(), 0);
        atomically(|tx| channel.send(tx, 'x'));
        atomically(|tx| channel.send(tx, 'y'));
        assert_eq!(wakes.count(), 1);
        assert_eq!(poll(&mut item, &waker), Poll::Ready(Ok('x')));
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn closing_wakes_receivers() {
    watched_alone("closing", || {
        let channel = TChannel::<u8>::new();
        let waiting = [(); 2].map(|()| join(&channel));
        let lagging = join(&channel);
        let second = channel.clone();
        std::thread::scope(|s| {
            let threads = waiting.each_ref().map(|receiver| {
                s.spawn(move || atomically(|tx| Ok((receiver.recv(tx)?, tx.attempt()))))
            });
            let (wakes, waker) = Wakes::new();
            let task_s = join(&channel);
            let mut task = atomically_async(|tx| task_s.peek(tx));
            assert!(poll(&mut task, &waker).is_pending());
            // Each waits for its row, its position, the cell (one for all, but counted for each) and the end.
            wait_until(|| registered_waits() == 3 * 4);
            drop(channel);
            assert_eq!(wakes.count(), 0, "there is a handle left");
            drop(second);
            assert_eq!(wakes.count(), 1);
            assert_eq!(poll(&mut task, &waker), Poll::Ready(Err(Closed)));
            for thread in threads {
                assert_eq!(thread.join().unwrap(), (Err(Closed), 2));
            }
        });
        assert_eq!(recv(&lagging), Err(Closed));
    });
}

#[test]
fn leaving_wakes_who_waits_at_the_same_receiver() {
    watched_alone("leaving", || {
        let channel = TChannel::<u8>::new();
        let receiver = join(&channel);
        std::thread::scope(|s| {
            let waiting = s.spawn(|| recv(&receiver));
            wait_until(|| registered_waits() > 0);
            atomically(|tx| receiver.leave(tx));
            assert_eq!(waiting.join().unwrap(), Err(Closed));
        });
    });
}

#[test]
fn what_was_sent_is_received_before_the_end() {
    watched_alone("drained", || {
        let channel = TChannel::bounded(100);
        let receiver = join(&channel);
        (0..70).for_each(|n| atomically(|tx| channel.send(tx, n)));
        // The last handle goes inside a body: it closes when that is over, not in the middle.
        let mut last = Some(channel);
        atomically(|tx| {
            let channel = last.take().expect("the body runs once");
            channel.send(tx, 70)?;
            drop(channel);
            for n in 0..=70 {
                assert_eq!(receiver.recv(tx)?, Ok(n));
            }
            assert_eq!(receiver.try_recv(tx)?, Ok(None));
            receiver.leave(tx)?;
            assert_eq!(receiver.try_recv(tx)?, Err(Closed));
            Ok(())
        });

        let channel = TChannel::new();
        let receiver = join(&channel);
        atomically(|tx| channel.send(tx, 1));
        drop(channel);
        assert!(!snapshot(|s| receiver.is_empty(s)));
        assert_eq!(recv(&receiver), Ok(1));
        assert_eq!(recv(&receiver), Err(Closed));
        assert_eq!(atomically(|tx| receiver.try_peek(tx)), Err(Closed));
        assert!(snapshot(|s| receiver.is_empty(s)));
    });
}

#[test]
fn no_receiver_lags_by_more_than_the_capacity() {
    watched_alone("bounded", || {
        let seed = seed();
        for capacity in [1, 3, 40] {
            let channel = TChannel::bounded(capacity);
            let receivers = [(); 2].map(|()| join(&channel));
            let longest = AtomicUsize::new(0);
            let look = |_, _| {
                for receiver in &receivers {
                    let lag = snapshot(|s| receiver.len(s));
                    longest.fetch_max(lag, Ordering::Relaxed);
                }
            };
            under_fire(1, look, || {
                on_threads(4, |id| {
                    let mut rng = Rng::new(seed, id);
                    if id < 2 {
                        (0..100).for_each(|n| atomically(|tx| channel.send(tx, n)));
                        return;
                    }
                    let mut sum = 0;
                    for _ in 0..200 {
                        // One of them is slow.
                        stumble(&mut rng, 2 * (id - 2));
                        sum += recv(&receivers[id - 2]).expect("it is open");
                    }
                    assert_eq!(sum, 2 * (0..100).sum::<i32>());
                });
            });
            assert!(longest.into_inner() <= capacity);
        }
    });
}

#[test]
fn a_sender_waits_for_the_slowest_alone() {
    watched_alone("slowest", || {
        for slow_first in [false, true] {
            let channel = TChannel::bounded(2);
            let (a, b) = (join(&channel), join(&channel));
            let (slow, fast) = if slow_first { (&a, &b) } else { (&b, &a) };
            (0..2).for_each(|n| atomically(|tx| channel.send(tx, n)));
            assert_eq!(recv(fast), Ok(0));
            let (wakes, waker) = Wakes::new();
            let mut sent = atomically_async(|tx| channel.send(tx, 2));
            assert!(poll(&mut sent, &waker).is_pending());
            assert_eq!(recv(fast), Ok(1));
            assert_eq!(wakes.count(), 0, "who is ahead wakes nobody");
            assert_eq!(atomically(|tx| channel.try_send(tx, 9)), Err(9));
            assert_eq!(recv(slow), Ok(0));
            assert_eq!(wakes.count(), 1);
            assert!(poll(&mut sent, &waker).is_ready());
            assert_eq!([recv(fast), recv(slow), recv(slow)], [Ok(2), Ok(1), Ok(2)]);
        }
    });
}

#[test]
fn a_receiver_that_goes_lets_a_waiting_sender_go_on() {
    watched_alone("goes", || {
        let drop_it: fn(TReceiver<u8>) = drop;
        let leave: fn(TReceiver<u8>) = |receiver| atomically(|tx| receiver.leave(tx));
        let drop_inside: fn(TReceiver<u8>) = |receiver| {
            let mut receiver = Some(receiver);
            atomically(|_| {
                drop(receiver.take());
                Ok(())
            });
        };
        for go in [drop_it, leave, drop_inside] {
            for others in [0, 1] {
                let channel = TChannel::bounded(1);
                let stays: Vec<_> = (0..others).map(|_| join(&channel)).collect();
                let goes = join(&channel);
                atomically(|tx| channel.send(tx, 0));
                for receiver in &stays {
                    assert_eq!(recv(receiver), Ok(0));
                }

                // A task.
                let (wakes, waker) = Wakes::new();
                let mut sent = atomically_async(|tx| channel.send(tx, 1));
                assert!(poll(&mut sent, &waker).is_pending());
                go(goes);
                assert!(wakes.count() > 0);
                assert!(poll(&mut sent, &waker).is_ready());
                for receiver in &stays {
                    assert_eq!(recv(receiver), Ok(1));
                }

                // A thread.
                let goes = join(&channel);
                atomically(|tx| channel.send(tx, 2));
                for receiver in &stays {
                    assert_eq!(recv(receiver), Ok(2));
                }
                std::thread::scope(|s| {
                    let sender = s.spawn(|| atomically(|tx| channel.send(tx, 3)));
                    wait_until(|| registered_waits() > 0);
                    go(goes);
                    sender.join().unwrap();
                });
                for receiver in &stays {
                    assert_eq!(recv(receiver), Ok(3));
                }
            }
        }
    });
}

#[test]
fn with_a_capacity_of_nothing_a_send_waits_until_nobody_listens() {
    watched_alone("capacity_0", || {
        let channel = TChannel::bounded(0);
        assert_eq!(atomically(|tx| channel.try_send(tx, 1)), Ok(()));
        let receiver = join(&channel);
        assert_eq!(atomically(|tx| channel.try_send(tx, 1)), Err(1));
        let (wakes, waker) = Wakes::new();
        let mut sent = atomically_async(|tx| channel.send(tx, 2));
        assert!(poll(&mut sent, &waker).is_pending());
        drop(receiver);
        assert_eq!(wakes.count(), 1);
        assert!(poll(&mut sent, &waker).is_ready());
    });
}

#[test]
fn a_huge_capacity_costs_nothing() {
    watched_alone("capacity_max", || {
        let channel = TChannel::bounded(usize::MAX);
        let receivers = [(); 2].map(|()| join(&channel));
        for n in 0..100 {
            assert_eq!(atomically(|tx| channel.try_send(tx, n)), Ok(()));
            assert_eq!(recv(&receivers[0]), Ok(n));
        }
        assert_eq!(snapshot(|s| receivers[1].len(s)), 100);
        assert_eq!(channel.capacity(), Some(usize::MAX));
    });
}

#[test]
fn a_cancelled_wait_has_not_been() {
    watched_alone("cancel", || {
        let item = Arc::new(());
        let channel = TChannel::bounded(1);
        let receiver = join(&channel);
        let (_, waker) = Wakes::new();

        let mut received = atomically_async(|tx| receiver.recv(tx));
        assert!(poll(&mut received, &waker).is_pending());
        drop(received);
        assert_eq!(registered_waits(), 0);
        atomically(|tx| channel.send(tx, Arc::clone(&item)));
        // Woken, and dropped all the same.
        let mut sent = atomically_async(|tx| channel.send(tx, Arc::clone(&item)));
        assert!(poll(&mut sent, &waker).is_pending());
        assert_eq!(recv(&receiver), Ok(Arc::clone(&item)));
        drop(sent);
        assert_eq!(registered_waits(), 0);
        assert_eq!(atomically(|tx| receiver.try_recv(tx)), Ok(None));
        drop((channel, receiver));
        collect_until(|| Arc::strong_count(&item) == 1);
        assert_eq!(Arc::strong_count(&item), 1);
    });
}

#[test]
fn tasks_and_threads_pass_items_on() {
    watched_alone("relay", || {
        const ITEMS: u32 = 300;
        let (first, second) = (TChannel::bounded(2), TChannel::bounded(3));
        let (ends, relayed) = (join(&second), join(&first));
        std::thread::scope(|s| {
            s.spawn(move || (0..ITEMS).for_each(|n| atomically(|tx| first.send(tx, n))));
            s.spawn(move || {
                // In one transaction, so that an item is never in neither and its end is passed on, too.
                let step = || {
                    atomically_async(|tx| match relayed.recv(tx)? {
                        Ok(item) => second.send(tx, item).map(|()| true),
                        Err(Closed) => Ok(false),
                    })
                };
                while block_on(step()) {}
                drop(second);
            });
            for n in 0..ITEMS {
                assert_eq!(recv(&ends), Ok(n));
            }
            assert_eq!(recv(&ends), Err(Closed));
        });
    });
}
