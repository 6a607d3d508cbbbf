//! The pinned tools: a full cache builds nothing, and a real build survives being interrupted.

use std::sync::Mutex;
use std::time::Duration;

use catalyst_sandbox::paths::Cache;
use catalyst_sandbox::process::Invocation;
use catalyst_sandbox::tools::{Pins, Progress, Tools};

use crate::support;

#[tokio::test]
async fn a_complete_cache_builds_nothing_and_holds_every_program() {
    let pins = Pins::from_checkout(support::checkout()).unwrap();
    let Ok(tools) = Tools::locate(&support::cache(), pins).await else {
        return support::skip("Go is not installed");
    };
    let missing: Vec<_> = tools.missing().iter().map(|entry| entry.pin.name.clone()).collect();
    if !missing.is_empty() {
        return support::skip(&format!("not in the cache: {}", missing.join(", ")));
    }
    assert_eq!(tools.needed_bytes(), 0);
    tools.ensure(&|progress| assert_eq!(progress, Progress::Cleaning)).await.unwrap();
    for entry in tools.entries() {
        for binary in &entry.pin.binaries {
            assert!(tools.bin(&binary.name).unwrap().is_file(), "{}", binary.name);
        }
        for asset in &entry.pin.assets {
            assert!(entry.dir.join(&asset.to).is_dir(), "{}", asset.to);
        }
    }
    for (controller, crds) in
        [("source-controller", 5), ("kustomize-controller", 1), ("helm-controller", 1)]
    {
        assert!(tools.crds(controller).unwrap().len() >= crds, "{controller}");
    }
    let kubelet = Invocation::new(tools.bin("kubelet").unwrap()).arg("--version");
    assert_eq!(kubelet.run().await.unwrap().text(), "Kubernetes v1.34.4");
    let helm = Invocation::new(tools.bin("helm").unwrap()).args(["version", "--short"]);
    assert!(helm.run().await.unwrap().text().starts_with("v3.19.0"));
}

#[tokio::test]
async fn an_interrupted_build_resumes_and_leaves_no_build_cache() {
    if std::env::var_os("CATALYST_TEST_BUILD").is_none() {
        return support::skip("CATALYST_TEST_BUILD=1 downloads modules and compiles for a minute");
    }
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path());
    let pins = Pins::from_checkout(support::checkout()).unwrap();
    let tools = Tools::locate(&cache, pins.only(&["kustomize"])).await.unwrap();
    let said = Mutex::new(Vec::new());
    let report = |progress| said.lock().unwrap().push(progress);
    let soon = tokio::time::timeout(Duration::from_secs(4), tools.ensure(&report)).await;
    assert!(soon.is_err(), "it takes longer than that");
    assert!(tools.bin("kustomize").is_err());
    tools.ensure(&report).await.unwrap();
    let kustomize = Invocation::new(tools.bin("kustomize").unwrap()).arg("version");
    println!("{}", kustomize.run().await.unwrap().text());
    let said = said.into_inner().unwrap();
    assert!(said.iter().any(|p| matches!(p, Progress::Working { index: 1, total: 1, .. })));
    assert!(said.iter().any(|p| matches!(p, Progress::Built { .. })), "{said:?}");
    assert_eq!(said.last(), Some(&Progress::Cleaning));
    assert!(!cache.build().exists());
}
