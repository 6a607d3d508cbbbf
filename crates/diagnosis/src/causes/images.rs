//! Images that do not come to the node.

use catalyst_model::CauseKind;

use crate::finding::Finding;
use crate::words::{between, refused, unreachable};
use crate::{Container, Event, Key, Observed, State, Unready};

/// The cause, if the container waits for its image and somebody has said why.
pub(super) fn image(
    observed: &Observed<'_>,
    key: &Key,
    pod: &Unready,
    container: &Container,
) -> Option<Finding> {
    let State::Waiting { reason, message } = &container.state else { return None };
    let waits = [
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "RegistryUnavailable",
    ];
    if !waits.contains(&reason.as_str()) {
        return None;
    }
    let image = &container.image;
    let is_pull =
        |event: &&Event| event.reason == "Failed" && event.message.contains(image.as_str());
    let event =
        observed.events_of("Pod", key).filter(is_pull).find(|event| said_why(&event.message));
    let text = event.map_or(message.as_str(), |event| event.message.as_str());
    let finding = classified(observed, key, pod, image, text)
        .or_else(|| classified(observed, key, pod, image, message))?
        .since(pod.since);
    Some(match event {
        Some(event) => finding.event(event),
        None => finding.evidence(format!("Status of Pod {key}"), pod.since, message),
    })
}

fn said_why(text: &str) -> bool {
    unreachable(text).is_some() || refused(text).is_some() || text.contains("not found")
}

fn classified(
    observed: &Observed<'_>,
    key: &Key,
    pod: &Unready,
    image: &str,
    text: &str,
) -> Option<Finding> {
    if let Some(reason) = unreachable(text) {
        let registry = registry(image);
        let node = pod.node.as_deref().unwrap_or("its node");
        let headline = format!("registry {registry} is unreachable from node {node}: {reason}");
        let fix = format!(
            "Restore the way from {node} to {registry} (its address there, its route, its certificate); pulls are tried again by themselves."
        );
        return Some(
            Finding::new(CauseKind::RegistryUnreachable, format!("registry {registry}"), &headline)
                .fix(fix),
        );
    }
    if let Some(code) = refused(text) {
        return Some(not_handed_out(observed, key, pod, image, code));
    }
    if text.contains("not found") || text.contains("manifest unknown") {
        let headline = format!("image {image} not found in {}", registry(image));
        return Some(Finding::new(CauseKind::ImageNotFound, format!("image {image}"), &headline));
    }
    if text.contains("couldn't parse image") || text.contains("invalid reference format") {
        let headline = format!("image name {image} is not valid");
        return Some(Finding::new(CauseKind::ImageNotFound, format!("image {image}"), &headline));
    }
    None
}

fn not_handed_out(
    observed: &Observed<'_>,
    key: &Key,
    pod: &Unready,
    image: &str,
    code: &str,
) -> Finding {
    let namespace = &key.namespace;
    let missing = observed
        .events_of("Pod", key)
        .find(|event| event.reason == "FailedToRetrieveImagePullSecret");
    let absent = missing.and_then(|event| between(&event.message, "pull secrets (", ")"));
    let (why, fix) = match (pod.pull_secrets.as_slice(), absent) {
        (_, Some(names)) => (
            format!("no pull secret {names} in namespace {namespace}"),
            format!(
                "Bring `{names}` into namespace {namespace}: add the namespace to the list of those it is reflected to."
            ),
        ),
        ([], None) => (
            format!("no pull secret in namespace {namespace}"),
            format!(
                "Name `ghcr-pull` in `imagePullSecrets` and bring it into namespace {namespace}."
            ),
        ),
        (names, None) => (
            format!("pull secret {} in namespace {namespace} is not accepted", names.join(", ")),
            format!("Renew the credentials in {}, or let them read the image.", names.join(", ")),
        ),
    };
    let headline = format!("image {image} refused by registry ({code}): {why}");
    let finding =
        Finding::new(CauseKind::ImageRefused, format!("image {image} in {namespace}"), &headline)
            .fix(fix);
    match missing {
        Some(event) => finding.event(event),
        None => finding,
    }
}

/// The host of an image's registry.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}
