//! A bank whose accounts live in memory and whose books survive: each transfer and its row in the journal commit together.
//!
//! ```text
//! cargo run -p stm-examples --bin durable_bank -- bank.redb 200
//! ```
//!
//! makes 200 transfers on each of four threads and tells the row of each in the journal. Kill it at any moment (`kill -9`) and
//! start it again: it goes on where the books end, after checking that the journal explains every balance.
//!
//! What makes it so is [`stm_core::Tx::decide`], in `bank.rs`: the decider writes row and balances to the store in one of
//! the store's transactions while the variables of the transfer are locked. If the process dies before the store has
//! committed, neither memory nor store have the transfer; if it dies after, memory is gone and the store has it.

mod bank;
mod steps;
mod store;

use std::path::Path;
use std::process::ExitCode;

use bank::{Bank, Refused};
use steps::{Fate, Step};

const ACCOUNTS: u32 = 8;
const THREADS: u32 = 4;

const USAGE: &str = "usage: durable_bank FILE TRANSFERS [STEP NTH]
  makes so many transfers on each of 4 threads; with a STEP, dies when that is reached for the NTH time:
  asked, row-written, balances-written, store-committed or memory-committed";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let parsed = match args[..] {
        [file, transfers] => transfers.parse().ok().map(|n| (file, n, Fate::none())),
        [file, transfers, step, nth] => (|| {
            let fate = Fate::to_die_at(Step::named(step)?, nth.parse().ok()?);
            Some((file, transfers.parse().ok()?, fate))
        })(),
        _ => None,
    };
    let Some((file, transfers, fate)) = parsed else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match run(Path::new(file), transfers, fate) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(file: &Path, transfers: u32, fate: Fate) -> Result<(), redb::Error> {
    let bank = Bank::open(file, ACCOUNTS, fate)?;
    std::thread::scope(|s| {
        for thread in 0..THREADS {
            let bank = &bank;
            s.spawn(move || customer(bank, thread, transfers));
        }
    });
    assert!(bank.agrees_with_its_books()?, "memory and store disagree");
    println!("close");
    Ok(())
}

/// Makes transfers, and tells of each only when it is made.
fn customer(bank: &Bank, thread: u32, transfers: u32) {
    let mut random = u64::from(thread + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut below = |n: u32| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 33) as u32 % n
    };
    for _ in 0..transfers {
        let from = below(bank.accounts());
        let to = (from + 1 + below(bank.accounts() - 1)) % bank.accounts();
        match bank.transfer(from, to, i64::from(below(50))) {
            Ok(row) => println!("row {row}"),
            Err(Refused::NoCover) => {}
            Err(refused) => eprintln!("{from} to {to}: {refused}"),
        }
    }
}
