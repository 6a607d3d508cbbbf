//! The control group of a role: `catalyst/<role>-<folder>` in every hierarchy, v1 or v2.
//!
//! The folder's hash keeps two installations on one machine apart, so that neither ends the other's
//! processes.
//! It is only a label that children inherit and cannot shed: no limits, so no controller has to be
//! enabled, and the same code serves v1, v2 and machines that mount both.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{GROUP, Process, Role, STOP};
use crate::paths::folder_digits;
use crate::problem::Result;

/// The folder above all roles in each hierarchy.
const PARENT: &str = "catalyst";
/// Between two looks at a group that is being emptied.
const LOOK: Duration = Duration::from_millis(20);

/// One named group in each mounted hierarchy.
#[derive(Debug, Clone)]
pub struct Group {
    mounts: Vec<PathBuf>,
    name: String,
}

impl Group {
    /// The group of the supervisor that works in `dir`; nothing is created yet.
    ///
    /// # Errors
    /// CAT-3144 when no hierarchy is mounted.
    pub fn of(role: &Role, dir: &Path) -> Result<Self> {
        let table = fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| GROUP.because("cannot read the mount table").source(error))?;
        let mounts = hierarchies(&table);
        if mounts.is_empty() {
            return Err(GROUP.because("no control group hierarchy is mounted"));
        }
        Ok(Self { mounts, name: name(role, dir) })
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.mounts.iter().map(|mount| mount.join(PARENT).join(&self.name))
    }

    /// Makes the group in every hierarchy; one that exists stays.
    ///
    /// # Errors
    /// CAT-3144 with the folder.
    pub fn create(&self) -> Result<()> {
        for mount in &self.mounts {
            let parent = mount.join(PARENT);
            make(mount, &parent)?;
            make(&parent, &parent.join(&self.name))?;
        }
        Ok(())
    }

    /// Moves a process into the group; what it starts from now on is born there.
    ///
    /// # Errors
    /// CAT-3144 with the folder.
    pub fn enter(&self, pid: u32) -> Result<()> {
        for folder in self.folders() {
            fs::write(folder.join("cgroup.procs"), pid.to_string()).map_err(|error| {
                GROUP.because(format!("cannot enter `{}`: {error}", folder.display())).source(error)
            })?;
        }
        Ok(())
    }

    /// Everything that runs in the group or below it.
    pub fn members(&self) -> Vec<Process> {
        let mut pids = BTreeSet::new();
        for folder in self.folders() {
            collect(&folder, &mut pids);
        }
        pids.into_iter().filter_map(Process::of).collect()
    }

    /// Kills whatever is in the group until it is empty, then removes the group.
    ///
    /// # Errors
    /// CAT-3143 when something is still there at the deadline.
    pub async fn kill_and_remove(&self, deadline: Duration) -> Result<()> {
        let end = Instant::now() + deadline;
        loop {
            let members = self.members();
            if members.is_empty() {
                match self.remove() {
                    Ok(()) => return Ok(()),
                    Err(error) if Instant::now() >= end => return Err(error),
                    Err(_) => {}
                }
            } else if Instant::now() >= end {
                let pids: Vec<_> = members.iter().map(|member| member.pid.to_string()).collect();
                return Err(STOP.because(format!(
                    "{} of `{}` would not end: pid {}",
                    pids.len(),
                    self.name,
                    pids.join(", ")
                )));
            }
            for folder in self.folders() {
                // Only v2 has this file; it also catches a process that forks while it is killed.
                let kill = folder.join("cgroup.kill");
                if kill.exists() {
                    let _ = fs::write(kill, "1");
                }
            }
            for member in members {
                member.signal(Signal::KILL);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Removes what an older version left under this role's name, unless something runs in it.
    pub fn remove_older(&self, role: &Role) {
        let older = Self { mounts: self.mounts.clone(), name: role.as_str().to_owned() };
        if older.members().is_empty() {
            // Not ours to insist on: nothing is in it.
            let _ = older.remove();
        }
    }

    /// Removes the empty group, deepest folder first, and the parent when no other role is left.
    fn remove(&self) -> Result<()> {
        for folder in self.folders() {
            remove_tree(&folder).map_err(|error| {
                STOP.because(format!("cannot remove `{}`: {error}", folder.display())).source(error)
            })?;
            if let Some(parent) = folder.parent() {
                // Another role may still be there.
                let _ = fs::remove_dir(parent);
            }
        }
        Ok(())
    }
}

/// The role, and eight hexadecimal digits that stand for the folder.
fn name(role: &Role, dir: &Path) -> String {
    format!("{}-{}", role.as_str(), folder_digits(dir))
}

/// Mount points of all control group hierarchies in a mount table.
fn hierarchies(mountinfo: &str) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    mountinfo
        .lines()
        .filter_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let kind = kind.split(' ').next()?;
            let mut fields = mount.split(' ');
            let device = fields.nth(2)?;
            let path = fields.nth(1)?;
            // The same hierarchy may be mounted twice; its device number tells.
            let first = matches!(kind, "cgroup" | "cgroup2") && seen.insert(device.to_owned());
            first.then(|| PathBuf::from(path.replace("\\040", " ")))
        })
        .collect()
}

fn make(parent: &Path, folder: &Path) -> Result<()> {
    let fail = |error: std::io::Error| {
        GROUP.because(format!("cannot make `{}`: {error}", folder.display())).source(error)
    };
    match fs::create_dir(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(fail(error)),
    }
    // A v1 cpuset takes no process before it has processors and memory of its own.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(file), folder.join(file));
        let empty = fs::read_to_string(&to).is_ok_and(|text| text.trim().is_empty());
        if empty && !folder.join("cgroup.controllers").exists() {
            fs::read(&from).and_then(|value| fs::write(&to, value)).map_err(fail)?;
        }
    }
    Ok(())
}

fn collect(folder: &Path, pids: &mut BTreeSet<u32>) {
    if let Ok(text) = fs::read_to_string(folder.join("cgroup.procs")) {
        // A 0 is a process of another PID namespace, which is not ours to see.
        pids.extend(
            text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid != 0),
        );
    }
    for below in children(folder) {
        collect(&below, pids);
    }
}

fn remove_tree(folder: &Path) -> std::io::Result<()> {
    for below in children(folder) {
        remove_tree(&below)?;
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter(|entry| entry.path().is_dir()).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hierarchy_is_found_once_on_v1_v2_and_both() {
        let table = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
33 31 0:29 / /else/where rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
50 23 8:1 / /a - b rw - ext4 /dev/sda1 rw\n";
        let want = ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/unified"].map(PathBuf::from);
        assert_eq!(hierarchies(table), want);
        let unified = "23 1 0:20 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(hierarchies(unified), [PathBuf::from("/sys/fs/cgroup")]);
    }

    #[test]
    fn two_installations_have_groups_of_their_own() {
        let role = Role::new("outside").unwrap();
        let (one, other) = (name(&role, Path::new("/a/x")), name(&role, Path::new("/b/x")));
        assert_ne!(one, other);
        assert_eq!(one, name(&role, Path::new("/a/x")));
        assert!(one.starts_with("outside-"));
    }

    #[test]
    fn a_new_cpuset_inherits_processors_and_memory() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cpuset.cpus"), "0-1\n").unwrap();
        fs::write(dir.path().join("cpuset.mems"), "0\n").unwrap();
        let below = dir.path().join("a");
        fs::create_dir(&below).unwrap();
        fs::write(below.join("cpuset.cpus"), "\n").unwrap();
        fs::write(below.join("cpuset.mems"), "\n").unwrap();
        make(dir.path(), &below).unwrap();
        assert_eq!(fs::read_to_string(below.join("cpuset.cpus")).unwrap(), "0-1\n");
        assert_eq!(fs::read_to_string(below.join("cpuset.mems")).unwrap(), "0\n");
    }
}
