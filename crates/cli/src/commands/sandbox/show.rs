//! `status` and `logs`.

use anyhow::Result;
use catalyst_sandbox::firewall::Counters;
use catalyst_sandbox::lifecycle::Machine;
use catalyst_sandbox::lifecycle::{Stage, Status};
use catalyst_sandbox::node::Layout;
use catalyst_sandbox::paths::NodeName;
use catalyst_sandbox::problem;
use serde_json::json;

use crate::output::Output;
use crate::problem::Explained;

/// Shows one Sovereign or all.
pub(super) async fn status(
    machine: &Machine,
    name: Option<&NodeName>,
    output: &Output,
) -> Result<()> {
    let all = match name {
        Some(name) => vec![machine.status(name).await?],
        None => machine.statuses().await?,
    };
    output.value(&all, || match all.as_slice() {
        [] => "no Sovereign on this machine".to_owned(),
        all => all.iter().flat_map(table).collect::<Vec<_>>().join("\n"),
    })
}

fn table(status: &Status) -> Vec<String> {
    let stage = match status.stage {
        Stage::Down => "down",
        Stage::Half => "half there: `up` continues, `down` removes",
        Stage::Starting => "starting",
        Stage::Up => "up",
    };
    let Status { name, link, node_ip, processes, cgroups, .. } = status;
    let mut lines = vec![format!(
        "{name}  {stage}  node {node_ip}  link {link}  {processes} processes  cgroup {cgroups}"
    )];
    lines.extend(status.firewall.iter().map(firewall));
    for one in status.node.iter().flat_map(|node| &node.daemons) {
        let state = format!("{:?}", one.state).to_lowercase();
        let since = one.since.strftime("%H:%M:%S");
        let (restarts, end) = (one.restarts, one.last_end.as_deref().unwrap_or_default());
        lines.push(format!(
            "  {:<24} {state:<11} since {since}  restarts {restarts}  {end}",
            one.name
        ));
    }
    for step in status.first_boot.iter().flat_map(|boot| &boot.steps) {
        let (which, state) = (format!("{:?}", step.step), format!("{:?}", step.state));
        let took = step.elapsed_ms.map(|ms| format!("{ms} ms")).unwrap_or_default();
        let message = step.message.as_deref().unwrap_or_default();
        lines.push(format!("  first boot: {which:<12} {state:<8} {took} {message}"));
    }
    lines
}

/// Packets since the link was made: what the Sovereign took from outside, and what it tried.
fn firewall(counters: &Counters) -> String {
    let Counters { dns, tls, input_dropped, forward_dropped, ipv6_dropped } = counters;
    format!(
        "  firewall: accepted {} dns, {} tls; dropped {} to this machine, {} through it, {} IPv6",
        dns.packets,
        tls.packets,
        input_dropped.packets,
        forward_dropped.packets,
        ipv6_dropped.packets
    )
}

/// Shows the end of one log, or the list of logs.
pub(super) async fn logs(
    machine: &Machine,
    name: &NodeName,
    daemon: Option<&str>,
    tail: usize,
    output: &Output,
) -> Result<()> {
    machine.status(name).await?;
    let folder = Layout::at(machine.roots.home.sovereign(name)).log();
    let entries = std::fs::read_dir(&folder).map_err(|e| problem::file("read", &folder, e))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|file| file.strip_suffix(".log").map(str::to_owned))
        .collect();
    names.sort();
    match daemon {
        // Looked up in the list, so that no path can be given.
        Some(daemon) if names.iter().any(|name| name == daemon) => {
            let path = folder.join(format!("{daemon}.log"));
            let text = std::fs::read(&path).map_err(|e| problem::file("read", &path, e))?;
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let end = &lines[lines.len().saturating_sub(tail)..];
            let data = json!({ "name": name.as_str(), "log": daemon, "lines": end });
            output.value(&data, || end.join("\n"))
        }
        Some(daemon) => {
            let fix = format!("There are: {}.", names.join(", "));
            Err(Explained::new(format!("there is no log `{daemon}`"), fix).into())
        }
        None => output.value(&json!({ "name": name.as_str(), "logs": names }), || names.join("\n")),
    }
}
