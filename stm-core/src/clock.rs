//! The version clock: one packed word that orders all commits and counts the snapshots that are alive.
//!
//! # The problem, and why one word
//!
//! A commit needs a version that is newer than all that any earlier reader was promised, and it needs to
//! know whether a snapshot may still want the value that it is about to overwrite. Two words would be two
//! loads, and between them a snapshot can begin that the commit then misses. So both live in one word and
//! one load answers both questions.
//!
//! The ancestor is the global version clock of TL2 (Dice, Shalev and Shavit, "Transactional Locking II",
//! DISC 2006, doi:10.1007/11864219_14). Unlike TL2's, this clock does not move when a transaction commits;
//! several commits may carry the same version, as in the "GV5" scheme of the same authors. It moves when a
//! reader needs it to (see [`Clock::advance_to`]) and when a snapshot begins.
//!
//! # State
//!
//! ```text
//!  63                                      12 11            0
//! ┌──────────────────────────────────────────┬───────────────┐
//! │ time                                     │ snapshots     │
//! └──────────────────────────────────────────┴───────────────┘
//! ```
//!
//! # Invariants
//!
//! - K1  `time` never decreases.
//! - K2  `snapshots` is at least one while any tracked snapshot lives. It never carries into `time`: the
//!   last slot is shared by all who come when the others are taken (counted beside, under a mutex).
//! - K3  A snapshot's time is strictly greater than every time that anybody loaded before it began: it
//!   makes its own advance, in the same compare-and-swap that counts it, and never adopts the advance of
//!   another (the other may only have been a reader's, or the count of a snapshot that has ended).
//!
//! # Memory ordering
//!
//! Loads and advances are `SeqCst` and take part in one total order with the lock of every written word
//! and with every read of a word. This is what Lemma A in [`crate::commit`] rests on. The end of a
//! snapshot is `Release`: its reads happen before the commit that finds the count gone and writes without
//! history.

use crossbeam_utils::CachePadded;

use crate::mutant::{edge, mutant, total_order};
use crate::sync::{AtomicU64, Mutex, Ordering, statics};

/// How many bits of the word count snapshots. Shrunk where rare paths are to run all the time.
const ACTIVE_BITS: u32 = if cfg!(any(loom, shuttle, stm_stress)) {
    2
} else {
    12
};
const ACTIVE_MASK: u64 = (1 << ACTIVE_BITS) - 1;
/// The widest time that also fits the version field of an inline word.
const TIME_MAX: u64 = crate::word::VERSION_MAX;

/// A moment on the clock, and the version of a commit.
pub(crate) type Time = u64;

/// One look at the clock: a plain copy that answers questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    const fn pack(time: Time, active: u64) -> Self {
        Self(time << ACTIVE_BITS | active)
    }

    /// All of it, for [`Stamp::from_raw`].
    pub(crate) const fn raw(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    pub(crate) const fn time(self) -> Time {
        self.0 >> ACTIVE_BITS
    }

    const fn active(self) -> u64 {
        self.0 & ACTIVE_MASK
    }

    /// The same time, with the snapshots of `other`.
    pub(crate) const fn with_snapshots_of(self, other: Self) -> Self {
        Self::pack(self.time(), other.active())
    }

    /// True while some tracked snapshot lives, so that an inline value must be saved before it is overwritten.
    pub(crate) const fn snapshots_live(self) -> bool {
        self.active() != 0
    }
}

/// The right to read as of [`Ticket::time`]; goes back to the clock by [`Clock::end_snapshot`].
#[derive(Debug)]
#[must_use = "a ticket that is not given back makes every later commit keep history"]
pub(crate) struct Ticket {
    time: Time,
    /// Counted in the shared last slot and not in one of its own.
    shared: bool,
}

impl Ticket {
    pub(crate) const fn time(&self) -> Time {
        self.time
    }
}

#[derive(Debug)]
pub(crate) struct Clock {
    packed: CachePadded<AtomicU64>,
    /// How many snapshots share the last slot of the count.
    sharing: Mutex<u64>,
}

statics! {
    static GLOBAL: Clock = const Clock::new();
}

/// The clock that all transactional variables of the process share.
#[inline(always)]
pub(crate) fn clock() -> &'static Clock {
    &GLOBAL
}

impl Clock {
    #[cfg(not(any(loom, shuttle)))]
    const fn new() -> Self {
        Self {
            packed: CachePadded::new(AtomicU64::new(0)),
            sharing: Mutex::new(0),
        }
    }

    #[cfg(any(loom, shuttle))]
    fn new() -> Self {
        Self {
            packed: CachePadded::new(AtomicU64::new(0)),
            sharing: Mutex::new(0),
        }
    }

    /// SeqCst: pairs with the lock CAS in `AtomicWord::try_lock`. A reader that loads time t here finds
    /// every word that a commit with version <= t writes locked or already published (Lemma A).
    #[inline(always)]
    pub(crate) fn sample(&self) -> Stamp {
        Stamp(self.packed.load(edge!(SeqCst, "O-clock-load" => Relaxed)))
    }

    /// Makes `time() >= at_least` true and returns a stamp for which it is. Keeps the count.
    pub(crate) fn advance_to(&self, at_least: Time) -> Stamp {
        if at_least >= TIME_MAX {
            exhausted();
        }
        self.update(|now| (now.time() < at_least).then(|| Stamp::pack(at_least, now.active())))
    }

    /// Begins a tracked snapshot: K3's advance and K2's count, in one success.
    pub(crate) fn begin_snapshot(&self) -> Ticket {
        loop {
            let now = self.sample();
            if now.active() >= ACTIVE_MASK - 1 {
                return self.begin_shared();
            }
            let next = Stamp::pack(Self::tick(now.time()), now.active() + 1);
            if self.exchange(now, next).is_ok() {
                total_order!("S-snapshot");
                return Ticket {
                    time: next.time(),
                    shared: false,
                };
            }
            if mutant!("M18") {
                let adopted = self.sample();
                let counted = Stamp::pack(adopted.time(), adopted.active() + 1);
                if adopted.time() > now.time() && self.exchange(adopted, counted).is_ok() {
                    total_order!("S-snapshot");
                    return Ticket {
                        time: adopted.time(),
                        shared: false,
                    };
                }
            }
        }
    }

    /// The count is full but for its last slot, which the snapshots that come now hold together.
    #[cold]
    fn begin_shared(&self) -> Ticket {
        let mut sharing = self.sharing.lock();
        let slot = u64::from(*sharing == 0);
        let stamp =
            self.update(|now| Some(Stamp::pack(Self::tick(now.time()), now.active() + slot)));
        *sharing += 1;
        total_order!("S-snapshot");
        Ticket {
            time: stamp.time(),
            shared: true,
        }
    }

    pub(crate) fn end_snapshot(&self, ticket: Ticket) {
        if !ticket.shared {
            return self.give_slot_back();
        }
        let mut sharing = self.sharing.lock();
        *sharing -= 1;
        let last = *sharing == 0;
        // Under the mutex, or a newcomer could count itself into a slot that is just going.
        let _held = (!mutant!("D-shared-slot-late")).then_some(sharing);
        if last && !mutant!("D-shared-slot") {
            self.give_slot_back();
        }
    }

    /// Release: pairs with the SeqCst load in `sample` by a commit that then saves no history.
    fn give_slot_back(&self) {
        self.packed
            .fetch_sub(1, edge!(Release, "O-snapshot-end" => Relaxed));
    }

    /// Applies `next` until it succeeds or declines; returns the stamp that then held.
    fn update(&self, next: impl Fn(Stamp) -> Option<Stamp>) -> Stamp {
        let mut now = self.sample();
        while let Some(wanted) = next(now) {
            match self.exchange(now, wanted) {
                Ok(()) => return wanted,
                Err(_) => now = self.sample(),
            }
        }
        now
    }

    /// SeqCst: an advance is ordered with every other look at the clock and every lock (see `sample`).
    fn exchange(&self, now: Stamp, next: Stamp) -> Result<(), u64> {
        self.packed
            .compare_exchange(
                now.0,
                next.0,
                edge!(SeqCst, "O-clock-move" => Relaxed),
                Ordering::Relaxed,
            )
            .map(drop)
    }

    fn tick(time: Time) -> Time {
        if mutant!("M6") {
            return time;
        }
        if time + 1 >= TIME_MAX {
            exhausted();
        }
        time + 1
    }
}

/// 2^52 clock moves have passed: years of nothing but moves. To wrap would break K1 silently; this stops instead.
#[cold]
fn exhausted() -> ! {
    eprintln!("stm-core: the version clock is exhausted; aborting the process");
    std::process::abort();
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn snapshot_time_is_never_one_that_was_seen_before() {
        let clock = Clock::new();
        let before = clock.sample().time();
        let a = clock.begin_snapshot();
        assert!(a.time() > before);
        clock.end_snapshot(a);
        let seen = clock.sample().time();
        let b = clock.begin_snapshot();
        assert!(b.time() > seen);
        clock.end_snapshot(b);
        assert!(!clock.sample().snapshots_live());
    }

    #[test]
    fn more_snapshots_than_the_count_can_hold_never_carry_into_the_time() {
        let clock = Clock::new();
        let crowd = 2 * (ACTIVE_MASK as usize) + 5;
        let mut tickets = Vec::new();
        for i in 0..crowd {
            tickets.push(clock.begin_snapshot());
            assert_eq!(clock.sample().time(), i as u64 + 1);
        }
        assert_eq!(clock.sample().active(), ACTIVE_MASK);
        for ticket in tickets.drain(..) {
            assert!(clock.sample().snapshots_live());
            clock.end_snapshot(ticket);
        }
        assert!(!clock.sample().snapshots_live());
        assert_eq!(clock.sample().time(), crowd as u64);
    }

    #[test]
    fn advance_keeps_the_count_and_never_goes_back() {
        let clock = Clock::new();
        let ticket = clock.begin_snapshot();
        assert_eq!(clock.advance_to(7).time(), 7);
        assert_eq!(clock.advance_to(3).time(), 7);
        assert!(clock.sample().snapshots_live());
        clock.end_snapshot(ticket);
    }

    #[test]
    fn a_clock_at_its_end_stops_the_process_and_says_why() {
        const ROLE: &str = "STM_CLOCK_AT_ITS_END";
        if let Ok(role) = std::env::var(ROLE) {
            let clock = Clock::new();
            if role == "advance" {
                clock.advance_to(TIME_MAX);
            } else {
                clock.advance_to(TIME_MAX - 1);
                drop(clock.begin_snapshot());
            }
            return;
        }
        for name in ["advance", "tick"] {
            let this = std::env::current_exe().expect("the test's own program");
            let end = std::process::Command::new(this)
                .args(["--exact", "--nocapture"])
                .arg("clock::tests::a_clock_at_its_end_stops_the_process_and_says_why")
                .env(ROLE, name)
                .output()
                .expect("the test's own program runs");
            assert!(!end.status.success(), "{name}");
            let said = String::from_utf8_lossy(&end.stderr);
            assert!(
                said.contains("the version clock is exhausted"),
                "{name}: {said}"
            );
        }
    }

    /// The whole engine, on a clock that has little time left: it does what it does until then, and not a step after.
    #[test]
    fn transactions_are_right_to_the_end_of_the_clock_and_stop_there() {
        const ROLE: &str = "STM_CLOCK_NEAR_ITS_END";
        const NAME: &str =
            "clock::tests::transactions_are_right_to_the_end_of_the_clock_and_stop_there";
        const LEFT: u64 = 40;
        if std::env::var(ROLE).is_ok() {
            let (word, boxed) = (crate::TVar::new(0_u64), crate::TVar::new(vec![0]));
            clock().advance_to(TIME_MAX - LEFT);
            for n in 1_u64.. {
                crate::atomically(|tx| {
                    word.write(tx, n)?;
                    boxed.write(tx, vec![n])
                });
                // A snapshot takes a tick, and has the newest values saved for it.
                let seen = crate::snapshot(|s| {
                    let first = word.read(s)?;
                    std::thread::scope(|t| {
                        t.spawn(|| word.store(n + 100)).join().expect("it stores")
                    });
                    Ok((first, word.read(s)?, boxed.read(s)?))
                });
                assert_eq!(seen, (n, n, vec![n]));
                assert_eq!((word.load(), boxed.load()), (n + 100, vec![n]));
                println!(
                    "round {n}, time left {}",
                    TIME_MAX - clock().sample().time()
                );
            }
        }
        let this = std::env::current_exe().expect("the test's own program");
        let end = std::process::Command::new(this)
            .args(["--exact", "--nocapture", NAME])
            .env(ROLE, "")
            .output()
            .expect("the test's own program runs");
        assert!(!end.status.success());
        let said = String::from_utf8_lossy(&end.stderr);
        assert!(said.contains("the version clock is exhausted"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        let rounds = String::from_utf8_lossy(&end.stdout);
        assert!(rounds.contains("time left 1\n"), "{rounds}");
        assert!(!rounds.contains("time left 0\n"), "{rounds}");
    }
}
