//! Facts about reading releases.

use super::*;

const SLOT: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: gitea
---
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: bp-gitea
  namespace: flux-system
spec:
  interval: 15m
  releaseName: gitea
  targetNamespace: gitea
  dependsOn:
    - name: bp-reflector
  chart:
    spec:
      chart: bp-gitea
      version: 0.1.0
      sourceRef: {kind: HelmRepository, name: bp-gitea, namespace: flux-system}
";

fn names(reading: &Reading) -> Vec<&str> {
    reading.releases.iter().map(|r| r.name.as_str()).collect()
}

#[test]
fn a_slot_file_gives_the_release_with_fluxs_defaults() {
    let reading = read_file(SLOT, "bootstrap-kit/10-gitea.yaml");
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    assert_eq!(reading.others[0].kind, "Namespace");
    let release = &reading.releases[0];
    assert_eq!(release.slot.as_deref(), Some("10"));
    assert_eq!(release.storage_namespace, "flux-system");
    assert_eq!(release.version, "0.1.0");
    assert_eq!(release.depends_on[0].namespace, "flux-system");
    assert_eq!(release.place.line, 6);
}

#[test]
fn the_label_wins_over_the_file_and_no_slot_is_unknown() {
    let labelled = SLOT.replace(
        "  namespace: flux-system\nspec",
        "  namespace: flux-system\n  labels: {catalyst.openova.io/slot: 05a}\nspec",
    );
    assert_eq!(read_file(&labelled, "10-gitea.yaml").releases[0].slot.as_deref(), Some("05a"));
    assert_eq!(read_stream(SLOT, "the build").releases[0].slot, None);
}

#[test]
fn the_origin_noted_by_a_build_gives_file_and_slot() {
    let noted = SLOT.replace(
        "  name: bp-gitea\n  namespace",
        "  name: bp-gitea\n  annotations:\n    config.kubernetes.io/origin: |\n      path: ../clusters/_template/bootstrap-kit/10-gitea.yaml\n  namespace",
    );
    let release = &read_stream(&noted, "the build").releases[0];
    assert_eq!(release.place.file, "clusters/_template/bootstrap-kit/10-gitea.yaml");
    assert_eq!(release.slot.as_deref(), Some("10"));
}

#[test]
fn one_faulty_document_does_not_hide_the_others() {
    let stream = format!("a: [1\n---\nfoo: bar\n---\n{SLOT}---\n{SLOT}");
    let reading = read_stream(&stream, "the build");
    assert_eq!(names(&reading), ["bp-gitea"]);
    let problems: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("the build:"), "{problems:?}");
    assert!(problems[1].contains("no apiVersion"), "{problems:?}");
    assert!(problems[2].contains("was declared before"), "{problems:?}");
}

#[test]
fn a_version_that_is_a_number_is_refused_and_an_old_api_too() {
    let number = SLOT.replace("version: 0.1.0", "version: 1.1");
    let reading = read_stream(&number, "k");
    assert!(reading.problems[0].to_string().contains("bp-gitea"), "{:?}", reading.problems);
    let old = SLOT.replace("helm.toolkit.fluxcd.io/v2", "helm.toolkit.fluxcd.io/v2beta1");
    assert!(matches!(read_stream(&old, "k").problems[0], Problem::ApiVersion { .. }));
}

#[test]
fn the_frozen_kit_is_in_slot_order_and_never_empty() {
    let slot = |name: &str, file: &str| {
        read_file(&SLOT.replace("bp-gitea", name), file).releases.remove(0)
    };
    let releases = [
        slot("bp-last", "nothing.yaml"),
        slot("bp-b", "10-b.yaml"),
        slot("bp-a", "05a-a.yaml"),
        slot("bp-c", "05-c.yaml"),
    ];
    let kit = freeze("main@sha1:c0ffee", &releases).unwrap();
    let order: Vec<_> = kit.releases().iter().map(|r| r.name.as_str()).collect();
    assert_eq!(order, ["bp-c", "bp-a", "bp-b", "bp-last"]);
    assert_eq!(freeze("main@sha1:c0ffee", &[]), Err(KitRefused::Empty));
}
