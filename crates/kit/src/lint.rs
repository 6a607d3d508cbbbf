//! Holds facts against the rules, takes out what the tree itself allows, and what was there before.
//!
//! Entry point: [`lint`]. [`output`] writes findings for people and for programs.

mod allow;
mod baseline;
pub mod output;
mod reach;

use jiff::civil::Date;

use crate::facts::Facts;
use crate::finding::{Finding, LOAD};
use crate::rules::RULES;

pub use allow::Suppressed;
pub use baseline::Baseline;
pub use reach::Reach;

/// What a run found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is to be mended, by place.
    pub findings: Vec<Finding>,
    /// What a comment in the tree allows.
    pub suppressed: Vec<Suppressed>,
    /// How many more findings the baseline holds.
    pub known: usize,
    /// How many more findings are of what a change does not reach.
    pub elsewhere: usize,
    /// How many objects were judged.
    pub objects: usize,
    /// How many releases were judged.
    pub releases: usize,
}

impl Outcome {
    /// Whether something could not be read or rendered: then silence means nothing.
    pub fn is_partial(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule == LOAD)
    }

    /// Keeps what a change reaches.
    pub fn narrow(&mut self, reach: &Reach) {
        let before = self.findings.len();
        self.findings.retain(|finding| reach.holds(finding));
        self.elsewhere = before - self.findings.len();
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
    outcome.objects = facts.applied().count();
    outcome.releases = facts.releases.len();
    if let Some(baseline) = baseline {
        let before = outcome.findings.len();
        outcome.findings.retain(|finding| !baseline.holds(finding));
        outcome.known = before - outcome.findings.len();
    }
    outcome
        .findings
        .sort_by(|a, b| (&a.spot, a.rule, &a.message).cmp(&(&b.spot, b.rule, &b.message)));
    outcome.findings.dedup();
    outcome
}
