//! Bad input is a problem with a place, never a panic and never a green run.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use catalyst_kit::lint;
use catalyst_kit::render::{Limits, Renderer, source_hash};

use tempfile::TempDir;

use crate::renderer::{facts, renderer, renderer_with};

const CHART: &[u8] = b"apiVersion: v2\nname: x\nversion: 0.1.0\n";
const MAP: &[u8] = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n";

/// A release of the chart `name` from a registry.
fn release(name: &str) -> String {
    format!(
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {name}, namespace: f}}\n\
         spec:\n  chart:\n    spec:\n      chart: {name}\n      version: 1.0.0\n      sourceRef: {{kind: HelmRepository, name: t}}\n"
    )
}

/// Whether a finding says that something could not be read, at a place.
fn is_told(told: &[String], place: &str) -> bool {
    told.iter().any(|one| one.starts_with(&format!("load {place}")))
}

/// Writes files, judges the folder, and returns `rule place` of every finding.
async fn judge(files: &[(&str, &[u8])]) -> Vec<String> {
    judge_folder(folder_of(files).path()).await
}

fn folder_of(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
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
    let writes = r#"{{ range until 9999999 }}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{{ end }}"#;
    let all = [("loops", loops), ("eats", eats), ("writes", writes), ("fine", "a: 1\n")];
    for (name, template) in all {
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
    assert_eq!(facts.problems.len(), 3, "{:#?}", facts.problems);
}

#[tokio::test]
async fn a_fault_of_a_file_is_told_with_its_line() {
    let bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned()
        + &(b'b'..=b'i')
            .map(|c| (char::from(c), char::from(c - 1)))
            .map(|(c, p)| {
                format!("{c}: &{c} [*{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}, *{p}]\n")
            })
            .collect::<String>();
    let deep = format!("apiVersion: v1\nkind: ConfigMap\nx: {}\n", "[".repeat(200_000));
    let nested = format!("x: {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 4096]].concat();
    for (what, content, line) in [
        (
            "key twice",
            b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\nkind: Secret\n".as_slice(),
            4,
        ),
        ("alias bomb", bomb.as_bytes(), 5),
        ("alias of itself", b"a: 1\nb: &b [*b]\n", 2),
        ("alias of nothing", b"a: 1\nb: *c\n", 2),
        ("never closed", deep.as_bytes(), 3),
        ("deep", nested.as_bytes(), 1),
        ("binary", &png, 1),
        ("zero", b"a: 1\nb: \x00\n", 2),
        ("second document", b"a: 1\n---\nb: {\n", 3),
        ("quote", b"a: 1\nb: \"x\n", 2),
    ] {
        let told = judge(&[("a.yaml", content)]).await;
        let at = |one: &&String| {
            let place = one.split(' ').nth(1).unwrap_or_default();
            let told: u32 = place.rsplit(':').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            place.starts_with("a.yaml:") && told >= line
        };
        assert!(told.iter().any(|one| at(&one)), "{what}: {told:#?}");
    }
}

#[tokio::test]
async fn a_file_too_large_to_read_is_told_and_not_read() {
    for (bytes, words) in [
        (101_u64 << 20, "more than 104857600 are not read"),
        (33 << 20, "more than 33554432 are not read"),
    ] {
        let folder = folder_of(&[("b.yaml", MAP)]);
        let file = std::fs::File::create(folder.path().join("a.yaml")).unwrap();
        file.set_len(bytes).unwrap();
        let told = judge_folder(folder.path()).await;
        assert!(told.iter().any(|one| one.contains("a.yaml") && one.contains(words)), "{told:#?}");
    }
}

#[tokio::test]
async fn folders_that_include_each_other_are_told() {
    for files in [
        [
            ("a/kustomization.yaml", "resources: [../b]\n"),
            ("b/kustomization.yaml", "resources: [../a]\n"),
        ],
        [("a/kustomization.yaml", "resources: [.]\n"), ("a/m.yaml", "")],
        [
            (
                "a/kustomization.yaml",
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../b]\n",
            ),
            (
                "b/kustomization.yaml",
                "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../a, m.yaml]\n",
            ),
        ],
    ] {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
        let told = judge(&[files.as_slice(), &[("b/m.yaml", MAP)]].concat()).await;
        assert!(
            is_told(&told, "a/kustomization.yaml:1 ") || is_told(&told, "b/kustomization.yaml:1 "),
            "{told:#?}"
        );
    }
}

#[tokio::test]
async fn a_chart_that_helm_cannot_use_is_told() {
    let uses = "{{ define \"r\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . }}\n";
    let endless = "{{ define \"e\" }}{{ tpl \"{{ include \\\"e\\\" . }}\" . }}{{ end }}{{ include \"e\" . }}\n";
    let cases: [(&str, &str, &[u8], &str); 9] = [
        ("include without end", "templates/a.yaml", uses.as_bytes(), "templates/a.yaml:1"),
        ("tpl without end", "templates/a.yaml", endless.as_bytes(), "templates/a.yaml:1"),
        ("values are no YAML", "values.yaml", b"a: [\n", ""),
        ("values are a bomb", "values.yaml", b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n", ""),
        ("values are not UTF-8", "values.yaml", b"a: \xff\n", ""),
        ("renders no YAML", "templates/a.yaml", b"kind: {{ .Release.Name }}: [\n", "templates/a.yaml:1"),
        ("no chart", "Chart.yaml", b"name: [\n", ""),
        ("a dependency of itself", "Chart.yaml", b"apiVersion: v2\nname: x\nversion: 0.1.0\ndependencies: [{name: x, version: 0.1.0, repository: 'file://.'}]\n", ""),
        ("a library", "Chart.yaml", b"apiVersion: v2\nname: x\nversion: 0.1.0\ntype: library\n", ""),
    ];
    for (what, path, content, place) in cases {
        let told = judge(&[
            ("r.yaml", release("x").as_bytes()),
            ("charts/x/Chart.yaml", CHART),
            ("charts/x/templates/m.yaml", MAP),
            (&format!("charts/x/{path}"), content),
        ])
        .await;
        let place = if place.is_empty() { String::new() } else { format!("charts/x/{place}") };
        assert!(is_told(&told, &place), "{what}: {told:#?}");
    }
}

/// An archive of a chart, with one more entry.
fn archive(add: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    entry(&mut builder, "x/Chart.yaml", CHART);
    entry(&mut builder, "x/templates/m.yaml", MAP);
    add(&mut builder);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&builder.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

fn entry(builder: &mut tar::Builder<Vec<u8>>, name: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

#[tokio::test]
async fn an_archive_that_is_more_than_a_chart_is_refused() {
    let whole = archive(|_| {});
    let link = |builder: &mut tar::Builder<Vec<u8>>| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "x/templates/l.yaml", "/etc/passwd").unwrap();
    };
    let zeros = vec![0; 101 << 20];
    for (what, bytes, words) in [
        ("whole", whole.clone(), None),
        ("climbs", archive(|b| entry(b, "x/../../evil", b"x")), Some("leads out of it")),
        ("absolute", archive(|b| entry(b, "/etc/evil", b"x")), Some("leads out of it")),
        ("link", archive(link), Some("a link")),
        ("bomb", archive(|b| entry(b, "x/files/zeros", &zeros)), Some("unpacks to more than")),
        ("torn", whole[..whole.len() / 2].to_vec(), Some("cannot be read")),
        ("no archive", b"apiVersion: v2\n".to_vec(), Some("cannot be read")),
        ("empty", Vec::new(), Some("cannot be read")),
    ] {
        let told =
            judge(&[("r.yaml", release("x").as_bytes()), ("charts/x-1.0.0.tgz", &bytes)]).await;
        let loads: Vec<&String> = told.iter().filter(|one| one.starts_with("load ")).collect();
        match words {
            Some(words) => assert!(
                is_told(&told, "charts/x-1.0.0.tgz:0 ") && loads[0].contains(words),
                "{what}: {told:#?}"
            ),
            None => assert!(loads.is_empty(), "{what}: {told:#?}"),
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn links_within_charts_and_files_that_are_no_files_are_told() {
    use std::os::unix::fs::symlink;
    let kit = || {
        let folder = folder_of(&[
            ("r.yaml", release("x").as_bytes()),
            ("charts/x/Chart.yaml", CHART),
            ("charts/x/templates/m.yaml", MAP),
        ]);
        std::fs::create_dir(folder.path().join("charts/x/charts")).unwrap();
        folder
    };
    for (target, link) in [
        ("/etc/passwd", "charts/x/templates/l.yaml"),
        ("/etc", "charts/x/files"),
        ("../../x", "charts/x/charts/x"),
        ("l.yaml", "charts/x/templates/l.yaml"),
        ("nowhere", "charts/x/templates/l.yaml"),
    ] {
        let folder = kit();
        symlink(target, folder.path().join(link)).unwrap();
        let told = judge_folder(folder.path()).await;
        assert!(is_told(&told, link), "{link} to {target}: {told:#?}");
    }
    let folder = kit();
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("a.yaml")).unwrap();
    let told = judge_folder(folder.path()).await;
    assert!(is_told(&told, "a.yaml"), "{told:#?}");
}

#[tokio::test]
async fn without_a_renderer_nothing_is_green() {
    let folder = folder_of(&[("a.yaml", MAP), ("r.yaml", release("x").as_bytes())]);
    let script = |text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join("renderer");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    };
    let hello = format!("echo '{{\"hello\":\"1\",\"source\":\"{}\"}}'", source_hash());
    let dies = format!("{hello}\nread line\necho 'no more' >&2\nexit 3");
    let lies = format!(
        "{hello}\nread line\necho '{{\"id\":1,\"ok\":{{}}}}'\nwhile read line; do echo nonsense; done"
    );
    for (text, words) in [
        (None, "cannot be run"),
        (Some("exec cat"), "says nothing"),
        (Some("echo hello"), "does not speak"),
        (Some("echo '{\"hello\":\"1\",\"source\":\"00\"}'"), "another state of the source"),
        (Some(dies.as_str()), "died of it: no more"),
        (Some(lies.as_str()), "died of it"),
    ] {
        let program = text.map_or_else(|| folder.path().join("nothing"), script);
        let limits = Limits { time: Duration::from_secs(2), memory: 64 << 20 };
        let facts = facts(folder.path(), &Renderer::new(&program, limits, None)).await;
        let outcome = lint(&facts, &[], jiff::civil::date(2026, 11, 21), None);
        assert!(outcome.is_partial(), "{text:?}");
        let told = facts.problems.iter().any(|one| one.message.contains(words));
        assert!(told, "{words}: {:#?}", facts.problems);
    }
}

#[tokio::test]
async fn settings_that_are_not_understood_are_told() {
    for (text, line) in [
        ("charts: [../../..]\n", 1),
        ("kubernetes: v1.34.0\nchart: [x]\n", 2),
        ("substitute:\n  A: [1]\n", 1),
        ("reservedSlots: [x-y]\n", 1),
        ("coldStartSeconds: soon\n", 1),
        ("given:\n  - data: {}\n", 2),
        ("given: [\n", 1),
    ] {
        let told = judge(&[("catalyst-kit.yaml", text.as_bytes()), ("a.yaml", MAP)]).await;
        let right = is_told(&told, &format!("catalyst-kit.yaml:{line} "))
            || line == 1 && is_told(&told, "catalyst-kit.yaml:2 ");
        assert!(right, "{text}: {told:#?}");
    }
}
