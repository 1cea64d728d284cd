//! The programs: one for each mutant, in which it shows. The protocol as it is must pass them all.

use crate::mutants::Mutant;
use crate::programs::Op::{Commute, OrElseWrite, Read, RetryIfInitial, Write};
use crate::programs::{Boxed, Form, Inline, Op, Program, Txn, X, Y, Z, atomically, snapshot};
use crate::state::{At, Cause, End, Why, Word};

const II: [Form; 2] = [Inline, Inline];
const BB: [Form; 2] = [Boxed, Boxed];
const BI: [Form; 2] = [Boxed, Inline];
const IB: [Form; 2] = [Inline, Boxed];

/// A transaction that only writes meets no conflict.
fn writes(ops: &[Op]) -> Txn {
    atomically(ops).at_most(1)
}

/// The program that was made for a mutant.
pub fn program_against(mutant: Mutant) -> Program {
    let read_both = atomically(&[Read(X), Read(Y)]);
    let write_both = writes(&[Write(X), Write(Y)]);
    let write_x = writes(&[Write(X)]);
    let write_y = writes(&[Write(Y)]);
    let x_into_y = atomically(&[Read(X), Write(Y)]);
    let y_into_x = atomically(&[Read(Y), Write(X)]);
    let tick = snapshot(&[]);
    match mutant {
        Mutant::None => unreachable!("it has no program of its own"),
        Mutant::M1 | Mutant::M2 => Program::new(
            "a word is replaced by one of its version",
            II,
            &[&[write_y, write_both], &[atomically(&[Read(Y), Read(X)])]],
        )
        .float_max(0),
        Mutant::M3 => Program::new(
            "a snapshot sees who came first",
            BB,
            &[&[x_into_y], &[write_x], &[snapshot(&[Read(X), Read(Y)])]],
        ),
        Mutant::M4 | Mutant::X8 => Program::new("write skew", II, &[&[x_into_y], &[y_into_x]]),
        Mutant::M5 => Program::new(
            "a snapshot begins in a commit",
            II,
            &[&[write_x], &[snapshot(&[Read(X)])]],
        ),
        Mutant::M6 => Program::new(
            "a snapshot after a commit",
            BB,
            &[&[write_x], &[snapshot(&[Read(X)])]],
        ),
        Mutant::M7 => Program::new(
            "a snapshot after two commits",
            BB,
            &[&[write_x.clone(), write_x], &[snapshot(&[Read(X)])]],
        ),
        Mutant::M8 => Program::new("half a commit, boxed", BB, &[&[write_both], &[read_both]]),
        Mutant::M9 => Program::new(
            "the clock moves in a commit",
            II,
            &[&[write_both], &[tick], &[read_both]],
        ),
        Mutant::M10 => Program::new(
            "half a commit, inline",
            II,
            &[&[write_both], &[atomically(&[Read(Y), Read(X)])]],
        ),
        Mutant::M11 => Program::new(
            "a float over two commits",
            II,
            &[&[write_x, write_both], &[read_both]],
        ),
        Mutant::M12 | Mutant::X7 => Program::new(
            "falling asleep",
            II,
            &[&[atomically(&[Read(X), RetryIfInitial(X)])], &[write_x]],
        ),
        Mutant::M13 => Program::new(
            "both take right",
            II,
            &[
                &[atomically(&[Read(X), OrElseWrite { left: X, right: Y }])],
                &[atomically(&[Read(Y), OrElseWrite { left: Y, right: X }])],
            ],
        ),
        Mutant::M14 => Program::new(
            "a float fails, boxed",
            BB,
            &[&[write_y, write_x], &[read_both]],
        ),
        Mutant::M15 => Program::new(
            "an anchoring fails",
            BB,
            &[
                &[
                    write_y.clone(),
                    tick,
                    writes(&[Write(X), Write(Z)]),
                    write_y,
                ],
                &[atomically(&[Read(X), Read(Y), Read(Z)])],
            ],
        )
        .float_max(1),
        Mutant::M16 => Program::new(
            "patience with a commit that is given up",
            BB,
            &[&[write_y, write_both], &[y_into_x.at_most(1)], &[read_both]],
        )
        .impatient(),
        Mutant::M17 => Program::new(
            "a float fails, mixed",
            BI,
            &[&[tick, write_both], &[read_both]],
        ),
        Mutant::M18 => Program::new(
            "a snapshot ends while another begins",
            II,
            &[&[tick, write_x], &[snapshot(&[Read(X)])]],
        ),
        Mutant::M19 => Program::new(
            "seq is used up",
            II,
            &[&[write_x.clone(), write_x], &[snapshot(&[Read(X)])]],
        )
        .seq_max(0),
        Mutant::M20a | Mutant::M20b => Program::new(
            "the holder reads what another writes",
            II,
            &[&[x_into_y], &[atomically(&[Write(X)])]],
        )
        .starving(0),
        Mutant::X1 => Program::new(
            "two write both",
            II,
            &[&[write_both.clone()], &[write_both]],
        ),
        Mutant::X2 => Program::new(
            "the holder writes what another writes",
            II,
            &[&[x_into_y], &[atomically(&[Write(X), Write(Y)])]],
        )
        .starving(0),
        Mutant::X3 => Program::new(
            "a commit is given up over a sleeper",
            II,
            &[
                &[atomically(&[Read(X), RetryIfInitial(X)])],
                &[y_into_x.at_most(1)],
                &[write_y, write_x],
            ],
        ),
        Mutant::X4 => Program::new(
            "a body that only reads fails",
            II,
            &[&[write_both.clone(), write_both], &[read_both.at_most(3)]],
        ),
        Mutant::X5 => Program::new(
            "history comes late",
            II,
            &[&[write_x], &[snapshot(&[Read(X)])]],
        ),
        Mutant::X6 => Program::new(
            "a commit before the pin",
            BB,
            &[&[write_x], &[snapshot(&[Read(X)])]],
        ),
        Mutant::X9 => Program::new(
            "the holder waits",
            II,
            &[
                &[atomically(&[Read(X), RetryIfInitial(X)])],
                &[atomically(&[Write(X)])],
            ],
        )
        .starving(0),
    }
}

/// One program for each mutant, and some for what no mutant is about.
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
    let tick = snapshot(&[]);
    let read_both = atomically(&[Read(X), Read(Y)]);
    let write_both = writes(&[Write(X), Write(Y)]);
    let x_into_y = atomically(&[Read(X), Write(Y)]);
    let y_into_x = atomically(&[Read(Y), Write(X)]);
    let await_x = atomically(&[Read(X), RetryIfInitial(X), Write(Y)]);
    let await_y = atomically(&[Read(Y), RetryIfInitial(Y)]);
    vec![
        Program::new(
            "a chain of sleepers",
            II,
            &[
                &[await_x.clone()],
                &[await_y.clone()],
                &[writes(&[Write(X)])],
            ],
        ),
        Program::new(
            "a sleeper on two",
            BI,
            &[
                &[atomically(&[Read(X), Read(Y), RetryIfInitial(X)]).at_most(3)],
                &[writes(&[Write(Y)])],
                &[writes(&[Write(X)])],
            ],
        ),
        Program::new(
            "two sleepers on one",
            BB,
            &[
                &[await_y.clone()],
                &[await_y],
                &[y_into_x.clone().at_most(1)],
                &[writes(&[Write(Y)])],
            ],
        ),
        Program::new(
            "two starve",
            II,
            &[
                &[x_into_y.clone()],
                &[y_into_x.clone()],
                &[writes(&[Write(X)]).at_most(2)],
            ],
        )
        .starving(0)
        .starving(1),
        Program::new(
            "priority after one failure",
            II,
            &[
                &[x_into_y.clone().at_most(3)],
                &[y_into_x.clone().at_most(3)],
            ],
        )
        .claim_after(1),
        Program::new(
            "a lease ends",
            II,
            &[
                &[x_into_y.clone()],
                &[y_into_x.clone()],
                &[writes(&[Write(X)]).at_most(2)],
            ],
        )
        .starving(0)
        .claim_after(1)
        .lease_may_end()
        .impatient(),
        Program::new(
            "the holder reads only",
            BI,
            &[
                &[read_both.clone()],
                &[writes(&[Write(X), Write(Y)]).at_most(2)],
                &[snapshot(&[])],
            ],
        )
        .starving(0),
        Program::new(
            "a snapshot turns out to write",
            BB,
            &[
                &[tick, write_both.clone()],
                &[atomically(&[Read(X), Read(Y), Write(X)]).at_most(3)],
            ],
        ),
        Program::new(
            "one is read twice",
            BI,
            &[
                &[write_both.clone()],
                &[writes(&[Write(Y)])],
                &[atomically(&[Read(Y), Read(Y), Read(X), Read(Y)])],
            ],
        ),
        Program::new(
            "five transactions",
            BI,
            &[
                &[write_both.clone(), x_into_y],
                &[read_both.at_most(1), snapshot(&[Read(Y), Read(X)])],
                &[y_into_x.at_most(1)],
            ],
        ),
        Program::new(
            "functions left to the commit",
            II,
            &[
                &[atomically(&[Commute(X), Write(Y)])],
                &[atomically(&[Read(Y), Commute(X)])],
                &[snapshot(&[Read(X), Read(Y)])],
            ],
        ),
    ]
}

/// What the transactions of a generated program are taken from.
fn shapes() -> Vec<Txn> {
    vec![
        atomically(&[Read(X), Read(Y)]),
        atomically(&[Read(Y), Read(X)]),
        writes(&[Write(X)]),
        writes(&[Write(X), Write(Y)]),
        atomically(&[Read(X), Write(X)]),
        atomically(&[Read(X), Write(Y)]),
        atomically(&[Read(Y), Write(X)]),
        atomically(&[Read(X), Read(Y), Write(X)]),
        snapshot(&[Read(X), Read(Y)]),
        snapshot(&[Read(Y), Read(X)]),
        writes(&[Commute(X), Write(Y)]),
        atomically(&[Read(X), RetryIfInitial(X), Write(Y)]),
        atomically(&[Read(X), OrElseWrite { left: X, right: Y }]),
    ]
}

/// The constants of the engine that are worth an exploration each: `FLOAT_MAX`, `SEQ_MAX`.
const CONSTANTS: [(u8, u8); 3] = [(8, 8), (1, 0), (0, 1)];

/// Every two shapes beside each other, in every combination of forms.
pub fn pairs() -> Vec<Program> {
    let shapes = shapes();
    let mut programs = Vec::new();
    for (i, a) in shapes.iter().enumerate() {
        for b in &shapes[i..] {
            each_form(&[a, b], &mut programs);
        }
    }
    programs
}

/// Every three shapes.
pub fn triples() -> Vec<Program> {
    let shapes = shapes();
    let mut programs = Vec::new();
    for (i, a) in shapes.iter().enumerate() {
        for (j, b) in shapes.iter().enumerate().skip(i) {
            for c in &shapes[j..] {
                each_form(&[a, b, c], &mut programs);
            }
        }
    }
    programs
}

fn each_form(txns: &[&Txn], programs: &mut Vec<Program>) {
    let threads: Vec<Vec<Txn>> = txns.iter().map(|&txn| vec![txn.clone()]).collect();
    for forms in [II, BB, BI, IB] {
        for (float_max, seq_max) in CONSTANTS {
            if forms == BB && float_max == 0 {
                // Boxed values have no `seq`, and what anchors at once is explored with the others.
                continue;
            }
            let names: Vec<String> = txns.iter().map(ToString::to_string).collect();
            let name = format!("{} in {forms:?}, {float_max}, {seq_max}", names.join(" | "));
            let program = Program::of_threads(name, forms, threads.clone());
            programs.push(program.float_max(float_max).seq_max(seq_max));
        }
    }
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
