//! The sandbox profile as a whole: what can only be seen when every release is looked at together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::slots::{Graph, graph, template};
use crate::support::{documents, files, helm, kustomize, read, root, text, tool_or_skip};

/// API groups of Kubernetes itself, and those that first boot installs with Flux before any release.
const THERE_FROM_THE_START: &[&str] = &[
    "",
    "apps",
    "batch",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "apiextensions.k8s.io",
    "helm.toolkit.fluxcd.io",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
];

/// What a hook's Pod may take to be scheduled and its image to be pulled, before its own time begins.
const HOOK_SLACK_SECONDS: u64 = 120;

/// A release of the profile with all that it renders into the namespace it goes to.
struct Release {
    name: String,
    timeout_seconds: u64,
    namespace: String,
    objects: Vec<Value>,
}

/// The profile's own objects and edges, and each release rendered.
fn profile(
    kustomize_bin: &std::path::Path,
    helm_bin: &std::path::Path,
) -> (Vec<Value>, Graph, Vec<Release>) {
    let built = kustomize(kustomize_bin, &template().join("profiles/sandbox"));
    let edges = graph(&built);
    let releases = built.iter().filter(|object| object["kind"] == "HelmRelease").map(|release| {
        let chart = root().join("charts").join(text(release, "/spec/chart/spec/chart"));
        let namespace = text(release, "/spec/targetNamespace").to_owned();
        let rendered = helm(helm_bin, &chart, &["--namespace", &namespace]).expect("it renders");
        let mut objects = documents(&rendered);
        let shipped = chart.join("crds");
        if shipped.exists() {
            objects.extend(files(&shipped).iter().flat_map(|file| documents(&read(file))));
        }
        let timeout_seconds = seconds(text(release, "/spec/timeout"));
        let name = text(release, "/metadata/name").to_owned();
        Release { name, timeout_seconds, namespace, objects }
    });
    let releases = releases.collect();
    (built, edges, releases)
}

/// Reads `15m` or `1h30m`.
fn seconds(text: &str) -> u64 {
    let parsed: jiff::SignedDuration = text.parse().expect("a duration");
    parsed.unsigned_abs().as_secs()
}

fn group(object: &Value) -> &str {
    text(object, "/apiVersion").rsplit_once('/').map_or("", |(group, _)| group)
}

/// A subchart or a second release that makes an object of the same name fights with the first.
#[test]
fn no_object_is_made_twice() {
    let (kustomize, helm) =
        (tool_or_skip!("kustomize", "kustomize"), tool_or_skip!("helm", "helm"));
    let (built, _, releases) = profile(&kustomize, &helm);
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let own = built.iter().map(|object| ("the kit", "", object));
    let rendered = releases.iter().flat_map(|release| {
        let name = release.name.as_str();
        release.objects.iter().map(move |object| (name, release.namespace.as_str(), object))
    });
    for (owner, home, object) in own.chain(rendered) {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        assert!(!name.is_empty(), "{owner} makes a {} without a name", object["kind"]);
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let namespace = namespace.unwrap_or(home);
        let key = format!("{}/{} {namespace}/{name}", group(object), object["kind"]);
        if let Some(other) = owners.insert(key.clone(), owner.to_owned()) {
            panic!("{key} is made by {other} and by {owner}");
        }
    }
    assert!(owners.len() > 40, "the whole render was looked at");
}

/// An object whose kind comes later is refused, and its release with it.
#[test]
fn every_kind_is_there_before_the_first_object_of_it() {
    let (kustomize, helm) =
        (tool_or_skip!("kustomize", "kustomize"), tool_or_skip!("helm", "helm"));
    let (built, edges, releases) = profile(&kustomize, &helm);
    let defines = |release: &Release| -> BTreeSet<String> {
        let kinds = release.objects.iter();
        kinds
            .filter(|object| object["kind"] == "CustomResourceDefinition")
            .map(|object| text(object, "/spec/group").to_owned())
            .collect()
    };
    let defined: BTreeMap<&str, BTreeSet<String>> =
        releases.iter().map(|release| (release.name.as_str(), defines(release))).collect();
    for object in &built {
        assert!(THERE_FROM_THE_START.contains(&group(object)), "{object:#}");
    }
    for release in &releases {
        let known = ancestors(&edges, &release.name);
        for object in &release.objects {
            let group = group(object);
            let there = THERE_FROM_THE_START.contains(&group)
                || known
                    .iter()
                    .any(|name| defined.get(name.as_str()).is_some_and(|d| d.contains(group)));
            assert!(there, "{} makes a {} of {group}", release.name, object["kind"]);
        }
    }
}

/// Everything that is ready before `name` is begun.
fn ancestors(edges: &Graph, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![name.to_owned()];
    while let Some(one) = left.pop() {
        for before in edges.get(&one).into_iter().flatten() {
            if found.insert(before.clone()) {
                left.push(before.clone());
            }
        }
    }
    found
}

/// A hook that outlives its release's time limit is told as a time-out, and its cause never.
#[test]
fn hooks_end_before_their_release_gives_up() {
    let (kustomize, helm) =
        (tool_or_skip!("kustomize", "kustomize"), tool_or_skip!("helm", "helm"));
    let (_, _, releases) = profile(&kustomize, &helm);
    let mut seen = 0;
    for release in &releases {
        let hooks = release.objects.iter().filter(|object| {
            object["kind"] == "Job"
                && object.pointer("/metadata/annotations/helm.sh~1hook").is_some()
        });
        // Hooks of one release run one after the other.
        let mut inner = 0;
        for hook in hooks {
            let deadline = hook["spec"]["activeDeadlineSeconds"].as_u64();
            inner += deadline.expect("a hook has a deadline") + HOOK_SLACK_SECONDS;
            seen += 1;
        }
        let outer = release.timeout_seconds;
        assert!(inner < outer, "{}: {inner} s of hooks in {outer} s", release.name);
    }
    assert!(seen > 2, "there are hooks");
}
