//! What a large map leaves behind, in a process of its own: other tests' memory would be counted with it.
#![cfg(target_os = "linux")]

mod common;

use common::watched_alone;
use stm_collections::TMap;
use stm_core::atomically;
use stm_core::diagnostics::collect_garbage;

const KEYS: u64 = 30_000;
const ROUNDS: usize = 40;

/// What is in memory of this process.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    let kilobytes: usize = kilobytes.expect("a number").parse().expect("a number");
    kilobytes * 1024
}

/// Fills and empties a map again and again; how much that takes beyond the first two times.
fn growth(empty: impl Fn(&mut TMap<u64, u64>)) -> usize {
    let mut map = TMap::new();
    let mut before = 0;
    for round in 0..ROUNDS {
        for key in 0..KEYS {
            atomically(|tx| map.insert(tx, key, key));
        }
        empty(&mut map);
        for _ in 0..20 {
            collect_garbage();
        }
        if round == 1 {
            before = resident_bytes();
        }
    }
    resident_bytes().saturating_sub(before)
}

/// Once would be more than 20 bytes a key.
const ONCE: usize = KEYS as usize * 20;

#[test]
fn a_large_map_that_was_emptied_gives_its_memory_back() {
    watched_alone("emptied", || {
        let cleared = growth(|map| atomically(|tx| map.clear(tx)));
        assert!(cleared < ROUNDS / 2 * ONCE, "cleared: {cleared}");
        let retained = growth(|map| atomically(|tx| map.retain(tx, |_, _| false)));
        assert!(retained < ROUNDS / 2 * ONCE, "retained: {retained}");
        let dropped = growth(|map| *map = TMap::new());
        assert!(dropped < ROUNDS / 2 * ONCE, "dropped: {dropped}");
    });
}
