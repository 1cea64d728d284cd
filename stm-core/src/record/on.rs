//! The recorder: each thread gathers the attempt that it runs and adds it, when it ends, to a list of its own.
//!
//! To a history, the words of a record are variables that are always published together: so it shows which of them an attempt was
//! given, and what was in each.
//!
//! A list is behind a mutex that only its thread takes until the recording stops. What threads share while they run is the
//! stamp that each begin and each end draws, and the serial numbers.

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use crate::block::{Field, Pinned, Seen};
use crate::boxed::PendingView;
use crate::cause::Cause;
use crate::clock::Time;
use crate::diagnostics::history::raw::{RawAttempt, RawRead};
use crate::diagnostics::history::{Outcome, Staged, ValueId, VarId, Write as Published};
use crate::error::Stm;
use crate::log::{Commuted, Log, Write};
use crate::sync::{AtomicU64, Mutex, Ordering, local};
use crate::tx::Verdict;
use crate::wait::Reason;
use crate::word::Word;

/// The recording that runs, from 1; 0 where none does.
static SESSION: AtomicU64 = AtomicU64::new(0);
static SESSIONS: AtomicU64 = AtomicU64::new(0);
/// Real time: begins and ends of attempts, in one order.
static STAMPS: AtomicU64 = AtomicU64::new(0);
static SERIALS: AtomicU64 = AtomicU64::new(1);
static CALLS: AtomicU64 = AtomicU64::new(1);
static THREADS: AtomicU64 = AtomicU64::new(1);
static LISTS: Mutex<Vec<Arc<List>>> = Mutex::new(Vec::new());

type List = Mutex<Vec<RawAttempt>>;

/// Tells variables and boxed values apart for ever, unlike their addresses.
#[derive(Debug)]
pub(crate) struct Serial(u64);

impl Serial {
    pub(crate) fn next() -> Self {
        Self::first_of(1)
    }

    /// The first of `count` in a row.
    pub(crate) fn first_of(count: usize) -> Self {
        // Relaxed: the numbers only have to differ.
        Self(SERIALS.fetch_add(count as u64, Ordering::Relaxed))
    }

    pub(crate) const fn number(&self) -> u64 {
        self.0
    }
}

/// The number of a call, drawn at its first attempt: 0 until then.
#[derive(Debug)]
pub(crate) struct CallId(u64);

impl CallId {
    pub(crate) const fn new() -> Self {
        Self(0)
    }
}

/// Relaxed: the numbers only have to differ.
fn draw(from: &AtomicU64) -> u64 {
    from.fetch_add(1, Ordering::Relaxed)
}

/// SeqCst: what ended before another began has the smaller stamp, on whatever threads.
fn stamp() -> u64 {
    STAMPS.fetch_add(1, Ordering::SeqCst)
}

struct Recorder {
    thread: u64,
    list: Arc<List>,
    /// The attempt that runs. More than one where the `Clone` of a single read runs a transaction of its own.
    open: Vec<RawAttempt>,
}

local! {
    static RECORDER: RefCell<Option<Recorder>> = RefCell::new(None);
}

impl Recorder {
    fn join() -> Self {
        let list = Arc::new(Mutex::new(Vec::new()));
        LISTS.lock().push(Arc::clone(&list));
        Self {
            thread: draw(&THREADS),
            list,
            open: Vec::new(),
        }
    }
}

/// Starts a recording; `None` while another runs.
pub(crate) fn start() -> Option<u64> {
    let session = draw(&SESSIONS) + 1;
    // SeqCst: pairs with the load in `begin`; attempts that begin on other threads from now on are recorded.
    SESSION
        .compare_exchange(0, session, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
        .then_some(session)
}

/// Ends the recording.
pub(crate) fn stop() {
    // SeqCst: pairs with the load in `begin`; attempts that begin on other threads from now on are not recorded.
    SESSION.store(0, Ordering::SeqCst);
}

/// What all threads have recorded in `session`. What is left of others is thrown away.
pub(crate) fn take(session: u64) -> Vec<RawAttempt> {
    let mut lists = LISTS.lock();
    let mut all: Vec<RawAttempt> = Vec::new();
    for list in lists.iter() {
        all.append(&mut list.lock());
    }
    // Those of threads that have ended.
    lists.retain(|list| Arc::strong_count(list) > 1);
    all.retain(|attempt| attempt.session == session);
    all
}

/// An attempt is about to look at the clock for the first time (Y1).
pub(crate) fn begin(call: &mut CallId, attempt: u32, what: &'static str) {
    // SeqCst: pairs with the exchange in `start` and the store in `stop`: one order for all who record.
    let session = SESSION.load(Ordering::SeqCst);
    if session == 0 {
        return;
    }
    if call.0 == 0 {
        call.0 = draw(&CALLS);
    }
    if starts_over(call, attempt) {
        return;
    }
    with(|recorder| {
        let recorder = recorder.get_or_insert_with(Recorder::join);
        recorder.open.push(RawAttempt {
            session,
            call: call.0,
            number: attempt,
            what,
            thread: recorder.thread,
            begin: stamp(),
            end: 0,
            reads: Vec::new(),
            writes: Vec::new(),
            staged: Vec::new(),
            outcome: Outcome::Unfinished,
        });
    });
}

/// A store or swap that found its quick way closed begins the same attempt again: nothing has come of it.
fn starts_over(call: &CallId, attempt: u32) -> bool {
    let mut same = false;
    with_open(|open| {
        same = (open.call, open.number) == (call.0, attempt);
        if same {
            open.reads.clear();
        }
    });
    same
}

fn with<R>(f: impl FnOnce(&mut Option<Recorder>) -> R) -> Option<R> {
    // Once the thread's locals are gone, nothing is recorded any more.
    RECORDER
        .try_with(|recorder| f(&mut recorder.borrow_mut()))
        .ok()
}

/// Runs `f` with the attempt that is being recorded, if one is.
fn with_open(f: impl FnOnce(&mut RawAttempt)) {
    with(|recorder| {
        if let Some(open) = recorder.as_mut().and_then(|r| r.open.last_mut()) {
            f(open);
        }
    });
}

fn end(outcome: Outcome, staged: impl FnOnce() -> Vec<Staged>) {
    with(|recorder| {
        let Some(recorder) = recorder else { return };
        let Some(mut attempt) = recorder.open.pop() else {
            return;
        };
        attempt.end = stamp();
        attempt.outcome = outcome;
        attempt.staged = staged();
        recorder.list.lock().push(attempt);
    });
}

/// A load, store or swap is under way: user code that unwinds out of it leaves no attempt open.
#[derive(Debug)]
pub(crate) struct Single {
    open_outside: usize,
}

impl Single {
    pub(crate) fn new() -> Self {
        Self {
            open_outside: open_attempts(),
        }
    }
}

impl Drop for Single {
    fn drop(&mut self) {
        while open_attempts() > self.open_outside {
            end(Outcome::Unfinished, Vec::new);
        }
    }
}

fn open_attempts() -> usize {
    with(|recorder| recorder.as_ref().map_or(0, |r| r.open.len())).unwrap_or(0)
}

fn id_of_var(block: Pinned, field: Field) -> VarId {
    let index = field.index().unwrap_or(0);
    VarId(block.get().serial().number() + index as u64)
}

/// The name of a published value, and what can be seen of it.
fn id_of_value(word: Word, seen: Seen<'_>) -> (ValueId, u64) {
    match seen {
        Seen::Bits(bits) => (ValueId::of_word(word), bits),
        Seen::Node(node, _) => {
            let serial = Seen::serial_of(node);
            (ValueId::of_serial(serial), serial)
        }
    }
}

fn note_read(block: Pinned, field: Field, read: RawRead) {
    with_open(|open| open.reads.push((id_of_var(block, field), read)));
}

/// The body is given the value that `word` published.
pub(crate) fn read(block: Pinned, field: Field, word: Word, seen: Seen<'_>) {
    let (value, content) = id_of_value(word, seen);
    note_read(block, field, RawRead::Value { value, content });
}

/// The body is given a boxed value that has been replaced since.
pub(crate) fn read_replaced(block: Pinned, seen: Seen<'_>) {
    read(block, Field::VALUE, Word::inline_initial(), seen);
}

/// The body is given an inline value that a commit saved: the last one of its version (H1).
pub(crate) fn read_saved(block: Pinned, field: Field, version: Time, content: u64) {
    note_read(block, field, RawRead::Saved { version, content });
}

/// A look that the transaction does not rest on.
pub(crate) fn no_read(_: Pinned, _: Field, _: Word, _: Seen<'_>) {}

/// The commit stores `word` where it had found `replaced`. What is pending of a record is in its place already.
pub(crate) fn publishes(write: &Write, replaced: Word, word: Word) {
    let replaces = if replaced.is_inline() {
        ValueId::of_word(replaced)
    } else {
        ValueId::of_serial(Seen::serial_of(replaced.node()))
    };
    let block = write.block;
    let note = |field, seen| {
        let (value, content) = id_of_value(word, seen);
        let published = Published {
            variable: id_of_var(block, field),
            value,
            content,
            replaces,
        };
        with_open(|open| open.writes.push(published));
    };
    match fields_of_record(write) {
        // The value was stored a moment ago.
        None if write.commuted == Commuted::Summand => {
            note(Field::VALUE, Seen::Bits(block.own_bits(Field::VALUE)));
        }
        None => note(Field::VALUE, Seen::pending(&write.pending)),
        Some(fields) => fields.for_each(|field| note(field, Seen::Bits(block.own_bits(field)))),
    }
}

/// All words of what is written, if that is a record.
fn fields_of_record(write: &Write) -> Option<impl Iterator<Item = Field> + use<>> {
    match write.pending.view() {
        PendingView::Node(patch, _) if write.block.look().word().is_inline() => {
            Some((0..Seen::words_of_record(patch)).map(Field::of_record))
        }
        _ => None,
    }
}

pub(crate) fn committed() {
    end(Outcome::Committed, Vec::new);
}

pub(crate) fn conflict(cause: Cause) {
    end(Outcome::Conflict(cause), Vec::new);
}

/// An attempt came to `verdict`; its log still holds what it had staged.
pub(crate) fn not_committed(verdict: &Verdict, log: &Log) {
    let outcome = match verdict {
        Verdict::RolledBack => Outcome::RolledBack,
        Verdict::Conflict(cause) => Outcome::Conflict(*cause),
        Verdict::Wait(registration) if registration.reason() == Reason::Undecided => {
            Outcome::Conflict(Cause::Undecided)
        }
        Verdict::Decided => return committed(),
        Verdict::Wait(_) | Verdict::Changed | Verdict::NothingToWaitFor => Outcome::Retried,
        Verdict::Unwound if log.panic.is_some() => Outcome::Conflict(Cause::CommutePanicked),
        Verdict::Unwound => Outcome::Unwound,
    };
    end(outcome, || staged(log));
}

fn staged(log: &Log) -> Vec<Staged> {
    let stands = |write: &&Write| write.commuted == Commuted::No;
    let of_write = |write: &Write| -> Vec<Staged> {
        let staged = |field, content| Staged {
            variable: id_of_var(write.block, field),
            content,
        };
        let word = |field| match Seen::pending_field(&write.pending, field)? {
            Seen::Bits(bits) => Some(staged(field, bits)),
            Seen::Node(node, _) => Some(staged(field, Seen::serial_of(node))),
        };
        match fields_of_record(write) {
            None => word(Field::VALUE).into_iter().collect(),
            Some(fields) => fields.filter_map(word).collect(),
        }
    };
    (log.writes.entries().iter().filter(stands))
        .flat_map(of_write)
        .collect()
}

/// A snapshot's body has returned, or unwound.
pub(crate) fn snapshot_ended<R>(answer: &Result<Stm<R>, Box<dyn Any + Send>>) {
    let outcome = match answer {
        Ok(Ok(_)) => Outcome::Committed,
        Ok(Err(_)) => Outcome::Conflict(Cause::Foreign),
        Err(_) => Outcome::Unwound,
    };
    end(outcome, Vec::new);
}
