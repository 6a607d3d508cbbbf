//! The control groups of one Sovereign: made before its PID 1, emptied and removed after it.
//!
//! Entry point: [`Cgroups::detect`]. On cgroup v1 (and hybrid) every mounted hierarchy gets
//! `/<group>/system` for our daemons, and kubelet adds `/<group>/kubepods` beside it; on v2 there is
//! one delegated subtree, killed by the kernel through `cgroup.kill`. A group's members are the one
//! reliable answer to *which processes are this Sovereign's*: names and pids are not.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::problem::{Code, Problem, Result};

/// A control group could not be made, joined or removed.
pub const CGROUP: Code = Code::new(
    3210,
    "a control group could not be used",
    "Run as root on a machine where /sys/fs/cgroup is mounted and writable; `catalyst doctor` says which version is in use.",
);
/// Processes of a Sovereign did not end although they were killed.
pub const UNKILLABLE: Code = Code::new(
    3211,
    "processes of the Sovereign did not end",
    "They are probably waiting for a disk. Run `catalyst sandbox down` again; a restart of the machine ends them for certain.",
);

/// The codes of this module.
pub const CODES: &[&Code] = &[&CGROUP, &UNKILLABLE];

/// The leaf that holds our own daemons; kubelet's Pods live beside it.
const SYSTEM: &str = "system";
/// What kubelet makes under its cgroup root.
const KUBEPODS: &str = "kubepods";
/// How long the kernel gets to end killed processes or to let go of an empty group.
const SETTLE: Duration = Duration::from_secs(10);
/// Pause between two looks at a group that is emptying.
const LOOK: Duration = Duration::from_millis(20);

/// Where control groups are mounted on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cgroups {
    /// Version 1 or hybrid: one tree per controller, and perhaps the unified one beside them.
    V1 {
        /// The mount point of every hierarchy.
        hierarchies: Vec<PathBuf>,
    },
    /// Version 2: one tree.
    V2 {
        /// Its mount point.
        root: PathBuf,
    },
}

impl Cgroups {
    /// Reads the mount table of this process.
    ///
    /// # Errors
    /// CAT-3210 when no control groups are mounted.
    pub fn detect() -> Result<Self> {
        let table = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| failed("read", Path::new("/proc/self/mountinfo"), error))?;
        Self::from_mountinfo(&table)
    }

    /// Decides by the text of a `mountinfo` file: any v1 hierarchy makes it v1.
    ///
    /// # Errors
    /// CAT-3210 when no control groups are mounted.
    pub fn from_mountinfo(table: &str) -> Result<Self> {
        let (mut v1, mut v2) = (BTreeSet::new(), None);
        for line in table.lines() {
            let Some((left, right)) = line.split_once(" - ") else { continue };
            let (Some(point), Some(kind)) =
                (left.split_whitespace().nth(4), right.split_whitespace().next())
            else {
                continue;
            };
            match kind {
                "cgroup" => drop(v1.insert(PathBuf::from(point))),
                "cgroup2" => v2 = Some(PathBuf::from(point)),
                _ => {}
            }
        }
        match (v1.is_empty(), v2) {
            (true, None) => Err(CGROUP.because("no control groups are mounted on this machine")),
            (true, Some(root)) => Ok(Self::V2 { root }),
            (false, unified) => {
                Ok(Self::V1 { hierarchies: v1.into_iter().chain(unified).collect() })
            }
        }
    }

    /// `v1` or `v2`, for `doctor` and `status`.
    pub fn version(&self) -> &'static str {
        match self {
            Self::V1 { .. } => "v1",
            Self::V2 { .. } => "v2",
        }
    }

    /// The group of one Sovereign; nothing is made yet.
    pub fn group(&self, name: &str) -> Group {
        let roots = match self {
            Self::V1 { hierarchies } => hierarchies.iter().map(|at| at.join(name)).collect(),
            Self::V2 { root } => vec![root.join(name)],
        };
        Group { version: self.clone(), roots }
    }
}

/// The control group of one Sovereign in every hierarchy.
#[derive(Debug, Clone)]
pub struct Group {
    version: Cgroups,
    roots: Vec<PathBuf>,
}

impl Group {
    /// Makes the group and its `system` leaf; harmless when they are there.
    ///
    /// A new cpuset may run nowhere: the parent's processors and memory nodes are copied.
    ///
    /// # Errors
    /// CAT-3210 with the folder.
    pub fn create(&self) -> Result<()> {
        for root in &self.roots {
            let leaf = root.join(SYSTEM);
            make(root)?;
            if let Cgroups::V2 { root: mount } = &self.version {
                delegate(mount)?;
                delegate(root)?;
            }
            make(&leaf)?;
            copy_cpuset(root)?;
            copy_cpuset(&leaf)?;
            weigh(root);
            weigh(&leaf);
        }
        Ok(())
    }

    /// Moves process `pid` into the `system` leaf of every hierarchy; its children follow.
    ///
    /// # Errors
    /// CAT-3210 with the file.
    pub fn join(&self, pid: u32) -> Result<()> {
        for root in &self.roots {
            let file = root.join(SYSTEM).join("cgroup.procs");
            fs::write(&file, pid.to_string()).map_err(|error| failed("write", &file, error))?;
        }
        Ok(())
    }

    /// Every process in the group, Pods' included, ascending.
    pub fn processes(&self) -> Vec<u32> {
        let mut all = BTreeSet::new();
        for root in &self.roots {
            for folder in folders(root) {
                let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
                all.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()));
            }
        }
        // 0 stands for a process of another PID namespace, which cannot be ours to kill.
        all.remove(&0);
        all.into_iter().collect()
    }

    /// Whether a folder of the group exists in any hierarchy.
    pub fn exists(&self) -> bool {
        self.roots.iter().any(|root| root.is_dir())
    }

    /// Kills every process of the group and waits until none is left.
    ///
    /// # Errors
    /// CAT-3211 when some survive ten seconds.
    pub async fn kill(&self) -> Result<()> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let alive = self.processes();
            if alive.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(UNKILLABLE.because(format!("still running: {alive:?}")));
            }
            match &self.version {
                Cgroups::V2 { .. } => {
                    for root in &self.roots {
                        let file = root.join("cgroup.kill");
                        fs::write(&file, "1").map_err(|error| failed("write", &file, error))?;
                    }
                }
                Cgroups::V1 { .. } => alive.iter().for_each(|pid| self.kill_member(*pid)),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Kills `pid` only if the very process that holds the number now is a member.
    fn kill_member(&self, pid: u32) {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(Ok(handle)) = number.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            return;
        };
        if self.processes().binary_search(&pid).is_ok() {
            // A process that ended meanwhile needs nothing.
            let _ = pidfd_send_signal(&handle, Signal::KILL);
        }
    }

    /// Removes what kubelet left under `kubepods`; with it in place Pods start five times slower.
    ///
    /// # Errors
    /// CAT-3210 when a folder is still in use.
    pub async fn remove_pods(&self) -> Result<()> {
        for root in &self.roots {
            remove_tree(&root.join(KUBEPODS)).await?;
        }
        Ok(())
    }

    /// Removes the group, deepest folder first; harmless when it is not there.
    ///
    /// # Errors
    /// CAT-3210 when a folder is still in use.
    pub async fn remove(&self) -> Result<()> {
        for root in &self.roots {
            remove_tree(root).await?;
        }
        Ok(())
    }
}

fn make(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("make", folder, error))
        }
        _ => Ok(()),
    }
}

/// Passes every controller of `folder` on to its children (v2).
fn delegate(folder: &Path) -> Result<()> {
    let listed = folder.join("cgroup.controllers");
    let names = fs::read_to_string(&listed).map_err(|error| failed("read", &listed, error))?;
    let wanted: Vec<String> = names.split_whitespace().map(|name| format!("+{name}")).collect();
    let file = folder.join("cgroup.subtree_control");
    fs::write(&file, wanted.join(" ")).map_err(|error| failed("write", &file, error))
}

fn copy_cpuset(folder: &Path) -> Result<()> {
    let Some(parent) = folder.parent() else { return Ok(()) };
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(name), folder.join(name));
        if !to.exists() || !parent.join("cpuset.cpu_exclusive").exists() {
            continue;
        }
        let own = fs::read_to_string(&to).unwrap_or_default();
        if own.trim().is_empty() {
            let value = fs::read_to_string(&from).map_err(|error| failed("read", &from, error))?;
            fs::write(&to, value.trim()).map_err(|error| failed("write", &to, error))?;
        }
    }
    Ok(())
}

/// Without this all of a Sovereign's daemons together would count as one process of the user's, and
/// on a busy machine its API server would take minutes to start.
fn weigh(folder: &Path) {
    for (file, weight) in [("cpu.shares", "4096"), ("cpu.weight", "400")] {
        let file = folder.join(file);
        if file.exists() {
            // A kernel that refuses it runs the Sovereign all the same, only slower.
            let _ = fs::write(&file, weight);
        }
    }
}

/// `root` and every folder under it, parents before children; empty when there is none.
fn folders(root: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(root)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_dir())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

async fn remove_tree(root: &Path) -> Result<()> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let mut last = None;
        for folder in folders(root).into_iter().rev() {
            if let Err(error) = fs::remove_dir(&folder)
                && error.kind() != io::ErrorKind::NotFound
            {
                last = Some((folder, error));
            }
        }
        match last {
            None => return Ok(()),
            Some((folder, error)) if Instant::now() > deadline => {
                return Err(failed("remove", &folder, error));
            }
            Some(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

fn failed(doing: &str, path: &Path, error: io::Error) -> Problem {
    CGROUP.because(format!("cannot {doing} `{}`: {error}", path.display())).source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const V2_TABLE: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";

    fn fixture(controllers: &str) -> (tempfile::TempDir, Group) {
        let dir = tempfile::tempdir().unwrap();
        for folder in [dir.path().to_owned(), dir.path().join("sov")] {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cgroup.controllers"), controllers).unwrap();
            fs::write(folder.join("cgroup.subtree_control"), "").unwrap();
        }
        let group = Cgroups::V2 { root: dir.path().into() }.group("sov");
        (dir, group)
    }

    #[test]
    fn one_unified_tree_is_version_2() {
        let found = Cgroups::from_mountinfo(V2_TABLE).unwrap();
        assert_eq!(found, Cgroups::V2 { root: "/sys/fs/cgroup".into() });
        assert_eq!(found.version(), "v2");
    }

    #[test]
    fn any_controller_tree_makes_it_version_1_and_repeated_mounts_count_once() {
        let line = |at: &str, kind: &str| format!("1 2 0:3 / {at} rw - {kind} x rw\n");
        let table = [
            line("/c/cpu", "cgroup"),
            line("/c/pids", "cgroup"),
            line("/c/unified", "cgroup2"),
            line("/c/cpu", "cgroup"),
        ]
        .concat();
        let Cgroups::V1 { hierarchies } = Cgroups::from_mountinfo(&table).unwrap() else {
            panic!("not version 1");
        };
        assert_eq!(hierarchies, ["/c/cpu", "/c/pids", "/c/unified"].map(PathBuf::from));
    }

    #[test]
    fn a_machine_without_control_groups_is_told_so() {
        assert_eq!(Cgroups::from_mountinfo("").unwrap_err().code().number, 3210);
    }

    #[test]
    fn version_2_delegates_every_controller_and_joins_the_leaf() {
        let (dir, group) = fixture("cpu memory pids");
        group.create().unwrap();
        for folder in ["", "sov"] {
            let file = dir.path().join(folder).join("cgroup.subtree_control");
            assert_eq!(fs::read_to_string(file).unwrap(), "+cpu +memory +pids");
        }
        group.join(4242).unwrap();
        assert_eq!(group.processes(), [4242]);
    }

    #[tokio::test]
    async fn version_2_is_killed_by_the_kernel_and_not_process_by_process() {
        let (dir, group) = fixture("pids");
        group.create().unwrap();
        group.join(4242).unwrap();
        let procs = dir.path().join("sov/system/cgroup.procs");
        let kill = dir.path().join("sov/cgroup.kill");
        let kernel = async {
            while !kill.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            fs::write(&procs, "").unwrap();
        };
        let (killed, ()) = tokio::join!(group.kill(), kernel);
        killed.unwrap();
        assert_eq!(fs::read_to_string(kill).unwrap(), "1");
    }

    #[tokio::test]
    async fn removing_a_group_that_is_not_there_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let group = Cgroups::V1 { hierarchies: vec![dir.path().into()] }.group("none");
        assert!(!group.exists());
        group.kill().await.unwrap();
        group.remove_pods().await.unwrap();
        group.remove().await.unwrap();
    }
}
