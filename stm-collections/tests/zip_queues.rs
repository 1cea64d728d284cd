//! Composition: one element of each of two queues, or none of either.

mod common;

use std::task::Poll;

use common::{Wakes, block_on, on_threads, poll, watched};
use stm_collections::{TBQueue, TQueue};
use stm_core::{Stm, Tx, atomically, atomically_async, snapshot};

/// Takes from both, or waits for both.
fn zip(tx: &mut Tx<'_>, left: &TQueue<u32>, right: &TBQueue<char>) -> Stm<(u32, char)> {
    Ok((left.pop(tx)?, right.pop(tx)?))
}

#[test]
fn nothing_is_taken_before_there_is_both() {
    watched("both", || {
        let (left, right) = (TQueue::new(), TBQueue::new(2));
        let (wakes, waker) = Wakes::new();
        let mut zipped = atomically_async(|tx| zip(tx, &left, &right));
        assert_eq!(poll(&mut zipped, &waker), Poll::Pending);
        atomically(|tx| left.push(tx, 1));
        assert_eq!(wakes.count(), 1);
        assert_eq!(poll(&mut zipped, &waker), Poll::Pending);
        assert_eq!(snapshot(|s| left.len(s)), 1);
        assert_eq!(
            atomically(|tx| tx.optionally(|tx| zip(tx, &left, &right))),
            None
        );
        assert_eq!(snapshot(|s| left.peek(s)), 1);

        atomically(|tx| right.push(tx, 'a'));
        assert_eq!(wakes.count(), 2);
        assert_eq!(poll(&mut zipped, &waker), Poll::Ready((1, 'a')));
        assert!(snapshot(|s| Ok(left.is_empty(s)? && right.is_empty(s)?)));
    });
}

/// Both are taken from at the same moment: whoever zips gets pairs in step, and so do all together.
#[test]
fn pairs_stay_in_step() {
    const PAIRS: u32 = 300;

    watched("pairs", || {
        let (left, right) = (TQueue::new(), TBQueue::new(3));
        let letter = |n: u32| char::from_u32(n + 0x100).unwrap();
        let got = on_threads(4, |id| match id {
            0 => {
                (0..PAIRS).for_each(|n| atomically(|tx| left.push(tx, n)));
                Vec::new()
            }
            1 => {
                (0..PAIRS).for_each(|n| atomically(|tx| right.push(tx, letter(n))));
                Vec::new()
            }
            2 => (0..PAIRS / 2)
                .map(|_| atomically(|tx| zip(tx, &left, &right)))
                .collect(),
            _ => (0..PAIRS / 2)
                .map(|_| block_on(atomically_async(|tx| zip(tx, &left, &right))))
                .collect(),
        });
        for zipped in &got {
            assert!(zipped.is_sorted());
        }
        let mut all = got.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..PAIRS).map(|n| (n, letter(n)))));
    });
}

/// What was taken from the one is put back when the other has nothing and there is another way to go on.
#[test]
fn a_half_taken_pair_is_given_back() {
    watched("half", || {
        let (left, right) = (TQueue::new(), TBQueue::new(1));
        atomically(|tx| (0..50).try_for_each(|n| left.push(tx, n)));
        for n in 0..50 {
            let first = atomically(|tx| {
                tx.or_else(
                    |tx| zip(tx, &left, &right).map(|(n, _)| n),
                    |tx| left.pop(tx),
                )
            });
            assert_eq!(first, n);
        }
        assert!(snapshot(|s| left.is_empty(s)));
    });
}
