//! What stands under everything: nodes, and Flux's controllers.

use catalyst_model::CauseKind;

use crate::finding::{Finding, named};
use crate::{Controller, Key, Observed, State, Unready};

/// Namespace of Flux's controllers.
pub(super) const FLUX: &str = "flux-system";

pub(super) fn nodes(observed: &Observed<'_>) -> Vec<Finding> {
    let of = |(key, node): (&Key, &crate::Node)| {
        let name = &key.name;
        let headline = format!("node {name} is not ready: {}", node.message);
        Finding::new(CauseKind::NodeNotReady, format!("node {name}"), &headline)
            .evidence(format!("Condition Ready of Node {name}"), node.since, &node.message)
            .since(node.since)
            .concerns_all()
    };
    observed.sick_nodes().map(of).collect()
}

pub(super) fn controllers(observed: &Observed<'_>) -> Vec<Finding> {
    observed.controllers.iter().filter_map(|controller| down(observed, controller)).collect()
}

fn down(observed: &Observed<'_>, controller: &Controller) -> Option<Finding> {
    let name = &controller.name;
    let stops = match name.as_str() {
        "source-controller" => "no source and no chart is fetched",
        "kustomize-controller" => "nothing of the kit is applied",
        _ => "no release is installed or upgraded",
    };
    let found = |why: &str| {
        let headline = format!("controller {name} is down ({why}): {stops}");
        Finding::new(CauseKind::ControllerDown, name.clone(), &headline).concerns_all()
    };
    let key = Key::new(FLUX, name.clone());
    let source = named("Deployment", &key);
    if !controller.exists {
        return Some(found("it does not exist").evidence(
            source,
            None,
            "there is none of that name",
        ));
    }
    if controller.desired == 0 {
        let text = "it is scaled to zero";
        return Some(found(text).evidence(source, None, "0 replicas are asked for"));
    }
    let owner = ("Deployment".to_owned(), name.clone());
    let mut pods =
        observed.pods.iter().filter_map(|(key, pod)| Some((*key, pod.unready.as_deref()?)));
    let (pod, unready) = pods.find(|(key, pod)| key.namespace == FLUX && pod.owner == owner)?;
    let why = trouble(unready)?;
    let tail = unready.containers.iter().find_map(|c| observed.logs.get(&(pod, c.name.as_str())));
    let mut finding = found(&why)
        .evidence(format!("Status of Pod {pod}"), unready.since, &why)
        .since(unready.since);
    if let Some(tail) = tail {
        finding = finding.log(&format!("Pod {pod}"), &tail.lines);
    }
    Some(finding)
}

/// What keeps a controller's Pod from running, if it is more than its start.
fn trouble(pod: &Unready) -> Option<String> {
    if let Some((_, why)) = &pod.unscheduled {
        return Some(format!("its Pod is not scheduled: {why}"));
    }
    pod.containers.iter().find_map(|container| match &container.state {
        State::Waiting { reason, .. } if reason == "CrashLoopBackOff" => {
            let code = container.last.as_ref().map_or(0, |exit| exit.code);
            Some(format!("it exits with {code} again and again"))
        }
        State::Waiting { reason, .. }
            if !matches!(reason.as_str(), "" | "ContainerCreating" | "PodInitializing") =>
        {
            Some(format!("its Pod waits: {reason}"))
        }
        State::Ended(exit) if exit.code != 0 => Some(format!("it exited with {}", exit.code)),
        State::Running { .. } if container.restarts >= 2 => {
            let code = container.last.as_ref().map(|exit| exit.code).filter(|code| *code != 0)?;
            Some(format!("it exits with {code} again and again"))
        }
        State::Waiting { .. } | State::Running { .. } | State::Ended(_) => None,
    })
}
