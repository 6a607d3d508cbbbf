//! Claims for storage that are not bound.

use std::collections::BTreeMap;

use catalyst_model::{CauseKind, ReleaseName};

use crate::finding::{Finding, named};
use crate::{Claim, Key, Observed};

pub(super) fn claims(observed: &Observed<'_>) -> Vec<Finding> {
    let Some(classes) = &observed.classes else { return Vec::new() };
    observed
        .claims
        .iter()
        .filter_map(|(key, claim)| pending(observed, classes, key, claim))
        .collect()
}

fn pending(
    observed: &Observed<'_>,
    classes: &BTreeMap<&str, bool>,
    key: &Key,
    claim: &Claim,
) -> Option<Finding> {
    let known: Vec<&str> = classes.keys().copied().collect();
    let there = if known.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there is {}", known.join(", "))
    };
    let has_default = classes.values().any(|is_default| *is_default);
    let failed = observed
        .events_of("PersistentVolumeClaim", key)
        .find(|event| matches!(event.reason.as_str(), "ProvisioningFailed" | "VolumeMismatch"));
    let (why, fix) = match claim.class.as_deref() {
        Some(class) if !class.is_empty() && !classes.contains_key(class) => (
            format!("StorageClass {class} does not exist ({there})"),
            format!("Ask for a class that exists ({there}), or make {class}."),
        ),
        None if !has_default => (
            format!("it names no StorageClass and none is the default ({there})"),
            "Name a StorageClass in the claim, or mark one as the default.".to_owned(),
        ),
        Some("") => (
            "it asks for no class, and no volume fits it".to_owned(),
            "Make a PersistentVolume that fits, or name a StorageClass.".to_owned(),
        ),
        _ => (failed?.message.clone(), CauseKind::ClaimPending.problem().fix.to_owned()),
    };
    let headline = format!("PVC {key} is pending: {why}");
    let class = claim.class.as_deref().unwrap_or("(none)");
    let finding = Finding::new(CauseKind::ClaimPending, named("claim", key), &headline)
        .fix(fix)
        .since(claim.since)
        .evidence(
            named("PersistentVolumeClaim", key),
            claim.since,
            &format!("Pending; storageClassName: {class}"),
        )
        .of(users(observed, key));
    Some(match failed {
        Some(event) => finding.event(event),
        None => finding,
    })
}

/// The releases whose Pods mount the claim, else the one whose namespace it is in.
fn users<'a>(observed: &Observed<'a>, key: &Key) -> Option<&'a ReleaseName> {
    let mounts = observed.pods.iter().filter(|(pod, _)| pod.namespace == key.namespace);
    let mut mounts = mounts
        .filter_map(|(_, pod)| pod.unready.as_deref())
        .filter(|pod| pod.claims.contains(&key.name));
    let found = mounts.find_map(|pod| observed.release_of(&key.namespace, &pod.owner));
    found.or_else(|| observed.release_of(&key.namespace, &(String::new(), String::new())))
}
