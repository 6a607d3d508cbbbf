//! Who listens where: on the host, in the nodes, in the Pods.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use catalyst_e2e::{Catalyst, Leftovers, listeners, network_of, processes_in, say};

/// On the host: 127.0.0.1 and the links' own addresses, nothing else. In a node's namespace: its
/// loopback and its own address; whoever comes over the link to any other socket of the host is
/// dropped and counted by the link's firewall, and nothing else leads there. In a Pod's namespace:
/// whatever the Pod likes, for only its own node reaches it.
pub(crate) fn nothing_listens_for_the_world(
    catalyst: &Catalyst,
    before: &Leftovers,
    sovereigns: &[&str],
) -> anyhow::Result<()> {
    the_eye_sees()?;
    let host = network_of(std::process::id()).context("our own network")?;
    let mut allowed = BTreeSet::from([IpAddr::V4(Ipv4Addr::LOCALHOST)]);
    let mut nodes: BTreeMap<PathBuf, (String, IpAddr)> = BTreeMap::new();
    for name in sovereigns {
        let status = catalyst.node(name)?;
        let address = |field: &str| -> anyhow::Result<IpAddr> {
            Ok(status[field].as_str().context("an address")?.parse()?)
        };
        allowed.insert(address("host_ip")?);
        let init = u32::try_from(status["init_pid"].as_u64().context("the node runs")?)?;
        let network = network_of(init).context("its network")?;
        nodes.insert(network, ((*name).to_owned(), address("node_ip")?));
    }
    let (mut on_host, mut in_node, mut in_pods, mut wrong) = (0, 0, BTreeSet::new(), Vec::new());
    for process in processes_in(|one| !before.has(one)) {
        let Some(network) = network_of(process.pid) else { continue };
        for one in listeners(process.pid) {
            let line = format!(
                "{} (pid {}) on {} {}:{}",
                process.name, process.pid, one.protocol, one.address, one.port
            );
            if network == host {
                on_host += 1;
                if !allowed.contains(&one.address) {
                    wrong.push(format!("on the host: {line}"));
                }
            } else if let Some((name, ip)) = nodes.get(&network) {
                in_node += 1;
                if !one.address.is_loopback() && one.address != *ip {
                    wrong.push(format!("in the node {name}: {line}"));
                }
            } else {
                in_pods.insert(format!("{} {}:{}", process.name, one.address, one.port));
            }
        }
    }
    say(&format!("  {on_host} sockets on the host, {in_node} in nodes, in Pods: {in_pods:?}"));
    ensure!(wrong.is_empty(), "{wrong:#?}");
    // The API, the post-back, Gitea and two registries; TLS and DNS twice over on every link.
    ensure!(on_host >= 5 + 3 * sovereigns.len(), "only {on_host} sockets were seen on the host");
    // etcd, the API server, kubelet, kube-proxy, scheduler and controller manager at the least.
    ensure!(in_node >= 6 * sovereigns.len(), "only {in_node} sockets were seen in the nodes");
    Ok(())
}

/// The positive control: what we open to the world for a moment is seen by the same eye.
fn the_eye_sees() -> anyhow::Result<()> {
    let open = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let port = open.local_addr()?.port();
    let seen = listeners(std::process::id());
    let caught = seen.iter().any(|one| one.port == port && one.address.is_unspecified());
    ensure!(caught, "a listener on 0.0.0.0:{port} was not seen: {seen:?}");
    Ok(())
}
