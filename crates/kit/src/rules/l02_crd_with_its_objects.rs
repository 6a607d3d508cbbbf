//! L02: no release brings both a CRD and objects of that kind.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;

pub(super) const RULE: Rule = Rule {
    id: "L02",
    title: "no release brings a CRD and objects of that kind together",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "Helm looks up every kind before it applies anything, and the kind is not served yet: `no \
            matches for kind`",
    fix: "move the objects into a release of their own that depends on this one, or the CRD into `crds/`",
    page: include_str!("../../../../docs/rules/L02.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let crds: Vec<&Object> = facts
        .of_kind("apiextensions.k8s.io", "CustomResourceDefinition")
        .filter(|crd| !crd.from_crds)
        .collect();
    for object in facts.applied() {
        let defines = |crd: &&&Object| {
            crd.owner == object.owner
                && crd.node.str_at("spec/group") == Some(object.group())
                && crd.node.str_at("spec/names/kind") == Some(&object.kind)
        };
        let Some(crd) = crds.iter().find(defines) else { continue };
        if runs_after(object, crd) {
            continue;
        }
        let owner = facts.owner_title(object.owner);
        let message = format!("{owner} brings {} and the CRD of its kind", object.title());
        findings.push(RULE.at(object.place(), message).related(crd.place(), "the CRD"));
    }
    findings
}

/// Whether the object is a hook that runs after the CRD is there.
fn runs_after(object: &Object, crd: &Object) -> bool {
    let Some(hook) = &object.hook else {
        return crd.hook.as_ref().is_some_and(|own| own.events.iter().any(|e| e == "pre-install"));
    };
    match &crd.hook {
        None => hook.events.iter().all(|event| event.starts_with("post-")),
        Some(own) => {
            let before = own.events.iter().any(|event| event == "pre-install");
            before
                && (own.weight < hook.weight || hook.events.iter().all(|e| e.starts_with("post-")))
        }
    }
}
