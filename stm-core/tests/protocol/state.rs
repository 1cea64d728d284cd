//! What the model's world consists of: plain values, so that a state can be copied, compared and hashed.

/// Bounds of the model: the largest program needs no more.
pub const VARS: usize = 3;
pub const THREADS: usize = 5;
pub const NODES: usize = 14;
pub const READS: usize = 4;
/// Attempts of all transactions together.
pub const RECORDS: usize = 16;

/// No node.
pub const NIL: u8 = u8::MAX;
/// No value: not read.
pub const UNREAD: u8 = u8::MAX;
/// What every variable holds at first. A transaction writes its own number, which is greater.
pub const INITIAL: u8 = 0;

/// `word::Word`. A boxed one has a node and no version of its own, an inline one the reverse.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Word {
    pub locked: bool,
    pub waiters: bool,
    pub version: u8,
    pub seq: u8,
    pub node: u8,
}

impl Word {
    pub const UNUSED: Self = Self {
        locked: false,
        waiters: false,
        version: 0,
        seq: 0,
        node: NIL,
    };

    pub const fn of_node(node: u8) -> Self {
        Self {
            node,
            ..Self::UNUSED
        }
    }

    pub const fn is_inline(self) -> bool {
        self.node == NIL
    }

    /// `Word::settled`.
    pub const fn settled(self) -> Self {
        Self {
            locked: false,
            waiters: false,
            ..self
        }
    }

    /// `Word::same_value`.
    pub fn same_value(self, other: Self) -> bool {
        self.locked == other.locked
            && self.version == other.version
            && self.seq == other.seq
            && self.node == other.node
    }
}

/// `block::Block`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Var {
    pub word: Word,
    /// The value, if it is inline.
    pub bits: u8,
    /// The newest history node.
    pub head: u8,
}

/// Whether a node may be looked into.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Life {
    Alive,
    /// To be freed when these threads, which were pinned when it was retired, have all unpinned.
    Retired(u8),
    Freed,
}

/// `boxed::Node` or `history::HistoryNode`. A number stands for one node for ever: that an address is used again does not
/// concern who is pinned, and the model reports a node that is freed while somebody pinned holds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    pub life: Life,
    pub version: u8,
    pub prev: u8,
    pub value: u8,
}

impl Node {
    pub const FREED: Self = Self {
        life: Life::Freed,
        version: 0,
        prev: NIL,
        value: INITIAL,
    };
}

/// `log::Read`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Read {
    pub var: u8,
    pub seen: Word,
}

/// `call::Start`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Start {
    Update,
    TrackedSnapshot,
    Holder,
}

/// `tx::Mode`; a doomed attempt ends at once in the model, as in a body that passes its errors on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Mode {
    Update,
    Snapshot,
}

/// `cause::Cause`, as far as the protocol itself has them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    ReadLocked,
    ReadChanged,
    OldValueGone,
    CommitLocked,
    CommitChanged,
    GaveWay,
    WroteInSnapshot,
}

impl Cause {
    pub const ALL: [Self; 7] = [
        Self::ReadLocked,
        Self::ReadChanged,
        Self::OldValueGone,
        Self::CommitLocked,
        Self::CommitChanged,
        Self::GaveWay,
        Self::WroteInSnapshot,
    ];
}

/// Why `snapshot::read_as_of` is called.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Why {
    Body,
    /// `is_newest_at` for this read, before the variable `then` can be read.
    Check {
        read: u8,
        then: u8,
    },
}

/// How an attempt ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// With its result.
    Done,
    /// In a conflict.
    Failed(Cause),
    /// In a conflict, and the call may not try again.
    GivenUp,
    /// It waits.
    Asleep,
    /// It would wait, but has no need to.
    Changed,
}

/// Where a thread stands: the shared access that it makes next, with what it carries there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum At {
    /// Between attempts.
    Begin,
    /// `Clock::begin_snapshot`, after the pin.
    Ticket,
    /// The same in two steps, for a mutant that adopts the advance of another.
    TicketExchange {
        time: u8,
        active: u8,
    },
    ClearFilter,
    SetToken,

    Announce {
        var: u8,
    },
    Sample {
        var: u8,
    },
    Bits {
        var: u8,
        look: Word,
    },
    Again {
        var: u8,
        look: Word,
        bits: u8,
    },
    Recheck {
        var: u8,
        look: Word,
        value: u8,
        read: u8,
    },
    Anchor {
        var: u8,
        look: Word,
        value: u8,
    },
    AnchorCheck {
        var: u8,
        look: Word,
        value: u8,
        read: u8,
        now: u8,
    },
    /// For a mutant that looks at the version only.
    LookAtVersion {
        var: u8,
        look: Word,
        value: u8,
    },

    ConvertAdvance {
        var: u8,
        s: u8,
    },
    AsOf {
        var: u8,
        s: u8,
        why: Why,
    },
    AsOfBits {
        var: u8,
        s: u8,
        why: Why,
        look: Word,
    },
    AsOfAgain {
        var: u8,
        s: u8,
        why: Why,
        look: Word,
        bits: u8,
    },
    Chain {
        var: u8,
        s: u8,
        why: Why,
        node: u8,
    },
    HistoryHead {
        var: u8,
    },
    HistoryWalk {
        var: u8,
        node: u8,
    },

    Lock {
        var: u8,
    },
    /// For a mutant that looks for snapshots before it loads the clock.
    LookForSnapshots,
    Clock,
    Token,
    Filter {
        var: u8,
    },
    MoveClock,
    ClockAgain,
    Validate {
        read: u8,
    },
    Save {
        var: u8,
    },
    Store {
        var: u8,
    },
    Publish {
        var: u8,
    },
    /// `Clock::end_snapshot`.
    EndTicket {
        end: End,
    },
    LetGo {
        end: End,
    },
    Wake {
        var: u8,
    },
    Unlock {
        var: u8,
        cause: Cause,
    },

    Register {
        var: u8,
    },
    SetWaiters {
        var: u8,
    },
    Asleep,

    AwaitRelease,
    Claim,
    Done,
}

/// A thread, in three lifetimes: its list of transactions, one of their calls, one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Thread {
    pub at: At,
    /// Which of its transactions.
    pub txn: u8,

    /// From 0.
    pub attempt: u8,
    pub failures: u8,
    pub start: Start,
    pub may_be_snapshot: bool,
    pub gave_way: bool,
    pub woken: bool,

    pub op: u8,
    pub pinned: bool,
    pub mode: Mode,
    /// It has a ticket: it is counted in the clock.
    pub tracked: bool,
    pub anchored: bool,
    pub outdated: bool,
    /// It announces its reads.
    pub holder: bool,
    pub rv: u8,
    pub reads: [Read; READS],
    pub read_count: u8,
    /// Sets of variables.
    pub writes: u8,
    pub commutes: u8,
    pub locked: u8,
    pub wakes: u8,
    /// Nodes that the body was given references to, and those that its commit saved as history.
    pub refs: u16,
    pub saved: u16,
    pub wv: u8,
    pub live: bool,
    pub replaced: [Word; VARS],
}

impl Thread {
    const NO_READ: Read = Read {
        var: 0,
        seen: Word::UNUSED,
    };

    pub const fn new(at: At) -> Self {
        Self {
            at,
            txn: 0,
            attempt: 0,
            failures: 0,
            start: Start::Update,
            may_be_snapshot: true,
            gave_way: false,
            woken: false,
            op: 0,
            pinned: false,
            mode: Mode::Update,
            tracked: false,
            anchored: false,
            outdated: false,
            holder: false,
            rv: 0,
            reads: [Self::NO_READ; READS],
            read_count: 0,
            writes: 0,
            commutes: 0,
            locked: 0,
            wakes: 0,
            refs: 0,
            saved: 0,
            wv: 0,
            live: false,
            replaced: [Word::UNUSED; VARS],
        }
    }

    /// `Log::clear`, and what else is of one attempt.
    pub fn clear_attempt(&mut self) {
        *self = Self {
            at: self.at,
            txn: self.txn,
            attempt: self.attempt,
            failures: self.failures,
            start: self.start,
            may_be_snapshot: self.may_be_snapshot,
            gave_way: self.gave_way,
            woken: self.woken,
            ..Self::new(self.at)
        };
    }

    pub fn reads(&self) -> &[Read] {
        &self.reads[..self.read_count as usize]
    }

    pub fn push_read(&mut self, var: u8, seen: Word) {
        self.reads[self.read_count as usize] = Read {
            var,
            seen: seen.settled(),
        };
        self.read_count += 1;
    }
}

/// What the opacity oracle remembers of one attempt. No part of the protocol looks at it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Record {
    /// By variable: whose value the body saw.
    pub reads: [u8; VARS],
    /// What it has written, from its linearization point on, and the value.
    pub writes: u8,
    pub value: u8,
    pub ended: bool,
    /// The attempts that had ended when this one began.
    pub before: u16,
}

impl Record {
    pub const EMPTY: Self = Self {
        reads: [UNREAD; VARS],
        writes: 0,
        value: INITIAL,
        ended: false,
        before: 0,
    };

    /// Nothing follows from it.
    pub fn is_empty(&self) -> bool {
        self.writes == 0 && self.reads == [UNREAD; VARS]
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    pub time: u8,
    pub active: u8,
    pub vars: [Var; VARS],
    pub nodes: [Node; NODES],
    pub made: u8,
    /// By variable, the threads that are registered.
    pub table: [u8; VARS],
    /// The token leads to the filter.
    pub token: bool,
    pub filter: u8,
    /// `Line::held`: a thread.
    pub held: u8,
    pub lease_over: bool,
    /// A lease may run out once in a run.
    pub lease_has_ended: bool,
    pub threads: [Thread; THREADS],
    pub records: [Record; RECORDS],
}

/// Nobody holds the token.
pub const NOBODY: u8 = u8::MAX;

impl State {
    /// The set of threads that are pinned.
    pub fn pinned(&self) -> u8 {
        let mut set = 0;
        for (t, thread) in self.threads.iter().enumerate() {
            if thread.pinned {
                set |= 1 << t;
            }
        }
        set
    }

    pub fn lease_runs(&self) -> bool {
        self.held != NOBODY && !self.lease_over
    }
}

/// The members of a set of small numbers, ascending.
pub fn members(set: u8) -> impl Iterator<Item = u8> {
    (0..8).filter(move |i| set >> i & 1 == 1)
}

/// The first member that is at least `from`.
pub fn first_from(set: u8, from: u8) -> Option<u8> {
    (from..8).find(|i| set >> i & 1 == 1)
}
