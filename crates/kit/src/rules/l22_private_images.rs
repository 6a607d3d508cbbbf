//! L22: whoever pulls what is private has a pull secret, and the secret is there.

use super::{Decidability, Rule};
use crate::facts::Facts;
use crate::finding::{Finding, Severity};
use crate::flux::SOURCE;
use crate::image;
use crate::object::Object;
use crate::producers::{Producers, Want, is_copied};
use crate::refs;
use crate::yaml::Node;

pub(super) const RULE: Rule = Rule {
    id: "L22",
    title: "private images are pulled with a secret that is in the namespace",
    severity: Severity::Error,
    decidability: Decidability::Declared,
    cause: "the registry answers 401 or 403 to a pull without credentials; the Pod stays in \
            ImagePullBackOff, on new nodes even if old ones still hold the image",
    fix: "name the pull secret in `imagePullSecrets` of the Pod or of its ServiceAccount",
    page: include_str!("../../../../docs/rules/L22.md"),
    check,
};

fn check(facts: &Facts) -> Vec<Finding> {
    if facts.settings.private_images.is_empty() {
        return Vec::new();
    }
    let producers = Producers::of(facts);
    let pods = facts.applied().filter_map(|object| pod(facts, &producers, object));
    let sources = facts.applied().filter_map(|object| source(facts, object));
    pods.chain(sources).collect()
}

fn pod(facts: &Facts, producers: &Producers<'_>, object: &Object) -> Option<Finding> {
    let containers = object.containers();
    let private = containers.into_iter().find(|one| image::is_private(facts, one))?.get("image")?;
    let image = private.text().unwrap_or_default();
    let who = object.title();
    let names = secrets(facts, object);
    if names.is_empty() {
        let message = format!("{who} pulls the private image `{image}` without a pull secret");
        return Some(RULE.at(object.spot(private), message));
    }
    if facts.builds.is_empty() {
        return None;
    }
    let namespace = object.namespace.as_deref();
    let mut first = None;
    for (holder, node) in names {
        let name = node.text().unwrap_or_default();
        let want = Want { group: "", kind: "Secret", namespace, name };
        let made_by = producers.find(want);
        let problem = if made_by.is_empty() {
            absent(producers, holder, node, want)
        } else if let Some(late) = producers.late(object, &made_by) {
            // Of the own release only a hook could be too early, and its Pod is tried again.
            let other = late.release?;
            let name_of = |at: usize| &facts.releases[at].declared.name;
            let (own, other) = (name_of(late.own), name_of(other));
            let message = format!(
                "{who} pulls with `{name}`, which release `{other}` brings, for which `{own}` does not wait"
            );
            let fix = format!("add `- name: {other}` to `dependsOn` of `{own}`");
            RULE.at(holder.spot(node), message).fix(fix).related(late.by.place(), "made here")
        } else {
            return None;
        };
        first.get_or_insert(problem);
    }
    first
}

/// The pull secrets of a Pod and of its account, each with the object that names it.
fn secrets<'a>(facts: &'a Facts, object: &'a Object) -> Vec<(&'a Object, &'a Node)> {
    let Some(spec) = object.pod_spec() else { return Vec::new() };
    let mut all: Vec<_> = refs::pull_secrets(spec).map(|node| (object, node)).collect();
    let account = spec.str_at("serviceAccountName").unwrap_or("default");
    if let Some(account) = facts.find("", "ServiceAccount", object.namespace.as_deref(), account) {
        all.extend(refs::pull_secrets(&account.node).map(|node| (account, node)));
    }
    all
}

fn absent(producers: &Producers<'_>, holder: &Object, node: &Node, want: Want<'_>) -> Finding {
    let namespace = want.namespace.unwrap_or_default();
    let message = format!("pull secret `{}` is not in namespace `{namespace}`", want.name);
    let finding = RULE.at(holder.spot(node), message);
    match producers.elsewhere(want) {
        Some(source) if is_copied(source) => finding
            .fix(format!("add `{namespace}` to both lists of namespaces of {}", source.title()))
            .related(source.place(), "copied, but not into that namespace"),
        Some(source) => finding
            .fix(format!("have {} copied into `{namespace}`", source.title()))
            .related(source.place(), "the secret of that name"),
        None => finding.fix("make the Secret, or declare it as `given` in catalyst-kit.yaml"),
    }
}

/// A source of charts that is private too.
fn source(facts: &Facts, object: &Object) -> Option<Finding> {
    let is_source = object.is(SOURCE, "HelmRepository") || object.is(SOURCE, "OCIRepository");
    let address = object.node.at("spec/url").filter(|_| is_source)?;
    let path = address.text()?.strip_prefix("oci://")?;
    let by_cloud =
        object.node.str_at("spec/provider").is_some_and(|provider| provider != "generic");
    let has_secret =
        ["spec/secretRef", "spec/serviceAccountName"].iter().any(|at| object.node.at(at).is_some());
    if !image::has_private_prefix(facts, path) || has_secret || by_cloud {
        return None;
    }
    let message = format!("{} fetches from the private `{path}` without a secret", object.title());
    let fix = "name the pull secret in `secretRef`, in the source's own namespace";
    Some(RULE.at(object.spot(address), message).fix(fix))
}
