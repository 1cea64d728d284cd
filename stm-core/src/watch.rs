//! The moment before a sleep: who waits for what comes soon had better not sleep.
//!
//! # The problem, and the idea
//!
//! To sleep and to be woken takes two system calls and a switch of context, some microseconds; a consumer that is a little
//! faster than its producer would pay that for each element, and the producer would pay for waking it. So a thread that is
//! about to wait first looks at what it has read for about as long as falling asleep would take: who spins as long as
//! the alternative costs is never more than twice as slow as who knows the future (Karlin, Li, Manasse and Owicki, "Empirical
//! Studies of Competitive Spinning for a Shared-Memory Multiprocessor", SOSP 1991, doi:10.1145/121132.286599). How
//! long pays is learned by each thread: a look that saw the change doubles the next one, a look in vain halves it.
//!
//! Tasks do not watch, for their executor has other things to do; neither does anybody where there is one processor, nor who
//! holds the token of `priority`, nor who waits on much. Under the models and under stress nobody does, so that these see sleeps.

use std::cell::Cell;
use std::sync::LazyLock;

use crate::log::Read;
use crate::sync::spin_hint;

/// Looks at the most; with a pause between them, some 3 microseconds.
const MOST: u32 = if cfg!(any(loom, shuttle, stm_stress)) {
    0
} else {
    256
};

/// Looks that are always worth while, so that a thread that has slept long learns it when times change.
const FEWEST: u32 = if MOST == 0 { 0 } else { 32 };

/// Who waits on more variables sleeps at once.
const MOST_READS: usize = 16;

thread_local! {
    /// How many looks the next watch takes.
    static LOOKS: Cell<u32> = const { Cell::new(MOST / 4) };
}

/// Whether others can go on while this thread spins.
static IN_PARALLEL: LazyLock<bool> =
    LazyLock::new(|| std::thread::available_parallelism().is_ok_and(|n| n.get() > 1));

/// What was seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    /// A variable was written, or is just being.
    Change,
    Nothing,
}

/// Watches the variables that were read, for a moment. Called pinned; no wait is prepared yet, so nobody knows of it.
pub(crate) fn watch(reads: &[Read]) -> Watched {
    if MOST == 0 || reads.is_empty() || reads.len() > MOST_READS || !*IN_PARALLEL {
        return Watched::Nothing;
    }
    let looks = LOOKS.get();
    for _ in 0..looks {
        if reads.iter().any(has_moved) {
            LOOKS.set((looks * 2).min(MOST));
            return Watched::Change;
        }
        spin_hint();
    }
    LOOKS.set((looks / 2).max(FEWEST));
    Watched::Nothing
}

/// As `announce_waiter` will judge.
fn has_moved(read: &Read) -> bool {
    !read.block.look().word().same_value(read.seen().settled())
}

#[cfg(all(test, not(any(loom, shuttle, stm_stress))))]
mod tests {
    use super::*;
    use crate::{TVar, atomically};

    #[test]
    fn it_sees_a_change_and_learns_how_long_to_look() {
        let (x, y) = (TVar::new(0), TVar::new(String::new()));
        if !*IN_PARALLEL {
            return; // nobody could change anything meanwhile
        }
        LOOKS.set(MOST / 4);
        atomically(|tx| {
            x.read(tx)?;
            y.read(tx)?;
            let reads = tx.log.reads.as_slice();
            assert_eq!(watch(reads), Watched::Nothing);
            assert_eq!(LOOKS.get(), MOST / 8);
            std::thread::scope(|s| s.spawn(|| y.store("new".into())).join()).expect("it ends");
            assert_eq!(watch(reads), Watched::Change);
            assert_eq!(LOOKS.get(), MOST / 4);
            Ok(())
        });
        for _ in 0..40 {
            assert_eq!(
                atomically(|tx| x.read(tx).map(|_| watch(tx.log.reads.as_slice()))),
                Watched::Nothing
            );
        }
        assert_eq!(LOOKS.get(), FEWEST);
    }

    #[test]
    fn who_has_read_much_does_not_watch() {
        let all: Vec<_> = (0..=MOST_READS).map(TVar::new).collect();
        let watched = atomically(|tx| {
            for x in &all {
                x.read(tx)?;
            }
            std::thread::scope(|s| s.spawn(|| all[0].store(9)).join()).expect("it ends");
            Ok(watch(tx.log.reads.as_slice()))
        });
        assert_eq!(watched, Watched::Nothing);
    }
}
