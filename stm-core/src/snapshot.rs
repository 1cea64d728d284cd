//! Snapshots: reading everything as of one moment while writers go on, without a read set and without aborts.
//!
//! # The problem, and the idea
//!
//! A long read in a validating STM loses against any stream of small writes. A snapshot fixes its moment s on the
//! clock at its begin; whatever is newer it passes over, and takes the old value that the writers left behind:
//! boxed values are chained anyway, inline ones are saved by the committers as long as the clock shows that a
//! tracked snapshot lives. The ancestor is multi-versioning as in LSA (Riegel, Felber and Fetzer, "A Lazy
//! Snapshot Algorithm with Eager Validation", DISC 2006, doi:10.1007/11864219_20).
//!
//! # State
//!
//! | the word | boxed | inline |
//! |---|---|---|
//! | version <= s, unlocked | take it | take it (value between two looks at the word) |
//! | version <= s, locked | wait: the owner's version may be <= s ([`crate::undecided`] if it takes long) | wait |
//! | version > s, locked or not | follow `prev` to the first version <= s | follow history to the first version <= s |
//!
//! Words of a record are inline values that share a lock and a history. Where one look at all of them will not do they are read one by
//! one: all are of the same moment anyway.
//!
//! # Why it is right
//!
//! By Lemma A an unlocked word seen after time >= s shows every write with version <= s; a locked one is waited
//! for. Versions decrease along the chains (Lemma B), so the first with version <= s is the newest such. By
//! Lemma C the set of commits with version <= s is closed under "comes before". Nothing that is followed has
//! been freed: B3 and H3.
//!
//! # Conversion
//!
//! An update transaction that has written nothing and whose validation fails need not start over: it goes on
//! as a snapshot, if its reads are what a snapshot at some s would have seen.
//!
//! - rv was anchored after the begin and no read is newer: s = rv. The reads were valid then.
//! - Otherwise s = max(begin + 1, rv, newest version read) (rv is the begin's time until it is anchored), the clock is first moved to s, and each read is
//!   checked to be the newest with version <= s.
//!
//! s is at least begin + 1 in both cases, so whoever replaces a value that is current at s has loaded a time
//! above the one at the begin and retires it after our pin (R2). A converted transaction is not counted in the
//! clock, so nobody saves inline history for it and it must not follow any: where it would have to, it starts
//! over once, tracked.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::block::{Field, Look, Pinned, Seen};
use crate::cause::Control;
use crate::clock::{Ticket, Time, clock};
use crate::contention::Waiting;
use crate::context;
use crate::diagnostics::origin::Origin;
use crate::history;
use crate::log::Read;
use crate::mutant::{mutant, total_order};
use crate::read;
use crate::reclaim::Pin;
use crate::record;
use crate::tx::{Mode, Tx};
use crate::undecided::Undecided;

/// What a variable was as of some moment.
pub(crate) enum AsOf<'t> {
    /// The current value, and the word it belongs to.
    Newest(Look, Seen<'t>),
    /// A boxed value that has been replaced since.
    Older(Seen<'t>),
    /// An inline value that has been replaced since: history has it, for those who may look there.
    InHistory,
    /// The commit that may make the value is undecided, and the reader does not sleep inside.
    Undecided(Arc<Undecided>),
}

/// Where a snapshot waits for an undecided commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sleeps {
    /// In that transaction.
    Inside(Origin),
    BetweenAttempts,
}

/// Reads `field` of `block` as of `s`, waiting where a commit is under way.
///
/// # Safety
///
/// `s` is greater than a time that the clock showed after the pin was taken, and the clock has reached `s`.
#[inline]
pub(crate) unsafe fn read_as_of<'t>(
    block: Pinned,
    field: Field,
    s: Time,
    sleeps: Sleeps,
) -> AsOf<'t> {
    let mut waiting = Waiting::default();
    loop {
        let look = block.look();
        if look.version() > s {
            if look.word().is_inline() {
                return AsOf::InHistory;
            }
            // SAFETY: the caller's promise.
            return AsOf::Older(Seen::node(unsafe { look.newest_at(s) }));
        }
        if !look.word().is_locked() {
            if !look.word().is_inline() {
                return AsOf::Newest(look, Seen::node(look.word().node()));
            }
            let bits = block.load_bits(field);
            if mutant!("M10") || block.get().word().sample_again().same_value(look.word()) {
                return AsOf::Newest(look, Seen::Bits(bits));
            }
        }
        match sleeps {
            Sleeps::Inside(origin) => waiting.sit_out(block, origin),
            Sleeps::BetweenAttempts => {
                if let Some(undecided) = waiting.round_without_end(block) {
                    return AsOf::Undecided(undecided);
                }
            }
        }
    }
}

/// A read-only transaction over one consistent moment, given to the body of [`snapshot`](crate::snapshot).
///
/// It has no operations of its own: variables are read through [`TVar::read`](crate::TVar::read) and
/// [`TVar::read_ref`](crate::TVar::read_ref), or by any function that takes `&mut impl ReadTx`. Writing does
/// not compile.
///
/// ```compile_fail
/// let x = stm_core::TVar::new(1);
/// stm_core::snapshot(|s| x.write(s, 2)); // expects a `Tx`
/// ```
#[derive(Debug)]
pub struct Snapshot<'t> {
    time: Time,
    origin: Origin,
    /// Neither `Send` nor `Sync`, and invariant in the attempt's lifetime: a `Ref` must not outlive the pin.
    _attempt: PhantomData<*mut &'t ()>,
}

impl<'t> Snapshot<'t> {
    /// A snapshot at the ticket's time. Pin before ticket: R2 and H3 rest on it.
    pub(crate) fn new(_pin: &'t Pin, ticket: &Ticket, origin: Origin) -> Self {
        Self {
            time: ticket.time(),
            origin,
            _attempt: PhantomData,
        }
    }

    #[inline(always)]
    pub(crate) fn see(&mut self, block: Pinned, field: Field) -> Seen<'t> {
        // SAFETY: K3, a ticket's time is greater than every time shown before; the pin is older than the ticket.
        match unsafe { read_as_of(block, field, self.time, Sleeps::Inside(self.origin)) } {
            AsOf::Newest(look, seen) => {
                record::read(block, field, look.word(), seen);
                seen
            }
            AsOf::Older(seen) => {
                record::read_replaced(block, seen);
                seen
            }
            AsOf::InHistory => {
                // SAFETY: H3, a `Snapshot` is always tracked, and a version above its time was just seen.
                let (version, bits) = unsafe { history::saved_at(block, field, self.time) };
                record::read_saved(block, field, version, bits);
                Seen::Bits(bits)
            }
            AsOf::Undecided(_) => unreachable!("it sleeps inside"),
        }
    }
}

impl Snapshot<'_> {
    /// Words of a record: by one look if it is not newer than the snapshot, else one after the other, each as of that moment.
    pub(crate) fn see_words<const M: usize>(&mut self, record: Pinned, first: usize) -> [u64; M] {
        let field = |at| Field::of_record(first + at);
        match read::sample_words(record, first) {
            Some((look, words)) if look.version() <= self.time => {
                for (at, &bits) in words.iter().enumerate() {
                    record::read(record, field(at), look.word(), Seen::Bits(bits));
                }
                words
            }
            _ => std::array::from_fn(|at| self.see(record, field(at)).bits()),
        }
    }
}

/// The attempt stays what it was; its caller aborts it.
#[derive(Debug)]
pub(crate) struct CannotConvert;

impl Tx<'_> {
    /// Goes on as an untracked snapshot, if the reads so far are those of one (see the module docs).
    #[cold]
    pub(crate) fn convert(&mut self) -> Result<(), CannotConvert> {
        if !self.call.may_be_snapshot || !self.log.is_read_only() {
            return Err(CannotConvert);
        }
        let newest = self.log.reads.newest_version();
        // Above the time at the begin in any case.
        let earliest = if self.anchored { self.rv } else { self.rv + 1 };
        let anchored = self.anchored || mutant!("M14");
        let s = if anchored && (newest <= self.rv || mutant!("M15")) {
            self.rv
        } else {
            let s = earliest.max(newest);
            if !mutant!("M16") {
                clock().advance_to(s);
            }
            total_order!("S-convert");
            let sleeps = self.sleeps();
            let mut reads = self.log.reads.as_slice().iter();
            if !reads.all(|r| is_newest_at(r, s, sleeps)) {
                return Err(CannotConvert);
            }
            s
        };
        self.rv = s;
        self.mode = Mode::Snapshot;
        self.log.writes.slow_down();
        context::tally(|tally| tally.conversions.add(1));
        Ok(())
    }

    pub(crate) fn sleeps(&self) -> Sleeps {
        match self.call.origin {
            // A holder would keep the token beyond its lease.
            Some(origin) if self.call.may_sleep_inside && self.log.holder.is_none() => {
                Sleeps::Inside(origin)
            }
            _ => Sleeps::BetweenAttempts,
        }
    }

    /// Ends the attempt's life as an update: a snapshot that writes must start over.
    #[cold]
    pub(crate) fn wrote_in_snapshot(&mut self) -> Control {
        self.call.may_be_snapshot = false;
        self.doom(crate::cause::Cause::WroteInSnapshot)
    }
}

/// Whether `read` is what a snapshot at `s` would have read. An inline value must still be current.
fn is_newest_at(read: &Read, s: Time, sleeps: Sleeps) -> bool {
    // SAFETY: `s` is above the attempt's begin, which was loaded after the pin, and the clock has reached `s`.
    match unsafe { read_as_of(read.block, Field::VALUE, s, sleeps) } {
        AsOf::Newest(look, _) => look.word().same_value(read.seen()),
        AsOf::Older(Seen::Node(node, _)) => node == read.seen().node(),
        AsOf::Older(Seen::Bits(_)) | AsOf::InHistory | AsOf::Undecided(_) => false,
    }
}
