//! The first steps: the pause image, the node itself, DNS and storage.

use std::time::Duration;

use serde::Deserialize;

use super::kubectl::Pods;
use super::{FirstBoot, STEP_LIMIT, until};
use crate::node::config::PAUSE_IMAGE;
use crate::node::daemons::{CONTAINERD_SOCKET, environment};
use crate::problem::Result;
use crate::process::Invocation;

const COREDNS: &str = include_str!("../../../../sandbox/manifests/coredns.yaml");
const LOCAL_PATH: &str = include_str!("../../../../sandbox/manifests/local-path.yaml");

/// The members of a Node that are asked for.
#[derive(Debug, Deserialize)]
struct Node {
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Debug, Default, Deserialize)]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    last_heartbeat_time: Option<jiff::Timestamp>,
}

impl FirstBoot {
    /// Imports what a node must have before it can pull anything.
    pub(super) async fn import_images(&self) -> Result<()> {
        let known = self.ctr(&["images", "ls", "--quiet"]).run().await?.text();
        if known.lines().any(|name| name == PAUSE_IMAGE) {
            return Ok(());
        }
        for archive in &self.spec.tools.images {
            let import = self.ctr(&["images", "import", "--no-unpack"]).arg(archive);
            import.timeout(Duration::from_secs(120)).run().await?;
        }
        Ok(())
    }

    fn ctr(&self, args: &[&str]) -> Invocation {
        let mut call = Invocation::new(self.spec.tools.debian.join("usr/bin/ctr"));
        for (name, value) in environment(&self.spec) {
            call = call.env(name, value);
        }
        call.args(["--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]).args(args)
    }

    /// Waits until kubelet has said Ready since this boot; an older word does not count.
    pub(super) async fn node_ready(&self) -> Result<()> {
        let name = self.spec.name.as_str();
        until("the node was not Ready", STEP_LIMIT, || async {
            let node: Node = self.kubectl.get(&["node", name]).await?;
            Ok(node.status.conditions.iter().any(|condition| {
                let fresh = condition.last_heartbeat_time.is_some_and(|time| {
                    // The API tells whole seconds, and kubelet may have spoken just before us.
                    time.as_second() + 5 >= self.began.as_second()
                });
                condition.r#type == "Ready" && condition.status == "True" && fresh
            }))
        })
        .await
    }

    /// Applies the cluster's DNS; its Pod is waited for later.
    pub(super) async fn apply_dns(&self) -> Result<()> {
        self.kubectl.apply(COREDNS).await
    }

    /// Waits until the cluster's DNS answers.
    pub(super) async fn dns_ready(&self) -> Result<()> {
        self.pods_run("kube-system", "k8s-app=kube-dns").await
    }

    /// Applies the provisioner and the default StorageClass.
    pub(super) async fn storage(&self) -> Result<()> {
        self.kubectl.apply(LOCAL_PATH).await
    }

    /// Waits until all Pods with `selector` in `namespace` run since this boot.
    pub(super) async fn pods_run(&self, namespace: &str, selector: &str) -> Result<()> {
        let what = format!("Pods `{selector}` in `{namespace}` did not run");
        let (namespace, selector) =
            (format!("--namespace={namespace}"), format!("--selector={selector}"));
        until(&what, STEP_LIMIT, || async {
            let pods: Pods = self.kubectl.get(&["pods", &namespace, &selector]).await?;
            Ok(pods.all_run_since(self.began))
        })
        .await
    }
}
