//! What can be wrong with a bank, how it is noticed, and what it is called.
//!
//! Transfers neither make money nor lose it, so every total is known in advance. An audit that comes to another
//! one has seen half of a transfer: it is torn. When all is quiet the accounts are counted again, whatever the
//! audits said.

use std::fmt;

use crate::bank::Claims;

/// Everything wrong that was noticed, in one round or in several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Findings {
    /// Money that was not there at the end.
    pub(crate) lost: u64,
    /// Money too much at the end.
    pub(crate) made: u64,
    /// Accounts below zero at the end, and times that one was before.
    pub(crate) overdrawn: u64,
    /// Audits that came to a wrong total.
    pub(crate) torn_audits: u64,
    /// One of those: what it found, and what is right.
    pub(crate) torn_example: Option<(i64, i64)>,
    /// The farthest that an audit was off: how much money was in limbo at a time.
    pub(crate) limbo: u64,
    /// Times that two accounts which stand in for each other were below zero together.
    pub(crate) skewed: u64,
    /// Pairs that were read together and do not belong together.
    pub(crate) mismatched: u64,
    /// Where threads waited for each other in a ring.
    pub(crate) deadlock: Option<Vec<usize>>,
    /// Rounds in which no audit came to an end.
    pub(crate) starved: u64,
    /// Why the model could not go on.
    pub(crate) broken: Option<String>,
}

impl Findings {
    /// Counts the accounts when all is quiet.
    pub(crate) fn at_the_end(expected: i64, balances: &[i64]) -> Self {
        let missing = expected - balances.iter().sum::<i64>();
        Self {
            lost: missing.max(0).unsigned_abs(),
            made: missing.min(0).unsigned_abs(),
            overdrawn: balances.iter().filter(|&&balance| balance < 0).count() as u64,
            ..Self::default()
        }
    }

    /// Looks at the result of one audit.
    #[inline]
    pub(crate) fn audited(&mut self, expected: i64, found: i64) {
        if found != expected {
            self.torn_audits += 1;
            self.torn_example = Some((found, expected));
            self.limbo = self.limbo.max(found.abs_diff(expected));
        }
    }

    /// Adds what was found elsewhere. Losses do not make up for gains.
    pub(crate) fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.made += other.made;
        self.overdrawn += other.overdrawn;
        self.torn_audits += other.torn_audits;
        self.torn_example = self.torn_example.or(other.torn_example);
        self.limbo = self.limbo.max(other.limbo);
        self.skewed += other.skewed;
        self.mismatched += other.mismatched;
        self.starved += other.starved;
        if self.deadlock.is_none() {
            self.deadlock.clone_from(&other.deadlock);
        }
        if self.broken.is_none() {
            self.broken.clone_from(&other.broken);
        }
    }

    /// Whether something was found that the model claims not to happen. `crashing`: workers were made to panic, and
    /// what came of that is held against those who claim to survive it.
    pub(crate) fn break_claims(&self, claims: Claims, crashing: bool) -> bool {
        if crashing && !claims.survives_crash {
            return false;
        }
        (claims.conserves && (self.lost > 0 || self.made > 0))
            || (claims.no_overdraft && self.overdrawn > 0)
            || (claims.whole_audits && self.torn_audits + self.mismatched > 0)
            || (claims.joint_rules && self.skewed > 0)
            || (claims.no_deadlock && self.deadlock.is_some())
            || (claims.no_starvation && self.starved > 0)
            || self.broken.is_some()
    }

    /// Whether nothing was wrong.
    pub(crate) fn is_ok(&self) -> bool {
        *self == Self::default()
    }

    /// What the verdict means, in a sentence for each thing that is wrong.
    pub(crate) fn explain(&self) -> String {
        let mut sentences = Vec::new();
        if self.lost > 0 {
            sentences.push(format!(
                "{} went out of the accounts and came to nobody",
                self.lost
            ));
        }
        if self.made > 0 {
            sentences.push(format!("{} in the accounts came from nowhere", self.made));
        }
        if self.overdrawn > 0 {
            sentences.push(format!(
                "{} times an account was below zero",
                self.overdrawn
            ));
        }
        if let Some((found, expected)) = self.torn_example {
            sentences.push(format!(
                "{} audits saw half of a transfer (one found {found} where there was always {expected}; at most {} \
                 were missing or too much)",
                self.torn_audits, self.limbo
            ));
        }
        if self.skewed > 0 {
            sentences.push(format!(
                "two accounts that stand in for each other were found below zero together {} times",
                self.skewed
            ));
        }
        if self.mismatched > 0 {
            sentences.push(format!(
                "{} pairs were of items that do not belong together",
                self.mismatched
            ));
        }
        if let Some(accounts) = &self.deadlock {
            sentences.push(format!(
                "threads waited for each other at the accounts {accounts:?}"
            ));
        }
        if self.starved > 0 {
            sentences.push(format!("in {} rounds no audit got through", self.starved));
        }
        sentences.extend(self.broken.clone());
        sentences.join("; ")
    }
}

/// The verdict, as the table shows it.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("LOST", self.lost),
            ("MADE", self.made),
            ("OVERDRAWN", self.overdrawn),
            ("TORN AUDITS", self.torn_audits),
            ("SKEWED", self.skewed),
            ("MISMATCHED", self.mismatched),
        ];
        let mut wrong: Vec<_> = kinds
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        wrong.extend(self.deadlock.as_ref().map(|_| "DEADLOCK".to_owned()));
        wrong.extend((self.starved > 0).then(|| "STARVED".to_owned()));
        wrong.extend(self.broken.as_ref().map(|_| "BROKEN".to_owned()));
        f.pad(&if wrong.is_empty() {
            "OK".to_owned()
        } else {
            wrong.join(", ")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_names_everything_that_is_wrong() {
        assert_eq!(Findings::at_the_end(30, &[10, 20]).to_string(), "OK");
        assert_eq!(Findings::at_the_end(30, &[10, 13]).to_string(), "LOST 7");
        assert_eq!(
            Findings::at_the_end(30, &[-5, 40]).to_string(),
            "MADE 5, OVERDRAWN 1"
        );
    }

    #[test]
    fn losses_in_one_round_do_not_make_up_for_gains_in_another() {
        let mut findings = Findings::at_the_end(10, &[9]);
        findings.add(&Findings::at_the_end(10, &[11]));
        findings.audited(10, 10);
        findings.audited(10, 12);
        assert_eq!(findings.to_string(), "LOST 1, MADE 1, TORN AUDITS 1");
        assert!(
            findings
                .explain()
                .contains("found 12 where there was always 10")
        );
    }
}
