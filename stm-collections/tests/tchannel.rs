//! `TChannel` beside a queue for each receiver: what is received, what conflicts, what is kept. Waiting: see `tchannel_waiting`.

mod common;
mod twin;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{
    Histories, Rng, collect_until, elsewhere, on_threads, panic_of, seed, stumble, watched_alone,
};
use quickcheck::{Arbitrary, Gen};
use stateright::semantics::SequentialSpec;
use stm_collections::{Closed, TChannel, TReceiver};
use stm_core::{ReadTx, Stm, TVar, Tx, abort, atomically, snapshot, try_atomically};
use twin::{Program, quick};

/// Items in a row of the chain: where the paths differ.
const ROW: usize = 32;

const SEATS: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    Send(u8),
    SendMany(u8),
    Recv(usize),
    RecvMany(usize),
    Peek(usize),
    Len(usize),
    IsEmpty(usize),
    /// Whoever sits there leaves first.
    Join(usize),
    Leave(usize),
    Receivers,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Ret {
    Nothing,
    Sent(Result<(), String>),
    Number(usize),
    Empty(bool),
    Got(Result<Option<String>, Closed>),
    Many(Vec<String>),
}

impl Arbitrary for Op {
    fn arbitrary(g: &mut Gen) -> Self {
        let seat = usize::arbitrary(g) % SEATS;
        let n = u8::arbitrary(g);
        match u8::arbitrary(g) % 12 {
            0 | 1 => Self::Send(n),
            2 => Self::SendMany(n % 40),
            3 | 4 => Self::Recv(seat),
            5 => Self::RecvMany(seat),
            6 => Self::Peek(seat),
            7 => Self::Len(seat),
            8 => Self::IsEmpty(seat),
            9 => Self::Join(seat),
            10 => Self::Leave(seat),
            _ => Self::Receivers,
        }
    }
}

/// A queue for each receiver.
#[derive(Clone, Debug)]
struct Twin {
    capacity: usize,
    seats: [Option<VecDeque<String>>; SEATS],
}

impl Twin {
    fn new(capacity: Option<usize>) -> Self {
        Self {
            capacity: capacity.unwrap_or(usize::MAX),
            seats: Default::default(),
        }
    }

    fn send(&mut self, item: String) -> Result<(), String> {
        let mut queues = self.seats.iter().flatten();
        if queues.any(|queue| queue.len() >= self.capacity) {
            return Err(item);
        }
        for queue in self.seats.iter_mut().flatten() {
            queue.push_back(item.clone());
        }
        Ok(())
    }
}

impl SequentialSpec for Twin {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match *op {
            Op::Send(n) => Ret::Sent(self.send(n.to_string())),
            Op::SendMany(n) => Ret::Sent((0..n).try_for_each(|i| self.send(i.to_string()))),
            Op::Recv(i) => Ret::Got(match &mut self.seats[i] {
                Some(queue) => Ok(queue.pop_front()),
                None => Err(Closed),
            }),
            Op::RecvMany(i) => {
                let queue = self.seats[i].iter_mut();
                Ret::Many(queue.flat_map(|queue| queue.drain(..)).collect())
            }
            Op::Peek(i) => Ret::Got(match &self.seats[i] {
                Some(queue) => Ok(queue.front().cloned()),
                None => Err(Closed),
            }),
            Op::Len(i) => Ret::Number(self.seats[i].as_ref().map_or(0, VecDeque::len)),
            Op::IsEmpty(i) => Ret::Empty(self.seats[i].as_ref().is_none_or(VecDeque::is_empty)),
            Op::Join(i) => {
                self.seats[i] = Some(VecDeque::new());
                Ret::Nothing
            }
            Op::Leave(i) => {
                self.seats[i] = None;
                Ret::Nothing
            }
            Op::Receivers => Ret::Number(self.seats.iter().flatten().count()),
        }
    }
}

/// The channel and its receivers, which are kept in variables so that joins are undone with all else.
struct Real {
    channel: TChannel<String>,
    seats: [TVar<Option<Arc<TReceiver<String>>>>; SEATS],
}

impl Real {
    fn new(capacity: Option<usize>) -> Self {
        Self {
            channel: capacity.map_or_else(TChannel::new, TChannel::bounded),
            seats: Default::default(),
        }
    }

    fn run(&self, tx: &mut Tx<'_>, op: &Op) -> Stm<Ret> {
        let seat = match *op {
            Op::Recv(i) | Op::RecvMany(i) | Op::Peek(i) => self.seats[i].read(tx)?,
            Op::Len(i) | Op::IsEmpty(i) | Op::Leave(i) => self.seats[i].read(tx)?,
            _ => None,
        };
        Ok(match (op, seat) {
            (Op::Send(n), _) => Ret::Sent(self.channel.try_send(tx, n.to_string())?),
            (&Op::SendMany(n), _) => {
                for i in 0..n {
                    if let Err(item) = self.channel.try_send(tx, i.to_string())? {
                        return Ok(Ret::Sent(Err(item)));
                    }
                }
                Ret::Sent(Ok(()))
            }
            (&Op::Join(i), _) => {
                if let Some(before) = self.seats[i].read(tx)? {
                    before.leave(tx)?;
                }
                let receiver = Arc::new(self.channel.subscribe(tx)?);
                self.seats[i].write(tx, Some(receiver))?;
                Ret::Nothing
            }
            (Op::Receivers, _) => Ret::Number(self.channel.receivers(tx)?),
            (Op::Recv(_), Some(receiver)) => Ret::Got(receiver.try_recv(tx)?),
            (Op::RecvMany(_), Some(receiver)) => {
                let mut all = Vec::new();
                while let Ok(Some(item)) = receiver.try_recv_ref(tx)? {
                    all.push(item.clone());
                }
                Ret::Many(all)
            }
            (Op::Peek(_), Some(receiver)) => {
                let item = receiver.try_peek(tx)?;
                let looked_at = receiver.try_peek_ref(tx)?;
                assert_eq!(looked_at.map(|i| i.map(|i| i.clone())), item);
                Ret::Got(item)
            }
            (Op::Len(_), Some(receiver)) => Ret::Number(receiver.len(tx)?),
            (Op::IsEmpty(_), Some(receiver)) => Ret::Empty(receiver.is_empty(tx)?),
            (Op::Leave(_), Some(receiver)) => {
                receiver.leave(tx)?;
                Ret::Nothing
            }
            (Op::Recv(_) | Op::Peek(_), None) => Ret::Got(Err(Closed)),
            (Op::RecvMany(_), None) => Ret::Many(Vec::new()),
            (Op::Len(_), None) => Ret::Number(0),
            (Op::IsEmpty(_), None) => Ret::Empty(true),
            (Op::Leave(_), None) => Ret::Nothing,
        })
    }
}

fn same_as_queues(capacity: Option<usize>, program: &Program<Op>) {
    let real = Real::new(capacity);
    program.check(
        Twin::new(capacity),
        |twin, op| twin.invoke(op),
        |tx, op| real.run(tx, op),
    );
}

#[test]
fn spec() {
    watched_alone("spec", || {
        quick(
            80,
            (|program| same_as_queues(None, &program)) as fn(Program<Op>),
        );
    });
}

#[test]
fn spec_bounded() {
    watched_alone("spec_bounded", || {
        let property = |capacity: u8, program: Program<Op>| {
            same_as_queues(Some(usize::from(capacity % 8)), &program);
        };
        quick(80, property as fn(u8, Program<Op>));
    });
}

fn linearizable_with(capacity: Option<usize>) {
    let choose = |rng: &mut Rng| {
        let seat = rng.below(2);
        match rng.below(10) {
            0..=3 => Op::Send(rng.below(99) as u8),
            4..=6 => Op::Recv(seat),
            7 => Op::Join(seat),
            8 => Op::Len(seat),
            _ => [Op::Leave(seat), Op::Receivers, Op::IsEmpty(seat)][rng.below(3)].clone(),
        }
    };
    let mut twin = Twin::new(capacity);
    twin.invoke(&Op::Join(0));
    let make = || {
        let real = Real::new(capacity);
        atomically(|tx| real.run(tx, &Op::Join(0)));
        real
    };
    let histories = Histories {
        rounds: 200,
        ..Histories::default()
    };
    histories.check(&twin, make, choose, |real, op| {
        atomically(|tx| real.run(tx, &op))
    });
}

#[test]
fn linearizable() {
    watched_alone("linearizable", || linearizable_with(None));
}

#[test]
fn linearizable_bounded() {
    watched_alone("linearizable_bounded", || linearizable_with(Some(2)));
}

#[test]
fn each_receives_a_contiguous_run_of_the_commits() {
    const EACH: u64 = 400;
    watched_alone("contiguous", || {
        let seed = seed();
        for capacity in [None, Some(1), Some(40)] {
            let channel = capacity.map_or_else(TChannel::new, TChannel::bounded);
            let sent = TVar::new(0u64);
            let send = |channel: &TChannel<u64>| {
                atomically(|tx| {
                    let n = sent.read(tx)?;
                    channel.send(tx, n)?;
                    sent.write(tx, n + 1)
                });
            };
            let listen = |id: usize, channel: TChannel<u64>| {
                let mut rng = Rng::new(seed, id);
                let join = || atomically(|tx| Ok((sent.read(tx)?, channel.subscribe(tx)?)));
                for round in 0..20 {
                    let (start, receiver) = join();
                    for n in start..start + rng.below(60) as u64 {
                        stumble(&mut rng, 20);
                        match atomically(|tx| receiver.try_recv(tx)) {
                            Ok(Some(item)) => assert_eq!(item, n),
                            Ok(None) => break,
                            Err(Closed) => panic!("this thread has a handle to send with"),
                        }
                    }
                    if round % 2 == 0 {
                        atomically(|tx| receiver.leave(tx));
                    }
                }
                let (start, receiver) = join();
                drop(channel);
                let mut next = start;
                while let Ok(item) = atomically(|tx| receiver.recv(tx)) {
                    assert_eq!(item, next);
                    next += 1;
                }
                assert_eq!(next, 2 * EACH, "nothing is missing at the end");
            };
            let handles = std::sync::Mutex::new(vec![channel; 4]);
            on_threads(4, |id| {
                let channel = handles.lock().unwrap().pop().expect("one each");
                if id < 2 {
                    (0..EACH).for_each(|_| send(&channel));
                } else {
                    listen(id, channel);
                }
            });
        }
    });
}

/// Items go from one channel to the other, by two threads that share the receiver; everybody sees each in exactly one.
#[test]
fn forwarding_is_seen_whole() {
    const ITEMS: usize = 300;
    fn look(tx: &mut impl ReadTx, from: &TReceiver<usize>, to: &TReceiver<usize>) -> Stm<()> {
        let (before, after) = (from.len(tx)?, to.len(tx)?);
        assert_eq!(before + after, ITEMS);
        let next = from.try_peek(tx)?.expect("it is open");
        assert_eq!(
            next.unwrap_or(ITEMS),
            after,
            "what is next here is not there"
        );
        let first = to.try_peek(tx)?.expect("it is open");
        assert_eq!(first, (after > 0).then_some(0));
        Ok(())
    }
    watched_alone("forward", || {
        for capacity in [None, Some(ITEMS)] {
            let [a, b] = [(); 2].map(|()| capacity.map_or_else(TChannel::new, TChannel::bounded));
            let (from, to) = atomically(|tx| Ok((a.subscribe(tx)?, b.subscribe(tx)?)));
            let moved = TVar::new(0);
            (0..ITEMS).for_each(|n| atomically(|tx| a.send(tx, n)));
            let over = AtomicBool::new(false);
            std::thread::scope(|s| {
                let (from, to, over) = (&from, &to, &over);
                for by_snapshot in [false, true] {
                    s.spawn(move || {
                        while !over.load(Ordering::Relaxed) {
                            if by_snapshot {
                                snapshot(|s| look(s, from, to));
                            } else {
                                atomically(|tx| look(tx, from, to));
                            }
                        }
                    });
                }
                let seed = seed();
                on_threads(2, |id| {
                    let mut rng = Rng::new(seed, id);
                    for _ in 0..ITEMS / 2 {
                        atomically(|tx| {
                            let item = from.recv(tx)?.expect("it is open");
                            stumble(&mut rng, 3);
                            b.send(tx, item)?;
                            moved.modify(tx, |n| n + 1)
                        });
                    }
                });
                over.store(true, Ordering::Relaxed);
            });
            assert_eq!(moved.load(), ITEMS);
            let order: Vec<_> = (0..ITEMS)
                .map(|_| atomically(|tx| to.recv(tx)).expect("it is there"))
                .collect();
            assert!(order.into_iter().eq(0..ITEMS));
        }
    });
}

#[test]
fn broadcast_no_readers() {
    watched_alone("no_readers", || {
        let item = Arc::new(());
        for channel in [TChannel::new(), TChannel::bounded(0), TChannel::bounded(3)] {
            let alive = || Arc::strong_count(&item) - 1;
            let send_many = || {
                for _ in 0..3 {
                    atomically(|tx| channel.try_send(tx, Arc::clone(&item))).expect("nobody lags");
                }
            };
            send_many();
            assert_eq!(alive(), 0, "nobody listens, nothing is kept, at once");

            // The same after somebody has been there, with items in the middle of a row and beyond.
            for by_drop in [false, true] {
                let receiver = atomically(|tx| channel.subscribe(tx));
                let kept = (0..ROW + 8)
                    .filter(|_| atomically(|tx| channel.try_send(tx, Arc::clone(&item))).is_ok())
                    .count();
                assert_eq!(kept, channel.capacity().unwrap_or(usize::MAX).min(ROW + 8));
                assert_eq!(snapshot(|s| receiver.len(s)), kept);
                if by_drop {
                    drop(receiver);
                    collect_until(|| alive() == 0);
                } else {
                    atomically(|tx| receiver.leave(tx));
                    collect_until(|| alive() == 0);
                    drop(receiver);
                }
                assert_eq!(alive(), 0);
                send_many();
                assert_eq!(alive(), 0);
            }
        }
    });
}

#[test]
fn what_all_have_received_is_freed() {
    watched_alone("freed", || {
        let item = Arc::new(());
        let alive = || Arc::strong_count(&item) - 1;
        let channel = TChannel::new();
        let receivers = [(); 2].map(|()| atomically(|tx| channel.subscribe(tx)));
        let receive = |n: usize, who: &TReceiver<Arc<()>>| {
            (0..n).for_each(|_| drop(atomically(|tx| who.recv(tx)).expect("it is open")));
        };
        (0..3 * ROW + 5).for_each(|_| atomically(|tx| channel.send(tx, Arc::clone(&item))));
        receive(3 * ROW + 5, &receivers[0]);
        receive(ROW + 2, &receivers[1]);
        collect_until(|| alive() == 2 * ROW + 5);
        assert_eq!(
            alive(),
            2 * ROW + 5,
            "the slowest one's row and those after it"
        );
        receive(ROW - 2, &receivers[1]);
        collect_until(|| alive() == ROW + 5);
        assert_eq!(alive(), ROW + 5, "at a row's end nothing lingers");
        receive(ROW + 5, &receivers[1]);
        collect_until(|| alive() == 5);
        assert_eq!(alive(), 5, "but here, within the row");
        drop(receivers);
        collect_until(|| alive() == 0);
        assert_eq!(alive(), 0);
    });
}

#[test]
fn a_channel_that_goes_drops_each_item_once() {
    watched_alone("drops", || {
        let item = Arc::new(());
        for receivers_first in [false, true] {
            let channel = TChannel::new();
            let receivers = [(); 3].map(|()| atomically(|tx| channel.subscribe(tx)));
            on_threads(2, |_| {
                (0..50).for_each(|_| atomically(|tx| channel.send(tx, Arc::clone(&item))));
            });
            drop(atomically(|tx| receivers[0].recv(tx)));
            if receivers_first {
                drop(receivers);
                drop(channel);
            } else {
                drop(channel);
                drop(receivers);
            }
            collect_until(|| Arc::strong_count(&item) == 1);
            assert_eq!(Arc::strong_count(&item), 1);
        }
    });
}

#[test]
fn receivers_do_not_conflict() {
    watched_alone("receivers", || {
        let channel = TChannel::new();
        let [one, other] = [(); 2].map(|()| atomically(|tx| channel.subscribe(tx)));
        for n in 0..3 * ROW {
            atomically(|tx| channel.send(tx, n));
            let attempts = atomically(|tx| {
                assert_eq!(one.recv(tx)?, Ok(n));
                if tx.attempt() == 1 {
                    assert_eq!(elsewhere(|| atomically(|tx| other.recv(tx))), Ok(n));
                }
                Ok(tx.attempt())
            });
            assert_eq!(attempts, 1, "at {n}");
        }
        // Nor do coming and going of others disturb.
        atomically(|tx| channel.send(tx, 0));
        let attempts = atomically(|tx| {
            let _ = one.recv(tx)?;
            if tx.attempt() == 1 {
                elsewhere(|| drop(atomically(|tx| channel.subscribe(tx))));
            }
            Ok(tx.attempt())
        });
        assert_eq!(attempts, 1);
    });
}

/// Lets a send commit in the middle of a receive, and the other way round; gives the attempts of each.
fn cross(channel: &TChannel<usize>, receiver: &TReceiver<usize>) -> (u32, u32) {
    let receiving = atomically(|tx| {
        let _ = receiver.try_recv(tx)?;
        if tx.attempt() == 1 {
            elsewhere(|| atomically(|tx| channel.send(tx, 0)));
        }
        // A transaction that writes nothing could give up its place in the order instead.
        TVar::new(0).write(tx, 1)?;
        Ok(tx.attempt())
    });
    let sending = atomically(|tx| {
        channel.send(tx, 0)?;
        if tx.attempt() == 1 {
            let _ = elsewhere(|| atomically(|tx| receiver.try_recv(tx)));
        }
        Ok(tx.attempt())
    });
    (receiving, sending)
}

#[test]
fn send_and_recv_do_not_conflict_unless_it_is_empty() {
    watched_alone("send_recv", || {
        for channel in [TChannel::new(), TChannel::bounded(1 << 40)] {
            let receiver = atomically(|tx| channel.subscribe(tx));
            atomically(|tx| channel.send(tx, 0));
            for n in 0..2 * ROW {
                assert_eq!(cross(&channel, &receiver), (1, 1), "at {n}");
            }
            assert_eq!(atomically(|tx| receiver.recv(tx)), Ok(0));
            assert_eq!(
                cross(&channel, &receiver).0,
                2,
                "what found it empty must run again"
            );
        }
    });
}

#[test]
fn a_sender_with_credit_does_not_look_at_the_receivers() {
    watched_alone("credit", || {
        let channel = TChannel::bounded(8);
        let receiver = atomically(|tx| channel.subscribe(tx));
        (0..4).for_each(|n| atomically(|tx| channel.send(tx, n)));
        let rounds = 64;
        let disturbed = (0..rounds)
            .filter(|_| {
                let attempts = atomically(|tx| {
                    channel.send(tx, 0)?;
                    if tx.attempt() == 1 {
                        elsewhere(|| atomically(|tx| receiver.recv(tx))).expect("it is open");
                    }
                    Ok(tx.attempt())
                });
                attempts > 1
            })
            .count();
        assert_eq!(snapshot(|s| receiver.len(s)), 4);
        assert!(
            (1..=rounds / 4).contains(&disturbed),
            "each look finds room for four or five more: {disturbed}"
        );
    });
}

#[test]
fn joins_and_sends_of_one_transaction() {
    watched_alone("join_send", || {
        let channel = TChannel::new();
        let (first, second) = atomically(|tx| {
            channel.send(tx, 0)?;
            let first = channel.subscribe(tx)?;
            channel.send(tx, 1)?;
            let second = channel.subscribe(tx)?;
            channel.send(tx, 2)?;
            assert_eq!(channel.receivers(tx)?, 2);
            assert_eq!((first.len(tx)?, second.len(tx)?), (2, 1));
            assert_eq!(first.recv(tx)?, Ok(1));
            Ok((first, second))
        });
        for receiver in [first, second] {
            assert_eq!(atomically(|tx| receiver.recv(tx)), Ok(2));
            assert_eq!(atomically(|tx| receiver.try_recv(tx)), Ok(None));
        }
    });
}

#[test]
fn a_receiver_dropped_inside_a_body_leaves_after_it() {
    watched_alone("drop_inside", || {
        for channel in [TChannel::new(), TChannel::bounded(5)] {
            let receivers = || atomically(|tx| channel.receivers(tx));
            let join = || atomically(|tx| channel.subscribe(tx));

            let (mut taken, stays) = (Some(join()), join());
            atomically(|tx| {
                channel.send(tx, 'a')?;
                drop(taken.take());
                assert_eq!(channel.receivers(tx)?, 2, "not before the body is over");
                Ok(())
            });
            assert_eq!(receivers(), 1);

            let mut taken = Some(join());
            let undone: Result<(), _> = try_atomically(|tx| {
                channel.send(tx, 'b')?;
                drop(taken.take());
                abort("undone")
            });
            assert_eq!((undone, receivers()), (Err("undone"), 1), "however it ends");

            let mut taken = Some(join());
            snapshot(|_| {
                drop(taken.take());
                Ok(())
            });
            assert_eq!(receivers(), 1);

            // What has joined and gone within one body.
            atomically(|tx| {
                drop(channel.subscribe(tx)?);
                Ok(())
            });
            assert_eq!(receivers(), 1);
            assert_eq!(atomically(|tx| stays.recv(tx)), Ok('a'));
            assert_eq!(atomically(|tx| stays.try_recv(tx)), Ok(None));
        }
    });
}

#[test]
fn a_join_that_is_undone_has_not_been() {
    watched_alone("join_undone", || {
        for channel in [TChannel::new(), TChannel::bounded(1)] {
            let receivers = || atomically(|tx| channel.receivers(tx));
            // Kept beyond its transaction: as one that has left.
            let kept: Result<(), _> = try_atomically(|tx| abort(channel.subscribe(tx)?));
            let kept = kept.expect_err("it is undone");
            assert_eq!(receivers(), 0);
            (0..3).for_each(|n| atomically(|tx| channel.send(tx, n)));
            assert_eq!(atomically(|tx| kept.recv(tx)), Err(Closed));
            assert_eq!(snapshot(|s| kept.len(s)), 0);
            atomically(|tx| kept.leave(tx));

            let stays = atomically(|tx| channel.subscribe(tx));
            drop(kept);
            assert_eq!(receivers(), 1, "it takes nobody's place with it");

            // By a conflict: only the attempt that counts has joined.
            let beside = TVar::new(0);
            let joined = atomically(|tx| {
                let joined = channel.subscribe(tx)?;
                let n = beside.read(tx)?;
                if tx.attempt() == 1 {
                    elsewhere(|| beside.store(7));
                }
                beside.write(tx, n + 1)?;
                Ok(joined)
            });
            assert_eq!(receivers(), 2);
            atomically(|tx| channel.send(tx, 9));
            for receiver in [joined, stays] {
                assert_eq!(atomically(|tx| receiver.recv(tx)), Ok(9));
            }
            assert_eq!(receivers(), 0);
        }
    });
}

#[test]
fn a_clone_that_panics_has_received_nothing() {
    #[derive(Debug)]
    struct Shy(bool);
    impl Clone for Shy {
        fn clone(&self) -> Self {
            assert!(!self.0, "shy");
            Self(false)
        }
    }
    watched_alone("panic", || {
        let channel = TChannel::new();
        let receiver = atomically(|tx| channel.subscribe(tx));
        atomically(|tx| channel.send(tx, Shy(true)));
        atomically(|tx| {
            // A body that goes on after the panic.
            assert_eq!(panic_of(|| receiver.recv(tx)), "shy");
            channel.send(tx, Shy(false))
        });
        assert_eq!(snapshot(|s| receiver.len(s)), 2);
        assert_eq!(panic_of(|| atomically(|tx| receiver.recv(tx))), "shy");
        let seen = atomically(|tx| Ok(receiver.recv_ref(tx)?.map(|item| item.0)));
        assert_eq!(seen, Ok(true));
    });
}

#[test]
fn handles() {
    watched_alone("handles", || {
        let channel = TChannel::<u8>::default();
        let receiver = atomically(|tx| channel.clone().subscribe(tx));
        atomically(|tx| channel.clone().send(tx, 1));
        assert_eq!(snapshot(|s| receiver.peek(s)), Ok(1));
        assert_eq!(format!("{channel:?}"), "TChannel { capacity: None, .. }");
        assert!(format!("{receiver:?}").starts_with("TReceiver("));
        assert_eq!(
            Closed.to_string(),
            "the channel is closed and has been received to its end"
        );
        fn shared<T: Send + Sync>(_: &T) {}
        shared(&channel);
        shared(&receiver);
    });
}
