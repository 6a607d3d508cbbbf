//! The watch over real HTTP: it lists, follows, breaks off and comes back.

use std::time::Duration;

use catalyst_fleet::{ClusterView, Connection, Watch, WatchConfig};
use catalyst_model::{ClusterFact, FrozenKit, KitRelease};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::api_server::ApiServer;

const RELEASES: &str = "/apis/helm.toolkit.fluxcd.io/v2/helmreleases";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
const ALL: [&str; 17] = [
    RELEASES,
    "/api/v1/secrets",
    DEPLOYMENTS,
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/apps/v1/replicasets",
    "/apis/batch/v1/jobs",
    "/api/v1/pods",
    "/api/v1/nodes",
    "/apis/storage.k8s.io/v1/storageclasses",
    "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories",
    "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations",
    "/apis/source.toolkit.fluxcd.io/v1/helmcharts",
    "/apis/source.toolkit.fluxcd.io/v1/helmrepositories",
    "/apis/source.toolkit.fluxcd.io/v1/ocirepositories",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/events",
];

fn kit() -> FrozenKit {
    let release = KitRelease {
        name: "bp-gitea".parse().unwrap(),
        namespace: "flux-system".into(),
        slot: "10".into(),
        version: "0.1.0".into(),
        depends_on: vec![],
    };
    FrozenKit::new("main@sha1:c0ffee".into(), vec![release]).unwrap()
}

fn release(generation: i64) -> Value {
    json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "bp-gitea", "namespace": "flux-system", "generation": generation,
            "resourceVersion": generation.to_string()},
        "spec": {},
    })
}

async fn started() -> ApiServer {
    let server = ApiServer::start().await;
    for path in ALL {
        server.list(path, vec![]);
    }
    server.list(RELEASES, vec![release(1)]);
    server
}

fn watch(server: &ApiServer) -> Watch {
    let config = WatchConfig {
        heartbeat: Duration::from_millis(100),
        max_pause: Duration::from_millis(100),
        ..WatchConfig::default()
    };
    server.cluster().watch(Some(kit()), config)
}

async fn until(watch: &Watch, what: &str, holds: impl Fn(&ClusterView) -> bool) {
    let mut views = watch.views();
    let waited = tokio::time::timeout(Duration::from_secs(20), views.wait_for(|v| holds(v)));
    if waited.await.is_err() {
        panic!("never came: {what}; last: {:#?}", watch.views().borrow());
    }
}

/// Tells again and again, for a watch may just be between its listing and its next request.
async fn until_told(
    watch: &Watch,
    what: &str,
    tell: impl Fn(),
    holds: impl Fn(&ClusterView) -> bool,
) {
    let mut views = watch.views();
    for _ in 0..100 {
        tell();
        let waited = views.wait_for(|view| holds(view));
        if tokio::time::timeout(Duration::from_millis(200), waited).await.is_ok() {
            return;
        }
    }
    panic!("never came: {what}; last: {:#?}", watch.views().borrow());
}

fn generation(view: &ClusterView) -> Option<i64> {
    view.components.first()?.helm.as_ref().map(|helm| helm.generation)
}

#[tokio::test]
async fn a_change_reaches_the_view() {
    let server = started().await;
    let watch = watch(&server);
    until(&watch, "the listing", |v| v.is_current() && generation(v) == Some(1)).await;
    let change = || server.event(RELEASES, "MODIFIED", &release(2));
    until_told(&watch, "the change", change, |v| generation(v) == Some(2)).await;
    let removal = || server.event(RELEASES, "DELETED", &release(2));
    until_told(&watch, "the absence", removal, |v| generation(v).is_none()).await;
    assert!(watch.views().borrow().is_current());
}

#[tokio::test]
async fn an_expired_version_leads_to_a_new_listing() {
    let server = started().await;
    let watch = watch(&server);
    until(&watch, "the listing", |v| v.is_current() && generation(v) == Some(1)).await;
    server.list(RELEASES, vec![release(7)]);
    let gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "code": 410, "reason": "Expired", "message": "too old resource version"});
    let expire = || server.event(RELEASES, "ERROR", &gone);
    until_told(&watch, "the new listing", expire, |v| generation(v) == Some(7)).await;
}

#[tokio::test]
async fn garbage_in_a_watch_does_not_end_it() {
    let server = started().await;
    let watch = watch(&server);
    until(&watch, "the listing", |v| v.is_current()).await;
    let garbage = || {
        server.raw(RELEASES, "{ this is not JSON\n");
        server.event(RELEASES, "MODIFIED", &release(3));
    };
    until_told(&watch, "the change", garbage, |v| generation(v) == Some(3)).await;
}

#[tokio::test]
async fn one_malformed_object_hides_no_other() {
    let server = started().await;
    let broken = json!({"metadata": {"name": "broken", "namespace": "x"}, "spec": "?"});
    let good = json!({"metadata": {"name": "good", "namespace": "x", "generation": 1}});
    server.list(DEPLOYMENTS, vec![broken, good]);
    let watch = watch(&server);
    until(&watch, "the listing", |v| v.is_current() && v.unreadable == 1).await;
    assert!(watch.views().borrow().informers_synced());
}

#[tokio::test]
async fn a_lost_cluster_is_told_and_everything_is_told_again_when_it_is_back() {
    let server = started().await;
    let mut facts = Box::pin(watch(&server).into_facts());
    let mut next = async || {
        let fact = tokio::time::timeout(Duration::from_secs(20), facts.next()).await;
        fact.expect("a fact within 20 s").expect("a watch never ends")
    };
    assert_eq!(next().await, ClusterFact::Attached);
    assert!(matches!(next().await, ClusterFact::Component(_)));
    let listed = server.listings(RELEASES);
    server.set_down(true);
    assert!(matches!(next().await, ClusterFact::Lost { .. }));
    server.set_down(false);
    assert_eq!(next().await, ClusterFact::Attached);
    assert!(matches!(next().await, ClusterFact::Component(_)));
    assert!(server.listings(RELEASES) > listed);
}

#[tokio::test]
async fn a_kind_that_the_server_does_not_know_yet_is_waited_for() {
    let server = ApiServer::start().await;
    for path in ALL.into_iter().skip(1) {
        server.list(path, vec![]);
    }
    let watch = watch(&server);
    until(&watch, "the platform", |v| v.informers_synced()).await;
    assert!(!watch.views().borrow().is_current());
    assert!(watch.views().borrow().components.is_empty());
    server.list(RELEASES, vec![release(1)]);
    until(&watch, "the release", |v| v.is_current() && generation(v) == Some(1)).await;
}

#[tokio::test]
async fn pods_count_once_the_nodes_kubelet_vouches_for_them() {
    let server = started().await;
    server.list("/api/v1/nodes", vec![json!({"metadata": {"name": "node"}})]);
    let path = "/api/v1/nodes/node/proxy/metrics";
    server.document(path, b"process_start_time_seconds 1.7e+09\n");
    let watch = watch(&server);
    until(&watch, "the witness", |v| {
        v.is_current() && v.platform.nodes.iter().all(|node| node.confirmed)
    })
    .await;
    assert_eq!(*watch.views().borrow().platform.nodes[0].name, *"node");
    assert_eq!(watch.views().borrow().connection, Connection::Live);
}
