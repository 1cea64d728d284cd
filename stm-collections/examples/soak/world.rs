//! What is soaked: money in every kind of place, and what must be true of it whenever somebody looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};

use stm_collections::{TBQueue, TChannel, TMap, TOrdMap, TPriorityQueue, TQueue, TSemaphore};
use stm_core::diagnostics::{collect_garbage, registered_waits, stats};
use stm_core::{ReadTx, Stm, TVar, atomically, snapshot};

pub(crate) const ACCOUNTS: usize = 48;
/// Elements that a place holds before those who would add to it take from it.
pub(crate) const CROWDED: usize = 200;
const EACH: i64 = 100;
/// All money there is: it moves, and stays as much.
pub(crate) const TOTAL: i64 = 2 * ACCOUNTS as i64 * EACH;
pub(crate) const PERMITS: usize = 3;

static ALIVE: AtomicI64 = AtomicI64::new(0);
static SPOILED: AtomicUsize = AtomicUsize::new(0);
const SONG: i64 = 0x50A4_50A4;

/// Money on the heap. It knows how many of it there are, and when it is looked at after its drop.
#[derive(Debug)]
pub(crate) struct Coin {
    worth: i64,
    canary: AtomicI64,
}

impl Coin {
    pub(crate) fn of(worth: i64) -> Self {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        let canary = AtomicI64::new(worth ^ SONG);
        Self { worth, canary }
    }

    pub(crate) fn worth(&self) -> i64 {
        if self.canary.load(Ordering::Relaxed) ^ self.worth != SONG {
            SPOILED.fetch_add(1, Ordering::Relaxed);
        }
        self.worth
    }
}

impl Clone for Coin {
    fn clone(&self) -> Self {
        Self::of(self.worth())
    }
}

impl Drop for Coin {
    fn drop(&mut self) {
        let _ = self.worth();
        self.canary.store(!SONG, Ordering::Relaxed);
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Everything that is shared.
pub(crate) struct World {
    pub(crate) words: Vec<TVar<i64>>,
    pub(crate) boxes: Vec<TVar<Coin>>,
    pub(crate) queue: TQueue<Coin>,
    pub(crate) bounded: TBQueue<Coin>,
    pub(crate) map: TMap<u64, Coin>,
    pub(crate) ordered: TOrdMap<u64, Coin>,
    pub(crate) heap: TPriorityQueue<i64>,
    /// Variables that come and go.
    pub(crate) slots: Vec<TVar<TVar<Coin>>>,
    pub(crate) channel: TChannel<u64>,
    /// The number of the next item of the channel.
    pub(crate) next_item: TVar<u64>,
    pub(crate) permits: TSemaphore,
    pub(crate) permits_out: AtomicUsize,
    /// Commits with a hook, counted by a function that commutes; and the hooks.
    pub(crate) hooked: TVar<u64>,
    pub(crate) hooks: Arc<AtomicU64>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            words: (0..ACCOUNTS).map(|_| TVar::new(EACH)).collect(),
            boxes: (0..ACCOUNTS).map(|_| TVar::new(Coin::of(EACH))).collect(),
            queue: TQueue::new(),
            bounded: TBQueue::new(16),
            map: TMap::new(),
            ordered: TOrdMap::new(),
            heap: TPriorityQueue::new(),
            slots: (0..4).map(|_| TVar::new(TVar::new(Coin::of(0)))).collect(),
            channel: TChannel::bounded(64),
            next_item: TVar::new(0),
            permits: TSemaphore::new(PERMITS),
            permits_out: AtomicUsize::new(0),
            hooked: TVar::new(0),
            hooks: Arc::default(),
        }
    }

    /// All money, wherever it lies.
    pub(crate) fn total(&self, tx: &mut impl ReadTx) -> Stm<i64> {
        let mut sum = 0;
        for word in &self.words {
            sum += word.read(tx)?;
        }
        for coin in &self.boxes {
            sum += coin.read_ref(tx)?.worth();
        }
        self.queue.for_each(tx, |coin| sum += coin.worth())?;
        self.bounded.for_each(tx, |coin| sum += coin.worth())?;
        self.map.for_each(tx, |_, coin| sum += coin.worth())?;
        self.ordered.for_each(tx, |_, coin| sum += coin.worth())?;
        sum += self.heap.to_vec(tx)?.iter().sum::<i64>();
        for slot in &self.slots {
            sum += slot.read(tx)?.read_ref(tx)?.worth();
        }
        Ok(sum)
    }

    /// Coins that variables and collections hold.
    fn coins(&self, tx: &mut impl ReadTx) -> Stm<usize> {
        let held = self.boxes.len() + self.slots.len() + self.queue.len(tx)?;
        Ok(held + self.bounded.len(tx)? + self.map.len(tx)? + self.ordered.len(tx)?)
    }

    /// What must be true when nobody is at work. Gives what is not.
    pub(crate) fn check(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut expect = |right: bool, what: String| {
            if !right {
                wrong.push(what);
            }
        };
        let (total, coins, free, queueing) = snapshot(|s| {
            let (free, queueing) = (self.permits.available(s)?, self.permits.waiting(s)?);
            Ok((self.total(s)?, self.coins(s)?, free, queueing))
        });
        expect(total == TOTAL, format!("there are {total} of {TOTAL}"));
        let waits = registered_waits();
        expect(waits == 0, format!("{waits} waits are left of nobody"));
        expect(
            (free, queueing) == (PERMITS, 0),
            format!("{free} of {PERMITS} permits are back, {queueing} are waited for"),
        );
        let (counted, ran) = (self.hooked.load(), self.hooks.load(Ordering::SeqCst));
        expect(
            counted == ran,
            format!("{ran} hooks ran of {counted} commits"),
        );
        let spoiled = SPOILED.load(Ordering::Relaxed);
        expect(
            spoiled == 0,
            format!("{spoiled} coins were seen after their drop"),
        );

        // A snapshot that was not given back would have every commit save history.
        let history = stats().history_nodes;
        atomically(|tx| self.words[0].modify(tx, |n| n));
        expect(
            stats().history_nodes == history,
            "a snapshot is counted that nobody holds".into(),
        );
        // A map keeps clones that it shares with nobody until somebody looks after them: as many again are fair.
        let alive = || usize::try_from(ALIVE.load(Ordering::Relaxed)).unwrap_or(0);
        for _ in 0..2_000 {
            if alive() == coins {
                break;
            }
            collect_garbage();
        }
        expect(
            alive() == coins,
            format!("{} coins are alive, and {coins} are held", alive()),
        );
        wrong
    }
}
