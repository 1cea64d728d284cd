//! What can be wrong with a history, in words.

use std::error::Error;
use std::fmt;

use super::{Attempt, Read, ValueId, VarId};

/// Why no order explains a history.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Violation {
    /// Each of these attempts must come before the next, and the last one before the first.
    Cycle(Vec<Step>),
    /// A value was seen that no committed attempt published.
    NeverPublished {
        /// Of this variable.
        variable: VarId,
        /// Its name.
        value: ValueId,
        /// Who read it, or replaced it.
        seen_by: Box<Attempt>,
        /// A failed attempt that had a value of this content pending.
        staged_by: Option<Box<Attempt>>,
    },
    /// A read shows the name of one publication and the content of another.
    WrongContent {
        /// What was read.
        read: Read,
        /// What was published under that name.
        content: u64,
        /// Who read it.
        by: Box<Attempt>,
    },
    /// Two attempts put their values into the place of the same one: the update of one is lost.
    ReplacedTwice {
        /// Of this variable.
        variable: VarId,
        /// The value that both replaced.
        value: ValueId,
        /// Both.
        by: [Box<Attempt>; 2],
    },
    /// Two publications of one variable under one name: whoever compares names cannot tell them apart.
    PublishedTwice {
        /// Of this variable.
        variable: VarId,
        /// The name.
        value: ValueId,
        /// Both.
        by: [Box<Attempt>; 2],
    },
    /// An attempt published something and then did not commit.
    PublishedButFailed {
        /// To this variable.
        variable: VarId,
        /// Which one.
        by: Box<Attempt>,
    },
}

/// One attempt of a cycle, and why it must come before the next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Who.
    pub attempt: Attempt,
    /// Why.
    pub before_next: Dependency,
}

/// Why an attempt must come before another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dependency {
    /// It had ended before the other began.
    RealTime,
    /// It published what the other read.
    WriteRead(VarId, ValueId),
    /// It published what the other replaced.
    WriteWrite(VarId, ValueId),
    /// It read what the other replaced.
    ReadWrite(VarId, ValueId),
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RealTime => write!(f, "it had ended before the next began"),
            Self::WriteRead(x, v) => write!(f, "it published {x} {v}, which the next read"),
            Self::WriteWrite(x, v) => write!(f, "it published {x} {v}, which the next replaced"),
            Self::ReadWrite(x, v) => write!(f, "it read {x} {v}, which the next replaced"),
        }
    }
}

impl fmt::Display for VarId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}", self.0)
    }
}

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// More reads or writes than this are not shown.
const SHOWN: usize = 16;

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "call {}, attempt {} ({}) on thread {}, {}..{}, {};",
            self.call, self.number, self.what, self.thread, self.begin, self.end, self.outcome
        )?;
        f.write_str(" read")?;
        for read in self.reads.iter().take(SHOWN) {
            write!(f, " {}={}", read.variable, read.value)?;
        }
        let more = self.reads.len().saturating_sub(SHOWN);
        if more > 0 {
            write!(f, " and {more} more")?;
        }
        f.write_str("; wrote")?;
        for write in self.writes.iter().take(SHOWN) {
            write!(f, " {}={}", write.variable, write.value)?;
        }
        let more = self.writes.len().saturating_sub(SHOWN);
        if more > 0 {
            write!(f, " and {more} more")?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cycle(steps) => {
                match steps.len() {
                    1 => writeln!(
                        f,
                        "no order explains this attempt: it must come before itself"
                    )?,
                    n => writeln!(
                        f,
                        "no order explains {n} attempts: each must come before the next, the last before the first"
                    )?,
                }
                for (at, step) in steps.iter().enumerate() {
                    writeln!(f, "{:>4}. {}", at + 1, step.attempt)?;
                    writeln!(f, "      {}", step.before_next)?;
                }
                Ok(())
            }
            Self::NeverPublished {
                variable,
                value,
                seen_by,
                staged_by,
            } => {
                writeln!(f, "{variable} {value} was seen, which nobody published")?;
                writeln!(f, "  seen by {seen_by}")?;
                match staged_by {
                    Some(failed) => writeln!(f, "  a value like that was pending in {failed}"),
                    None => Ok(()),
                }
            }
            Self::WrongContent { read, content, by } => {
                writeln!(
                    f,
                    "{} {} was published with the content {content:#x} and read with {:#x}",
                    read.variable, read.value, read.content
                )?;
                writeln!(f, "  read by {by}")
            }
            Self::ReplacedTwice {
                variable,
                value,
                by: [one, other],
            } => {
                writeln!(
                    f,
                    "{variable} {value} was replaced twice: one of the two is lost"
                )?;
                writeln!(f, "  by {one}\n  by {other}")
            }
            Self::PublishedTwice {
                variable,
                value,
                by: [one, other],
            } => {
                writeln!(
                    f,
                    "{variable} {value} was published twice: nobody can tell them apart"
                )?;
                writeln!(f, "  by {one}\n  by {other}")
            }
            Self::PublishedButFailed { variable, by } => {
                writeln!(
                    f,
                    "a value of {variable} was published by an attempt that failed"
                )?;
                writeln!(f, "  by {by}")
            }
        }
    }
}

impl Error for Violation {}
