//! A control plane in a temporary folder, with a scripted cluster.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use catalyst_control::{
    ClusterPort, ClusterSession, Control, ControlConfig, Deadlines, PortError, Provisioning,
    ProvisioningConfig, Who,
};
use catalyst_model::{CreateRequest, Deployment, DeploymentId, Problem, Progress, Provider, Tier};
use futures::future::BoxFuture;
use secrecy::SecretString;

/// The control plane, its settings and its folder.
pub(crate) struct House {
    folder: PathBuf,
    _own: Option<tempfile::TempDir>,
    pub(crate) config: ControlConfig,
    pub(crate) clusters: Arc<dyn ClusterPort>,
    control: Option<Control>,
}

impl House {
    /// A house whose infrastructure is made by a program that only says it was.
    pub(crate) async fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        let folder = own.path().to_owned();
        let mut house = Self::within(&folder);
        house._own = Some(own);
        house.open().await;
        house
    }

    /// A house in a folder of somebody else's, not opened yet.
    pub(crate) fn within(folder: &Path) -> Self {
        let at = |name: &str| folder.join(name);
        link_script("tofu.sh", &at("tofu-bin"));
        std::fs::create_dir_all(at("module")).unwrap();
        std::fs::write(at("module").join("main.tf"), "").unwrap();
        let provisioning = ProvisioningConfig {
            tofu_bin: at("tofu-bin"),
            tofu_dir: at("tofu"),
            modules: BTreeMap::from([(Provider::Sandbox, at("module"))]),
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
        let config = ControlConfig {
            deployments_dir: at("deployments"),
            kubeconfigs_dir: Some(at("kubeconfigs")),
            auth_dir: at("auth"),
            provisioning: Provisioning::Enabled(Box::new(provisioning)),
            deadlines: Deadlines::default(),
        };
        let clusters = Arc::new(NoCluster);
        Self { folder: folder.to_owned(), _own: None, config, clusters, control: None }
    }

    pub(crate) fn provisioning(&mut self) -> &mut ProvisioningConfig {
        match &mut self.config.provisioning {
            Provisioning::Enabled(settings) => settings,
            Provisioning::Disabled => panic!("provisioning is on here"),
        }
    }

    /// Gives it a tofu that has a bad day; `days` are what `rough.sh` looks for.
    pub(crate) fn gets_a_bad_day(&self, days: &[&str]) {
        std::fs::remove_file(self.at("tofu-bin")).unwrap();
        link_script("rough.sh", &self.at("tofu-bin"));
        for day in days {
            std::fs::write(self.at(day), "").unwrap();
        }
    }

    /// Starts the control plane.
    pub(crate) async fn open(&mut self) {
        for _ in 0..100 {
            match Control::open(self.config.clone(), self.clusters.clone()).await {
                // A program that another test is starting holds every open file for a moment.
                Err(error) if error.trouble().problem == &Problem::STORE_LOCKED => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                opened => {
                    self.control = Some(opened.unwrap());
                    return;
                }
            }
        }
        panic!("the records stay locked");
    }

    /// Stops it.
    pub(crate) async fn close(&mut self) {
        if let Some(control) = self.control.take() {
            control.shutdown().await;
        }
    }

    pub(crate) fn control(&self) -> &Control {
        self.control.as_ref().expect("the house is open")
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Creates a deployment and returns its id.
    pub(crate) async fn create(&self, name: &str) -> DeploymentId {
        self.control().create(&spec(name), None, &by()).await.unwrap().deployment.id.clone()
    }

    /// The bearer that the deployment's node was given, from where the node reads it.
    pub(crate) fn bearer(&self, id: &DeploymentId) -> SecretString {
        let file = self.at("tofu").join(id.as_str()).join("kubeconfig.bearer");
        SecretString::from(std::fs::read_to_string(file).unwrap())
    }

    /// Waits until the deployment's infrastructure stands.
    pub(crate) async fn stands(&self, id: &DeploymentId) -> Arc<Deployment> {
        let stands = |d: &Deployment| d.infrastructure.progress == Progress::Done;
        self.until(id, "the infrastructure", stands).await
    }

    /// Waits until the deployment is as wanted.
    pub(crate) async fn until(
        &self,
        id: &DeploymentId,
        what: &str,
        wanted: impl Fn(&Deployment) -> bool,
    ) -> Arc<Deployment> {
        for _ in 0..1200 {
            let now = self.control().get(id).unwrap();
            if wanted(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{what} did not come; {:?}", self.control().get(id).unwrap().answer());
    }
}

/// A link, for a file that was just written may not be run while anybody forks.
fn link_script(script: &str, to: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(script);
    std::os::unix::fs::symlink(script, to).unwrap();
}

/// Who asks in these tests.
pub(crate) fn by() -> Who {
    Who::of_this_process("tester", Tier::Owner)
}

/// A good request for a sandbox.
pub(crate) fn spec(name: &str) -> CreateRequest {
    CreateRequest {
        provider: "sandbox".to_owned(),
        org_name: "Example".to_owned(),
        org_email: "ops@example.org".to_owned(),
        sovereign_fqdn: format!("{name}.example.org"),
        ..CreateRequest::default()
    }
}

pub(crate) use catalyst_testkit::kubeconfig::kubeconfig;

/// Clusters that nobody reaches.
struct NoCluster;

impl ClusterPort for NoCluster {
    fn connect(
        &self,
        _: DeploymentId,
        _: SecretString,
    ) -> BoxFuture<'static, Result<Box<dyn ClusterSession>, PortError>> {
        Box::pin(async { Err(PortError::Unreachable("nobody is there".to_owned())) })
    }
}
