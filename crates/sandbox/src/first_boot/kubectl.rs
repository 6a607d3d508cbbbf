//! `kubectl` of the node's own version, with the node's own kubeconfig and cache.
//!
//! Entry point: [`Kubectl`]. The first boot applies manifests exactly as a person would; server-side,
//! so that a second run changes nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::STEP_FAILED;
use crate::node::NodeSpec;
use crate::node::daemons::kubectl_flags;
use crate::problem::Result;
use crate::process::Invocation;

/// How long one command may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The command and what every call needs.
#[derive(Debug, Clone)]
pub(super) struct Kubectl {
    program: PathBuf,
    flags: Vec<OsString>,
}

impl Kubectl {
    pub(super) fn new(spec: &NodeSpec) -> Self {
        Self { program: spec.tools.kubernetes.join("kubectl"), flags: kubectl_flags(spec) }
    }

    fn call<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        // Without a home it would look for one in the password file.
        Invocation::new(&self.program)
            .args(&self.flags)
            .args(args)
            .env("HOME", "/var/lib/catalyst")
            .timeout(TIMEOUT)
    }

    /// Applies the manifests in `text`.
    pub(super) async fn apply(&self, text: impl Into<Vec<u8>>) -> Result<()> {
        self.call([APPLY, &["--filename=-"]].concat()).stdin(text).run().await?;
        Ok(())
    }

    /// Applies every manifest in `folder`.
    pub(super) async fn apply_folder(&self, folder: &Path) -> Result<()> {
        let from = format!("--filename={}", folder.display());
        self.call([APPLY, &[from.as_str()]].concat()).run().await?;
        Ok(())
    }

    /// Waits until `condition` holds for `what`, at most `seconds`.
    pub(super) async fn wait(&self, condition: &str, what: &[&str], seconds: u64) -> Result<()> {
        let (condition, timeout) = (format!("--for={condition}"), format!("--timeout={seconds}s"));
        let args = [&["wait", &condition, &timeout], what].concat();
        self.call(args).timeout(Duration::from_secs(seconds + 5)).run().await?;
        Ok(())
    }

    /// Reads objects as JSON.
    pub(super) async fn get<T: DeserializeOwned>(&self, what: &[&str]) -> Result<T> {
        let output = self.call([&["get", "--output=json"], what].concat()).run().await?;
        serde_json::from_slice(&output.stdout)
            .map_err(|error| STEP_FAILED.because(format!("kubectl get: {error}")).source(error))
    }
}

const APPLY: &[&str] = &["apply", "--server-side", "--force-conflicts", "--field-manager=catalyst"];

/// The few members of a list of Pods that are asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Pods {
    pub(super) items: Vec<Pod>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: PodMeta,
    #[serde(default)]
    pub(super) status: PodStatus,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodMeta {
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    #[serde(default)]
    pub(super) container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ContainerStatus {
    pub(super) ready: bool,
    pub(super) state: ContainerState,
}

#[derive(Debug, Deserialize)]
pub(super) struct ContainerState {
    pub(super) running: Option<Running>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Running {
    pub(super) started_at: jiff::Timestamp,
}

impl Pods {
    /// Whether there is a Pod and every container of every Pod runs, is ready, and was started after
    /// `began`: after a restart of the node the API tells the old Pods' state for a while.
    pub(super) fn all_run_since(&self, began: jiff::Timestamp) -> bool {
        let started = |one: &ContainerStatus| {
            // The API tells whole seconds.
            let since = |running: &Running| running.started_at.as_second() >= began.as_second();
            one.ready && one.state.running.as_ref().is_some_and(since)
        };
        let runs = |pod: &Pod| {
            let containers = &pod.status.container_statuses;
            pod.metadata.deletion_timestamp.is_none()
                && !containers.is_empty()
                && containers.iter().all(started)
        };
        self.items.iter().any(runs)
            && self.items.iter().all(|pod| pod.metadata.deletion_timestamp.is_some() || runs(pod))
    }
}
