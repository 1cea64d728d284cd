//! The transfers that customers ask for: the same sequence for every engine, from one seed.

/// One wish of a customer: two different accounts, and an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) amount: i64,
}

/// An endless, reproducible sequence of requests.
///
/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014,
/// doi:10.1145/2660193.2660195): its state only ever grows by a constant, so the processor computes the next
/// request while the last one is still being served, and the generator hardly shows in what is measured.
#[derive(Clone, Debug)]
pub(crate) struct Requests {
    state: u64,
    accounts: u64,
}

impl Requests {
    /// The sequence of one thread: `stream` is its number.
    ///
    /// `accounts` must be at least 2, and few beside 2³⁰, which is what picks one has in bits.
    pub(crate) fn new(seed: u64, stream: usize, accounts: usize) -> Self {
        // Two mixings part the sequences of neighbouring seeds and threads.
        Self {
            state: mix(mix(seed).wrapping_add(stream as u64)),
            accounts: accounts as u64,
        }
    }

    /// The next request.
    #[inline]
    pub(crate) fn next(&mut self) -> Request {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = mix(self.state);
        // One draw serves all three: 30 bits for each account, scaled by multiplication, and 4 for the amount.
        let from = ((bits >> 34) * self.accounts) >> 30;
        let step = ((((bits >> 4) & 0x3fff_ffff) * (self.accounts - 1)) >> 30) + 1;
        let to = from + step;
        Request {
            from: from as usize,
            to: (if to < self.accounts {
                to
            } else {
                to - self.accounts
            }) as usize,
            amount: (bits & 15) as i64 + 1,
        }
    }
}

/// SplitMix64's output function.
#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_two_different_accounts_and_reach_them_all() {
        for accounts in [2, 3, 8, 1000] {
            let mut requests = Requests::new(1, 0, accounts);
            let (mut paid, mut got) = (vec![false; accounts], vec![false; accounts]);
            for _ in 0..accounts * 40 {
                let Request { from, to, amount } = requests.next();
                assert_ne!(from, to);
                assert!((1..=16).contains(&amount));
                paid[from] = true;
                got[to] = true;
            }
            assert!(paid.iter().chain(&got).all(|&reached| reached));
        }
    }

    #[test]
    fn a_seed_gives_one_sequence_and_each_thread_its_own() {
        let take = |seed, stream| {
            let mut requests = Requests::new(seed, stream, 1024);
            (0..100).map(|_| requests.next()).collect::<Vec<_>>()
        };
        assert_eq!(take(1, 0), take(1, 0));
        assert_ne!(take(1, 0), take(1, 1));
        assert_ne!(take(1, 0), take(2, 0));
        assert_ne!(take(1, 1), take(2, 0));
    }
}
