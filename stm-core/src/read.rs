//! Reading in an update transaction: anchored, floating, and what happens when neither holds.
//!
//! # The problem, and the idea
//!
//! Every body must see one consistent state, also a body whose attempt is going to be thrown away: a "zombie"
//! that saw half of a commit may loop for ever or index out of range (opacity: Guerraoui and Kapalka, "On the
//! Correctness of Transactional Memory", PPoPP 2008, doi:10.1145/1345206.1345233). TL2 rejects whatever is
//! newer than the transaction's begin. Since our clock does not move with commits, most of what a short
//! transaction meets is "newer" by one, so rejecting is no option, and neither is moving the clock at each read.
//!
//! What is read is one value, or some words of one record: a record has one word with one version, and the same applies to it.
//!
//! # State
//!
//! | version read | reads so far | what is done | name |
//! |---|---|---|---|
//! | <= rv | any | take it | anchored |
//! | > rv | fewer than [`FLOAT_MAX`] | take it, look at every earlier read again | floating |
//! | > rv | more | move the clock to that version, rv = clock, validate all, read again | anchoring |
//! | either | and the check failed | go on as a snapshot if nothing was written, else abort | converting |
//!
//! # Invariants
//!
//! - T1  At the moment of the newest floating read (or of the begin, or of the last anchoring), every value in
//!   the read set was current. Anchored reads keep this: a word that is unlocked and not newer than rv was
//!   already so when the clock showed rv (Lemma A), and a transaction that replaced it since and published
//!   something that we floated on would have held its lock when we looked.
//! - T2  Words are unique (W3), so an equal word at the re-check means that nothing came between.
//! - T3  After anchoring, the value is read anew: the one in hand was taken before the clock moved, and a commit
//!   with the same version may have replaced it since.
//!
//! # Memory ordering
//!
//! Clock and words are loaded `SeqCst`: two floating readers must agree on the order of two independent writers.

use crate::block::{Field, FormHint, Look, Pinned, Seen};
use crate::boxed::Pending;
use crate::cause::{Cause, Control};
use crate::clock::clock;
use crate::contention::{Limit, Patience, Waiting};
use crate::diagnostics::origin::Origin;
use crate::history;
use crate::log::Log;
use crate::mutant::{mutant, total_order};
use crate::record;
use crate::snapshot::{self, AsOf};
use crate::tx::{Mode, Tx};
use crate::undecided::Outcome;
use crate::validate::{self, Failure};

/// Reads up to which looking at all of them again is cheaper than moving the clock for everybody.
pub(crate) const FLOAT_MAX: usize = if cfg!(any(loom, shuttle)) {
    2 // the smallest for which there is an earlier read to look at
} else if cfg!(stm_stress) {
    1
} else {
    8
};

/// A consistent look at one variable.
pub(crate) enum Sample<'t> {
    /// Unlocked, and the value belongs to the word.
    Whole(Look, Seen<'t>),
    /// Locked, or replaced under the look.
    Busy,
}

/// Word, value, word for the inline form, where `field` says which of a record's; word and a dereference for the boxed one.
#[inline(always)]
pub(crate) fn sample<'t>(block: Pinned, field: Field, hint: FormHint) -> Sample<'t> {
    let look = block.look();
    let look = if mutant!("M8") && !look.word().is_inline() {
        look.settled()
    } else {
        look
    };
    if look.word().is_locked() {
        return Sample::Busy;
    }
    if hint == FormHint::Unknown && !look.word().is_inline() {
        return Sample::Whole(look, Seen::node(look.word().node()));
    }
    let bits = block.load_bits(field);
    if mutant!("M10") || block.get().word().sample_again() == look.word() {
        Sample::Whole(look, Seen::Bits(bits))
    } else {
        Sample::Busy
    }
}

/// As [`sample`], of the words of a record from `first` on; `None` if that is busy.
#[inline(always)]
pub(crate) fn sample_words<const M: usize>(
    record: Pinned,
    first: usize,
) -> Option<(Look, [u64; M])> {
    let look = record.look();
    if look.word().is_locked() {
        return None;
    }
    let words = std::array::from_fn(|at| record.load_bits(Field::of_record(first + at)));
    let whole = mutant!("M10b") || record.get().word().sample_again() == look.word();
    whole.then_some((look, words))
}

/// As [`sample`], with endless patience: for single reads outside of transactions.
///
/// A locked word is waited for, also in the boxed form, where the old value could be had: the owner may have
/// published another variable of the same commit already, and the caller may have seen that one.
pub(crate) fn sample_patiently<'t>(block: Pinned, origin: Origin) -> (Look, Seen<'t>) {
    total_order!("S-alone");
    let mut waiting = Waiting::default();
    loop {
        if mutant!("X10") && !block.look().word().is_inline() {
            let look = block.look().settled();
            return (look, Seen::node(look.word().node()));
        }
        match sample(block, Field::VALUE, FormHint::Unknown) {
            Sample::Whole(look, seen) => return (look, seen),
            Sample::Busy => waiting.sit_out(block, origin),
        }
    }
}

impl<'t> Tx<'t> {
    /// The value of `block` as this transaction sees it: its own pending write, or what was published.
    #[inline(always)]
    pub(crate) fn see(&mut self, block: Pinned, hint: FormHint) -> Result<Seen<'t>, Control> {
        self.see_field(block, Field::VALUE, hint)
    }

    /// Some words of a record as this transaction sees them, by one look where that will do.
    #[inline(always)]
    pub(crate) fn see_words<const M: usize>(
        &mut self,
        record: Pinned,
        first: usize,
    ) -> Result<[u64; M], Control> {
        if !self.log.writes.may_contain(record)
            && let Some(words) = self.see_words_at_once(record, first, |_| true)
        {
            return Ok(words);
        }
        self.see_words_otherwise(record, first)
    }

    /// Samples, and rests on it; `None` if either takes more than a moment. All are as they were published; `are_given` says which of
    /// them go to the body.
    #[inline(always)]
    fn see_words_at_once<const M: usize>(
        &mut self,
        record: Pinned,
        first: usize,
        are_given: impl Fn(usize) -> bool,
    ) -> Option<[u64; M]> {
        let (look, words) = sample_words(record, first)?;
        if !self.may_rest_on(record, look, FormHint::Inline) {
            return None;
        }
        for (at, &bits) in words.iter().enumerate().filter(|&(at, _)| are_given(at)) {
            let field = Field::of_record(first + at);
            record::read(record, field, look.word(), Seen::Bits(bits));
        }
        Some(words)
    }

    /// If it must be, one word after the other, by several looks. They agree, as looks at any two variables do (T1).
    #[inline(never)]
    fn see_words_otherwise<const M: usize>(
        &mut self,
        record: Pinned,
        first: usize,
    ) -> Result<[u64; M], Control> {
        // Some are pending, or none: to the filter, records in a row look alike more often than other variables do.
        if self.mode == Mode::Update && self.log.holder.is_none() {
            let own = self.own_words::<M>(record, first);
            if let Some(words) = all(own) {
                return Ok(words);
            }
            let are_given = |at: usize| own[at].is_none();
            if let Some(published) = self.see_words_at_once::<M>(record, first, are_given) {
                return Ok(std::array::from_fn(|at| own[at].unwrap_or(published[at])));
            }
        }
        let mut words = [0; M];
        for (at, word) in words.iter_mut().enumerate() {
            let field = Field::of_record(first + at);
            *word = self.see_field(record, field, FormHint::Inline)?.bits();
        }
        Ok(words)
    }

    /// Those words of a record that this transaction has written.
    fn own_words<const M: usize>(&self, record: Pinned, first: usize) -> [Option<u64>; M] {
        let Some(at) = self.log.writes.find(record) else {
            return [None; M];
        };
        let pending = self.log.writes.pending(at);
        let word = |at| Seen::pending_field(pending, Field::of_record(first + at));
        std::array::from_fn(|at| word(at).map(Seen::bits))
    }

    /// Enters a read into the log, unless that takes more than a moment: whether it did.
    #[inline(always)]
    fn may_rest_on(&mut self, block: Pinned, look: Look, hint: FormHint) -> bool {
        if self.log.reads.ends_with(block, look) {
            // Read again at once, as in "check the balance, then modify it", and unchanged: nothing new was seen.
            return true;
        }
        if look.version_by(hint) <= self.rv || self.float() {
            self.log.reads.push(block, look);
            return true;
        }
        false
    }

    #[inline(always)]
    fn see_field(
        &mut self,
        block: Pinned,
        field: Field,
        hint: FormHint,
    ) -> Result<Seen<'t>, Control> {
        // No update attempt, or perhaps an own write: the long way sorts that out.
        if !self.log.writes.may_contain(block)
            && let Sample::Whole(look, seen) = sample(block, field, hint)
            && self.may_rest_on(block, look, hint)
        {
            record::read(block, field, look.word(), seen);
            return Ok(seen);
        }
        self.see_otherwise(block, field)
    }

    /// The short case of floating: few earlier reads, all unchanged. Anything else is left to the long way.
    #[inline(always)]
    fn float(&self) -> bool {
        total_order!("S-float");
        let reads = self.log.reads.as_slice();
        reads.len() < FLOAT_MAX && reads.iter().all(|r| r.block.look().word() == r.seen())
    }

    /// Every other way to read.
    #[inline(never)]
    fn see_otherwise(&mut self, block: Pinned, field: Field) -> Result<Seen<'t>, Control> {
        match self.mode {
            Mode::Doomed => Err(Control::CONFLICT),
            Mode::Decided => self.refuse_when_decided(),
            Mode::Snapshot => self.see_as_of(block, field),
            Mode::Update => match self.log.writes.find(block) {
                Some(at) => match self.log.writes.summand(at) {
                    None => match Seen::pending_field(self.log.writes.pending(at), field) {
                        Some(seen) => Ok(seen),
                        None => self.see_published(block, field),
                    },
                    Some(summand) => self.see_after_summand(block, summand),
                },
                None if self.log.commutes.touches(block) => self.see_after_commute(block),
                None => self.see_published(block, field),
            },
        }
    }

    /// A read of what was left to functions: they are applied now, to a value that is read like any other.
    #[cold]
    fn see_after_commute(&mut self, block: Pinned) -> Result<Seen<'t>, Control> {
        let published = self.see_published(block, Field::VALUE)?;
        let made = self.shielded(|tx| {
            let Log {
                writes, commutes, ..
            } = &mut *tx.log;
            commutes.apply(block, published, writes)
        });
        let made = made.expect("asked only where there are some");
        self.stage(block, made)?;
        Ok(Seen::pending(&made))
    }

    /// A read of what is to be added to: from now on, a value is pending for it.
    #[cold]
    fn see_after_summand(&mut self, block: Pinned, summand: u64) -> Result<Seen<'t>, Control> {
        let published = self.see_published(block, Field::VALUE)?.bits();
        let sum = published.wrapping_add(summand);
        self.stage(block, Pending::bits(sum))?;
        Ok(Seen::Bits(sum))
    }

    fn see_published(&mut self, block: Pinned, field: Field) -> Result<Seen<'t>, Control> {
        let Log { reads, holder, .. } = &mut *self.log;
        if let Some(holder) = holder
            && !mutant!("M20a")
        {
            // Before the look at the word: see `priority`.
            holder.announce(block, reads.as_slice().iter().map(|r| r.block));
        }
        let limit = Limit::of_attempt(holder.as_ref());
        let mut waiting = Waiting::up_to(limit);
        loop {
            let Sample::Whole(look, seen) = sample(block, field, FormHint::Unknown) else {
                match waiting.round(block) {
                    Patience::Left => {}
                    Patience::Spent => return self.fail_reading(Cause::ReadLocked, block),
                    Patience::Undecided(undecided) => {
                        let cause = self.log.note_failure(Failure::undecided(undecided, block));
                        if self.log.sit_out_as_holder() == Outcome::Pending {
                            return self.fail_reading(cause, block);
                        }
                    }
                }
                continue;
            };
            if let Some(holder) = &mut self.log.holder
                && mutant!("M20a")
            {
                let reads = self.log.reads.as_slice();
                holder.announce(block, reads.iter().map(|r| r.block));
            }
            if look.version() <= self.rv {
                self.log.reads.push(block, look);
                record::read(block, field, look.word(), seen);
                return Ok(seen);
            }
            if self.log.reads.len() < FLOAT_MAX {
                total_order!("S-float");
                match self.reads_hold(limit) {
                    Ok(()) => {
                        self.log.reads.push(block, look);
                        record::read(block, field, look.word(), seen);
                        return Ok(seen);
                    }
                    Err(failure) => return self.convert_and_see(failure, block, field),
                }
            }
            let now = clock().advance_to(look.version());
            total_order!("S-anchor");
            match self.reads_hold(limit) {
                // T3: round again, for the value must be read after the clock was.
                Ok(()) => {
                    self.rv = now.time();
                    self.anchored = true;
                    if mutant!("M1") || mutant!("M2") && block.look().version() == look.version() {
                        self.log.reads.push(block, look);
                        return Ok(seen);
                    }
                }
                Err(failure) => return self.convert_and_see(failure, block, field),
            }
        }
    }

    /// All reads still hold. The holder of the token sits out what keeps it from knowing.
    fn reads_hold(&mut self, limit: Limit) -> Result<(), Failure> {
        loop {
            let outcome = validate::by_reader(self.log.reads.as_slice(), limit);
            match outcome {
                Err(failure) if failure.cause == Cause::Undecided => {
                    self.log.note_failure(failure.clone());
                    if self.log.sit_out_as_holder() == Outcome::Pending {
                        return Err(failure);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    #[cold]
    fn convert_and_see(
        &mut self,
        failure: Failure,
        block: Pinned,
        field: Field,
    ) -> Result<Seen<'t>, Control> {
        match self.convert() {
            Ok(()) => {
                // To blame, should the body turn out to write.
                self.log.blamed = Some(failure.over);
                self.see_as_of(block, field)
            }
            Err(snapshot::CannotConvert) => self.fail_reading(failure.cause, failure.over),
        }
    }

    #[cold]
    fn fail_reading(&mut self, cause: Cause, over: Pinned) -> Result<Seen<'t>, Control> {
        self.log.blamed = Some(over);
        Err(self.doom(cause))
    }

    /// As [`Tx::see`], for a `Ref` to be given: a pending value seen this way must not change any more (L2).
    #[inline(always)]
    pub(crate) fn see_for_ref(&mut self, block: Pinned) -> Result<Seen<'t>, Control> {
        if !self.log.writes.may_contain(block) {
            return self.see(block, FormHint::Unknown);
        }
        self.see_own_for_ref(block)
    }

    #[inline(never)]
    fn see_own_for_ref(&mut self, block: Pinned) -> Result<Seen<'t>, Control> {
        let seen = self.see(block, FormHint::Unknown)?;
        if let Some(at) = self.log.writes.find(block) {
            self.log.writes.note_ref(at);
        }
        Ok(seen)
    }

    /// A read after the attempt has become a snapshot. Still logged: `retry` waits on what was read.
    #[cold]
    fn see_as_of(&mut self, block: Pinned, field: Field) -> Result<Seen<'t>, Control> {
        // SAFETY: this transaction's snapshot time satisfies what the function asks (`convert`, `Tx::begin`).
        match unsafe { snapshot::read_as_of(block, field, self.rv, self.sleeps()) } {
            AsOf::Newest(look, seen) => {
                self.log.reads.push(block, look);
                record::read(block, field, look.word(), seen);
                Ok(seen)
            }
            AsOf::Older(seen) => {
                self.outdated = true;
                record::read_replaced(block, seen);
                Ok(seen)
            }
            AsOf::InHistory if self.is_tracked() || mutant!("M17") => {
                self.outdated = true;
                // SAFETY: H3, tracked, and a version above `rv` was just seen.
                let (version, bits) = unsafe { history::saved_at(block, field, self.rv) };
                record::read_saved(block, field, version, bits);
                Ok(Seen::Bits(bits))
            }
            AsOf::InHistory => self.fail_reading(Cause::OldValueGone, block),
            AsOf::Undecided(undecided) => {
                let cause = self.log.note_failure(Failure::undecided(undecided, block));
                self.fail_reading(cause, block)
            }
        }
    }
}

/// What is in all of them, if there is something in each.
fn all<const M: usize>(words: [Option<u64>; M]) -> Option<[u64; M]> {
    let full = words.iter().all(Option::is_some);
    full.then(|| words.map(Option::unwrap_or_default))
}
