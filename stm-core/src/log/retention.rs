//! How long an emptied log keeps the memory of a large transaction.
//!
//! A thread whose transactions are all large would allocate, fault in and give back megabytes for each, which costs more than the
//! transaction. A thread that was once part of a large one should not keep them for good. So large memory is kept for as long as some
//! transaction in [`PATIENCE`] makes use of it, very large memory not at all.

/// Entries that are always kept.
const SMALL: usize = if cfg!(stm_stress) { 32 } else { 16 * 1024 };

/// Entries beyond which nothing is kept.
const HUGE: usize = SMALL * 16;

/// Transactions that may make no use of what is kept for them.
const PATIENCE: u32 = if cfg!(stm_stress) { 2 } else { 64 };

/// For how many transactions in a row memory has been kept in vain.
#[derive(Debug)]
pub(super) struct Retention(u32);

/// What is to become of an emptied list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It is kept, and that is all.
    Small,
    /// It is kept for the time being: ask again.
    ForNow,
    GiveBack,
}

impl Retention {
    pub(super) const fn new() -> Self {
        Self(0)
    }

    /// After a transaction that has used so many entries of a list that has room for so many.
    #[inline(always)]
    pub(super) fn judge(&mut self, used: usize, capacity: usize) -> Room {
        if capacity <= SMALL {
            return Room::Small;
        }
        self.judge_large(used, capacity)
    }

    #[cold]
    fn judge_large(&mut self, used: usize, capacity: usize) -> Room {
        let in_use = used >= capacity / 4;
        self.0 = if in_use { 0 } else { self.0 + 1 };
        if capacity > HUGE || self.0 > PATIENCE {
            self.0 = 0;
            return Room::GiveBack;
        }
        Room::ForNow
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn large_memory_is_kept_while_it_is_used() {
        let mut retention = Retention::new();
        let capacity = SMALL * 4;
        assert_eq!(retention.judge(SMALL, SMALL), Room::Small);
        for _ in 0..3 {
            for _ in 0..PATIENCE {
                assert_eq!(retention.judge(1, capacity), Room::ForNow);
            }
            assert_eq!(retention.judge(SMALL, capacity), Room::ForNow);
        }
        for _ in 0..PATIENCE {
            assert_eq!(retention.judge(1, capacity), Room::ForNow);
        }
        assert_eq!(retention.judge(1, capacity), Room::GiveBack);
        assert_eq!(retention.judge(HUGE, HUGE + 1), Room::GiveBack);
    }
}
