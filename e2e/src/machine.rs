//! What a local Sovereign may leave on a machine: seen before and after, from the kernel's own lists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::processes::{Process, processes_in};

/// Everything on this machine that a Sovereign could have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftovers {
    /// Network links, namespaces, mounts, control groups, rules and files, a line each.
    lines: BTreeSet<String>,
    /// Processes in control groups of an installation.
    processes: BTreeSet<Process>,
    /// The groups of installations and Sovereigns.
    owners: BTreeSet<String>,
}

impl Leftovers {
    /// What is here now and was not there before. The processes of whoever was there before are
    /// theirs: they come and go.
    pub fn since(&self, before: &Self) -> Vec<String> {
        let processes = self
            .processes
            .iter()
            .filter(|one| !before.has(one))
            .map(|one| format!("process {} ({}) in {}", one.pid, one.name, one.group));
        self.lines.difference(&before.lines).cloned().chain(processes).collect()
    }

    /// Whether a process belongs to an installation that was here at this moment.
    pub fn has(&self, process: &Process) -> bool {
        self.owners.contains(process.owner())
    }
}

/// Folders that a Sovereign's programs write to in spite of every flag, and those of our own.
const WRITTEN_BY_DAEMONS: &[&str] = &[
    "/run/netns",
    "/run/mount",
    "/run/catalyst",
    "/run/catalyst/netns",
    "/run/containerd",
    "/run/cni",
    "/var/lib/cni",
    "/var/lib/containerd",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
    "/opt/cni",
    "/opt/containerd",
    "/opt/local-path-provisioner",
    "/usr/libexec/kubernetes",
    "/etc/cni",
    "/etc/containerd",
];

/// Looks at the machine. Processes are listed by pid and start time.
pub fn snapshot() -> Leftovers {
    let mut lines = BTreeSet::new();
    lines.extend(names("/sys/class/net").map(|name| format!("link {name}")));
    for folder in WRITTEN_BY_DAEMONS {
        lines.extend(names(folder).map(|name| format!("file {folder}/{name}")));
    }
    lines.extend(mounts());
    let (groups, owners) = control_groups();
    lines.extend(groups);
    lines.extend(rules());
    lines.extend(users_of_our_folder());
    Leftovers { lines, processes: processes_in(|_| true).into_iter().collect(), owners }
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

/// The folders of every hierarchy, the roles of installations among them, and those that are somebody's.
fn control_groups() -> (Vec<String>, BTreeSet<String>) {
    let (mut found, mut owners) = (Vec::new(), BTreeSet::new());
    let mut roots: Vec<_> = folders(Path::new("/sys/fs/cgroup"));
    roots.push("/sys/fs/cgroup".into());
    for root in roots {
        let mut all = folders(&root);
        all.extend(folders(&root.join("catalyst")));
        for folder in all {
            let below = folder.strip_prefix(&root).unwrap_or(&folder).display().to_string();
            if below.starts_with("catalyst/") || below.starts_with("catalyst-") {
                owners.insert(format!("/{below}"));
            }
            found.push(format!("cgroup {}", folder.display()));
        }
    }
    (found, owners)
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// The whole set of nftables' rules, those of iptables-nft included, without counters.
fn rules() -> Vec<String> {
    let Some(nft) = std::env::var_os("CATALYST_NFT") else { return Vec::new() };
    let libraries = std::env::var_os("CATALYST_NFT_LIBRARIES").unwrap_or_default();
    let output = Command::new(nft)
        .args(["--stateless", "list", "ruleset"])
        .env("LD_LIBRARY_PATH", libraries)
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let mut table = String::new();
    let mut found = Vec::new();
    for line in text.unwrap_or_default().lines() {
        if line.starts_with("table ") {
            line.clone_into(&mut table);
        }
        found.push(format!("nft {table} {}", line.trim()));
    }
    for names in ["ip_tables_names", "ip6_tables_names"] {
        let text = fs::read_to_string(format!("/proc/net/{names}")).unwrap_or_default();
        found.extend(text.lines().map(|table| format!("{names} {table}")));
    }
    found
}

/// Processes that have to do with our state folder, wherever their control group is.
fn users_of_our_folder() -> Vec<String> {
    let mut found = Vec::new();
    let Some(home) = std::env::var_os("CATALYST_HOME").map(PathBuf::from) else { return found };
    for pid in names("/proc").filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
        let proc = Path::new("/proc").join(&pid);
        let links = ["exe", "cwd", "root"].map(|name| proc.join(name));
        let handles = fs::read_dir(proc.join("fd")).into_iter().flatten().filter_map(Result::ok);
        let mut targets = links.into_iter().chain(handles.map(|handle| handle.path()));
        if targets.any(|link| fs::read_link(link).is_ok_and(|target| target.starts_with(&home))) {
            found.push(format!("process {pid} uses {}", home.display()));
        }
    }
    found
}
