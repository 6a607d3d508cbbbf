//! L01: every kind is served before the first object of it is applied.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::kinds;
use crate::object::{Object, Owner};
use crate::order::comes_before;

pub(super) const RULE: Rule = Rule {
    id: "L01",
    title: "every kind is served before the first object of it is applied",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the API server answers `no matches for kind`; of a build that is applied as a whole, nothing \
            is applied then, and a release fails before its first object",
    fix: "depend on the release that brings the CRD, or declare the CRD as `given` in catalyst-kit.yaml",
    page: include_str!("../../../../docs/rules/L01.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let crds: Vec<&Object> = facts
        .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        .chain(facts.of_kind("apiextensions.crossplane.io", "CompositeResourceDefinition"))
        .collect();
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for object in facts.applied() {
        let group = object.group();
        if kinds::is_core(group, &object.kind) || kinds::is_flux(group) || is_kubernetes(group) {
            continue;
        }
        let providers: Vec<&Object> =
            crds.iter().copied().filter(|crd| defines(crd, object)).collect();
        if providers.iter().any(|crd| comes_before(facts, crd.owner, object.owner)) {
            continue;
        }
        // One finding for a kind and an owner: the cause is one.
        if !told.insert((object.owner, group.to_owned(), object.kind.clone())) {
            continue;
        }
        let node = object.node.get("kind").unwrap_or(&object.node);
        let spot = object.spot(node);
        let owner = facts.owner_title(object.owner);
        let kind = format!("{} ({})", object.kind, object.api_version);
        findings.push(match providers.first() {
            Some(crd) => {
                let provider = facts.owner_title(crd.owner);
                let message = format!("{owner} uses {kind}, but does not wait for {provider}");
                let finding = RULE.at(spot, message).related(crd.place(), "the CRD");
                match crd.owner {
                    Owner::Release(at) => {
                        let name = &facts.releases[at].declared.name;
                        finding.fix(format!("add `- name: {name}` to `dependsOn`"))
                    }
                    _ => finding,
                }
            }
            None => RULE.at(spot, format!("{owner} uses {kind}, which nothing here defines")),
        });
    }
    findings
}

/// Groups that only Kubernetes itself has; a kind of them that is not known here is of a newer version.
fn is_kubernetes(group: &str) -> bool {
    group.is_empty() || matches!(group, "apps" | "batch" | "autoscaling" | "policy" | "extensions")
}

/// Whether a CRD, or Crossplane's definition of which it makes one, defines the object's kind.
fn defines(crd: &Object, object: &Object) -> bool {
    crd.node.str_at("spec/group") == Some(object.group())
        && ["spec/names/kind", "spec/claimNames/kind"]
            .iter()
            .any(|kind| crd.node.str_at(kind) == Some(&object.kind))
}
