//! What was wrong already when somebody decided to look at new findings only.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// Findings known before. A line number is no part of one: what moves stays known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Rule, file and message of each.
    pub known: BTreeSet<(String, String, String)>,
}

impl Baseline {
    /// A baseline of everything in `findings`.
    pub fn of(findings: &[Finding]) -> Self {
        Self { known: findings.iter().map(key).collect() }
    }

    /// Whether a finding was there before.
    pub fn holds(&self, finding: &Finding) -> bool {
        self.known.contains(&key(finding))
    }
}

fn key(finding: &Finding) -> (String, String, String) {
    (finding.rule.to_owned(), finding.spot.file.to_string(), finding.message.clone())
}
