//! Bad input is a problem with a place, never a panic and never a green run.

use std::path::Path;
use std::time::Duration;

use catalyst_kit::lint;
use catalyst_kit::render::Limits;

use crate::renderer::{facts, renderer, renderer_with};

/// Writes files, judges the folder, and returns `rule place` of every finding.
async fn judge(files: &[(&str, &[u8])]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    judge_folder(folder.path()).await
}

async fn judge_folder(folder: &Path) -> Vec<String> {
    let facts = facts(folder, &renderer().await).await;
    let outcome = lint(&facts, &[], jiff::civil::date(2026, 11, 21), None);
    let told = outcome.findings.iter();
    told.map(|f| format!("{} {}:{} {}", f.rule, f.spot.file, f.spot.line, f.message)).collect()
}

#[tokio::test]
async fn a_file_that_is_no_yaml_is_told_with_its_line() {
    for (content, line) in [
        (&b"kind: ConfigMap\napiVersion: v1\nmetadata:\n\tname: x\n"[..], 4),
        (b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x\n", 3),
        (b"apiVersion: v1\nkind: \xff\xfe\n", 2),
    ] {
        let told = judge(&[("a.yaml", content)]).await;
        let wanted = format!("load a.yaml:{line} ");
        assert!(told.iter().any(|one| one.starts_with(&wanted)), "{wanted}: {told:#?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_that_leads_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("a.yaml")).unwrap();
    let told = judge_folder(folder.path()).await;
    assert!(told[0].contains("a link that leads out of the tree"), "{told:#?}");
}

#[tokio::test]
async fn a_base_outside_of_the_tree_is_refused() {
    for reference in ["../../etc", "https://example.test/base?ref=main", "github.com/a/b"] {
        let text = format!("resources:\n  - {reference}\n");
        let told = judge(&[("kustomization.yaml", text.as_bytes())]).await;
        assert!(told[0].starts_with("load kustomization.yaml:2 "), "{reference}: {told:#?}");
    }
}

#[tokio::test]
async fn a_chart_that_does_not_render_is_told_with_the_line_of_its_template() {
    let chart = b"apiVersion: v2\nname: x\nversion: 0.1.0\n";
    let told = judge(&[
        ("Chart.yaml", chart),
        ("templates/a.yaml", b"kind: ConfigMap\nname: {{ fail \"no\" }}\n"),
    ])
    .await;
    assert!(told[0].starts_with("load templates/a.yaml:2 "), "{told:#?}");
    let missing = b"apiVersion: v2\nname: x\nversion: 0.1.0\ndependencies:\n- {name: base, version: 1.0.0, repository: ''}\n";
    let told = judge(&[("Chart.yaml", missing)]).await;
    assert!(told[0].contains("missing in charts/ directory: base"), "{told:#?}");
}

#[tokio::test]
async fn a_template_without_end_costs_its_release_and_no_other() {
    let chart = |name: &str| format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n").into_bytes();
    let release = |name: &str| {
        format!(
            "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {name}, namespace: f}}\n\
             spec:\n  chart:\n    spec:\n      chart: ./charts/{name}\n      sourceRef: {{kind: GitRepository, name: t}}\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    let loops = r#"{{ range until 2000000000 }}{{ $x := "a" }}{{ end }}"#;
    let eats = r#"{{ $x := "aaaaaaaaaaaaaaaa" }}{{ range until 40 }}{{ $x = print $x $x }}{{ end }}{{ len $x }}"#;
    for (name, template) in [("loops", loops), ("eats", eats), ("fine", "a: 1\n")] {
        let at = folder.path().join("charts").join(name);
        std::fs::create_dir_all(at.join("templates")).unwrap();
        std::fs::write(at.join("Chart.yaml"), chart(name)).unwrap();
        std::fs::write(at.join("templates/NOTES.txt"), template).unwrap();
        std::fs::write(folder.path().join(format!("{name}.yaml")), release(name)).unwrap();
    }
    let limits = Limits { time: Duration::from_secs(4), memory: 256 << 20 };
    let facts = facts(folder.path(), &renderer_with(limits).await).await;
    let rendered: Vec<_> = facts
        .releases
        .iter()
        .filter(|release| release.rendering.is_some())
        .map(|release| release.declared.name.as_str())
        .collect();
    assert_eq!(rendered, ["fine"], "{:#?}", facts.problems);
    assert_eq!(facts.problems.len(), 2, "{:#?}", facts.problems);
}
