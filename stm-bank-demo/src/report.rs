//! What is told beside the results: which claims were broken.

use std::fmt::Write as _;

use crate::results::ScenarioResult;

/// What broke its claims, a line each; empty if nothing did.
pub(crate) fn what_broke<'a>(results: impl IntoIterator<Item = &'a ScenarioResult>) -> String {
    let mut out = String::new();
    for result in results {
        for model in result.models.iter().filter(|model| !model.claims_hold) {
            let told = &model.verdict;
            let notes = model.notes.join("; ");
            _ = writeln!(out, "'{}' on {}: {told}: {notes}", result.name, model.model);
        }
    }
    out
}
