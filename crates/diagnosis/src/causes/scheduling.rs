//! Pods that no node takes.

use catalyst_model::CauseKind;

use crate::finding::{Finding, named};
use crate::words::between;
use crate::{Amount, Key, Observed, Unready};

pub(super) fn unscheduled(observed: &Observed<'_>, key: &Key, pod: &Unready) -> Option<Finding> {
    let (since, message) = pod.unscheduled.as_ref()?;
    // These have causes of their own: the claim, and the node.
    let waits_for_claim = message.contains("unbound immediate PersistentVolumeClaims")
        || message.contains("persistentvolumeclaim \"");
    let is_of_node = message.contains("untolerated taint {node.kubernetes.io/")
        && !message.contains("Insufficient");
    if waits_for_claim && !pod.claims.is_empty()
        || is_of_node && observed.sick_nodes().next().is_some()
    {
        return missing_claim(key, pod, message);
    }
    let lacks: Vec<&str> = ["cpu", "memory", "ephemeral-storage", "pods"]
        .into_iter()
        .filter(|what| {
            message.contains(&format!("Insufficient {what}"))
                || *what == "pods" && message.contains("Too many pods")
        })
        .collect();
    let why = match lacks.as_slice() {
        [] => between(message, "available: ", ". ").unwrap_or(message).to_owned(),
        lacks => lacks.join(", "),
    };
    let headline = format!("Pod {key} is unschedulable: {why}");
    let what = format!("{} {}/{}", pod.owner.0, key.namespace, pod.owner.1);
    let asked = observed.pods.get(key).map(|pod| pod.asks).unwrap_or_default();
    let mut finding = Finding::new(CauseKind::PodUnschedulable, what, &headline)
        .since(*since)
        .evidence(format!("Condition PodScheduled of Pod {key}"), *since, message);
    let free = free(observed);
    if !lacks.is_empty() && !free.is_empty() {
        let fix = format!(
            "It asks for {asked}; free are {}. Ask for less, or add a node.",
            free.join(", ")
        );
        finding = finding.fix(fix);
    }
    let event = observed.events_of("Pod", key).find(|event| event.reason == "FailedScheduling");
    Some(match event {
        Some(event) => finding.event(event),
        None => finding,
    })
}

/// A claim that was never made has nobody else to speak for it.
fn missing_claim(key: &Key, pod: &Unready, message: &str) -> Option<Finding> {
    let claim = between(message, "persistentvolumeclaim \"", "\" not found")?;
    let claim = Key::new(key.namespace.clone(), claim);
    let headline = format!("claim {claim} does not exist; Pod {key} mounts it");
    let since = pod.unscheduled.as_ref().and_then(|(since, _)| *since);
    Some(
        Finding::new(CauseKind::ClaimPending, named("claim", &claim), &headline)
            .evidence(format!("Condition PodScheduled of Pod {key}"), since, message)
            .fix(format!("Make PersistentVolumeClaim {claim}, or correct the name."))
            .since(since),
    )
}

/// What each node has left.
fn free(observed: &Observed<'_>) -> Vec<String> {
    const SHOWN: usize = 3;
    let of = |name: &str| -> Amount {
        let here = observed.on_node(name);
        here.map(|pod| pod.asks).sum()
    };
    let nodes = observed.nodes.iter().filter(|(_, node)| node.ready).take(SHOWN);
    nodes
        .map(|(key, node)| format!("{} on node {}", node.allocatable - of(&key.name), key.name))
        .collect()
}
