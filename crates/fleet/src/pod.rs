//! What is read of a Pod: whose it is, whether it is ready, since when, and what ails it.

use jiff::Timestamp;
use serde_json::Value;

use crate::flux::{condition_value, is_going, list, shortened, text, time};

/// A Pod, reduced to what availability needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Kind and name of the workload it belongs to; its own for a Pod that nobody controls.
    pub owner: (String, String),
    /// The node it is on.
    pub node: Option<String>,
    /// Whether the API shows it Ready and not about to go.
    pub ready: bool,
    /// Whether it ran to its end with success.
    pub succeeded: bool,
    /// When the oldest of its containers started; none unless all of them run.
    pub containers_started_at: Option<Timestamp>,
    /// What keeps it from running, in the cluster's words.
    pub problem: Option<String>,
    /// What may name a cause.
    pub told: catalyst_diagnosis::Pod,
}

impl Pod {
    /// Reads a Pod.
    pub(crate) fn read(object: &Value) -> Option<Self> {
        let is_going = is_going(object);
        let is_ready = condition_value(object, "Ready")
            .is_some_and(|c| c.get("status").and_then(Value::as_str) == Some("True"));
        let owner = owner(object)?;
        Some(Self {
            told: catalyst_diagnosis::Pod::read(object, &owner, is_ready),
            owner,
            node: text(object, "/spec/nodeName"),
            ready: is_ready && !is_going,
            succeeded: text(object, "/status/phase").as_deref() == Some("Succeeded"),
            containers_started_at: containers_started_at(object),
            problem: if is_going { None } else { problem(object) },
        })
    }
}

/// The oldest start among its containers, if every container runs.
fn containers_started_at(object: &Value) -> Option<Timestamp> {
    let mut oldest: Option<Timestamp> = None;
    for container in list(object, "/status/containerStatuses") {
        let started = time(container, "/state/running/startedAt")?;
        oldest = Some(oldest.map_or(started, |known| known.min(started)));
    }
    oldest
}

/// The workload that a person would name: the Deployment and not its ReplicaSet.
fn owner(object: &Value) -> Option<(String, String)> {
    let controller = list(object, "/metadata/ownerReferences")
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)));
    let Some(controller) = controller else {
        return Some(("Pod".to_owned(), text(object, "/metadata/name")?));
    };
    let (kind, name) = (text(controller, "/kind")?, text(controller, "/name")?);
    let hash = object.pointer("/metadata/labels/pod-template-hash").and_then(Value::as_str);
    if let ("ReplicaSet", Some(hash)) = (kind.as_str(), hash)
        && let Some(deployment) = name.strip_suffix(&format!("-{hash}"))
    {
        return Some(("Deployment".to_owned(), deployment.to_owned()));
    }
    Some((kind, name))
}

fn problem(object: &Value) -> Option<String> {
    let unscheduled = condition_value(object, "PodScheduled")
        .filter(|c| c.get("status").and_then(Value::as_str) == Some("False"));
    if let Some(condition) = unscheduled {
        let why = text(condition, "/message").unwrap_or_default();
        return Some(shortened(&format!("not scheduled: {why}")));
    }
    let init = list(object, "/status/initContainerStatuses");
    init.chain(list(object, "/status/containerStatuses")).find_map(container_problem)
}

fn container_problem(container: &Value) -> Option<String> {
    let name = text(container, "/name")?;
    if let Some(reason) = text(container, "/state/waiting/reason") {
        if matches!(reason.as_str(), "ContainerCreating" | "PodInitializing") {
            return None;
        }
        let exit = container
            .pointer("/lastState/terminated/exitCode")
            .map(|code| format!(" (last exit code {code})"));
        let message = text(container, "/state/waiting/message")
            .map(|message| format!(": {message}"))
            .unwrap_or_default();
        let exit = exit.unwrap_or_default();
        return Some(shortened(&format!("container {name}: {reason}{exit}{message}")));
    }
    let code = container.pointer("/state/terminated/exitCode").and_then(Value::as_i64)?;
    (code != 0).then(|| format!("container {name}: exited with code {code}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_replica_sets_pod_belongs_to_the_deployment() {
        let pod = json!({"metadata": {"name": "gitea-7f9-x", "labels": {"pod-template-hash": "7f9"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "gitea-7f9", "controller": true}]}});
        assert_eq!(Pod::read(&pod).unwrap().owner, ("Deployment".into(), "gitea".into()));
    }

    #[test]
    fn the_reason_a_container_waits_for_is_told() {
        let pod = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": [
            {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "403"}}}]}});
        let problem = Pod::read(&pod).unwrap().problem;
        assert_eq!(problem.as_deref(), Some("container app: ImagePullBackOff: 403"));
    }

    #[test]
    fn the_oldest_container_counts_and_one_that_waits_leaves_none() {
        let running = |at: &str| json!({"name": "a", "state": {"running": {"startedAt": at}}});
        let both = json!([running("2026-01-01T00:00:09Z"), running("2026-01-01T00:00:05Z")]);
        let pod = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": both}});
        let oldest = Pod::read(&pod).unwrap().containers_started_at;
        assert_eq!(oldest, Some("2026-01-01T00:00:05Z".parse().unwrap()));
        let mixed =
            json!([running("2026-01-01T00:00:09Z"), {"name": "b", "state": {"waiting": {}}}]);
        let pod = json!({"metadata": {"name": "p"}, "status": {"containerStatuses": mixed}});
        assert_eq!(Pod::read(&pod).unwrap().containers_started_at, None);
    }

    #[test]
    fn a_pod_about_to_go_is_not_ready() {
        let pod = json!({"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert!(!Pod::read(&pod).unwrap().ready);
    }
}
