//! L05: an edge of `dependsOn` means what it is needed for: functional, not merely applied.

use std::collections::BTreeSet;

use super::{Decidability, Rule};
use crate::facts::{Facts, Release};
use crate::finding::{Finding, Severity};
use crate::flux::KUSTOMIZE;
use crate::kinds;
use crate::object::{Object, Owner};
use crate::refs;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L05",
    title: "who waits for a release waits until it works, not until it is applied",
    severity: Severity::Error,
    decidability: Decidability::Files,
    cause: "with `disableWait` a release is Ready as soon as its objects are applied, before one of its \
            Pods has started: the edge orders nothing but writes",
    fix: "let the release wait (`disableWait: false`), or say in `readyExpr` of the edge when it works",
    page: include_str!("../../../../docs/rules/L05.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for release in &facts.releases {
        releases(facts, release, &mut findings);
    }
    for object in facts.of_kind(KUSTOMIZE, "Kustomization") {
        kustomizations(facts, object, &mut findings);
    }
    findings
}

fn releases(facts: &Facts, release: &Release, findings: &mut Vec<Finding>) {
    let object = facts.declaration(release);
    let nodes = object.node.items_at("spec/dependsOn");
    for (edge, node) in release.declared.depends_on.iter().zip(nodes) {
        let Some(at) = facts.release_named(&edge.namespace, &edge.name) else { continue };
        let provider = &facts.releases[at];
        let action =
            ["install", "upgrade"].into_iter().find(|action| disables(facts, provider, action));
        let Some(action) = action.filter(|_| !edge.has_ready_expr && runs(facts, at)) else {
            continue;
        };
        let user = facts.release_named(&release.declared.namespace, &release.declared.name);
        if user.is_some_and(|user| needs_objects_only(facts, user, at)) {
            continue;
        }
        let (own, other) = (&release.declared.name, &edge.name);
        let message = format!("`{own}` waits until `{other}` is applied, not until it works");
        let spot = object.spot(node.get("name").unwrap_or(node));
        let flag = facts.release_spot(provider, &format!("spec/{action}/disableWait"));
        let finding = RULE.at(spot, message).fix(format!(
            "set `disableWait: false` for `{other}`, or say in the edge when it works, such as after Helm's \
             own tests: readyExpr: dep.status.conditions.exists(c, c.type == 'TestSuccess' && c.status == 'True')"
        ));
        findings.push(finding.related(flag, "Ready means applied here"));
    }
}

fn disables(facts: &Facts, release: &Release, action: &str) -> bool {
    let path = format!("spec/{action}/disableWait");
    facts.declaration(release).node.at(&path).and_then(Node::bool) == Some(true)
}

/// Whether a release has anything that works or does not: Pods. What could not be rendered may have.
fn runs(facts: &Facts, release: usize) -> bool {
    let is_running = |object: &Object| object.pod_spec().is_some() && object.hook.is_none();
    facts.releases[release].rendering.is_none() || facts.of_release(release).any(is_running)
}

/// Whether everything that one release takes from another is there once that is applied: kinds it
/// defines without a webhook that would refuse them, and objects its Pods refer to.
fn needs_objects_only(facts: &Facts, user: usize, provider: usize) -> bool {
    if facts.releases[user].rendering.is_none() {
        return false;
    }
    let guarded = |kind: &str| {
        matches!(kind, "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration")
    };
    let mut defined = BTreeSet::new();
    for object in facts.of_release(provider) {
        if guarded(&object.kind) {
            return false;
        }
        if object.kind == "CustomResourceDefinition" {
            defined
                .insert((object.node.str_at("spec/group"), object.node.str_at("spec/names/kind")));
        }
    }
    let owner = Owner::Release(provider);
    let mut takes = false;
    for object in facts.of_release(user) {
        takes |= defined.contains(&(Some(object.group()), Some(object.kind.as_str())));
        let namespace = object.namespace.as_deref();
        for reference in object.pod_spec().map(refs::of_pod).unwrap_or_default() {
            let name = reference.name.text().unwrap_or_default();
            let found = facts.find("", reference.kind, namespace, name);
            takes |= found.is_some_and(|found| found.owner == owner);
        }
    }
    takes && !asks_for(facts, user, provider)
}

/// Whether a text of one release names a Service of the other.
fn asks_for(facts: &Facts, user: usize, provider: usize) -> bool {
    let services = facts.of_release(provider).filter(|object| object.is("", "Service"));
    let names: Vec<String> = services
        .filter_map(|service| Some(format!("{}.{}", service.name, service.namespace.as_deref()?)))
        .collect();
    let mut found = false;
    for object in facts
        .of_release(user)
        .filter(|object| kinds::is_namespaced(object.group(), &object.kind) != Some(false))
    {
        object.node.walk(&mut |node| {
            found |= node.str().is_some_and(|text| names.iter().any(|name| text.contains(name)));
        });
    }
    found
}

/// The same of Flux's Kustomizations: without `wait` or health checks Ready means applied.
fn kustomizations(facts: &Facts, object: &Object, findings: &mut Vec<Finding>) {
    for edge in object.node.items_at("spec/dependsOn") {
        let name = edge.str_at("name").unwrap_or_default();
        let namespace = edge.str_at("namespace").or(object.namespace.as_deref());
        let Some(provider) = facts.find(KUSTOMIZE, "Kustomization", namespace, name) else {
            continue;
        };
        let has = |path: &str| !provider.node.items_at(path).is_empty();
        let waits = provider.node.at("spec/wait").and_then(Node::bool) == Some(true)
            || has("spec/healthChecks")
            || has("spec/healthCheckExprs");
        if waits || edge.get("readyExpr").is_some() || !holds_work(facts, provider) {
            continue;
        }
        let message = format!(
            "{} waits until {} is applied, not until it works",
            object.title(),
            provider.title()
        );
        let finding = RULE.at(object.spot(edge.get("name").unwrap_or(edge)), message);
        let finding = finding
            .cause(
                "without `wait` or health checks a Kustomization is Ready as soon as it is applied",
            )
            .fix(format!("set `wait: true` in `{name}`, or a `readyExpr` in the edge"));
        findings.push(finding.related(provider.place(), "Ready means applied here"));
    }
}

/// Whether a Kustomization applies releases or Pods.
fn holds_work(facts: &Facts, kustomization: &Object) -> bool {
    let is_of = |build: &crate::facts::Build| {
        build.object.is_some_and(|at| std::ptr::eq(&raw const facts.objects[at], kustomization))
    };
    let Some(build) = facts.builds.iter().position(is_of) else { return false };
    facts.objects.iter().any(|object| {
        object.owner == Owner::Build(build)
            && (object.kind == "HelmRelease" || object.pod_spec().is_some())
    })
}
