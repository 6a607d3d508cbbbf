//! L10: what a hook needs is there when it runs.
//!
//! Helm 3.19 runs the hooks of an event one by one, by weight and then by name, and waits for each;
//! before the first install event nothing of the release exists but what earlier hooks made.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Hook, Object};
use crate::refs;
use crate::yaml::Node;

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) const RULE: Rule = Rule {
    id: "L10",
    title: "a hook runs after everything it needs",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "Helm runs the hooks of an event one by one, lower weights first, and before an install \
            none of the release's own objects is there: the Pod is refused or waits until the time is up",
    fix: "give what the hook needs the same event and a lower weight than the hook",
    page: include_str!("../../../../docs/rules/L10.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for release in 0..facts.releases.len() {
        let objects: Vec<&Object> = facts.of_release(release).collect();
        for runner in objects.iter().filter(|object| object.pod_spec().is_some()) {
            let Some(hook) = &runner.hook else { continue };
            for (provider, at) in needs(runner, &objects) {
                let events = hook.events.iter();
                findings
                    .extend(events.filter_map(|event| judge(runner, hook, event, provider, at)));
            }
        }
    }
    findings.sort_by(|a, b| (&a.spot, &a.message).cmp(&(&b.spot, &b.message)));
    findings.dedup_by(|a, b| a.spot == b.spot && a.message == b.message);
    findings
}

/// The objects of the same release that a hook cannot do without, and where it says so.
fn needs<'a>(runner: &'a Object, objects: &[&'a Object]) -> Vec<(&'a Object, &'a Node)> {
    let Some(spec) = runner.pod_spec() else { return Vec::new() };
    let namespace = runner.namespace.as_deref();
    let mut all = Vec::new();
    for reference in refs::of_pod(spec).into_iter().filter(|reference| !reference.optional) {
        let name = reference.name.text().unwrap_or_default();
        let fits =
            |object: &&&Object| object.is("", reference.kind) && object.named(namespace, name);
        let Some(provider) = objects.iter().copied().find(|object| fits(&object)) else { continue };
        all.push((provider, reference.name));
        if reference.kind == "ServiceAccount" {
            all.extend(granted(objects, namespace, name).map(|object| (object, reference.name)));
        }
    }
    all
}

/// The bindings that name an account, and the roles they bind.
fn granted<'a>(
    objects: &[&'a Object],
    namespace: Option<&str>,
    account: &str,
) -> impl Iterator<Item = &'a Object> {
    let binds = |object: &&Object| {
        object.group() == RBAC
            && object.node.items_at("subjects").iter().any(|subject| {
                subject.str_at("kind") == Some("ServiceAccount")
                    && subject.str_at("name") == Some(account)
                    && subject.str_at("namespace").is_none_or(|own| Some(own) == namespace)
            })
    };
    let bindings: Vec<&Object> = objects.iter().copied().filter(binds).collect();
    let role = |binding: &&'a Object| -> Option<&'a Object> {
        let kind = binding.node.str_at("roleRef/kind")?;
        let name = binding.node.str_at("roleRef/name")?;
        objects.iter().copied().find(|object| {
            object.is(RBAC, kind)
                && object.name == name
                && (kind == "ClusterRole" || object.namespace == binding.namespace)
        })
    };
    let roles: Vec<&Object> = bindings.iter().filter_map(role).collect();
    bindings.into_iter().chain(roles)
}

fn judge(
    runner: &Object,
    hook: &Hook,
    event: &str,
    provider: &Object,
    at: &Node,
) -> Option<Finding> {
    let (who, what) = (runner.title(), provider.title());
    let Some(own) = &provider.hook else {
        // On an upgrade the object of the release before is still there.
        if event != "pre-install" {
            return None;
        }
        let message =
            format!("{who} runs pre-install, when {what} of its release is not there yet");
        let finding = RULE.at(runner.spot(at), message);
        return Some(finding.related(provider.place(), "applied after the hook"));
    };
    if !own.events.iter().any(|other| other == event) {
        let message = format!("{who} runs {event}, but {what} is made {}", own.events.join(", "));
        let finding = RULE.at(runner.spot(at), message);
        return Some(finding.related(provider.place(), "a hook of another event"));
    }
    let (weight, other) = (hook.weight, own.weight);
    if other > weight {
        let message =
            format!("{who} has weight {weight} and runs before {what}, which has {other}");
        let finding = RULE.at(weight_spot(runner), message);
        return Some(finding.related(weight_spot(provider), "made after the hook"));
    }
    if other == weight {
        let message = format!("{who} and {what} have the same weight {weight}");
        let cause =
            "hooks of one weight run in the order of their names, which nobody reads as an order";
        let finding = RULE.at(weight_spot(runner), message).cause(cause);
        return Some(finding.related(weight_spot(provider), "of the same weight"));
    }
    None
}

/// Where an object states its weight; where it says that it is a hook, if it states none.
fn weight_spot(object: &Object) -> Spot {
    let annotations = object.node.at("metadata/annotations");
    let stated = annotations
        .and_then(|all| all.get("helm.sh/hook-weight").or_else(|| all.get("helm.sh/hook")));
    stated.map_or_else(|| object.place(), |node| object.spot(node))
}
