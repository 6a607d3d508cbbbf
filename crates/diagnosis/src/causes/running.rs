//! Containers that were started and end again, or run and are not ready.

use catalyst_model::CauseKind;

use crate::finding::Finding;
use crate::words::last_line;
use crate::{Container, Event, Exit, Key, Observed, State, Unready};

/// A start fails its probe once or twice; from then on it is told.
const FAILED_PROBES: i64 = 3;

/// How a container ended, if it ends again and again.
fn crashes(container: &Container) -> Option<&Exit> {
    let exit = match &container.state {
        State::Waiting { reason, .. } if reason == "CrashLoopBackOff" => container.last.as_ref(),
        State::Ended(exit) => Some(exit),
        State::Running { .. } if container.restarts >= 2 && !container.ready => {
            container.last.as_ref()
        }
        State::Waiting { .. } | State::Running { .. } => None,
    }?;
    // What a node's own restart ended says nothing of the program.
    let was_cut_off = exit.reason == "Unknown" || exit.code == 255 && container.restarts < 2;
    (exit.code != 0 && !was_cut_off).then_some(exit)
}

pub(super) fn crash(
    observed: &Observed<'_>,
    key: &Key,
    pod: &Unready,
    container: &Container,
) -> Option<Finding> {
    let exit = crashes(container)?;
    let hook =
        observed.owners.get(&(key.namespace.as_str(), pod.owner.0.as_str(), pod.owner.1.as_str()));
    if hook.is_some_and(|made| made.hook.is_some()) {
        return None;
    }
    let (kind, workload) = &pod.owner;
    let subject = format!("container {} of {kind} {}/{workload}", container.name, key.namespace);
    let log = observed.logs.get(&(key, container.name.as_str()));
    let last = log.and_then(|log| last_line(&log.lines));
    let why = match (last, exit.message.as_str(), exit.reason.as_str()) {
        (Some(last), ..) => format!(": {last}"),
        (None, "", "" | "Error") => String::new(),
        (None, "", reason) => format!(" ({reason})"),
        (None, message, _) => format!(": {message}"),
    };
    let headline = format!("{subject} exits with {}{why}", exit.code);
    let status = match exit.reason.as_str() {
        "OOMKilled" => "ended for want of memory".to_owned(),
        reason => format!("ended with exit code {} ({reason}) {}", exit.code, exit.message),
    };
    let mut finding =
        Finding::new(CauseKind::ContainerCrashes, subject, &headline).since(pod.since);
    if let Some(log) = log {
        finding = finding.log(&format!("container {} of Pod {key}", container.name), &log.lines);
        if let Some(why) = &log.unreadable {
            finding = finding.evidence(
                format!("Log of Pod {key}"),
                None,
                &format!("could not be read: {why}"),
            );
        }
    }
    finding = finding.evidence(format!("Status of Pod {key}"), pod.since, &status);
    let killed = observed.events_of("Pod", key).find(|e| is_of(e, container, "Liveness"));
    Some(match killed {
        Some(event) => finding.event(event),
        None => finding,
    })
}

/// `Readiness probe failed: …`, of the one container or of that which the text names.
fn is_of(event: &Event, container: &Container, word: &str) -> bool {
    event.reason == "Unhealthy"
        && event.message.starts_with(word)
        && (!event.message.contains("container ") || event.message.contains(&container.name))
}

pub(super) fn probe(
    observed: &Observed<'_>,
    key: &Key,
    pod: &Unready,
    container: &Container,
) -> Option<Finding> {
    let State::Running { since } = &container.state else { return None };
    if container.ready {
        return None;
    }
    let fails = |event: &&Event| {
        let is_now = since.is_none_or(|since| event.last.is_none_or(|last| last >= since));
        event.count >= FAILED_PROBES && is_now
    };
    let event = observed
        .events_of("Pod", key)
        .filter(|e| is_of(e, container, "Readiness") || is_of(e, container, "Startup"))
        .find(fails)?;
    let (which, why) =
        event.message.split_once(" probe failed: ").unwrap_or(("Readiness", &event.message));
    let (kind, workload) = &pod.owner;
    let subject = format!("container {} of {kind} {}/{workload}", container.name, key.namespace);
    let asks = container.probe.as_deref().filter(|_| which == "Readiness");
    let asks = asks.map(|probe| format!(" {probe}")).unwrap_or_default();
    let headline = format!("{} probe{asks} of {subject} fails: {why}", which.to_lowercase());
    Some(Finding::new(CauseKind::ProbeFails, subject, &headline).event(event).since(event.first))
}
