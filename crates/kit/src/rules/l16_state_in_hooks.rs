//! L16: what others live on is no hook: Secrets, volumes, stores, issuers and namespaces.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;

pub(super) const RULE: Rule = Rule {
    id: "L16",
    title: "Secrets, volumes, stores, issuers and namespaces are no hooks",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "a hook is no part of the release: nothing notices when it drifts, and `before-hook-creation` \
            (Helm's default) deletes it before every upgrade, while Pods use it",
    fix: "make it an ordinary object of the release, or have it made once by a Job that leaves it alone",
    page: include_str!("../../../../docs/rules/L16.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    facts.applied().filter_map(judge).collect()
}

fn judge(object: &Object) -> Option<Finding> {
    let hook = object.hook.as_ref()?;
    if !holds_state(object) || hook.events.iter().all(|event| event == "test") {
        return None;
    }
    // A hook that is gone when its event is over serves other hooks only: nobody lives on it.
    let policies = &hook.delete_policies;
    if policies.iter().any(|policy| policy == "hook-succeeded") {
        return None;
    }
    let annotations = object.node.at("metadata/annotations");
    let stated = annotations
        .and_then(|all| all.get("helm.sh/hook-delete-policy").or_else(|| all.get("helm.sh/hook")));
    let spot = stated.map_or_else(|| object.place(), |node| object.spot(node));
    let message = if hook.is_replaced() {
        format!(
            "{} is a hook and is deleted and made anew at every {}",
            object.title(),
            hook.events.join(", ")
        )
    } else {
        format!("{} is a hook: no part of the release", object.title())
    };
    Some(RULE.at(spot, message))
}

/// Kinds that others live on.
fn holds_state(object: &Object) -> bool {
    let core = object.group().is_empty()
        && matches!(object.kind.as_str(), "Secret" | "PersistentVolumeClaim" | "Namespace");
    core || ["Store", "Issuer", "ExternalSecret"].iter().any(|end| object.kind.ends_with(end))
}
