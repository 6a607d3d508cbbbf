//! What there is to know about the machine, and looking at it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::debian::DebianTree;
use crate::paths::{Cache, Home};
use crate::process::Invocation;
use crate::supervisor::ports;
use crate::tools;

/// Commands that [`super::examine`] judges; looked for in the search path.
pub(super) const COMMANDS: &[&str] = &[
    "apt-cache",
    "apt-get",
    "cargo",
    "chromium",
    "dpkg-deb",
    "gcc",
    "git",
    "go",
    "ip",
    "mount",
    "node",
    "npm",
    "nsenter",
    "strip",
    "tar",
    "unshare",
];

/// What is asked of the machine.
#[derive(Debug, Clone)]
pub struct Question {
    /// Where tools and images go.
    pub cache: Cache,
    /// Where Sovereigns live.
    pub home: Home,
    /// The programs' search path.
    pub path: String,
    /// The ports of loopback that will be listened on, with what for.
    pub ports: Vec<(u16, String)>,
    /// The pids of our own processes, whose ports are not taken.
    pub own: BTreeSet<u32>,
    /// The links that stand or will be made.
    pub links: Vec<Wire>,
    /// Bytes of disk that building what is missing takes; 0 when nothing is missing.
    pub build_bytes: u64,
    /// The unpacked Debian parts, if they are there: their `nft` tries the kernel.
    pub debian: Option<DebianTree>,
}

/// A link that stands or will be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    /// Its network's first three numbers, such as `10.210.0`.
    pub network: [u8; 3],
    /// The name of the host's end.
    pub interface: String,
    /// Whether the interface of this name that may exist is ours.
    pub ours: bool,
}

/// The Debian release, from `/etc/os-release`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// Such as `debian`.
    pub id: String,
    /// Such as `12`.
    pub version: String,
}

/// Which control groups the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// Version 1, or both side by side with the controllers in version 1.
    V1,
    /// Version 2 alone.
    V2,
    /// None that can be seen.
    None,
}

/// Who listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortState {
    /// Nobody.
    Free,
    /// This installation itself.
    Ours,
    /// Somebody else, in words when they can be seen.
    Taken(Option<String>),
}

/// An interface with an IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix: u8,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Facts {
    /// `linux` on Linux.
    pub system: String,
    /// `x86_64` on a machine like those the pins are for.
    pub architecture: String,
    /// The distribution.
    pub release: Release,
    /// Whether the process has root's rights.
    pub is_root: bool,
    /// Commands that were found, by name.
    pub commands: BTreeSet<String>,
    /// Go's version, such as `go1.26.8`.
    pub go: Option<String>,
    /// Kernel features by name; false when the probe failed, absent when it could not be made.
    pub kernel: BTreeMap<&'static str, bool>,
    /// The control groups.
    pub cgroups: Cgroups,
    /// Free bytes where the cache is, and where the state is.
    pub free_cache_bytes: u64,
    /// Free bytes where Sovereigns live.
    pub free_home_bytes: u64,
    /// Free memory in bytes, as the kernel estimates it.
    pub free_memory_bytes: u64,
    /// The ports, with what for and whether they are free.
    pub ports: Vec<(u16, String, PortState)>,
    /// Every interface with an address.
    pub interfaces: Vec<Interface>,
    /// Whether the machine forwards packets between its interfaces.
    pub forwards: bool,
    /// As asked.
    pub question: Question,
}

/// Looks at the machine. Probes run in namespaces of their own and leave nothing.
pub async fn gather(question: Question) -> Facts {
    let is_root = rustix::process::geteuid().is_root();
    Facts {
        system: std::env::consts::OS.to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        release: parse_release(&read("/etc/os-release")),
        is_root,
        commands: COMMANDS
            .iter()
            .filter(|name| find(name, &question.path).is_some())
            .map(|&name| name.to_owned())
            .collect(),
        go: tools::go_version().await.ok(),
        kernel: kernel(is_root, question.debian.as_ref()).await,
        cgroups: cgroups(Path::new("/sys/fs/cgroup")),
        free_cache_bytes: tools::free_bytes(question.cache.root()).unwrap_or(0),
        free_home_bytes: tools::free_bytes(question.home.root()).unwrap_or(0),
        free_memory_bytes: parse_available(&read("/proc/meminfo")),
        ports: question
            .ports
            .iter()
            .map(|(port, what)| (*port, what.clone(), state(*port, &question.own)))
            .collect(),
        interfaces: interfaces().await,
        forwards: read("/proc/sys/net/ipv4/ip_forward").trim() == "1",
        question,
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

fn find(name: &str, path: &str) -> Option<PathBuf> {
    path.split(':')
        .filter(|dir| !dir.is_empty())
        .map(|dir| Path::new(dir).join(name))
        .find(|p| p.is_file())
}

fn state(port: u16, own: &BTreeSet<u32>) -> PortState {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpListener::bind(address).is_ok() {
        return PortState::Free;
    }
    match ports::holder(address) {
        Some(holder) if own.contains(&holder.pid) => PortState::Ours,
        holder => PortState::Taken(holder.map(|one| format!("`{}` (pid {})", one.name, one.pid))),
    }
}

/// `/etc/os-release`: `ID` and `VERSION_ID`.
fn parse_release(text: &str) -> Release {
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    Release { id: value("ID"), version: value("VERSION_ID") }
}

/// `/proc/meminfo`: `MemAvailable`, in bytes.
fn parse_available(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

/// A machine with both versions has the controllers in version 1.
fn cgroups(root: &Path) -> Cgroups {
    if root.join("memory/cgroup.procs").exists() {
        Cgroups::V1
    } else if root.join("cgroup.controllers").exists() {
        Cgroups::V2
    } else {
        Cgroups::None
    }
}

/// Tries what can only be known by trying, in a network namespace that ends with the command.
async fn kernel(is_root: bool, debian: Option<&DebianTree>) -> BTreeMap<&'static str, bool> {
    let mut features = BTreeMap::new();
    let overlay = read("/proc/filesystems").lines().any(|line| line.ends_with("\toverlay"));
    features.insert("overlay", overlay);
    let bridged = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists();
    features.insert("br_netfilter", bridged);
    if is_root {
        let netns = works(&["true"]).await;
        features.insert("netns", netns);
        if netns {
            let veth = ["ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"];
            features.insert("veth", works(&veth).await);
            features
                .insert("bridge", works(&["ip", "link", "add", "probe0", "type", "bridge"]).await);
            // Without the tool it is not known.
            if let Some(works) = nftables(debian).await {
                features.insert("nftables", works);
            }
        }
    }
    features
}

async fn nftables(debian: Option<&DebianTree>) -> Option<bool> {
    let debian = debian?;
    let mut nft = Invocation::new("unshare").arg("--net").arg(debian.bin("nft").ok()?);
    for (name, value) in debian.env() {
        nft = nft.env(name, value);
    }
    Some(nft.args(["add", "table", "ip", "probe"]).run().await.is_ok())
}

async fn works(command: &[&str]) -> bool {
    let unshare = Invocation::new("unshare").arg("--net").args(command);
    unshare.timeout(Duration::from_secs(5)).run().await.is_ok()
}

#[derive(Debug, Deserialize)]
struct IpLink {
    ifname: String,
    #[serde(default)]
    addr_info: Vec<IpAddress>,
}

#[derive(Debug, Deserialize)]
struct IpAddress {
    local: Ipv4Addr,
    prefixlen: u8,
}

async fn interfaces() -> Vec<Interface> {
    match Invocation::new("ip").args(["-json", "-4", "addr"]).run().await {
        Ok(output) => parse_interfaces(&output.stdout),
        Err(_) => Vec::new(),
    }
}

fn parse_interfaces(json: &[u8]) -> Vec<Interface> {
    let links: Vec<IpLink> = serde_json::from_slice(json).unwrap_or_default();
    let mut found = Vec::new();
    for link in links {
        for address in link.addr_info {
            let (name, prefix) = (link.ifname.clone(), address.prefixlen);
            found.push(Interface { name, address: address.local, prefix });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_and_memory_are_read_as_the_system_writes_them() {
        let text = "PRETTY_NAME=\"Debian\"\nVERSION_ID=\"12\"\nID=debian\n";
        assert_eq!(parse_release(text), Release { id: "debian".into(), version: "12".into() });
        assert_eq!(parse_release(""), Release::default());
        let text = "MemTotal: 24 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(parse_available(text), 1 << 20);
    }

    #[test]
    fn controllers_in_version_one_win_over_a_version_two_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(cgroups(dir.path()), Cgroups::None);
        std::fs::write(dir.path().join("cgroup.controllers"), "").unwrap();
        assert_eq!(cgroups(dir.path()), Cgroups::V2);
        std::fs::create_dir(dir.path().join("memory")).unwrap();
        std::fs::write(dir.path().join("memory/cgroup.procs"), "").unwrap();
        assert_eq!(cgroups(dir.path()), Cgroups::V1);
    }

    #[test]
    fn a_port_of_our_own_process_is_told_from_anothers() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let me = std::process::id();
        assert_eq!(state(port, &BTreeSet::from([me])), PortState::Ours);
        let PortState::Taken(Some(holder)) = state(port, &BTreeSet::new()) else {
            panic!("not taken by somebody");
        };
        assert!(holder.contains(&format!("pid {me}")), "{holder}");
        drop(listener);
        assert_eq!(state(port, &BTreeSet::new()), PortState::Free);
    }

    #[test]
    fn interfaces_without_addresses_are_left_out() {
        let json = br#"[{"ifname":"lo","addr_info":[{"local":"127.0.0.1","prefixlen":8}]},
            {"ifname":"down"}]"#;
        let lo = Interface { name: "lo".into(), address: Ipv4Addr::LOCALHOST, prefix: 8 };
        assert_eq!(parse_interfaces(json), [lo]);
    }
}
