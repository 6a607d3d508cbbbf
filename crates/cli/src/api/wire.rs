//! The answers of catalyst-api as far as the command line reads them. Unknown fields are kept out
//! of the way: a newer server does not break an older client.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// The id of Phase 0.
pub(crate) const INFRASTRUCTURE: &str = "infrastructure";

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProblemBody {
    pub(crate) code: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) detail: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) fix: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct PathOfLink {
    pub(crate) path: SecretString,
    #[serde(rename = "expiresAt")]
    pub(crate) expires_at: Timestamp,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Created {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) status: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SovereignList {
    pub(crate) deployments: Vec<Sovereign>,
}

/// The state of one Sovereign.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Sovereign {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) provider: String,
    pub(crate) status: String,
    #[serde(rename = "sovereignFQDN")]
    pub(crate) fqdn: String,
    pub(crate) region: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) seq: u64,
    pub(crate) answer: Answer,
    pub(crate) causes: Vec<Cause>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) kit: Option<Kit>,
    pub(crate) components: Vec<Component>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Answer {
    pub(crate) headline: String,
    pub(crate) cause: Option<String>,
    pub(crate) fix: Option<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) code: Option<String>,
}

/// One reason why a Sovereign is not well.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Cause {
    pub(crate) kind: String,
    pub(crate) code: String,
    pub(crate) subject: String,
    pub(crate) headline: String,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) fix: String,
    pub(crate) since: Option<Timestamp>,
    pub(crate) releases: Vec<String>,
    pub(crate) waiting: Vec<String>,
}

/// What was read and shows it.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Evidence {
    pub(crate) source: String,
    pub(crate) at: Option<Timestamp>,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Phase {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) state: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) detail: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) address: String,
    pub(crate) state: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Kit {
    pub(crate) commit: String,
    pub(crate) total: usize,
    pub(crate) ready: usize,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) version: Option<String>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ready_at: Option<Timestamp>,
    pub(crate) message: Option<String>,
}

/// One event of a Sovereign's log.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) time: Option<Timestamp>,
    pub(crate) phase: String,
    pub(crate) level: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) component: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<String>,
    pub(crate) kind: String,
}

impl Sovereign {
    /// The first phase that failed.
    pub(crate) fn failed_phase(&self) -> Option<&str> {
        self.phases.iter().find(|phase| phase.state == "failed").map(|phase| phase.id.as_str())
    }

    /// Whether its infrastructure failed: nothing goes on by itself there. A kit that failed is
    /// watched on and may yet be ready.
    pub(crate) fn can_be_retried(&self) -> bool {
        self.status == "failed" && self.failed_phase().is_none_or(|id| id == INFRASTRUCTURE)
    }

    /// Whether nothing will change by itself any more, so that waiting is over.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(
            self.status.as_str(),
            "ready" | "degraded" | "failed" | "timed-out" | "flux-not-reconciling" | "destroyed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_failed_infrastructure_has_to_be_begun_again() {
        let sovereign = |status: &str, failed: &str| Sovereign {
            status: status.to_owned(),
            phases: ["infrastructure", "kubeconfig", "kit"]
                .map(|id| Phase {
                    id: id.to_owned(),
                    state: if id == failed { "failed" } else { "done" }.to_owned(),
                    ..Phase::default()
                })
                .to_vec(),
            ..Sovereign::default()
        };
        assert!(sovereign("failed", "infrastructure").can_be_retried());
        assert!(!sovereign("failed", "kit").can_be_retried());
        assert!(!sovereign("timed-out", "kubeconfig").can_be_retried());
        assert!(!sovereign("ready", "").can_be_retried());
    }
}
