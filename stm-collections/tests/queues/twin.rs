//! The queues beside a `VecDeque`: random programs of one thread, and short histories of several.

use std::collections::VecDeque;
use std::convert::Infallible;

use quickcheck::{Arbitrary, Gen, QuickCheck};
use stateright::semantics::SequentialSpec;
use stm_core::{Abort, ReadTx, Stm, Tx, abort, atomically, retry, snapshot, try_atomically};

use super::{Queue, rotate};
use crate::common::{Histories, Rng, seed};

#[derive(Clone, Debug)]
pub enum Op {
    Push(u32),
    PushFront(u32),
    Pop,
    Peek,
    PeekRef,
    Drain,
    IsEmpty,
    IsFull,
    Len,
    ForEach,
    ToVec,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Ret {
    /// The value, if it was given back.
    Pushed(Result<(), u32>),
    One(Option<u32>),
    All(Vec<u32>),
    Is(bool),
    Number(usize),
}

pub fn run(queue: &impl Queue<u32>, tx: &mut Tx<'_>, op: &Op) -> Stm<Ret> {
    Ok(match *op {
        Op::Push(n) => Ret::Pushed(queue.try_push(tx, n)?),
        Op::PushFront(n) => Ret::Pushed(queue.try_push_front(tx, n)?),
        Op::Pop => Ret::One(queue.try_pop(tx)?),
        Op::Drain => Ret::All(queue.drain(tx)?),
        _ => look(queue, tx, op)?,
    })
}

/// The operations that only read.
fn look(queue: &impl Queue<u32>, tx: &mut impl ReadTx, op: &Op) -> Stm<Ret> {
    Ok(match op {
        Op::Peek => Ret::One(queue.try_peek(tx)?),
        Op::PeekRef => Ret::One(queue.try_peek_ref(tx)?.map(|n| *n)),
        Op::IsEmpty => Ret::Is(queue.is_empty(tx)?),
        Op::IsFull => Ret::Is(queue.is_full(tx)?),
        Op::Len => Ret::Number(queue.len(tx)?),
        Op::ToVec => Ret::All(queue.to_vec(tx)?),
        Op::ForEach => {
            let mut all = Vec::new();
            queue.for_each(tx, |n| all.push(*n))?;
            Ret::All(all)
        }
        Op::Push(_) | Op::PushFront(_) | Op::Pop | Op::Drain => unreachable!("these write"),
    })
}

#[derive(Clone, Debug)]
pub struct Twin {
    elements: VecDeque<u32>,
    capacity: usize,
}

impl Twin {
    fn new(capacity: usize) -> Self {
        Self {
            elements: VecDeque::new(),
            capacity,
        }
    }
}

impl SequentialSpec for Twin {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        let full = self.elements.len() >= self.capacity;
        match *op {
            Op::Push(n) | Op::PushFront(n) if full => Ret::Pushed(Err(n)),
            Op::Push(n) => {
                self.elements.push_back(n);
                Ret::Pushed(Ok(()))
            }
            Op::PushFront(n) => {
                self.elements.push_front(n);
                Ret::Pushed(Ok(()))
            }
            Op::Pop => Ret::One(self.elements.pop_front()),
            Op::Peek | Op::PeekRef => Ret::One(self.elements.front().copied()),
            Op::Drain => Ret::All(self.elements.drain(..).collect()),
            Op::IsEmpty => Ret::Is(self.elements.is_empty()),
            Op::IsFull => Ret::Is(full),
            Op::Len => Ret::Number(self.elements.len()),
            Op::ForEach | Op::ToVec => Ret::All(self.elements.iter().copied().collect()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Kept,
    /// Undone by an error of the transaction's own.
    Aborted,
    KeptNested,
    AbortedNested,
    /// Undone by a retry, and then done again on the right.
    OtherBranch,
}

/// Some operations of one transaction, which may be undone.
#[derive(Clone, Debug)]
struct Part {
    ops: Vec<Op>,
    fate: Fate,
}

impl Arbitrary for Part {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut ops = Vec::new();
        for _ in 0..*g.choose(&[1, 2, 3, 4]).unwrap() {
            let n = u32::arbitrary(g);
            let kinds = [
                Op::Push(n),
                Op::Push(n),
                Op::PushFront(n),
                Op::Pop,
                Op::Pop,
                Op::Peek,
                Op::PeekRef,
                Op::Drain,
                Op::IsEmpty,
                Op::IsFull,
                Op::Len,
                Op::ForEach,
                Op::ToVec,
            ];
            let op = g.choose(&kinds).unwrap();
            let times = *g.choose(&[1, 1, 1, 3, 5, 17, 40]).unwrap();
            let mut next = n;
            ops.extend(std::iter::repeat_n(op, times).map(|op| {
                next = next.wrapping_add(1);
                match op {
                    Op::Push(_) => Op::Push(next),
                    Op::PushFront(_) => Op::PushFront(next),
                    op => op.clone(),
                }
            }));
        }
        let fates = [
            Fate::Kept,
            Fate::Kept,
            Fate::Kept,
            Fate::Aborted,
            Fate::KeptNested,
            Fate::AbortedNested,
            Fate::OtherBranch,
        ];
        Self {
            ops,
            fate: *g.choose(&fates).unwrap(),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let Self { ops, fate } = self.clone();
        Box::new((0..ops.len()).map(move |out| {
            let mut ops = ops.clone();
            ops.remove(out);
            Self { ops, fate }
        }))
    }
}

fn run_all(queue: &impl Queue<u32>, tx: &mut Tx<'_>, ops: &[Op]) -> Stm<Vec<Ret>> {
    ops.iter().map(|op| run(queue, tx, op)).collect()
}

/// Runs the part, undone or not.
fn run_part(queue: &impl Queue<u32>, Part { ops, fate }: &Part) -> Vec<Ret> {
    match fate {
        Fate::Kept => atomically(|tx| run_all(queue, tx, ops)),
        Fate::Aborted => try_atomically(|tx| abort::<(), _>(run_all(queue, tx, ops)?)).unwrap_err(),
        Fate::KeptNested => {
            atomically(|tx| tx.nested(|tx| Ok::<_, Abort<Infallible>>(run_all(queue, tx, ops)?)))
                .unwrap_or_else(|never| match never {})
        }
        Fate::AbortedNested => {
            atomically(|tx| tx.nested(|tx| abort::<(), _>(run_all(queue, tx, ops)?))).unwrap_err()
        }
        Fate::OtherBranch => atomically(|tx| {
            tx.or_else(
                |tx| {
                    run_all(queue, tx, ops)?;
                    retry()
                },
                |tx| run_all(queue, tx, ops),
            )
        }),
    }
}

fn agrees_with_twin<Q: Queue<u32>, const CAPACITY: usize>(program: Vec<Part>) {
    let queue = Q::with_room(CAPACITY);
    let mut twin = Twin::new(CAPACITY);
    for part in &program {
        let mut after = twin.clone();
        let expected: Vec<_> = part.ops.iter().map(|op| after.invoke(op)).collect();
        assert_eq!(run_part(&queue, part), expected, "{part:?}");
        if !matches!(part.fate, Fate::Aborted | Fate::AbortedNested) {
            twin = after;
        }
        for op in [
            Op::ToVec,
            Op::ForEach,
            Op::Len,
            Op::Peek,
            Op::PeekRef,
            Op::IsEmpty,
            Op::IsFull,
        ] {
            let seen = snapshot(|s| look(&queue, s, &op));
            assert_eq!(seen, twin.invoke(&op), "{op:?} after {part:?}");
        }
    }
}

/// Random programs do the same to the queue as to a `VecDeque`, also where some of it is undone.
pub fn spec<Q: Queue<u32>, const CAPACITY: usize>(programs: u64) {
    QuickCheck::new()
        .rng(Gen::from_size_and_seed(30, seed()))
        .tests(programs)
        .quickcheck(agrees_with_twin::<Q, CAPACITY> as fn(Vec<Part>));
}

/// Some order explains what threads see that do single operations.
pub fn linearizable<Q: Queue<u32>>(capacity: usize) {
    let choose = |rng: &mut Rng| {
        let n = rng.below(1000) as u32;
        match rng.below(16) {
            0..=4 => Op::Push(n),
            5..=6 => Op::PushFront(n),
            7..=11 => Op::Pop,
            12 => Op::Drain,
            13 => Op::Len,
            14 => Op::ToVec,
            _ => Op::Peek,
        }
    };
    // The ends begin before, at and behind the end of an array.
    for turned in 2..5 {
        Histories {
            rounds: 100,
            ..Histories::default()
        }
        .check(
            &Twin::new(capacity),
            || {
                let queue = Q::with_room(capacity);
                rotate(&queue, turned);
                queue
            },
            choose,
            |queue, op| atomically(|tx| run(queue, tx, &op)),
        );
    }
}
