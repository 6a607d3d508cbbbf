//! What differs between two renderings of a kit.

use catalyst_kit::diff::TreeDiff;

use crate::kit::Kit;
use crate::renderer::renderer;

const OBJECTS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, labels: {helm.sh/chart: '{{ .Chart.Name }}-{{ .Chart.Version }}'}}
---
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {password: hush}
---
apiVersion: v1
kind: Service
metadata: {name: gone}
spec: {ports: [{name: http, port: 80}]}
";

async fn between(old: &Kit, new: &Kit) -> TreeDiff {
    let renderer = renderer().await;
    TreeDiff::of(&old.facts(&renderer).await, &new.facts(&renderer).await)
}

#[tokio::test]
async fn releases_versions_objects_and_members_are_told_and_no_secret() {
    let (old, new) = (Kit::new(), Kit::new());
    for kit in [&old, &new] {
        kit.release("same", "", OBJECTS).release("web", "", OBJECTS);
        kit.write("ns.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n");
    }
    old.release("old", "", OBJECTS);
    new.release("young", "", "").edit("charts/web/Chart.yaml", "0.1.0", "0.2.0");
    new.edit("web.yaml", "spec:\n", "spec:\n  timeout: 15m\n");
    new.edit("charts/web/templates/all.yaml", "hush", "other");
    new.edit("charts/web/templates/all.yaml", "name: gone", "name: come");
    new.edit("ns.yaml", "name: web", "name: web, labels: {a: b}");
    let diff = between(&old, &new).await;
    assert_eq!(
        diff.text(),
        "\
- flux-system/old 0.1.0
    - ConfigMap old/kept
    - Secret old/login
    - Service old/gone
    - HelmRelease flux-system/old

~ flux-system/web 0.1.0 → 0.2.0
    ~ Secret web/login
        ~ stringData/password: (not shown) → (not shown)
    + Service web/come
    - Service web/gone
    ~ HelmRelease flux-system/web
        + spec/timeout: 15m
    1 object differs in nothing but version labels

+ flux-system/young 0.1.0
    + HelmRelease flux-system/young

~ manifests
    ~ Namespace web
        + metadata/labels: {1 members}

3 releases differ: 2 objects added, 5 removed, 4 changed"
    );
    let json = diff.json().to_string();
    assert!(!json.contains("hush") && !json.contains("other"), "{json}");
    assert!(json.contains("charts/web/templates/all.yaml"), "{json}");
}

#[tokio::test]
async fn a_kit_does_not_differ_from_itself() {
    let kit = Kit::new();
    kit.release("web", "", OBJECTS);
    let diff = between(&kit, &kit).await;
    assert!(diff.is_empty() && !diff.is_partial);
    assert_eq!(diff.text(), "nothing differs");
}

#[tokio::test]
async fn what_is_random_at_every_rendering_is_compared_by_form() {
    let random =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: r}\ndata: {a: '{{ randAlphaNum 8 }}'}\n";
    let (old, new) = (Kit::new(), Kit::new());
    old.release("web", "", random);
    new.release("web", "", random);
    assert!(between(&old, &new).await.is_empty());
    new.edit("charts/web/templates/all.yaml", "data: {", "data: {b: c, ");
    let diff = between(&old, &new).await;
    assert!(diff.groups[0].objects[0].unstable);
    assert_eq!(diff.groups[0].objects[0].changes.len(), 1, "{diff:#?}");
}
