//! What a local Sovereign may leave on a machine: seen before and after, from the kernel's own lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Everything on this machine that a Sovereign could have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// Network links, namespaces, mounts, control groups, rules and programs, one line each.
    pub lines: BTreeSet<String>,
}

impl Leftovers {
    /// What is here now and was not there before.
    pub fn since(&self, before: &Self) -> Vec<String> {
        self.lines.difference(&before.lines).cloned().collect()
    }
}

/// Folders that a Sovereign's programs write to in spite of every flag, and those of our own.
const WRITTEN_BY_DAEMONS: &[&str] = &[
    "/run/netns",
    "/run/catalyst",
    "/run/catalyst/netns",
    "/run/containerd",
    "/run/cni",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/opt/containerd",
    "/opt/local-path-provisioner",
    "/usr/libexec/kubernetes",
    "/etc/cni",
];

/// Looks at the machine. Processes are listed by program, for ids differ from run to run.
pub fn snapshot() -> Leftovers {
    let mut lines = BTreeSet::new();
    lines.extend(names("/sys/class/net").map(|name| format!("link {name}")));
    for folder in WRITTEN_BY_DAEMONS {
        lines.extend(names(folder).map(|name| format!("file {folder}/{name}")));
    }
    lines.extend(mounts());
    lines.extend(control_groups());
    lines.extend(rules());
    lines.extend(programs());
    Leftovers { lines }
}

fn names(folder: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn mounts() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let target = |line: &str| line.split(' ').nth(4).map(|target| format!("mount {target}"));
    text.lines().filter_map(target).collect()
}

fn control_groups() -> Vec<String> {
    let mut found = Vec::new();
    for controller in names("/sys/fs/cgroup") {
        let root = Path::new("/sys/fs/cgroup").join(&controller);
        for entry in fs::read_dir(&root).into_iter().flatten().filter_map(Result::ok) {
            if entry.path().is_dir() {
                found.push(format!("cgroup {}", entry.path().display()));
            }
        }
    }
    found
}

/// Tables of nftables, by the kernel's own list where `nft` is at hand.
fn rules() -> Vec<String> {
    let Some(nft) = std::env::var_os("CATALYST_NFT") else { return Vec::new() };
    let output = Command::new(nft).args(["list", "tables"]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().map(|line| format!("nft {line}")).collect()
}

/// The programs a Sovereign is made of that run now.
fn programs() -> Vec<String> {
    const OURS: &[&str] = &[
        "catalyst",
        "catalystd",
        "containerd",
        "coredns",
        "etcd",
        "gitea",
        "kube-apiserver",
        "kube-controller",
        "kube-proxy",
        "kube-scheduler",
        "kubelet",
        "registry",
        "tofu",
    ];
    let mut found = Vec::new();
    for pid in names("/proc").filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = name.trim();
        if is_zombie(&pid) {
            // It has ended; the machine's init has not looked yet.
            continue;
        }
        if OURS.contains(&name) || name.starts_with("containerd-shim") {
            found.push(format!("process {name}"));
        }
    }
    found
}

fn is_zombie(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'))
}
