//! Reading the expected kit over real HTTP: what is missing, what is wrong, and the kit itself.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use catalyst_fleet::{Expected, ExpectedError, KitSource, NotYet};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::api_server::ApiServer;

const SOURCES: &str = "/apis/source.toolkit.fluxcd.io/v1";
const KUSTOMIZE: &str = "/apis/kustomize.toolkit.fluxcd.io/v1";
const REPOSITORY: &str =
    "/apis/source.toolkit.fluxcd.io/v1/namespaces/flux-system/gitrepositories/openova";
const KUSTOMIZATION: &str =
    "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/kustomizations/bootstrap-kit";
const ARTIFACT: &str =
    "/api/v1/namespaces/flux-system/services/http:source-controller:80/proxy/a/c0ffee.tar.gz";

fn artifact() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in [
        ("clusters/kit/kustomization.yaml", "resources: [10-gitea.yaml]\n"),
        ("clusters/kit/10-gitea.yaml", RELEASE),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&builder.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

const RELEASE: &str = "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: bp-gitea
  namespace: flux-system
  labels: {catalyst.openova.io/sovereign: '${SOVEREIGN_FQDN}'}
spec:
  chart: {spec: {chart: bp-gitea, version: 0.1.0}}
";

/// The pinned program where it is named, else one that prints the one file as the build would.
fn kustomize(folder: &Path) -> PathBuf {
    if let Some(real) = std::env::var_os("CATALYST_TEST_KUSTOMIZE") {
        return PathBuf::from(real);
    }
    let at = folder.join("kustomize");
    std::fs::write(&at, "#!/bin/sh\n/bin/cat ../clusters/kit/10-gitea.yaml\n").unwrap();
    std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o755)).unwrap();
    at
}

struct Scene {
    server: ApiServer,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        Self { server: ApiServer::start().await, folder: tempfile::tempdir().unwrap() }
    }

    fn set(&self, path: &str, value: &Value) {
        self.server.document(path, value.to_string().as_bytes());
    }

    fn flux(&self) {
        self.set(SOURCES, &json!({}));
        self.set(KUSTOMIZE, &json!({}));
    }

    fn kustomization(&self, variables: &Value) {
        self.set(
            KUSTOMIZATION,
            &json!({"metadata": {"name": "bootstrap-kit", "generation": 1}, "spec": {
                "path": "./clusters/kit", "sourceRef": {"kind": "GitRepository", "name": "openova"},
                "postBuild": {"substitute": variables}}}),
        );
    }

    fn repository(&self, digest: &str) {
        self.set(
            REPOSITORY,
            &json!({"metadata": {"name": "openova", "generation": 1}, "status": {"artifact": {
                "url": "http://source-controller.flux-system.svc.cluster.local./a/c0ffee.tar.gz",
                "digest": digest, "revision": "main@sha1:c0ffee"}}}),
        );
    }

    async fn attempt(&self) -> Result<Expected, ExpectedError> {
        let source = KitSource {
            kustomization: "bootstrap-kit".into(),
            kustomize: kustomize(self.folder.path()),
            work: self.folder.path().join("work"),
            build_timeout: Duration::from_secs(20),
        };
        self.server.cluster().expected_kit(&source).await
    }

    async fn not_yet(&self) -> String {
        match self.attempt().await.unwrap() {
            Expected::NotYet(reason) => reason.to_string(),
            Expected::Frozen(kit, _) => panic!("frozen: {kit:?}"),
        }
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[tokio::test]
async fn each_step_that_flux_has_not_done_is_told() {
    let scene = Scene::new().await;
    assert_eq!(scene.not_yet().await, "Flux is not installed yet");
    scene.flux();
    assert_eq!(scene.not_yet().await, "Kustomization `bootstrap-kit` has not been created yet");
    scene.kustomization(&json!({}));
    assert_eq!(scene.not_yet().await, "GitRepository `openova` has not been created yet");
    let repository = json!({"metadata": {"name": "openova", "generation": 1}, "status": {
        "observedGeneration": 1, "conditions": [{"type": "Ready", "status": "False",
        "reason": "GitOperationFailed", "message": "connection refused"}]}});
    scene.set(REPOSITORY, &repository);
    let reason = scene.not_yet().await;
    assert!(reason.starts_with("Flux is not reconciling: source-controller"), "{reason}");
    for name in ["source-controller", "kustomize-controller", "helm-controller"] {
        let path = format!("/apis/apps/v1/namespaces/flux-system/deployments/{name}");
        scene.set(
            &path,
            &json!({"metadata": {"generation": 1}, "spec": {"replicas": 1}, "status": {
            "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}}),
        );
    }
    assert_eq!(scene.not_yet().await, "GitRepository `openova` is not fetched: connection refused");
}

#[tokio::test]
async fn the_kit_is_frozen_with_its_revision_and_its_copy_is_removed() {
    let scene = Scene::new().await;
    scene.flux();
    scene.kustomization(&json!({"SOVEREIGN_FQDN": "sov1.example.org"}));
    scene.repository(&digest(&artifact()));
    scene.server.document(ARTIFACT, &artifact());
    let Expected::Frozen(kit, problems) = scene.attempt().await.unwrap() else { panic!() };
    assert_eq!(kit.commit(), "main@sha1:c0ffee");
    assert_eq!(kit.releases()[0].name.as_str(), "bp-gitea");
    assert!(problems.is_empty());
    let left = std::fs::read_dir(scene.folder.path().join("work")).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_artifact_that_is_not_what_was_announced_is_refused() {
    let scene = Scene::new().await;
    scene.flux();
    scene.kustomization(&json!({}));
    scene.repository(&digest(b"something else"));
    scene.server.document(ARTIFACT, &artifact());
    let error = scene.attempt().await.unwrap_err();
    assert!(error.to_string().contains("was announced"), "{error}");
}

#[tokio::test]
async fn an_artifact_that_was_replaced_meanwhile_is_not_an_error() {
    let scene = Scene::new().await;
    scene.flux();
    scene.kustomization(&json!({}));
    scene.repository(&digest(&artifact()));
    assert!(matches!(scene.attempt().await, Ok(Expected::NotYet(NotYet::Unobserved { .. }))));
}

#[tokio::test]
async fn an_undefined_variable_is_named() {
    let scene = Scene::new().await;
    scene.flux();
    scene.kustomization(&json!({"OTHER": "x"}));
    scene.repository(&digest(&artifact()));
    scene.server.document(ARTIFACT, &artifact());
    let error = scene.attempt().await.unwrap_err().to_string();
    assert!(error.contains("variable `SOVEREIGN_FQDN` is not set"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_told_as_unreachable() {
    let scene = Scene::new().await;
    scene.server.set_down(true);
    let error = scene.attempt().await.unwrap_err();
    assert!(matches!(&error, ExpectedError::Request(e) if e.is_unreachable()), "{error:?}");
}
