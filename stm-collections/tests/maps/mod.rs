//! Maps for the tests: of both kinds, and with hashers that make all sorts of buckets.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses some of this"
)]

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher};

use stm_collections::TMap;

/// The same for every run.
pub type Fixed = BuildHasherDefault<DefaultHasher>;

/// All keys collide.
#[derive(Clone, Debug, Default)]
pub struct Constant;

impl Hasher for Constant {
    fn write(&mut self, _bytes: &[u8]) {}
    fn finish(&self) -> u64 {
        7
    }
}

/// The low half is the same for all keys.
#[derive(Clone, Debug, Default)]
pub struct HighBitsOnly(u64);

impl Hasher for HighBitsOnly {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }
    fn finish(&self) -> u64 {
        self.0 << 32
    }
}

/// Three hashes for all keys, so that buckets have both twins and others.
#[derive(Clone, Debug, Default)]
pub struct Three(HighBitsOnly);

impl Hasher for Three {
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
    fn finish(&self) -> u64 {
        self.0.0.count_ones() as u64 % 3
    }
}

/// Gives hashes that agree in what tells the first buckets from each other: with more keys than fit into one bucket, all of them
/// are in buckets of large numbers, as those of a large map are.
#[derive(Default)]
pub struct Deep(u64);

impl Hasher for Deep {
    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are integers");
    }
    fn write_u16(&mut self, n: u16) {
        self.0 = n.into();
    }
    fn write_u32(&mut self, n: u32) {
        self.0 = n.into();
    }
    fn write_usize(&mut self, n: usize) {
        self.0 = n as u64;
    }
    fn finish(&self) -> u64 {
        unmix(self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) << 7 | 0x7F)
    }
}

/// What a map makes this very number of: the inverse of its last step over a hash.
pub fn unmix(mut hash: u64) -> u64 {
    // Newton's iteration doubles the bits that are right, of which an odd number has three at first.
    let inverse = |n: u64| {
        (0..5).fold(n, |x, _| {
            x.wrapping_mul(2_u64.wrapping_sub(n.wrapping_mul(x)))
        })
    };
    hash ^= hash >> 31 ^ hash >> 62;
    hash = hash.wrapping_mul(inverse(0x94D0_49BB_1331_11EB));
    hash ^= hash >> 27 ^ hash >> 54;
    hash = hash.wrapping_mul(inverse(0xBF58_476D_1CE4_E5B9));
    hash ^ hash >> 30 ^ hash >> 60
}

/// A map of either kind: one that keeps small keys together from the start, or the usual one.
pub fn fresh<K, V, S>(compact: bool) -> TMap<K, V, S>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    S: BuildHasher + Default,
{
    if compact {
        TMap::compact(S::default())
    } else {
        TMap::default()
    }
}

pub const KINDS: [bool; 2] = [false, true];
