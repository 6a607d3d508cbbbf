//! L28: image, tag and chart are published in one transaction. Files cannot decide it

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L28",
    title: "image, tag and chart are published in one transaction",
    severity: Severity::Error,
    decidability: Decidability::Undecidable,
    cause: "a chart that was packed before the tag was written brings the image of the version before",
    fix: "build the image, write its digest, and only then pack the chart",
    page: include_str!("../../../../docs/rules/L28.md"),
    check,
};

/// Files hold nothing to look at; the page says who can decide it.
fn check(_: &Facts) -> Vec<Finding> {
    Vec::new()
}
