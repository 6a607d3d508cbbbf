//! L47: whatever the wizard offers, the module accepts. Files cannot decide it

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L47",
    title: "whatever the wizard offers, the module accepts",
    severity: Severity::Error,
    decidability: Decidability::Undecidable,
    cause: "the choice a person was offered is refused after everything was filled in",
    fix: "make both from one list, and hold every choice against the module in a test",
    page: include_str!("../../../../docs/rules/L47.md"),
    check,
};

/// Files hold nothing to look at; the page says who can decide it.
fn check(_: &Facts) -> Vec<Finding> {
    Vec::new()
}
