//! L21: whatever is referred to by name is made by somebody, with the needed keys, and early enough.

mod references;

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::{Object, Owner};
use crate::producers::{How, Late, Producer, Producers, Want};
use crate::yaml::Node;
use references::Reference;

pub(super) const RULE: Rule = Rule {
    id: "L21",
    title: "what is referred to is made by one, with its keys, and early enough",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the Pod stays in ContainerCreating or CreateContainerConfigError until someone makes it by \
            hand; whoever waits for the release waits with it",
    fix: "make it in this release or in one before it, say `optional: true` if it may be absent, or \
          declare it as `given` in catalyst-kit.yaml",
    page: include_str!("../../../../docs/rules/L21.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let producers = Producers::of(facts);
    let mut findings = Vec::new();
    let mut told_twice = BTreeSet::new();
    for object in facts.applied() {
        let mut told = BTreeSet::new();
        for reference in references::of(facts, object) {
            let want = reference.want();
            if is_built_in(want) || is_of_template(object, want) {
                continue;
            }
            let made_by = producers.find(want);
            let once = told.insert((want.kind, want.name, want.namespace));
            if made_by.is_empty() {
                // A chart alone is asked only for what it must bring itself.
                if once && !facts.builds.is_empty() {
                    findings.push(missing(object, &reference, &producers));
                }
                continue;
            }
            findings.extend(keys(object, &reference, &made_by));
            if !once {
                continue;
            }
            if let Some(late) = producers.late(object, &made_by) {
                findings.push(too_late(facts, object, &reference, late));
            }
            if let Some((first, second)) = two(&made_by)
                && told_twice.insert((want.kind, first.place(), second.place()))
            {
                findings.push(twice(&reference, first, second));
            }
        }
    }
    findings
}

/// What is there in every namespace.
fn is_built_in(want: Want<'_>) -> bool {
    matches!(
        (want.kind, want.name),
        ("ServiceAccount", "default")
            | ("ConfigMap", "kube-root-ca.crt" | "extension-apiserver-authentication")
    )
}

/// Whether a claim comes from the object's own `volumeClaimTemplates`.
fn is_of_template(object: &Object, want: Want<'_>) -> bool {
    want.kind == "PersistentVolumeClaim"
        && object.node.items_at("spec/volumeClaimTemplates").iter().any(|claim| {
            claim.str_at("metadata/name").is_some_and(|name| want.name.starts_with(name))
        })
}

fn missing(object: &Object, reference: &Reference<'_>, producers: &Producers<'_>) -> Finding {
    let message =
        format!("{} needs {}, which nothing here makes", object.title(), reference.title());
    let finding = RULE.at(object.spot(reference.name), message);
    let finding = if reference.is_of_pod { finding } else { finding.cause(reference.cause()) };
    match producers.elsewhere(reference.want()) {
        Some(other) => finding.related(other.place(), "of this name, but not where it is needed"),
        None => finding,
    }
}

/// The keys that a reference needs and nobody makes.
fn keys(object: &Object, reference: &Reference<'_>, made_by: &[Producer<'_>]) -> Vec<Finding> {
    let mut known: Vec<&str> = Vec::new();
    for one in made_by {
        match &one.keys {
            Some(keys) => known.extend(keys.iter().map(String::as_str)),
            None => return Vec::new(),
        }
    }
    let Some(first) = made_by.first() else { return Vec::new() };
    let lacks = |key: &&&Node| key.text().is_some_and(|text| !known.contains(&text));
    let told = |key: &&Node| {
        let text = key.text().unwrap_or_default();
        let what = reference.title();
        let message =
            format!("{} needs key `{text}` of {what}, which has no such key", object.title());
        let has = if known.is_empty() { "it has none".to_owned() } else { known.join(", ") };
        RULE.at(object.spot(key), message).related(first.object.place(), format!("its keys: {has}"))
    };
    reference.keys.iter().filter(lacks).map(told).collect()
}

fn too_late(facts: &Facts, object: &Object, reference: &Reference<'_>, late: Late<'_>) -> Finding {
    let what = reference.title();
    let Some(other) = late.release else {
        let message = format!(
            "{} runs pre-install and needs {what}, which is made of {} after it",
            object.title(),
            late.by.title()
        );
        let finding = RULE.at(object.spot(reference.name), message);
        let finding =
            finding.fix("run it `post-install`, or make what it needs in a release before");
        return finding.related(late.by.place(), "applied after the hook");
    };
    let name = |at: usize| &facts.releases[at].declared.name;
    let (own, other) = (name(late.own), name(other));
    let verb = if late.how == How::Copy { "copied" } else { "made" };
    let message = format!(
        "{} needs {what}, which is {verb} by release `{other}`, for which `{own}` does not wait",
        object.title()
    );
    let finding = RULE.at(object.spot(reference.name), message);
    let finding = if late.is_circle {
        finding
            .cause(format!("`{other}` itself waits for `{own}`: neither gets what it waits for"))
            .fix("make it in a release before both")
    } else {
        finding.fix(format!("add `- name: {other}` to `dependsOn` of `{own}`"))
    };
    finding.related(late.by.place(), "made here")
}

/// A rendered object and an operator's that are one and the same.
fn two<'a>(made_by: &[Producer<'a>]) -> Option<(&'a Object, &'a Object)> {
    let itself =
        made_by.iter().find(|one| one.how == How::Itself && one.object.owner != Owner::Given)?;
    let owns = |one: &&Producer<'_>| {
        let kind = one.object.kind.as_str();
        let policy = one.object.node.str_at("spec/target/creationPolicy").unwrap_or("Owner");
        one.how == How::Operator
            && matches!(kind, "Certificate" | "SealedSecret" | "ExternalSecret")
            && policy == "Owner"
    };
    let operator = made_by.iter().find(owns)?;
    Some((itself.object, operator.object))
}

fn twice(reference: &Reference<'_>, first: &Object, second: &Object) -> Finding {
    let message = format!(
        "{} is made of {} and stands in the kit as well",
        reference.title(),
        second.title()
    );
    let finding = RULE.at(second.place(), message);
    finding
        .cause("two owners write one object: each takes back what the other wrote")
        .fix("leave it to one of them")
        .related(first.place(), "the same object")
}
