//! The rules, one file each. A rule reads [`Facts`] and returns findings; it opens no file of its own
//! accord and keeps no state.
//!
//! To add one: `rules/lNN_<name>.rs` with a constant `RULE`, a `mod` line and an entry of [`RULES`]
//! here, `docs/rules/LNN.md`, and fixtures in `tests/rules/LNN`.

mod l01_kind_provider;
mod l02_crd_with_its_objects;
mod l04_depends_on;
mod l07_slots;
mod l08_crds_folder;
mod l10_hook_order;
mod l11_late_producer;
mod l13_schema;
mod l16_state_in_hooks;
mod l18_rbac_create_with_names;
mod l19_rbac_width;
mod l37_files;
mod l40_substitution;
mod l54_rwo_rolling;

use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};

/// Every rule, in the order of their names.
pub const RULES: &[&Rule] = &[
    &l01_kind_provider::RULE,
    &l02_crd_with_its_objects::RULE,
    &l04_depends_on::RULE,
    &l07_slots::RULE,
    &l08_crds_folder::RULE,
    &l10_hook_order::RULE,
    &l11_late_producer::RULE,
    &l13_schema::RULE,
    &l16_state_in_hooks::RULE,
    &l18_rbac_create_with_names::RULE,
    &l19_rbac_width::RULE,
    &l37_files::RULE,
    &l40_substitution::RULE,
    &l54_rwo_rolling::RULE,
];

/// One rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its name, such as `L18`.
    pub id: &'static str,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// How bad its findings are, unless one says otherwise.
    pub severity: Severity,
    /// What it can know.
    pub decidability: Decidability,
    /// Why what it finds breaks; a finding may say it better.
    pub cause: &'static str,
    /// What to do about it; a finding may say it better.
    pub fix: &'static str,
    /// Its page, as in `docs/rules`.
    pub page: &'static str,
    /// Looks for it.
    pub check: fn(&Facts) -> Vec<Finding>,
}

/// What a rule can know from files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decidability {
    /// Files decide it.
    Files,
    /// Files decide it where what is outside of the kit is declared in `catalyst-kit.yaml`.
    Declared,
    /// Files cannot decide it; the page says who can.
    Undecidable,
}

impl Rule {
    /// A finding of this rule, with the rule's own cause and fix.
    pub(crate) fn at(&self, spot: Spot, message: impl Into<String>) -> Finding {
        Finding {
            rule: self.id,
            severity: self.severity,
            spot,
            message: message.into(),
            cause: self.cause.to_owned(),
            fix: self.fix.to_owned(),
            link: format!("docs/rules/{}.md", self.id),
            related: Vec::new(),
        }
    }

    /// The rule of a name, however its letter is written.
    pub fn named(id: &str) -> Option<&'static Rule> {
        RULES.iter().copied().find(|rule| rule.id.eq_ignore_ascii_case(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_in_order_and_their_pages_begin_with_their_names() {
        let ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(ids, sorted);
        for rule in RULES {
            let heading = format!("# {}: {}\n", rule.id, rule.title);
            assert!(rule.page.starts_with(&heading), "docs/rules/{}.md: {heading}", rule.id);
            for part in ["## Why", "## What is checked", "## Fix"] {
                assert!(rule.page.contains(part), "docs/rules/{}.md lacks `{part}`", rule.id);
            }
        }
    }
}
