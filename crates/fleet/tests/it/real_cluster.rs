//! Against a real cluster, where `CATALYST_TEST_KUBECONFIG` and `CATALYST_TEST_KUSTOMIZE` name one.
//!
//! Without them the tests say that they were skipped and why.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use catalyst_fleet::{Cluster, Expected, KitSource, Timeouts, WatchConfig};
use catalyst_model::{ComponentState, Past, assess};
use secrecy::SecretString;

async fn cluster() -> Option<Cluster> {
    let Some(path) = std::env::var_os("CATALYST_TEST_KUBECONFIG") else {
        println!("skipped: CATALYST_TEST_KUBECONFIG names no kubeconfig of a real cluster");
        return None;
    };
    rustls::crypto::ring::default_provider().install_default().ok();
    let text: SecretString = std::fs::read_to_string(path).unwrap().into();
    Some(Cluster::connect(&text, Timeouts::default()).await.unwrap())
}

fn source(work: PathBuf) -> Option<KitSource> {
    let Some(kustomize) = std::env::var_os("CATALYST_TEST_KUSTOMIZE") else {
        println!("skipped: CATALYST_TEST_KUSTOMIZE names no kustomize");
        return None;
    };
    Some(KitSource {
        kustomization: "bootstrap-kit".into(),
        kustomize: kustomize.into(),
        work,
        build_timeout: Duration::from_secs(60),
    })
}

#[tokio::test]
async fn the_platform_of_a_real_cluster_is_seen() {
    let Some(cluster) = cluster().await else { return };
    let begun = Instant::now();
    let watch = cluster.watch(None, WatchConfig::default());
    let mut views = watch.views();
    let ready = views.wait_for(|view| {
        let platform = &view.platform;
        view.informers_synced()
            && platform.nodes_ready()
            && platform.nodes.iter().all(|node| node.confirmed)
    });
    let waited = tokio::time::timeout(Duration::from_secs(60), ready).await;
    let platform = watch.views().borrow().platform.clone();
    assert!(waited.is_ok(), "{:#?}", watch.views().borrow());
    assert_eq!(platform.default_storage_classes.len(), 1, "{platform:?}");
    println!("platform seen after {:?}: {platform:#?}", begun.elapsed());
}

#[tokio::test]
async fn the_kit_of_a_real_cluster_is_read_and_every_component_is_told() {
    let Some(cluster) = cluster().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(source) = source(folder.path().to_owned()) else { return };
    let begun = Instant::now();
    let kit = loop {
        match cluster.expected_kit(&source).await {
            Ok(Expected::Frozen(kit, problems)) => {
                assert!(problems.is_empty(), "{problems:?}");
                break kit;
            }
            Ok(Expected::NotYet(reason)) => println!("not yet: {reason}"),
            Err(error) => println!("error: {error}"),
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "the kit was never fetched");
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    println!("kit {} after {:?}", kit.commit(), begun.elapsed());
    let number = kit.releases().len();
    let watch = cluster.watch(Some(kit), WatchConfig::default());
    let mut views = watch.views();
    let ready = views.wait_for(|view| {
        view.is_current()
            && view.components.len() == number
            && view
                .components
                .iter()
                .all(|component| assess(component, Past::Seen).state == ComponentState::Installed)
    });
    let waited = tokio::time::timeout(Duration::from_secs(300), ready).await.is_ok();
    for component in &watch.views().borrow().components {
        let judged = assess(component, Past::Seen);
        println!("{:<24} {:<11} {}", component.name, judged.state.as_str(), judged.message);
        for workload in component.inventory.iter().flat_map(|inventory| &inventory.workloads) {
            println!("    {workload:?}");
        }
    }
    assert!(waited, "not every component was installed");
    println!("all installed after {:?}", begun.elapsed());
}
