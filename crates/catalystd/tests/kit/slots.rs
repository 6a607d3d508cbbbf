//! The bootstrap kit, and what the sandbox profile makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{documents, files, kustomize, read, root, text, tool_or_skip};

pub(crate) type Graph = BTreeMap<String, BTreeSet<String>>;

pub(crate) fn template() -> PathBuf {
    root().join("clusters/_template")
}

/// The slot files: name without `.yaml`, text, documents.
fn slots() -> Vec<(String, String, Vec<Value>)> {
    files(&template().join("bootstrap-kit"))
        .into_iter()
        .filter(|path| !path.ends_with("kustomization.yaml"))
        .map(|path| {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            let text = read(&path);
            let documents = documents(&text);
            (name, text, documents)
        })
        .collect()
}

fn one<'a>(documents: &'a [Value], kind: &str) -> &'a Value {
    let mut found = documents.iter().filter(|document| document["kind"] == kind);
    let one = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "more than one {kind}");
    one
}

pub(crate) fn graph(built: &[Value]) -> Graph {
    built
        .iter()
        .filter(|object| object["kind"] == "HelmRelease")
        .map(|release| {
            let edges = release["spec"]["dependsOn"].as_array().into_iter().flatten();
            let edges = edges.map(|edge| text(edge, "/name").to_owned()).collect();
            (text(release, "/metadata/name").to_owned(), edges)
        })
        .collect()
}

#[test]
fn the_list_is_the_folder() {
    let kustomization = read(&template().join("bootstrap-kit/kustomization.yaml"));
    let listed: Vec<String> = documents(&kustomization)[0]["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|file| file.as_str().expect("a file's name").to_owned())
        .collect();
    let there: Vec<String> = slots().into_iter().map(|(name, ..)| format!("{name}.yaml")).collect();
    assert_eq!(listed, there);
}

#[test]
fn every_slot_has_the_common_shape() {
    for (file, _, documents) in slots() {
        let (slot, component) = file.split_once('-').expect("NN-name");
        let repository = one(&documents, "HelmRepository");
        assert_eq!(text(repository, "/apiVersion"), "source.toolkit.fluxcd.io/v1");
        assert_eq!(text(repository, "/spec/type"), "oci");
        assert_eq!(text(repository, "/spec/url"), "oci://ghcr.io/openova-io");
        assert_eq!(text(repository, "/spec/interval"), "15m");
        assert_eq!(text(repository, "/spec/secretRef/name"), "ghcr-pull");
        assert!(repository["spec"].get("insecure").is_none());
        let release = one(&documents, "HelmRelease");
        assert_eq!(text(release, "/apiVersion"), "helm.toolkit.fluxcd.io/v2");
        assert_eq!(text(release, "/metadata/name"), format!("bp-{component}"));
        assert_eq!(text(release, "/metadata/labels/catalyst.openova.io~1slot"), slot);
        assert_eq!(text(release, "/spec/releaseName"), component);
        assert_eq!(text(release, "/spec/chart/spec/chart"), format!("bp-{component}"));
        let reference = &release["spec"]["chart"]["spec"]["sourceRef"];
        assert_eq!(reference["name"], repository["metadata"]["name"], "{file}");
        for action in ["install", "upgrade"] {
            assert_eq!(release["spec"][action]["remediation"]["retries"], 3, "{file}");
            // Waiting is the exception that slot 05a explains.
            let waits = release["spec"][action]["disableWait"] == false;
            assert_eq!(waits, component == "reflector", "{file}");
        }
    }
}

#[test]
fn pins_are_the_charts_versions() {
    for (file, _, documents) in slots() {
        let release = one(&documents, "HelmRelease");
        let chart = text(release, "/spec/chart/spec/chart");
        let about = read(&root().join("charts").join(chart).join("Chart.yaml"));
        let about = crate::support::documents(&about).remove(0);
        assert_eq!(text(release, "/spec/chart/spec/version"), text(&about, "/version"), "{file}");
    }
}

#[test]
fn a_release_has_its_namespace_and_each_namespace_one_owner() {
    let mut declared = BTreeSet::from(["flux-system".to_owned()]);
    for (file, _, documents) in slots() {
        for namespace in documents.iter().filter(|document| document["kind"] == "Namespace") {
            let label = text(namespace, "/metadata/labels/catalyst.openova.io~1sovereign");
            assert_eq!(label, "${SOVEREIGN_FQDN}");
            assert!(declared.insert(text(namespace, "/metadata/name").to_owned()), "{file}");
        }
        let target = text(one(&documents, "HelmRelease"), "/spec/targetNamespace");
        assert!(declared.contains(target), "{file}: nobody makes {target}");
    }
}

/// Substitution is strict: a variable that first boot does not set stops the whole kit.
#[test]
fn only_the_name_of_the_sovereign_is_substituted() {
    for (file, text, _) in slots() {
        assert!(!text.contains("PLACEHOLDER"), "{file}");
        let rest = text.replace("${SOVEREIGN_FQDN}", "");
        assert!(!rest.contains('$'), "{file} has another variable");
    }
}

#[test]
fn every_namespace_with_private_images_is_pushed_to() {
    let readme = read(&template().join("README.md"));
    let list = readme
        .lines()
        .find_map(|line| line.strip_prefix("    reflection-auto-namespaces: "))
        .expect("the README gives the list that first boot writes");
    let pushed: BTreeSet<&str> = list.split(',').collect();
    for (file, _, documents) in slots() {
        let target = text(one(&documents, "HelmRelease"), "/spec/targetNamespace").to_owned();
        assert!(target == "flux-system" || pushed.contains(target.as_str()), "{file}: {target}");
    }
}

#[test]
fn the_profile_drops_exactly_what_it_gives_reasons_for() {
    let program = tool_or_skip!("kustomize", "kustomize");
    let mut whole = graph(&kustomize(&program, &template().join("bootstrap-kit")));
    let sandbox = graph(&kustomize(&program, &template().join("profiles/sandbox")));
    let profile = documents(&read(&template().join("profiles/sandbox.yaml"))).remove(0);
    for dropped in profile["droppedEdges"].as_array().expect("droppedEdges") {
        let (slot, edge) = (text(dropped, "/slot"), text(dropped, "/edge"));
        assert!(text(dropped, "/reason").len() > 40, "{slot} → {edge} needs a reason");
        let edges = whole.get_mut(slot).unwrap_or_else(|| panic!("no slot {slot}"));
        assert!(edges.remove(edge), "{slot} has no edge to {edge}");
    }
    for dropped in profile["droppedSlots"].as_array().expect("droppedSlots") {
        assert!(text(dropped, "/reason").len() > 40, "a dropped slot needs a reason");
        assert!(whole.remove(text(dropped, "/slot")).is_some(), "no such slot");
    }
    assert_eq!(whole, sandbox);
}

#[test]
fn the_profile_waits_for_nothing_that_never_comes() {
    let program = tool_or_skip!("kustomize", "kustomize");
    let mut graph = graph(&kustomize(&program, &template().join("profiles/sandbox")));
    while !graph.is_empty() {
        let free: BTreeSet<String> = graph
            .iter()
            .filter(|(_, edges)| edges.is_empty())
            .map(|(name, _)| name.clone())
            .collect();
        assert!(!free.is_empty(), "these wait for each other or for what is not there: {graph:?}");
        graph.retain(|name, _| !free.contains(name));
        for edges in graph.values_mut() {
            edges.retain(|edge| !free.contains(edge));
        }
    }
}
