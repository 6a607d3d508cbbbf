//! Facts about builds, with small programs in kustomize's place, and with the real one where it is.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let at = root.path().join(path);
        std::fs::create_dir_all(at.parent().unwrap()).unwrap();
        std::fs::write(at, content).unwrap();
    }
    root
}

fn program(root: &Path, script: &str) -> PathBuf {
    let at = root.join("program");
    std::fs::write(&at, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).unwrap();
    at
}

async fn build(root: &Path, program: &Path, timeout: Duration) -> Result<String, RenderError> {
    kustomize_build(program, root, "./kit", &Additions::default(), timeout).await
}

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_process_gets_an_empty_environment_and_our_wrapper() {
    let root = tree(&[("kit/kustomization.yaml", "resources: []\n")]);
    let program = program(root.path(), "/usr/bin/env; /bin/cat kustomization.yaml");
    let output = build(root.path(), &program, LONG).await.unwrap();
    assert!(!output.contains("HOME=") && !output.contains("CARGO"), "{output}");
    assert!(output.contains("\"resources\":[\"../kit\"]"), "{output}");
    assert!(output.contains("originAnnotations"), "{output}");
}

#[tokio::test]
async fn a_failed_build_says_what_the_program_said_without_our_folder() {
    let root = tree(&[("kit/kustomization.yaml", "resources: []\n")]);
    let script = "echo \"Error: $PWD/../kit/a.yaml: line 3: boom\" >&2; exit 1";
    let program = program(root.path(), script);
    let error = build(root.path(), &program, LONG).await.unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with(".catalyst-build/../kit/a.yaml: line 3: boom"), "{text}");
    assert!(!text.contains(&root.path().display().to_string()), "{text}");
}

#[tokio::test]
async fn a_build_that_hangs_is_killed() {
    let root = tree(&[("kit/kustomization.yaml", "resources: []\n")]);
    let program = program(root.path(), "exec /bin/sleep 60");
    let error = build(root.path(), &program, Duration::from_millis(200)).await.unwrap_err();
    assert!(matches!(error, RenderError::TimedOut(_)), "{error:?}");
}

#[tokio::test]
async fn a_missing_folder_or_program_is_named() {
    let root = tree(&[("other/a.yaml", "")]);
    let nowhere = Path::new("/nonexistent/kustomize");
    let error = build(root.path(), nowhere, LONG).await.unwrap_err();
    assert_eq!(error.to_string(), "the source has no folder `./kit`");
    let root = tree(&[("kit/kustomization.yaml", "resources: []\n")]);
    let error = build(root.path(), nowhere, LONG).await.unwrap_err();
    assert!(matches!(error, RenderError::Spawn { .. }), "{error:?}");
}

#[tokio::test]
async fn references_that_leave_the_source_are_refused() {
    let cases = [
        ("resources: [../../etc]", "leads out"),
        ("resources: [/etc/passwd]", "leads out"),
        ("resources: ['https://example.org/a.yaml']", "remote"),
        ("resources: [github.com/a/b]", "remote"),
        ("resources: ['git@example.org:a/b']", "remote"),
        ("patches: [{path: ../../secret.yaml}]", "leads out"),
        ("secretGenerator: [{name: a, files: ['k=/etc/passwd']}]", "leads out"),
        ("helmCharts: [{name: x}]", "inflates no charts"),
        ("resources: [../base]", "leads out"),
    ];
    for (content, expected) in cases {
        let root = tree(&[
            ("kit/kustomization.yaml", content),
            ("base/kustomization.yaml", "resources: [../../x]"),
        ]);
        let program = program(root.path(), "exit 0");
        let error = build(root.path(), &program, LONG).await.expect_err(content);
        assert!(matches!(error, RenderError::OutOfBounds(_)), "{content}: {error:?}");
        assert!(error.to_string().contains(expected), "{content}: {error}");
    }
}

#[tokio::test]
async fn a_json_patch_pointer_is_not_a_file() {
    let content = "patches:\n- target: {kind: HelmRelease}\n  patch: |\n    - op: remove\n      path: /spec/dependsOn\n";
    let root = tree(&[("kit/kustomization.yaml", content)]);
    let program = program(root.path(), "exit 0");
    build(root.path(), &program, LONG).await.unwrap();
}

#[tokio::test]
async fn a_folder_without_a_file_lists_its_manifests_as_flux_does() {
    let root = tree(&[
        ("kit/b.yaml", "b"),
        ("kit/a/deep.yml", "a"),
        ("kit/own/kustomization.yaml", "resources: []"),
        ("kit/readme.md", "x"),
    ]);
    let program = program(root.path(), "exit 0");
    build(root.path(), &program, LONG).await.unwrap();
    let written = std::fs::read_to_string(root.path().join("kit/kustomization.yaml")).unwrap();
    assert!(written.contains(r#"["a/deep.yml","b.yaml","own"]"#), "{written}");
}

/// The pinned program, where the tool cache holds it.
fn real_kustomize() -> Option<PathBuf> {
    let path = std::env::var_os("CATALYST_TEST_KUSTOMIZE").map(PathBuf::from);
    if path.is_none() {
        println!("skipped: CATALYST_TEST_KUSTOMIZE names no kustomize");
    }
    path
}

#[tokio::test]
async fn the_real_program_builds_with_additions_and_notes_origins() {
    let Some(kustomize) = real_kustomize() else { return };
    let release = |name: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: {name}\n  namespace: flux-system\nspec:\n  chart:\n    spec: {{chart: {name}, version: 0.1.0}}\n  dependsOn:\n  - name: bp-a\n"
        )
    };
    let root = tree(&[
        ("base/kustomization.yaml", "resources: [05a-a.yaml, 10-b.yaml]\n"),
        ("base/05a-a.yaml", &release("bp-a")),
        ("base/10-b.yaml", &release("bp-b")),
        ("kit/kustomization.yaml", "resources: [../base]\n"),
    ]);
    let patch = json!({
        "target": {"kind": "HelmRelease", "name": "bp-a"},
        "patch": "- op: remove\n  path: /spec/dependsOn\n",
    });
    let additions = Additions { patches: vec![patch], ..Additions::default() };
    let output = kustomize_build(&kustomize, root.path(), "kit", &additions, LONG).await.unwrap();
    let reading = crate::read_stream(&output, "the build");
    assert!(reading.problems.is_empty(), "{:?}", reading.problems);
    let seen: Vec<_> = reading
        .releases
        .iter()
        .map(|r| (r.name.as_str(), r.slot.as_deref(), r.depends_on.len(), r.place.file.as_str()))
        .collect();
    assert_eq!(
        seen,
        [("bp-a", Some("05a"), 0, "base/05a-a.yaml"), ("bp-b", Some("10"), 1, "base/10-b.yaml")]
    );
}

#[tokio::test]
async fn a_fault_in_a_slot_file_is_told_with_its_name() {
    let Some(kustomize) = real_kustomize() else { return };
    let root = tree(&[
        ("kit/kustomization.yaml", "resources: [10-b.yaml]\n"),
        ("kit/10-b.yaml", "apiVersion: v1\nkind: [\n"),
    ]);
    let error = build(root.path(), &kustomize, LONG).await.unwrap_err().to_string();
    assert!(error.contains("10-b.yaml"), "{error}");
}
