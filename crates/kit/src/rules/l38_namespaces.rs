//! L38: every namespace is there before the first object that goes into it.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity, Spot};
use crate::object::{Object, Owner};

pub(super) const RULE: Rule = Rule {
    id: "L38",
    title: "namespaces are there before what goes into them",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "`namespaces \"…\" not found`: a build that is applied as a whole applies nothing then, and a \
            release fails before its first object",
    fix: "bring a Namespace beside the release, or declare it as `given` in catalyst-kit.yaml",
    page: include_str!("../../../../docs/rules/L38.md"),
    check,
};

/// Namespaces of every cluster, and that of Flux, which is there before any kit.
const BUILT_IN: [&str; 5] =
    ["default", "kube-system", "kube-public", "kube-node-lease", "flux-system"];

/// Who brings a namespace: an object, or a release that creates its target.
struct Maker<'a> {
    name: &'a str,
    owner: Owner,
    object: &'a Object,
}

fn check(facts: &Facts) -> Vec<Finding> {
    // A chart alone goes into a namespace that is made for it.
    if facts.builds.is_empty() {
        return Vec::new();
    }
    let makers = makers(facts);
    let mut findings = Vec::new();
    for (at, release) in facts.releases.iter().enumerate() {
        let declared = &release.declared;
        let object = facts.declaration(release);
        let stated = object.node.at("spec/targetNamespace");
        let spot = stated.map_or_else(|| object.place(), |node| object.spot(node));
        let who = format!("release `{}`", declared.name);
        findings.extend(judge(
            facts,
            &makers,
            &declared.target_namespace,
            Owner::Release(at),
            spot,
            &who,
        ));
    }
    let mut told = BTreeSet::new();
    for object in facts.applied() {
        let Some(namespace) = object.namespace.as_deref() else { continue };
        if is_home(facts, object, namespace) || !told.insert((object.owner, namespace)) {
            continue;
        }
        let stated = object.node.at("metadata/namespace");
        let spot = stated.map_or_else(|| object.place(), |node| object.spot(node));
        findings.extend(judge(facts, &makers, namespace, object.owner, spot, &object.title()));
    }
    findings
}

/// Whether an object goes where its release is installed, which is told once at the release.
fn is_home(facts: &Facts, object: &Object, namespace: &str) -> bool {
    match object.owner {
        Owner::Release(at) => facts.releases[at].declared.target_namespace == namespace,
        _ => false,
    }
}

fn makers(facts: &Facts) -> Vec<Maker<'_>> {
    let objects = facts.of_kind("", "Namespace");
    let mut all: Vec<_> =
        objects.map(|object| Maker { name: &object.name, owner: object.owner, object }).collect();
    for (at, release) in facts.releases.iter().enumerate() {
        let object = facts.declaration(release);
        if object.node.at("spec/install/createNamespace").and_then(|node| node.bool()) == Some(true)
        {
            let name = release.declared.target_namespace.as_str();
            all.push(Maker { name, owner: Owner::Release(at), object });
        }
    }
    all
}

fn judge(
    facts: &Facts,
    makers: &[Maker<'_>],
    namespace: &str,
    user: Owner,
    spot: Spot,
    who: &str,
) -> Option<Finding> {
    if BUILT_IN.contains(&namespace) {
        return None;
    }
    let mut of_name = makers.iter().filter(|maker| maker.name == namespace).peekable();
    let Some(first) = of_name.peek() else {
        let message = format!("{who} goes into namespace `{namespace}`, which nothing here makes");
        return Some(RULE.at(spot, message));
    };
    let place = first.object.place();
    let Some(Owner::Release(other)) = late(facts, user, of_name) else { return None };
    let other = &facts.releases[other].declared.name;
    let message = format!(
        "{who} goes into namespace `{namespace}`, which release `{other}` makes without being waited for"
    );
    let finding = RULE.at(spot, message).related(place, "made here");
    Some(
        finding
            .fix(format!("add `- name: {other}` to `dependsOn`, or set `install.createNamespace`")),
    )
}

/// The last maker, if none of them is there in time.
fn late<'a>(
    facts: &Facts,
    user: Owner,
    makers: impl Iterator<Item = &'a Maker<'a>>,
) -> Option<Owner> {
    let mut last = None;
    for maker in makers {
        // What a build applies is tried again until the namespace is there. A Namespace in a chart's own
        // templates comes before its other objects.
        let is_late = match (maker.owner, user) {
            (Owner::Release(before), Owner::Release(after)) => {
                before != after && !facts.upstream(after).contains(&before)
            }
            _ => false,
        };
        if !is_late {
            return None;
        }
        last = Some(maker.owner);
    }
    last
}
