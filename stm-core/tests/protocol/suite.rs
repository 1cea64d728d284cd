//! The programs that were made by hand: one for each mutant, in which it shows, and some for what no mutant is about. The
//! protocol as it is must pass them all.

use crate::mutants::Mutant;
use crate::programs::Op::{Commute, OrElseWrite, Read, RetryIfInitial, Write};
use crate::programs::{
    Boxed, Form, Inline, Op, Program, Txn, X, Y, Z, alone, atomically, snapshot,
};
use crate::state::{At, Cause, End, Why, Word};

const II: [Form; 2] = [Inline, Inline];
const BB: [Form; 2] = [Boxed, Boxed];
const BI: [Form; 2] = [Boxed, Inline];

fn reads(vars: &[u8]) -> Txn {
    atomically(&ops(vars, Read))
}

/// Meets no conflict, so that one attempt will do; but for the sake of the token it may have to give way.
fn writes(vars: &[u8]) -> Txn {
    atomically(&ops(vars, Write)).at_most(1)
}

fn sees(vars: &[u8]) -> Txn {
    snapshot(&ops(vars, Read))
}

fn ops(vars: &[u8], op: impl Fn(u8) -> Op) -> Vec<Op> {
    vars.iter().map(|&var| op(var)).collect()
}

fn load(var: u8) -> Txn {
    alone(&[Read(var)]).at_most(1)
}

fn store(var: u8) -> Txn {
    alone(&[Write(var)])
}

fn swap(var: u8) -> Txn {
    alone(&[Read(var), Write(var)])
}

/// Moves the clock.
fn tick() -> Txn {
    snapshot(&[])
}

fn copy(from: u8, to: u8) -> Txn {
    atomically(&[Read(from), Write(to)])
}

fn awaits(var: u8) -> Txn {
    atomically(&[Read(var), RetryIfInitial(var)])
}

fn await_or_write(left: u8, right: u8) -> Txn {
    atomically(&[Read(left), OrElseWrite { left, right }])
}

/// The program that was made for a mutant.
pub fn program_against(mutant: Mutant) -> Program {
    use Mutant as M;
    match mutant {
        M::None => unreachable!("it has no program of its own"),
        M::M1 | M::M2 => Program::new("a word is replaced by one of its version", II)
            .thread([writes(&[Y]), writes(&[X, Y])])
            .thread([reads(&[Y, X])])
            .float_max(0),
        M::M3 => Program::new("a snapshot sees who came first", BB)
            .thread([copy(X, Y)])
            .thread([writes(&[X])])
            .thread([sees(&[X, Y])]),
        M::M4 | M::X8 => Program::new("write skew", II)
            .thread([copy(X, Y)])
            .thread([copy(Y, X)]),
        M::M5 | M::X5 => Program::new("a snapshot begins in a commit, inline", II)
            .thread([writes(&[X])])
            .thread([sees(&[X])]),
        M::M6 | M::X6 => Program::new("a snapshot begins in a commit, boxed", BB)
            .thread([writes(&[X])])
            .thread([sees(&[X])]),
        M::M7 => Program::new("a snapshot after two commits", BB)
            .thread([writes(&[X]), writes(&[X])])
            .thread([sees(&[X])]),
        M::M8 => Program::new("half a commit, boxed", BB)
            .thread([writes(&[X, Y])])
            .thread([reads(&[X, Y])]),
        M::M9 => Program::new("the clock moves in a commit", II)
            .thread([writes(&[X, Y])])
            .thread([tick()])
            .thread([reads(&[X, Y])]),
        M::M10 => Program::new("half a commit, inline", II)
            .thread([writes(&[X, Y])])
            .thread([reads(&[Y, X])]),
        M::M11 => Program::new("a float over two commits", II)
            .thread([writes(&[X]), writes(&[X, Y])])
            .thread([reads(&[X, Y])]),
        M::M12 | M::X7 => Program::new("falling asleep", II)
            .thread([awaits(X)])
            .thread([writes(&[X])]),
        M::M13 => Program::new("both take right", II)
            .thread([await_or_write(X, Y)])
            .thread([await_or_write(Y, X)]),
        M::M14 => Program::new("a float fails, boxed", BB)
            .thread([writes(&[Y]), writes(&[X])])
            .thread([reads(&[X, Y])]),
        M::M15 => Program::new("an anchoring fails", BB)
            .thread([writes(&[Y]), tick(), writes(&[X, Z]), writes(&[Y])])
            .thread([reads(&[X, Y, Z])])
            .float_max(1),
        M::M16 => Program::new("impatience with a commit that is given up", BB)
            .thread([writes(&[Y]), writes(&[X, Y])])
            .thread([copy(Y, X).at_most(1)])
            .thread([reads(&[X, Y])])
            .impatient(),
        M::M17 => Program::new("a float fails, mixed", BI)
            .thread([tick(), writes(&[X, Y])])
            .thread([reads(&[X, Y])]),
        M::M18 => Program::new("a snapshot ends while another begins", II)
            .thread([tick(), writes(&[X])])
            .thread([sees(&[X])]),
        M::M19 => Program::new("seq is used up", II)
            .thread([writes(&[X]), writes(&[X])])
            .thread([sees(&[X])])
            .seq_max(0),
        M::M20a | M::M20b => Program::new("the holder reads what another writes", II)
            .thread([copy(X, Y)])
            .thread([writes(&[X]).at_most(2)])
            .starving(0),
        M::X1 => Program::new("two write both", II)
            .thread([writes(&[X, Y])])
            .thread([writes(&[X, Y])]),
        M::X2 => Program::new("the holder writes what another writes", II)
            .thread([copy(X, Y)])
            .thread([writes(&[X, Y]).at_most(2)])
            .starving(0),
        M::X3 => Program::new("a commit is given up over a sleeper", II)
            .thread([awaits(X)])
            .thread([copy(Y, X).at_most(1)])
            .thread([writes(&[Y]), writes(&[X])]),
        M::X4 => Program::new("a body that only reads fails", II)
            .thread([writes(&[X, Y]), writes(&[X, Y])])
            .thread([reads(&[X, Y]).at_most(3)]),
        M::X9 => Program::new("the holder waits", II)
            .thread([awaits(X)])
            .thread([writes(&[X]).at_most(2)])
            .starving(0),
        M::X10 => Program::new("two loads, one after the other", BB)
            .thread([writes(&[X, Y])])
            .thread([load(X), load(Y)]),
    }
}

/// One program for each mutant, and the others.
pub fn made_by_hand() -> Vec<Program> {
    let mut programs: Vec<Program> = Vec::new();
    for mutant in Mutant::ALL {
        let program = program_against(mutant);
        if !programs.contains(&program) {
            programs.push(program);
        }
    }
    programs.extend(others());
    programs
}

fn others() -> Vec<Program> {
    vec![
        Program::new("a chain of sleepers", II)
            .thread([atomically(&[Read(X), RetryIfInitial(X), Write(Y)])])
            .thread([awaits(Y)])
            .thread([writes(&[X])]),
        Program::new("a sleeper on two", BI)
            .thread([atomically(&[Read(X), Read(Y), RetryIfInitial(X)]).at_most(3)])
            .thread([writes(&[Y])])
            .thread([writes(&[X])]),
        Program::new("two sleepers on one", BB)
            .thread([awaits(Y)])
            .thread([awaits(Y)])
            .thread([copy(Y, X).at_most(1)])
            .thread([writes(&[Y])]),
        Program::new("two starve", II)
            .thread([copy(X, Y)])
            .thread([copy(Y, X)])
            .thread([writes(&[X]).at_most(2)])
            .starving(0)
            .starving(1),
        Program::new("priority after one failure", II)
            .thread([copy(X, Y).at_most(3)])
            .thread([copy(Y, X).at_most(3)])
            .claim_after(1),
        Program::new("a lease ends", II)
            .thread([copy(X, Y)])
            .thread([copy(Y, X)])
            .thread([writes(&[X]).at_most(2)])
            .starving(0)
            .claim_after(1)
            .lease_may_end()
            .impatient(),
        Program::new("the holder reads only, this time", BI)
            .thread([reads(&[X, Y])])
            .thread([writes(&[X, Y]).at_most(2)])
            .thread([tick()])
            .starving(0),
        Program::new("a snapshot turns out to write", BB)
            .thread([tick(), writes(&[X, Y])])
            .thread([atomically(&[Read(X), Read(Y), Write(X)]).at_most(3)]),
        Program::new("one is read twice", BI)
            .thread([writes(&[X, Y])])
            .thread([writes(&[Y])])
            .thread([reads(&[Y, Y, X, Y])]),
        Program::new("loads, stores and swaps", BI)
            .thread([store(Y), load(X)])
            .thread([swap(X), load(Y)])
            .thread([copy(Y, X)])
            .impatient(),
        Program::new("stores and swaps beside a holder", II)
            .thread([copy(X, Y)])
            .thread([store(X), load(Y)])
            .thread([swap(X).at_most(3)])
            .starving(0),
        Program::new("functions left to the commit", II)
            .thread([atomically(&[Commute(X), Write(Y)])])
            .thread([atomically(&[Read(Y), Commute(X)])])
            .thread([sees(&[X, Y])]),
        Program::new("five transactions", BI)
            .thread([writes(&[X, Y]), copy(X, Y)])
            .thread([reads(&[X, Y]).at_most(1), sees(&[Y, X])])
            .thread([copy(Y, X).at_most(1)]),
    ]
}

/// An example of each place where threads stand, but for those that only a mutant knows.
pub fn places() -> Vec<At> {
    let (var, s, read, node, value, now, bits) = (X, 0, 0, 0, 0, 0, 0);
    let (why, look, cause, end) = (Why::Body, Word::UNUSED, Cause::GaveWay, End::Done);
    vec![
        At::Begin,
        At::Ticket,
        At::ClearFilter,
        At::SetToken,
        At::Announce { var },
        At::Sample { var },
        At::Bits { var, look },
        At::Again { var, look, bits },
        At::Recheck {
            var,
            look,
            value,
            read,
        },
        At::Anchor { var, look, value },
        At::AnchorCheck {
            var,
            look,
            value,
            read,
            now,
        },
        At::ConvertAdvance { var, s },
        At::AsOf { var, s, why },
        At::AsOfBits { var, s, why, look },
        At::AsOfAgain {
            var,
            s,
            why,
            look,
            bits,
        },
        At::Chain { var, s, why, node },
        At::HistoryHead { var },
        At::HistoryWalk { var, node },
        At::Lock { var },
        At::Clock,
        At::Token,
        At::Filter { var },
        At::MoveClock,
        At::ClockAgain,
        At::Validate { read },
        At::Save { var },
        At::Store { var },
        At::Publish { var },
        At::EndTicket { end },
        At::LetGo { end },
        At::Wake { var },
        At::Unlock { var, cause },
        At::Register { var },
        At::SetWaiters { var },
        At::Asleep,
        At::AwaitRelease,
        At::Claim,
        At::Done,
    ]
}
