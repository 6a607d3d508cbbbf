//! Facts about Helm's records; one of them against a record that the real `helm` wrote.

use std::io::Write;

use serde_json::json;

use super::*;

pub(crate) fn secret(release: &Value) -> Value {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(release.to_string().as_bytes()).unwrap();
    let inner = STANDARD.encode(gzip.finish().unwrap());
    json!({
        "metadata": {"name": "sh.helm.release.v1.gitea.v1", "namespace": "flux-system"},
        "type": "helm.sh/release.v1",
        "data": {"release": STANDARD.encode(inner)},
    })
}

fn release(manifest: &str, hooks: Value) -> Value {
    json!({"name": "gitea", "namespace": "gitea", "version": 1, "info": {"status": "deployed"},
        "chart": {"files": ["ignored"]}, "config": {"password": "ignored"},
        "manifest": manifest, "hooks": hooks})
}

fn items(record: &Record) -> Vec<String> {
    record.items.iter().map(|i| format!("{} {}/{}", i.kind, i.namespace, i.name)).collect()
}

#[test]
fn the_manifest_gives_objects_and_workloads_in_the_releases_namespace() {
    let manifest = "---\n# Source: a\nkind: ConfigMap\nmetadata: {name: c}\n---\nkind: Deployment\nmetadata: {name: gitea}\nspec: {replicas: 2}\n---\nkind: List\nitems:\n- kind: StatefulSet\n  metadata: {name: db, namespace: other}\n";
    let record = Record::read(&secret(&release(manifest, json!(null)))).unwrap();
    assert_eq!(record.objects, 3);
    assert_eq!(items(&record), ["Deployment gitea/gitea", "StatefulSet other/db"]);
    assert_eq!(record.items[0].part, ItemKind::Manifest { replicas: Some(2) });
    assert_eq!((record.version, record.status.as_str()), (1, "deployed"));
}

#[test]
fn hooks_that_ran_count_and_others_do_not() {
    let hook = |name: &str, event: &str, phase: &str| {
        json!({"name": name, "kind": "Job", "events": [event], "last_run": {"phase": phase},
            "manifest": format!("kind: Job\nmetadata: {{name: {name}}}\n")})
    };
    let hooks = json!([
        hook("init", "pre-install", "Succeeded"),
        hook("migrate", "pre-upgrade", ""),
        hook("check", "test", ""),
        hook("bye", "pre-delete", "Succeeded"),
    ]);
    let record = Record::read(&secret(&release("", hooks))).unwrap();
    assert_eq!(items(&record), ["Job gitea/init"]);
    assert_eq!(record.objects, 2);
}

#[test]
fn a8_an_empty_manifest_has_no_object() {
    let record = Record::read(&secret(&release("---\n# nothing\n", json!([])))).unwrap();
    assert_eq!((record.objects, record.items.len()), (0, 0));
}

#[test]
fn an_unreadable_document_is_told_and_hides_no_other() {
    let manifest = "kind: [\n---\nkind: Deployment\nmetadata: {name: a}\nmetadata: {name: b}\n";
    let record = Record::read(&secret(&release(manifest, json!([])))).unwrap();
    assert_eq!(record.unreadable, ["the manifest:1"]);
    assert_eq!(items(&record), ["Deployment gitea/b"]);
}

#[test]
fn a_secret_that_is_no_record_is_an_error() {
    for data in [json!({}), json!({"release": "%"}), json!({"release": STANDARD.encode("%")})] {
        let secret = json!({"metadata": {"name": "s"}, "data": data});
        assert_eq!(Record::read(&secret).unwrap_err().secret, "s");
    }
    let mut torn = secret(&release("kind: Deployment", json!([])));
    let whole = STANDARD.decode(torn["data"]["release"].as_str().unwrap()).unwrap();
    let inner = STANDARD.decode(&whole).unwrap();
    let cut = STANDARD.encode(STANDARD.encode(&inner[..inner.len() - 12]));
    torn["data"]["release"] = json!(cut);
    assert!(Record::read(&torn).is_err());
}
