//! Randomness for choosing keys: the same for all contenders, replayable.

/// A xorshift64* generator (Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", ACM TOMS 42(4),
/// 2016), good enough to choose accounts and a few instructions long.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// The generator of a thread: each `stream` its own numbers.
    #[must_use]
    pub fn new(stream: usize) -> Self {
        let mut rng = Self((stream as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        // The first numbers of neighbouring streams resemble each other.
        for _ in 0..8 {
            rng.bits();
        }
        rng
    }

    /// 64 bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number from `0..n`.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        // The upper half times n, shifted down: no division.
        ((self.bits() >> 32) * n) >> 32
    }

    /// An index from `0..n`.
    #[inline]
    pub fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// Two different indices from `0..n`.
    #[inline]
    pub fn two(&mut self, n: usize) -> [usize; 2] {
        let first = self.index(n);
        let second = self.index(n - 1);
        [first, if second < first { second } else { second + 1 }]
    }

    /// Whether something happens that does in `percent` of the cases.
    #[inline]
    pub fn in_percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::watched;

    #[test]
    fn two_indices_differ_and_all_pairs_come() {
        watched("two_indices_differ_and_all_pairs_come", || {
            let mut rng = Rng::new(0);
            let mut seen = [[false; 4]; 4];
            for _ in 0..1000 {
                let [a, b] = rng.two(4);
                seen[a][b] = true;
            }
            for (a, row) in seen.iter().enumerate() {
                for (b, seen) in row.iter().enumerate() {
                    assert_eq!(*seen, a != b, "{a}, {b}");
                }
            }
        });
    }
}
