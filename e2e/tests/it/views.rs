//! The tests of crate `fleet` that need a real cluster, run against this one.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use catalyst_e2e::{say, setting};

/// Runs them; each must have run, none may have been skipped.
pub(crate) fn the_fleet_sees_it(kubeconfig: &Path) -> anyhow::Result<()> {
    let output = Command::new(setting("CATALYST_FLEET_TESTS")?)
        .args(["real_cluster::", "--nocapture", "--test-threads=1"])
        .env("CATALYST_TEST_KUBECONFIG", kubeconfig)
        .env("CATALYST_TEST_KUSTOMIZE", setting("CATALYST_TEST_KUSTOMIZE")?)
        .output()
        .context("start the tests of fleet")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find(|line| line.starts_with("test result:")).unwrap_or("no result");
    say(&format!("  {result}"));
    ensure!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(!text.contains("skipped:") && result.contains(" 2 passed"), "{text}");
    Ok(())
}
