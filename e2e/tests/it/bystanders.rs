//! Whoever is not meant stays as they are.

use anyhow::ensure;
use catalyst_e2e::Kubectl;

/// Every container of the cluster, by the time of its start, is the same after `deed` as before.
pub(crate) fn unharmed(
    cluster: &Kubectl,
    deed: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let before = containers(cluster)?;
    deed()?;
    let after = containers(cluster)?;
    ensure!(before == after, "before {before:#?}, after {after:#?}");
    Ok(())
}

fn containers(cluster: &Kubectl) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for pod in cluster.list(&["pods", "-A"])? {
        for one in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
            all.push(format!("{} {}", one["containerID"], one["state"]["running"]["startedAt"]));
        }
    }
    all.sort();
    Ok(all)
}
