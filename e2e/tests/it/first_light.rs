//! `make up` on real input: a real cluster, ready by kubectl's word; then down, leaving nothing.
//!
//! One test, for the steps are one story and a cluster is dear; each step names the fact it shows.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use catalyst_e2e::{Catalyst, Kubectl, condition, enabled, name, snapshot};
use serde_json::Value;

/// Not the name that `make up` gives, for both may stand at once.
const SOVEREIGN: &str = "light";

#[test]
fn a_sovereign_comes_up_is_ready_by_kubectl_and_goes_without_a_trace() {
    if !enabled("first light") {
        return;
    }
    let before = snapshot();
    let catalyst = Catalyst::from_environment().unwrap();
    let outcome = story(&catalyst);
    let down = catalyst.run(&["down", "--purge"]);
    outcome.unwrap();
    down.unwrap();
    let left = snapshot().since(&before);
    assert!(left.is_empty(), "left behind: {left:#?}");
}

fn story(catalyst: &Catalyst) -> anyhow::Result<()> {
    fact("`catalyst up` ends with a ready Sovereign", || {
        catalyst.run(&["up", SOVEREIGN])?;
        let sovereign = catalyst.sovereign(SOVEREIGN)?;
        ensure!(sovereign["status"] == "ready", "{}", sovereign["answer"]);
        Ok(())
    })?;
    let kubectl = Kubectl::of(catalyst, SOVEREIGN)?;
    fact("the node is Ready by kubectl's word", || {
        let nodes = kubectl.list(&["nodes"])?;
        ensure!(nodes.len() == 1 && nodes.iter().all(|node| condition(node, "Ready")), "{nodes:?}");
        Ok(())
    })?;
    fact("every release is Ready at its current generation", || releases(&kubectl))?;
    fact("every Pod runs or has done its work", || pods(&kubectl))?;
    fact("the API's components are exactly the cluster's releases", || {
        let told: Vec<_> = strings(&catalyst.sovereign(SOVEREIGN)?["components"], "name");
        let mut real: Vec<_> = kubectl
            .list(&["helmreleases", "-n", "flux-system"])?
            .iter()
            .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        let mut told = told;
        told.sort();
        real.sort();
        ensure!(told == real, "told {told:?}, real {real:?}");
        Ok(())
    })?;
    fact("no source is insecure", || {
        for source in kubectl.list(&["helmrepositories", "-A"])? {
            ensure!(source["spec"]["insecure"].is_null(), "{} is insecure", name(&source));
        }
        Ok(())
    })?;
    fact("a second `up` changes nothing and is quick", || {
        catalyst.run(&["up", SOVEREIGN])?;
        ensure!(catalyst.sovereign(SOVEREIGN)?["status"] == "ready");
        Ok(())
    })
}

fn releases(kubectl: &Kubectl) -> anyhow::Result<()> {
    let releases = kubectl.list(&["helmreleases", "-n", "flux-system"])?;
    ensure!(!releases.is_empty(), "there is no release");
    for release in &releases {
        let generation = &release["metadata"]["generation"];
        let current = *generation == release["status"]["observedGeneration"];
        ensure!(current && condition(release, "Ready"), "{} is not Ready", name(release));
    }
    Ok(())
}

fn pods(kubectl: &Kubectl) -> anyhow::Result<()> {
    let pods = kubectl.list(&["pods", "-A"])?;
    ensure!(!pods.is_empty(), "there is no Pod");
    for pod in &pods {
        let phase = pod["status"]["phase"].as_str().context("a Pod without a phase")?;
        let fine = phase == "Succeeded" || (phase == "Running" && condition(pod, "Ready"));
        ensure!(fine, "{} is {phase}", name(pod));
    }
    Ok(())
}

fn strings(items: &Value, field: &str) -> Vec<String> {
    let items = items.as_array().into_iter().flatten();
    items.filter_map(|item| item[field].as_str().map(str::to_owned)).collect()
}

fn fact(what: &str, check: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let started = Instant::now();
    let outcome = check().with_context(|| format!("not shown: {what}"));
    let mark = if outcome.is_ok() { "ok" } else { "FAILED" };
    println!("fact: {what} ... {mark} ({:.1}s)", started.elapsed().as_secs_f64());
    outcome
}
