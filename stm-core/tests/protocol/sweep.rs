//! Generated programs: small transactions beside each other, in every combination, without an idea of what could go wrong.

use crate::programs::Op::{Commute, OrElseWrite, Read, RetryIfInitial, Write};
use crate::programs::{Boxed, Call, Form, Inline, Program, Txn, X, Y, alone, atomically, snapshot};

/// What the transactions of a generated program are taken from.
fn shapes() -> Vec<Txn> {
    vec![
        atomically(&[Read(X), Read(Y)]),
        atomically(&[Read(Y), Read(X)]),
        atomically(&[Write(X)]),
        atomically(&[Write(X), Write(Y)]),
        atomically(&[Read(X), Write(X)]),
        atomically(&[Read(X), Write(Y)]),
        atomically(&[Read(Y), Write(X)]),
        atomically(&[Read(X), Read(Y), Write(X)]),
        alone(&[Read(X), Write(X)]),
        snapshot(&[Read(X), Read(Y)]),
        snapshot(&[Read(Y), Read(X)]),
        atomically(&[Commute(X), Write(Y)]),
        atomically(&[Read(X), RetryIfInitial(X), Write(Y)]),
        atomically(&[Read(X), OrElseWrite { left: X, right: Y }]),
    ]
}

const FORMS: [[Form; 2]; 4] = [
    [Inline, Inline],
    [Boxed, Boxed],
    [Boxed, Inline],
    [Inline, Boxed],
];

/// The constants of the engine that are worth an exploration each: `FLOAT_MAX`, `SEQ_MAX`.
const CONSTANTS: [(u8, u8); 3] = [(8, 8), (1, 0), (0, 1)];

/// Every two beside each other, under every policy.
pub fn pairs() -> Vec<Program> {
    let shapes = shapes();
    let mut programs = Vec::new();
    for (i, a) in shapes.iter().enumerate() {
        for b in &shapes[i..] {
            for program in each_form(&[a, b]) {
                under_every_policy(program, &mut programs);
            }
        }
    }
    programs
}

/// Every three.
pub fn triples() -> Vec<Program> {
    let shapes = shapes();
    let mut programs = Vec::new();
    for (i, a) in shapes.iter().enumerate() {
        for (j, b) in shapes.iter().enumerate().skip(i) {
            for c in &shapes[j..] {
                programs.extend(each_form(&[a, b, c]));
            }
        }
    }
    programs
}

/// Every four different ones of those that meet most, with one attempt each but for who waits.
pub fn fours() -> Vec<Program> {
    let shapes = [
        atomically(&[Read(X), Read(Y)]).at_most(1),
        atomically(&[Read(X), Write(Y)]).at_most(1),
        atomically(&[Read(Y), Write(X)]).at_most(1),
        atomically(&[Write(X), Write(Y)]).at_most(1),
        snapshot(&[Read(Y), Read(X)]),
        atomically(&[Read(X), RetryIfInitial(X), Write(Y)]),
    ];
    let mut programs = Vec::new();
    for (out, _) in shapes.iter().enumerate() {
        for another in 0..out {
            let stays = |i: &usize| ![out, another].contains(i);
            let four: Vec<&Txn> = (0..shapes.len())
                .filter(stays)
                .map(|i| &shapes[i])
                .collect();
            programs.extend(each_form(&four).filter(|p| p.float_max == 1));
        }
    }
    programs
}

fn each_form<'t>(txns: &'t [&Txn]) -> impl Iterator<Item = Program> + 't {
    FORMS.into_iter().flat_map(move |forms| {
        CONSTANTS.into_iter().map(move |(float_max, seq_max)| {
            let names: Vec<String> = txns.iter().map(ToString::to_string).collect();
            let constants = format!("{forms:?}, FLOAT_MAX {float_max}, SEQ_MAX {seq_max}");
            let name = format!("{} in {constants}", names.join(" | "));
            let mut program = Program::new(&name, forms);
            for &txn in txns {
                program = program.thread([txn.clone()]);
            }
            program.float_max(float_max).seq_max(seq_max)
        })
    })
}

/// With patience that ends, with the token in either's hands, with both who want it, and with a lease that ends.
fn under_every_policy(program: Program, programs: &mut Vec<Program>) {
    let mut add = |how: &str, mut changed: Program| {
        changed.name = format!("{}, {how}", program.name);
        programs.push(changed);
    };
    add("patient", program.clone());
    add("impatient", program.clone().impatient());
    // Who only reads is through before it has failed often enough.
    let may_hold = |t: usize| {
        let txn = &program.threads[t][0];
        txn.call == Call::Atomically && (txn.writes() || txn.waits())
    };
    let holders: Vec<usize> = (0..program.threads.len())
        .filter(|&t| may_hold(t))
        .collect();
    for &t in &holders {
        let mut starving = program.clone().starving(t);
        if holders.len() == program.threads.len() {
            starving = starving.claim_after(1);
        }
        add("with a holder", starving.clone());
        add(
            "with a lease that ends",
            starving.lease_may_end().impatient(),
        );
    }
}
