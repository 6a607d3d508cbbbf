//! What was wrong already when somebody decided to look at new findings only.
//!
//! What cannot be read or rendered is never accepted so, nor is a fault of a permission: whoever lets
//! one expire must decide anew.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::allow;
use crate::finding::{Finding, LOAD};

/// Findings known before. A line number is no part of one: what moves stays known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Rule, file and message of each.
    pub known: BTreeSet<(String, String, String)>,
}

impl Baseline {
    /// A baseline of `findings`, but for those that no baseline holds.
    pub fn of(findings: &[Finding]) -> Self {
        Self { known: findings.iter().filter(|finding| may_stay(finding)).map(key).collect() }
    }

    /// Whether a finding was there before.
    pub fn holds(&self, finding: &Finding) -> bool {
        may_stay(finding) && self.known.contains(&key(finding))
    }
}

fn may_stay(finding: &Finding) -> bool {
    !matches!(finding.rule, LOAD | allow::RULE)
}

fn key(finding: &Finding) -> (String, String, String) {
    (finding.rule.to_owned(), finding.spot.file.to_string(), finding.message.clone())
}
