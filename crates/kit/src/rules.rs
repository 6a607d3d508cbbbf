//! The rules, one file each. A rule reads [`Facts`] and returns findings; it opens no file of its own
//! accord and keeps no state.
//!
//! To add one: `rules/lNN_<name>.rs` with a constant `RULE`, a `mod` line and an entry of [`RULES`]
//! here, `docs/rules/LNN.md`, and fixtures in `tests/rules/LNN`.

mod l01_kind_provider;
mod l02_crd_with_its_objects;
mod l03_offline_templates;
mod l04_depends_on;
mod l05_ready_means_ready;
mod l06_service_names;
mod l07_slots;
mod l08_crds_folder;
mod l09_granted;
mod l10_hook_order;
mod l11_late_producer;
mod l12_time_budget;
mod l13_schema;
mod l14_uninstall;
mod l15_hook_pods;
mod l16_state_in_hooks;
mod l17_foreign_hooks;
mod l18_rbac_create_with_names;
mod l19_rbac_width;
mod l20_admission;
mod l21_producers;
mod l22_private_images;
mod l23_workloads;
mod l24_secrets_in_git;
mod l25_resolvable_pins;
mod l26_tests_pin_inputs;
mod l27_bump_follows;
mod l28_one_publication;
mod l29_one_version;
mod l30_published_once;
mod l31_self_check;
mod l32_metadata;
mod l33_immutable_fields;
mod l34_live_changes;
mod l35_bootstrap_parity;
mod l36_one_owner;
mod l37_files;
mod l38_namespaces;
mod l39_foreign_words;
mod l40_substitution;
mod l41_unread_values;
mod l42_engine_parity;
mod l43_security;
mod l44_payload;
mod l45_default_storage_class;
mod l46_tests_run;
mod l47_offered_and_accepted;
mod l48_file_templates;
mod l49_user_data;
mod l50_capacity;
mod l51_counts;
mod l52_routes;
mod l53_network_policies;
mod l54_rwo_rolling;

use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};

/// Every rule, in the order of their names.
pub const RULES: &[&Rule] = &[
    &l01_kind_provider::RULE,
    &l02_crd_with_its_objects::RULE,
    &l03_offline_templates::RULE,
    &l04_depends_on::RULE,
    &l05_ready_means_ready::RULE,
    &l06_service_names::RULE,
    &l07_slots::RULE,
    &l08_crds_folder::RULE,
    &l09_granted::RULE,
    &l10_hook_order::RULE,
    &l11_late_producer::RULE,
    &l12_time_budget::RULE,
    &l13_schema::RULE,
    &l14_uninstall::RULE,
    &l15_hook_pods::RULE,
    &l16_state_in_hooks::RULE,
    &l17_foreign_hooks::RULE,
    &l18_rbac_create_with_names::RULE,
    &l19_rbac_width::RULE,
    &l20_admission::RULE,
    &l21_producers::RULE,
    &l22_private_images::RULE,
    &l23_workloads::RULE,
    &l24_secrets_in_git::RULE,
    &l25_resolvable_pins::RULE,
    &l26_tests_pin_inputs::RULE,
    &l27_bump_follows::RULE,
    &l28_one_publication::RULE,
    &l29_one_version::RULE,
    &l30_published_once::RULE,
    &l31_self_check::RULE,
    &l32_metadata::RULE,
    &l33_immutable_fields::RULE,
    &l34_live_changes::RULE,
    &l35_bootstrap_parity::RULE,
    &l36_one_owner::RULE,
    &l37_files::RULE,
    &l38_namespaces::RULE,
    &l39_foreign_words::RULE,
    &l40_substitution::RULE,
    &l41_unread_values::RULE,
    &l42_engine_parity::RULE,
    &l43_security::RULE,
    &l44_payload::RULE,
    &l45_default_storage_class::RULE,
    &l46_tests_run::RULE,
    &l47_offered_and_accepted::RULE,
    &l48_file_templates::RULE,
    &l49_user_data::RULE,
    &l50_capacity::RULE,
    &l51_counts::RULE,
    &l52_routes::RULE,
    &l53_network_policies::RULE,
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
            let is_open = rule.decidability == Decidability::Undecidable;
            let more = ["## Why files cannot decide it", "## Who can"].into_iter();
            for part in ["## Why", "## What is checked", "## Fix"]
                .into_iter()
                .chain(more.filter(|_| is_open))
            {
                assert!(rule.page.contains(part), "docs/rules/{}.md lacks `{part}`", rule.id);
            }
        }
    }

    #[test]
    fn only_seven_rules_are_left_to_others() {
        let open = RULES.iter().filter(|rule| rule.decidability == Decidability::Undecidable);
        let open: Vec<_> = open.map(|rule| rule.id).collect();
        assert_eq!(open, ["L24", "L26", "L28", "L30", "L31", "L46", "L47"]);
    }
}
