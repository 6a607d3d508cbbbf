//! `kill -9` of whatever keeps a Sovereign running: it comes back by itself, or `catalyst up` brings
//! it back.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use catalyst_e2e::{
    Catalyst, Kubectl, Leftovers, Moment, Process, fact, kill, processes_in, releases_ready,
    runs_since, until,
};
use serde_json::Value;

use crate::first_light::AGAIN;

/// How long a supervisor or kubelet may take to start one process again.
const SOON: Duration = Duration::from_secs(120);

/// One death after the other, and after each one everything stands again.
pub(crate) fn recovered(
    catalyst: &Catalyst,
    kubectl: &Kubectl,
    before: &Leftovers,
) -> anyhow::Result<()> {
    fact("a killed catalystd serves again by itself", || {
        let old = background(catalyst, "mothership", "catalystd")?;
        kill(&old)?;
        until(SOON, || {
            ensure!(background(catalyst, "mothership", "catalystd")? != old, "it is the old one");
            ensure!(catalyst.sovereign("sov1")?["status"] == "ready", "sov1 is not ready");
            Ok(())
        })
    })?;
    fact("a killed Flux controller and a killed etcd are started again", || {
        let flux = || container(kubectl, "flux-system", "app=source-controller");
        let etcd = || daemon(catalyst, "sov1", "etcd");
        let old = (flux()?, etcd()?);
        kill(&old.0)?;
        kill(&old.1)?;
        until(SOON, || {
            // The API tells of the dead as living for a moment.
            ensure!(etcd()? != old.1, "etcd is the old one");
            ensure!(flux()? != old.0, "the controller is the old one");
            stands(catalyst, kubectl, &Moment::beginning())
        })
    })?;
    fact("after the outside's supervisor was killed `catalyst up` takes over", || {
        let old = background(catalyst, "outside", "")?;
        kill(&old)?;
        catalyst.run(&["up"])?;
        ensure!(background(catalyst, "outside", "")? != old, "the old supervisor lives");
        until(SOON, || stands(catalyst, kubectl, &Moment::beginning()))
    })?;
    fact("after the node's first process was killed `catalyst up` resumes the node", || {
        let group = node_group(catalyst, "sov1")?;
        let since = Moment::now()?;
        kill(&init(catalyst, "sov1")?)?;
        until(Duration::from_secs(20), || {
            let left = processes_in(|one| one.owner() == group);
            ensure!(left.is_empty(), "still there: {left:?}");
            Ok(())
        })?;
        catalyst.run(&["up"])?;
        until(AGAIN, || stands(catalyst, kubectl, &since))
    })?;
    let ours = processes_in(|one| !before.has(one));
    ensure!(ours.len() > 20, "only {} processes are known as ours", ours.len());
    Ok(())
}

/// Kills at once whoever would put things in order: `down` has to do without them.
pub(crate) fn beheaded(catalyst: &Catalyst, before: &Leftovers) -> anyhow::Result<()> {
    let front = processes_in(|one| !before.has(one) && one.owner().starts_with("/catalyst/front-"));
    let heads = [
        background(catalyst, "mothership", "")?,
        background(catalyst, "outside", "")?,
        init(catalyst, "sov1")?,
        front.into_iter().next().context("the link's front")?,
    ];
    heads.iter().try_for_each(kill)
}

/// Every daemon of the node is ready, every Pod runs, every release is Ready.
pub(crate) fn stands(catalyst: &Catalyst, kubectl: &Kubectl, since: &Moment) -> anyhow::Result<()> {
    let status = catalyst.node("sov1")?;
    ensure!(status["stage"] == "up", "stage {}", status["stage"]);
    runs_since(kubectl, since)?;
    releases_ready(kubectl)
}

/// PID 1 of a Sovereign.
pub(crate) fn init(catalyst: &Catalyst, name: &str) -> anyhow::Result<Process> {
    process(&catalyst.node(name)?["init_pid"])
}

fn node_group(catalyst: &Catalyst, name: &str) -> anyhow::Result<String> {
    Ok(init(catalyst, name)?.owner().to_owned())
}

/// A daemon of a Sovereign's node.
pub(crate) fn daemon(catalyst: &Catalyst, name: &str, which: &str) -> anyhow::Result<Process> {
    let status = catalyst.node(name)?;
    let all = status["node"]["daemons"].as_array().context("its daemons")?;
    let one = all.iter().find(|one| one["name"] == which).context("the daemon")?;
    let init = u32::try_from(status["init_pid"].as_u64().context("the node runs")?)?;
    let inner = one["pid"].as_u64().context("it runs")?;
    Process::inside(init, inner).with_context(|| format!("{which} is not there"))
}

/// A process in the background: a child of the mothership or of the outside, or with no name given
/// its supervisor.
pub(crate) fn background(catalyst: &Catalyst, whose: &str, child: &str) -> anyhow::Result<Process> {
    let status = &catalyst.json(&["sandbox", "outside", "status"])?[whose];
    ensure!(!status.is_null(), "the {whose} is down");
    if child.is_empty() {
        return process(&status["supervisor"]["pid"]);
    }
    let children = status["children"].as_array().context("its children")?;
    process(&children.iter().find(|one| one["name"] == child).context("the child")?["pid"])
}

/// The first process of the first container of the Pod with this label.
fn container(kubectl: &Kubectl, namespace: &str, label: &str) -> anyhow::Result<Process> {
    let pods = kubectl.list(&["pods", "-n", namespace, "-l", label])?;
    let pod = pods.first().with_context(|| format!("no Pod has {label}"))?;
    let id = pod["status"]["containerStatuses"][0]["containerID"].as_str().context("its id")?;
    let id = id.rsplit('/').next().unwrap_or_default();
    let found = processes_in(|one| one.group.ends_with(id));
    found.into_iter().next().with_context(|| format!("no process is in container {id}"))
}

fn process(pid: &Value) -> anyhow::Result<Process> {
    let pid = u32::try_from(pid.as_u64().context("it runs")?)?;
    Process::of(pid).with_context(|| format!("process {pid} is not in a group of ours"))
}
