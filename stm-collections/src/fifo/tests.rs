//! What cannot be seen from outside: how many attempts a herd makes, and what becomes of the places.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::common::{collect_until, wait_until, watched};
use stm_core::{atomically, snapshot};

use super::{Claim, Permits, Place, Share, Turn};

const HERD: usize = 1_000;

fn waiting(permits: &Permits) -> usize {
    snapshot(|s| permits.waiting(s))
}

/// Runs `work` on so many threads, with small stacks.
fn on_small_threads(threads: usize, work: impl Fn() + Sync, meanwhile: impl FnOnce()) {
    std::thread::scope(|s| {
        for _ in 0..threads {
            std::thread::Builder::new()
                .stack_size(64 << 10)
                .spawn_scoped(s, &work)
                .expect("a small thread");
        }
        meanwhile();
    });
}

/// The body of `Share::acquire`, with a count of attempts.
fn acquire_counted(permits: &Arc<Permits>, attempts: &AtomicUsize) -> Share {
    let count = || attempts.fetch_add(1, Ordering::Relaxed);
    let claim = atomically(|tx| {
        count();
        permits.claim(tx, 1)
    });
    match claim {
        Claim::Granted => Share::of(permits, 1),
        Claim::InLine(place) => {
            let turn = Turn::new(permits, place);
            atomically(|tx| {
                count();
                turn.come(tx)
            });
            turn.into_share()
        }
    }
}

#[test]
fn a_thousand_threads_in_line_make_few_attempts() {
    watched("herd in line", || {
        let permits = Permits::new(0, 1);
        let (acquiring, releasing) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let release = |permits: &Permits| {
            atomically(|tx| {
                releasing.fetch_add(1, Ordering::Relaxed);
                permits.give(tx, 1)
            });
        };
        on_small_threads(
            HERD,
            || {
                acquire_counted(&permits, &acquiring).forget();
                release(&permits);
            },
            || {
                wait_until(|| waiting(&permits) == HERD);
                release(&permits);
            },
        );
        let (acquiring, releasing) = (acquiring.into_inner(), releasing.into_inner());
        // To enter, to fall asleep, to wake; and some for conflicts at the end of the line.
        assert!(acquiring <= 4 * HERD, "{acquiring} attempts to acquire");
        assert!(releasing <= 2 * HERD, "{releasing} attempts to release");
        eprintln!("{HERD} in line: {acquiring} attempts to acquire, {releasing} to release");
    });
}

/// Enters the line and gives the place, to be looked at later.
fn enter(permits: &Arc<Permits>, places: &mut Vec<Weak<Place>>) -> Turn {
    match atomically(|tx| permits.claim(tx, 1)) {
        Claim::InLine(place) => {
            places.push(Arc::downgrade(&place));
            Turn::new(permits, place)
        }
        Claim::Granted => panic!("there was to be a line"),
    }
}

#[test]
fn a_place_is_freed_however_it_left_the_line() {
    watched("places", || {
        let permits = Permits::new(0, 100);
        let mut places = Vec::new();
        let mut turns: Vec<_> = (0..9).map(|_| enter(&permits, &mut places)).collect();
        drop(turns.remove(4));
        drop(turns.remove(0));
        drop(turns.pop());
        atomically(|tx| permits.give(tx, 3));
        let granted: Vec<_> = turns.drain(..3).map(Turn::into_share).collect();
        drop(turns);
        drop(granted);
        assert_eq!(waiting(&permits), 0);
        let alive = || places.iter().filter(|p| p.strong_count() > 0).count();
        collect_until(|| alive() == 0);
        assert_eq!(alive(), 0);
    });
}

#[test]
fn a_place_that_has_left_holds_no_other() {
    watched("no chain", || {
        let permits = Permits::new(0, 100);
        let mut places = Vec::new();
        let kept = enter(&permits, &mut places);
        let turns: Vec<_> = (0..10).map(|_| enter(&permits, &mut places)).collect();
        let last = enter(&permits, &mut places);
        atomically(|tx| permits.give(tx, 12));
        // Granted, and not looked after for long: the others go all the same.
        turns
            .into_iter()
            .for_each(|turn| assert_eq!(turn.into_share().forget(), 1));
        let alive = || places.iter().filter(|p| p.strong_count() > 0).count();
        collect_until(|| alive() == 2);
        assert_eq!(alive(), 2);
        drop((kept, last));
        assert_eq!(snapshot(|s| permits.free(s)), 2);
    });
}

#[test]
fn a_place_out_of_line_leads_nowhere() {
    watched("no links", || {
        let permits = Permits::new(0, 100);
        let mut places = Vec::new();
        let mut turns: Vec<_> = (0..5).map(|_| enter(&permits, &mut places)).collect();
        let places: Vec<_> = places.iter().filter_map(Weak::upgrade).collect();
        let leads_nowhere = |at: usize| {
            snapshot(|s| {
                let (prev, next) = (places[at].prev.read_ref(s)?, places[at].next.read_ref(s)?);
                Ok(prev.is_none() && next.is_none())
            })
        };
        // From the middle, from the end, from the head, and served.
        drop(turns.remove(2));
        drop(turns.pop());
        drop(turns.remove(0));
        assert_eq!(
            [0, 1, 2, 3, 4].map(leads_nowhere),
            [true, false, true, false, true]
        );
        atomically(|tx| permits.give(tx, 1));
        assert!(leads_nowhere(1));
    });
}
