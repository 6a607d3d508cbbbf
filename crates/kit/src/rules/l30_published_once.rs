//! L30: what was published is never published again with other content. Files cannot decide it

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L30",
    title: "what was published is never published again with other content",
    severity: Severity::Error,
    decidability: Decidability::Undecidable,
    cause: "two clusters have one version and run two things",
    fix: "raise the version; let the registry refuse a tag that is there",
    page: include_str!("../../../../docs/rules/L30.md"),
    check,
};

/// Files hold nothing to look at; the page says who can decide it.
fn check(_: &Facts) -> Vec<Finding> {
    Vec::new()
}
