//! A record that the real `helm` wrote, read by us.
//!
//! `tests/golden/helm-record.json` is a Secret made by `helm install` of a small chart of ours (a
//! Deployment, a ConfigMap, a pre-install hook and a test hook), as the API server stored it.

use catalyst_fleet::{ItemKind, Record};

#[test]
fn a_record_written_by_helm_is_read() {
    let text = include_str!("../golden/helm-record.json");
    let record = Record::read(&serde_json::from_str(text).unwrap()).unwrap();
    assert_eq!((record.release.as_str(), record.version), ("probe", 1));
    assert_eq!(record.status, "deployed");
    assert!(record.unreadable.is_empty());
    let items: Vec<_> = record
        .items
        .iter()
        .map(|item| (item.kind.as_str(), item.namespace.as_str(), item.name.as_str()))
        .collect();
    assert_eq!(
        items,
        [
            ("Deployment", "default", "probe"),
            ("StatefulSet", "elsewhere", "probe-db"),
            ("Job", "default", "probe-init"),
        ]
    );
    assert_eq!(record.items[0].part, ItemKind::Manifest { replicas: Some(2) });
    let hook = ItemKind::Hook { event: "pre-install".into(), phase: "Succeeded".into() };
    assert_eq!(record.items[2].part, hook);
    assert_eq!(record.objects, 4);
}
