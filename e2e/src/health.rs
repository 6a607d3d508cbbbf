//! What `ready` means, asked of the cluster itself.

use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::Kubectl;

/// A moment as Kubernetes writes it, in whole seconds: texts of this kind sort by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(String);

impl Moment {
    /// Now.
    ///
    /// # Errors
    /// When `date` cannot be run.
    pub fn now() -> anyhow::Result<Self> {
        let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%SZ"]).output()?;
        Ok(Self(String::from_utf8(output.stdout)?.trim().to_owned()))
    }

    /// Before everything.
    pub fn beginning() -> Self {
        Self(String::new())
    }
}

/// Whether a condition of an object is `True`.
pub fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|c| c["type"] == kind && c["status"] == "True"))
}

/// Its name, with its namespace when it has one.
pub fn name(object: &Value) -> String {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or("?");
    meta["namespace"].as_str().map_or(name.to_owned(), |namespace| format!("{namespace}/{name}"))
}

/// Every release is Ready at its current generation, and there is one.
///
/// # Errors
/// Naming the first that is not.
pub fn releases_ready(kubectl: &Kubectl) -> anyhow::Result<()> {
    let releases = kubectl.list(&["helmreleases", "-n", "flux-system"])?;
    ensure!(!releases.is_empty(), "there is no release");
    for release in &releases {
        let generation = &release["metadata"]["generation"];
        let current = *generation == release["status"]["observedGeneration"];
        ensure!(current && condition(release, "Ready"), "{} is not Ready", name(release));
    }
    Ok(())
}

/// Every Pod is Ready with containers started at `since` or later, or has done its work. The API
/// shows the Pods of a node that was started again as they were before, for many seconds: only the
/// time of the containers' start tells.
///
/// # Errors
/// Naming the first that is not.
pub fn runs_since(kubectl: &Kubectl, since: &Moment) -> anyhow::Result<()> {
    let nodes = kubectl.list(&["nodes"])?;
    ensure!(nodes.len() == 1 && nodes.iter().all(|node| condition(node, "Ready")), "no node Ready");
    let pods = kubectl.list(&["pods", "-A"])?;
    ensure!(!pods.is_empty(), "there is no Pod");
    for pod in &pods {
        let phase = pod["status"]["phase"].as_str().context("a Pod without a phase")?;
        if phase == "Succeeded" {
            continue;
        }
        ensure!(phase == "Running" && condition(pod, "Ready"), "{} is {phase}", name(pod));
        for container in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
            let started = container["state"]["running"]["startedAt"].as_str().unwrap_or_default();
            ensure!(started >= since.0.as_str(), "{} runs since {started} only", name(pod));
        }
    }
    Ok(())
}
