//! The empty twins of [`super::on`].

use std::any::Any;

use crate::block::{Field, Pinned, Seen};
use crate::cause::Cause;
use crate::clock::Time;
use crate::error::Stm;
use crate::log::{Log, Write};
use crate::tx::Verdict;
use crate::word::Word;

#[derive(Debug)]
pub(crate) struct Serial;

impl Serial {
    #[inline(always)]
    pub(crate) fn next() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) fn first_of(_: usize) -> Self {
        Self
    }
}

#[derive(Debug)]
pub(crate) struct CallId;

impl CallId {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self
    }
}

#[derive(Debug)]
pub(crate) struct Single;

impl Single {
    #[inline(always)]
    pub(crate) const fn new() -> Self {
        Self
    }
}

#[inline(always)]
pub(crate) fn begin(_: &mut CallId, _: u32, _: &'static str) {}

#[inline(always)]
pub(crate) fn read(_: Pinned, _: Field, _: Word, _: Seen<'_>) {}

#[inline(always)]
pub(crate) fn read_replaced(_: Pinned, _: Seen<'_>) {}

#[inline(always)]
pub(crate) fn read_saved(_: Pinned, _: Field, _: Time, _: u64) {}

#[inline(always)]
pub(crate) fn no_read(_: Pinned, _: Field, _: Word, _: Seen<'_>) {}

#[inline(always)]
pub(crate) fn publishes(_: &Write, _: Word, _: Word) {}

#[inline(always)]
pub(crate) fn committed() {}

#[inline(always)]
pub(crate) fn conflict(_: Cause) {}

#[inline(always)]
pub(crate) fn not_committed(_: &Verdict, _: &Log) {}

#[inline(always)]
pub(crate) fn snapshot_ended<R>(_: &Result<Stm<R>, Box<dyn Any + Send>>) {}
