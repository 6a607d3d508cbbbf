//! A whole API in a temporary folder, and a client for it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use catalyst_control::{
    ClusterPort, ClusterSession, Control, ControlConfig, Deadlines, PortError, Provisioning,
    ProvisioningConfig, Who,
};
use catalyst_model::{
    ClusterFact, DeploymentId, DeploymentStatus, FrozenKit, KitRelease, Provider, Tier,
};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub(super) const HOST_NAME: &str = "127.0.0.1:7080";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The API, its control plane and its folder.
pub(super) struct House {
    pub(super) control: Control,
    pub(super) router: Router,
    pub(super) folder: tempfile::TempDir,
    pub(super) stop: CancellationToken,
    pub(super) cluster: Arc<ScriptedCluster>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// The code of the problem the answer is.
    pub(super) fn code(&self) -> String {
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json", "{}", self.text);
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings of what makes Sovereigns.
    pub(super) async fn with(change: impl FnOnce(&mut ProvisioningConfig)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tofu = folder.path().join("tofu-bin");
        write_program(&tofu, FAKE_TOFU);
        let module = folder.path().join("module");
        std::fs::create_dir(&module).unwrap();
        std::fs::write(module.join("main.tf"), "").unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut provisioning = ProvisioningConfig {
            tofu_bin: tofu,
            tofu_dir: at("tofu"),
            modules: BTreeMap::from([(Provider::Sandbox, module)]),
            catalyst_bin: at("catalyst"),
            catalyst_home: at("home"),
            catalyst_cache: at("cache"),
            child_path: "/usr/bin:/bin".to_owned(),
            gitops_repo_url: "https://github.com/openova-io/openova".to_owned(),
            gitops_branch: "main".to_owned(),
            public_url: "https://console.openova.io/sovereign".to_owned(),
            ghcr_credentials_file: None,
            network_base: 210,
            first_link: 0,
        };
        change(&mut provisioning);
        let config = ControlConfig {
            deployments_dir: at("deployments"),
            kubeconfigs_dir: Some(at("kubeconfigs")),
            auth_dir: at("auth"),
            provisioning: Provisioning::Enabled(Box::new(provisioning)),
            deadlines: Deadlines::default(),
        };
        let cluster = Arc::new(ScriptedCluster::default());
        let control = Control::open(config, Arc::clone(&cluster) as _).await.unwrap();
        let stop = CancellationToken::new();
        let router = crate::router(control.clone(), crate::Config::default(), stop.clone());
        Self { control, router, folder, stop, cluster }
    }

    /// From now on `tofu apply` fails.
    pub(super) fn fail_apply(&self) {
        std::fs::write(self.folder.path().join("failing"), "").unwrap();
    }

    /// From now on it does not.
    pub(super) fn mend_apply(&self) {
        std::fs::remove_file(self.folder.path().join("failing")).unwrap();
    }

    /// A bearer token of the tier.
    pub(super) async fn token(&self, tier: Tier) -> String {
        let by = Who::of_this_process("test", Tier::Owner);
        let made = self.control.create_token(&by, "test", tier, DAY).await.unwrap();
        made.secret.expose_secret().to_owned()
    }

    /// Sends a request and returns the answer as it comes.
    pub(super) async fn open(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends a request and reads the whole answer.
    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// GETs with a token.
    pub(super) async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(ask(Method::GET, path, Some(token), Body::empty())).await
    }

    /// POSTs JSON with a token.
    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(ask(Method::POST, path, Some(token), Body::from(body.to_string()))).await
    }

    /// Creates a deployment and returns its id.
    pub(super) async fn create(&self, name: &str) -> String {
        let token = self.token(Tier::Operator).await;
        let answer = self.post("/api/v1/deployments", &token, &spec(name)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until the deployment has the status.
    pub(super) async fn reaches(&self, id: &str, status: DeploymentStatus) {
        let id: DeploymentId = id.parse().unwrap();
        for _ in 0..600 {
            if self.control.get(&id).unwrap().status() == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{id} is {:?}, not {status:?}", self.control.get(&id).unwrap().answer());
    }

    /// The bearer that the deployment's node was given, found where the node finds it.
    pub(super) fn bearer(&self, id: &str) -> String {
        let folder = self.folder.path().join("tofu");
        let vars = files(&folder)
            .into_iter()
            .find(|file| file.ends_with("tofu.auto.tfvars.json") && holds(file, id))
            .expect("the variables are written");
        let vars: Value = serde_json::from_slice(&std::fs::read(vars).unwrap()).unwrap();
        let file = vars["kubeconfig_bearer_file"].as_str().unwrap();
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// PUTs a kubeconfig.
    pub(super) async fn put(
        &self,
        id: &str,
        bearer: Option<&str>,
        body: impl Into<Body>,
    ) -> Answer {
        let path = format!("/api/v1/deployments/{id}/kubeconfig");
        self.send(ask(Method::PUT, &path, bearer, body.into())).await
    }
}

/// A request with a bearer; JSON where it says so by its method.
pub(super) fn ask(method: Method, path: &str, token: Option<&str>, body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method.clone()).uri(path).header(HOST, HOST_NAME);
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(body).unwrap()
}

/// The form that a login link's page sends, as the page's own origin.
pub(super) fn login_form(token: &str) -> Request<Body> {
    Request::post("/auth/login")
        .header(HOST, HOST_NAME)
        .header(ORIGIN, format!("http://{HOST_NAME}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={token}")))
        .unwrap()
}

/// A good request for a sandbox.
pub(super) fn spec(name: &str) -> Value {
    json!({
        "provider": "sandbox", "orgName": "Example", "orgEmail": "ops@example.org",
        "sovereignFQDN": format!("{name}.example.org"),
    })
}

pub(super) use catalyst_testkit::kubeconfig::kubeconfig;

/// Every file below a folder.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect()
}

fn holds(file: &Path, text: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|content| content.contains(text))
}

pub(super) fn write_program(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Stands for `tofu` where the infrastructure is not what a test is about; the real one is run by
/// the suites over a real Sovereign.
const FAKE_TOFU: &str = r#"#!/bin/sh
for word in "$@"; do case $word in
  version) echo '{"terraform_version":"1.10.0"}'; exit 0 ;;
  init) exit 0 ;;
  plan) echo plan > tfplan.new; exit 0 ;;
  apply) [ -e ../../failing ] && exit 1; echo '{"version":4,"serial":1,"lineage":"x","resources":[]}' > terraform.tfstate; exit 0 ;;
  output) cat <<'END'
{"control_plane_ip":{"value":"10.210.0.2"},"load_balancer_ip":{"value":"10.210.0.2"},
 "console_url":{"value":"https://console.sov1.example.org"},
 "gitops_repo_url":{"value":"https://gitea.sov1.example.org"},
 "api_server":{"value":"https://10.210.0.2:6443"}}
END
  exit 0 ;;
esac; done
"#;

/// A cluster that shows what a test tells it to.
#[derive(Default)]
pub(super) struct ScriptedCluster {
    facts: Mutex<Option<mpsc::UnboundedReceiver<ClusterFact>>>,
}

impl ScriptedCluster {
    /// What is sent here the next watch reports.
    pub(super) fn script(&self) -> mpsc::UnboundedSender<ClusterFact> {
        let (sender, receiver) = mpsc::unbounded_channel();
        *self.facts.lock().unwrap() = Some(receiver);
        sender
    }
}

impl ClusterPort for ScriptedCluster {
    fn connect(
        &self,
        _: DeploymentId,
        _: SecretString,
    ) -> BoxFuture<'static, Result<Box<dyn ClusterSession>, PortError>> {
        let facts = self.facts.lock().unwrap().take();
        Box::pin(async move {
            let facts = Mutex::new(facts);
            let expected = Arc::default();
            Ok(Box::new(ScriptedSession { facts, expected }) as Box<dyn ClusterSession>)
        })
    }
}

struct ScriptedSession {
    facts: Mutex<Option<mpsc::UnboundedReceiver<ClusterFact>>>,
    /// Told when it is known which releases are watched: nothing is said of any before.
    expected: Arc<Notify>,
}

impl ClusterSession for ScriptedSession {
    fn expected_kit(&self) -> BoxFuture<'_, Result<FrozenKit, PortError>> {
        let release = |name: &str| KitRelease {
            name: name.parse().unwrap(),
            namespace: "flux-system".into(),
            slot: "10".into(),
            version: "1.0.0".into(),
            depends_on: Vec::new(),
        };
        let releases = vec![release("bp-one"), release("bp-two")];
        let kit = FrozenKit::new("main@sha1:0123".into(), releases).unwrap();
        Box::pin(async move { Ok(kit) })
    }

    fn expect(&self, _: FrozenKit) {
        self.expected.notify_one();
    }

    fn watch(&self) -> BoxStream<'static, ClusterFact> {
        let facts = self.facts.lock().unwrap().take();
        let expected = Arc::clone(&self.expected);
        let begin = futures::stream::once(async move { expected.notified().await });
        let facts = match facts {
            Some(facts) => futures::stream::unfold(facts, |mut facts| async move {
                let fact = facts.recv().await;
                match fact {
                    Some(fact) => Some((fact, facts)),
                    None => std::future::pending().await,
                }
            })
            .boxed(),
            None => futures::stream::pending().boxed(),
        };
        begin.filter_map(|()| async { None }).chain(facts).boxed()
    }
}
