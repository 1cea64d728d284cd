//! What there is: models, what they claim, what they do and why not more; and scenarios.

use std::fmt::Write as _;

use clap::ValueEnum;

use crate::models::MODELS;
use crate::scenarios::{Kind, Work};

/// Everything there is.
pub(crate) fn list() -> String {
    let mut out = String::from("Scenarios (-s):\n");
    for kind in Kind::value_variants() {
        _ = writeln!(out, "  {:<12} {}", kind.name(), kind.about());
    }
    out.push_str("\nModels (-m):\n");
    for model in MODELS {
        _ = writeln!(
            out,
            "\n  {} ({})\n      {}",
            model.name, model.family, model.about
        );
        _ = writeln!(out, "      claims: {}", claims(model.claims.named()));
        let (does, leaves): (Vec<_>, Vec<_>) = Work::ALL
            .iter()
            .partition(|&&work| model.run(work).is_some());
        _ = writeln!(out, "      does: {}", names(&does));
        if model.most_accounts < usize::MAX {
            _ = writeln!(out, "      accounts: {} at most", model.most_accounts);
        }
        _ = writeln!(out, "      not: {}: {}", names(&leaves), model.why_no_more);
    }
    out
}

fn claims(claims: [(&'static str, bool); 7]) -> String {
    let claimed: Vec<_> = claims
        .iter()
        .filter(|(_, claimed)| *claimed)
        .map(|(name, _)| *name)
        .collect();
    match claimed.len() {
        0 => "nothing".to_owned(),
        _ => claimed.join(", "),
    }
}

fn names(work: &[&Work]) -> String {
    let names: Vec<_> = work
        .iter()
        .flat_map(|work| work.scenarios())
        .map(Kind::name)
        .collect();
    names.join(", ")
}
