//! L45: when the first claim without a class is made, there is exactly one default StorageClass.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::order::comes_before;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L45",
    title: "there is exactly one default StorageClass before the first claim",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "a claim without a class and without a default stays Pending for ever, and so do its Pods",
    fix: "depend on the release that brings the default class, declare it as `given`, or name a class",
    page: include_str!("../../../../docs/rules/L45.md"),
    check,
};

/// The annotation of a default class, and its first name.
const MARKS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let defaults: Vec<(&Object, &Node)> = facts
        .of_kind("storage.k8s.io", "StorageClass")
        .filter_map(|class| Some((class, mark(class)?)))
        .collect();
    for (class, node) in defaults.iter().skip(1) {
        let first = defaults[0];
        let message = format!("{} is a second default class", class.title());
        let finding =
            RULE.at(class.spot(node), message).related(first.0.spot(first.1), "the first");
        let cause = "the newest default wins: which volumes a claim gets depends on the order of installation";
        findings.push(finding.cause(cause).fix("keep one default"));
    }
    // A chart alone cannot know what it will be installed on.
    if facts.builds.is_empty() {
        return findings;
    }
    let mut told = BTreeSet::new();
    for object in facts.applied() {
        let Some(claim) = claims(object).into_iter().find(takes_default) else {
            continue;
        };
        let there = |class: &&(&Object, &Node)| comes_before(facts, class.0.owner, object.owner);
        if defaults.iter().any(|class| there(&class)) || !told.insert(object.owner) {
            continue;
        }
        let node = claim.get("accessModes").unwrap_or(claim);
        let owner = facts.owner_title(object.owner);
        findings.push(match defaults.first() {
            Some((class, node_of_class)) => {
                let provider = facts.owner_title(class.owner);
                let message = format!(
                    "{owner} claims a volume and does not wait for the default class of {provider}"
                );
                RULE.at(object.spot(node), message).related(class.spot(node_of_class), "the class")
            }
            None => {
                let message =
                    format!("{owner} claims a volume of the default class, and there is none");
                RULE.at(object.spot(node), message)
            }
        });
    }
    findings
}

fn mark(class: &Object) -> Option<&Node> {
    let annotations = class.node.at("metadata/annotations")?;
    let mut marks = MARKS.iter().filter_map(|name| annotations.get(name));
    marks.find(|node| node.text() == Some("true"))
}

/// The specifications of the claims an object makes.
fn claims(object: &Object) -> Vec<&Node> {
    let mut all = Vec::new();
    if object.is("", "PersistentVolumeClaim") {
        all.extend(object.node.get("spec"));
    }
    for template in object.node.items_at("spec/volumeClaimTemplates") {
        all.extend(template.get("spec").filter(|_| object.is("apps", "StatefulSet")));
    }
    let volumes = object.pod_spec().map(|spec| spec.items_at("volumes")).unwrap_or_default();
    all.extend(volumes.iter().filter_map(|volume| volume.at("ephemeral/volumeClaimTemplate/spec")));
    all
}

/// Whether a claim names neither a class nor a volume; an empty class means a volume made by hand.
fn takes_default(claim: &&Node) -> bool {
    let class = claim.get("storageClassName").filter(|node| !node.is_null());
    class.is_none() && claim.get("volumeName").is_none()
}
