//! L36: an object has one owner, over builds, releases and what first boot made.

use std::collections::BTreeMap;

use super::{Decidability, Rule};
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity};
use crate::object::{Object, Owner};

pub(super) const RULE: Rule = Rule {
    id: "L36",
    title: "an object has one owner, over releases, builds and first boot",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "two owners write over each other at every pass, and the first one that is uninstalled or \
            rolled back takes the object away from the other",
    fix: "leave the object to one of them",
    page: include_str!("../../../../docs/rules/L36.md"),
    check,
};

/// How Flux is told to leave an object that is there already to its owner.
const SSA: &str = "kustomize.toolkit.fluxcd.io/ssa";

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<_, Vec<&Object>> = BTreeMap::new();
    for object in facts.objects.iter().filter(|object| is_owned(object)) {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        let key = (object.group(), object.kind.as_str(), namespace, object.name.as_str());
        let others = seen.entry(key).or_default();
        if let Some(first) = others.iter().find(|first| collide(facts, first, object)) {
            let (one, other) = (facts.owner_title(first.owner), facts.owner_title(object.owner));
            let message = if first.owner == object.owner {
                format!("{other} holds {} twice", object.title())
            } else {
                format!("{} is of {one} and of {other}", object.title())
            };
            let finding = RULE.at(object.place(), message);
            findings.push(finding.related(first.place(), format!("of {one}")));
        }
        others.push(object);
    }
    histories(facts, &mut findings);
    findings
}

/// Whether its owner means to keep it: it has a name, and is not given up to whoever made it first.
fn is_owned(object: &Object) -> bool {
    let shared = |how| matches!(how, "IfNotPresent" | "Ignore" | "Merge");
    !object.name.is_empty() && !object.annotation(SSA).is_some_and(shared)
}

fn collide(facts: &Facts, one: &Object, other: &Object) -> bool {
    if one.owner == other.owner {
        // Hooks of one name replace each other on purpose, event by event.
        return matches!(one.owner, Owner::Release(_))
            && one.hook.is_none()
            && other.hook.is_none();
    }
    match (facts.root_of(one.owner), facts.root_of(other.owner)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// Releases that write one and the same history of Helm.
fn histories(facts: &Facts, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<_, &Release> = BTreeMap::new();
    for release in &facts.releases {
        let object = facts.declaration(release);
        let storage = object.node.str_at("spec/storageNamespace");
        let namespace = storage.unwrap_or(&release.declared.namespace);
        let root = facts.root_of(object.owner);
        let key = (root, namespace, release.declared.release_name.as_str());
        let Some(first) = seen.get(&key) else {
            seen.insert(key, release);
            continue;
        };
        let message = format!(
            "`{}` and `{}` are one Helm release, `{}` in `{namespace}`",
            first.declared.name, release.declared.name, release.declared.release_name
        );
        let spot = facts.release_spot(release, "spec/releaseName");
        let finding = RULE.at(spot, message).cause(
            "each takes the other's installation for an upgrade of its own and removes the other's objects",
        );
        let finding = finding.fix("give one of them another `releaseName`");
        findings.push(finding.related(facts.release_spot(first, "spec/releaseName"), "the first"));
    }
}
