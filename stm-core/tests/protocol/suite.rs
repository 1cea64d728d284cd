//! The programs: one for each mutant, in which it shows. The protocol as it is must pass them all.

use crate::mutants::Mutant;
use crate::programs::Op::{Commute, OrElseWrite, Read, RetryIfInitial, Write};
use crate::programs::{Boxed, Inline, Program, X, Y, Z, atomically, snapshot};

const II: [crate::programs::Form; 2] = [Inline, Inline];
const BB: [crate::programs::Form; 2] = [Boxed, Boxed];
const BI: [crate::programs::Form; 2] = [Boxed, Inline];

/// A transaction that only writes meets no conflict.
fn writes(ops: &[crate::programs::Op]) -> crate::programs::Txn {
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

/// All programs.
pub fn all() -> Vec<Program> {
    use Mutant as M;
    let _ = Commute(X);
    [
        M::M1,
        M::M3,
        M::M4,
        M::M5,
        M::M6,
        M::M7,
        M::M8,
        M::M9,
        M::M10,
        M::M11,
        M::M12,
        M::M13,
        M::M14,
        M::M15,
        M::M16,
        M::M17,
        M::M18,
        M::M19,
        M::M20a,
        M::X1,
        M::X2,
        M::X3,
        M::X5,
        M::X6,
        M::X9,
    ]
    .map(program_against)
    .into()
}
