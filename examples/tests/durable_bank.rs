//! The durable bank is killed, again and again, and no money is made or lost.
#![cfg(not(loom))]

#[path = "../../stm-core/tests/common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Rng, seed, watched};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const BALANCES: TableDefinition<'_, u32, i64> = TableDefinition::new("balances");
const JOURNAL: TableDefinition<'_, u64, (u32, u32, i64)> = TableDefinition::new("journal");
const ACCOUNTS: usize = 8;
const OPENING: i64 = 100;

/// A file that is not there yet.
fn books(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("durable_bank_{name}.redb"));
    let _ = std::fs::remove_file(&file);
    file
}

fn start(file: &Path, more: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_durable_bank"))
        .arg(file)
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the bank opens")
}

/// The rows that the bank has told of, up to the first `enough` of them.
fn told(lines: &mut impl BufRead, enough: usize) -> Vec<u64> {
    let mut rows = Vec::new();
    while rows.len() < enough {
        let mut line = String::new();
        if lines.read_line(&mut line).expect("a pipe") == 0 {
            break;
        }
        // The last line may have been cut off.
        if let Some(row) = line.strip_suffix('\n').and_then(|l| l.strip_prefix("row ")) {
            rows.push(row.parse().expect("a number"));
        }
    }
    rows
}

/// Does the journal over again, beside the bank's own code; gives the number of rows.
fn audit(file: &Path) -> u64 {
    let store = Database::open(file).unwrap();
    let reading = store.begin_read().unwrap();
    let mut replayed = [OPENING; ACCOUNTS];
    let mut rows = 0;
    for entry in reading.open_table(JOURNAL).unwrap().iter().unwrap() {
        let (row, transfer) = entry.unwrap();
        let (from, to, amount) = transfer.value();
        rows += 1;
        assert_eq!(row.value(), rows, "a gap");
        replayed[from as usize] -= amount;
        replayed[to as usize] += amount;
        assert!(replayed[from as usize] >= 0, "row {rows} was not covered");
    }
    let balances = reading.open_table(BALANCES).unwrap();
    let balances: Vec<i64> = (0..ACCOUNTS as u32)
        .map(|account| balances.get(account).unwrap().unwrap().value())
        .collect();
    assert_eq!(balances, replayed, "after {rows} rows");
    assert_eq!(balances.iter().sum::<i64>(), OPENING * ACCOUNTS as i64);
    rows
}

#[test]
fn killed_at_random_moments() {
    watched("killed_at_random_moments", || {
        let file = books("random");
        let mut rng = Rng::new(seed(), 0);
        let mut before = 0;
        for _ in 0..10 {
            let mut bank = start(&file, &["1000000"]);
            let mut lines = BufReader::new(bank.stdout.take().unwrap());
            let mut rows = told(&mut lines, 1 + rng.below(20));
            // SIGKILL. What it is in the middle of by now, nobody knows.
            bank.kill().unwrap();
            assert!(!bank.wait().unwrap().success());
            rows.extend(told(&mut lines, usize::MAX));
            let now = audit(&file);
            for row in rows {
                assert!((before + 1..=now).contains(&row), "row {row} is lost");
            }
            before = now;
        }
        // And it goes on in good order.
        assert!(start(&file, &["3"]).wait().unwrap().success());
        assert!(audit(&file) > before);
    });
}

#[test]
fn dies_between_any_two_steps() {
    watched("dies_between_any_two_steps", || {
        let file = books("steps");
        let mut before = 0;
        // The step, and whether the transfer in which it dies is in the books.
        let steps = [
            ("asked", false),
            ("row-written", false),
            ("balances-written", false),
            ("store-committed", true),
            ("memory-committed", true),
        ];
        for (step, is_kept) in steps {
            for nth in [1, 9] {
                let mut bank = start(&file, &["1000000", step, &nth.to_string()]);
                let mut lines = BufReader::new(bank.stdout.take().unwrap());
                let rows = told(&mut lines, usize::MAX);
                assert!(!bank.wait().unwrap().success());
                let now = audit(&file);
                // The other threads may have come a little further; or, asked before the last one, not as far.
                let less = if step == "asked" { 4 } else { 1 };
                let least = (before + nth + u64::from(is_kept)).saturating_sub(less);
                assert!(now >= least, "{step} {nth}: {now} rows after {before}");
                // The store lets one write at a time.
                if nth == 1 && !is_kept && step != "asked" {
                    assert_eq!(now, before, "{step}: it was the only one in the store");
                }
                assert!(rows.iter().all(|row| (before + 1..=now).contains(row)));
                before = now;
            }
        }
    });
}

#[test]
fn bad_input_is_told() {
    for args in [&[][..], &["x"], &["1", "nowhere", "1"], &["1", "asked"]] {
        let mut bank = start(&books("bad"), args);
        assert_eq!(bank.wait().unwrap().code(), Some(2), "{args:?}");
    }
}
