//! Facts about the index. The ids (A8, A13, …) are those of the invariants they hold up.

use catalyst_model::{Assessment, ComponentState, Past, assess};
use serde_json::{Value, json};

use super::*;

const OLD: &str = "2026-01-01T00:00:00Z";
const BOOT: &str = "2026-01-01T01:00:00Z";
const NEW: &str = "2026-01-01T01:00:20Z";

fn kit(names: &[&str]) -> Arc<FrozenKit> {
    let release = |name: &&str| KitRelease {
        name: name.parse().unwrap(),
        namespace: "flux-system".into(),
        slot: "10".into(),
        version: "0.1.0".into(),
        depends_on: vec![],
    };
    let releases = names.iter().map(release).collect();
    Arc::new(FrozenKit::new("main@sha1:c0ffee".into(), releases).unwrap())
}

fn helm_release(generation: i64, observed: i64) -> Value {
    json!({
        "metadata": {"name": "bp-gitea", "namespace": "flux-system", "generation": generation},
        "spec": {"releaseName": "gitea", "targetNamespace": "gitea"},
        "status": {
            "observedGeneration": observed,
            "storageNamespace": "flux-system",
            "conditions": [{"type": "Ready", "status": "True", "reason": "InstallSucceeded",
                "message": "installed", "observedGeneration": observed}],
            "history": [{"name": "gitea", "namespace": "gitea", "version": 1, "chartVersion": "0.1.0"}],
        },
    })
}

fn record(version: i64, items: Vec<Item>, objects: u32) -> Observed {
    Observed::HelmRecord(Box::new(Record {
        release: "gitea".into(),
        version,
        status: "deployed".into(),
        since: None,
        objects,
        items,
        unreadable: vec![],
    }))
}

fn manifest(kind: &str, replicas: Option<i64>) -> Item {
    let part = ItemKind::Manifest { replicas };
    Item { kind: kind.into(), namespace: "gitea".into(), name: "gitea".into(), part }
}

fn deployment(replicas: i64, available: i64) -> Value {
    json!({
        "metadata": {"name": "gitea", "namespace": "gitea", "generation": 1},
        "spec": {"replicas": replicas},
        "status": {"observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas,
            "availableReplicas": available},
    })
}

fn pod(ready: bool, started: &str) -> Value {
    json!({
        "metadata": {"name": "gitea-7f9-x", "namespace": "gitea",
            "labels": {"pod-template-hash": "7f9"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "gitea-7f9", "controller": true}]},
        "spec": {"nodeName": "node"},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}],
            "containerStatuses": [{"name": "gitea", "state": {"running": {"startedAt": started}}}],
        },
    })
}

fn feed(index: &mut Index, kind: Kind, object: &Value) -> bool {
    let member = |name| crate::flux::text(object, &format!("/metadata/{name}"));
    let key = Key::new(member("namespace").unwrap_or_default(), member("name").unwrap());
    index.apply(kind, key, Observed::read(kind, object).unwrap())
}

fn kubelet(index: &mut Index, started: &str, settled: bool) {
    let started_at = started.parse().unwrap();
    index.witness("node".into(), Some(Kubelet { started_at, settled }));
}

/// A cluster in which `bp-gitea` is well: one Deployment with one Pod.
fn well() -> Index {
    let mut index = Index::default();
    index.expect(Some(kit(&["bp-gitea"])));
    index.connected();
    for kind in Kind::ALL {
        index.reset(kind, vec![]);
    }
    let node = json!({"metadata": {"name": "node"}, "status": {
        "conditions": [{"type": "Ready", "status": "True"}]}});
    feed(&mut index, Kind::Node, &node);
    kubelet(&mut index, OLD, true);
    feed(&mut index, Kind::HelmRelease, &helm_release(1, 1));
    let key = Key::new("flux-system", "sh.helm.release.v1.gitea.v1");
    index.apply(Kind::HelmRecord, key, record(1, vec![manifest("Deployment", Some(1))], 3));
    feed(&mut index, Kind::Deployment, &deployment(1, 1));
    feed(&mut index, Kind::Pod, &pod(true, OLD));
    index
}

fn judged(index: &Index) -> Assessment {
    assess(&index.view().components[0], Past::Seen)
}

fn check(index: &Index, state: ComponentState, part: &str) {
    let judged = judged(index);
    assert_eq!(judged.state, state, "{judged:?}");
    assert!(judged.message.contains(part), "{judged:?}");
}

#[test]
fn a_release_whose_pods_run_is_installed() {
    let index = well();
    assert!(index.view().is_current());
    check(&index, ComponentState::Installed, "");
    let view = index.view();
    let workload = &view.components[0].inventory.as_ref().unwrap().workloads[0];
    assert_eq!((workload.ready, workload.desired, workload.message.as_ref()), (1, 1, None));
}

#[test]
fn a8_helm_ready_is_not_enough_while_pods_do_not_run() {
    let mut index = well();
    feed(&mut index, Kind::Deployment, &deployment(1, 0));
    let mut waiting = pod(false, OLD);
    waiting["status"]["containerStatuses"][0]["state"] =
        json!({"waiting": {"reason": "ImagePullBackOff", "message": "403 Forbidden"}});
    feed(&mut index, Kind::Pod, &waiting);
    check(&index, ComponentState::Installing, "ImagePullBackOff: 403 Forbidden");
    assert!(judged(&index).helm_ready);
}

#[test]
fn a8_a_release_that_installed_nothing_is_unhealthy() {
    let mut index = well();
    let key = Key::new("flux-system", "sh.helm.release.v1.gitea.v1");
    index.apply(Kind::HelmRecord, key, record(1, vec![], 0));
    check(&index, ComponentState::Degraded, "nothing");
}

#[test]
fn a8_a_workload_that_does_not_exist_is_not_available() {
    let mut index = well();
    index.delete(Kind::Deployment, &Key::new("gitea", "gitea"));
    check(&index, ComponentState::Installing, "does not exist");
}

#[test]
fn a8_the_record_of_the_current_version_counts_and_no_other() {
    let mut index = well();
    let newer = Key::new("flux-system", "sh.helm.release.v1.gitea.v2");
    index.apply(Kind::HelmRecord, newer, record(2, vec![manifest("StatefulSet", None)], 1));
    check(&index, ComponentState::Installed, "");
    index.delete(Kind::HelmRecord, &Key::new("flux-system", "sh.helm.release.v1.gitea.v1"));
    assert_eq!(index.view().components[0].inventory, None);
    assert_ne!(judged(&index).state, ComponentState::Installed);
}

#[test]
fn a_failed_hook_keeps_its_release_from_being_installed() {
    let mut index = well();
    let part = ItemKind::Hook { event: "post-install".into(), phase: "Failed".into() };
    let hook = Item { part, ..manifest("Job", None) };
    let key = Key::new("flux-system", "sh.helm.release.v1.gitea.v1");
    index.apply(Kind::HelmRecord, key, record(1, vec![hook], 1));
    check(&index, ComponentState::Installing, "post-install hook: failed");
}

#[test]
fn a13_a_release_that_is_deleted_is_absent() {
    let mut index = well();
    assert!(index.delete(Kind::HelmRelease, &Key::new("flux-system", "bp-gitea")));
    let fact = index.view().components.remove(0);
    assert_eq!(fact.helm, None);
    assert_eq!(assess(&fact, Past::InstalledOnce).state, ComponentState::Missing);
}

#[test]
fn a13_a_listing_without_the_release_makes_it_absent() {
    let mut index = well();
    assert!(index.reset(Kind::HelmRelease, vec![]));
    assert_eq!(index.view().components[0].helm, None);
}

#[test]
fn a14_a_status_of_an_older_generation_is_not_ready() {
    let mut index = well();
    feed(&mut index, Kind::HelmRelease, &helm_release(2, 1));
    check(&index, ComponentState::Installing, "newest version");
    let mut late = deployment(1, 1);
    late["metadata"]["generation"] = json!(2);
    let mut index = well();
    feed(&mut index, Kind::Deployment, &late);
    check(&index, ComponentState::Installing, "newest version");
}

#[test]
fn pods_from_before_a_restart_do_not_count() {
    let mut index = well();
    kubelet(&mut index, BOOT, false);
    check(&index, ComponentState::Installing, "not confirmed by their node");
    feed(&mut index, Kind::Pod, &pod(true, NEW));
    check(&index, ComponentState::Installed, "");
}

#[test]
fn pods_outlive_a_restart_of_the_kubelet_alone() {
    let mut index = well();
    kubelet(&mut index, BOOT, true);
    check(&index, ComponentState::Installed, "");
}

#[test]
fn a_kubelet_that_does_not_answer_confirms_nothing() {
    let mut index = well();
    index.witness("node".into(), None);
    assert!(index.view().is_current());
    check(&index, ComponentState::Installing, "not confirmed");
}

#[test]
fn nothing_is_said_before_every_node_was_asked() {
    let mut index = well();
    index.connected();
    for kind in Kind::ALL {
        index.reset(kind, vec![]);
    }
    let node = json!({"metadata": {"name": "node"}, "status": {}});
    feed(&mut index, Kind::Node, &node);
    assert!(!index.view().is_current());
    assert_eq!(index.unsettled_nodes(), ["node"]);
    index.witness("node".into(), None);
    assert!(index.view().is_current());
}

#[test]
fn scaled_to_zero_counts_only_where_the_release_asks_for_zero() {
    let mut index = well();
    feed(&mut index, Kind::Deployment, &deployment(0, 0));
    check(&index, ComponentState::Installing, "scaled to zero; the release asks for 1");
    let key = Key::new("flux-system", "sh.helm.release.v1.gitea.v1");
    index.apply(Kind::HelmRecord, key, record(1, vec![manifest("Deployment", Some(0))], 1));
    check(&index, ComponentState::Installed, "");
}

#[test]
fn a1_a2_releases_outside_the_kit_are_not_told_and_absent_ones_are() {
    let mut index = well();
    index.expect(Some(kit(&["bp-gitea", "bp-harbor"])));
    let mut stranger = helm_release(1, 1);
    stranger["metadata"]["name"] = json!("bp-stranger");
    feed(&mut index, Kind::HelmRelease, &stranger);
    let view = index.view();
    let names: Vec<&str> = view.components.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["bp-gitea", "bp-harbor"]);
    assert_eq!(view.components[1].helm, None);
}

#[test]
fn a3_without_evidence_nothing_is_said() {
    let mut index = Index::default();
    index.expect(Some(kit(&["bp-gitea"])));
    index.connected();
    index.reset(Kind::HelmRelease, vec![]);
    let view = index.view();
    assert!(view.components.is_empty() && !view.is_current());
}

#[test]
fn a10_the_view_does_not_depend_on_the_order_of_facts() {
    let whole = well().view();
    let mut index = Index::default();
    index.connected();
    kubelet(&mut index, OLD, true);
    feed(&mut index, Kind::Pod, &pod(true, OLD));
    feed(&mut index, Kind::Deployment, &deployment(1, 0));
    feed(&mut index, Kind::HelmRelease, &helm_release(3, 1));
    let listed = |kind, object: &Value, key| (key, Observed::read(kind, object).unwrap());
    for kind in Kind::ALL.into_iter().rev() {
        let objects = match kind {
            Kind::Pod => vec![listed(kind, &pod(true, OLD), Key::new("gitea", "gitea-7f9-x"))],
            Kind::Deployment => vec![listed(kind, &deployment(1, 1), Key::new("gitea", "gitea"))],
            Kind::HelmRelease => {
                vec![listed(kind, &helm_release(1, 1), Key::new("flux-system", "bp-gitea"))]
            }
            Kind::HelmRecord => vec![(
                Key::new("flux-system", "sh.helm.release.v1.gitea.v1"),
                record(1, vec![manifest("Deployment", Some(1))], 3),
            )],
            Kind::Node => {
                let node = json!({"metadata": {"name": "node"}, "status": {
                    "conditions": [{"type": "Ready", "status": "True"}]}});
                vec![listed(kind, &node, Key::new("", "node"))]
            }
            _ => vec![],
        };
        index.reset(kind, objects);
    }
    index.expect(Some(kit(&["bp-gitea"])));
    assert_eq!(index.view(), whole);
}

#[test]
fn a11_the_same_fact_twice_changes_nothing() {
    let mut index = well();
    assert!(!feed(&mut index, Kind::Deployment, &deployment(1, 1)));
    assert!(!index.delete(Kind::Deployment, &Key::new("gitea", "other")));
    assert!(feed(&mut index, Kind::Deployment, &deployment(1, 0)));
}

#[test]
fn an_object_that_cannot_be_read_is_counted_and_the_rest_stays() {
    let mut index = well();
    let key = Key::new("gitea", "broken");
    assert!(Observed::read(Kind::Deployment, &json!({"metadata": {}})).is_err());
    index.skip(Kind::Deployment, &key);
    assert_eq!(index.view().unreadable, 1);
    check(&index, ComponentState::Installed, "");
}

#[test]
fn a_lost_cluster_keeps_what_was_known_and_says_since_when() {
    let mut index = well();
    let before = index.view().components;
    index.lost(NEW.parse().unwrap(), "first".into());
    index.lost(BOOT.parse().unwrap(), "second".into());
    let view = index.view();
    let since = NEW.parse().unwrap();
    assert_eq!(view.connection, Connection::Stale { since, message: "second".into() });
    assert_eq!(view.components, before);
    assert!(!view.is_current());
}

#[test]
fn the_platform_is_nodes_storage_and_controllers() {
    let mut index = well();
    let platform = index.view().platform;
    assert!(platform.nodes_ready() && !platform.flux_available());
    assert_eq!(platform.controllers.len(), 3);
    assert_eq!(platform.default_storage_classes, Vec::<String>::new());
    let class = json!({"metadata": {"name": "local-path", "annotations": {
        "storageclass.kubernetes.io/is-default-class": "true"}}});
    feed(&mut index, Kind::StorageClass, &class);
    for name in CONTROLLERS {
        let mut deployment = deployment(1, 1);
        deployment["metadata"] = json!({"name": name, "namespace": NAMESPACE, "generation": 1});
        feed(&mut index, Kind::Deployment, &deployment);
        let mut pod = pod(true, OLD);
        pod["metadata"]["name"] = json!(format!("{name}-7f9-x"));
        pod["metadata"]["namespace"] = json!(NAMESPACE);
        pod["metadata"]["ownerReferences"][0]["name"] = json!(format!("{name}-7f9"));
        feed(&mut index, Kind::Pod, &pod);
    }
    let platform = index.view().platform;
    assert!(platform.flux_available(), "{:?}", platform.controllers);
    assert_eq!(platform.default_storage_classes, ["local-path"]);
}

#[test]
fn the_cause_of_a_pods_trouble_is_found_with_its_release_and_its_reach() {
    let mut index = well();
    for name in ["source-controller", "kustomize-controller", "helm-controller"] {
        let mut controller = deployment(1, 1);
        controller["metadata"]["namespace"] = json!("flux-system");
        controller["metadata"]["name"] = json!(name);
        feed(&mut index, Kind::Deployment, &controller);
    }
    let now = NEW.parse().unwrap();
    assert!(index.causes(&index.view(), now).is_empty(), "all is well");
    let mut pod = pod(false, OLD);
    let image = "ghcr.io/openova-io/gitea:none";
    pod["spec"]["containers"] = json!([{"name": "gitea", "image": image}]);
    pod["status"]["containerStatuses"] = json!([{"name": "gitea", "image": image, "ready": false,
        "state": {"waiting": {"reason": "ImagePullBackOff", "message": "ErrImagePull: not found"}}}]);
    feed(&mut index, Kind::Pod, &pod);
    feed(&mut index, Kind::Deployment, &deployment(1, 0));
    let causes = index.causes(&index.view(), now);
    let found: Vec<_> = causes.iter().map(|c| (c.kind, c.releases[0].as_str())).collect();
    assert_eq!(found, [(catalyst_model::CauseKind::ImageNotFound, "bp-gitea")]);
}

#[test]
fn a_kind_that_cannot_be_listed_is_told_until_it_can() {
    let mut index = well();
    index.connected();
    index.trouble(Kind::Event, "events is forbidden".to_owned());
    let unreadable = |index: &Index| {
        let causes = index.causes(&index.view(), NEW.parse().unwrap());
        causes.iter().any(|c| c.headline.contains("Event objects cannot be read"))
    };
    assert!(unreadable(&index));
    index.reset(Kind::Event, vec![]);
    assert!(!unreadable(&index));
}

#[test]
fn a_storm_of_events_is_bounded_and_the_newest_stay() {
    let mut index = Index::default();
    for number in 0..1200 {
        let event = json!({"metadata": {"name": format!("e{number}"), "namespace": "a"},
            "involvedObject": {"kind": "Pod", "namespace": "a", "name": "p"},
            "reason": "Failed", "lastTimestamp": format!("2026-01-01T00:{:02}:{:02}Z", number / 60, number % 60)});
        feed(&mut index, Kind::Event, &event);
    }
    let kept: Vec<_> = index.of(Kind::Event).map(|(key, _)| key.name.as_str()).collect();
    assert_eq!(kept.len(), 1000);
    assert!(kept.contains(&"e1199") && !kept.contains(&"e0"));
}
