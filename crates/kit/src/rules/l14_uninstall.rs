//! L14: a controller and the objects it must clean up are not removed in one go.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::{Object, Owner};

pub(super) const RULE: Rule = Rule {
    id: "L14",
    title: "a controller and objects with its finalizers are in different releases",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "an uninstall, or the remediation of a failed install, deletes the controller first; its objects \
            wait for their finalizers, the namespace stays in Terminating, and the next install is refused",
    fix: "put these objects into a release of their own that depends on the controller's",
    page: include_str!("../../../../docs/rules/L14.md"),
    check,
};

/// Kinds whose controllers put finalizers on them: group (an end of it after a dot), and kind (all of
/// the group's where it is empty).
const FINALIZED: &[(&str, &str)] = &[
    ("acid.zalan.do", "postgresql"),
    ("acme.cert-manager.io", "Challenge"),
    ("argoproj.io", "Application"),
    ("cluster.x-k8s.io", ""),
    ("crossplane.io", ""),
    ("external-secrets.io", "PushSecret"),
    ("external-secrets.io", "ClusterExternalSecret"),
    ("kafka.strimzi.io", "KafkaTopic"),
    ("kyverno.io", "UpdateRequest"),
    ("longhorn.io", ""),
    ("minio.min.io", "Tenant"),
    ("rabbitmq.com", ""),
    ("ceph.rook.io", ""),
    ("objectbucket.io", ""),
    ("secrets.hashicorp.com", ""),
    ("upbound.io", ""),
    ("k8s.elastic.co", ""),
    ("karpenter.sh", ""),
    ("tigera.io", ""),
    ("metallb.io", ""),
];

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for release in 0..facts.releases.len() {
        let objects: Vec<&Object> = facts.of_release(release).collect();
        let runs = objects.iter().find(|object| {
            matches!(object.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet")
                && object.group() == "apps"
        });
        let Some(controller) = runs else { continue };
        for object in &objects {
            if let Some(why) = finalized(object).filter(|_| is_defined_by(facts, release, object)) {
                let message = format!(
                    "{} ({why}) is uninstalled together with its controller, {}",
                    object.title(),
                    controller.title()
                );
                let node = object
                    .node
                    .at("metadata/finalizers")
                    .unwrap_or_else(|| object.node.get("kind").unwrap_or(&object.node));
                let finding = RULE.at(object.spot(node), message);
                findings.push(finding.related(controller.place(), "the controller"));
            }
        }
    }
    findings
}

/// Why an object does not go away by itself.
fn finalized(object: &Object) -> Option<&'static str> {
    if object.from_crds || object.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return None;
    }
    // An object that outlives its release is deleted by nobody.
    if object.annotation("helm.sh/resource-policy") == Some("keep") {
        return None;
    }
    if !object.node.items_at("metadata/finalizers").is_empty() {
        return Some("it states finalizers");
    }
    let group = object.group();
    let known = FINALIZED.iter().any(|(end, kind)| {
        let of_group =
            group == *end || group.strip_suffix(end).is_some_and(|rest| rest.ends_with('.'));
        of_group && (kind.is_empty() || object.kind == *kind)
    });
    known.then_some("its controller puts finalizers on it")
}

/// Whether the release itself brings the kind, and so whoever looks after it.
fn is_defined_by(facts: &Facts, release: usize, object: &Object) -> bool {
    let mut crds = facts.of_kind("apiextensions.k8s.io", "CustomResourceDefinition");
    crds.any(|crd| {
        crd.owner == Owner::Release(release)
            && crd.node.str_at("spec/group") == Some(object.group())
            && crd.node.str_at("spec/names/kind") == Some(&object.kind)
    })
}
