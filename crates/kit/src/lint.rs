//! Holds facts against the rules, takes out what the tree itself allows, and what was there before.
//!
//! Entry point: [`lint`]. [`output`] writes findings for people and for programs.

mod allow;
mod baseline;
pub mod output;

use jiff::civil::Date;

use crate::facts::Facts;
use crate::finding::{Finding, LOAD};
use crate::rules::RULES;

pub use allow::Suppressed;
pub use baseline::Baseline;

/// What a run found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is to be mended, by place.
    pub findings: Vec<Finding>,
    /// What a comment in the tree allows.
    pub suppressed: Vec<Suppressed>,
    /// How many more findings the baseline holds.
    pub known: usize,
}

impl Outcome {
    /// Whether something could not be read or rendered: then silence means nothing.
    pub fn is_partial(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule == LOAD)
    }
}

/// Applies every rule (or only those of `only`) as of `today`.
pub fn lint(facts: &Facts, only: &[String], today: Date, baseline: Option<&Baseline>) -> Outcome {
    let wanted = |id: &str| only.is_empty() || only.iter().any(|one| one.eq_ignore_ascii_case(id));
    let mut all = facts.problems.clone();
    for rule in RULES.iter().filter(|rule| wanted(rule.id)) {
        all.extend((rule.check)(facts));
    }
    let mut outcome = allow::apply(facts, all, today, only.is_empty());
    if let Some(baseline) = baseline {
        let before = outcome.findings.len();
        outcome.findings.retain(|finding| finding.rule == LOAD || !baseline.holds(finding));
        outcome.known = before - outcome.findings.len();
    }
    outcome
        .findings
        .sort_by(|a, b| (&a.spot, a.rule, &a.message).cmp(&(&b.spot, b.rule, &b.message)));
    outcome.findings.dedup();
    outcome
}
