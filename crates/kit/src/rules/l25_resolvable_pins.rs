//! L25: every chart and image is named so that it can be found, today and next year.

mod images;
mod sources;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};

pub(super) const RULE: Rule = Rule {
    id: "L25",
    title: "charts have a version, images a registry and a tag or digest, all from allowed hosts",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "what is left open is decided on the node, by what a registry holds on that day",
    fix: "write registry, name and tag or digest in full",
    page: include_str!("../../../../docs/rules/L25.md"),
    check,
};

pub(super) use sources::is_exact;

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = sources::check(facts);
    images::check(facts, &mut findings);
    findings
}

/// Whether a reference is below one of the allowed places; any is, where none are named.
fn is_allowed(facts: &Facts, reference: &str) -> bool {
    let allowed = &facts.settings.allowed_images;
    let below = |place: &String| {
        let place = place.trim_end_matches('/');
        reference
            .strip_prefix(place)
            .is_some_and(|rest| rest.starts_with(['/', ':', '@']) || rest.is_empty())
    };
    allowed.is_empty() || allowed.iter().any(below)
}
