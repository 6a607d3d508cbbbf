//! Pods that are not ready: each container's own cause, or why there is no Pod at all.

use catalyst_model::CauseKind;

use super::platform::FLUX;
use super::{images, running, scheduling};
use crate::finding::{Finding, named};
use crate::words::{after, between};
use crate::{Event, Key, Observed, Reference, State, Unready};

/// Namespaces that belong to no release and that every release stands on.
const UNDER_ALL: [&str; 2] = ["kube-system", "local-path-storage"];

pub(super) fn pods(observed: &Observed<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, pod) in &observed.pods {
        let Some(unready) = pod.unready.as_deref() else { continue };
        if is_controller(observed, key, unready) {
            continue;
        }
        let release = observed.release_of(&key.namespace, &unready.owner);
        let is_under_all = UNDER_ALL.contains(&key.namespace.as_str()) || key.namespace == FLUX;
        if release.is_none_or(|name| observed.well.contains(name)) && !is_under_all {
            continue;
        }
        for finding in of_pod(observed, key, unready) {
            let finding = finding.of(release);
            found.push(if release.is_none() { finding.concerns_all() } else { finding });
        }
    }
    found
}

/// Flux's own controllers have a cause of their own.
fn is_controller(observed: &Observed<'_>, key: &Key, pod: &Unready) -> bool {
    key.namespace == FLUX && observed.controllers.iter().any(|c| c.name == pod.owner.1)
}

fn of_pod(observed: &Observed<'_>, key: &Key, pod: &Unready) -> Vec<Finding> {
    if pod.unscheduled.is_some() {
        return scheduling::unscheduled(observed, key, pod).into_iter().collect();
    }
    let mut found: Vec<Finding> = pod
        .containers
        .iter()
        .filter_map(|container| {
            images::image(observed, key, pod, container)
                .or_else(|| running::crash(observed, key, pod, container))
                .or_else(|| running::probe(observed, key, pod, container))
        })
        .collect();
    found.extend(reference(observed, key, pod));
    found
}

/// A Secret or ConfigMap without which the Pod does not start.
fn reference(observed: &Observed<'_>, key: &Key, pod: &Unready) -> Option<Finding> {
    let waiting = pod.containers.iter().filter_map(|container| match &container.state {
        State::Waiting { reason, message } => Some((reason.as_str(), message.as_str())),
        State::Running { .. } | State::Ended(_) => None,
    });
    let waiting: Vec<_> = waiting.collect();
    if waiting.is_empty() {
        return None;
    }
    let of_status = waiting.iter().find(|(reason, _)| *reason == "CreateContainerConfigError");
    let in_status = of_status.and_then(|(_, message)| absent(pod, message).map(|a| (a, *message)));
    let is_mount =
        |event: &&Event| event.reason == "FailedMount" || event.message.starts_with("Error: ");
    let event =
        observed.events_of("Pod", key).filter(is_mount).find(|e| absent(pod, &e.message).is_some());
    let (missing, text) = match (in_status, event) {
        (Some(found), _) => found,
        (None, Some(event)) => (absent(pod, &event.message)?, event.message.as_str()),
        (None, None) => return None,
    };
    let Reference { kind, name, key: member } = &missing;
    let of_key = member.as_ref().map(|member| format!(" key {member}")).unwrap_or_default();
    let namespace = &key.namespace;
    let headline = format!(
        "Pod {key} waits for {kind} {name}{of_key}: it does not exist in namespace {namespace}"
    );
    let fix = format!(
        "Make {kind} {name} in namespace {namespace}{}, or correct the name.",
        member.as_ref().map(|m| format!(" with the key `{m}`")).unwrap_or_default()
    );
    let finding = Finding::new(
        CauseKind::ReferenceMissing,
        format!("{kind} {namespace}/{name}{of_key}"),
        &headline,
    )
    .fix(fix)
    .since(pod.since);
    Some(match event {
        Some(event) => finding.event(event),
        None => finding.evidence(format!("Status of Pod {key}"), pod.since, text),
    })
}

/// What a message says is missing: an object, or a key of one.
fn absent(pod: &Unready, message: &str) -> Option<Reference> {
    let of_pod = |kind: &str, name: &str| {
        pod.references.iter().find(|r| r.kind == kind && r.name == name).and_then(|r| r.key.clone())
    };
    for (kind, word) in [("Secret", "secret \""), ("ConfigMap", "configmap \"")] {
        if let Some(name) = between(message, word, "\" not found") {
            return Some(Reference { kind, name: name.to_owned(), key: of_pod(kind, name) });
        }
        // `couldn't find key password in Secret gitea/admin`
        let mark = format!(" in {kind} ");
        if let Some(key) = between(message, "find key ", &mark) {
            let rest = after(message, &mark)?;
            let object = rest.split_whitespace().next().unwrap_or(rest);
            let name = object.rsplit('/').next().unwrap_or(object);
            return Some(Reference { kind, name: name.to_owned(), key: Some(key.to_owned()) });
        }
    }
    for (kind, mark) in
        [("Secret", "non-existent secret key: "), ("ConfigMap", "non-existent config key: ")]
    {
        if let Some(rest) = after(message, mark) {
            let key = rest.split_whitespace().next().unwrap_or(rest);
            let holder =
                pod.references.iter().find(|r| r.kind == kind && r.key.as_deref() == Some(key))?;
            return Some(holder.clone());
        }
    }
    None
}

/// Workloads whose Pods the API server refuses to make.
pub(super) fn refused(observed: &Observed<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for event in observed.events.iter().filter(|event| event.reason == "FailedCreate") {
        let owner = workload(event);
        let Some(release) = observed.release_of(&event.object.namespace, &owner) else { continue };
        // Events outlive what they tell of: one whose Pods were made since then is of yesterday.
        let has_pods = observed.pods.iter().any(|(key, pod)| {
            let is_its = pod.unready.as_ref().is_some_and(|pod| pod.owner == owner);
            key.namespace == event.object.namespace && is_its
        });
        if has_pods || observed.well.contains(release) {
            continue;
        }
        let key = Key::new(event.object.namespace.clone(), owner.1.clone());
        let what = named(&owner.0, &key);
        let why = after(&event.message, "Error creating: ").unwrap_or(&event.message);
        let why = after(why, " is forbidden: ").unwrap_or(why);
        let headline = format!("the Pods of {what} are refused: {why}");
        found.push(
            Finding::new(CauseKind::PodsRefused, what, &headline)
                .event(event)
                .since(event.first)
                .of([release]),
        );
    }
    found
}

/// The workload that a person would name: the Deployment and not its ReplicaSet.
fn workload(event: &Event) -> (String, String) {
    let name = &event.object.name;
    match (event.kind.as_str(), name.rsplit_once('-')) {
        ("ReplicaSet", Some((deployment, _))) => ("Deployment".to_owned(), deployment.to_owned()),
        (kind, _) => (kind.to_owned(), name.clone()),
    }
}
