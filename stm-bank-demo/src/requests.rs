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

    #[inline]
    fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.state)
    }
}

/// Where requests come from.
pub(crate) trait Source: Send {
    /// The next request.
    fn next(&mut self) -> Request;
}

impl Source for Requests {
    #[inline]
    fn next(&mut self) -> Request {
        let bits = self.draw();
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

/// Requests that prefer some accounts: the k-th is asked for in proportion to 1/k^theta (Zipf's law).
///
/// Drawing from that law takes a search through a table, which would show in what is measured. So this is a long ring
/// of requests that were drawn beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Skewed {
    ring: Vec<Request>,
    at: usize,
}

/// A power of two. Long beside the number of popular accounts, short beside the caches.
const RING: usize = 1 << 14;

impl Skewed {
    /// The sequence of one thread. The popular accounts are the same for all.
    pub(crate) fn new(seed: u64, stream: usize, accounts: usize, theta: f64) -> Self {
        let mut sum = 0.0;
        let below: Vec<f64> = (1..=accounts)
            .map(|rank| {
                sum += (rank as f64).powf(-theta);
                sum
            })
            .collect();
        let mut plain = Requests::new(seed, stream, accounts);
        let mut draw = || {
            let at = (plain.draw() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
            below
                .partition_point(|&below| below <= at)
                .min(accounts - 1)
        };
        let ring = (0..RING)
            .map(|at| {
                let (from, to) = (draw(), draw());
                Request {
                    from,
                    to: if to == from { (to + 1) % accounts } else { to },
                    amount: (at & 15) as i64 + 1,
                }
            })
            .collect();
        Self { ring, at: 0 }
    }
}

impl Source for Skewed {
    #[inline]
    fn next(&mut self) -> Request {
        self.at = (self.at + 1) & (RING - 1);
        self.ring[self.at]
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
    fn skewed_requests_prefer_the_first_accounts_as_zipf_says() {
        let mut requests = Skewed::new(1, 0, 100, 1.0);
        let mut paid = [0_u32; 100];
        for _ in 0..RING {
            let Request { from, to, .. } = requests.next();
            assert_ne!(from, to);
            paid[from] += 1;
        }
        let ratio = f64::from(paid[0]) / f64::from(paid[3]);
        assert!((3.0..5.0).contains(&ratio), "1 : 1/4, and not {ratio}");
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
