//! The settings of the control plane: plain data, computed once in the binary.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use catalyst_model::Provider;

/// Every setting of [`crate::Control`].
#[derive(Debug, Clone)]
pub struct ControlConfig {
    /// Where the deployments' records are (`CATALYST_DEPLOYMENTS_DIR`).
    pub deployments_dir: PathBuf,
    /// Where posted kubeconfigs are kept (`CATALYST_KUBECONFIGS_DIR`); none refuses every post.
    pub kubeconfigs_dir: Option<PathBuf>,
    /// Where sessions and tokens are kept.
    pub auth_dir: PathBuf,
    /// Whether Sovereigns are made here.
    pub provisioning: Provisioning,
    /// How long things may take.
    pub deadlines: Deadlines,
}

/// Whether Sovereigns are made here.
#[derive(Debug, Clone)]
pub enum Provisioning {
    /// No: this process runs inside a Sovereign. Readiness does not depend on it.
    Disabled,
    /// Yes.
    Enabled(Box<ProvisioningConfig>),
}

/// What it takes to make Sovereigns.
#[derive(Debug, Clone)]
pub struct ProvisioningConfig {
    /// The program `tofu`.
    pub tofu_bin: PathBuf,
    /// The folder that holds a folder per deployment: module, variables, state.
    pub tofu_dir: PathBuf,
    /// The folder of each provider's module.
    pub modules: BTreeMap<Provider, PathBuf>,
    /// The program `catalyst`, which the sandbox's module calls.
    pub catalyst_bin: PathBuf,
    /// `CATALYST_HOME` of the sandbox.
    pub catalyst_home: PathBuf,
    /// `CATALYST_CACHE` of the sandbox.
    pub catalyst_cache: PathBuf,
    /// The `PATH` of the programs that are run; their environment holds little else.
    pub child_path: String,
    /// The Git repository Flux follows.
    pub gitops_repo_url: String,
    /// Its branch.
    pub gitops_branch: String,
    /// The address nodes post their kubeconfig to (`CATALYST_API_PUBLIC_URL`).
    pub public_url: String,
    /// A file with the registry's credentials, `{registry, username, password}`.
    pub ghcr_credentials_file: Option<PathBuf>,
    /// The second part of the first Sovereign's addresses: 210 gives `10.210.0`.
    pub network_base: u8,
    /// The first sandbox Sovereign's number; lower ones belong to somebody else on this machine.
    pub first_link: u8,
}

/// How long things may take. None of these ever ends in "ready".
#[derive(Debug, Clone)]
pub struct Deadlines {
    /// One step of the infrastructure.
    pub tofu_step: Duration,
    /// From the infrastructure's end to the node's post.
    pub kubeconfig: Duration,
    /// The life of the post-back's bearer, from the request on.
    pub bearer: Duration,
    /// From the node's post to the kit's expected set.
    pub flux: Duration,
    /// From the expected set to ready.
    pub kit: Duration,
    /// One call to a cluster.
    pub cluster_call: Duration,
    /// The pause between two tries to reach a cluster.
    pub cluster_retry: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            tofu_step: Duration::from_secs(30 * 60),
            kubeconfig: Duration::from_secs(15 * 60),
            bearer: Duration::from_secs(4 * 60 * 60),
            flux: Duration::from_secs(15 * 60),
            kit: Duration::from_secs(60 * 60),
            cluster_call: Duration::from_secs(30),
            cluster_retry: Duration::from_secs(1),
        }
    }
}
