//! L26: a test states every input it depends on. Files cannot decide it

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L26",
    title: "a test states every input it depends on",
    severity: Severity::Warning,
    decidability: Decidability::Undecidable,
    cause: "a test that takes a default passes or fails by what somebody else changed",
    fix: "set the value in the test itself",
    page: include_str!("../../../../docs/rules/L26.md"),
    check,
};

/// Files hold nothing to look at; the page says who can decide it.
fn check(_: &Facts) -> Vec<Finding> {
    Vec::new()
}
