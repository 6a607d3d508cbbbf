//! What is read of Flux's objects: conditions, and HelmReleases as the model's facts.
//!
//! Objects arrive as JSON and are read member by member, so that a version of the API with more or
//! other members is still understood, and a malformed member is an absent one.

use catalyst_diagnosis::Release;
pub(crate) use catalyst_diagnosis::member::{
    condition, condition_value, is_going, list, number, text, time,
};
pub(crate) use catalyst_diagnosis::words::shortened;
use catalyst_model::{ConditionFact, ConditionStatus, HelmFact};
use serde_json::Value;

/// Namespace of Flux's controllers and of the kit's HelmReleases.
pub(crate) const NAMESPACE: &str = "flux-system";
/// The controllers without which nothing reconciles.
pub(crate) const CONTROLLERS: [&str; 3] =
    ["source-controller", "kustomize-controller", "helm-controller"];

/// A HelmRelease: the facts that are judged, and where its Helm release is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelmRelease {
    /// The facts.
    pub fact: HelmFact,
    /// Namespace of the Helm release Secrets.
    pub storage_namespace: String,
    /// Name of the Helm release.
    pub release_name: String,
    /// Version number of the Helm release that the status calls current.
    pub release_version: Option<i64>,
    /// What may name a cause.
    pub told: Release,
}

impl HelmRelease {
    /// Reads a HelmRelease of version v2.
    pub(crate) fn read(object: &Value) -> Option<Self> {
        let name = text(object, "/metadata/name")?;
        let namespace = text(object, "/metadata/namespace")?;
        let declared_name = || match text(object, "/spec/targetNamespace") {
            Some(target) => format!("{target}-{name}"),
            None => name.clone(),
        };
        let in_status = "/status/history/0";
        Some(Self {
            fact: helm_fact(object)?,
            storage_namespace: text(object, "/status/storageNamespace")
                .or_else(|| text(object, "/spec/storageNamespace"))
                .unwrap_or(namespace),
            release_name: text(object, &format!("{in_status}/name"))
                .or_else(|| text(object, "/spec/releaseName"))
                .unwrap_or_else(declared_name),
            release_version: number(object, &format!("{in_status}/version")),
            told: Release::read(object)?,
        })
    }
}

fn helm_fact(object: &Value) -> Option<HelmFact> {
    let failures = match text(object, "/status/lastAttemptedReleaseAction").as_deref() {
        Some("upgrade") => number(object, "/status/upgradeFailures"),
        Some("install") => number(object, "/status/installFailures"),
        _ => number(object, "/status/failures"),
    };
    let mut ready = condition(object, "Ready");
    if is_going(object) {
        ready = Some(ConditionFact {
            status: ConditionStatus::False,
            reason: "Deleting".to_owned(),
            message: "the HelmRelease is being deleted".to_owned(),
            observed_generation: None,
        });
    }
    Some(HelmFact {
        generation: number(object, "/metadata/generation")?,
        observed_generation: number(object, "/status/observedGeneration"),
        ready,
        stalled: condition(object, "Stalled"),
        failures: failures.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        suspended: object.pointer("/spec/suspend") == Some(&Value::Bool(true)),
        applied_version: text(object, "/status/history/0/chartVersion"),
    })
}
