//! L01: every kind is served before the first object of it is applied.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::kinds;
use crate::object::{Object, Owner};

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

/// Whether what `provider` applies is there when `user` begins. What is defined by the same owner is
/// the matter of L02.
pub(super) fn comes_before(facts: &Facts, provider: Owner, user: Owner) -> bool {
    match (provider, user) {
        (Owner::Given, _) => true,
        (provider, user) if provider == user => true,
        (Owner::Build(_), Owner::Release(_)) => true,
        (Owner::Release(before), Owner::Release(after)) => facts.upstream(after).contains(&before),
        (Owner::Build(before), Owner::Build(after)) => waits(facts, after, before),
        (Owner::Release(_), Owner::Build(after)) => waits_for_release(facts, after, provider),
        (_, Owner::Given) => true,
    }
}

/// Whether a Flux Kustomization depends on another one, directly or through others.
fn waits(facts: &Facts, after: usize, before: usize) -> bool {
    let name = |build: usize| facts.builds[build].object.map(|at| facts.objects[at].name.as_str());
    let mut seen = BTreeSet::from([after]);
    let mut open = vec![after];
    while let Some(at) = open.pop() {
        let Some(object) = facts.builds[at].object.map(|at| &facts.objects[at]) else { continue };
        for edge in object.node.items_at("spec/dependsOn") {
            let next = (0..facts.builds.len()).find(|build| name(*build) == edge.str_at("name"));
            match next {
                Some(next) if next == before => return true,
                Some(next) if seen.insert(next) => open.push(next),
                _ => {}
            }
        }
    }
    false
}

/// Whether a Kustomization waits for one that holds the release and waits until it is Ready.
fn waits_for_release(facts: &Facts, after: usize, release: Owner) -> bool {
    let Owner::Release(at) = release else { return false };
    let Owner::Build(home) = facts.declaration(&facts.releases[at]).owner else { return false };
    let ready = facts.builds[home].object.is_some_and(|at| {
        facts.objects[at].node.at("spec/wait").and_then(crate::yaml::Node::bool) == Some(true)
    });
    ready && waits(facts, after, home)
}
