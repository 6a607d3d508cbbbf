//! L11: nothing that a release's Pods need is made by a hook that runs after them.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::object::Object;
use crate::refs;
use crate::shell;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L11",
    title: "no post-install hook makes what the release's own Pods need",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "the Pods wait for it, Helm waits for the Pods, and the hook waits for Helm: the time runs \
            out, the release is uninstalled, and it begins anew",
    fix: "make it in a pre-install hook, or in a release that this one depends on",
    page: include_str!("../../../../docs/rules/L11.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for release in 0..facts.releases.len() {
        let objects: Vec<&Object> = facts.of_release(release).collect();
        for consumer in objects.iter().filter(|object| object.hook.is_none()) {
            let Some(spec) = consumer.pod_spec() else { continue };
            for reference in refs::of_pod(spec).into_iter().filter(|reference| !reference.optional)
            {
                let name = reference.name.text().unwrap_or_default();
                let namespace = consumer.namespace.as_deref();
                let made_by = |object: &&&Object| {
                    late(object) && makes(object, reference.kind, namespace, name)
                };
                let already = objects.iter().any(|object| {
                    object.is("", reference.kind)
                        && object.named(namespace, name)
                        && !late(object)
                        && !lacks(object, key_of(spec, reference.name))
                });
                if already {
                    continue;
                }
                if let Some(maker) = objects.iter().find(made_by) {
                    let message = format!(
                        "{} needs {} `{name}`, which {} makes after it",
                        consumer.title(),
                        reference.kind,
                        maker.title()
                    );
                    let finding = RULE.at(consumer.spot(reference.name), message);
                    findings.push(finding.related(maker.place(), "made here, too late"));
                }
            }
        }
    }
    findings
}

/// Whether an object is a hook of which no event comes before the release's own objects.
fn late(object: &Object) -> bool {
    object.hook.as_ref().is_some_and(|hook| {
        hook.events.iter().any(|event| event == "post-install")
            && !hook.events.iter().any(|event| event == "pre-install")
    })
}

/// The one key that is asked for where an object is named.
fn key_of<'a>(spec: &'a Node, name: &Node) -> Option<&'a str> {
    let mut key = None;
    spec.walk(&mut |node| {
        if node.get("name").is_some_and(|own| std::ptr::eq(own, name)) {
            key = node.str_at("key");
        }
    });
    key
}

/// Whether an object has an empty value for a key: another is to write it.
fn lacks(object: &Object, key: Option<&str>) -> bool {
    let parts = ["data", "stringData"].iter().filter_map(|part| object.node.get(part)?.get(key?));
    let mut values = parts.filter_map(Node::text).peekable();
    values.peek().is_some() && values.all(str::is_empty)
}

/// Whether a hook is the object, or runs a program that names it.
fn makes(object: &Object, kind: &str, namespace: Option<&str>, name: &str) -> bool {
    if object.is("", kind) && object.named(namespace, name) {
        return true;
    }
    object.pod_spec().is_some() && matches!(kind, "Secret" | "ConfigMap") && {
        let mut programs = object.containers().into_iter().flat_map(shell::texts);
        programs.any(|text| shell::names(text, name) && shell::writes(text))
    }
}
