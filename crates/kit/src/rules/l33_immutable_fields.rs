//! L33: what is there already accepts what is to be applied now.

mod fields;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::{Hook, Object, Owner};
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L33",
    title: "an upgrade changes no field that cannot be changed",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the API server answers `field is immutable`; the upgrade fails at every pass, and a new \
            installation never shows it",
    fix: "keep the field, or have the object made anew under another name",
    page: include_str!("../../../../docs/rules/L33.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for object in facts.applied().filter(|object| !is_made_anew(facts, object)) {
        let Some(old) = before(facts, object) else { continue };
        for change in fields::changes(object, old) {
            let spot = change.new.map_or_else(|| object.place(), |node| object.spot(node));
            let message = format!("{}: {} {}", object.title(), change.path, change.what);
            let mut finding = RULE.at(spot, message);
            if let Some(cause) = change.cause {
                finding = finding.cause(cause);
            }
            if let Some(fix) = change.fix {
                finding = finding.fix(fix);
            }
            if change.is_softened && matches!(object.owner, Owner::Release(_)) {
                finding = finding.warning();
            }
            let place = change.old.map_or_else(|| old.place(), |node| old.spot(node));
            findings.push(finding.related(place, "as released before"));
        }
    }
    findings
}

/// The object as it was released before. Manifests of before may state no namespace.
fn before<'a>(facts: &'a Facts, object: &Object) -> Option<&'a Object> {
    let same = |old: &&Object| old.is(object.group(), &object.kind) && old.name == object.name;
    let mut all = facts.released.iter().filter(same);
    let exact = all.clone().find(|old| old.namespace == object.namespace);
    exact.or_else(|| all.find(|old| old.namespace.is_none()))
}

/// Whether the object is deleted and made anew when it cannot be changed: by Flux, by Helm, or as a
/// hook.
fn is_made_anew(facts: &Facts, object: &Object) -> bool {
    match object.owner {
        Owner::Given => true,
        Owner::Build(build) => {
            let by_annotation = object
                .annotation("kustomize.toolkit.fluxcd.io/force")
                .is_some_and(|value| value.eq_ignore_ascii_case("enabled"));
            let by_build =
                facts.builds[build].object.and_then(|at| facts.objects[at].node.at("spec/force"));
            by_annotation || by_build.and_then(Node::bool) == Some(true)
        }
        Owner::Release(at) => {
            let declared = facts.declaration(&facts.releases[at]);
            let is_forced =
                declared.node.at("spec/upgrade/force").and_then(Node::bool) == Some(true);
            is_forced || object.hook.as_ref().is_some_and(Hook::is_replaced)
        }
    }
}
